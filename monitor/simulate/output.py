"""The report of a simulation for people and for programs. Pure."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from monitor.core.incident import Reason
from monitor.core.model import Instant, Seconds
from monitor.settings.values import format_duration
from monitor.simulate.simulation import Attempt, LogEntry, Outcome, Report, Simulation, Summary
from monitor.simulate.slack import Shown, ShownIn

_MARGIN = " " * 20
_NOTIFIED_THEN = ("incidents", "messages", "mentions", "by_reason")


def as_text(report: Report) -> str:
    """Every notice at its moment, as people read it in Slack; what happened besides in between; the sum."""
    if report.until is None:
        lines = [
            *_lines(report.simulation, lambda at: _stamp(at, report.start)),
            "",
            *_sum(report.simulation.summary()),
        ]
    else:
        lines = [*_lines(report.simulation, _date), "", *_beside(report, report.until)]
    return "\n".join(lines) + "\n"


def _lines(simulation: Simulation, stamp: Callable[[Instant], str]) -> Iterator[str]:
    for entry in simulation.entries:
        if isinstance(entry, LogEntry):
            yield f"{stamp(entry.at)}- {entry.words}"
        else:
            yield f"{stamp(entry.until if entry.shown else entry.at)}{_heading(entry)}"
            yield from _body(entry)


def _date(at: Instant) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} "


def _stamp(at: Instant, start: Instant) -> str:
    """The time of day, and how long after the start."""
    since: Seconds = math.floor(at) - math.floor(start)
    offset = f"{'-' if since < 0 else '+'}{format_duration(abs(since))}"
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} {offset:<10} "


def _heading(attempt: Attempt) -> str:
    """What kind of notice, where it shows, whom it calls."""
    last = f"{datetime.fromtimestamp(attempt.until, UTC):%H:%M:%S}"
    again = f" ({attempt.attempts} attempts, the last at {last})" if attempt.attempts > 1 else ""
    possibly = "whether it was delivered is not known: " if attempt.outcome is Outcome.UNKNOWN else ""
    trouble = f"{possibly}{attempt.detail}{again}"
    if not attempt.shown:
        return f"{attempt.reason}, not delivered: {trouble}"
    called = " · MENTION" if attempt.called else ""
    doubt = f" · {trouble}" if attempt.outcome is not Outcome.SENT else ""
    return f"{attempt.reason}{called} · {', '.join(map(_where, attempt.shown))}{doubt}"


def _where(shown: Shown) -> str:
    match shown.place:
        case ShownIn.ROOT:
            return "new message"
        case ShownIn.THREAD:
            return "in its thread and in the channel" if shown.broadcast else "in its thread"
        case ShownIn.EDIT:
            return "message edited"


def _body(attempt: Attempt) -> Iterator[str]:
    """New texts in full. Of an edit its first line, which is what the channel shows; where it is all there is, also what is new."""
    for shown in attempt.shown:
        lines, before = shown.text.splitlines(), shown.before.splitlines()
        if shown.place is not ShownIn.EDIT:
            yield from (f"{_MARGIN}| {line}" for line in lines)
            continue
        news = [line for line in lines[1:] if not attempt.posted and line not in before]
        yield from (f"{_MARGIN}~ {line}" for line in (*lines[:1], *news))


def _sum(summary: Summary) -> Iterator[str]:
    again = f" (opened again: {summary.reopened})" if summary.reopened else ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary.by_reason.items())
    yield f"incidents: {summary.incidents}{again}"
    yield f"messages:  {summary.messages}{f' ({reasons})' if reasons else ''}"
    yield f"mentions:  {summary.mentions}"
    if summary.open:
        yield f"still open: {', '.join(summary.open)}"


def _beside(report: Report, until: Instant) -> Iterator[str]:
    """Would this have paged us? Both columns count the same things."""
    now, then = report.simulation.summary(), report.notified
    yield f"{_date(report.start).strip()} to {_date(until).strip()} UTC"
    yield f"{'':<12}{'replayed':>10}{'at the time':>14}"
    yield f"{'incidents':<12}{now.incidents + now.reopened:>10}{then.incidents:>14}"
    yield f"{'messages':<12}{now.messages:>10}{then.messages:>14}"
    for reason in (each for each in Reason if each in now.by_reason or each in then.by_reason):
        yield f"  {reason:<10}{now.by_reason.get(reason, 0):>10}{then.by_reason.get(reason, 0):>14}"
    yield f"{'mentions':<12}{now.mentions:>10}{then.mentions:>14}"
    if now.open:
        yield f"still open: {', '.join(now.open)}"


def as_json(report: Report) -> dict[str, Any]:
    """The same for programs: moments are Unix seconds, `after` counts from the start; `notified` is what was notified at the time."""
    simulation = report.simulation
    return {
        **({"start": report.start} if report.until is None else {"since": report.start, "until": report.until}),
        "notices": [_notice(attempt, report.start) for attempt in simulation.attempts],
        "events": [
            {"at": entry.at, "after": round(entry.at - report.start, 3), "text": entry.words}
            for entry in simulation.entries
            if isinstance(entry, LogEntry)
        ],
        "summary": asdict(simulation.summary()),
        **(
            {} if report.until is None else {"notified": {key: getattr(report.notified, key) for key in _NOTIFIED_THEN}}
        ),
    }


def _notice(attempt: Attempt, start: Instant) -> dict[str, Any]:
    return {
        "at": attempt.until,
        "after": round(attempt.until - start, 3),
        "first_attempt_at": attempt.at,
        "attempts": attempt.attempts,
        "notifier": "slack",
        "target": attempt.target,
        "incident": attempt.incident,
        "reason": attempt.reason.value,
        "fault": attempt.fault.value,
        "severity": attempt.severity.word,
        "mention": attempt.called,
        "broadcast": any(shown.broadcast for shown in attempt.shown),
        "outcome": attempt.outcome.value,
        "detail": attempt.detail,
        "texts": [
            {
                "place": shown.place.value,
                "channel": shown.channel,
                "ts": shown.ts,
                "thread_ts": shown.thread,
                "text": shown.text,
            }
            for shown in attempt.shown
        ],
    }
