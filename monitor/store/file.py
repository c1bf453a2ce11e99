"""The state file: found usable or refused with a reason, opened with the right settings; what can be read of a broken one is kept."""

import errno
import fcntl
import logging
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitor.core.model import Instant, Seconds
from monitor.store import StoreError
from monitor.store.codec import (
    KINDS,
    Unreadable,
    decode_silence,
    decode_target,
    encode_silence,
    encode_target,
    is_sound_silence,
    is_sound_target,
    shown_target,
)
from monitor.store.tables import FINGERPRINT_KEY, KEY_BYTES, as_text, check_version, damaged, migrate

_log = logging.getLogger(__name__)

_OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables: https://www.sqlite.org/stricttables.html."""

BUSY_TIMEOUT: Seconds = 5.0
_PRIVATE = 0o600  # the fingerprint key is in it
_NOT_THE_FILE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_AUTH,
    }
)
"""What SQLite says of the disk, the directory or another process; everything else says that the file is damaged."""

_MODES = slice(18, 20)  # of the header: https://www.sqlite.org/fileformat.html#the_database_header
_KNOWN_MODES = {b"\1\1", b"\2\2", b""}
_COMPANIONS = ("", "-wal", "-shm", "-journal")

_COLUMNS: Mapping[str, str] = {
    "meta": "name, value",
    "targets": "name, document",
    "silences": "id, document",
    "history": "kind, target, at, until, times, document",
}
_ROWS = 1_000_000
"""So many rows of a table are read at most: a damaged tree may lead round in circles."""

_Rows = dict[int, tuple[Any, ...]]

_CHANGES = slice(24, 28)  # another number than at 92: then the size of the file counts, not the one in the header


class StateInUse(StoreError):
    """Another process has it."""


class StateFile:
    """One state file, locked for this process. Everything here runs in the database thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self.loss: str | None = None  # what became of a damaged file, for people

    def open(self, now: Instant) -> sqlite3.Connection:
        """The one connection to it, with its tables up to date. Raises StoreError."""
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
        try:
            self._lock_it()
            _touch(self.path)
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
        """Two daemons on one file would deliver everything twice. The lock dies with the process, however that ends."""
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StateInUse(
                f"{self.path} is in use by another trace-monitor: stop that one, or give `state.path` another file"
            ) from None
        except OSError as error:
            os.close(lock)
            if error.errno not in {errno.ENOLCK, errno.ENOTSUP}:  # some network volumes have no locks
                raise
            return
        self._lock = lock

    def _connect(self, now: Instant) -> sqlite3.Connection:
        try:
            _check_modes(self.path)
            connection = _prepare(self.path)
        except (sqlite3.Error, UnicodeError) as error:  # the latter: an error message of SQLite's that quotes the file
            if isinstance(error, sqlite3.Error) and primary_code(error) in _NOT_THE_FILE:
                raise
        else:
            if _is_sound(connection):
                return connection
            connection.close()
        return self._begin_with_what_is_left(now)

    def _begin_with_what_is_left(self, now: Instant) -> sqlite3.Connection:
        """The damaged file stays where it is until everything that can be read of it has been written down."""
        fresh = Path(f"{self.path}.fresh")
        for companion in _COMPANIONS:
            Path(f"{fresh}{companion}").unlink(missing_ok=True)
        _touch(fresh)
        with closing(_prepare(fresh)) as connection:
            kept = _salvage(self.path, connection)
        aside = self._move_aside(now)
        fresh.replace(self.path)
        self.loss = f"the state file {self.path} was damaged: it is kept as {aside}, and what could still be read is "
        self.loss += f"carried over: {kept}"
        _log.critical("%s", self.loss)
        return _prepare(self.path)

    def _move_aside(self, now: Instant) -> Path:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = Path(f"{self.path}.corrupt-{stamp}")
        while aside.exists():
            aside = Path(f"{aside}-again")
        for companion in _COMPANIONS:
            broken = Path(f"{self.path}{companion}")
            if broken.exists():
                broken.replace(f"{aside}{companion}")
        return aside


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 if Python raised it by itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _touch(path: Path) -> None:
    """Create it readable for nobody else; SQLite gives its companions the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))


def _prepare(path: Path) -> sqlite3.Connection:
    """Connect, check the file, set it up."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    connection.text_factory = as_text
    try:
        check_version(connection, str(path))  # before anything is written to what may not be ours
        _check_pages(connection)
        _set_up(connection, path)
        migrate(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _check_modes(path: Path) -> None:
    """SQLite takes a file with an unknown mode for one that it may not write."""
    with path.open("rb") as file:
        if file.read(_MODES.stop)[_MODES] not in _KNOWN_MODES:
            raise damaged("its header")


def _check_pages(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()  # the quick one leaves out the indexes
    if verdict != "ok":
        raise damaged(verdict)


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        if primary_code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}:
            raise
        mode = "refused"
    if mode != "wal":  # network volumes: https://www.sqlite.org/wal.html#noshm
        connection.execute("PRAGMA journal_mode = DELETE")
        _log.info("%s is on a volume without shared memory; a rollback journal is used", path)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def _complaint(path: Path, why: str) -> str:
    return (
        f"cannot keep the state in {path}: {why}; check that its directory exists and is writable, or set `state.path`"
    )


# --- what can still be read of a damaged file: row by row, and each row only if it makes sense


def _is_sound(connection: sqlite3.Connection) -> bool:
    """Whether every record but the history's can be read in full."""
    key = (FINGERPRINT_KEY, KEY_BYTES)
    (keys,) = connection.execute("SELECT count(*) FROM meta WHERE name = ? AND length(value) <> ?", key).fetchone()
    return (
        not keys
        and all(is_sound_target(*row) for row in connection.execute("SELECT name, document FROM targets"))
        and all(is_sound_silence(*row) for row in connection.execute("SELECT id, document FROM silences"))
    )


