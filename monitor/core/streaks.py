"""Debounce one check: a look is an opinion, a trend is what we believe.

A check settles after `fail_after` failures in a row, `pass_after` passes, or at once on conclusive evidence. An unknown look
changes nothing but ages: two of them, long enough, are `blind`. A budget spent is not even that, nor a pause that is explained by
what is confirmed. Evidence that is stale neither opens nor resolves: a row of looks must not have holes.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from monitor.core.faults import FAULTS, MONITORS_OWN
from monitor.core.model import Blindness, Charge, CheckName, Fault, Finding, Instant, Seconds, Verdict
from monitor.core.state import Active, Cadence, LastLook, Policy, TargetState, Trend
from monitor.core.suspicions import cannot_look, has_failed

_NOT_BLIND = frozenset({Blindness.BUDGET_SPENT, Blindness.NOTHING_TO_JUDGE})
_CRASHES = frozenset({Blindness.CRASHED, Blindness.TIMEOUT})


def fold(
    trend: Trend,
    finding: Finding,
    *,
    at: Instant,
    took: Seconds,
    cadence: Cadence,
    policy: Policy,
    now: Instant,
    explained: bool = False,
) -> Trend:
    """Fold one look into a trend. `explained`: why nothing is served is known and told, so a pause needs no telling."""
    looked = replace(_forget_stale(trend, cadence, at), last=_last(finding, at, took))
    match finding.verdict:
        case Verdict.PASS:
            return _after_pass(looked, finding, policy, at)
        case Verdict.FAIL:
            return _after_fail(looked, finding, policy, at, now)
        case Verdict.UNKNOWN:
            if finding.blindness in _NOT_BLIND or (finding.blindness is Blindness.PAUSED and explained):
                return looked
            return _after_unknown(looked, finding, cadence, policy, at, now)
    assert_never(finding.verdict)


def fold_look(
    state: TargetState, check: CheckName, finding: Finding, at: Instant, took: Seconds, policy: Policy, now: Instant
) -> TargetState:
    """Debounce one finding of one check; what comes late from a check that has been switched off is nobody's."""
    if not policy.enabled(check):
        return state
    folded = fold(
        state.trend(check),
        finding,
        at=at,
        took=took,
        cadence=policy.cadences[check],
        policy=policy,
        now=now,
        explained=any(FAULTS[fault].prevents_traces for fault in state.confirmed),
    )
    return state.with_trend(check, folded)


def look_on(trend: Trend, finding: Finding, *, at: Instant, took: Seconds, cadence: Cadence, policy: Policy) -> Trend:
    """A look that could see and whose verdict is settled elsewhere: a trace is judged by the series of all canaries."""
    looked = sighted(replace(_forget_stale(trend, cadence, at), last=_last(finding, at, took)), policy, at)
    return _passed(looked, at) if finding.verdict is Verdict.PASS else looked


def unsettled(trend: Trend) -> bool:
    """Whether the check deserves a sooner look: something is confirmed, or a streak that could confirm or clear has begun."""
    return bool(trend.confirmed) or trend.fails > 0 or trend.unknowns > 0


def _last(finding: Finding, at: Instant, took: Seconds) -> LastLook:
    return LastLook(
        at=at,
        took=took,
        verdict=finding.verdict,
        summary=finding.summary,
        fault=finding.fault,
        blindness=finding.blindness,
        permanent=finding.permanent,
        evidence=finding.evidence,
    )


def _forget_stale(trend: Trend, cadence: Cadence, at: Instant) -> Trend:
    """Streaks whose newest look is stale count no more; what is confirmed stays until somebody looks."""
    if trend.seen_at is not None and at - trend.seen_at > cadence.stale_after:
        trend = replace(trend, fails=0, passes=0, seen_in_row={}, absent_in_row={}, since={}, sighted=0)
    if trend.unseen_at is not None and at - trend.unseen_at > cadence.stale_after:
        trend = replace(trend, unknowns=0, unknown_since=None, crashes=0)
    return trend


def _passed(trend: Trend, at: Instant) -> Trend:
    return replace(trend, last_pass_at=at, ever_passed=True)


def _after_pass(trend: Trend, finding: Finding, policy: Policy, at: Instant) -> Trend:
    passes = trend.passes + 1
    seeing = sighted(trend, policy, at, conclusive=finding.conclusive)
    settles = finding.conclusive or passes >= policy.pass_after
    return replace(
        _passed(seeing, at),
        passes=passes,
        fails=0,
        seen_in_row={},
        absent_in_row={},
        since={},
        confirmed=_of_ours(seeing) if settles else seeing.confirmed,
    )


