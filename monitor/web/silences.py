"""Silences as JSON: `{"target", "fault", "from", "to" or "for" or "weekly", "comment", "author"}`.

Moments are Unix seconds or ISO 8601 with an offset; `for` is in seconds; `weekly` is
`{"days": ["mon", …], "start": "22:00", "end": "02:00", "zone": "Europe/Berlin"}`.
"""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, time
from fnmatch import fnmatchcase
from typing import Any

from starlette.exceptions import HTTPException

from monitor.core.model import Fault, Instant, Seconds, TargetName
from monitor.core.silence import Silence, Weekly, silenced_until, zone_problem
from monitor.web.bodies import only, text_of

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST: Seconds = 10 * 365 * 86_400.0
_LONGEST_COMMENT = 500
_LONGEST_NAME = 100


def parse_silence(body: Mapping[str, Any], *, identifier: str, now: Instant) -> Silence:
    """A new silence. Raises HTTPException 400 with what is wrong; a one-off needs an end, and one that is still to come."""
    only(body, "target", "fault", "from", "to", "for", "weekly", "comment", "author")
    weekly = None if body.get("weekly") is None else _weekly(body["weekly"])
    begins_at, ends_at = _span(body, now)
    if weekly is None and ends_at is None:
        raise HTTPException(400, "a silence needs an end: `to`, `for` (seconds), or `weekly`")
    if ends_at is not None and ends_at <= max(now, begins_at or now):
        raise HTTPException(400, "a silence must end after it begins, and after now")
    if ends_at is not None and ends_at > now + _LONGEST:
        raise HTTPException(400, "a silence must end within ten years")
    return Silence(
        id=identifier,
        target=text_of(body, "target", limit=_LONGEST_NAME, default="*"),
        fault=_fault(body.get("fault")),
        begins_at=begins_at,
        ends_at=ends_at,
        weekly=weekly,
        comment=text_of(body, "comment", limit=_LONGEST_COMMENT, default=""),
        author=text_of(body, "author", limit=_LONGEST_NAME, default=""),
    )


def covered(silence: Silence, targets: Iterable[str]) -> list[str]:
    """The targets that a silence is about. Raises HTTPException 400 if there is none: it would mute nothing."""
    every = list(targets)
    found = [name for name in every if fnmatchcase(name, silence.target)]
    if not found:
        raise HTTPException(400, f"no target matches {silence.target!r}; there are: {', '.join(every)}")
    return found


def describe_silence(silence: Silence, now: Instant) -> dict[str, Any]:
    """A silence for the API; `active` says whether it mutes anything now."""
    weekly = silence.weekly
    return {
        "id": silence.id,
        "target": silence.target,
        "fault": None if silence.fault is None else silence.fault.value,
        "from": silence.begins_at,
        "to": silence.ends_at,
        "weekly": None
        if weekly is None
        else {
            "days": [DAYS[day] for day in sorted(weekly.days)],
            "start": weekly.start.isoformat("minutes"),
            "end": weekly.end.isoformat("minutes"),
            "zone": weekly.zone,
        },
        "comment": silence.comment,
        "author": silence.author,
        "active": active_until(silence, now) is not None,
    }


def active_until(silence: Silence, now: Instant) -> Instant | None:
    """Until when a silence mutes whatever it matches; None if it does not now."""
    anybody = replace(silence, target="*", fault=None)
    return silenced_until((anybody,), TargetName("anybody"), Fault.BLIND, now)


def _span(body: Mapping[str, Any], now: Instant) -> tuple[Instant | None, Instant | None]:
    if body.get("to") is not None and body.get("for") is not None:
        raise HTTPException(400, "`to` and `for` say the same thing: give one")
    begins_at = _moment(body, "from")
    if body.get("for") is None:
        return begins_at, _moment(body, "to")
    # It says when it began: made by a clock that is ahead, it would else last until that clock was right.
    begins_at = now if begins_at is None else begins_at
    return begins_at, begins_at + _number(body["for"], "for")


def _moment(body: Mapping[str, Any], key: str) -> Instant | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        return _number(value, key)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise HTTPException(400, f"`{key}` must be Unix seconds or ISO 8601, such as 2027-01-15T08:00:00Z") from None
    if moment.tzinfo is None:
        raise HTTPException(400, f"`{key}` needs an offset, such as Z or +01:00")
    return moment.timestamp()


def _number(value: object, key: str) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise HTTPException(400, f"`{key}` must be a number of seconds")
    return number


def _fault(value: object) -> Fault | None:
    if value is None:
        return None
    try:
        return Fault(str(value))
    except ValueError:
        raise HTTPException(400, f"`fault` must be one of {', '.join(Fault)}") from None


def _weekly(value: object) -> Weekly:
    if not isinstance(value, Mapping):
        raise HTTPException(400, "`weekly` must be an object with days, start, end, zone")
    only(value, "days", "start", "end", "zone")
    days = value.get("days")
    if not isinstance(days, list) or not days or not all(day in DAYS for day in days):
        raise HTTPException(400, f"`weekly.days` must be a list of {', '.join(DAYS)}")
    zone = text_of(value, "zone", limit=_LONGEST_NAME, default="UTC")
    if what := zone_problem(zone):
        raise HTTPException(400, f"`weekly.zone` {what}")
    return Weekly(
        days=frozenset(DAYS.index(day) for day in days), start=_time(value, "start"), end=_time(value, "end"), zone=zone
    )


def _time(value: Mapping[str, Any], key: str) -> time:
    try:
        parsed = time.fromisoformat(text_of(value, key, limit=8, default=""))
    except ValueError:
        raise HTTPException(400, f"`weekly.{key}` must be a time of day such as 22:00") from None
    if parsed.tzinfo is not None:
        raise HTTPException(400, f"`weekly.{key}` has no offset of its own: give `weekly.zone`")
    return parsed
