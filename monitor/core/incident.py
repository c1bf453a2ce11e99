"""One incident per target: what it is called, since when, and which notifier knows what of it; and those that are remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from monitor.core.model import Component, Fault, Instant, Seconds, Severity, TargetName


class Reason(StrEnum):
    """Why a notice is due; the `reason` label."""

    OPENED = "opened"
    CHANGED = "changed"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    EDITED = "edited"  # acknowledged, silenced, fixed and waiting: only a message that can be edited shows it
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The sentence the monitor stands for: which hop broke, why we think so, what to do.

    `because` are sentences, most important first; `explained` the consequences; `also` what is broken besides. `permanent`:
    only a person can fix it, and nobody is reminded.
    """

    fault: Fault
    severity: Severity
    component: Component
    summary: str
    because: tuple[str, ...] = ()
    explained: tuple[Fault, ...] = ()
    also: tuple[Fault, ...] = ()
    advice: str = ""
    since: Instant = 0.0
    trace_ids: tuple[str, ...] = ()
    waiting: str | None = None  # "mended 14:31 by …, waiting for traces"
    permanent: bool = False
    missing_since: Instant | None = None  # when the first trace was lost to the cause that names it

    @property
    def next_step(self) -> str:
        """What to do now: nothing, while a fixed cause waits for its proof."""
        return self.advice if self.waiting is None else "Nothing to do: it resolves by itself when traces arrive again."


NO_LONGER_MONITORED = "no longer monitored"
"""What ended the incident of a target that was removed: nobody knows whether it still lasts."""

NEVER: Instant = 0.0
"""The time of a notification that was never made: what a notifier need not be notified of counts as known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PossiblyDelivered:
    """What was possibly delivered: it was sent, and no answer came."""

    fault: Fault
    severity: Severity
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What one notifier was notified of last. `receipt` is the notifier's own (a Slack channel and timestamp)."""

    reason: Reason
    fault: Fault
    severity: Severity
    at: Instant
    receipt: Mapping[str, str] = field(default_factory=dict)
    closed: bool = False
    reminders: int = 0
    escalated: bool = False
    called_at: Instant | None = None  # when this notifier was notified that it is critical
    mentioned_at: Instant | None = None  # when it last called somebody for it
    silenced: bool = False  # whether what it shows is muted
    reopened: int = 0  # how often the incident had been reopened by then
    shown: str = ""  # the state of the incident that the edited root shows
    possibly: PossiblyDelivered | None = None  # what was possibly delivered since


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One step in the life of an incident: when, what, in words."""

    at: Instant
    fault: Fault
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What became of the canaries of an incident's window; `unclear` are those that came in part or are not judged (yet).

    Of the late ones those that took longest are named, of the lost ones the newest. `elsewhere` counts those that another
    environment has, by its name: they are not lost.
    """

    sent: int = 0
    late: int = 0
    lost: int = 0
    longest_delay: Seconds | None = None
    elsewhere: tuple[tuple[str, int], ...] = ()
    unclear: int = 0
    late_ids: tuple[str, ...] = ()
    lost_ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.sent:
            return "no canary was sent meanwhile"
        delay = f" (longest {self.longest_delay:.0f} s)" if self.longest_delay is not None else ""
        arrived = self.sent - self.late - self.lost - self.unclear - sum(count for _, count in self.elsewhere)
        elsewhere = "".join(f", {count} went to {name}" for name, count in self.elsewhere)
        unclear = f", {self.unclear} in part or not known" if self.unclear else ""
        canaries = "canary" if self.sent == 1 else "canaries"
        said = f"{self.sent} {canaries}: {arrived} arrived in time, {self.late} late{delay}, {self.lost} lost"
        return f"{said}{elsewhere}{unclear}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Everything remembered of one incident; open while `closed_at` is None."""

    id: str
    target: TargetName
    opened_at: Instant
    diagnosis: Diagnosis
    began_at: Instant | None = None  # when the first of its evidence was seen; the window of its canaries
    closed_at: Instant | None = None
    closed_because: str = ""
    worst: Severity = Severity.WARNING
    critical_since: Instant | None = None
    reopened: tuple[Instant, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    notified: Mapping[str, Notified] = field(default_factory=dict)
    losses: Losses | None = None
    recounted: bool = False  # whether its losses have turned out otherwise since it was closed
    acked_by: str | None = None
    acked_at: Instant | None = None
    acked_as: tuple[Fault, Severity] | None = None

    @property
    def open(self) -> bool:
        """Whether it still lasts."""
        return self.closed_at is None

    @property
    def over_at_once(self) -> bool:
        """Whether it was over before anybody could be notified."""
        return self.closed_at == self.opened_at

    @property
    def window_began_at(self) -> Instant:
        """From when on the canaries are its own."""
        return self.began_at if self.began_at is not None else self.opened_at

    @property
    def names(self) -> frozenset[Fault]:
        """Every fault by which it has been called."""
        return frozenset({self.diagnosis.fault, *(entry.fault for entry in self.timeline)})


REMEMBERED_INCIDENTS = 50


def fresh_id(target: TargetName, incidents: tuple[Incident, ...], now: Instant) -> str:
    """An id that is derived from target and time, so that a replica would choose the same; never one that is taken."""
    taken = {incident.id for incident in incidents}
    wanted = f"{target}-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"
    fresh, number = wanted, 1
    while fresh in taken:
        number += 1
        fresh = f"{wanted}-{number}"
    return fresh


def remember_incident(incidents: tuple[Incident, ...], incident: Incident) -> tuple[Incident, ...]:
    """Add an incident, or put it in the place of its earlier self: in order, the open one last.

    Kept are the newest; and those whose end a notifier was not notified of, or its reader would believe them open for ever.
    """
    others = [known for known in incidents if known.id != incident.id]
    ordered = sorted([*others, incident], key=lambda one: (one.open, one.opened_at))
    return (*filter(_is_owed, ordered[:-REMEMBERED_INCIDENTS]), *ordered[-REMEMBERED_INCIDENTS:])


def _is_owed(incident: Incident) -> bool:
    return any(
        not notified.closed or notified.reopened < len(incident.reopened) for notified in incident.notified.values()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one notifier is to say now; rendering it needs nothing else.

    `notified` is what this notifier knows (None: nothing), also for "X mended, still: Y". `mention` calls the on-call, `broadcast`
    shows a thread's reply in the channel. `labels` are the target's.
    """

    reason: Reason
    incident: Incident
    at: Instant
    notified: Notified | None = None
    mention: bool = False
    broadcast: bool = False
    silenced_until: Instant | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