def _after_fail(trend: Trend, finding: Finding, policy: Policy, at: Instant, now: Instant) -> Trend:
    fails = trend.fails + 1
    charges = {charge.fault: charge for charge in finding.charges}
    conclusive = all(charge.conclusive for charge in finding.charges)
    seeing = sighted(trend, policy, at, conclusive=conclusive)
    mine = {fault: active for fault, active in seeing.confirmed.items() if fault not in MONITORS_OWN}
    seen = {fault: trend.seen_in_row.get(fault, 0) + 1 for fault in charges}
    since = {fault: trend.since.get(fault, at) for fault in charges}
    first = not mine and fails >= policy.fail_after  # it fails, each time with another fault: the newest names it
    confirmed: dict[Fault, Active] = {}
    for fault, charge in charges.items():
        if charge.conclusive or seen[fault] >= policy.fail_after or first or fault in mine:
            confirmed[fault] = _confirm(charge, mine.get(fault), since[fault], now)
    absent = {fault: trend.absent_in_row.get(fault, 0) + 1 for fault in mine if fault not in charges}
    left = [fault for fault, times in absent.items() if not conclusive and times < policy.pass_after]
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


def _confirm(charge: Charge, before: Active | None, since: Instant, now: Instant) -> Active:
    if before is None:
        return Active(charge=charge, since=since, confirmed_at=now)
    return replace(before, charge=charge)


def _of_ours(trend: Trend) -> dict[Fault, Active]:
    """What is held against the monitor itself."""
    return {fault: active for fault, active in trend.confirmed.items() if fault in MONITORS_OWN}


def sighted(trend: Trend, policy: Policy, at: Instant, *, conclusive: bool = False) -> Trend:
    """A look that could see: a crash is over at once, a blindness after `pass_after` of them or by conclusive evidence."""
    times = trend.sighted + 1
    still_blind = Fault.BLIND in trend.confirmed and times < policy.pass_after and not conclusive
    over = {Fault.CHECK_FAILED} if still_blind else MONITORS_OWN
    return replace(
        trend,
        unknowns=trend.unknowns if still_blind else 0,
        unknown_since=trend.unknown_since if still_blind else None,
        crashes=0,
        sighted=times,
        seen_at=at,
        confirmed={fault: active for fault, active in trend.confirmed.items() if fault not in over},
    )


def acquit(trend: Trend, fault: Fault, policy: Policy) -> Trend:
    """A look that speaks for one suspect alone: it ends a streak, and `pass_after` of them clear the fault."""
    times = trend.absent_in_row.get(fault, 0) + 1
    cleared = {fault} if times >= policy.pass_after else set()
    return replace(
        trend,
        fails=0,
        seen_in_row={known: count for known, count in trend.seen_in_row.items() if known is not fault},
        absent_in_row={**trend.absent_in_row, fault: times} if fault in trend.confirmed else trend.absent_in_row,
        since={known: since for known, since in trend.since.items() if known is not fault},
        confirmed={known: active for known, active in trend.confirmed.items() if known not in cleared},
    )


def _after_unknown(
    trend: Trend, finding: Finding, cadence: Cadence, policy: Policy, at: Instant, now: Instant
) -> Trend:
    crashed = finding.blindness in _CRASHES
    since = trend.unknown_since if trend.unknown_since is not None else at
    aged = replace(
        trend,
        unknowns=trend.unknowns + 1,
        unknown_since=since,
        unseen_at=at,
        crashes=trend.crashes + 1 if crashed else 0,
        sighted=0,
    )
    confirmed = {f: active for f, active in trend.confirmed.items() if crashed or f is not Fault.CHECK_FAILED}
    charge = _own_charge(aged, finding, cadence, policy, waited=at - since)
    if charge is not None:
        confirmed[charge.fault] = _confirm(charge, confirmed.get(charge.fault), since, now)
    return replace(aged, confirmed=confirmed)


def _own_charge(trend: Trend, finding: Finding, cadence: Cadence, policy: Policy, *, waited: Seconds) -> Charge | None:
    """What an unknown look holds against the monitor itself."""
    if finding.blindness in _CRASHES:
        many = trend.crashes >= policy.fail_after
        return has_failed(finding) if many else None
    patience = max(policy.blind_after, 2 * cadence.every) if policy.blind_after else 0.0
    if waited < patience:  # so there were two at least
        return None
    return cannot_look(finding)


def hysteresis(
    before: Mapping[Fault, Active],
    fault: Fault,
    charge: Charge | None,
    *,
    bad_in_row: int,
    good_in_row: int,
    since: Instant,
    policy: Policy,
    now: Instant,
) -> Active | None:
    """Settle a fault whose evidence is a list in order of sending: the newest bad ones confirm, the newest good ones clear."""
    known = before.get(fault)
    if known is not None:
        if good_in_row >= policy.pass_after:
            return None
        return replace(known, charge=charge) if charge is not None else known
    if charge is not None and (charge.conclusive or bad_in_row >= policy.fail_after):
        return Active(charge=charge, since=since, confirmed_at=now)
    return None
