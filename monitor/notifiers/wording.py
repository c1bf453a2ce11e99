"""The sentences of a notice, for every notifier that speaks to people. Pure.

One set of sentences, written by a `Style`: Slack's markup, or plain text for logs, notifications and screen readers. Whatever
did not come from this program's own source (targets, summaries, names of people) goes through `Style.foreign`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import dropwhile, takewhile
from typing import assert_never

from monitor.core.faults import FAULTS, LOSSES
from monitor.core.incident import NO_LONGER_MONITORED, Incident, Notice, Reason
from monitor.core.model import Component, Fault, Instant, Seconds, Severity, moment_text
from monitor.core.notify import acknowledged

_LONGEST_NAME = 80
_LONGEST_SENTENCE = 400
_LATEST = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ONLY_IDS = re.compile(r"trace [0-9a-f]{32}(, [0-9a-f]{32})*")
_SAFE_IN_A_SHELL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")

SEVERITY_SIGNS: Mapping[Severity, str] = {Severity.NONE: "ℹ️", Severity.WARNING: "⚠️", Severity.CRITICAL: "🚨"}  # noqa: RUF001
"""Told apart by shape, never by colour alone, and the word always stands beside it."""

WHERE: Mapping[Component, str] = {
    Component.GATEWAY: "the gateway",
    Component.PROVIDER: "the model provider behind the gateway",
    Component.CONFIG: "the gateway's export configuration",
    Component.TRACELOOP: "Traceloop",
    Component.EXPORT: "the export from TrueFoundry to Traceloop",
    Component.MONITOR: "the monitor itself",
}
"""Whose part is broken, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How words are written.

    `foreign` makes at most so many characters of one line fit to be shown; `mixed` does so with a sentence of this program's
    that may hold foreign text: backticks mark code in it. `when` writes a moment.
    """

    foreign: Callable[[str, int], str]
    mixed: Callable[[str, int], str]
    when: Callable[[Instant], str]
    code: Callable[[str], str]
    bold: Callable[[str], str]


def is_a_moment(instant: Instant) -> bool:
    """Whether an instant can be written as a date at all (a silence may last for ever)."""
    return 0 < instant < _LATEST


def utc(instant: Instant) -> str:
    """A moment as everybody reads it alike: 2027-01-15 08:00 UTC."""
    return moment_text(instant) if is_a_moment(instant) else "an unknown time"


def duration(seconds: Seconds) -> str:
    """A length of time in at most two units: 40 s, 12 min, 1 h 5 min, 2 d 3 h."""
    if not 0 <= seconds < _LATEST:
        return "an unknown time"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    big, small, names = (_HOUR, _MINUTE, ("h", "min")) if whole < _DAY else (_DAY, _HOUR, ("d", "h"))
    rest = whole % big // small
    return f"{whole // big} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


def lasted(incident: Incident, now: Instant) -> Seconds:
    """For how long an incident has been, or was, open; a clock set back makes it zero, never negative."""
    return max(0.0, (incident.closed_at if incident.closed_at is not None else now) - began_at(incident))


def began_at(incident: Incident) -> Instant:
    """When it began, the last time if it came back: what broke was first seen a little before the incident was opened."""
    since = incident.diagnosis.since
    opened_at = incident.reopened[-1] if incident.reopened else incident.opened_at
    return min(since, opened_at) if since > 0 else opened_at


# --- the first line --------------------------------------------------------------------------------------------------


def headline(notice: Notice, style: Style) -> str:
    """The present state in one line: sign and word, target, the fault's slug, and who has it."""
    incident, diagnosis = notice.incident, notice.incident.diagnosis
    if not incident.open:
        removed = incident.closed_because == NO_LONGER_MONITORED
        state = f"⏹️ {style.bold(NO_LONGER_MONITORED)}" if removed else f"✅ {style.bold('resolved')}"
        return f"{state} · {_name(incident, style)} · after {duration(lasted(incident, notice.at))}"
    sign = "🛠️" if diagnosis.waiting is not None else SEVERITY_SIGNS[diagnosis.severity]
    parts = [f"{sign} {style.bold(diagnosis.severity.word)}", _name(incident, style)]
    if incident.reopened:
        times = len(incident.reopened) + 1
        ordinal = dict(enumerate(_ORDINALS, start=2)).get(times, f"{times}th")
        parts.append(f"again, {ordinal} time in {duration(max(0.0, notice.at - incident.opened_at))}")
    if diagnosis.waiting is not None:
        parts.append("mended, waiting for traces")
    if acknowledged(incident):
        parts.append(f"acknowledged by {_person(incident.acked_by, style)}")
    if notice.silenced_until is not None:
        parts.append("silenced")
    return " · ".join(parts)


