"""The status page: what is broken, where, since when, why, and what to do; readable at three in the morning."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.core.incident import Incident
from monitor.core.model import CheckName, Instant, TargetName, Verdict
from monitor.core.silence import Silence, silenced_until
from monitor.core.state import State, TargetState
from monitor.web.html import Child, Html, document, join, tag
from monitor.web.moments import ago, clock_time, length, since
from monitor.web.prose import clamped, prose
from monitor.web.silences import active_until
from monitor.web.style import style

REFRESH_EVERY = 15
NOTHING = "—"
_RECENT = 10

_SIGNS: Mapping[str, str] = {"pass": "✓", "fail": "✗", "unknown": "?"}
_RANK: Mapping[str, int] = {"critical": 0, "warning": 1, "unknown": 2, "well": 3}
_HEADS: Mapping[str, str] = {"critical": "Critical", "warning": "Warning", "unknown": "Cannot tell"}
_WORDS: Mapping[str, str] = {"critical": "✗ critical", "warning": "! warning", "unknown": "? unknown", "well": "✓ well"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target as the page shows it. `status` is critical, warning, unknown or well."""

    name: str
    status: str
    described: Mapping[str, Any]
    state: TargetState
    silenced_until: Instant | None

    @property
    def incident(self) -> Incident | None:
        """The open one."""
        return self.state.incident


def status_page(report: Mapping[str, Any], state: State, *, troubles: Iterable[str], version: str, now: Instant) -> str:
    """The whole page."""
    rows = _rows(report, state, now)
    status, headline = _headline(rows, now)
    return document(
        f"{_SIGNS['pass'] if status == 'well' else _SIGNS['fail']} {headline}",
        tag(
            "header",
            tag("p", "Gateway Trace Monitor", class_="brand"),
            tag("h1", headline, class_=f"headline {status}"),
            tag("p", "as of ", tag("time", clock_time(now)), f" · refreshed every {REFRESH_EVERY} s", class_="quiet"),
        ),
        tag(
            "main",
            _troubles(tuple(troubles)),
            _table(rows, now),
            _silences(state.silences, now),
            _recent(state, now),
        ),
        _footer(version),
        style=style(),
        refresh=REFRESH_EVERY,
    )


def _rows(report: Mapping[str, Any], state: State, now: Instant) -> list[Row]:
    """The broken ones first."""
    rows = [
        _make_row(name, described, state.targets.get(TargetName(name)), state.silences, now)
        for name, described in report["targets"].items()
    ]
    return sorted(rows, key=lambda row: (_RANK[row.status], row.name))


def _make_row(
    name: str, described: Mapping[str, Any], state: TargetState | None, silences: tuple[Silence, ...], now: Instant
) -> Row:
    known = state or TargetState(target=TargetName(name))
    incident = known.incident
    muted = None
    if incident is not None:
        muted = silenced_until(silences, known.target, incident.diagnosis.fault, now)
    return Row(name=name, status=_status(described), described=described, state=known, silenced_until=muted)


def _status(described: Mapping[str, Any]) -> str:
    severity = described.get("severity")
    if severity in {"critical", "warning"}:
        return str(severity)
    return {"pass": "well", "fail": "warning"}.get(described["verdict"], "unknown")


def _headline(rows: list[Row], now: Instant) -> tuple[str, str]:
    """What somebody who is woken reads first."""
    if not rows:
        return "unknown", "No target is looked at"
    worst = rows[0].status
    alike = [row for row in rows if row.status == worst]
    if worst == "well" and not all(CheckName.ARRIVAL in row.described["checks"] for row in rows):
        return worst, "Well, as far as the enabled checks can see"
    if worst == "well":
        return worst, "All traces arrive" if len(rows) == 1 else f"All traces arrive, at {len(rows)} targets"
    if len(alike) > 1:
        return worst, f"{_HEADS[worst]}: {len(alike)} of {len(rows)} targets"
    row = alike[0]
    lasted = f", for {length(now - row.incident.opened_at)}" if row.incident is not None else ""
    return worst, f"{_HEADS[worst]}: {row.name}: {clamped(str(row.described['summary']))}{lasted}"


