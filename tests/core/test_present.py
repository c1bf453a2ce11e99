"""A wall clock that was ahead: nothing that it dated lasts until it would be right."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.arrival import is_proven, proof_key
from monitor.core.engine import apply
from monitor.core.incident import Incident
from monitor.core.inputs import Ticked
from monitor.core.model import CheckName
from monitor.core.pace import counters_are_due, due_at, gateway_policies_are_due, may_send, origin_is_due, why_not_send
from monitor.core.present import LONGEST_BACKOFF, bring_to_present
from monitor.core.state import DAY, Backoff, Budget, TargetState
from monitor.core.trace import Route
from monitor.settings.target import CanaryCheck
from tests.core.build import CANARY, CONFIG, GATEWAY, POLICY, F, Story, a_canary
from tests.fakes.clock import START
from tests.store.values import any_value_of

AHEAD = 400 * DAY


def moments(value: Any, name: str = "") -> list[tuple[str, float]]:
    """Every float in a state, by the name of its field."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, float):
        return [(name, value)]
    if hasattr(value, "__dataclass_fields__"):
        return [each for field in value.__dataclass_fields__ for each in moments(getattr(value, field), field)]
    if isinstance(value, tuple):
        return [each for item in value for each in moments(item, name)]
    if hasattr(value, "items"):
        return [each for item in value.values() for each in moments(item, name)]
    return []


LENGTHS = {"fields", "value", "took", "step", "phases", "longest_delay", "evidence", "arrival_seconds"}
DATED_BY_OTHERS = {"updated_at", "started_at", "certificates"}


@settings(max_examples=30, deadline=None)
@given(any_value_of(TargetState), st.floats(0, 4e9))
def test_no_moment_that_is_remembered_lies_ahead(state: TargetState, now: float) -> None:
    """Of any state, also of fields that are added one day; a hold may last for half an hour, and others date what is theirs."""
    for name, moment in moments(bring_to_present(state, now)):
        latest = now + LONGEST_BACKOFF if name == "until" else now
        assert name in LENGTHS | DATED_BY_OTHERS or moment <= latest, name


def test_what_is_right_stays_as_it_is() -> None:
    """The very same value: a load changes nothing where no clock was wrong."""
    story = Story().passes(GATEWAY).fails(CONFIG, F.EXPORTER_DISABLED).fails(CONFIG, F.EXPORTER_DISABLED)
    story.canary()
    assert bring_to_present(story.state, story.now) == story.state
    assert bring_to_present(story.state, story.now).check_states is story.state.check_states


def test_a_budget_that_was_spent_in_the_future_is_spent_until_midnight_only() -> None:
    """Not for 400 days; and not refilled either: more canaries than the budget are never sent."""
    limits, spent = CanaryCheck(max_per_day=500), Budget(day=int((START + AHEAD) // DAY), sent=500, input_tokens=7)
    assert not may_send(spent, limits, START + DAY, fast=False)
    now = bring_to_present(TargetState(target=Story().state.target, budget=spent), START).budget
    assert now == replace(spent, day=int(START // DAY))
    assert not may_send(now, limits, START, fast=False)
    assert may_send(now, limits, START + DAY, fast=False)


def test_what_was_dated_ahead_keeps_nothing_waiting() -> None:
    """Looks are due, a hold ends within half an hour, an awaited trace is looked for, a proof lasts for a day."""
    ahead = START + AHEAD
    story = Story(now=ahead).passes(GATEWAY).passes(CONFIG)
    story.canary()
    state = replace(
        story.state,
        canaries=(a_canary(1, sent_at=ahead, answered_at=ahead),),
        backoff=Backoff(until=ahead, step=600),
        proofs={proof_key(Route.TRACE, "ours"): ahead},
        origin_looked_at=ahead,
        gateway_policies_read_at=ahead,
        counters_read_at=ahead,
    )
    assert due_at(CheckName.CONFIG, state, POLICY, START) > START + DAY
    fixed = bring_to_present(state, START)
    for check in (GATEWAY, CONFIG, CANARY):
        assert due_at(check, fixed, POLICY, START) <= START + LONGEST_BACKOFF
    later = START + 2 * LONGEST_BACKOFF
    assert why_not_send(fixed, POLICY, later) is None
    assert not is_proven(fixed.proofs, Route.TRACE, "ours", START + DAY + 1)
    assert fixed.canaries[0].waited_since == START
    for is_due in (origin_is_due, gateway_policies_are_due, counters_are_due):
        assert is_due(fixed, POLICY, later) == is_due(replace(fixed, backoff=None), POLICY, later)


def test_an_incident_of_the_future_is_open_since_now_or_as_long_as_it_was() -> None:
    """And one that lasted does not turn into one that nobody could be notified of."""
    story = Story(now=START + AHEAD).fails(CONFIG, F.EXPORTER_DISABLED).fails(CONFIG, F.EXPORTER_DISABLED)
    assert bring_to_present(story.state, START).incidents[-1].opened_at == START
    story.wait(90).passes(CONFIG, conclusive=True)
    closed: Incident = story.state.incidents[-1]
    assert closed.closed_at is not None
    fixed = bring_to_present(story.state, START).incidents[-1]
    assert (fixed.opened_at, fixed.closed_at) == (START - (closed.closed_at - closed.opened_at), START)
    assert not fixed.over_at_once


def test_a_clock_that_is_set_back_is_put_right_by_the_next_tick() -> None:
    """By no other: a tick that has not noticed anything changes nothing."""
    story = Story(now=START + AHEAD).passes(GATEWAY)
    same = apply(story.state, Ticked(at=START), POLICY, START)
    assert same.check_state(GATEWAY).last == story.state.check_state(GATEWAY).last
    fixed = apply(story.state, Ticked(at=START, set_back=True), POLICY, START)
    last = fixed.check_state(GATEWAY).last
    assert last is not None
    assert last.at == START
