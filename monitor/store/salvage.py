"""What can still be read of a damaged state file, carried into a fresh one: row by row, and each row only if it makes sense."""

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from monitor.store.codec import (
    KINDS,
    Unreadable,
    decode_silence,
    decode_target,
    encode_silence,
    encode_target,
    is_sound_silence,
    is_sound_target,
    shown_name,
)
from monitor.store.rows import FINGERPRINT_KEY, KEY_BYTES
from monitor.store.schema import migrate

_COLUMNS: Mapping[str, str] = {
    "meta": "name, value",
    "targets": "name, document",
    "silences": "id, document",
    "history": "kind, target, at, until, times, document",
}
_ROWS = 1_000_000
"""So many rows of a table are read at most: a damaged tree may lead round in circles."""

_Rows = dict[int, tuple[Any, ...]]

# Of the header: https://www.sqlite.org/fileformat.html#the_database_header
_MODES = slice(18, 20)
_CHANGES = slice(24, 28)  # another number than at 92: then the size of the file counts, not the one in the header


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether every record but the history's can be read in full."""
    (keys,) = connection.execute("SELECT count(*) FROM meta WHERE name = ? AND length(value) <> ?", _KEY).fetchone()
    return (
        not keys
        and all(is_sound_target(*row) for row in connection.execute("SELECT name, document FROM targets"))
        and all(is_sound_silence(*row) for row in connection.execute("SELECT id, document FROM silences"))
    )


_KEY = (FINGERPRINT_KEY, KEY_BYTES)


def salvage(damaged: Path, fresh: sqlite3.Connection) -> str:
    """Carry over what can be read; what that was, for people. Nothing of a document is quoted. Raises sqlite3.Error."""
    with suppress(OSError):
        return _carry_over(_read(damaged), fresh)
    return "nothing, because it could not be copied"


def _read(damaged: Path) -> dict[str, _Rows]:
    """Every row of every table, from copies: SQLite writes even to read."""
    found: dict[str, _Rows] = {table: {} for table in _COLUMNS}
    with TemporaryDirectory(prefix=".salvage-", dir=damaged.parent) as directory:
        for mended in (True, False):  # what is read from the file as it stands counts more
            copy = Path(directory) / f"{mended}.db"
            shutil.copyfile(damaged, copy)
            log = Path(f"{damaged}-wal")
            if log.exists():
                shutil.copyfile(log, f"{copy}-wal")
            if mended:
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
    keys = [row for row in found["meta"].values() if _is_key(*row)][:1]
    fresh.execute("BEGIN IMMEDIATE")
    fresh.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", [(FINGERPRINT_KEY, value) for _, value in keys])
    fresh.executemany("INSERT INTO targets (name, document) VALUES (?, ?)", targets.items())
    fresh.executemany("INSERT INTO silences (id, document) VALUES (?, ?)", silences.items())
    marks = "?, ?, ?, ?, ?, ?"
    fresh.executemany(f"INSERT INTO history ({_COLUMNS['history']}) VALUES ({marks})", entries)  # noqa: S608 - constants
    fresh.execute("COMMIT")
    key = "the fingerprint key" if keys else "not the fingerprint key"
    gone = {shown_name(name.decode("utf-8", "replace")) for name, _ in found["targets"].values()} - targets.keys()
    lost = f"; nothing of {', '.join(sorted(gone))}" if gone else ""
    return f"{len(targets)} targets, {len(silences)} silences, {len(entries)} entries of the history, {key}{lost}"


def _is_key(name: object, value: object) -> bool:
    return name == FINGERPRINT_KEY.encode() and isinstance(value, bytes) and len(value) == KEY_BYTES


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
