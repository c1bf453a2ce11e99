"""The status page: what is broken, where, since when, why, and what to do; readable at three in the morning.

The templates hold all the HTML, this module what they are given. Every expression in them is escaped, and what eyes cannot see
is shown as its code.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from monitor.core.incident import Incident
from monitor.core.model import CheckName, Fault, Instant, Seconds, TargetName, Verdict
from monitor.core.silence import Silence, silenced_until
from monitor.core.state import State, TargetState
from monitor.redaction import visible
from monitor.web.payloads import active_until
from monitor.web.runbooks import runbook_html

if TYPE_CHECKING:
    from jinja2 import Environment

STYLE = files("monitor").joinpath("web", "templates", "style.css").read_text(encoding="utf-8")
"""The one style sheet, part of every page; the content security policy names it by its hash."""

_REFRESH_EVERY = 15
_MOST_RESOLVED = 10
_LONGEST_TEXT = 600
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))

_SIGNS: Mapping[str, str] = {"pass": "✓", "fail": "✗", "unknown": "?"}
_RANK: Mapping[str, int] = {"critical": 0, "warning": 1, "unknown": 2, "well": 3}
_HEADS: Mapping[str, str] = {"critical": "Critical", "warning": "Warning", "unknown": "Cannot tell"}
_WORDS: Mapping[str, str] = {"critical": "✗ critical", "warning": "! warning", "unknown": "? unknown", "well": "✓ well"}


def status_page(report: Mapping[str, Any], state: State, *, troubles: Iterable[str], version: str, now: Instant) -> str:
    """The whole page. `report` is the status object of the API, `troubles` are sentences about the monitor itself."""
    rows = [
        _make_row(name, target, state.targets.get(TargetName(name)), state.silences, now)
        for name, target in report["targets"].items()
    ]
    rows.sort(key=lambda row: (_RANK[row.status], row.name))
    status, headline = _headline(rows, now)
    resolved = [one for target in state.targets.values() for one in target.incidents if one.closed_at is not None]
    resolved.sort(key=lambda incident: -(incident.closed_at or 0.0))
    silences = [(silence, active_until(silence, now)) for silence in state.silences]
    return _render(
        "status.html",
        status=status,
        headline=headline,
        rows=rows,
        troubles=tuple(troubles),
        silences=[(silence, end) for silence, end in silences if end is not None],
        resolved=resolved[:_MOST_RESOLVED],
        checks=[check.value for check in CheckName],
        refresh_every=_REFRESH_EVERY,
        signs=_SIGNS,
        status_words=_WORDS,
        version=version,
        now=now,
    )


@cache
def runbook_page(fault: Fault) -> str:
    """The page of one fault's runbook; links to other runbooks are relative."""
    return _render("runbook.html", fault=fault.value, runbook=runbook_html(fault))


# --- what the templates are given ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target. `status` is critical, warning, unknown or well; `looks` is when each check looked last."""

    name: str
    status: str
    report: Mapping[str, Any]
    incident: Incident | None
    looks: Mapping[str, Instant]
    notes: tuple[str, ...]
    commands: tuple[str, ...]

    @property
    def needs_somebody(self) -> bool:
        """Whether there is more to say than that it is well."""
        return self.status != "well" or self.incident is not None

    @property
    def because(self) -> list[str]:
        """Why it is broken; or, of a target that cannot be told, which check could not see, and why."""
        checks = self.report["checks"].items()
        unseen = (f"{name}: {one['summary']}" for name, one in checks if one["verdict"] != Verdict.PASS.value)
        return self.report.get("because") or list(unseen)


def _make_row(
    name: str, report: Mapping[str, Any], state: TargetState | None, silences: tuple[Silence, ...], now: Instant
) -> Row:
    known = state or TargetState(target=TargetName(name))
    incident = known.incident
    end = silenced_until(silences, known.target, incident.diagnosis.fault, now) if incident is not None else None
    severity = report.get("severity")
    by_verdict = {"pass": "well", "fail": "warning"}.get(report["verdict"], "unknown")
    return Row(
        name=name,
        status=str(severity) if severity in {"critical", "warning"} else by_verdict,
        report=report,
        incident=incident,
        looks={check.value: trend.last.at for check, trend in known.trends.items() if trend.last is not None},
        notes=_notes(incident, end, now) if incident is not None else (),
        commands=_commands(incident, silenced=end is not None) if incident is not None else (),
    )


