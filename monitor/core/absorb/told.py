"""Fold what was told, acknowledged, or is no longer monitored."""

from dataclasses import replace

from monitor.core.inputs import Acknowledged, NoticeTold
from monitor.core.model import Instant
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


def remove(state: TargetState, at: Instant) -> TargetState:
    """Close what is open: nobody looks any more."""
    incidents = tuple(
        replace(incident, closed_at=at, closed_because="no longer monitored") if incident.open else incident
        for incident in state.incidents
    )
    return replace(state, removed_at=at, incidents=incidents)
