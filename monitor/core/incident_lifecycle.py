"""The life of an incident: open, recovering, resolved, and perhaps open again. A target has one open incident at most.

What moves an incident is what is true of its target now. `TRANSITIONS` says for each phase which trigger leads to which phase; what
it does not list cannot happen.

- *open*: a fault is confirmed that no other explains. The most severe of them names the incident, and the name may change.
- *recovering*: the cause was fixed and nothing else is confirmed. The incident keeps its name until fresh traces prove it.
- *resolved*: nothing is confirmed any more. What bears one of its names within `reopen_within` opens it again, in the same thread.

Example: the endpoint is wrong from 10:00 to 10:05. The incident is open at 10:00 as `config_drift`, recovering at 10:05 and resolved
when two canaries that were sent after 10:05 have arrived. The same drift at 10:20 opens it again.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from monitor.core.diagnosis import diagnose, fixed_text, follow_causes
from monitor.core.incident import (
    LEFT,
    NO_LONGER_NOTIFIED,
    Diagnosis,
    Incident,
    TimelineEntry,
    fresh_id,
    no_longer_checked,
    remember_incident,
)
from monitor.core.incident_canaries import count_losses, transient_loss_incident
from monitor.core.model import CheckName, Fault, Instant, Severity
from monitor.core.notify import acknowledged
from monitor.core.refine import confirmed_faults, named
from monitor.core.state import Policy, TargetState
from monitor.core.streaks import transient_loss
from monitor.core.text import code


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
    return _continued(incident, diagnosis, now, unchecked)


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
        timeline=(TimelineEntry(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened"),),
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
        timeline=_timeline(last, diagnosis, now, "opened again"),
    )


def _continued(incident: Incident, diagnosis: Diagnosis, now: Instant, unchecked: frozenset[CheckName]) -> Incident:
    """The same incident with another diagnosis."""
    before = incident.diagnosis
    if diagnosis == before:
        return incident
    text = ""
    if diagnosis.fault is not before.fault:
        # Otherwise it would be said to be fixed.
        gone = unchecked and before.fault not in (*diagnosis.also, *diagnosis.explained)
        known = diagnosis.fault in (*before.also, *before.explained)
        became = (
            f"{before.fault} fixed, {diagnosis.fault} {LEFT}" if known else f"{before.fault} became {diagnosis.fault}"
        )
        text = no_longer_checked(unchecked) if gone else became
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
        timeline=_timeline(incident, diagnosis, now, text) if text else incident.timeline,
    )


def _resolved(
    state: TargetState, incident: Incident, policy: Policy, now: Instant, unchecked: frozenset[CheckName]
) -> Incident:
    because = fixed_text(state.recovery) if state.recovery else ""
    if unchecked:
        because = no_longer_checked(unchecked)
    elif policy.severity_of(incident.diagnosis.fault) is Severity.NONE and incident.diagnosis.fault in named(
        state, policy, now
    ):
        because = f"{NO_LONGER_NOTIFIED}: the severity of {code(incident.diagnosis.fault)} is set to none"
    return replace(
        incident,
        closed_at=now,
        closed_because=because,
        losses=count_losses(state.canaries, incident.window_began_at, now),
        diagnosis=replace(incident.diagnosis, waiting=None),
        timeline=_timeline(incident, incident.diagnosis, now, "resolved"),
    )


def _timeline(incident: Incident, diagnosis: Diagnosis, now: Instant, text: str) -> tuple[TimelineEntry, ...]:
    entry = TimelineEntry(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text=text)
    return (*incident.timeline, entry)[-_LONGEST_TIMELINE:]


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
    incidents = remember_incident(state.incidents, transient_loss_incident(state, lost, severity, now))
    return replace(state, incidents=incidents)
