"""The pages that are read: the overview, a target, an incident, a runbook. Readable at three in the morning.

The templates hold all the HTML, this module what they are given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any

from monitor.core.delivery import corroborations
from monitor.core.incident import NEVER, Corroboration, Incident, Notified
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import CheckName, Instant, Severity, TargetName
from monitor.core.silence import Silence, active_until
from monitor.core.state import State
from monitor.core.text import length_text
from monitor.web.day import Dot, dot_of
from monitor.web.panel import RANK, About, Row, make_row
from monitor.web.pictures import HEIGHTS
from monitor.web.texts import clamp, render, runbook_text, to_html

REFRESH_EVERY = 30
"""Seconds, of the overview, which has nothing to be typed into but the filter."""

_MOST_RESOLVED = 10
_MOST_CARDS = 10
_FEW = 3
"""So many targets are shown with everything; of more there is a line each."""

_SIGNS: Mapping[str, str] = {"pass": "✓", "fail": "✗", "unknown": "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """What the pages show beside the status and the state. `can_change`: an admin token is configured."""

    about: Mapping[TargetName, About] = field(default_factory=dict)
    dots: Mapping[TargetName, tuple[Dot, ...]] = field(default_factory=dict)
    can_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which targets the overview shows, and in which groups."""

    text: str = ""
    status: str = ""
    group: str = ""

    def admits(self, row: Row) -> bool:
        """Whether a target is among them: by a part of its name or of a label, and by its status."""
        places = (row.name, *(f"{name}={value}" for name, value in row.about.labels.items()))
        found = any(self.text.casefold() in place.casefold() for place in places)
        muted = self.status == "silenced" and row.silenced_until is not None
        return found and (self.status in ("", row.status) or muted)


EVERYTHING = Filter()


def status_page(
    report: Mapping[str, Any],
    state: State,
    *,
    troubles: Iterable[str],
    version: str,
    now: Instant,
    context: PageContext | None = None,
    chosen: Filter = EVERYTHING,
    refreshing: bool = True,
) -> str:
    """The overview. `report` is the status object of the API, `troubles` are sentences about the monitor itself."""
    known = context or PageContext()
    rows = _rows(report, state, known, now)
    status, headline = _headline(rows, now)
    alike = [row.name for row in rows if row.status == status]
    shown = [row for row in rows if chosen.admits(row)]
    resolved = [one for target in state.targets.values() for one in target.incidents if one.closed_at is not None]
    resolved.sort(key=lambda incident: -(incident.closed_at or 0.0))
    return _page(
        "status.html",
        now=now,
        version=version,
        status=status,
        headline=headline,
        headlined=alike[0] if len(alike) == 1 and status != "healthy" else None,
        rows=shown,
        groups=_groups(shown, chosen.group),
        everything=rows,
        counted={status: sum(row.status == status for row in rows) for status in RANK},
        few=len(rows) <= _FEW,
        cards=_cards(rows if len(rows) <= _FEW else [row for row in shown if row.needs_somebody]),
        most_cards=_MOST_CARDS,
        chosen=chosen,
        label_names=sorted({name for row in rows for name in row.about.labels}),
        troubles=tuple(troubles),
        silences=active_silences(state.silences, now),
        resolved=resolved[:_MOST_RESOLVED],
        refresh_every=REFRESH_EVERY if refreshing else None,
    )


def target_page(
    name: str, report: Mapping[str, Any], state: State, *, version: str, now: Instant, context: PageContext
) -> str:
    """Everything that there is to say of one target; `report` is its part of the status object."""
    (row,) = _rows({"targets": {name: report}}, state, context, now)
    known = state.targets.get(TargetName(name))
    past = sorted((one for one in known.incidents if not one.open), key=lambda one: -one.opened_at) if known else []
    return _page("target.html", now=now, version=version, row=row, past=past[:_MOST_RESOLVED], root="../")


def incident_page(
    incident: Incident,
    report: Mapping[str, Any] | None,
    state: State,
    *,
    notices: tuple[NoticeDelivered, ...],
    version: str,
    now: Instant,
    context: PageContext,
    form: Mapping[str, Any],
    external_url: str | None,
    depth: int,
) -> str:
    """One incident: its timeline, who was notified, and what became of its canaries.

    `report` is the status of its target, None once that is no longer monitored; `notices` are those that the history holds.
    """
    target = state.targets.get(incident.target)
    rows = [] if report is None else _rows({"targets": {incident.target: report}}, state, context, now)
    return _page(
        "incident.html",
        now=now,
        version=version,
        incident=incident,
        row=rows[0] if rows else None,
        lasted=incident.lasted(now),
        notified=_notified(incident, notices),
        canaries=_canaries_of(
            incident,
            target.canaries if target is not None else (),
            context,
            incident.closed_at if incident.closed_at is not None else now,
        ),
        can_change=context.can_change,
        url=external_url,
        root="../" * depth,
        **form,
    )


@cache
def runbook_page(name: str) -> str:
    """The page of a runbook, by the name of its fault or alert; links to other runbooks are relative."""
    return render("runbook.html", name=name, runbook=to_html(runbook_text(name)), root="../")


