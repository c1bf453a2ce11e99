"""The only way anything remembered changes: `absorb(state, input, policy, now) -> (state, events)`."""

from dataclasses import replace
from typing import assert_never

from monitor.core import series
from monitor.core.absorb import canary, control, looks, told, trace
from monitor.core.absorb.looks import Absorbed
from monitor.core.absorb.trace import OF_THE_LOOK
from monitor.core.events import Event, FaultChanged
from monitor.core.inputs import (
    Acknowledged,
    CanaryAnswered,
    CanaryPlanned,
    ControlLooked,
    ControlSent,
    ElsewhereLooked,
    Input,
    KeyTried,
    LookFailed,
    NoticeTold,
    Observation,
    OriginLooked,
    Removed,
    Ticked,
    TraceLooked,
)
from monitor.core.key import retract_key
from monitor.core.life import live
from monitor.core.model import CheckName, Instant
from monitor.core.state import Policy, TargetState


def absorb(state: TargetState, given: Input, policy: Policy, now: Instant) -> Absorbed:
    """Fold one input into the state of a target, and say what happened."""
    if state.removed_at is not None and not isinstance(given, NoticeTold):
        return state, ()
    after, events = _apply(state, given, policy, now)
    if isinstance(given, NoticeTold | CanaryPlanned | Removed):
        return after, events
    after = _judge_series(retract_key(after), policy, now)
    changed = _fault_changes(state, after, now)
    lived, more = live(state, after, policy, now)
    return lived, (*events, *changed, *more)


def _apply(  # noqa: C901, PLR0912 - one line per kind of input
    state: TargetState, given: Input, policy: Policy, now: Instant
) -> Absorbed:
    match given:
        case Observation():
            return looks.observe(state, given, policy, now)
        case CanaryPlanned():
            return canary.plan(state, given, now), ()
        case CanaryAnswered():
            return canary.answer(state, given, policy, now)
        case TraceLooked():
            return trace.look(state, given, policy, now)
        case LookFailed():
            return trace.fail_look(state, given, policy, now)
        case ControlSent():
            return control.send_control(state, given, policy, now)
        case ControlLooked():
            return control.look_for_control(state, given, policy, now)
        case OriginLooked():
            return trace.look_at_origin(state, given), ()
        case ElsewhereLooked():
            return trace.look_elsewhere(state, given), ()
        case KeyTried():
            return trace.try_key(state, given, policy), ()
        case NoticeTold():
            return told.tell(state, given), ()
        case Acknowledged():
            return told.acknowledge(state, given), ()
        case Removed():
            return told.remove(state, given.at), ()
        case Ticked():
            return replace(state, canaries=series.trim(state.canaries, now)), ()
        case _:  # pragma: no cover
            assert_never(given)


def _judge_series(state: TargetState, policy: Policy, now: Instant) -> TargetState:
    if not policy.enabled(CheckName.ARRIVAL):
        return state
    excused = replace(state, canaries=series.excuse(state.canaries, state.outages, policy.arrival.settle))
    before = excused.trend(CheckName.ARRIVAL)
    of_the_look = {f: a for f, a in before.confirmed.items() if f in OF_THE_LOOK}
    of_the_series = {f: a for f, a in before.confirmed.items() if f not in OF_THE_LOOK}
    confirmed = of_the_look | series.confirmed_by_series(excused, of_the_series, policy, now)
    if confirmed == dict(before.confirmed):
        return excused
    return replace(excused, trends={**excused.trends, CheckName.ARRIVAL: replace(before, confirmed=confirmed)})


def _fault_changes(before: TargetState, after: TargetState, now: Instant) -> tuple[Event, ...]:
    old, new = before.confirmed, after.confirmed
    changes = [(fault, True) for fault in new if fault not in old] + [(f, False) for f in old if f not in new]
    return tuple(
        FaultChanged(
            target=after.target,
            at=now,
            fault=fault,
            confirmed=confirmed,
            summary=(new if confirmed else old)[fault].charge.summary,
        )
        for fault, confirmed in changes
    )
