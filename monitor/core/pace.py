"""When each check is due, and whether it may look: the regular grid, the faster one while something is wrong, the pauses, the budget.

A day of the budget is a UTC day; a spent budget is no fault, only a reason not to look.
"""

from dataclasses import dataclass, replace
from math import ceil

from monitor.core.arrival import RECOVERABLE_FOR, backoff, next_look, wants_labels
from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.faults import MONITORS_OWN
from monitor.core.model import CheckName, Fault, Instant, Seconds, UnknownReason, Verdict
from monitor.core.outcomes import arrived
from monitor.core.state import DAY, Budget, Cadence, Limits, Policy, TargetState
from monitor.core.streaks import unsettled

_ORIGIN_AGAIN_AFTER: Seconds = 120.0
_PUNCTUAL: Seconds = 0.5
_READ_AND_SAW_NOTHING = frozenset({UnknownReason.UNPROVEN, UnknownReason.NOTHING_TO_JUDGE})
_ASKED_AGAIN_AFTER = (1, 5)  # times `settle`: what was held up comes behind what is new
_CUT_SHORT = frozenset({UnknownReason.CRASHED, UnknownReason.TIMEOUT, UnknownReason.SHORTAGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """A canary may not be sent now: why, and when it may be tried again (None: at the next regular run)."""

    unknown_reason: UnknownReason
    summary: str
    until: Instant | None = None


def stale_checks(state: TargetState, policy: Policy, now: Instant) -> frozenset[CheckName]:
    """The checks whose newest look is too old to say anything of the present."""
    return frozenset(
        check
        for check, cadence in policy.cadences.items()
        if (last := state.check_state(check).last) is not None and now - last.at > cadence.stale_after
    )


def why_not_send(state: TargetState, policy: Policy, now: Instant) -> NotSent | None:
    """Why a canary may not be sent: the gateway is settled failing, a 429 asked to wait, or the budget is spent. None: it may.

    After the first pass of the gateway it may, although it takes more of them to settle.
    """
    gateway = state.check_state(CheckName.GATEWAY)
    down = Fault.GATEWAY_UNREACHABLE in gateway.confirmed and not gateway.passes
    if policy.enabled(CheckName.GATEWAY) and down:
        return NotSent(unknown_reason=UnknownReason.PAUSED, summary="paused while the gateway is unreachable")
    if state.backoff is not None and now < state.backoff.until:
        return NotSent(
            unknown_reason=UnknownReason.PAUSED,
            summary="paused: the gateway answered 429 and asked to wait",
            until=state.backoff.until,
        )
    fast = _is_ahead(state, policy, now)
    if not may_send(state.budget, policy.limits, now, fast=fast):
        only_regular = fast and may_send(state.budget, policy.limits, now, fast=False)
        summary = (
            "the day's budget of extra canaries is spent, the regular ones go on"
            if only_regular
            else "the day's budget of canaries is spent, no more until midnight UTC"
        )
        return NotSent(unknown_reason=UnknownReason.BUDGET_SPENT, summary=summary)
    return None


def _is_ahead(state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether a canary sent now is one of the fast cadence.

    On the regular grid one run may be a little late and the next in time. While it hurries, the next run is never far, and a
    little less than the interval each time would add up to more than the regular cadence needs.
    """
    if not state.canaries:
        return False
    regular = policy.cadences[CheckName.CANARY].every
    tolerance = _PUNCTUAL if interval(CheckName.CANARY, state, policy, now) < regular else 0.1 * regular
    return now - state.canaries[-1].sent_at < regular - tolerance


def interval(check: CheckName, state: TargetState, policy: Policy, now: Instant) -> Seconds:
    """The present cadence of a check: the faster one while it fails, is unsettled, or its evidence is needed."""
    cadence = policy.cadences[check]
    return cadence.every_while_failing if _hurries(check, state, policy, now) else cadence.every


def _hurries(check: CheckName, state: TargetState, policy: Policy, now: Instant) -> bool:
    """Every check hurries while it is unsettled. The ways of a trace hurry while traces are in doubt, too."""
    if check is CheckName.CANARY and state.backoff is not None:
        return False
    if unsettled(state.check_state(check)):
        return True
    match check:
        case CheckName.CANARY | CheckName.CONFIG:
            return state.recovery is not None or _traces_in_doubt(state, policy, now)
        case CheckName.CONTROL:
            return _traces_in_doubt(state, policy, now) or _cannot_read(state)
        case _:
            return False


def _cannot_read(state: TargetState) -> bool:
    """A failing read of the backend starts the control too."""
    result = state.check_state(CheckName.ARRIVAL).result
    if result is None:
        return False
    failed = result.verdict is Verdict.UNKNOWN and result.unknown_reason not in _READ_AND_SAW_NOTHING
    return failed or result.fault is Fault.KEY_REJECTED


def _traces_in_doubt(state: TargetState, policy: Policy, now: Instant) -> bool:
    """A trace that has not come by `look_closer_after`, or losses that are not settled yet."""
    if not policy.enabled(CheckName.ARRIVAL):
        return False
    if state.check_state(CheckName.ARRIVAL).confirmed:
        return True
    return any(_overdue(canary, policy, now) for canary in state.canaries) or _lost_recently(state)


def _overdue(canary: Canary, policy: Policy, now: Instant) -> bool:
    return (
        canary.pending
        and canary.accepted
        and canary.arrived_at is None
        and now - canary.waited_since >= policy.arrival.look_closer_after
    )


def _lost_recently(state: TargetState) -> bool:
    """Whether the newest judged canary was lost."""
    judged = [canary for canary in state.canaries if canary.outcome not in (None, Outcome.UNKNOWN)]
    return bool(judged) and judged[-1].outcome is Outcome.MISSING and not judged[-1].excused


def due_at(check: CheckName, state: TargetState, policy: Policy, now: Instant) -> Instant:
    """When a check should look next, at the latest; the regular grid may be sooner."""
    last = _last_run(check, state)
    if last is None:
        return now
    due = last + interval(check, state, policy, now)
    if check is CheckName.CANARY and state.backoff is not None:
        return max(due, state.backoff.until)
    return max(now, due)


def _last_run(check: CheckName, state: TargetState) -> Instant | None:
    """When a check ran last: also a run that was kept from sending, or that crashed before it sent anything."""
    last = state.check_state(check).last
    looked_at = last.at if last is not None else None
    match check:
        case CheckName.CANARY:
            return _later(state.canaries[-1].sent_at if state.canaries else None, looked_at)
        case CheckName.CONTROL:  # its looks are reads of spans that were sent before
            cut_short = last is not None and last.result.unknown_reason in _CUT_SHORT
            return _later(state.controls[-1].sent_at if state.controls else None, looked_at if cut_short else None)
        case _:
            return looked_at


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def origin_is_due(state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether TrueFoundry's own store should be asked: at start, hourly, and at once when a trace has not come."""
    if policy.origin is None or not state.canaries:
        return False
    looked_at = state.origin_looked_at
    if looked_at is None or now - looked_at >= policy.origin.every:
        return True
    overdue = [canary for canary in state.canaries if _overdue(canary, policy, now)]
    if overdue and overdue[-1].origin is None:
        return True
    again = min(_ORIGIN_AGAIN_AFTER, 0.4 * policy.arrival.missing_after)
    return _traces_in_doubt(state, policy, now) and now - looked_at >= again


def gateway_policies_are_due(state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether the gateway's other configurations should be read: at start, hourly, after a change, and while something is wrong."""
    if policy.gateway_policies is None:
        return False
    looked_at = state.gateway_policies_read_at
    changed_at = state.config.changed_at if state.config is not None else None
    if looked_at is not None and changed_at is not None and looked_at < changed_at <= now:
        return True
    return _is_due(policy.gateway_policies, looked_at, state, policy, now)


def counters_are_due(state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether the gateway's own counters should be read: at start, hourly, and while something is wrong."""
    return _is_due(policy.pipeline_counters, state.counters_read_at, state, policy, now)


def collector_counters_are_due(state: TargetState, policy: Policy, now: Instant) -> bool:
    """Whether the Collector's own counters should be read: as often as the gateway's."""
    return _is_due(policy.collector_counters, state.collector_read_at, state, policy, now)


def _is_due(
    cadence: Cadence | None, looked_at: Instant | None, state: TargetState, policy: Policy, now: Instant
) -> bool:
    if cadence is None:
        return False
    if looked_at is None or now - looked_at >= cadence.every:
        return True
    wrong = _traces_in_doubt(state, policy, now) or bool(state.confirmed.keys() - MONITORS_OWN)
    return wrong and now - looked_at >= cadence.every_while_failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How often, and when last, a trace was looked for (successfully or not)."""

    tries: int = 0
    at: Instant | None = None


def awaited(state: TargetState, policy: Policy, now: Instant) -> tuple[Canary, ...]:
    """The canaries whose trace, or whose labels, are still looked for; and the lost ones again when traces arrive again."""
    shown = next((canary for canary in reversed(state.canaries) if arrived(canary)), None)
    return tuple(
        canary
        for canary in state.canaries
        if canary.pending
        or wants_labels(canary, policy.arrival, now)
        or _may_have_come(canary, shown, policy.arrival.settle, now)
    )


def _may_have_come(canary: Canary, shown: Canary | None, settle: Seconds, now: Instant) -> bool:
    """Whether a lost trace is worth another look: one that was sent later has arrived since it was given up.

    It is asked for at once, and twice more with a growing distance.
    """
    lost_at, looked_at = canary.judged_at, canary.last_look_at
    if canary.outcome is not Outcome.MISSING or canary.recovered_at is not None or lost_at is None or looked_at is None:
        return False
    if shown is None or shown.judged_at is None or now - canary.sent_at > RECOVERABLE_FOR:
        return False
    if canary.sent_at >= shown.sent_at or canary.asked_again > len(_ASKED_AGAIN_AFTER):
        return False
    if not canary.asked_again:
        return shown.judged_at > lost_at
    return shown.judged_at > looked_at + settle * _ASKED_AGAIN_AFTER[canary.asked_again - 1]


def controls_awaited(state: TargetState) -> tuple[ControlSpan, ...]:
    """The control spans that were accepted and not yet judged."""
    return tuple(control for control in state.controls if control.accepted and not control.judged)


def look_at(canary: Canary, policy: Policy, attempt: Attempt, usual: Seconds | None = None) -> Instant:
    """When a canary's trace is to be looked for next; `usual` is how long one takes, if that is known."""
    return next_look(canary, policy.arrival, attempt.at, attempt.tries, usual)


def read_control_at(control: ControlSpan, policy: Policy, attempt: Attempt) -> Instant:
    """When a control span is to be read next: backing off, but exactly at `missing_after` in any case."""
    if attempt.at is None:
        return control.sent_at + 1.0
    deadline = control.sent_at + policy.arrival.missing_after
    due = attempt.at + backoff(attempt.tries, 15.0 if attempt.at < deadline else 60.0)
    return deadline if attempt.at < deadline < due else due


# --- the budget -----------------------------------------------------------------------------------------------------


def today(budget: Budget, now: Instant) -> Budget:
    """The budget of the present day; a clock that jumps back does not refill it."""
    day = int(now // DAY)
    return Budget(day=day) if day > budget.day else budget


def spend(budget: Budget, now: Instant) -> Budget:
    """One canary more, counted before it is sent."""
    present = today(budget, now)
    return replace(present, sent=present.sent + 1)


def use(budget: Budget, now: Instant, *, input_tokens: int, output_tokens: int) -> Budget:
    """The tokens of an answer."""
    present = today(budget, now)
    return replace(
        present,
        input_tokens=present.input_tokens + max(0, input_tokens),
        output_tokens=present.output_tokens + max(0, output_tokens),
    )


def may_send(budget: Budget, limits: Limits, now: Instant, *, fast: bool) -> bool:
    """Whether one more canary is within the budget.

    The fast cadence spends only what the regular one does not need until midnight.
    """
    present = today(budget, now)
    reserve = ceil((DAY - now % DAY) / limits.every) if fast else 0
    tokens_reserve = reserve * (limits.max_tokens or 0)
    return (
        present.sent + 1 + reserve <= limits.max_per_day and present.tokens + tokens_reserve < limits.max_tokens_per_day
    )


def remaining_ratio(budget: Budget, limits: Limits, now: Instant) -> float:
    """How much of the budget is left: the smaller of both shares, 0 to 1."""
    present = today(budget, now)
    shares = (1 - present.sent / limits.max_per_day, 1 - present.tokens / limits.max_tokens_per_day)
    return max(0.0, min(shares))