def _salvage(damaged: Path, fresh: sqlite3.Connection) -> str:
    """Carry over what can be read; what that was, for people. Nothing of a document is quoted. Raises sqlite3.Error."""
    with suppress(OSError):
        return _carry_over(_read(damaged), fresh)
    return "nothing, because it could not be copied"


def _read(damaged: Path) -> dict[str, _Rows]:
    """Every row of every table, from copies: SQLite writes even to read."""
    found: dict[str, _Rows] = {table: {} for table in _COLUMNS}
    with TemporaryDirectory(prefix=".salvage-", dir=damaged.parent) as directory:
        for fixed in (True, False):  # what is read from the file as it stands counts more
            copy = Path(directory) / f"{fixed}.db"
            shutil.copyfile(damaged, copy)
            log = Path(f"{damaged}-wal")
            if log.exists():
                shutil.copyfile(log, f"{copy}-wal")
            if fixed:
                _replace_first_page(copy, logged=log.exists())
            with suppress(sqlite3.Error, UnicodeError), closing(sqlite3.connect(copy)) as connection:
                connection.text_factory = bytes
                for table, columns in _COLUMNS.items():
                    found[table].update(_read_table(connection, table, columns))
    return found


def _replace_first_page(copy: Path, *, logged: bool) -> None:
    """Where the tables begin stands on the first page. It is the same in every file that we made."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as template:
        migrate(template, "")
        (size,) = template.execute("PRAGMA page_size").fetchone()
        page = bytearray(template.serialize()[:size])
    page[_MODES] = bytes([2, 2] if logged else [1, 1])
    page[_CHANGES] = b"\x7f\xff\xff\xff"
    with copy.open("r+b") as file:
        file.write(page)


def _read_table(connection: sqlite3.Connection, table: str, columns: str) -> _Rows:
    """Its rows, each by itself: from the first up to where the tree is broken, and from the last down to there."""
    numbers: set[int] = set()
    rows: _Rows = {}
    for order in ("ASC", "DESC"):
        query = f"SELECT rowid FROM {table} NOT INDEXED ORDER BY rowid {order} LIMIT {_ROWS}"  # noqa: S608 - constants
        with suppress(sqlite3.Error, UnicodeError):
            numbers.update(number for (number,) in connection.execute(query))
    for number in sorted(numbers):
        query = f"SELECT {columns} FROM {table} NOT INDEXED WHERE rowid = ?"  # noqa: S608 - constants
        with suppress(sqlite3.Error, UnicodeError):
            row = connection.execute(query, (number,)).fetchone()
            if row is not None:
                rows[number] = row
    return rows


def _carry_over(found: Mapping[str, _Rows], fresh: sqlite3.Connection) -> str:
    targets, silences, entries = _targets(found["targets"]), _silences(found["silences"]), _entries(found["history"])
    keys = [
        (name, value)
        for name, value in found["meta"].values()
        if name == FINGERPRINT_KEY.encode() and isinstance(value, bytes) and len(value) == KEY_BYTES
    ][:1]
    fresh.execute("BEGIN IMMEDIATE")
    fresh.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", [(FINGERPRINT_KEY, value) for _, value in keys])
    fresh.executemany("INSERT INTO targets (name, document) VALUES (?, ?)", targets.items())
    fresh.executemany("INSERT INTO silences (id, document) VALUES (?, ?)", silences.items())
    marks = "?, ?, ?, ?, ?, ?"
    fresh.executemany(f"INSERT INTO history ({_COLUMNS['history']}) VALUES ({marks})", entries)  # noqa: S608 - constants
    fresh.execute("COMMIT")
    key = "the fingerprint key" if keys else "not the fingerprint key"
    gone = {shown_target(name.decode("utf-8", "replace")) for name, _ in found["targets"].values()} - targets.keys()
    lost = f"; nothing of {', '.join(sorted(gone))}" if gone else ""
    return f"{len(targets)} targets, {len(silences)} silences, {len(entries)} entries of the history, {key}{lost}"


def _targets(rows: _Rows) -> dict[str, str]:
    """Also in part; but what is remembered of whom must be beyond doubt."""
    read: dict[str, str] = {}
    for name, document in rows.values():
        with suppress(Unreadable, AttributeError):
            state = decode_target(document.decode("utf-8", "replace"))
            if state.target.encode() == name:
                read[state.target] = encode_target(state)
    return read


def _silences(rows: _Rows) -> dict[str, str]:
    read: dict[str, str] = {}
    for identifier, document in rows.values():
        with suppress(Unreadable, UnicodeError, AttributeError):
            silence = decode_silence(document.decode("ascii"))
            if silence.id.encode() == identifier:
                read[silence.id] = encode_silence(silence)
    return read


def _entries(rows: _Rows) -> list[tuple[Any, ...]]:
    read: list[tuple[Any, ...]] = []
    for kind, target, *when, document in rows.values():
        with suppress(UnicodeError, AttributeError):
            name = kind.decode("ascii")
            if name in KINDS:
                whom = target if target is None else target.decode("ascii")
                read.append((name, whom, *when, document.decode("ascii")))
    return read
