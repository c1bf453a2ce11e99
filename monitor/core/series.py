"""What the canaries say together, in the order they were sent.

A single loss is never conclusive. Losses after the last arrival settle after `fail_after`; a loss older than an arrival is a
gap; three of the last twelve are an intermittent loss. What was lost while its cause was known belongs to that cause.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from monitor.core import charges
from monitor.core.arrival import RECOVERABLE_FOR, REMEMBERED
from monitor.core.canary import Canary, Outcome
from monitor.core.model import Charge, CheckName, Fault, Instant, Seconds
from monitor.core.state import Active, Outage, Policy, TargetState
from monitor.core.trend import hysteresis

_SHOWN = frozenset({Outcome.ARRIVED, Outcome.LATE, Outcome.INCOMPLETE})
_WHOLE = frozenset({Outcome.ARRIVED, Outcome.LATE})

_Says = Callable[[Canary], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The newest canaries that say the same: how many in a row were bad, or good, and since when the bad ones."""

    bad: tuple[Canary, ...] = ()
    good: int = 0


def excuse(canaries: tuple[Canary, ...], outages: tuple[Outage, ...], settle: Seconds) -> tuple[Canary, ...]:
    """Mark the losses that belong to a known cause: sent while it lasted, or less than `settle` before or after it."""
    return tuple(
        replace(canary, excused=True) if not canary.excused and _belongs(canary, outages, settle) else canary
        for canary in canaries
    )


def _belongs(canary: Canary, outages: tuple[Outage, ...], settle: Seconds) -> bool:
    if canary.outcome in _SHOWN and not canary.late:
        return False
    return any(
        outage.began_at - settle < canary.sent_at
        and (outage.ended_at is None or canary.sent_at < outage.ended_at + settle)
        for outage in outages
    )


def trim(canaries: tuple[Canary, ...], now: Instant) -> tuple[Canary, ...]:
    """Forget what is too old or too much; a canary whose trace is still awaited is never forgotten."""
    young = [c for c in canaries if c.pending or now - c.sent_at <= RECOVERABLE_FOR]
    return tuple(sorted(young, key=lambda canary: canary.sent_at)[-REMEMBERED:])


def _run(canaries: tuple[Canary, ...], is_bad: _Says, is_good: _Says, accuses: _Says) -> Run:
    """The newest end of the series. What is neither good nor bad is passed over."""
    bad: list[Canary] = []
    good = 0
    for canary in reversed(canaries):
        if is_bad(canary) and accuses(canary):
            if good:
                break
            bad.append(canary)
        elif is_good(canary):
            if bad:
                break
            good += 1
    return Run(bad=tuple(reversed(bad)), good=good)


def lost(canary: Canary) -> bool:
    """A loss that nothing known explains."""
    return canary.outcome is Outcome.MISSING and not canary.excused


def arrived(canary: Canary) -> bool:
    """Proof that the export works: at least part of the trace was there."""
    return canary.outcome in _SHOWN


def intermittent(canaries: tuple[Canary, ...], loss_of: tuple[int, int]) -> tuple[Canary, ...]:
    """The losses among the newest counted canaries, if they are too many."""
    losses, window = loss_of
    counted = [canary for canary in canaries if lost(canary) or (arrived(canary) and not canary.excused)]
    missing = tuple(canary for canary in counted[-window:] if lost(canary))
    return missing if len(missing) >= losses else ()


def confirmed_by_series(
    state: TargetState, before: Mapping[Fault, Active], policy: Policy, now: Instant
) -> dict[Fault, Active]:
    """Every fault that the series confirms now, given what it had confirmed before."""
    judged = tuple(canary for canary in state.canaries if canary.judged_at is not None or canary.late)
    found: dict[Fault, Active] = {}
    for fault, charge, is_bad, is_good in _FAULTS:
        run = _run(judged, is_bad, is_good, partial(may_accuse, state=state, policy=policy))
        fresh = [canary for canary in run.bad if now - canary.sent_at <= _stale_after(policy)]
        active = hysteresis(
            before,
            fault,
            charge(run.bad) if run.bad else None,
            bad_in_row=len(fresh),
            good_in_row=run.good,
            since=run.bad[0].sent_at if run.bad else now,
            policy=policy,
            now=now,
        )
        if active is not None:
            found[fault] = active
    accusing = tuple(canary for canary in judged if arrived(canary) or may_accuse(canary, state, policy))
    return found | _intermittent_loss(accusing, before, found, policy, now)


