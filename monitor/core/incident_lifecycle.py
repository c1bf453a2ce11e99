"""The life of an incident: open, recovering, resolved, and perhaps open again. A target has one open incident at most.

What moves an incident is what is true of its target now. `TRANSITIONS` says for each phase which trigger leads to which phase; what
it does not list cannot happen.

- *open*: a fault is confirmed that no other explains. The most severe of them names the incident, and the name may change.
- *recovering*: the cause was fixed and nothing else is confirmed. The incident keeps its name until fresh traces prove it.
- *resolved*: nothing is confirmed any more. What bears one of its names within `reopen_within` opens it again, in the same thread.

Example: the endpoint is wrong from 10:00 to 10:05. The incident is open at 10:00 as `config_drift`, recovering at 10:05 and resolved
when two canaries that were sent after 10:05 have arrived. The same drift at 10:20 opens it again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from monitor.core.canary import Canary, Outcome
from monitor.core.diagnosis import diagnose, fixed_text, follow_causes
from monitor.core.incident import (
    BECAME,
    NO_LONGER_NOTIFIED,
    Diagnosis,
    Incident,
    Losses,
    TimelineEntry,
    fresh_id,
    no_longer_checked,
    remember_incident,
)
from monitor.core.model import CheckName, Component, Fault, Instant, Seconds, Severity
from monitor.core.notify import acknowledged
from monitor.core.outcomes import misrouted_to
from monitor.core.refine import confirmed_faults, named
from monitor.core.state import Policy, TargetState
from monitor.core.streaks import transient_loss
from monitor.core.text import code, count_text


class Phase(StrEnum):
    """Where an incident is in its life."""

    NONE = "none"
    OPEN = "open"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class Trigger(StrEnum):
    """What moves an incident."""

    FAULT = "a fault is confirmed"
    AGAIN = "a fault whose name it bore is confirmed within `reopen_within`"
    FIXED = "the cause is fixed, traces are awaited"
    CLEAR = "nothing is confirmed"
    OVER = "it was over before anybody could be notified"
    REMOVED = "the target is no longer monitored"


TRANSITIONS: Mapping[Phase, Mapping[Trigger, Phase]] = MappingProxyType(
    {
        Phase.NONE: {
            Trigger.CLEAR: Phase.NONE,
            Trigger.FAULT: Phase.OPEN,
            Trigger.OVER: Phase.RESOLVED,
        },
        Phase.OPEN: {
            Trigger.FAULT: Phase.OPEN,
            Trigger.FIXED: Phase.RECOVERING,
            Trigger.CLEAR: Phase.RESOLVED,
            Trigger.REMOVED: Phase.RESOLVED,
        },
        Phase.RECOVERING: {
            Trigger.FIXED: Phase.RECOVERING,
            Trigger.FAULT: Phase.OPEN,
            Trigger.CLEAR: Phase.RESOLVED,
            Trigger.REMOVED: Phase.RESOLVED,
        },
        Phase.RESOLVED: {
            Trigger.AGAIN: Phase.OPEN,
        },
    }
)
"""`docs/incident-lifecycle.md` is drawn from this table."""

_LONGEST_TIMELINE = 40


def phase_of(incident: Incident | None) -> Phase:
    """Where an incident is in its life; None has not begun."""
    if incident is None:
        return Phase.NONE
    if not incident.open:
        return Phase.RESOLVED
    return Phase.OPEN if incident.diagnosis.waiting is None else Phase.RECOVERING


def update_incident(
    state: TargetState, policy: Policy, now: Instant, *, unchecked: frozenset[CheckName] = frozenset()
) -> TargetState:
    """Bring outages, recovery and incident up to date with what is confirmed now.

    `unchecked`: the checks that have been switched off since. What they believed is gone, and nobody has seen it fixed.
    """
    state = follow_causes(state, confirmed_faults(state, policy, now), policy, now, seen=not unchecked)
    incident = _advance(state, diagnose(state, policy, now), policy, now, unchecked)
    if incident is not None and incident is not state.incident:
        state = replace(state, incidents=remember_incident(state.incidents, incident))
    if state.incident is None:
        state = replace(state, recovery=None)
    return _record_transient_loss(state, policy, now)


def _advance(
    state: TargetState, diagnosis: Diagnosis | None, policy: Policy, now: Instant, unchecked: frozenset[CheckName]
) -> Incident | None:
    """Move the open incident, the one that comes back, or a new one, as `TRANSITIONS` says."""
    incident, trigger = state.incident, Trigger.CLEAR
    if diagnosis is not None:
        trigger = Trigger.FAULT if diagnosis.waiting is None else Trigger.FIXED
        if incident is None and (incident := _to_reopen(state, diagnosis, policy, now)) is not None:
            trigger = Trigger.AGAIN
    phase = phase_of(incident)
    after = TRANSITIONS[phase][trigger]
    if after is Phase.RESOLVED and incident is not None:
        return _resolved(state, incident, policy, now, unchecked)
    if diagnosis is None:
        return None
    if incident is None:
        return _opened(state, diagnosis, now)
    if phase is Phase.RESOLVED:
        return _reopened(incident, diagnosis, now)
    return _continued(incident, diagnosis, state, policy, now, unchecked)


def _to_reopen(state: TargetState, diagnosis: Diagnosis, policy: Policy, now: Instant) -> Incident | None:
    """The incident that was resolved a short while ago and bore this name; one that was over at once had no time to be one.

    Any name that it bore: what comes back is often seen by the same evidence that was seen first, and named better later.
    """
    if not policy.alerting.reopen_within:
        return None
    recent = {
        one.closed_at: one
        for one in state.incidents
        if one.closed_at is not None
        and not one.over_at_once
        and diagnosis.fault in one.names
        and now - one.closed_at < policy.alerting.reopen_within
    }
    return recent[max(recent)] if recent else None


def _opened(state: TargetState, diagnosis: Diagnosis, now: Instant) -> Incident:
    return Incident(
        id=fresh_id(state.target, state.incidents, now),
        target=state.target,
        opened_at=now,
        began_at=min(diagnosis.since, now),
        diagnosis=diagnosis,
        worst=diagnosis.severity,
        critical_since=now if diagnosis.severity is Severity.CRITICAL else None,
        timeline=_timeline((), diagnosis, now, "opened"),
    )


def _reopened(last: Incident, diagnosis: Diagnosis, now: Instant) -> Incident:
    """Time and canaries count from now on: those of before were reported at its end, and the healthy time between is no outage."""
    return replace(
        last,
        began_at=min(diagnosis.since, now),
        closed_at=None,
        closed_because="",
        losses=None,
        recounted=False,
        diagnosis=diagnosis,
        reopened=(*last.reopened, now),
        worst=max(last.worst, diagnosis.severity),
        critical_since=now if diagnosis.severity is Severity.CRITICAL else None,
        acked_as=None,
        acked_by=None,
        acked_at=None,
        timeline=_timeline(last.timeline, diagnosis, now, "opened again"),
    )


def _continued(
    incident: Incident,
    diagnosis: Diagnosis,
    state: TargetState,
    policy: Policy,
    now: Instant,
    unchecked: frozenset[CheckName],
) -> Incident:
    """The same incident with another diagnosis."""
    before = incident.diagnosis
    if diagnosis == before:
        return incident
    text = ""
    if diagnosis.fault is not before.fault:
        text = _renamed(before, diagnosis, _unseen(before.fault, state, policy, now, unchecked))
    elif diagnosis.waiting and diagnosis.waiting != before.waiting:
        text = diagnosis.waiting
    elif diagnosis.severity is not before.severity:
        text = f"now {diagnosis.severity.word}"
    critical = diagnosis.severity is Severity.CRITICAL
    if incident.acked_as is not None and not acknowledged(replace(incident, diagnosis=diagnosis)):
        incident = replace(incident, acked_as=None, acked_by=None, acked_at=None)  # it ended, and does not come back
    return replace(
        incident,
        diagnosis=diagnosis,
        began_at=min(incident.window_began_at, diagnosis.since),
        worst=max(incident.worst, diagnosis.severity),
        critical_since=(incident.critical_since or now) if critical else None,
        timeline=_timeline(incident.timeline, diagnosis, now, text) if text else incident.timeline,
    )


def _renamed(before: Diagnosis, diagnosis: Diagnosis, unseen: str) -> str:
    """What became of the name before: it is fixed only where it is gone, and somebody has seen that."""
    if before.fault in (*diagnosis.also, *diagnosis.explained):
        return f"{diagnosis.fault} besides {before.fault}"
    if unseen:
        return unseen
    if diagnosis.waiting:
        return f"{before.fault} fixed; {diagnosis.waiting}"
    if diagnosis.fault in (*before.also, *before.explained):
        return f"{before.fault} fixed, {diagnosis.fault} left"
    return f"{before.fault}{BECAME}{diagnosis.fault}"


def _unseen(fault: Fault, state: TargetState, policy: Policy, now: Instant, unchecked: frozenset[CheckName]) -> str:
    """Why a fault is not notified any more though nobody has seen it fixed: its check is off, or it is muted; "" where neither."""
    if unchecked:
        return no_longer_checked(unchecked)
    if policy.severity_of(fault) is not Severity.NONE or fault not in named(state, policy, now):
        return ""
    setting = "alerting.max_severity" if policy.max_severity is Severity.NONE else f"the severity of {code(fault)}"
    return f"{NO_LONGER_NOTIFIED}: {setting} is none"


def _resolved(
    state: TargetState, incident: Incident, policy: Policy, now: Instant, unchecked: frozenset[CheckName]
) -> Incident:
    fixed = fixed_text(state.recovery) if state.recovery else ""
    return replace(
        incident,
        closed_at=now,
        closed_because=_unseen(incident.diagnosis.fault, state, policy, now, unchecked) or fixed,
        losses=count_losses(state.canaries, incident.window_began_at, now),
        diagnosis=replace(incident.diagnosis, waiting=None),
        timeline=_timeline(incident.timeline, incident.diagnosis, now, "resolved"),
    )


def _timeline(
    before: tuple[TimelineEntry, ...], diagnosis: Diagnosis, now: Instant, text: str
) -> tuple[TimelineEntry, ...]:
    since = min(diagnosis.since, now)
    entry = TimelineEntry(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text=text, since=since)
    return (*before, entry)[-_LONGEST_TIMELINE:]


def _record_transient_loss(state: TargetState, policy: Policy, now: Instant) -> TargetState:
    """Two losses in a row before later arrivals are one incident that is over at once, unless one is about losses already."""
    lost = transient_loss(state.canaries)
    if not lost or Fault.TRACE_MISSING in state.confirmed:
        return state
    ids = {canary.id for canary in lost}
    marked = tuple(replace(canary, transient_loss=True) if canary.id in ids else canary for canary in state.canaries)
    state = replace(state, canaries=marked)
    # A warning calls nobody: it is over.
    severity = min(policy.severity_of(Fault.TRACE_MISSING), Severity.WARNING)
    if severity is Severity.NONE:
        return state
    began_at = lost[0].sent_at
    diagnosis = Diagnosis(
        fault=Fault.TRACE_MISSING,
        severity=severity,
        component=Component.EXPORT,
        title="Traces were lost for a short time",
        summary=f"Traces were lost for a short time. {count_text(len(lost), 'trace')} in a row did not arrive, later ones did.",
        because=("The loss is over: traces that were sent later have arrived",),
        advice="Nothing to do now. If it happens again, check the exporter's log of that time.",
        since=began_at,
        trace_ids=tuple(canary.trace_id for canary in lost if canary.trace_id),
    )
    over = closed_at_once(state, diagnosis, now, because="later traces arrived")
    over = replace(over, began_at=began_at, losses=count_losses(lost, began_at, now))
    return replace(state, incidents=remember_incident(state.incidents, over))


def closed_at_once(state: TargetState, diagnosis: Diagnosis, now: Instant, *, because: str) -> Incident:
    """An incident that was over before anybody could be notified: one notice says both, opened and resolved."""
    return Incident(
        id=fresh_id(state.target, state.incidents, now),
        target=state.target,
        opened_at=now,
        closed_at=now,
        closed_because=because,
        diagnosis=diagnosis,
        timeline=(
            TimelineEntry(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened and resolved"),
        ),
    )


# --- what became of its canaries -------------------------------------------------------------------------------------
# Counted at its end, and brought up to date when traces come after all.

NAMED = 5
"""So many traces are named of each kind; of the others there is a number."""


def count_losses(canaries: Iterable[Canary], began: Instant, ended: Instant) -> Losses:
    """What became of the canaries of a window that the gateway served."""
    served = [canary for canary in canaries if canary.accepted and began <= canary.sent_at <= ended]
    elsewhere = Counter(where for canary in served if (where := _went_to(canary)) is not None)
    here = [canary for canary in served if _went_to(canary) is None]
    came_late = [canary for canary in here if canary.outcome is Outcome.LATE or canary.recovered_at is not None]
    late = sorted(((_delay(canary), canary) for canary in came_late), key=lambda pair: -pair[0])
    rest = [canary for canary in here if canary.recovered_at is None]
    lost = [canary for canary in rest if canary.outcome is Outcome.MISSING]
    incomplete = sum(canary.outcome is Outcome.INCOMPLETE for canary in rest)
    pending = sum(canary.outcome is None for canary in rest)
    in_time = [canary for canary in here if canary.outcome is Outcome.ARRIVED]
    return Losses(
        sent=len(served),
        late=len(late),
        lost=len(lost),
        longest_delay=late[0][0] if late else None,
        elsewhere=_by_name(elsewhere),
        unclear=len(served) - len(late) - elsewhere.total() - len(lost) - len(in_time) - incomplete - pending,
        incomplete=incomplete,
        pending=pending,
        late_ids=tuple(_name(canary) for _, canary in late[:NAMED]),
        lost_ids=tuple(_name(canary) for canary in reversed(lost[-NAMED:])),
    )


def _went_to(canary: Canary) -> str | None:
    """The other environment that has its trace, unless ours has been found to have it too."""
    return misrouted_to(canary) if canary.recovered_at is None else None


def _by_name(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, count) for name, count in counts.items() if count > 0))


def _delay(canary: Canary) -> Seconds:
    if canary.recovered_at is not None:
        return canary.recovered_at - canary.waited_since
    return canary.arrival_seconds or 0.0


def _name(canary: Canary) -> str:
    return canary.trace_id or f"nonce {canary.nonce}"


def recount(before: TargetState, after: TargetState) -> TargetState:
    """Bring the losses of closed incidents up to date with what has been found out since, as long as it is remembered.

    The difference is added: of the canaries that have been forgotten meanwhile the count stays as it was.
    """
    if before.canaries == after.canaries or not after.incidents:
        return after
    known = {canary.id for canary in after.canaries}
    still_known = tuple(canary for canary in before.canaries if canary.id in known)
    incidents = tuple(_recount(incident, still_known, after.canaries) for incident in after.incidents)
    return replace(after, incidents=incidents) if incidents != after.incidents else after


def _recount(incident: Incident, before: tuple[Canary, ...], after: tuple[Canary, ...]) -> Incident:
    losses = incident.losses
    if losses is None or incident.closed_at is None:
        return incident
    was, now = (_of_window(incident, canaries, incident.closed_at) for canaries in (before, after))
    if was == now:
        return incident
    delays = [delay for delay in (losses.longest_delay, now.longest_delay) if delay is not None]
    fresh = replace(
        now,
        sent=losses.sent,
        late=losses.late + now.late - was.late,
        lost=losses.lost + now.lost - was.lost,
        elsewhere=_by_name(
            Counter(dict(losses.elsewhere)) + Counter(dict(now.elsewhere)) - Counter(dict(was.elsewhere))
        ),
        unclear=losses.unclear + now.unclear - was.unclear,
        # An earlier version counted these among `unclear`.
        incomplete=max(0, losses.incomplete + now.incomplete - was.incomplete),
        pending=max(0, losses.pending + now.pending - was.pending),
        longest_delay=max(delays, default=None),
    )
    return replace(incident, losses=fresh, recounted=True)


def _of_window(incident: Incident, canaries: tuple[Canary, ...], ended: Instant) -> Losses:
    """Counted among the remembered; of a transient loss only its own losses: others in its window have arrived."""
    lost = incident.diagnosis.trace_ids
    mine = [canary for canary in canaries if canary.trace_id in lost] if incident.over_at_once else canaries
    return count_losses(mine, incident.window_began_at, ended)
