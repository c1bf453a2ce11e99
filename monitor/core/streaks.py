"""From looks and canaries to what is believed: `fail_after`, `pass_after`, losses that come and go.

A check settles after `fail_after` failures in a row, `pass_after` passes, or at once on conclusive evidence. An unknown look
changes nothing but ages: two of them, long enough, are `blind`. A budget spent is not even that, nor a pause that is explained by
what is confirmed. Evidence that is stale neither opens nor resolves: a row of looks must not have holes.

Traces are judged by the series of all canaries, in the order they were sent. A single loss is never conclusive. Losses after the
last arrival settle after `fail_after`; losses older than an arrival were transient; three of the last twelve are an intermittent
loss. What was lost while its cause was known belongs to that cause.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import assert_never

from monitor.core.arrival import RECOVERABLE_FOR, REMEMBERED, store_is_proven
from monitor.core.canary import Canary, Outcome
from monitor.core.faults import FAULTS, MONITORS_OWN
from monitor.core.model import CheckName, CheckResult, Fault, Instant, Seconds, Suspicion, UnknownReason, Verdict
from monitor.core.outcomes import TRACE_FAULTS, TraceFault, arrived, lost
from monitor.core.outcomes import intermittent as intermittent_loss
from monitor.core.state import Active, Cadence, CheckState, LastLook, Outage, Policy, TargetState
from monitor.core.suspicions import cannot_look, has_failed

_NOT_BLIND = frozenset({UnknownReason.BUDGET_SPENT, UnknownReason.NOTHING_TO_JUDGE})
_CRASHES = frozenset({UnknownReason.CRASHED, UnknownReason.TIMEOUT})


def apply_look(
    state: TargetState, check: CheckName, result: CheckResult, at: Instant, took: Seconds, policy: Policy, now: Instant
) -> TargetState:
    """Apply one result of one check. One that comes late, from a check that has been switched off, is ignored."""
    if not policy.enabled(check):
        return state
    cadence = policy.cadences[check]
    called = policy.endpoint if check is CheckName.CONTROL else policy.backend
    result = called.fill(result)
    looked = replace(
        _forget_stale(state.check_state(check), cadence, at), last=LastLook(at=at, took=took, result=result)
    )
    match result.verdict:
        case Verdict.PASS:
            looked = _after_pass(looked, result, policy, at)
        case Verdict.FAIL:
            looked = _after_fail(looked, result, policy, at, now)
        case Verdict.UNKNOWN:
            if _may_be_blind(result, state):
                looked = _after_unknown(looked, result, cadence, policy, at, now)
        case _:
            assert_never(result.verdict)
    return state.with_check_state(check, looked)


def _may_be_blind(result: CheckResult, state: TargetState) -> bool:
    """Whether an unknown may come of not being able to look: a pause does not where it is known why nothing is served."""
    if result.unknown_reason is UnknownReason.PAUSED:
        return not any(FAULTS[fault].prevents_traces for fault in state.confirmed)
    return result.unknown_reason not in _NOT_BLIND


def look_on(
    check_state: CheckState, result: CheckResult, *, at: Instant, took: Seconds, cadence: Cadence, policy: Policy
) -> CheckState:
    """A look that could see and whose verdict is settled elsewhere: a trace is judged by the series of all canaries."""
    last = LastLook(at=at, took=took, result=policy.backend.fill(result))
    looked = sighted(replace(_forget_stale(check_state, cadence, at), last=last), policy, at)
    return _passed(looked, at) if result.verdict is Verdict.PASS else looked


def unsettled(check_state: CheckState) -> bool:
    """Whether the check deserves a sooner look: something is confirmed, or a streak that could confirm or clear has begun."""
    return bool(check_state.confirmed) or check_state.fails > 0 or check_state.unknowns > 0


def _forget_stale(check_state: CheckState, cadence: Cadence, at: Instant) -> CheckState:
    """Streaks whose newest look is stale count no more; what is confirmed stays until somebody looks."""
    if check_state.seen_at is not None and at - check_state.seen_at > cadence.stale_after:
        check_state = replace(check_state, fails=0, passes=0, seen_in_row={}, absent_in_row={}, since={}, sighted=0)
    if check_state.unseen_at is not None and at - check_state.unseen_at > cadence.stale_after:
        check_state = replace(check_state, unknowns=0, unknown_since=None, crashes=0)
    return check_state


def _passed(check_state: CheckState, at: Instant) -> CheckState:
    return replace(check_state, last_pass_at=at, ever_passed=True)


def _after_pass(check_state: CheckState, result: CheckResult, policy: Policy, at: Instant) -> CheckState:
    passes = check_state.passes + 1
    seeing = sighted(check_state, policy, at, conclusive=result.conclusive)
    settles = result.conclusive or passes >= policy.alerting.pass_after
    return replace(
        _passed(seeing, at),
        passes=passes,
        fails=0,
        seen_in_row={},
        absent_in_row={},
        since={},
        confirmed=_of_ours(seeing) if settles else seeing.confirmed,
    )


def _after_fail(check_state: CheckState, result: CheckResult, policy: Policy, at: Instant, now: Instant) -> CheckState:
    fails = check_state.fails + 1
    suspicions = {suspicion.fault: suspicion for suspicion in result.suspicions}
    conclusive = all(suspicion.conclusive for suspicion in result.suspicions)
    seeing = sighted(check_state, policy, at, conclusive=conclusive)
    mine = {fault: active for fault, active in seeing.confirmed.items() if fault not in MONITORS_OWN}
    seen = {fault: check_state.seen_in_row.get(fault, 0) + 1 for fault in suspicions}
    since = {fault: check_state.since.get(fault, at) for fault in suspicions}
    first = (
        not mine and fails >= policy.alerting.fail_after
    )  # it fails, each time with another fault: the newest names it
    confirmed: dict[Fault, Active] = {}
    for fault, suspicion in suspicions.items():
        if suspicion.conclusive or seen[fault] >= policy.alerting.fail_after or first or fault in mine:
            confirmed[fault] = _confirm(suspicion, mine.get(fault), since[fault], now)
    absent = {fault: check_state.absent_in_row.get(fault, 0) + 1 for fault in mine if fault not in suspicions}
    left = [fault for fault, times in absent.items() if not conclusive and times < policy.alerting.pass_after]
    # It still fails: what has gone goes only if something else stands for that.
    confirmed.update({fault: mine[fault] for fault in (left if confirmed or left else absent)})
    return replace(
        seeing,
        fails=fails,
        passes=0,
        seen_in_row=seen,
        absent_in_row=absent,
        since=since,
        confirmed=confirmed | _of_ours(seeing),
    )


def _confirm(suspicion: Suspicion, before: Active | None, since: Instant, now: Instant) -> Active:
    if before is None:
        return Active(suspicion=suspicion, since=since, confirmed_at=now)
    return replace(before, suspicion=suspicion)


def _of_ours(check_state: CheckState) -> dict[Fault, Active]:
    """The confirmed faults of the monitor itself."""
    return {fault: active for fault, active in check_state.confirmed.items() if fault in MONITORS_OWN}


def sighted(check_state: CheckState, policy: Policy, at: Instant, *, conclusive: bool = False) -> CheckState:
    """A look that could see: a crash is over at once, a blindness after `pass_after` of them or by conclusive evidence."""
    times = check_state.sighted + 1
    still_blind = Fault.BLIND in check_state.confirmed and times < policy.alerting.pass_after and not conclusive
    over = {Fault.CHECK_FAILED} if still_blind else MONITORS_OWN
    return replace(
        check_state,
        unknowns=check_state.unknowns if still_blind else 0,
        unknown_since=check_state.unknown_since if still_blind else None,
        crashes=0,
        sighted=times,
        seen_at=at,
        confirmed={fault: active for fault, active in check_state.confirmed.items() if fault not in over},
    )


def pass_for(check_state: CheckState, fault: Fault, policy: Policy) -> CheckState:
    """A pass that speaks against one fault alone: it ends a streak of it, and `pass_after` of them clear it."""
    times = check_state.absent_in_row.get(fault, 0) + 1
    cleared = {fault} if times >= policy.alerting.pass_after else set()
    return replace(
        check_state,
        fails=0,
        seen_in_row={known: count for known, count in check_state.seen_in_row.items() if known is not fault},
        absent_in_row={**check_state.absent_in_row, fault: times}
        if fault in check_state.confirmed
        else check_state.absent_in_row,
        since={known: since for known, since in check_state.since.items() if known is not fault},
        confirmed={known: active for known, active in check_state.confirmed.items() if known not in cleared},
    )


def _after_unknown(
    check_state: CheckState, result: CheckResult, cadence: Cadence, policy: Policy, at: Instant, now: Instant
) -> CheckState:
    crashed = result.unknown_reason in _CRASHES
    since = check_state.unknown_since if check_state.unknown_since is not None else at
    aged = replace(
        check_state,
        unknowns=check_state.unknowns + 1,
        unknown_since=since,
        unseen_at=at,
        crashes=check_state.crashes + 1 if crashed else 0,
        sighted=0,
    )
    confirmed = {f: active for f, active in check_state.confirmed.items() if crashed or f is not Fault.CHECK_FAILED}
    suspicion = _own_suspicion(aged, result, cadence, policy, waited=at - since)
    if suspicion is not None:
        confirmed[suspicion.fault] = _confirm(suspicion, confirmed.get(suspicion.fault), since, now)
    return replace(aged, confirmed=confirmed)


def _own_suspicion(
    check_state: CheckState, result: CheckResult, cadence: Cadence, policy: Policy, *, waited: Seconds
) -> Suspicion | None:
    """What an unknown look makes of the monitor itself: a crash, or blindness, once it has lasted."""
    if result.unknown_reason in _CRASHES:
        many = check_state.crashes >= policy.alerting.fail_after
        return has_failed(result) if many else None
    patience = max(policy.alerting.blind_after, 2 * cadence.every) if policy.alerting.blind_after else 0.0
    if waited < patience:  # so there were two at least
        return None
    return policy.backend.fill(cannot_look(result))


# --- the series of canaries ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The newest canaries that say the same: those that were bad in a row, or how many were good and are not stale."""

    bad: tuple[Canary, ...] = ()
    good: int = 0


