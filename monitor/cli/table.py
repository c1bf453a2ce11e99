"""What commands print for people: the report of `check`, the lists of `status`, `incidents` and `silence`."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TextIO

from monitor.core.model import Instant
from monitor.core.text import length_text
from monitor.notifiers.wording import utc

_COLOURS = {"pass": "32", "fail": "31", "unknown": "33"}
_NOTHING = "-"

Object = Mapping[str, Any]
"""One of the API."""


def use_colour(stream: TextIO) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR asks not to (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ


def render(report: dict[str, Any], *, colour: bool) -> str:
    """The whole report."""
    parts = ["\n".join(_target(name, target, colour=colour)) for name, target in report["targets"].items()]
    return "\n\n".join(parts) + "\n"


def _target(name: str, target: dict[str, Any], *, colour: bool) -> Iterator[str]:
    verdict = target["verdict"]
    fault = f"  {target['fault']} ({target['severity']})" if target["fault"] else ""
    yield f"{name}  {paint(verdict.upper(), verdict, colour=colour)}{fault}"
    for check, look in target["checks"].items():
        yield _line(check, look, colour=colour)
    yield ""
    yield f"  {target['summary']}"
    for sentence in target["because"][1:]:
        yield f"    - {sentence}"
    if target["also"]:
        yield f"  also wrong: {', '.join(target['also'])}"
    if target["advice"]:
        yield f"  next step: {target['advice']}"
    if waits_for := target.get("mentions_wait_for"):
        yield f"  nobody is mentioned until every check has passed once; not yet: {', '.join(waits_for)}"
    for caveat in target.get("caveats", ()):  # an older daemon says none
        yield f"  not proven: {caveat}"
    if target["trace_id"]:
        yield f"  trace: {target['trace_id']}"


def _line(check: str, look: dict[str, Any], *, colour: bool) -> str:
    verdict = paint(f"{look['verdict']:<7}", look["verdict"], colour=colour)
    seconds = look.get("duration_seconds")
    took = f"{seconds * 1000:6.0f} ms" if seconds is not None else " " * 9
    return f"  {check:<8} {verdict} {took}  {look['summary']}"


def paint(text: str, verdict: str, *, colour: bool) -> str:
    """A text in the colour of a verdict; the text says the same without it."""
    return f"\x1b[{_COLOURS[verdict]}m{text}\x1b[0m" if colour else text


# --- lists -----------------------------------------------------------------------------------------------------------


def status_lines(report: Object, silences: Iterable[Object], *, colour: bool) -> Iterator[str]:
    """Each target: its state, since when, whether it is silenced and acknowledged, and when a trace arrived last."""
    rows = [("target", "state", "since", "silenced", "acknowledged", "last arrival")]
    verdicts = ["pass"]
    silences = list(silences)
    for name, target in report["targets"].items():
        mine = [incident for incident in report.get("incidents", ()) if incident["target"] == name]
        lasting = next((incident for incident in mine if incident["open"]), None)
        rows.append(
            (
                name,
                _state(target),
                _time(_since(target, lasting, mine)),
                _silenced(name, silences),
                (lasting or {}).get("acknowledged_by") or _NOTHING,
                _time(target.get("last_arrival_at")),  # a daemon of an earlier version does not say
            )
        )
        verdicts.append(target["verdict"])
    for line, verdict in zip(_columns(rows), verdicts, strict=True):
        yield paint(line, verdict, colour=colour and verdict != "pass")


def _state(target: Object) -> str:
    if target["verdict"] == "pass":
        return "healthy"
    if target["fault"] is None:
        return "unknown"
    return f"{target['severity']}: {target['fault']}"


def _since(target: Object, lasting: Object | None, incidents: Iterable[Object]) -> object:
    """When the incident that lasts began; of a healthy target, when the last one was resolved."""
    if lasting is not None:
        return lasting["began_at"]
    ends = [incident["closed_at"] for incident in incidents if isinstance(incident["closed_at"], int | float)]
    return max(ends, default=None) if target["verdict"] == "pass" else None


def _silenced(name: str, silences: Iterable[Object]) -> str:
    active = [one for one in silences if one["active"] and fnmatchcase(name, one["target"])]
    return ", ".join(f"{one['fault'] or ''} {_end(one)}".strip() for one in active) or _NOTHING


def incident_lines(incidents: Iterable[Object], now: Instant) -> Iterator[str]:
    """Each incident: when it was opened and resolved, and how long it lasted (the last time, if it came back)."""
    rows = [("incident", "severity", "fault", "opened", "resolved", "duration", "acknowledged", "what")]
    for one in incidents:
        opened, closed = one["opened_at"], one["closed_at"]
        lasted = length_text(max(0.0, (closed if closed is not None else now) - one["began_at"]))
        lasted += f" (time {one['reopened'] + 1})" if one["reopened"] else ""
        rows.append(
            (
                one["id"],
                one["severity"],
                one["fault"],
                _time(opened),
                "open" if one["open"] else _time(closed),
                f"{lasted} so far" if one["open"] else lasted,
                one["acknowledged_by"] or _NOTHING,
                one["summary"],
            )
        )
    yield from _columns(rows)


def silence_lines(silences: Iterable[Object]) -> Iterator[str]:
    """Each silence: whether it mutes anything now, until when, and what."""
    rows = [("silence", "state", "end", "target", "fault", "by", "comment")]
    for one in silences:
        state = "active" if one["active"] else "inactive"
        by, comment = one["author"] or _NOTHING, one["comment"] or _NOTHING
        rows.append((one["id"], state, _end(one), one["target"], one["fault"] or "any", by, comment))
    yield from _columns(rows)


def _end(silence: Object) -> str:
    if silence["weekly"]:
        return "weekly"
    return f"until {utc(silence['to'])}" if isinstance(silence["to"], int | float) else "no end"


def _time(at: object) -> str:
    return utc(at) if isinstance(at, int | float) else _NOTHING


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Each column as wide as its widest cell; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    heading, *rest = rows
    for row in ([cell.upper() for cell in heading], *rest):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
