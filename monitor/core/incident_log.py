"""The incidents of one target, remembered: the newest, and every one that somebody still believes open."""

from dataclasses import replace
from datetime import UTC, datetime

from monitor.core.incident import Incident
from monitor.core.model import Instant
from monitor.core.state import TargetState

REMEMBERED_INCIDENTS = 50


def fresh_id(state: TargetState, now: Instant) -> str:
    """An id that is derived from target and time, so that a replica would choose the same; never one that is taken."""
    taken = {incident.id for incident in state.incidents}
    wanted = f"{state.target}-{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}"
    fresh, number = wanted, 1
    while fresh in taken:
        number += 1
        fresh = f"{wanted}-{number}"
    return fresh


def remember_incident(state: TargetState, incident: Incident) -> TargetState:
    """Add an incident, or put it in the place of its earlier self: in order, the open one last.

    Kept are the newest; and those whose end a notifier has not heard of, or its reader would believe them open for ever.
    """
    others = [known for known in state.incidents if known.id != incident.id]
    ordered = sorted([*others, incident], key=lambda one: (one.open, one.opened_at))
    oldest = len(ordered) - REMEMBERED_INCIDENTS
    kept = (one for place, one in enumerate(ordered) if place >= oldest or _is_owed(one))
    return replace(state, incidents=tuple(kept))


def _is_owed(incident: Incident) -> bool:
    return any(not told.closed or told.reopened < len(incident.reopened) for told in incident.told.values())
