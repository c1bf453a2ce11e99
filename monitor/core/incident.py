"""One incident per target: what it is called, since when, and which notifier knows what of it; and those that are remembered."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS, SINCE
from monitor.core.model import CheckName, Component, Fault, Instant, Seconds, Severity, TargetName
from monitor.core.text import code, count_text, length_text, sentence


class Reason(StrEnum):
    """Why a notice is due; the `reason` label."""

    OPENED = "opened"
    CHANGED = "changed"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    EDITED = "edited"  # acknowledged, silenced, fixed and waiting: only a message that can be edited shows it
    RESOLVED = "resolved"
    TEST = "test"


class Place(StrEnum):
    """Where a trace passes, in this order."""

    GATEWAY = "gateway"
    TRUEFOUNDRY = "truefoundry"
    EXPORT = "export"
    COLLECTOR = "collector"  # only where the target names it
    TRACELOOP = "traceloop"
    PHOENIX = "phoenix"  # instead, where that is the backend

    @property
    def label(self) -> str:
        """The name that people read."""
        return {
            "truefoundry": "TrueFoundry",
            "collector": "Collector",
            "traceloop": "Traceloop",
            "phoenix": "Phoenix",
        }.get(self.value, self.value)


class HopState(StrEnum):
    """What is known of a hop."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One hop of the path. `text` completes its label: "does not answer", "has the traces"."""

    place: Place
    state: HopState
    text: str = ""

    @property
    def label(self) -> str:
        """The name that people read."""
        return self.place.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong with a target: which hop broke, what that means, why the monitor thinks so, what to do.

    `summary` are sentences, `title` and how it shows; in `impact` `{since}` stands for the time since when. `because` are sentences,
    most important first; `explained` the consequences; `also` what is wrong besides. `permanent`: only a person can fix it, and
    nobody is reminded.
    """

    fault: Fault
    severity: Severity
    component: Component
    summary: str
    because: tuple[str, ...] = ()
    explained: tuple[Fault, ...] = ()
    also: tuple[Fault, ...] = ()
    advice: str = ""
    title: str = ""
    impact: str = ""
    hops: tuple[Hop, ...] = ()
    since: Instant = 0.0
    trace_ids: tuple[str, ...] = ()
    waiting: str | None = None  # "config_drift fixed 14:31 by …, waiting for traces"
    permanent: bool = False
    missing_since: Instant | None = None  # when the first trace was lost to the cause that names it

    @property
    def next_step(self) -> str:
        """What to do now: nothing, while a fixed cause waits for its proof."""
        return (
            self.advice
            if self.waiting is None
            else "Nothing to do: the incident resolves by itself when traces arrive again."
        )

    @property
    def detail(self) -> str:
        """How it shows: what the summary says beyond the title."""
        return self.summary.removeprefix(sentence(self.title)).strip() if self.title else self.summary


# What a backend that fails looks like from one target: it refuses the key or the span, or traces do not come, come late or in part
# (a loss is named by how much is known of the hops, so two targets may name the same outage differently). What is left out: a trace
# that the gateway never made, a gateway that does not serve, an exporter that is off, set differently or sends to another
# environment. Those have their cause before the backend, in each target by itself.
MAY_BE_THE_BACKEND = frozenset(
    {
        Fault.KEY_REJECTED,
        Fault.INGEST_FAILING,
        Fault.EXPORT_FAILING,
        Fault.TRACE_MISSING,
        Fault.TRACE_INCOMPLETE,
        Fault.TRACE_LATE,
        Fault.VOLUME_LOSS,
    }
)


def may_be_the_backend(diagnosis: Diagnosis) -> bool:
    """Whether what is wrong may be what others behind the same backend see too."""
    return not MAY_BE_THE_BACKEND.isdisjoint((diagnosis.fault, *diagnosis.also))


NO_LONGER_MONITORED = "no longer monitored"
"""What ended the incident of a target that was removed: nobody knows whether it still lasts."""

NO_LONGER_CHECKED = "no longer checked"
"""Begins what ended an incident whose check was switched off: nobody knows whether it still lasts."""


NO_LONGER_NOTIFIED = "no longer notified"
"""Begins what ended an incident whose severity the operator has set to none: it still lasts, and nobody is to hear of it."""


BECAME = " became "
"""Between two names in a timeline: the second was not there before, and the first is gone."""


def no_longer_checked(checks: Collection[CheckName]) -> str:
    """Example: no longer checked: checks.volume is off."""
    names = " and ".join(f"checks.{check}" for check in CheckName if check in checks)
    return f"{NO_LONGER_CHECKED}: {names} {'is' if len(checks) == 1 else 'are'} off"


NEVER: Instant = 0.0
"""Stands for the time of a notification that was never sent: what a notifier need not be notified of counts as known."""


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
    since: Instant = 0.0  # when the first evidence of the fault was seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What became of the canaries of an incident's window; `unclear` are those of which that is not known, `pending` not yet.

    Of the late ones those that took longest are named, of the lost ones the newest. `elsewhere` counts those that another
    environment has, by its name: they are not lost.
    """

    sent: int = 0
    late: int = 0
    lost: int = 0
    longest_delay: Seconds | None = None
    elsewhere: tuple[tuple[str, int], ...] = ()
    unclear: int = 0
    incomplete: int = 0
    pending: int = 0
    late_ids: tuple[str, ...] = ()
    lost_ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Example: 5 canaries: 2 arrived in time, 1 arrived late (after 212 s), 2 lost. Zeros are left out."""
        if not self.sent:
            return "no canary was sent meanwhile"
        elsewhere = sum(count for _, count in self.elsewhere)
        arrived = self.sent - self.late - self.lost - self.incomplete - self.unclear - self.pending - elsewhere
        delay = (
            f" (after {'up to ' if self.late > 1 else ''}{length_text(self.longest_delay)})"
            if self.longest_delay
            else ""
        )
        counts = (
            (arrived, "arrived in time"),
            (self.late, f"arrived late{delay}"),
            (self.lost, "lost"),
            *(
                (count, f"went to {code(name)} and {'is' if count == 1 else 'are'} not lost")
                for name, count in self.elsewhere
            ),
            (self.incomplete, "incomplete"),
            (self.unclear, "unknown"),
            (self.pending, "not known yet"),
        )
        parts = [(count, what) for count, what in counts if count]
        canaries = count_text(self.sent, "canary", "canaries")
        if len(parts) == 1:
            what = parts[0][1]
            if self.unclear or self.pending:
                return f"{canaries}, {'outcome' if self.sent == 1 else 'outcomes'} {what}"
            return f"{canaries}, {'' if self.sent == 1 else 'all '}{what}"
        return f"{canaries}: {', '.join(f'{count} {what}' for count, what in parts)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Everything remembered of one incident; open while `closed_at` is None."""

    id: str
    target: TargetName
    opened_at: Instant
    diagnosis: Diagnosis
    # When its first evidence was seen, the last time if it came back: the window of its canaries.
    began_at: Instant | None = None
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
    def unseen(self) -> str:
        """Why nobody knows whether it still lasts, though it is closed; "" for one that is open or has been seen to end."""
        return next(
            (
                why
                for why in (NO_LONGER_MONITORED, NO_LONGER_CHECKED, NO_LONGER_NOTIFIED)
                if self.closed_because.startswith(why)
            ),
            "",
        )

    @property
    def over_at_once(self) -> bool:
        """Whether it was over before anybody could be notified."""
        return self.closed_at == self.opened_at

    @property
    def window_began_at(self) -> Instant:
        """From when on the canaries are its own."""
        return self.began_at if self.began_at is not None else self.opened_at

    @property
    def lasts_since(self) -> Instant:
        """When it began, the last time if it came back: what broke was first seen a little before the incident was opened."""
        since = self.diagnosis.since
        if not self.open:  # under whatever name it began
            since = min(since, self.window_began_at) if since > 0 else self.window_began_at
        opened_at = self.reopened[-1] if self.reopened else self.opened_at
        return min(since, opened_at) if since > 0 else opened_at

    def lasted(self, now: Instant) -> Seconds:
        """For how long it has been, or was, open, the one figure shown everywhere; a clock set back makes it zero, never negative."""
        return max(0.0, (self.closed_at if self.closed_at is not None else now) - self.lasts_since)

    @property
    def names(self) -> frozenset[Fault]:
        """Every fault by which it has been called."""
        return frozenset({self.diagnosis.fault, *(entry.fault for entry in self.timeline)})

    def impact(self, write: Callable[[str], str], when: Callable[[Instant], str]) -> str:
        """What it means and since when; of a closed one from when to when. Sentences and moments are written by the arguments."""
        if self.closed_at is not None:
            removed = self.unseen == NO_LONGER_MONITORED
            why = "the target is not checked any more" if removed else self.closed_because
            ended = f" It counts as resolved: {why}." if self.unseen else ""
            return f"From {when(self.lasts_since)} to {when(self.closed_at)}.{ended}"
        lost_since = self.diagnosis.missing_since
        since = when(lost_since if lost_since is not None else self.lasts_since)
        said = write(self.diagnosis.impact or TRACELOOP.name_in(FAULTS[self.diagnosis.fault].impact))
        return said.replace(SINCE, since) if SINCE in said else f"{said} Since {since}.".strip()

    def meaning(self, write: Callable[[str], str], when: Callable[[Instant], str]) -> str:
        """How it shows now, where the title does not say it all, and its impact."""
        detail = write(self.diagnosis.detail) if self.open and self.diagnosis.detail else ""
        return " ".join(filter(None, (detail, self.impact(write, when))))


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
class Corroboration:
    """Targets behind one trace backend that are affected together: which, the first of them first, of how many.

    `since`: when the newest of them joined.
    """

    backend: str
    targets: tuple[TargetName, ...]
    of: int
    since: Instant

    def __str__(self) -> str:
        """Example: 3 of 4 targets behind this Traceloop are affected."""
        return f"{len(self.targets)} of {self.of} targets behind this {self.backend} are affected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one notifier is to say now; rendering it needs nothing else.

    `notified` is what this notifier knows (None: nothing), also for "X fixed, still: Y". `mention` calls the on-call, `broadcast`
    shows a thread's reply in the channel. `labels` are the target's. `together`: others behind the same backend are affected
    too.
    """

    reason: Reason
    incident: Incident
    at: Instant
    notified: Notified | None = None
    mention: bool = False
    broadcast: bool = False
    silenced_until: Instant | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    together: Corroboration | None = None