def news(notice: Notice, style: Style) -> str:
    """What has just happened, in one line: target and slug are in it."""
    incident, diagnosis = notice.incident, notice.incident.diagnosis
    if not incident.open:
        return headline(notice, style)
    name, sign, word = _name(incident, style), SEVERITY_SIGNS[diagnosis.severity], style.bold(diagnosis.severity.word)
    match notice.reason:
        case Reason.CHANGED:
            return f"{sign} {word} · {name} · {_change(notice, style)}"
        case Reason.REMINDER:
            still = f"still {word}" if diagnosis.waiting is None else f"{word}, mended, still waiting for traces"
            return f"⏰ reminder: {still} after {duration(lasted(incident, notice.at))} · {name}"
        case Reason.ESCALATED:
            since = incident.critical_since
            critical_for = lasted(incident, notice.at) if since is None else max(0.0, notice.at - since)
            return f"{sign} escalated: {word} for {duration(critical_for)}, nobody has acknowledged · {name}"
        case Reason.OPENED | Reason.EDITED | Reason.RESOLVED:
            return headline(notice, style)
        case Reason.TEST:
            return f"🧪 test · {name}"
    assert_never(notice.reason)


def _name(incident: Incident, style: Style) -> str:
    return f"{style.bold(style.foreign(incident.target, _LONGEST_NAME))} · {style.code(incident.diagnosis.fault)}"


def _person(name: str | None, style: Style) -> str:
    return style.foreign(name, _LONGEST_NAME) if name else "somebody"


def _change(notice: Notice, style: Style) -> str:
    """What became of the name that the reader knows."""
    diagnosis, notified = notice.incident.diagnosis, notice.notified
    if notified is None or notified.fault is diagnosis.fault:
        return f"turned {diagnosis.severity.word}"
    before, after = style.code(notified.fault), style.code(diagnosis.fault)
    if notified.fault in diagnosis.also:
        return f"worse than {before}, which is still there"
    if notified.fault in diagnosis.explained:  # what is explained is named below, never in the first line
        return f"turned {diagnosis.severity.word}" if diagnosis.severity > notified.severity else "more is known"
    if notified.fault in LOSSES and diagnosis.fault in LOSSES:  # the same loss, and more is known of it
        return f"{before} turns out to be {after}"
    return f"{before} mended after {duration(_known_for(notice.incident, notified.fault, notice.at))}; still: {after}"


def _known_for(incident: Incident, fault: Fault, now: Instant) -> Seconds:
    """For how long an incident bore a name that it has lost since: the last stretch of it, up to now."""
    began = incident.opened_at
    newest_first = dropwhile(lambda passage: passage.fault is not fault, reversed(incident.timeline))
    for passage in takewhile(lambda passage: passage.fault is fault, newest_first):
        began = passage.at
    return max(0.0, now - began)


# --- the body --------------------------------------------------------------------------------------------------------


def sentence(notice: Notice, style: Style) -> str:
    """What broke, in plain words."""
    diagnosis = notice.incident.diagnosis
    return style.mixed(diagnosis.summary or FAULTS[diagnosis.fault].meaning, _LONGEST_SENTENCE)


def place_and_time(notice: Notice, style: Style) -> str:
    """Where it broke and since when; for a closed one from when to when."""
    incident = notice.incident
    where, began = WHERE[incident.diagnosis.component], style.when(began_at(incident))
    if incident.closed_at is None:
        lost = incident.diagnosis.missing_since
        return f"Where: {where}. Since {began}." + (f" Traces are missing since {style.when(lost)}." if lost else "")
    removed = incident.closed_because == NO_LONGER_MONITORED
    ended = " It counts as resolved: nobody looks any more." if removed else ""
    return f"Where: {where}. From {began} to {style.when(incident.closed_at)}.{ended}"


