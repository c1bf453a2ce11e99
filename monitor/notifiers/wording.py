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

from monitor.core.backend import TRACELOOP
from monitor.core.faults import CONFIGURED, FAULTS, LATE, LOSSES, MONITORS_OWN
from monitor.core.incident import (
    BECAME,
    NO_LONGER_CHECKED,
    NO_LONGER_NOTIFIED,
    Diagnosis,
    HopState,
    Incident,
    Notice,
    Reason,
)
from monitor.core.model import Fault, Instant, Seconds, Severity
from monitor.core.notify import acknowledged
from monitor.core.text import length_text, moment_text

_LONGEST_NAME = 80
_LONGEST_TITLE = 160
_LONGEST_SENTENCE = 400
_MOST_NAMES = 8
_LATEST = datetime(3000, 1, 1, tzinfo=UTC).timestamp()
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ONLY_IDS = re.compile(r"[Tt]race [0-9a-f]{32}(, [0-9a-f]{32})*")
_SAFE_URL = re.compile(r"https?://[A-Za-z0-9.:/\[\]_~-]{1,200}")
_SAFE_IN_A_SHELL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")

SEVERITY_SIGNS: Mapping[Severity, str] = {Severity.NONE: "ℹ️", Severity.WARNING: "⚠️", Severity.CRITICAL: "🚨"}  # noqa: RUF001
"""They differ by shape, not by colour alone, and the word is always beside it."""


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


def unmarked(foreign: Callable[[str, int], str]) -> Style:
    """For readers without any markup of their own: annotations, JSON."""
    return Style(foreign=foreign, mixed=foreign, when=utc, code=str, bold=str)


def is_a_moment(instant: Instant) -> bool:
    """Whether an instant can be written as a date at all (a silence may last for ever)."""
    return 0 < instant < _LATEST


def utc(instant: Instant) -> str:
    """A moment as everybody reads it alike: 2027-01-15 08:00 UTC."""
    return moment_text(instant) if is_a_moment(instant) else "an unknown time"


# --- the first line --------------------------------------------------------------------------------------------------


def headline(notice: Notice, style: Style) -> str:
    """The present state in one line: sign and word, target, title and slug, and who has it."""
    incident, diagnosis = notice.incident, notice.incident.diagnosis
    if not incident.open:
        state = f"⏹️ {style.bold(incident.unseen)}" if incident.unseen else f"✅ {style.bold('resolved')}"
        return f"{state} after {length_text(incident.lasted(notice.at))} · {_name(incident, style)}{_again(notice)}"
    sign = "🛠️" if diagnosis.waiting is not None else SEVERITY_SIGNS[diagnosis.severity]
    parts = [f"{sign} {style.bold(diagnosis.severity.word)}", f"{_name(incident, style)}{_again(notice)}"]
    if diagnosis.waiting is not None:
        parts.append("fixed, waiting for traces")
    if acknowledged(incident):
        parts.append(f"acknowledged by {_person(incident.acked_by, style)}")
    if notice.silenced_until is not None:
        parts.append("silenced")
    return " · ".join(parts)


def _again(notice: Notice) -> str:
    """That it came back, and how often since it was opened first; of a closed one this says that its length is not all."""
    incident = notice.incident
    if not incident.reopened:
        return ""
    times = len(incident.reopened) + 1
    until = incident.closed_at if incident.closed_at is not None else notice.at
    which = f"{_ORDINALS[times - 2]} time" if times - 2 < len(_ORDINALS) else f"time {times}"
    return f" · again, {which} in {length_text(max(0.0, until - incident.opened_at))}"


