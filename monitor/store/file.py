"""The state file: found usable or refused with a reason, opened with the right settings, moved aside when it is broken."""

import errno
import fcntl
import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from monitor.core.model import Instant, Seconds
from monitor.store import StoreError
from monitor.store.schema import check_version, migrate

_log = logging.getLogger(__name__)

_OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables: https://www.sqlite.org/stricttables.html."""

BUSY_TIMEOUT: Seconds = 5.0
_PRIVATE = 0o600  # the fingerprint key is in it
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_COMPANIONS = ("", "-wal", "-shm", "-journal")


class StateFile:
    """One state file, locked for this process. Everything here runs in the database thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self, now: Instant) -> sqlite3.Connection:
        """The one connection to it, with its tables up to date. Raises StoreError."""
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
        try:
            self._lock_it()
            self._touch()
            return self._connect(now)
        except OSError as error:
            self.release()
            raise StoreError(_complaint(self.path, error.strerror or str(error))) from error
        except sqlite3.Error as error:
            self.release()
            raise StoreError(_complaint(self.path, str(error))) from error
        except StoreError:
            self.release()
            raise

    def release(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _lock_it(self) -> None:
        """Two daemons on one file would tell everything twice. The lock dies with the process, however that ends."""
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreError(
                f"{self.path} is in use by another trace-monitor: stop that one, or give `state.path` another file"
            ) from None
        except OSError as error:
            os.close(lock)
            if error.errno not in {errno.ENOLCK, errno.ENOTSUP}:  # some network volumes have no locks
                raise
            return
        self._lock = lock

    def _touch(self) -> None:
        """Create it readable for nobody else; SQLite gives its companions the same mode."""
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))

    def _connect(self, now: Instant) -> sqlite3.Connection:
        try:
            return _prepare(self.path)
        except sqlite3.DatabaseError as error:
            if primary_code(error) not in _BROKEN:
                raise
            aside = self._move_aside(now)
            _log.critical("%s is corrupt (%s): moved to %s, beginning afresh without memory", self.path, error, aside)
        self._touch()
        return _prepare(self.path)

    def _move_aside(self, now: Instant) -> Path:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = Path(f"{self.path}.corrupt-{stamp}")
        for companion in _COMPANIONS:
            broken = Path(f"{self.path}{companion}")
            if broken.exists():
                broken.replace(f"{aside}{companion}")
        return aside


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 if Python raised it by itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _prepare(path: Path) -> sqlite3.Connection:
    """Connect, check the file, set it up."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        _check_pages(connection)
        check_version(connection, str(path))  # before anything is written to what may not be ours
        _set_up(connection, path)
        migrate(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _check_pages(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        broken = sqlite3.DatabaseError(verdict)
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise broken


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        if primary_code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}:
            raise
        mode = "refused"
    if mode != "wal":  # network volumes: https://www.sqlite.org/wal.html#noshm
        connection.execute("PRAGMA journal_mode = DELETE")
        _log.info("%s is on a volume without shared memory: it is written with a rollback journal instead", path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _complaint(path: Path, why: str) -> str:
    return (
        f"cannot keep the state in {path}: {why}; check that its directory exists and is writable, or set `state.path`"
    )