def excuse(state: TargetState, policy: Policy, now: Instant) -> TargetState:
    """Mark the losses that belong to a known cause, or to a change of the configuration.

    Once marked they stay so, unless it turns out that the cause cannot have been it.
    """
    marks = ((canary, _is_excused(canary, state, policy, now)) for canary in state.canaries)
    return replace(
        state,
        canaries=tuple(canary if canary.excused is mark else replace(canary, excused=mark) for canary, mark in marks),
    )


def _is_excused(canary: Canary, state: TargetState, policy: Policy, now: Instant) -> bool:
    causes = [
        outage for outage in state.outages if outage.touches(canary.sent_at, canary.sent_at, policy.arrival.settle)
    ]
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
    only at its deadline, so a window that ran ahead would hold too few losses. What was found after its deadline is not lost.
    """
    losses, window = loss_of
    decided = takewhile(lambda canary: not (canary.pending and canary.accepted), canaries)
    counted = [canary for canary in decided if lost(canary) or (arrived(canary) and not canary.excused)]
    missing = tuple(canary for canary in counted[-window:] if lost(canary) and canary.recovered_at is None)
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
        run = _run(judged, sign, accuses=accuses, is_fresh=is_fresh, enough=policy.alerting.pass_after)
        fresh = [canary for canary in run.bad if is_fresh(canary)]
        suspicion = policy.backend.fill(sign.suspicion(run.bad)) if fresh else None
        known = outage.get(fault)
        if known is not None:
            if run.good < policy.alerting.pass_after:
                found[fault] = replace(known, suspicion=suspicion or known.suspicion)
        elif suspicion is not None and (suspicion.conclusive or len(fresh) >= policy.alerting.fail_after):
            found[fault] = Active(suspicion=suspicion, since=run.bad[0].sent_at, confirmed_at=now)
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
    suspicion = intermittent_loss(losses, policy.arrival.loss_of[1])
    fresh = Active(suspicion=suspicion, since=losses[0].sent_at, confirmed_at=now)
    return {Fault.TRACE_MISSING: replace(known, suspicion=suspicion) if known is not None else fresh}


def is_intermittent(active: Active) -> bool:
    """Whether it is a loss that comes and goes: it does not keep the next trace from arriving."""
    return active.suspicion.fault is Fault.TRACE_MISSING and not active.suspicion.stops_export


def transient_loss(canaries: tuple[Canary, ...]) -> tuple[Canary, ...]:
    """Two losses in a row, older than an arrival, that nothing explains and nobody was notified of.

    A trace among them that is still awaited may yet make one of them two singles: then it is too soon to tell.
    """
    run: list[Canary] = []
    awaited = False
    for canary in canaries:
        if lost(canary) and not canary.transient_loss:
            run.append(canary)
        elif canary.pending and canary.accepted:
            awaited = awaited or bool(run)
        elif arrived(canary) or canary.outcome is Outcome.MISSING:
            if arrived(canary) and len(run) > 1 and not awaited:
                return tuple(run)
            run, awaited = [], False
    return ()
