"""What a state file remembers, read beside a running daemon or without one. Creates nothing, writes nothing, waits for nobody.

Meant for another process than the daemon's: closing a file drops the locks that this process holds on it
(https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from monitor.core.model import Instant
from monitor.core.state import State
from monitor.store import Recorded, StoreError
from monitor.store.history import HistoryTable
from monitor.store.tables import as_text, check_version, read_fingerprint_key, read_state

_ASIDE_A_WRITER = "mode=ro&readonly_shm=1"  # https://www.sqlite.org/wal.html#read_only_databases
_ALONE = "mode=ro&immutable=1"  # nobody has it open: without this SQLite would make companions even to read
_WITH_A_JOURNAL = "mode=ro"  # the file's own locks tell who is writing

MOST_ENTRIES = 1_000_000
"""So many of the history are read at most, the newest: a year of a target that is well."""

_MODE_AT = 18  # of the header: https://www.sqlite.org/fileformat.html#the_database_header
_WAL_MODE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was remembered; `problem` says why nothing could be read, where there is a file. `history`: as far as asked for."""

    state: State = State()
    fingerprint_key: bytes | None = None
    history: tuple[Recorded, ...] = ()
    problem: str | None = None


def load_snapshot(path: Path, *, history_since: Instant | None = None) -> Snapshot:
    """Read a state file, with its history since a moment; an empty snapshot if there is none, or if it cannot be read."""
    if not path.is_file():
        return Snapshot()
    try:
        return _read(path, _way_to_open(path), history_since)
    except (OSError, sqlite3.Error, StoreError) as error:
        return Snapshot(problem=f"{path} cannot be read: {error}")


def _way_to_open(path: Path) -> str:
    with path.open("rb") as file:
        header = file.read(_MODE_AT + 1)
    if header[_MODE_AT:] != bytes([_WAL_MODE]):
        return _WITH_A_JOURNAL
    log = Path(f"{path}-wal")
    return _ASIDE_A_WRITER if log.exists() else _ALONE


def _read(path: Path, how: str, history_since: Instant | None) -> Snapshot:
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)) as connection:
        connection.text_factory = as_text
        if check_version(connection, str(path)) == 0:
            return Snapshot()
        return Snapshot(
            state=read_state(connection),
            fingerprint_key=read_fingerprint_key(connection),
            history=()
            if history_since is None
            else HistoryTable(connection).read(target=None, since=history_since, limit=MOST_ENTRIES),
        )