def news(notice: Notice, style: Style) -> str:
    """What has just happened, in one line: target and slug are in it."""
    incident, diagnosis = notice.incident, notice.incident.diagnosis
    if not incident.open:
        return headline(notice, style)
    name, sign, word = _name(incident, style), SEVERITY_SIGNS[diagnosis.severity], style.bold(diagnosis.severity.word)
    match notice.reason:
        case Reason.CHANGED:
            return f"{sign} {word} · {style.bold(style.foreign(incident.target, _LONGEST_NAME))} · {_change(notice, style)}"
        case Reason.REMINDER:
            still = f"still {word}" if diagnosis.waiting is None else f"{word}, fixed, still waiting for traces"
            return f"⏰ reminder: {still} after {length_text(incident.lasted(notice.at))} · {name}"
        case Reason.ESCALATED:
            since = incident.critical_since
            critical_for = incident.lasted(notice.at) if since is None else max(0.0, notice.at - since)
            return f"{sign} escalated: {word} for {length_text(critical_for)}, nobody has acknowledged · {name}"
        case Reason.OPENED | Reason.EDITED | Reason.RESOLVED:
            return headline(notice, style)
        case Reason.TEST:
            return f"🧪 test · {name}"
    assert_never(notice.reason)


def _name(incident: Incident, style: Style) -> str:
    return f"{style.bold(style.foreign(incident.target, _LONGEST_NAME))} · {_title(incident.diagnosis, style)}"


def title_of(diagnosis: Diagnosis) -> str:
    """What is wrong. One that was remembered before there were titles is of a time when every backend was Traceloop."""
    return diagnosis.title or TRACELOOP.name_in(FAULTS[diagnosis.fault].title)


def _title(diagnosis: Diagnosis, style: Style) -> str:
    title = style.mixed(title_of(diagnosis), _LONGEST_TITLE)
    return f"{style.bold(title)} ({style.code(diagnosis.fault)})"


def _person(name: str | None, style: Style) -> str:
    return style.foreign(name, _LONGEST_NAME) if name else "somebody"


def _change(notice: Notice, style: Style) -> str:
    """What became of the name that the reader knows, and the title and name that it has now."""
    diagnosis, notified, now = notice.incident.diagnosis, notice.notified, _title(notice.incident.diagnosis, style)
    if notified is None or notified.fault is diagnosis.fault:
        return f"{now} turned {diagnosis.severity.word}"
    before = style.code(notified.fault)
    if notified.fault in diagnosis.also:
        return f"{now}; {before} is still wrong too"
    if notified.fault in diagnosis.explained:  # what is explained is named in the body, never in the first line
        return (
            f"{now} turned {diagnosis.severity.word}"
            if diagnosis.severity > notified.severity
            else f"{now}: more is known"
        )
    if notified.fault in LOSSES and diagnosis.fault in LOSSES:  # the same loss, and more is known of it
        return f"{before} turned out to be: {now}"
    newest = notice.incident.timeline[-1] if notice.incident.timeline else None
    if newest is not None and newest.text.startswith((NO_LONGER_CHECKED, NO_LONGER_NOTIFIED)):
        return f"{before} is {newest.text}; still: {now}"
    became = newest is not None and newest.fault is diagnosis.fault and BECAME in newest.text
    if became and (notified.fault, diagnosis.fault) == (Fault.KEY_REJECTED, Fault.CONFIG_DRIFT):
        return f"{before} turned out to be: {now}"  # the gateway has another key
    if became and any({notified.fault, diagnosis.fault} <= same for same in _SEEN_BY_ONE_ANSWER):
        return f"{before} is no longer seen; now: {now}"
    fixed = f"{before} fixed after {length_text(_known_for(notice.incident, notified.fault, notice.at))}"
    if diagnosis.waiting is not None:
        return f"{fixed}; waiting for traces: {now}"
    return f"{fixed}; {'now' if became else 'still'}: {now}"


_SEEN_BY_ONE_ANSWER = (
    frozenset({Fault.GATEWAY_REFUSED, Fault.RATE_LIMITED, Fault.CANARY_REJECTED, Fault.PROVIDER_FAILING}),
    CONFIGURED,
    frozenset({Fault.INGEST_FAILING, Fault.KEY_REJECTED}),
)
"""Where one follows the other, the same request is answered otherwise: nobody has fixed the first."""


