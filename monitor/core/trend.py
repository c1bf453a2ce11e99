"""Debounce one check: a look is an opinion, a trend is what we believe.

A check settles after `fail_after` failures in a row, `pass_after` passes, or at once on conclusive evidence. An unknown look
changes nothing but ages: two of them, long enough, are `blind`. A budget spent or a pause is not even that.
"""

from collections.abc import Mapping
from dataclasses import replace

from monitor.core.model import Blindness, Charge, Fault, Finding, Instant, Seconds, Severity, Verdict
from monitor.core.state import Active, Cadence, LastLook, Policy, Trend

_NOT_BLIND = frozenset({Blindness.BUDGET_SPENT, Blindness.PAUSED, Blindness.NOTHING_TO_JUDGE})
_CRASHES = frozenset({Blindness.CRASHED, Blindness.TIMEOUT})
_OWN = frozenset({Fault.BLIND, Fault.CHECK_FAILED})


def fold(
    trend: Trend, finding: Finding, *, at: Instant, took: Seconds, cadence: Cadence, policy: Policy, now: Instant
) -> Trend:
    """Fold one look into a trend."""
    fresh = _forget_stale(trend, cadence, at)
    looked = replace(fresh, last=_last(finding, at, took))
    match finding.verdict:
        case Verdict.PASS:
            return _after_pass(looked, finding, policy, now)
        case Verdict.FAIL:
            return _after_fail(looked, finding, policy, now)
        case Verdict.UNKNOWN:
            return _after_unknown(looked, finding, cadence, policy, at, now)


def unsettled(trend: Trend) -> bool:
    """Whether the check deserves a sooner look: something is confirmed, or a streak that could confirm or clear has begun."""
    return bool(trend.confirmed) or trend.fails > 0 or _blind_in_the_making(trend)


def _blind_in_the_making(trend: Trend) -> bool:
    return trend.unknowns > 0 or trend.crashes > 0


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
    if trend.last is None or at - trend.last.at <= cadence.stale_after:
        return trend
    return replace(
        trend, fails=0, passes=0, seen_in_row={}, absent_in_row={}, unknowns=0, unknown_since=None, crashes=0, sighted=0
    )


def _after_pass(trend: Trend, finding: Finding, policy: Policy, now: Instant) -> Trend:
    passes = trend.passes + 1
    seeing = sighted(trend, policy)
    settles = finding.conclusive or passes >= policy.pass_after or not trend.confirmed
    kept = {} if settles else {f: a for f, a in seeing.confirmed.items() if f not in _OWN}
    own = {f: a for f, a in seeing.confirmed.items() if f in _OWN}
    return replace(
        seeing,
        settled=Verdict.PASS if settles else trend.settled,
        passes=passes,
        fails=0,
        seen_in_row={},
        absent_in_row={},
        since={f: since for f, since in trend.since.items() if f in kept},
        confirmed=kept | own,
        last_pass_at=trend.last.at if trend.last else now,
        ever_passed=True,
    )


def _after_fail(trend: Trend, finding: Finding, policy: Policy, now: Instant) -> Trend:
    fails = trend.fails + 1
    charges = {charge.fault: charge for charge in finding.charges}
    seen = {fault: trend.seen_in_row.get(fault, 0) + 1 for fault in charges}
    conclusive = all(charge.conclusive for charge in finding.charges)
    seeing = sighted(trend, policy)
    mine = {fault: active for fault, active in seeing.confirmed.items() if fault not in _OWN}
    since = {
        fault: trend.since.get(fault, trend.last.at if trend.last else now) for fault in charges.keys() | mine.keys()
    }
    first = not mine and fails >= policy.fail_after
    confirmed: dict[Fault, Active] = {}
    for fault, charge in charges.items():
        if charge.conclusive or seen[fault] >= policy.fail_after or first or fault in mine:
            confirmed[fault] = _confirm(charge, mine.get(fault), since[fault], now)
    absent = {fault: trend.absent_in_row.get(fault, 0) + 1 for fault in mine if fault not in charges}
    for fault, times in absent.items():
        if not (conclusive or (times >= policy.pass_after and confirmed)):
            confirmed[fault] = mine[fault]
    own = {fault: active for fault, active in seeing.confirmed.items() if fault in _OWN}
    return replace(
        seeing,
        settled=Verdict.FAIL if confirmed else trend.settled,
        fails=fails,
        passes=0,
        seen_in_row=seen,
        absent_in_row=absent,
        since=since,
        confirmed=confirmed | own,
    )


def _confirm(charge: Charge, before: Active | None, since: Instant, now: Instant) -> Active:
    if before is None:
        return Active(charge=charge, since=since, confirmed_at=now)
    return replace(before, charge=charge)


def sighted(trend: Trend, policy: Policy) -> Trend:
    """A look that could see: a crash is over at once, a blindness after `pass_after` of them."""
    times = trend.sighted + 1
    over = {Fault.CHECK_FAILED} | ({Fault.BLIND} if times >= policy.pass_after else set())
    confirmed = {fault: active for fault, active in trend.confirmed.items() if fault not in over}
    still_blind = Fault.BLIND in confirmed
    return replace(
        trend,
        unknowns=trend.unknowns if still_blind else 0,
        unknown_since=trend.unknown_since if still_blind else None,
        crashes=0,
        sighted=times,
        confirmed=confirmed,
    )


def _after_unknown(
    trend: Trend, finding: Finding, cadence: Cadence, policy: Policy, at: Instant, now: Instant
) -> Trend:
    if finding.blindness in _NOT_BLIND:
        return trend
    aged = replace(
        trend,
        unknowns=trend.unknowns + 1,
        unknown_since=at if trend.unknown_since is None else trend.unknown_since,
        crashes=trend.crashes + 1 if finding.blindness in _CRASHES else 0,
        sighted=0,
    )
    own = _own_charges(aged, finding, cadence, policy, at)
    confirmed: dict[Fault, Active] = dict(trend.confirmed)
    confirmed.pop(Fault.CHECK_FAILED, None)
    for charge in own:
        before = trend.confirmed.get(charge.fault)
        confirmed[charge.fault] = _confirm(charge, before, aged.unknown_since or at, now)
    return replace(aged, confirmed=confirmed)


def _own_charges(trend: Trend, finding: Finding, cadence: Cadence, policy: Policy, at: Instant) -> tuple[Charge, ...]:
    """What an unknown look holds against the monitor itself."""
    if finding.blindness in _CRASHES:
        if trend.crashes < policy.fail_after:
            return ()
        return (Charge(fault=Fault.CHECK_FAILED, severity=Severity.WARNING, summary=finding.summary),)
    patience = max(policy.blind_after, 2 * cadence.every) if policy.blind_after else 0.0
    waited = at - (trend.unknown_since if trend.unknown_since is not None else at)
    enough = trend.unknowns >= (2 if policy.blind_after else 1)
    if not enough or waited < patience:
        return ()
    facts = (finding.summary, *(("only a human can mend this",) if finding.permanent else ()))
    return (Charge(fault=Fault.BLIND, severity=Severity.WARNING, summary=finding.summary, facts=facts),)


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
