"""Fold a canary: planned and paid for before it is sent, answered or not."""

from dataclasses import replace

from monitor.core.absorb.looks import Absorbed, fold_look
from monitor.core.budget import spend, use
from monitor.core.events import CanaryReturned
from monitor.core.inputs import CanaryAnswered, CanaryPlanned
from monitor.core.model import CheckName, Finding, Instant
from monitor.core.present import LONGEST_HOLD
from monitor.core.series import trim
from monitor.core.state import Hold, Policy, TargetState


def plan(state: TargetState, given: CanaryPlanned, now: Instant) -> TargetState:
    """Record a canary, and spend it, before it is sent."""
    return replace(state, canaries=trim((*state.canaries, given.canary), now), budget=spend(state.budget, now))


def answer(state: TargetState, given: CanaryAnswered, policy: Policy, now: Instant) -> Absorbed:
    """A canary came back, or did not: pay its tokens, mind a 429, fold the verdict."""
    usage = given.canary.usage
    after = replace(
        state,
        canaries=tuple(given.canary if canary.id == given.canary.id else canary for canary in state.canaries),
        budget=use(state.budget, now, input_tokens=usage.get("input", 0), output_tokens=usage.get("output", 0)),
        phases=given.phases or state.phases,
        hold=_hold(state, given, policy, now),
    )
    returned = CanaryReturned(
        target=state.target,
        at=given.at,
        took=given.took,
        phases=given.phases,
        input_tokens=usage.get("input", 0),
        output_tokens=usage.get("output", 0),
    )
    finding = _settled_if_long(given)
    folded, events = fold_look(after, CheckName.CANARY, finding, given.at, given.took, policy, now)
    return folded, (returned, *events) if given.canary.answered_at is not None else events


def _hold(state: TargetState, given: CanaryAnswered, policy: Policy, now: Instant) -> Hold | None:
    """After a 429 the cadence doubles, or follows Retry-After, up to half an hour: then somebody looks again."""
    if not given.rate_limited or not policy.enabled(CheckName.CANARY):
        return None
    regular = policy.cadences[CheckName.CANARY].every
    step = min(LONGEST_HOLD, 2 * (state.hold.step if state.hold is not None else regular))
    wait = given.retry_after if given.retry_after is not None else step
    return Hold(until=now + min(LONGEST_HOLD, wait), step=step)


def _settled_if_long(given: CanaryAnswered) -> Finding:
    """Nobody waits for a second 429 when the first says that there will be hours of them."""
    finding = given.finding
    if not given.rate_limited or given.retry_after is None or given.retry_after <= LONGEST_HOLD:
        return finding
    return replace(finding, charges=tuple(replace(charge, conclusive=True) for charge in finding.charges))