def _known_for(incident: Incident, fault: Fault, now: Instant) -> Seconds:
    """For how long what an incident was called has lasted, up to now: the last stretch of that name, from its first evidence.

    A loss is one thing under all its names: traces lost since 08:01, `trace_missing` at 08:05, found out to be `export_failing` at
    08:11 and fixed at 08:13 were lost for 12 min.
    """
    opened_at = incident.reopened[-1] if incident.reopened else incident.opened_at
    entries = [entry for entry in incident.timeline if entry.at >= opened_at]
    same = LOSSES | LATE if fault in LOSSES else {fault}
    newest_first = dropwhile(lambda entry: entry.fault is not fault, reversed(entries))
    stretch = list(takewhile(lambda entry: entry.fault in same, newest_first))
    began = [entry.since or entry.at for entry in stretch]
    return max(0.0, now - min(began, default=incident.window_began_at))


# --- the body --------------------------------------------------------------------------------------------------------

_HOP_SIGNS: Mapping[HopState, str] = {HopState.OK: "✅", HopState.BROKEN: "❌", HopState.UNKNOWN: "❔"}


def impact(notice: Notice, style: Style) -> str:
    """What it means and since when; of a closed incident from when to when."""
    return notice.incident.impact(lambda text: style.mixed(text, _LONGEST_SENTENCE), style.when)


def meaning(notice: Notice, style: Style) -> str:
    """How it shows now, and what that means."""
    return notice.incident.meaning(lambda text: style.mixed(text, _LONGEST_SENTENCE), style.when)


def path(notice: Notice) -> str:
    """The hops of a trace, each with its state; none where the diagnosis does not speak of them."""
    hops = notice.incident.diagnosis.hops if notice.incident.open else ()
    return " → ".join(f"{hop.label} {_HOP_SIGNS[hop.state]}" for hop in hops)


def together(notice: Notice, style: Style) -> str:
    """How many of the targets behind the same backend are affected, and which; "" for one that is alone."""
    found = notice.together if notice.incident.open else None
    if found is None:
        return ""
    names = [style.foreign(name, _LONGEST_NAME) for name in found.targets[:_MOST_NAMES]]
    more = f" and {len(found.targets) - len(names)} more" if len(found.targets) > len(names) else ""
    return f"🔗 {style.bold(str(found))}: {', '.join(names)}{more}."


def states(notice: Notice, style: Style) -> list[str]:
    """What is being done about it: fixed and waiting, acknowledged, silenced; of a closed one, its names, and what ended it."""
    incident = notice.incident
    if not incident.open:
        known = incident.closed_because and not incident.unseen
        ended = style.mixed(f"Resolved: {incident.closed_because}.", _LONGEST_SENTENCE) if known else ""
        names = _names_borne(incident, style) if notice.notified is not None else ""  # else the whole timeline is shown
        return [line for line in (names, ended) if line]
    lines: list[str] = []
    if incident.diagnosis.waiting is not None:
        lines.append(f"🛠️ {style.mixed(incident.diagnosis.waiting, _LONGEST_SENTENCE)}.")
    if acknowledged(incident):
        at = f", {style.when(incident.acked_at)}" if incident.acked_at is not None else ""
        lines.append(f"👀 Acknowledged by {_person(incident.acked_by, style)}{at}. No reminders until it gets worse.")
    if notice.silenced_until is not None:
        until = f" until {style.when(notice.silenced_until)}" if is_a_moment(notice.silenced_until) else ""
        lines.append(f"🔕 Silenced{until}.")
    return lines


def _names_borne(incident: Incident, style: Style) -> str:
    """Every name since it was opened last, or "" if it bore but one: its last may be the least of what was wrong.

    Example: First `export_failing` (critical), then `provider_failing` (warning).
    """
    opened_at = incident.reopened[-1] if incident.reopened else incident.opened_at
    worst: dict[Fault, Severity] = {}
    for entry in incident.timeline:
        if entry.at >= opened_at:
            worst[entry.fault] = max(entry.severity, worst.get(entry.fault, entry.severity))
    if len(worst) <= 1:
        return ""
    names = [f"{style.code(fault)} ({severity.word})" for fault, severity in worst.items()][:_MOST_NAMES]
    return f"First {', then '.join(names)}."


