"""Where the running daemon really listens, left where `healthcheck` finds it without reading any configuration.

One small file for each daemon, locked for as long as it lives: a file that can be locked is what a dead one left behind.
"""

import fcntl
import os
from pathlib import Path

_EVERYWHERE = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}  # where to ask, not to listen


class Address:
    """The address of this process, as long as it is kept."""

    def __init__(self, url: str, config: str) -> None:
        """Raises OSError if there is no place for it."""
        for anywhere, here in _EVERYWHERE.items():
            url = url.replace(anywhere, here)
        directory = _directory()
        directory.mkdir(mode=0o700, exist_ok=True)
        _sweep(directory)
        self._file = directory / f"{os.getpid()}-{os.urandom(4).hex()}"
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.write(self._descriptor, f"{url}\n{config}\n".encode())

    def withdraw(self) -> None:
        """It does not listen any more."""
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def running() -> list[tuple[str, str]]:
    """The daemons of this user that live: address, and the path of the configuration that each was started with (or none)."""
    found = []
    for file in sorted(_files(_directory())):
        said = _read_locked(file)
        if said is not None:
            found.append(said)
    return found


def _directory() -> Path:
    """The first that can be written to; in a container with a read-only root that is /tmp, or else where it was started."""
    places = [place for place in (os.environ.get("TMPDIR"), "/tmp") if place]  # noqa: S108 - of this user alone, see `_files`
    writable = (place for place in places if os.access(place, os.W_OK | os.X_OK) and os.path.isdir(place))  # noqa: PTH112
    return Path(next(writable, ".")) / f"trace-monitor-{os.getuid()}"


def _files(directory: Path) -> list[Path]:
    """Only of a directory that is ours: another user may write to /tmp, too."""
    try:
        return list(directory.iterdir()) if directory.stat().st_uid == os.getuid() else []
    except OSError:
        return []


def _read_locked(file: Path) -> tuple[str, str] | None:
    """What a living daemon has left in it."""
    try:
        with file.open() as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                url, _, config = opened.read().partition("\n")
                return (url, config.rstrip("\n")) if url else None
    except OSError:
        pass
    return None


def _sweep(directory: Path) -> None:
    for file in _files(directory):
        if _read_locked(file) is None:
            file.unlink(missing_ok=True)