def _troubles(troubles: tuple[str, ...]) -> Child:
    if not troubles:
        return None
    items = (tag("li", prose(trouble)) for trouble in troubles)
    return tag("section", tag("h2", "The monitor itself"), tag("ul", *items), class_="troubles")


def _table(rows: list[Row], now: Instant) -> Html:
    columns = ("Target", "State", *CheckName, "Since", "Last look", "What we see")
    head = tag("thead", tag("tr", *(tag("th", column.capitalize(), scope="col") for column in columns)))
    bodies = (tag("tbody", _line(row, now), _details(row, now), class_=row.status) for row in rows)
    return tag("table", tag("caption", "Targets", class_="hidden"), head, *bodies, class_="targets")


def _line(row: Row, now: Instant) -> Html:
    looks = [trend.last.at for trend in row.state.trends.values() if trend.last is not None]
    return tag(
        "tr",
        tag("th", row.name, scope="row"),
        tag("td", tag("span", _WORDS[row.status], class_=f"pill {row.status}"), data_label="State"),
        *(_check(row, check, now) for check in CheckName),
        tag("td", _since(row.incident, now), data_label="Since"),
        tag("td", ago(max(looks), now) if looks else "never", data_label="Last look"),
        tag("td", _what(row), class_="what", data_label="What we see"),
    )


def _check(row: Row, check: CheckName, now: Instant) -> Html:
    described = row.described["checks"].get(check.value)
    if described is None:
        return tag("td", tag("span", NOTHING, title="not enabled"), class_="check off", data_label=check.capitalize())
    verdict = described["verdict"]
    last = row.state.trend(check).last
    return tag(
        "td",
        tag("span", f"{_SIGNS.get(verdict, '?')} {verdict}", class_=f"verdict {verdict}"),
        tag("small", ago(last.at, now)) if last is not None else None,
        title=clamped(str(described["summary"])),
        class_="check",
        data_label=check.capitalize(),
    )


def _since(incident: Incident | None, now: Instant) -> Child:
    return since(incident.opened_at, now) if incident is not None else NOTHING


def _what(row: Row) -> Html:
    fault = row.described.get("fault")
    link = tag("a", fault, href=f"runbooks/{fault}", class_="slug") if fault else None
    return join(link, " " if link else None, prose(row.described["summary"]), _arrival(row))


def _arrival(row: Row) -> Child:
    seconds = row.described.get("arrival_seconds")
    if row.status != "well" or not isinstance(seconds, int | float):
        return None
    return tag("span", f" · the last trace took {seconds:.0f} s", class_="quiet")


def _details(row: Row, now: Instant) -> Child:
    """The second line of a target: what needs somebody, and what a healthy canary does not prove."""
    well = row.status == "well" and row.incident is None
    parts = (*(() if well else _needs(row, now)), _caveats(row))
    if not any(parts):
        return None
    return tag("tr", tag("td", *parts, colspan="10"), class_="details")


def _needs(row: Row, now: Instant) -> tuple[Child, ...]:
    """Of a target that needs somebody: why, what to do, how to quieten it."""
    because = [prose(sentence) for sentence in row.described.get("because") or _unknowns(row)]
    also = row.described.get("also") or []
    return (
        _incident_notes(row, now),
        _next(row),  # before the evidence, as in a message: it speaks of what stands below
        tag("ul", *(tag("li", sentence) for sentence in because)) if because else None,
        tag("p", tag("strong", "Also broken: "), *_listed(also)) if also else None,
        _commands(row),
    )


def _caveats(row: Row) -> Child:
    found = row.described.get("caveats")
    if not found:
        return None
    items = (tag("li", prose(caveat)) for caveat in found)
    return join(tag("p", "What the canary does not prove:", class_="quiet"), tag("ul", *items, class_="quiet"))


