"""What the canaries say together, in the order they were sent.

A single loss is never conclusive. Losses after the last arrival settle after `fail_after`; a loss older than an arrival is a
gap; three of the last twelve are an intermittent loss. What was lost while its cause was known belongs to that cause.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile

from monitor.core.arrival import RECOVERABLE_FOR, REMEMBERED, store_is_proven
from monitor.core.canary import Canary, Outcome
from monitor.core.model import CheckName, Fault, Instant, Seconds
from monitor.core.outcomes import TRACE_FAULTS, TraceFault, arrived, lost
from monitor.core.outcomes import intermittent as intermittent_loss
from monitor.core.state import Active, Outage, Policy, TargetState
from monitor.core.streaks import hysteresis


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The newest canaries that say the same: those that were bad in a row, or how many were good and are not stale."""

    bad: tuple[Canary, ...] = ()
    good: int = 0


def excuse(state: TargetState, policy: Policy, now: Instant) -> TargetState:
    """Mark the losses that belong to a known cause, or to a change of the configuration.

    Once marked they stay so, unless it turns out that the cause cannot have been it.
    """
    return replace(state, canaries=tuple(_excuse_one(canary, state, policy, now) for canary in state.canaries))


def _excuse_one(canary: Canary, state: TargetState, policy: Policy, now: Instant) -> Canary:
    excused = _is_excused(canary, state, policy, now)
    return canary if canary.excused is excused else replace(canary, excused=excused)


def _is_excused(canary: Canary, state: TargetState, policy: Policy, now: Instant) -> bool:
    causes = [outage for outage in state.outages if _covers(outage, canary, policy.arrival.settle)]
    never_made = canary.origin is False and store_is_proven(canary, state.proofs, now)
    possible = [outage for outage in causes if _can_be_it(outage, canary, never_made=never_made)]
    if canary.excused and possible == causes:
        return True
    if arrived(canary) and not canary.late:
        return False
    return bool(possible) or not may_accuse(canary, state, policy)


def _can_be_it(outage: Outage, canary: Canary, *, never_made: bool) -> bool:
    """Whether a cause can have kept a trace from arriving: nothing does that the gateway never made, nor where it is not."""
    if outage.fault is Fault.TRACE_MISSING:
        return True
    return not never_made and not (canary.nowhere and outage.fault is Fault.WRONG_ENVIRONMENT)


def _covers(outage: Outage, canary: Canary, settle: Seconds) -> bool:
    """Whether a canary was sent while an outage lasted, or less than `settle` before or after it."""
    ended = outage.ended_at if outage.ended_at is not None else float("inf")
    return outage.began_at - settle < canary.sent_at < ended + settle


def trim(canaries: tuple[Canary, ...], now: Instant) -> tuple[Canary, ...]:
    """Forget what is too old or too much; a canary whose trace is still awaited is never forgotten."""
    young = [c for c in canaries if c.pending or now - c.sent_at <= RECOVERABLE_FOR]
    young.sort(key=lambda canary: canary.sent_at)
    forgotten = [c.id for c in young if not c.pending][: max(0, len(young) - REMEMBERED)]
    return tuple(canary for canary in young if canary.id not in forgotten)


def _run(
    canaries: tuple[Canary, ...],
    sign: TraceFault,
    *,
    accuses: Callable[[Canary], bool],
    is_fresh: Callable[[Canary], bool],
    enough: int,
) -> Run:
    """The newest end of the series. What is neither good nor bad is passed over; of good ones `enough` are counted.

    What is bad and accuses nobody is passed over too, but nothing good that is older than it speaks for the present.
    """
    bad: list[Canary] = []
    good = 0
    overtaken = False
    for canary in reversed(canaries):
        if sign.is_bad(canary):
            if good:
                break
            if accuses(canary) and not (sign.excusable and canary.excused):
                bad.append(canary)
            else:
                overtaken = True
        elif sign.is_good(canary):
            if bad or overtaken or not is_fresh(canary):
                break
            good += 1
            if good >= enough:
                break
    return Run(bad=tuple(reversed(bad)), good=good)


