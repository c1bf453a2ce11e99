"""The only way anything remembered changes: `absorb(state, input, policy, now) -> (state, events)`."""

from dataclasses import replace
from typing import assert_never

from monitor.core import series
from monitor.core.absorb import canary, control, looks, told, trace, witness
from monitor.core.absorb.looks import Absorbed
from monitor.core.absorb.trace import OF_THE_LOOK
from monitor.core.events import Event, FaultChanged, KeyJudged
from monitor.core.incident_lifecycle import live
from monitor.core.inputs import (
    Acknowledged,
    CanaryAnswered,
    CanaryPlanned,
    ControlLooked,
    ControlSent,
    ElsewhereLooked,
    HopLooked,
    Input,
    KeyTried,
    LabelsUnread,
    LookFailed,
    MemoryLost,
    NoticeTold,
    Observation,
    OriginLooked,
    Removed,
    SwitchesLooked,
    Ticked,
    TraceLooked,
)
from monitor.core.key import key_is_refused, retract_key
from monitor.core.model import CheckName, Fault, Instant
from monitor.core.present import bring_to_present
from monitor.core.refine import named
from monitor.core.state import Outage, Policy, TargetState
from monitor.core.window import recount


def absorb(state: TargetState, given: Input, policy: Policy, now: Instant) -> Absorbed:
    """Fold one input into the state of a target, and say what happened."""
    if state.removed_at is not None and not isinstance(given, NoticeTold):
        return state, ()
    after, events = _apply(state, given, policy, now)
    if isinstance(given, NoticeTold | CanaryPlanned | Removed | MemoryLost):
        return after, events
    after = _judge_series(retract_key(_of_enabled_checks(after, policy)), policy, now)
    changed = _fault_changes(state, after, policy, now)
    lived, more = live(recount(state, after), policy, now)
    return lived, (*events, *_key_changes(state, after, now), *changed, *more)


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
        case LabelsUnread():
            return trace.leave_unjudged(state, given), ()
        case LookFailed():
            return trace.fail_look(state, given, policy, now)
        case ControlSent():
            return control.send_control(state, given, policy, now)
        case ControlLooked():
            return control.look_for_control(state, given, policy, now)
        case OriginLooked():
            return trace.look_at_origin(state, given, policy), ()
        case SwitchesLooked():
            return witness.look_at_switches(state, given), ()
        case HopLooked():
            return witness.look_at_hop(state, given), ()
        case ElsewhereLooked():
            return trace.look_elsewhere(state, given), ()
        case KeyTried():
            return trace.try_key(state, given, policy), ()
        case NoticeTold():
            return told.tell(state, given), ()
        case Acknowledged():
            return told.acknowledge(state, given)
        case Removed():
            return told.remove(state, given.at)
        case MemoryLost():
            return told.lose_memory(state, given)
        case Ticked():
            present = bring_to_present(state, now) if given.set_back else state
            return replace(present, canaries=series.trim(present.canaries, now)), ()
    assert_never(given)


def _of_enabled_checks(state: TargetState, policy: Policy) -> TargetState:
    """A check that is switched off believes nothing any more."""
    trends = {check: trend for check, trend in state.trends.items() if policy.enabled(check)}
    return replace(state, trends=trends)


def _judge_series(state: TargetState, policy: Policy, now: Instant) -> TargetState:
    if not policy.enabled(CheckName.ARRIVAL):
        return state
    excused = series.excuse(state, policy, now)
    trend = excused.trend(CheckName.ARRIVAL)
    of_the_look = {f: a for f, a in trend.confirmed.items() if f in OF_THE_LOOK}
    before = {f: a for f, a in trend.confirmed.items() if f not in OF_THE_LOOK}
    found = series.confirmed_by_series(excused, before, policy, now)
    judged = replace(
        excused, trends={**excused.trends, CheckName.ARRIVAL: replace(trend, confirmed={**of_the_look, **found})}
    )
    over = before.get(Fault.TRACE_MISSING)
    if over is None or Fault.TRACE_MISSING in found:
        return judged
    # The losses of an outage that is over belong to it, also those that are judged later.
    ended = max(over.since, now - policy.arrival.settle)
    outage = Outage(fault=Fault.TRACE_MISSING, began_at=over.since, ended_at=ended)
    return series.excuse(replace(judged, outages=(*judged.outages, outage)), policy, now)


def _key_changes(before: TargetState, after: TargetState, now: Instant) -> tuple[Event, ...]:
    refused = key_is_refused(after)
    if refused is key_is_refused(before):
        return ()
    return (KeyJudged(target=after.target, at=now, refused=refused),)


def _fault_changes(before: TargetState, after: TargetState, policy: Policy, now: Instant) -> tuple[Event, ...]:
    old, new = named(before, policy, now), named(after, policy, now)
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
