"""Fold what was told, acknowledged, forgotten, or is no longer monitored."""

from dataclasses import replace

from monitor.core.absorb.looks import Absorbed
from monitor.core.events import IncidentAcknowledged
from monitor.core.incident import NO_LONGER_MONITORED, Diagnosis, Incident, Passage, Reason
from monitor.core.incident_log import fresh_id, log_incident
from monitor.core.inputs import Acknowledged, MemoryLost, NoticeTold
from monitor.core.model import Component, Fault, Instant, Severity
from monitor.core.state import TargetState


def tell(state: TargetState, given: NoticeTold) -> TargetState:
    """Remember what a notifier knows."""
    incidents = tuple(
        replace(incident, told={**incident.told, given.notifier: given.told})
        if incident.id == given.incident_id
        else incident
        for incident in state.incidents
    )
    return replace(state, incidents=incidents)


def acknowledge(state: TargetState, given: Acknowledged) -> Absorbed:
    """Remember who has it, and as what."""
    if state.incident is None or state.incident.id != given.incident_id:
        return state, ()
    incident = state.incident
    taken = replace(
        incident,
        acked_by=given.by,
        acked_at=given.at,
        acked_as=(incident.diagnosis.fault, incident.diagnosis.severity),
    )
    event = IncidentAcknowledged(target=state.target, at=given.at, id=incident.id, by=given.by)
    return replace(state, incidents=(*state.incidents[:-1], taken)), (event,)


def remove(state: TargetState, at: Instant) -> Absorbed:
    """Close what is open: nobody looks any more."""
    removed = replace(state, removed_at=at)
    if state.incident is None:
        return removed, ()
    closed = replace(state.incident, closed_at=at, closed_because=NO_LONGER_MONITORED)
    return log_incident(removed, closed, Reason.RESOLVED, at)


def lose_memory(state: TargetState, given: MemoryLost) -> Absorbed:
    """Have it told once: a warning that is already resolved, because there is nothing to wait for."""
    diagnosis = Diagnosis(
        fault=Fault.CHECK_FAILED,
        severity=Severity.WARNING,
        component=Component.MONITOR,
        summary=given.what,
        because=("what could not be read is looked at again, and what was open may be told once more",),
        advice="Look at the disk of the monitor; delete the damaged file when nobody wants to look into it any more.",
        since=given.at,
    )
    incident = Incident(
        id=fresh_id(state, given.at),
        target=state.target,
        opened_at=given.at,
        closed_at=given.at,
        closed_because="the monitor goes on with what could be read",
        diagnosis=diagnosis,
        passages=(
            Passage(at=given.at, fault=diagnosis.fault, severity=diagnosis.severity, text="opened and resolved"),
        ),
    )
    return log_incident(state, incident, Reason.RESOLVED, given.at)