def _notes(incident: Incident, silenced: Instant | None, now: Instant) -> tuple[str, ...]:
    notes = (
        incident.diagnosis.waiting,
        f"acknowledged by {incident.acked_by}" if incident.acked_by else None,
        f"silenced {_until(silenced, now)}" if silenced is not None else None,
        f"opened {1 + len(incident.reopened)} times" if incident.reopened else None,
    )
    return tuple(note for note in notes if note)


def _commands(incident: Incident, *, silenced: bool) -> tuple[str, ...]:
    """How to quieten it, as far as nobody has."""
    ack = f"trace-monitor ack {incident.id}"
    silence = f"trace-monitor silence add --target {incident.target} --fault {incident.diagnosis.fault.value} --for 2h"
    return (*(() if incident.acked_by is not None else (ack,)), *(() if silenced else (silence,)))


def _headline(rows: list[Row], now: Instant) -> tuple[str, str]:
    """The worst status, and what somebody who is woken reads first."""
    if not rows:
        return "unknown", "No target is looked at"
    worst = rows[0].status
    if worst == "well":
        if not all(CheckName.ARRIVAL in row.report["checks"] for row in rows):
            return worst, "Well, as far as the enabled checks can see"
        return worst, "All traces arrive" if len(rows) == 1 else f"All traces arrive, at {len(rows)} targets"
    alike = [row for row in rows if row.status == worst]
    if len(alike) > 1:
        return worst, f"{_HEADS[worst]}: {len(alike)} of {len(rows)} targets"
    row = alike[0]
    lasted = f", for {duration_text(now - row.incident.opened_at)}" if row.incident is not None else ""
    return worst, f"{_HEADS[worst]}: {row.name}: {_clamp(row.report['summary'])}{lasted}"


# --- what the templates call -----------------------------------------------------------------------------------------


def duration_text(seconds: Seconds) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`: two units at most."""
    rest = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
    if not parts or (len(parts) == 1 and parts[0].endswith("min") and rest and seconds < 600):  # noqa: PLR2004
        parts.append(f"{rest} s")
    return " ".join(parts[:2])


def ago_text(at: Instant, now: Instant) -> str:
    """`12 min ago`."""
    return f"{duration_text(now - at)} ago" if now >= at else f"in {duration_text(at - now)}"


def time_text(at: Instant, now: Instant | None = None) -> str:
    """`14:02 UTC` of the day of `now`, else with the date."""
    moment = datetime.fromtimestamp(at, UTC)
    today = now is not None and datetime.fromtimestamp(now, UTC).date() == moment.date()
    return moment.strftime("%H:%M UTC" if today else "%Y-%m-%d %H:%M UTC")


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _until(end: Instant, now: Instant) -> str:
    return "without an end" if math.isinf(end) else f"until {time_text(end, now)}"


def _clamp(text: object) -> str:
    """Not longer than anybody reads."""
    said = str(text)
    return said if len(said) <= _LONGEST_TEXT else said[: _LONGEST_TEXT - 1] + "…"


def _code_spans(text: object) -> list[str]:
    """What stands outside and inside of backticks, by turns; all of it outside if they do not pair."""
    parts = _clamp(text).split("`")
    return parts if len(parts) % 2 else ["`".join(parts)]


def _show(value: Any) -> Any:  # noqa: ANN401 - whatever a template says
    """What stands in the place of an expression, before it is escaped: markup that a template made is left alone."""
    return value if hasattr(value, "__html__") else visible(str(value), keep="\n")


def _render(template: str, **values: object) -> str:
    return _templates().get_template(template).render(style=STYLE, **values)


@cache
def _templates() -> "Environment":
    """The templates; loaded by the first page that is asked for, so that a daemon whose page nobody opens does without."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("monitor", "web/templates"),
        autoescape=True,
        auto_reload=False,
        finalize=_show,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "ago": ago_text,
        "clamp": _clamp,
        "code_spans": _code_spans,
        "duration": duration_text,
        "iso": _iso,
        "time": time_text,
        "until": _until,
    }
    return environment
