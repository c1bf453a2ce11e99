"""The history table."""

import logging
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from monitor.core.events import Event
from monitor.core.model import Instant, TargetName
from monitor.store import Recorded
from monitor.store.codec import NAMES, Unreadable, decode_event, encode_event
from monitor.store.history import Lane, fold, lane, record, target_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something to be written: encoded by whoever hands it over, so that nothing but SQLite can fail in its thread."""

    new: Recorded
    document: str


def make_entry(event: Event) -> Entry | None:
    """An event, ready to be written; None if it is not kept."""
    new = record(event)
    return None if new is None else Entry(new=new, document=encode_event(event))


class Ledger:
    """Reads and writes the history; everything here runs in the database thread, inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._newest: dict[Lane, tuple[int, Recorded]] = {}  # the rows that the next looks may be folded into

    def write(self, entries: Iterable[Entry]) -> None:
        """Append, or make the row before longer."""
        for entry in entries:
            looks = lane(entry.new.event)
            number, before = self._newest.get(looks, (0, None)) if looks is not None else (0, None)
            folded = fold(before, entry.new.event)
            if folded is None:
                number = self._insert(entry)
            else:
                self._connection.execute(
                    "UPDATE history SET until = ?, times = ? WHERE id = ?", (folded.until, folded.times, number)
                )
            if looks is not None:
                self._newest[looks] = (number, folded or entry.new)

    def prune(self, before: Instant, now: Instant) -> None:
        """Forget what ended before that moment; what a clock that was ahead has dated is dated now, or it would stay for years."""
        self._connection.execute("DELETE FROM history WHERE until < ?", (before,))
        self._connection.execute("UPDATE history SET at = min(at, ?1), until = ?1 WHERE until > ?1 + 3600", (now,))

    def roll_back(self) -> None:
        """The transaction was undone: the rows that were just written are not there."""
        self._newest.clear()

    def read(
        self, *, target: TargetName | None, kinds: Collection[type[Event]], since: Instant | None, limit: int
    ) -> tuple[Recorded, ...]:
        """The newest `limit` entries, oldest first; a row of an unknown kind is passed over."""
        names = [NAMES[kind] for kind in kinds]
        rows = self._connection.execute(
            f"""SELECT kind, at, until, times, document FROM history
            WHERE (:target IS NULL OR target = :target) AND (:since IS NULL OR until >= :since)
            {f"AND kind IN ({', '.join(repr(name) for name in names)})" if names else ""}
            ORDER BY id DESC LIMIT :limit""",  # noqa: S608 - the names are constants of ours
            {"target": target, "since": since, "limit": limit},
        ).fetchall()
        read: list[Recorded] = []
        for kind, at, until, times, document in reversed(rows):
            try:
                read.append(Recorded(event=decode_event(kind, document), at=at, until=until, times=times))
            except Unreadable as error:
                _log.debug("an entry of the history is passed over: %s", error)
        return tuple(read)

    def _insert(self, entry: Entry) -> int:
        new = entry.new
        cursor = self._connection.execute(
            "INSERT INTO history (kind, target, at, until, times, document) VALUES (?, ?, ?, ?, ?, ?)",
            (NAMES[type(new.event)], target_of(new.event), new.at, new.until, new.times, entry.document),
        )
        return cursor.lastrowid or 0
