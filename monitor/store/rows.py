"""Rows to values: what the tables hold, read tolerantly, by the daemon at its start and by `check` beside it."""

import logging
import sqlite3

from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.core.state import State, TargetState
from monitor.store.codec import Unreadable, decode_silence, decode_target, shown_name

_log = logging.getLogger(__name__)

FINGERPRINT_KEY = "fingerprint_key"
KEY_BYTES = 32


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
            _log.error("what was remembered of %s cannot be read, it begins afresh: %s", shown_name(name), error)
    return targets


def _read_silences(connection: sqlite3.Connection) -> tuple[Silence, ...]:
    silences: list[Silence] = []
    for _, document in connection.execute("SELECT id, document FROM silences ORDER BY rowid"):
        try:
            silences.append(decode_silence(document))
        except Unreadable as error:
            _log.error("a silence cannot be read, it is gone: %s", error)
    return tuple(silences)