def problem_page(status: int, detail: str, *, root: str) -> str:
    """What a browser is shown instead of a page that cannot be shown."""
    return render("problem.html", problem=HTTPStatus(status).phrase, detail=detail, root=root)


def active_silences(silences: tuple[Silence, ...], now: Instant) -> list[tuple[Silence, Instant]]:
    """The silences that mute something now, each with its end."""
    ends = ((silence, active_until(silence, now)) for silence in silences)
    return [(silence, end) for silence, end in ends if end is not None]


def _page(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever a template needs
    shared = {"signs": _SIGNS, "heights": HEIGHTS, "severities": Severity, "root": ""}
    return render(template, **{**shared, **values})


# --- what the templates are given ------------------------------------------------------------------------------------


def _rows(report: Mapping[str, Any], state: State, context: PageContext, now: Instant) -> list[Row]:
    """The targets, the worst first."""
    policies = {target: about.policy for target, about in context.about.items() if about.policy is not None}
    affected = corroborations(
        [(state.targets[one], policy) for one, policy in policies.items() if one in state.targets]
    )
    known = {target: one.incident for target, one in state.targets.items()}
    together = {target: affected.get(incident.id) for target, incident in known.items() if incident is not None}
    rows = [
        make_row(
            name,
            target,
            state.targets.get(TargetName(name)),
            state.silences,
            about=context.about.get(TargetName(name), About()),
            dots=_dots(TargetName(name), state, context),
            now=now,
            together=together.get(TargetName(name)),
        )
        for name, target in report["targets"].items()
    ]
    return sorted(rows, key=lambda row: (RANK[row.status], row.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A target that is shown at length. `heading`: the first of those behind one backend that are affected together."""

    row: Row
    heading: Corroboration | None = None


def _cards(rows: list[Row]) -> list[Card]:
    """The targets in order, but those that are affected together one after the other, where the worst of them stands."""
    groups: dict[object, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.together or row.name, []).append(row)
    return [
        Card(row=row, heading=row.together if row is members[0] else None)
        for members in groups.values()
        for row in members
    ]


def _dots(name: TargetName, state: State, context: PageContext) -> tuple[Dot, ...]:
    """The canaries of the day; without a memory of the day, those that the state remembers."""
    if name in context.dots:
        return context.dots[name]
    target = state.targets.get(name)
    return tuple(dot_of(canary) for canary in target.canaries) if target is not None else ()


def _groups(rows: list[Row], label: str) -> list[tuple[str, list[Row]]]:
    """The rows by the value of a label, in the order of the values; one group without a name where nothing is chosen."""
    if not label:
        return [("", rows)]
    values = sorted({row.about.labels.get(label, "") for row in rows}, key=lambda value: (value == "", value))
    return [
        (value or f"without {label}", [row for row in rows if row.about.labels.get(label, "") == value])
        for value in values
    ]


def _headline(rows: list[Row], now: Instant) -> tuple[str, str]:
    """The worst status, and what somebody who is woken reads first."""
    if not rows:
        return "unknown", "No target is monitored"
    worst = rows[0].status
    if worst == "healthy":
        if not all(CheckName.ARRIVAL in row.report["checks"] for row in rows):
            return worst, "Healthy, as far as the enabled checks can see"
        return worst, "All traces arrive" if len(rows) == 1 else f"All traces arrive, at {len(rows)} targets"
    alike = [row for row in rows if row.status == worst]
    if len(alike) > 1:
        return worst, f"{worst.capitalize()}: {len(alike)} of {len(rows)} targets"
    row = alike[0]
    if row.incident is None:
        return worst, f"{worst.capitalize()}: {row.name}: {clamp(row.report['summary'])}"
    title = row.incident.diagnosis.title or row.report["summary"]
    return worst, f"{worst.capitalize()}: {row.name}: {clamp(title)}, for {length_text(row.incident.lasted(now))}"


def _notified(incident: Incident, notices: tuple[NoticeDelivered, ...]) -> list[tuple[str, Notified]]:
    """Who was notified, when and why: as the history has it, else the newest of each notifier.

    An attempt and an edit are recorded too, and leave the moment and the reason as they were: they are no further notifications.
    """
    recorded = [(one.notifier, one.notified) for one in notices if one.incident_id == incident.id]
    found = {
        (name, one.at, one.reason): (name, one)
        for name, one in (*recorded, *incident.notified.items())
        if one.at != NEVER
    }
    return sorted(found.values(), key=lambda pair: pair[1].at)


_MOST_CANARIES = 200


def _canaries_of(incident: Incident, canaries: tuple[Any, ...], context: PageContext, ended: Instant) -> list[Dot]:
    """The canaries that were sent while it lasted, as far as they are remembered; the newest first."""
    dots = {one.id: one for one in context.dots.get(incident.target, ())}
    dots.update((canary.id, dot_of(canary)) for canary in canaries)
    inside = [one for one in dots.values() if incident.window_began_at <= one.sent_at <= ended]
    return sorted(inside, key=lambda one: -one.sent_at)[:_MOST_CANARIES]