def may_accuse(canary: Canary, state: TargetState, policy: Policy) -> bool:
    """Whether a canary may accuse the present configuration: the exporter caches its configuration for five minutes."""
    changed = state.config.changed_at if state.config is not None else None
    return changed is None or not changed <= canary.sent_at < changed + policy.arrival.settle


def _stale_after(policy: Policy) -> Seconds:
    cadence = policy.cadences.get(CheckName.ARRIVAL)
    return (cadence.stale_after if cadence else 0.0) + policy.arrival.missing_after


def _intermittent_loss(
    counted: tuple[Canary, ...],
    before: Mapping[Fault, Active],
    found: Mapping[Fault, Active],
    policy: Policy,
    now: Instant,
) -> dict[Fault, Active]:
    """Three of the last twelve: resolved when the window holds fewer, not by arrivals."""
    if Fault.TRACE_MISSING in found:
        return {}
    if Fault.TRACE_MISSING in before and not is_intermittent(before[Fault.TRACE_MISSING]):
        return {}  # an outage has just ended: its losses are excused before the window is looked at again
    losses = intermittent(counted, policy.arrival.loss_of)
    if not losses:
        return {}
    charge = charges.intermittent(losses, policy.arrival.loss_of[1])
    known = before.get(Fault.TRACE_MISSING)
    confirmed_at = known.confirmed_at if known else now
    return {Fault.TRACE_MISSING: Active(charge=charge, since=losses[0].sent_at, confirmed_at=confirmed_at)}


def is_intermittent(active: Active) -> bool:
    """Whether a loss comes and goes."""
    return active.charge.summary.startswith(charges.INTERMITTENT)


def gap_to_tell(state: TargetState) -> tuple[Canary, ...]:
    """Two losses in a row, older than an arrival, that nothing explains and nobody was told of."""
    judged = [canary for canary in state.canaries if arrived(canary) or canary.outcome is Outcome.MISSING]
    newest_arrival = max((index for index, canary in enumerate(judged) if arrived(canary)), default=-1)
    run: list[Canary] = []
    for canary in judged[: newest_arrival + 1]:
        if lost(canary) and not canary.gap:
            run.append(canary)
        elif len(run) > 1:
            break
        else:
            run = []
    return tuple(run) if len(run) > 1 else ()


# --- what makes a canary bad or good, per fault ----------------------------------------------------------------------


def _is_late(canary: Canary) -> bool:
    return canary.late and not canary.excused


def _in_time(canary: Canary) -> bool:
    return canary.outcome is Outcome.ARRIVED


def _is_partial(canary: Canary) -> bool:
    return canary.outcome is Outcome.INCOMPLETE and not canary.excused


def _is_whole(canary: Canary) -> bool:
    return canary.outcome in _WHOLE


def _is_mislabelled(canary: Canary) -> bool:
    return canary.labels is not None and bool(canary.labels.mislabelled)


def _well_labelled(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.mislabelled


def _has_leaked(canary: Canary) -> bool:
    return canary.labels is not None and bool(canary.labels.leaked)


def _is_discreet(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.leaked


def _lacks_content(canary: Canary) -> bool:
    return canary.labels is not None and canary.labels.content_missing


def _has_content(canary: Canary) -> bool:
    return canary.labels is not None and not canary.labels.content_missing


def _is_elsewhere(canary: Canary) -> bool:
    return canary.elsewhere is not None and not arrived(canary)


_FAULTS: tuple[tuple[Fault, Callable[[tuple[Canary, ...]], Charge], _Says, _Says], ...] = (
    (Fault.TRACE_MISSING, charges.missing, lost, arrived),
    (Fault.TRACE_LATE, charges.late, _is_late, _in_time),
    (Fault.TRACE_INCOMPLETE, charges.incomplete, _is_partial, _is_whole),
    (Fault.TRACE_MISLABELLED, charges.mislabelled, _is_mislabelled, _well_labelled),
    (Fault.CONTENT_LEAKED, charges.leaked, _has_leaked, _is_discreet),
    (Fault.CONTENT_MISSING, charges.content, _lacks_content, _has_content),
    (Fault.WRONG_ENVIRONMENT, charges.elsewhere, _is_elsewhere, arrived),
)
