"""A simulation for people and for programs. Pure."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from monitor.app.simulation.chronicle import Cue, Summary
from monitor.app.simulation.play import Played
from monitor.app.simulation.reader import Outcome, Place, Shown, Telling
from monitor.core.model import Instant, Seconds
from monitor.settings.duration import format_duration

_MARGIN = " " * 20
_DAY: Seconds = 86_400.0


def as_text(played: Played) -> str:
    """Every notice at its moment, as Slack's reader reads it; what happened besides in between."""
    lines: list[str] = []
    for entry in played.chronicle.entries:
        if isinstance(entry, Cue):
            lines.append(f"{_stamp(entry.at, played.start)}- {entry.words}")
        else:
            stamp = _stamp(entry.until if entry.shown else entry.at, played.start)
            lines += [f"{stamp}{_heading(entry)}", *_body(entry)]
    return "\n".join([*lines, *(["", *_sum(played.summary)])]) + "\n"


def _stamp(at: Instant, start: Instant) -> str:
    """The time of day, and how long after the start."""
    since = math.floor(at) - math.floor(start)
    offset = f"{'-' if since < 0 else '+'}{format_duration(abs(since))}"
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} {offset:<10} "


def _heading(telling: Telling) -> str:
    """What kind of notice, where it shows, whom it calls."""
    reason = telling.reason
    if not telling.shown:
        return f"{reason}, not told: {_trouble(telling)}"
    places = [_where(shown) for shown in telling.shown]
    called = " · MENTION" if telling.called else ""
    doubt = f" · {_trouble(telling)}" if telling.outcome is not Outcome.SENT else ""
    return f"{reason}{called} · {', '.join(places)}{doubt}"


def _trouble(telling: Telling) -> str:
    last = f"{datetime.fromtimestamp(telling.until, UTC):%H:%M:%S}"
    again = f" ({telling.attempts} attempts, the last at {last})" if telling.attempts > 1 else ""
    match telling.outcome:
        case Outcome.BROKEN_OFF:
            return "broken off"
        case Outcome.UNKNOWN:
            return f"whether it was told is not known: {telling.detail}{again}"
        case _:
            return f"{telling.detail}{again}"


def _where(shown: Shown) -> str:
    match shown.place:
        case Place.ROOT:
            return "new message"
        case Place.THREAD:
            return "in its thread and in the channel" if shown.broadcast else "in its thread"
        case Place.EDIT:
            return "message edited"


def _body(telling: Telling) -> Iterator[str]:
    """New texts in full. Of an edit its first line, which is what the channel shows; where it is all there is, also what is new."""
    for shown in telling.shown:
        if shown.place is Place.EDIT:
            yield from (f"{_MARGIN}~ {line}" for line in _edited(shown, alone=not telling.posted))
        else:
            yield from (f"{_MARGIN}| {line}" for line in shown.text.splitlines())


def _edited(shown: Shown, *, alone: bool) -> list[str]:
    lines, before = shown.text.splitlines(), shown.before.splitlines()
    return [*lines[:1], *(line for line in lines[1:] if alone and line not in before)]


def _sum(summary: Summary) -> Iterator[str]:
    again = f" (opened again: {summary.reopened})" if summary.reopened else ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.by_reason.items())
    yield f"incidents: {summary.incidents}{again}"
    yield f"messages:  {summary.messages}{f' ({reasons})' if reasons else ''}"
    yield f"mentions:  {summary.mentions}"
    if summary.open:
        yield f"still open: {', '.join(summary.open)}"


def as_json(played: Played) -> dict[str, Any]:
    """The same for programs: moments are Unix seconds, `after` counts from the start."""
    entries = played.chronicle.entries
    return {
        "start": played.start,
        "notices": [_notice(entry, played.start) for entry in entries if isinstance(entry, Telling)],
        "events": [
            {"at": entry.at, "after": round(entry.at - played.start, 3), "text": entry.words}
            for entry in entries
            if isinstance(entry, Cue)
        ],
        "summary": {
            "incidents": played.summary.incidents,
            "reopened": played.summary.reopened,
            "messages": played.summary.messages,
            "mentions": played.summary.mentions,
            "by_reason": {str(reason): count for reason, count in played.summary.by_reason.items()},
            "open": list(played.summary.open),
        },
    }


def _notice(telling: Telling, start: Instant) -> dict[str, Any]:
    return {
        "at": telling.until,
        "after": round(telling.until - start, 3),
        "first_attempt_at": telling.at,
        "attempts": telling.attempts,
        "notifier": telling.notifier,
        "target": telling.target,
        "incident": telling.incident,
        "reason": telling.reason.value,
        "fault": telling.fault.value,
        "severity": telling.severity.word,
        "mention": telling.called,
        "broadcast": any(shown.broadcast for shown in telling.shown),
        "outcome": telling.outcome.value,
        "detail": telling.detail,
        "texts": [
            {
                "place": shown.place.value,
                "channel": shown.channel,
                "ts": shown.ts,
                "thread_ts": shown.thread,
                "text": shown.text,
            }
            for shown in telling.shown
        ],
    }
