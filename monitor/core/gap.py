"""Two losses in a row that were over before anybody could be told: one warning that is already resolved."""

from monitor.core.canary import Canary
from monitor.core.incident import Diagnosis, Incident, Passage
from monitor.core.incident_canaries import count_losses
from monitor.core.incident_log import fresh_id
from monitor.core.model import Component, Fault, Instant, Severity
from monitor.core.state import TargetState


def gap_incident(state: TargetState, gap: tuple[Canary, ...], now: Instant) -> Incident:
    """The incident that says both at once; its severity keeps it from calling anybody."""
    diagnosis = Diagnosis(
        fault=Fault.TRACE_MISSING,
        severity=Severity.WARNING,
        component=Component.EXPORT,
        summary=f"{len(gap)} traces in a row were lost, later ones arrived",
        because=("the loss is over: canaries that were sent later have arrived",),
        advice="Nothing to do now; if this comes back, look at the exporter's log of that time.",
        since=gap[0].sent_at,
        trace_ids=tuple(canary.trace_id for canary in gap if canary.trace_id),
    )
    return Incident(
        id=fresh_id(state, now),
        target=state.target,
        opened_at=now,
        closed_at=now,
        closed_because="later traces arrived",
        began_at=gap[0].sent_at,
        diagnosis=diagnosis,
        losses=count_losses(gap, gap[0].sent_at, now),
        passages=(Passage(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened and resolved"),),
    )
