"""The life of an incident: opened, renamed, mended and waiting, resolved, reopened. One per target."""

from dataclasses import replace
from datetime import UTC, datetime

from monitor.core.canary import Canary, Outcome
from monitor.core.diagnosis import CAUSES, Confirmed, diagnose, still_waiting, weigh
from monitor.core.events import Event, IncidentChanged
from monitor.core.incident import Diagnosis, Incident, Losses, Passage, Reason
from monitor.core.model import CheckName, Component, Fault, Instant, Severity
from monitor.core.series import arrived, gap_to_tell
from monitor.core.state import Mend, Outage, Policy, TargetState

REMEMBERED_INCIDENTS = 50
REMEMBERED_OUTAGES = 20
_CONFIGURED = frozenset({Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT})


def live(
    before: TargetState, state: TargetState, policy: Policy, now: Instant
) -> tuple[TargetState, tuple[Event, ...]]:
    """Bring outages, mend and incident up to date with what is confirmed now."""
    causes = _causes(weigh(state, policy, now))
    state = replace(state, outages=_outages(state.outages, causes, now))
    state = replace(state, mend=_mend(before, state, causes, policy, now))
    diagnosis = diagnose(state, policy, now)
    if state.incident is not None:
        return _continue(state, state.incident, diagnosis, policy, now)
    if diagnosis is not None:
        return _open(replace(state, mend=None), diagnosis, policy, now)
    return _tell_gap(replace(state, mend=None), now)


# --- causes, outages, mends ------------------------------------------------------------------------------------------


def _causes(found: tuple[Confirmed, ...]) -> frozenset[Fault]:
    """The confirmed faults that by themselves explain every loss."""
    return frozenset(one.fault for one in found if one.fault in CAUSES and Fault.TRACE_MISSING in one.explains)


def _outages(outages: tuple[Outage, ...], causes: frozenset[Fault], now: Instant) -> tuple[Outage, ...]:
    kept = [
        replace(outage, ended_at=now) if outage.ended_at is None and outage.fault not in causes else outage
        for outage in outages
    ]
    lasting = {outage.fault for outage in kept if outage.ended_at is None}
    kept.extend(Outage(fault=fault, began_at=now) for fault in sorted(causes - lasting))
    return tuple(kept[-REMEMBERED_OUTAGES:])


def _mend(
    before: TargetState, state: TargetState, causes: frozenset[Fault], policy: Policy, now: Instant
) -> Mend | None:
    """A cause that has just gone leaves its incident waiting for traces, if traces can be seen at all."""
    if causes:
        return None
    ended = [outage.fault for outage in state.outages if outage.ended_at == now]
    lasted = {outage.fault for outage in before.outages if outage.ended_at is None}
    if not lasted & set(ended) or state.incident is None:
        return state.mend
    if not (policy.enabled(CheckName.CANARY) and policy.enabled(CheckName.ARRIVAL)):
        return None
    fault = min(lasted & set(ended), key=list(Fault).index)
    seen = state.config.seen if state.config is not None else None
    return Mend(fault=fault, at=now, by=seen.updated_by if seen is not None and fault in _CONFIGURED else None)


def mend_is_proven(state: TargetState, policy: Policy) -> bool:
    """Whether enough traces of canaries sent after the mend have arrived, and none of them was lost since."""
    if state.mend is None:
        return True
    after = [canary for canary in state.canaries if canary.sent_at >= state.mend.at and canary.outcome is not None]
    newest = [canary for canary in after if arrived(canary) or canary.outcome is Outcome.MISSING][-policy.pass_after :]
    return len(newest) >= policy.pass_after and all(arrived(canary) for canary in newest)


def _waiting_text(mend: Mend) -> str:
    by = f" by {mend.by}" if mend.by else ""
    return f"{mend.fault} mended {clock_text(mend.at)}{by}, waiting for traces"


