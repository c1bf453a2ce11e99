"""The history: which inputs are kept, those that say the same merged into one entry; and its table in the state file."""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from monitor.core.inputs import Input, LookFailed, NoticeDelivered, Observation, Ticked, TraceLooked
from monitor.core.model import CheckResult, Instant, Seconds, TargetName
from monitor.store import Recorded
from monitor.store.codec import OF_EVENTS, Unreadable, decode_input, encode_input

_log = logging.getLogger(__name__)

MERGE_WITHIN: Seconds = 3600.0
"""An entry spans at most this long, so that a month of quiet looks is some hundred entries per check and not a million."""

_MOST_KEYS = 1000

MergeKey = tuple[str, ...]
"""What may be merged with each other: the looks of one check at one target, or those for one trace."""

Newest = dict[MergeKey, tuple[int, Recorded]]
"""The entries that the next inputs may be merged into, each with its number, in the order in which they were written."""


def make_entry(target: TargetName, given: Input, at: Instant) -> Recorded | None:
    """An input as it is kept; None if it is not."""
    return None if isinstance(given, Ticked) else Recorded(target=target, given=given, at=at, until=at)


def merge_key(entry: Recorded) -> MergeKey | None:
    """With which inputs it may be merged; None if with none."""
    match entry.given:
        case Observation(check=check):
            return (entry.target, check)
        case TraceLooked(canary_id=canary_id):
            return (entry.target, "trace", canary_id)
        case LookFailed(check=check, canary_id=canary_id):
            return (entry.target, check, "failed", canary_id or "")
        case _:
            return None


def merge(before: Recorded | None, new: Recorded) -> Recorded | None:
    """The entry before, made longer by an input that says the same; None if this is something new."""
    if before is None or not before.until <= new.at < before.at + MERGE_WITHIN:
        return None
    if not _say_the_same(before.given, new.given):
        return None
    return replace(before, until=new.at, times=before.times + 1)


def _say_the_same(one: Input, other: Input) -> bool:
    match one, other:
        case Observation(), Observation():
            read = one.config == other.config and one.certificate == other.certificate
            return read and _verdict(one.result) == _verdict(other.result)
        case TraceLooked(), TraceLooked():
            return replace(one.seen, at=other.seen.at) == other.seen
        case LookFailed(), LookFailed():
            return one.key_refused == other.key_refused and _verdict(one.result) == _verdict(other.result)
        case _:
            return False


def _verdict(result: CheckResult) -> tuple[object, ...]:
    """What is concluded from a finding; its words differ from look to look ("answered in 31 ms")."""
    suspicions = {(each.fault, each.severity, each.conclusive, each.stops_export) for each in result.suspicions}
    return result.verdict, result.unknown_reason, result.conclusive, result.permanent, suspicions


def keep_newest(newest: Newest, key: MergeKey, number: int, entry: Recorded) -> None:
    """Remember what the next input of a key may be merged into, as long as it may be, and not too many of them."""
    newest.pop(key, None)
    newest[key] = (number, entry)
    while len(newest) > _MOST_KEYS or next(iter(newest.values()))[1].until < entry.until - MERGE_WITHIN:
        del newest[next(iter(newest))]


class HistoryTable:
    """Reads and writes the history; everything here runs in the database thread, inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._newest: Newest = {}

    def forget_events(self) -> int:
        """Delete what an earlier version recorded; how much that was."""
        marks = ", ".join("?" * len(OF_EVENTS))
        found = self._connection.execute(f"DELETE FROM history WHERE kind IN ({marks})", tuple(OF_EVENTS))  # noqa: S608
        return found.rowcount

    def write(self, entries: Iterable[Recorded]) -> None:
        """Append, or make the row before longer."""
        for entry in entries:
            key = merge_key(entry)
            number, before = self._newest.get(key, (0, None)) if key is not None else (0, None)
            merged = merge(before, entry)
            if merged is None:
                number = self._insert(entry)
            else:
                self._connection.execute(
                    "UPDATE history SET until = ?, times = ? WHERE id = ?", (merged.until, merged.times, number)
                )
            if key is not None:
                keep_newest(self._newest, key, number, merged or entry)

    def prune(self, before: Instant, now: Instant) -> None:
        """Forget what ended before that moment; what a clock that was ahead has dated is dated now, or it would stay for years."""
        self._connection.execute("DELETE FROM history WHERE until < ?", (before,))
        self._connection.execute("UPDATE history SET at = min(at, ?1), until = ?1 WHERE until > ?1 + 3600", (now,))

    def roll_back(self) -> None:
        """The transaction was undone: the rows that were just written are not there."""
        self._newest.clear()

    def read(self, *, target: TargetName | None, since: Instant | None, limit: int) -> tuple[Recorded, ...]:
        """The newest `limit` entries, oldest first; a row of an unknown kind is passed over."""
        rows = self._connection.execute(
            """SELECT kind, target, at, until, times, document FROM history
            WHERE (:target IS NULL OR target = :target) AND (:since IS NULL OR until >= :since)
            ORDER BY id DESC LIMIT :limit""",
            {"target": target, "since": since, "limit": limit},
        ).fetchall()
        read: list[Recorded] = []
        for kind, whose, at, until, times, document in reversed(rows):
            try:
                given = decode_input(kind, document)
            except Unreadable as error:
                _log.debug("a history entry cannot be read and is skipped: %s", error)
            else:
                read.append(Recorded(target=TargetName(whose), given=given, at=at, until=until, times=times))
        return tuple(read)

    def notices(self, *, target: TargetName, since: Instant, until: Instant) -> tuple[NoticeDelivered, ...]:
        """What notifiers were notified of between two moments, oldest first; what cannot be read is passed over."""
        rows = self._connection.execute(
            "SELECT document FROM history WHERE until BETWEEN ? AND ? AND kind = ? AND target = ? ORDER BY id",
            (since, until, NoticeDelivered.STORED_AS, target),
        ).fetchall()
        found = []
        for (document,) in rows:
            with suppress(Unreadable):
                found.append(decode_input(NoticeDelivered.STORED_AS, document))
        return tuple(one for one in found if isinstance(one, NoticeDelivered))

    def _insert(self, entry: Recorded) -> int:
        cursor = self._connection.execute(
            "INSERT INTO history (kind, target, at, until, times, document) VALUES (?, ?, ?, ?, ?, ?)",
            (entry.given.STORED_AS, entry.target, entry.at, entry.until, entry.times, encode_input(entry.given)),
        )
        return cursor.lastrowid or 0
