"""A simulation for people and for programs. Pure."""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from monitor.core.incident import Reason
from monitor.core.model import Instant, Seconds
from monitor.settings.values import format_duration
from monitor.simulate.chronicle import Chronicle, Cue, Summary
from monitor.simulate.play import Played
from monitor.simulate.reader import Outcome, Place, Shown, Telling
from monitor.simulate.replay import Replayed

_MARGIN = " " * 20
_DAY: Seconds = 86_400.0


def as_text(played: Played) -> str:
    """Every notice at its moment, as Slack's reader reads it; what happened besides in between."""
    lines = _lines(played.chronicle, lambda at: _stamp(at, played.start))
    return "\n".join([*lines, "", *_sum(played.summary)]) + "\n"


def replay_as_text(replayed: Replayed) -> str:
    """The same of what was recorded, and beside its sum what was told at the time."""
    lines = _lines(replayed.chronicle, _date)
    span = f"{_date(replayed.since).strip()} to {_date(replayed.until).strip()} UTC"
    return "\n".join([*lines, "", *_beside(replayed, span)]) + "\n"


def _lines(chronicle: Chronicle, stamp: Callable[[Instant], str]) -> list[str]:
    lines: list[str] = []
    for entry in chronicle.entries:
        if isinstance(entry, Cue):
            lines.append(f"{stamp(entry.at)}- {entry.words}")
        else:
            at = stamp(entry.until if entry.shown else entry.at)
            lines += [f"{at}{_heading(entry)}", *_body(entry)]
    return lines


def _date(at: Instant) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} "


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


def _beside(replayed: Replayed, span: str) -> Iterator[str]:
    """Would this have paged us? Both columns count the same things."""
    now, then = replayed.summary, replayed.told
    yield span
    yield f"{'':<12}{'replayed':>10}{'told then':>12}"
    yield f"{'incidents':<12}{now.incidents + now.reopened:>10}{then.incidents:>12}"
    yield f"{'messages':<12}{now.messages:>10}{then.messages:>12}"
    for reason in (each for each in Reason if each in now.by_reason or each in then.by_reason):
        yield f"  {reason:<10}{now.by_reason.get(reason, 0):>10}{then.by_reason.get(reason, 0):>12}"
    yield f"{'mentions':<12}{now.mentions:>10}{'not recorded' if then.mentions is None else then.mentions:>12}"
    if now.open:
        yield f"still open: {', '.join(now.open)}"


def as_json(played: Played) -> dict[str, Any]:
    """The same for programs: moments are Unix seconds, `after` counts from the start."""
    return {"start": played.start, **_as_json(played.chronicle, played.start), "summary": _summary(played.summary)}


def replay_as_json(replayed: Replayed) -> dict[str, Any]:
    """The same of what was recorded; `told` is what was told at the time."""
    told = replayed.told
    return {
        "since": replayed.since,
        "until": replayed.until,
        **_as_json(replayed.chronicle, replayed.since),
        "summary": _summary(replayed.summary),
        "told": {
            "incidents": told.incidents,
            "messages": told.messages,
            "mentions": told.mentions,
            "by_reason": {str(reason): count for reason, count in told.by_reason.items()},
        },
    }


def _as_json(chronicle: Chronicle, start: Instant) -> dict[str, Any]:
    return {
        "notices": [_notice(entry, start) for entry in chronicle.tellings],
        "events": [
            {"at": entry.at, "after": round(entry.at - start, 3), "text": entry.words}
            for entry in chronicle.entries
            if isinstance(entry, Cue)
        ],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "incidents": summary.incidents,
        "reopened": summary.reopened,
        "messages": summary.messages,
        "mentions": summary.mentions,
        "by_reason": {str(reason): count for reason, count in summary.by_reason.items()},
        "open": list(summary.open),
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