def states(notice: Notice, style: Style) -> list[str]:
    """What is being done about it: mended and waiting, acknowledged, silenced; of a closed one, what ended it."""
    incident = notice.incident
    if not incident.open:
        reason = incident.closed_because
        known = reason and reason != NO_LONGER_MONITORED
        return [style.mixed(f"Resolved: {reason}", _LONGEST_SENTENCE)] if known else []
    lines = []
    if incident.diagnosis.waiting is not None:
        lines.append(f"🛠️ {style.mixed(incident.diagnosis.waiting, _LONGEST_SENTENCE)}")
    if acknowledged(incident):
        at = f", {style.when(incident.acked_at)}" if incident.acked_at is not None else ""
        lines.append(f"👀 Acknowledged by {_person(incident.acked_by, style)}{at}. No reminders until it gets worse.")
    if notice.silenced_until is not None:
        until = f" until {style.when(notice.silenced_until)}" if is_a_moment(notice.silenced_until) else ""
        lines.append(f"🔕 Silenced{until}.")
    return lines


def because(notice: Notice, style: Style) -> list[str]:
    """Why we think so, most important first; what the sentence above or the list of traces says is not said twice."""
    diagnosis = notice.incident.diagnosis
    listed = set(diagnosis.trace_ids)
    lines = []
    for line in dict.fromkeys(diagnosis.because):
        only_ids = line.removeprefix("trace ").split(", ") if _ONLY_IDS.fullmatch(line) else []
        if line.strip() and line not in diagnosis.summary and listed.isdisjoint(only_ids):
            lines.append(style.mixed(line, _LONGEST_SENTENCE))
    return lines


def traces(notice: Notice, style: Style) -> list[str]:
    """The ids to look up, as code."""
    return [style.code(style.foreign(trace_id, _LONGEST_NAME)) for trace_id in notice.incident.diagnosis.trace_ids]


def others(notice: Notice, style: Style) -> list[str]:
    """What is broken besides, and what is a mere consequence: slugs only."""
    diagnosis = notice.incident.diagnosis
    titled = (("Also broken", diagnosis.also), ("Explained by it", diagnosis.explained))
    return [f"{title}: {', '.join(map(style.code, dict.fromkeys(faults)))}" for title, faults in titled if faults]


def advice(notice: Notice, style: Style) -> str:
    """The next step."""
    diagnosis = notice.incident.diagnosis
    return style.mixed(diagnosis.next_step or FAULTS[diagnosis.fault].advice, _LONGEST_SENTENCE)


def life(notice: Notice, style: Style) -> list[str]:
    """The steps of an incident, for a reader who missed them; none if there was but one."""
    timeline = notice.incident.timeline
    if len(timeline) <= 1:
        return []
    return [
        f"{style.when(step.at)}: {style.code(step.fault)} ({step.severity.word}) {style.mixed(step.text, 200)}"
        for step in timeline
    ]


def losses(notice: Notice, style: Style) -> list[str]:
    """What became of the canaries of an incident, and which are late and which are lost."""
    found = notice.incident.losses
    if found is None:
        return []
    said = str(found)
    lines = [f"{said[0].upper()}{said[1:]}."]
    late = ("Late, the longest first", found.late_ids, found.late)
    lost = ("Lost, the newest first", found.lost_ids, found.lost)
    for title, ids, count in (late, lost):
        if ids:
            names = ", ".join(style.code(style.foreign(trace_id, _LONGEST_NAME)) for trace_id in ids)
            lines.append(f"{title}: {names}" + (f" and {count - len(ids)} more" if count > len(ids) else ""))
    return lines


def commands(notice: Notice) -> list[str]:
    """What to copy into a shell, as far as there is something left to do; no name that could mean something there."""
    incident = notice.incident
    if not incident.open or incident.diagnosis.waiting is not None:
        return []
    lines = []
    if not acknowledged(incident) and _SAFE_IN_A_SHELL.fullmatch(incident.id):
        lines.append(f"trace-monitor ack {incident.id}")
    if notice.silenced_until is None and _SAFE_IN_A_SHELL.fullmatch(incident.target):
        fault = incident.diagnosis.fault
        lines.append(f"trace-monitor silence add --target {incident.target} --fault {fault} --for 2h")
    return lines
