"""What became of the canaries of an incident: counted at its end, and brought up to date when traces come after all.

And losses that were over before anybody could be notified: one warning that is already resolved.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from monitor.core.canary import Canary, Outcome
from monitor.core.incident import Diagnosis, Incident, Losses, TimelineEntry, fresh_id
from monitor.core.model import Component, Fault, Instant, Seconds, Severity
from monitor.core.outcomes import misrouted_to
from monitor.core.state import TargetState
from monitor.core.text import count_text

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


def transient_loss_incident(state: TargetState, lost: tuple[Canary, ...], severity: Severity, now: Instant) -> Incident:
    """The incident that says both at once."""
    diagnosis = Diagnosis(
        fault=Fault.TRACE_MISSING,
        severity=severity,
        component=Component.EXPORT,
        title="Traces were lost for a short time",
        summary=f"Traces were lost for a short time. {count_text(len(lost), 'trace')} in a row did not arrive, later ones did.",
        because=("The loss is over: traces that were sent later have arrived",),
        advice="Nothing to do now. If it happens again, check the exporter's log of that time.",
        since=lost[0].sent_at,
        trace_ids=tuple(canary.trace_id for canary in lost if canary.trace_id),
    )
    return Incident(
        id=fresh_id(state.target, state.incidents, now),
        target=state.target,
        opened_at=now,
        closed_at=now,
        closed_because="later traces arrived",
        began_at=lost[0].sent_at,
        diagnosis=diagnosis,
        losses=count_losses(lost, lost[0].sent_at, now),
        timeline=(
            TimelineEntry(at=now, fault=diagnosis.fault, severity=diagnosis.severity, text="opened and resolved"),
        ),
    )