def clock_text(moment: Instant) -> str:
    """Hours and minutes, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M UTC")


# --- the incident ----------------------------------------------------------------------------------------------------


def _open(
    state: TargetState, diagnosis: Diagnosis, policy: Policy, now: Instant
) -> tuple[TargetState, tuple[Event, ...]]:
    last = state.incidents[-1] if state.incidents else None
    again = (
        last is not None
        and last.closed_at is not None
        and last.diagnosis.fault is diagnosis.fault
        and last.closed_at > last.opened_at
        and now - last.closed_at < policy.reopen_within
    )
    critical = diagnosis.severity is Severity.CRITICAL
    if again and last is not None:
        incident = replace(
            last,
            closed_at=None,
            closed_because="",
            losses=None,
            diagnosis=diagnosis,
            reopened=(*last.reopened, now),
            worst=max(last.worst, diagnosis.severity),
            critical_since=now if critical else None,
            acked_as=None,
            acked_by=None,
            acked_at=None,
            passages=_passages(last, diagnosis, now, "opened again"),
        )
        incidents = (*state.incidents[:-1], incident)
    else:
        incident = Incident(
            id=_incident_id(state, now),
            target=state.target,
            opened_at=now,
            diagnosis=diagnosis,
            worst=diagnosis.severity,
            critical_since=now if critical else None,
            passages=(Passage(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened"),),
        )
        incidents = (*state.incidents, incident)[-REMEMBERED_INCIDENTS:]
    return replace(state, incidents=incidents), (_event(incident, Reason.OPENED, now),)


def _incident_id(state: TargetState, now: Instant) -> str:
    return f"{state.target}-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"


def _continue(
    state: TargetState, incident: Incident, diagnosis: Diagnosis | None, policy: Policy, now: Instant
) -> tuple[TargetState, tuple[Event, ...]]:
    if diagnosis is None:
        if mend_is_proven(state, policy):
            return _close(state, incident, now)
        waiting = _waiting_text(state.mend) if state.mend is not None else ""
        diagnosis = still_waiting(incident.diagnosis, waiting)
    elif state.mend is not None and not mend_is_proven(state, policy):
        diagnosis = replace(diagnosis, waiting=_waiting_text(state.mend))
    return _update(state, incident, diagnosis, now)


def _update(
    state: TargetState, incident: Incident, diagnosis: Diagnosis, now: Instant
) -> tuple[TargetState, tuple[Event, ...]]:
    if diagnosis == incident.diagnosis:
        return state, ()
    critical = diagnosis.severity is Severity.CRITICAL
    renamed = diagnosis.fault is not incident.diagnosis.fault
    worse = diagnosis.severity > incident.diagnosis.severity
    text = _passage_text(incident.diagnosis, diagnosis)
    updated = replace(
        incident,
        diagnosis=diagnosis,
        worst=max(incident.worst, diagnosis.severity),
        critical_since=(incident.critical_since or now) if critical else None,
        passages=_passages(incident, diagnosis, now, text) if text else incident.passages,
    )
    events = (_event(updated, Reason.CHANGED, now),) if renamed or worse else ()
    return replace(state, incidents=(*state.incidents[:-1], updated)), events


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
    return (*incident.passages, passage)[-40:]


def _close(state: TargetState, incident: Incident, now: Instant) -> tuple[TargetState, tuple[Event, ...]]:
    began = min(incident.diagnosis.since, incident.opened_at)
    window = [canary for canary in state.canaries if began <= canary.sent_at <= now]
    closed = replace(
        incident,
        closed_at=now,
        closed_because=_waiting_text(state.mend).replace(", waiting for traces", "") if state.mend else "",
        losses=count_losses(window),
        diagnosis=replace(incident.diagnosis, waiting=None),
        passages=_passages(incident, incident.diagnosis, now, "resolved"),
    )
    resolved = replace(state, incidents=(*state.incidents[:-1], closed), mend=None)
    return resolved, (_event(closed, Reason.RESOLVED, now),)


def count_losses(window: list[Canary]) -> Losses:
    """What became of the canaries of a window: late ones have arrived, lost ones have not (yet)."""
    served = [canary for canary in window if canary.accepted]
    late = [c for c in served if c.outcome is Outcome.LATE or c.recovered_at is not None]
    delays = [
        (c.recovered_at if c.recovered_at is not None else c.arrived_at or c.sent_at) - (c.answered_at or c.sent_at)
        for c in late
    ]
    lost = [c for c in served if c.outcome is Outcome.MISSING and c.recovered_at is None]
    return Losses(sent=len(served), late=len(late), lost=len(lost), longest_delay=max(delays, default=None))


def _tell_gap(state: TargetState, now: Instant) -> tuple[TargetState, tuple[Event, ...]]:
    """Two losses in a row that later arrivals have overtaken: told once, as an incident that is already over."""
    gap = gap_to_tell(state.canaries)
    if not gap:
        return state, ()
    ids = {canary.id for canary in gap}
    trace_ids = tuple(canary.trace_id for canary in gap if canary.trace_id)
    diagnosis = Diagnosis(
        fault=Fault.TRACE_MISSING,
        severity=Severity.WARNING,
        component=Component.EXPORT,
        summary=f"{len(gap)} traces in a row were lost, later ones arrived",
        because=("the loss is over: canaries that were sent later have arrived",),
        advice="Nothing to do now; if this comes back, look at the exporter's log at the time below.",
        since=gap[0].sent_at,
        trace_ids=trace_ids,
    )
    incident = Incident(
        id=f"{_incident_id(state, now)}-gap",
        target=state.target,
        opened_at=now,
        closed_at=now,
        closed_because="later traces arrived",
        diagnosis=diagnosis,
        losses=Losses(sent=len(gap), lost=len(gap)),
        passages=(Passage(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened and resolved"),),
    )
    canaries = tuple(replace(canary, gap=True) if canary.id in ids else canary for canary in state.canaries)
    incidents = (*state.incidents, incident)[-REMEMBERED_INCIDENTS:]
    return replace(state, incidents=incidents, canaries=canaries), (_event(incident, Reason.RESOLVED, now),)


def _event(incident: Incident, reason: Reason, now: Instant) -> IncidentChanged:
    return IncidentChanged(
        target=incident.target,
        at=now,
        id=incident.id,
        reason=reason,
        fault=incident.diagnosis.fault,
        severity=incident.diagnosis.severity,
        summary=incident.diagnosis.summary,
    )