def because(notice: Notice, style: Style) -> list[str]:
    """Why the monitor thinks so, most important first; what the sentences above or the list of traces say is not repeated."""
    diagnosis = notice.incident.diagnosis
    listed = set(diagnosis.trace_ids)
    lines = []
    if not notice.incident.open and diagnosis.detail:
        lines.append(style.mixed(diagnosis.detail, _LONGEST_SENTENCE))
    for line in dict.fromkeys(diagnosis.because):
        only_ids = line.lower().removeprefix("trace ").split(", ") if _ONLY_IDS.fullmatch(line) else []
        if line.strip() and line not in diagnosis.summary and listed.isdisjoint(only_ids):
            lines.append(style.mixed(line, _LONGEST_SENTENCE))
    return lines


def traces(notice: Notice, style: Style) -> list[str]:
    """The ids to look up, as code."""
    return [style.code(style.foreign(trace_id, _LONGEST_NAME)) for trace_id in notice.incident.diagnosis.trace_ids]


def others(notice: Notice, style: Style) -> list[str]:
    """What is wrong besides, and what is a mere consequence: slugs only."""
    diagnosis = notice.incident.diagnosis
    titled = (("Also wrong", diagnosis.also), ("Consequences", diagnosis.explained))
    return [f"{title}: {', '.join(map(style.code, dict.fromkeys(faults)))}" for title, faults in titled if faults]


def advice(notice: Notice, style: Style) -> str:
    """The next step."""
    diagnosis = notice.incident.diagnosis
    return style.mixed(diagnosis.next_step or TRACELOOP.name_in(FAULTS[diagnosis.fault].advice), _LONGEST_SENTENCE)


def timeline(notice: Notice, style: Style) -> list[str]:
    """The steps of an incident, for a reader who missed them; none if there was but one."""
    entries = notice.incident.timeline
    if len(entries) <= 1:
        return []
    return [
        f"{style.when(step.at)}: {style.code(step.fault)} ({step.severity.word}) {style.mixed(step.text, 200)}"
        for step in entries
    ]


def losses(notice: Notice, style: Style) -> list[str]:
    """What became of the canaries of an incident, and which were late and which are lost; nothing where it says nothing of traces.

    As long as some are not judged, that is only the count so far: the message is edited when it is known.
    """
    found = notice.incident.losses
    if found is None or not found.sent or notice.incident.diagnosis.fault in MONITORS_OWN:
        return []
    counted = style.mixed(str(found), _LONGEST_SENTENCE)
    lines = [f"So far {counted}." if found.pending else f"{counted[0].upper()}{counted[1:]}."]
    late = ("Late, the longest first", found.late_ids, found.late)
    lost = ("Lost, the newest first", found.lost_ids, found.lost)
    for title, ids, count in (late, lost):
        if ids:
            names = ", ".join(style.code(style.foreign(trace_id, _LONGEST_NAME)) for trace_id in ids)
            lines.append(f"{title}: {names}" + (f" and {count - len(ids)} more" if count > len(ids) else ""))
    return lines


def commands(notice: Notice, url: str | None) -> list[str]:
    """What to copy into a shell, as far as there is something left to do; no name that could mean something there."""
    incident = notice.incident
    if not incident.open or incident.diagnosis.waiting is not None:
        return []
    lines, at = [], f" --url {url.rstrip('/')}" if url and _SAFE_URL.fullmatch(url) else ""
    if not acknowledged(incident) and _SAFE_IN_A_SHELL.fullmatch(incident.id):
        lines.append(f"trace-monitor ack {incident.id}{at}")
    if notice.silenced_until is None and _SAFE_IN_A_SHELL.fullmatch(incident.target):
        fault = incident.diagnosis.fault
        lines.append(f"trace-monitor silence add --target {incident.target} --fault {fault} --for 2h{at}")
    return lines
