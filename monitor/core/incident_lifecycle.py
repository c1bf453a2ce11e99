"""The life of an incident: opened, renamed, mended and waiting, resolved, reopened. One per target."""

from dataclasses import replace

from monitor.core.diagnosis import diagnose
from monitor.core.events import Event
from monitor.core.gap import gap_incident
from monitor.core.incident import Diagnosis, Incident, Passage, Reason
from monitor.core.incident_log import announce, enter, fresh_id
from monitor.core.mend import follow_causes, mended_text
from monitor.core.model import Fault, Instant, Severity
from monitor.core.refine import confirmed_faults
from monitor.core.series import gap_to_tell
from monitor.core.state import Policy, TargetState
from monitor.core.window import count_losses

_PASSAGES = 40

_Lived = tuple[TargetState, tuple[Event, ...]]


def live(state: TargetState, policy: Policy, now: Instant) -> _Lived:
    """Bring outages, mend and incident up to date with what is confirmed now."""
    state = follow_causes(state, confirmed_faults(state, policy, now), policy, now)
    diagnosis = diagnose(state, policy, now)
    lived, events = _open_or_continue(state, diagnosis, policy, now)
    if lived.incident is None:
        lived = replace(lived, mend=None)
    told, more = _tell_gap(lived, now)
    return told, (*events, *more)


def _open_or_continue(state: TargetState, diagnosis: Diagnosis | None, policy: Policy, now: Instant) -> _Lived:
    if state.incident is None:
        return (state, ()) if diagnosis is None else _open(state, diagnosis, policy, now)
    if diagnosis is None:
        return _close(state, state.incident, now)
    return _update(state, state.incident, diagnosis, now)


def _open(state: TargetState, diagnosis: Diagnosis, policy: Policy, now: Instant) -> _Lived:
    last = _comes_back(state, diagnosis, policy, now)
    incident = _opened(state, diagnosis, now) if last is None else _reopened(last, diagnosis, now)
    return enter(state, incident), (announce(incident, Reason.OPENED, now),)


def _comes_back(state: TargetState, diagnosis: Diagnosis, policy: Policy, now: Instant) -> Incident | None:
    """The incident that was resolved a short while ago and bore this name; a gap had no time to be one.

    Any name that it bore: what comes back is often seen by the same signs that were seen first, and named better later.
    """
    if not policy.reopen_within:
        return None
    recent = {
        one.closed_at: one
        for one in state.incidents
        if one.closed_at is not None
        and not one.is_a_gap
        and diagnosis.fault in one.names
        and now - one.closed_at < policy.reopen_within
    }
    return recent[max(recent)] if recent else None


def _opened(state: TargetState, diagnosis: Diagnosis, now: Instant) -> Incident:
    return Incident(
        id=fresh_id(state, now),
        target=state.target,
        opened_at=now,
        began_at=min(diagnosis.since, now),
        diagnosis=diagnosis,
        worst=diagnosis.severity,
        critical_since=now if diagnosis.severity is Severity.CRITICAL else None,
        passages=(Passage(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened"),),
    )


def _reopened(last: Incident, diagnosis: Diagnosis, now: Instant) -> Incident:
    return replace(
        last,
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
        passages=_passages(last, diagnosis, now, "opened again"),
    )


def _update(state: TargetState, incident: Incident, diagnosis: Diagnosis, now: Instant) -> _Lived:
    if diagnosis == incident.diagnosis:
        return state, ()
    critical = diagnosis.severity is Severity.CRITICAL
    text = _passage_text(incident.diagnosis, diagnosis)
    updated = replace(
        incident,
        diagnosis=diagnosis,
        began_at=min(incident.window_began_at, diagnosis.since),
        worst=max(incident.worst, diagnosis.severity),
        critical_since=(incident.critical_since or now) if critical else None,
        passages=_passages(incident, diagnosis, now, text) if text else incident.passages,
    )
    before = incident.diagnosis
    changed = diagnosis.fault is not before.fault or diagnosis.severity is not before.severity
    return enter(state, updated), (announce(updated, Reason.CHANGED, now),) if changed else ()


def _passage_text(before: Diagnosis, after: Diagnosis) -> str | None:
    if after.fault is not before.fault:
        return f"{before.fault} became {after.fault}"
    if after.waiting and after.waiting != before.waiting:
        return after.waiting
    if after.severity is not before.severity:
        return f"now {after.severity.word}"
    return None


def _passages(incident: Incident, diagnosis: Diagnosis, now: Instant, text: str) -> tuple[Passage, ...]:
    passage = Passage(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text=text)
    return (*incident.passages, passage)[-_PASSAGES:]


def _close(state: TargetState, incident: Incident, now: Instant) -> _Lived:
    closed = replace(
        incident,
        closed_at=now,
        closed_because=mended_text(state.mend) if state.mend else "",
        losses=count_losses(state.canaries, incident.window_began_at, now),
        diagnosis=replace(incident.diagnosis, waiting=None),
        passages=_passages(incident, incident.diagnosis, now, "resolved"),
    )
    return enter(state, closed), (announce(closed, Reason.RESOLVED, now),)


def _tell_gap(state: TargetState, now: Instant) -> _Lived:
    """Two losses in a row that later arrivals have overtaken are told once, unless an incident is about losses already."""
    gap = gap_to_tell(state.canaries)
    if not gap or Fault.TRACE_MISSING in state.confirmed:
        return state, ()
    incident = gap_incident(state, gap, now)
    ids = {canary.id for canary in gap}
    marked = tuple(replace(canary, gap=True) if canary.id in ids else canary for canary in state.canaries)
    return enter(replace(state, canaries=marked), incident), (announce(incident, Reason.RESOLVED, now),)
