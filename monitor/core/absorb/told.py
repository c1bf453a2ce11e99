"""Fold what was told, acknowledged, or is no longer monitored."""

from dataclasses import replace

from monitor.core.absorb.looks import Absorbed
from monitor.core.events import IncidentAcknowledged
from monitor.core.incident import NO_LONGER_MONITORED, Reason
from monitor.core.inputs import Acknowledged, NoticeTold
from monitor.core.model import Instant
from monitor.core.register import announce, enter
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
    return enter(removed, closed), (announce(closed, Reason.RESOLVED, at),)