def intermittent(canaries: tuple[Canary, ...], loss_of: tuple[int, int]) -> tuple[Canary, ...]:
    """The losses among the newest counted canaries, if they are too many.

    Counted in the order of sending, up to the first whose trace is still awaited: an arrival is known within seconds, a loss
    only at its deadline, so a window that ran ahead would hold too few losses.
    """
    losses, window = loss_of
    decided = takewhile(lambda canary: not (canary.pending and canary.accepted), canaries)
    counted = [canary for canary in decided if lost(canary) or (arrived(canary) and not canary.excused)]
    missing = tuple(canary for canary in counted[-window:] if lost(canary))
    return missing if len(missing) >= losses else ()


def confirmed_by_series(
    state: TargetState, before: Mapping[Fault, Active], policy: Policy, now: Instant
) -> dict[Fault, Active]:
    """Every fault that the series confirms now, given what it had confirmed before."""
    judged = tuple(
        canary for canary in state.canaries if canary.judged_at is not None or canary.late or canary.elsewhere
    )
    outage = {fault: active for fault, active in before.items() if not is_intermittent(active)}
    accuses = partial(may_accuse, state=state, policy=policy)
    is_fresh = partial(_is_fresh, policy=policy, now=now)
    found: dict[Fault, Active] = {}
    for fault, sign in TRACE_FAULTS.items():
        run = _run(judged, sign, accuses=accuses, is_fresh=is_fresh, enough=policy.pass_after)
        fresh = [canary for canary in run.bad if is_fresh(canary)]
        active = hysteresis(
            outage,
            fault,
            sign.charge(run.bad) if fresh else None,
            bad_in_row=len(fresh),
            good_in_row=run.good,
            since=run.bad[0].sent_at if run.bad else now,
            policy=policy,
            now=now,
        )
        if active is not None:
            found[fault] = active
    return found | _intermittent_loss(state.canaries, before, found, policy, now)


def may_accuse(canary: Canary, state: TargetState, policy: Policy) -> bool:
    """Whether a canary may accuse the present configuration: the exporter caches its configuration for five minutes."""
    changed = state.config.changed_at if state.config is not None else None
    return changed is None or not changed <= canary.sent_at < changed + policy.arrival.settle


def _is_fresh(canary: Canary, policy: Policy, now: Instant) -> bool:
    """Whether what became of a canary may still open or resolve anything."""
    return now - canary.sent_at <= policy.cadences[CheckName.ARRIVAL].stale_after + policy.arrival.missing_after


def _intermittent_loss(
    canaries: tuple[Canary, ...],
    before: Mapping[Fault, Active],
    found: Mapping[Fault, Active],
    policy: Policy,
    now: Instant,
) -> dict[Fault, Active]:
    """Three of the last twelve: resolved when the window holds fewer, not by arrivals."""
    known = before.get(Fault.TRACE_MISSING)
    if Fault.TRACE_MISSING in found or (known is not None and not is_intermittent(known)):
        return {}  # an outage, or one that has just ended: its losses are excused before the window is looked at again
    losses = intermittent(canaries, policy.arrival.loss_of)
    if not losses or (known is None and not _is_fresh(losses[-1], policy, now)):
        return {}
    charge = intermittent_loss(losses, policy.arrival.loss_of[1])
    fresh = Active(charge=charge, since=losses[0].sent_at, confirmed_at=now)
    return {Fault.TRACE_MISSING: replace(known, charge=charge) if known is not None else fresh}


def is_intermittent(active: Active) -> bool:
    """Whether it is a loss that comes and goes: it does not keep the next trace from arriving."""
    return active.charge.fault is Fault.TRACE_MISSING and not active.charge.stops_export


def gap_to_tell(canaries: tuple[Canary, ...]) -> tuple[Canary, ...]:
    """Two losses in a row, older than an arrival, that nothing explains and nobody was told of.

    A trace among them that is still awaited may yet make one of them two singles: then it is too soon to tell.
    """
    run: list[Canary] = []
    awaited = False
    for canary in canaries:
        if lost(canary) and not canary.gap:
            run.append(canary)
        elif canary.pending and canary.accepted:
            awaited = awaited or bool(run)
        elif arrived(canary) or canary.outcome is Outcome.MISSING:
            if arrived(canary) and len(run) > 1 and not awaited:
                return tuple(run)
            run, awaited = [], False
    return ()
