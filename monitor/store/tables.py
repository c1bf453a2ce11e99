"""The tables, how they came to be, and what they hold: read tolerantly, by the daemon at its start and by `check` beside it."""

import logging
import sqlite3
from contextlib import closing
from functools import cache

from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.store import StoreError
from monitor.store.codec import Unreadable, decode_silence, decode_target, shown_target

_log = logging.getLogger(__name__)

FINGERPRINT_KEY = "fingerprint_key"
KEY_BYTES = 32

APPLICATION_ID = 0x54_4D_4F_4E
"""Tells our files from other programs' databases ("TMON"): https://www.sqlite.org/pragma.html#pragma_application_id."""

Migrations = tuple[tuple[str, ...], ...]
"""A tuple of statements per version, applied in order, each in one transaction."""

MIGRATIONS: Migrations = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
        "CREATE TABLE targets (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT",
        "CREATE TABLE silences (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT",
        """CREATE TABLE history (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            target TEXT,
            at REAL NOT NULL,
            until REAL NOT NULL,
            times INTEGER NOT NULL,
            document TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX history_by_time ON history (until)",
    ),
)


def as_text(raw: bytes) -> str:
    """The `text_factory` of every connection: bytes that are not UTF-8 raise no error, which would quote the whole document."""
    return raw.decode("utf-8", "replace")


def migrate(connection: sqlite3.Connection, path: str, migrations: Migrations = MIGRATIONS) -> None:
    """Bring the tables up to date. Raises StoreError for a file of a newer version or of another program."""
    version = check_version(connection, path)
    for number, statements in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def check_version(connection: sqlite3.Connection, path: str) -> int:
    """The version of the tables; 0 for an empty file. Raises StoreError as `migrate` does, DatabaseError for a damaged file.

    Every version has other tables than the one before, so tables of ours under the number of another version are damage.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = _tables(connection)
    if not tables and not version and not application:
        return 0
    if application != APPLICATION_ID and not _ours().keys() <= tables.keys():
        raise StoreError(f"{path} is a database of another program: give `state.path` another file")
    if tables == _ours():
        if (application, version) != (APPLICATION_ID, len(MIGRATIONS)):
            raise damaged("its header is not the one of its tables")
    elif version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer version of trace-monitor (schema {version}; this one knows up to "
            f"{len(MIGRATIONS)}): run the newer version, or give `state.path` another file"
        )
    elif version in {0, len(MIGRATIONS)}:
        raise damaged("its tables are not those of its version")
    return version


def damaged(why: str) -> sqlite3.DatabaseError:
    """What SQLite itself would raise."""
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _tables(connection: sqlite3.Connection) -> dict[str, str]:
    """Tables and indexes by name, as they were declared."""
    return dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())


@cache
def _ours() -> dict[str, str]:
    """Those of this version."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in (statement for statements in MIGRATIONS for statement in statements):
            connection.execute(statement)
        return _tables(connection)


def read_state(connection: sqlite3.Connection) -> State:
    """Everything remembered. What cannot be read is logged and left out, and costs nobody else anything."""
    return State(targets=_read_targets(connection), silences=_read_silences(connection))


def read_fingerprint_key(connection: sqlite3.Connection) -> bytes | None:
    """The key, if there is one yet."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (FINGERPRINT_KEY,)).fetchone()
    return None if row is None or not isinstance(row[0], bytes) else row[0]


def _read_targets(connection: sqlite3.Connection) -> dict[TargetName, TargetState]:
    targets: dict[TargetName, TargetState] = {}
    for name, document in connection.execute("SELECT name, document FROM targets ORDER BY name"):
        try:
            targets[TargetName(name)] = decode_target(document)
        except Unreadable as error:
            _log.error("the stored state of %s cannot be read and is reset: %s", shown_target(name), error)
    return targets


def _read_silences(connection: sqlite3.Connection) -> tuple[Silence, ...]:
    silences: list[Silence] = []
    for _, document in connection.execute("SELECT id, document FROM silences ORDER BY rowid"):
        try:
            silences.append(decode_silence(document))
        except Unreadable as error:
            _log.error("a stored silence cannot be read and is dropped: %s", error)
    return tuple(silences)