def _next(row: Row) -> Child:
    advice, fault = row.described.get("advice"), row.described.get("fault")
    if not advice or not fault:
        return None
    return tag("p", tag("strong", "Next: "), prose(advice), " ", tag("a", "Runbook", href=f"runbooks/{fault}"))


def _unknowns(row: Row) -> list[str]:
    """Of a target that cannot be told: which check could not see, and why."""
    checks = row.described["checks"].items()
    return [f"{name}: {one['summary']}" for name, one in checks if one["verdict"] != Verdict.PASS.value]


def _listed(slugs: Iterable[str]) -> list[Html]:
    return [join(" " if place else None, tag("a", slug, href=f"runbooks/{slug}")) for place, slug in enumerate(slugs)]


def _incident_notes(row: Row, now: Instant) -> Child:
    incident = row.incident
    if incident is None:
        return None
    notes = [
        incident.diagnosis.waiting,
        f"acknowledged by {incident.acked_by}" if incident.acked_by else None,
        f"silenced{_until(row.silenced_until, now)}" if row.silenced_until is not None else None,
        f"opened {1 + len(incident.reopened)} times" if incident.reopened else None,
    ]
    said = [note for note in notes if note]
    return tag("p", prose(" · ".join(said)), class_="notes") if said else None


def _until(end: Instant, now: Instant) -> str:
    return " without an end" if math.isinf(end) else f" until {clock_time(end, now)}"


def _commands(row: Row) -> Child:
    incident = row.incident
    if incident is None:
        return None
    lines = [
        f"trace-monitor ack {incident.id}" if incident.acked_by is None else None,
        f"trace-monitor silence add --target {row.name} --fault {incident.diagnosis.fault.value} --for 2h"
        if row.silenced_until is None
        else None,
    ]
    given = [line for line in lines if line is not None]
    return tag("pre", tag("code", "\n".join(given))) if given else None


def _silences(silences: tuple[Silence, ...], now: Instant) -> Child:
    active = [(silence, end) for silence in silences if (end := active_until(silence, now)) is not None]
    if not active:
        return None
    items = (
        tag(
            "li",
            tag("code", silence.target),
            f" {silence.fault.value if silence.fault else 'any fault'}",
            _until(end, now),
            f" · {clamped(silence.comment)}" if silence.comment else None,
            f" · {clamped(silence.author)}" if silence.author else None,
        )
        for silence, end in active
    )
    return tag("section", tag("h2", "Silenced now"), tag("ul", *items))


def _recent(state: State, now: Instant) -> Child:
    closed = [one for target in state.targets.values() for one in target.incidents if one.closed_at is not None]
    newest = sorted(closed, key=lambda one: -(one.closed_at or 0.0))[:_RECENT]
    if not newest:
        return None
    head = tag(
        "tr", *(tag("th", column, scope="col") for column in ("Resolved", "Target", "Fault", "Lasted", "Canaries"))
    )
    rows = (_recent_row(incident, now) for incident in newest)
    return tag("section", tag("h2", "Resolved lately"), tag("table", tag("thead", head), tag("tbody", *rows)))


def _recent_row(incident: Incident, now: Instant) -> Html:
    closed_at = incident.closed_at or now
    return tag(
        "tr",
        tag("td", ago(closed_at, now), data_label="Resolved"),
        tag("td", incident.target, data_label="Target"),
        tag("td", *_listed([incident.diagnosis.fault.value]), f" ({incident.worst.word})", data_label="Fault"),
        tag("td", length(closed_at - incident.opened_at), data_label="Lasted"),
        tag("td", clamped(str(incident.losses)) if incident.losses is not None else NOTHING, data_label="Canaries"),
    )


def _footer(version: str) -> Html:
    links = (("metrics", "metrics"), ("api/v1/status", "status as JSON"), ("api/v1/incidents", "incidents as JSON"))
    return tag("footer", *(join(tag("a", text, href=href), " · ") for href, text in links), f"trace-monitor {version}")
