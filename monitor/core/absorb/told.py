"""Fold what was told, acknowledged, or is no longer monitored."""

from dataclasses import replace

from monitor.core.absorb.looks import Absorbed
from monitor.core.incident import Reason
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


def acknowledge(state: TargetState, given: Acknowledged) -> TargetState:
    """Remember who has it, and as what."""
    incidents = tuple(
        replace(
            incident,
            acked_by=given.by,
            acked_at=given.at,
            acked_as=(incident.diagnosis.fault, incident.diagnosis.severity),
        )
        if incident.id == given.incident_id and incident.open
        else incident
        for incident in state.incidents
    )
    return replace(state, incidents=incidents)


def remove(state: TargetState, at: Instant) -> Absorbed:
    """Close what is open: nobody looks any more."""
    removed = replace(state, removed_at=at)
    if state.incident is None:
        return removed, ()
    closed = replace(state.incident, closed_at=at, closed_because="no longer monitored")
    return enter(removed, closed), (announce(closed, Reason.RESOLVED, at),)
