"""JSON in and out: bodies that are bounded and of one shape, answers without a number that JSON does not have, silences.

A silence is `{"target", "fault", "from", "to" or "for" or "weekly", "comment", "author"}`. A time is Unix seconds or ISO 8601 with
an offset; `for` is in seconds; `weekly` is `{"days": ["mon", …], "start": "22:00", "end": "02:00", "zone": "Europe/Berlin"}`.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, time
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from monitor.core.model import Fault, Instant, Seconds
from monitor.core.silence import Silence, Weekly, active_until, zone_problem
from monitor.core.text import rfc3339
from monitor.ports import Clock
from monitor.web.models import ProblemPayload

LONGEST_BODY = 64 * 1024
LONGEST_NAME = 100
_LONGEST_COMMENT = 500
_BODY_WITHIN: Seconds = 10.0
_LONGEST_SILENCE: Seconds = 10 * 365 * 86_400.0
_CALENDAR: tuple[Instant, Instant] = (-62_135_596_800.0, 253_402_300_800.0)  # the years 1 to 9999: more no date can say
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


# --- bodies and answers ----------------------------------------------------------------------------------------------


async def read_body(request: Request, clock: Clock) -> bytes:
    """A request's body. Raises HTTPException 400, 408, 413."""
    body = bytearray()
    try:
        async with clock.timeout(_BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise HTTPException(413, f"the body is longer than {LONGEST_BODY} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {_BODY_WITHIN:.0f} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body is incomplete: the connection was closed") from None
    return bytes(body)


async def read_object(request: Request, clock: Clock) -> dict[str, Any]:
    """The JSON object in a request's body; an empty one without a body. Raises HTTPException 400, 408, 413."""
    body = await read_body(request, clock)
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {type(error).__name__}") from None
    if not isinstance(parsed, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return parsed


def allow_only(body: Mapping[str, Any], *known: str) -> None:
    """Refuse a key that would be ignored. Raises HTTPException 400."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        names = ", ".join(f"`{name[:40]}`" for name in unknown[:5])
        raise HTTPException(400, f"unknown: {names}; allowed: {', '.join(known)}")


def text_of(body: Mapping[str, Any], key: str, *, limit: int = LONGEST_NAME, default: str = "") -> str:
    """A short text of a body. Raises HTTPException 400."""
    value = body.get(key, default)
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        raise HTTPException(400, f"`{key}` must be a text of at most {limit} printable characters")
    return value


def as_json(content: object, status: int = 200, media_type: str = "application/json") -> Response:
    """A JSON answer."""
    body = json.dumps(_finite(content), separators=(",", ":"), default=str, allow_nan=False)
    return Response(body + "\n", status_code=status, media_type=media_type)


def as_problem(status: int, detail: str) -> Response:
    """An error, by https://www.rfc-editor.org/rfc/rfc9457."""
    said = ProblemPayload(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, error=detail
    )
    return as_json(said, status, "application/problem+json")


def _finite(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {str(key): _finite(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_finite(inner) for inner in value]
        case _:
            return value


# --- silences --------------------------------------------------------------------------------------------------------


def parse_silence(body: Mapping[str, Any], *, identifier: str, now: Instant) -> Silence:
    """A new silence. Raises HTTPException 400 with what is wrong; a one-off needs an end, and one that is still to come."""
    allow_only(body, "target", "fault", "from", "to", "for", "weekly", "comment", "author")
    weekly = None if body.get("weekly") is None else _parse_weekly(body["weekly"])
    if weekly is not None and any(body.get(key) is not None for key in ("from", "to", "for")):
        raise HTTPException(400, "`weekly` says itself when: give no `from`, `to` or `for`")
    begins_at, ends_at = _parse_time(body, "from"), _parse_time(body, "to")
    if begins_at is not None and not 0 <= begins_at <= now + _LONGEST_SILENCE:
        raise HTTPException(400, "`from` must lie between 1970 and ten years from now")
    if body.get("for") is not None:
        if ends_at is not None:
            raise HTTPException(400, "`to` and `for` say the same thing: give one")
        # It says when it began: made by a clock that is ahead, it would else last until that clock was right.
        begins_at = now if begins_at is None else begins_at
        ends_at = begins_at + _parse_seconds(body, "for")
    if weekly is None and ends_at is None:
        raise HTTPException(400, "a silence needs an end: `to`, `for` (seconds), or `weekly`")
    if ends_at is not None and ends_at <= max(now, begins_at or now):
        raise HTTPException(400, "a silence must end after it begins, and after now")
    if ends_at is not None and ends_at > now + _LONGEST_SILENCE:
        raise HTTPException(400, "a silence must end within ten years")
    return Silence(
        id=identifier,
        target=text_of(body, "target", default="*"),
        fault=_parse_fault(body.get("fault")),
        begins_at=begins_at,
        ends_at=ends_at,
        weekly=weekly,
        comment=text_of(body, "comment", limit=_LONGEST_COMMENT),
        author=text_of(body, "author"),
    )


def describe_silence(silence: Silence, now: Instant) -> dict[str, Any]:
    """A silence for the API; `active` says whether it mutes anything now."""
    weekly = silence.weekly
    return {
        "id": silence.id,
        "target": silence.target,
        "fault": None if silence.fault is None else silence.fault.value,
        "from": silence.begins_at,
        "from_time": _rfc3339(silence.begins_at),
        "to": silence.ends_at,
        "to_time": _rfc3339(silence.ends_at),
        "weekly": None
        if weekly is None
        else {
            "days": [_DAYS[day] for day in sorted(weekly.days)],
            "start": weekly.start.isoformat("minutes"),
            "end": weekly.end.isoformat("minutes"),
            "zone": weekly.zone,
        },
        "comment": silence.comment,
        "author": silence.author,
        "active": active_until(silence, now) is not None,
    }


def _rfc3339(at: Instant | None) -> str | None:
    return rfc3339(at) if at is not None and _CALENDAR[0] <= at < _CALENDAR[1] else None


def _parse_time(body: Mapping[str, Any], key: str) -> Instant | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        return _parse_seconds(body, key)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise HTTPException(400, f"`{key}` must be Unix seconds or ISO 8601, such as 2027-01-15T08:00:00Z") from None
    if parsed.tzinfo is None:
        raise HTTPException(400, f"`{key}` needs an offset, such as Z or +01:00")
    return parsed.timestamp()


def _parse_seconds(body: Mapping[str, Any], key: str) -> float:
    value, number = body[key], math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise HTTPException(400, f"`{key}` must be a number of seconds")
    return number


def _parse_fault(value: object) -> Fault | None:
    if value is None:
        return None
    try:
        return Fault(str(value))
    except ValueError:
        raise HTTPException(400, f"`fault` must be one of {', '.join(Fault)}") from None


def _parse_weekly(value: object) -> Weekly:
    if not isinstance(value, Mapping):
        raise HTTPException(400, "`weekly` must be an object with days, start, end, zone")
    allow_only(value, "days", "start", "end", "zone")
    days = value.get("days")
    if not isinstance(days, list) or not days or not all(day in _DAYS for day in days):
        raise HTTPException(400, f"`weekly.days` must be a list of {', '.join(_DAYS)}")
    zone = text_of(value, "zone", default="UTC")
    if problem := zone_problem(zone):
        raise HTTPException(400, f"`weekly.zone` {problem}")
    start, end = _parse_time_of_day(value, "start"), _parse_time_of_day(value, "end")
    return Weekly(days=frozenset(map(_DAYS.index, days)), start=start, end=end, zone=zone)


def _parse_time_of_day(value: Mapping[str, Any], key: str) -> time:
    try:
        parsed = time.fromisoformat(text_of(value, key, limit=8))
    except ValueError:
        raise HTTPException(400, f"`weekly.{key}` must be a time of day such as 22:00") from None
    if parsed.tzinfo is not None:
        raise HTTPException(400, f"`weekly.{key}` has no offset of its own: give `weekly.zone`")
    return parsed
