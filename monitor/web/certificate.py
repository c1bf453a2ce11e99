"""The certificate that the web server shows: read again when its files change, so that a renewed one needs no restart."""

import logging
import ssl
from pathlib import Path

_log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key, in two files or in one."""

    def __init__(self, cert: Path, key: Path | None) -> None:
        """Raises OSError (ssl.SSLError is one) if they cannot be used."""
        self._cert, self._key = cert, key
        self._seen = self._look()
        self._context = self._load()
        self.problem: str | None = None

    def current(self) -> ssl.SSLContext:
        """What a new connection is secured with: the newest pair that could be read."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._context = self._load()
            except OSError as error:  # one of two files may be written a moment before the other
                self.problem = f"the renewed certificate cannot be used: {self._cert}: {error.strerror or error}"
                _log.warning("%s; the one before is still served", self.problem)
            else:
                self.problem = None
                _log.info("a renewed certificate is served", extra={"fields": {"file": str(self._cert)}})
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._cert, self._key)
        return context

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in (self._cert, self._key) if file is not None)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
