"""No moment that is remembered lies ahead: what a wall clock that was ahead has left behind would last until then.

This is the only place where that is corrected: by whoever loads a state, and by whoever notices that the clock has been set back.
"""

from collections.abc import Hashable, Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from monitor.core.incident import Incident
from monitor.core.model import Instant, Seconds
from monitor.core.state import DAY, Backoff, Budget, TargetState

LONGEST_BACKOFF: Seconds = 1800.0
"""No canary is held back for longer without another look."""


def bring_to_present(state: TargetState, now: Instant) -> TargetState:
    """The same state, each moment of it now at the latest; and none before 1970, which only damage can bring about."""
    return cast("TargetState", _corrected(state, TargetState, now))


def _corrected(value: object, hint: object, now: Instant) -> object:
    """A part of the state; the very same if there is nothing to correct."""
    match value:
        case None:
            return None
        case float() | int() if hint == Instant:
            return value if 0.0 <= value <= now else min(max(value, 0.0), now)
        case Budget():  # what was spent stays spent, until midnight
            return replace(value, day=min(value.day, int(now // DAY)))
        case Backoff():
            return replace(value, until=min(value.until, now + LONGEST_BACKOFF))
        case tuple():
            items = tuple(_corrected(item, _inner(hint), now) for item in value)
            return value if all(one is other for one, other in zip(items, value, strict=True)) else items
        case Mapping():
            fixed = {key: _corrected(item, _inner(hint), now) for key, item in value.items()}
            return value if all(fixed[key] is item for key, item in value.items()) else fixed
        case Incident():
            return _as_long_as_before(value, cast("Incident", _corrected_record(value, now)))
    return _corrected_record(value, now) if is_dataclass(value) else value


def _corrected_record(record: object, now: Instant) -> object:
    known = {name: (getattr(record, name), hint) for name, hint in _moments(cast("Hashable", type(record)))}
    fixed = {name: _corrected(value, hint, now) for name, (value, hint) in known.items()}
    changed = {name: value for name, value in fixed.items() if value is not known[name][0]}
    return replace(cast("Any", record), **changed) if changed else record


def _as_long_as_before(before: Incident, after: Incident) -> Incident:
    """An incident that was open for a while must not look like one that was over before anybody could be notified."""
    if after.closed_at is None or before.closed_at is None or before.over_at_once or not after.over_at_once:
        return after
    return replace(after, opened_at=after.closed_at - max(1.0, before.closed_at - before.opened_at))


def _inner(hint: object) -> object:
    """Of what a collection holds."""
    arguments = get_args(hint)
    return arguments[1] if get_origin(hint) is Mapping else arguments[0]


@cache
def _moments(kind: Hashable) -> tuple[tuple[str, object], ...]:
    """The fields that hold moments, or records that do, and how they are declared."""
    hints = get_type_hints(kind, include_extras=True)
    declared = {name: _plain(hint) for name, hint in hints.items()}
    return tuple((name, hint) for name, hint in declared.items() if _holds(hint))


def _plain(hint: object) -> object:
    """Without the None that it may be."""
    kinds = [one for one in get_args(hint) if one is not type(None)]
    return kinds[0] if type(None) in get_args(hint) and len(kinds) == 1 else hint


def _holds(hint: object) -> bool:
    if hint == Instant or hint in (Budget, Backoff):
        return True
    if is_dataclass(hint):
        return bool(_moments(cast("Hashable", hint)))
    return get_origin(hint) in {tuple, Mapping} and any(map(_holds, get_args(hint)))
