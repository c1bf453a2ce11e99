"""When other sources are asked (the own store, the switches, the counters), and which traces and control spans are awaited."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.arrival import RECOVERABLE_FOR
from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.drift import ENCODING
from monitor.core.pace import (
    Attempt,
    awaited,
    collector_counters_are_due,
    controls_awaited,
    counters_are_due,
    gateway_policies_are_due,
    look_at,
    origin_is_due,
    read_control_at,
    stale_checks,
)
from monitor.core.state import Cadence
from monitor.settings.target import ArrivalCheck
from tests.core.build import CONFIG, HOUR, MINUTE, POLICY, PROD, F, Story, a_canary, after, manifest, policy, trace_id
from tests.fakes.clock import START

# --- what is old ------------------------------------------------------------------------------------------------------


def test_a_check_that_has_not_run_for_long_says_nothing_of_the_present() -> None:
    """One that never ran is not old, and one that is not enabled is nobody's business."""
    story = Story(POLICY)
    story.passes(CONFIG)
    old = START + POLICY.cadences[CONFIG].stale_after
    assert stale_checks(story.state, POLICY, old) == frozenset()
    assert stale_checks(story.state, POLICY, old + 1) == {CONFIG}
    assert stale_checks(story.state, replace(POLICY, cadences={}), old + 1) == frozenset()


# --- the origin ------------------------------------------------------------------------------------------------------


def asked(
    at: float | None, *, overdue: bool = False, now: float, arrival: ArrivalCheck | None = None, **of_it: Any
) -> bool:
    """Whether TrueFoundry's own store should be asked; `of_it`: what is known of the canary that is overdue."""
    arrived = a_canary(1, outcome=Outcome.ARRIVED)
    rules = policy(arrival=arrival or ArrivalCheck())
    story = after(Story(rules, now=now), arrived, *([a_canary(2, **of_it)] if overdue else []))
    story.state = replace(story.state, origin_looked_at=at)
    return origin_is_due(story.state, story.policy, story.now)


def test_the_own_store_is_asked_at_start_and_hourly() -> None:
    """Once there is a canary to ask for."""
    assert asked(None, now=START)
    assert not asked(START, now=START + HOUR - 1)
    assert asked(START, now=START + HOUR)
    assert not origin_is_due(Story().state, POLICY, START)


def test_the_own_store_is_asked_at_once_when_a_trace_has_not_come() -> None:
    """However lately it was asked for others, and also where the id is not known: then by the nonce."""
    assert not asked(START + 59, overdue=True, now=START + 59)
    assert asked(START + 59, overdue=True, now=START + 60)
    assert asked(START + 59, overdue=True, now=START + 60, trace_id=None)


def test_the_own_store_is_asked_again_for_a_trace_that_it_did_not_have() -> None:
    """Every two minutes: it may lag behind. Where everything is settled faster, that is asked faster too."""
    assert not asked(START + 60, overdue=True, now=START + 179, origin=False)
    assert asked(START + 60, overdue=True, now=START + 180, origin=False)
    soon = ArrivalCheck(look_closer_after="4s", late_after="8s", missing_after="12s")
    assert not asked(START + 4, overdue=True, now=START + 8, origin=False, arrival=soon)
    assert asked(START + 4, overdue=True, now=START + 9, origin=False, arrival=soon)


def test_an_origin_that_is_switched_off_is_never_asked() -> None:
    """`checks.origin.enabled: false`."""
    story = after(Story(policy(origin=None), now=START), a_canary(1, outcome=Outcome.ARRIVED))
    assert not origin_is_due(story.state, story.policy, START)


# --- the switches ----------------------------------------------------------------------------------------------------


SWITCHES = Cadence(every=HOUR, every_while_failing=120, deadline=60)


def read_again(story: Story, at: float | None) -> bool:
    """Whether the gateway's other configurations should be read."""
    return gateway_policies_are_due(replace(story.state, gateway_policies_read_at=at), story.policy, story.now)


def test_the_switches_are_read_at_start_and_hourly() -> None:
    """Without waiting for a canary; not at all where the configuration may not be read."""
    story = Story(policy(gateway_policies=SWITCHES))
    assert read_again(story, None)
    assert not read_again(story.wait(HOUR - 1), START)
    assert read_again(story.wait(1), START)
    assert not read_again(Story(), None)


def test_the_switches_are_read_when_a_trace_has_not_come() -> None:
    """At most every two minutes."""
    story = after(Story(policy(gateway_policies=SWITCHES), now=START + 119), a_canary(1))
    assert not read_again(story, START)
    assert read_again(story.wait(1), START)


def test_the_switches_are_read_while_a_fault_is_confirmed() -> None:
    """Not while the monitor itself is the trouble: who is blind would only be refused more often."""
    broken = Story(policy(gateway_policies=SWITCHES)).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True).wait(120)
    assert read_again(broken, START)
    blinded = Story(policy(gateway_policies=SWITCHES, blind_after=0)).is_blind(CONFIG).wait(120)
    assert blinded.confirmed == {F.BLIND}
    assert not read_again(blinded, START)


def test_the_gateways_counters_are_read_as_often() -> None:
    """At start, hourly, and every two minutes while something is wrong; not where nobody said where they are."""
    well = replace(Story(policy(pipeline_counters=SWITCHES)).state, counters_read_at=START)
    assert counters_are_due(replace(well, counters_read_at=None), policy(pipeline_counters=SWITCHES), START)
    assert [counters_are_due(well, policy(pipeline_counters=SWITCHES), START + after) for after in (120, HOUR)] == [
        False,
        True,
    ]
    broken = Story(policy(pipeline_counters=SWITCHES)).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True).state
    assert counters_are_due(replace(broken, counters_read_at=START), policy(pipeline_counters=SWITCHES), START + 120)
    assert not counters_are_due(broken, policy(), START + HOUR)


def test_the_collectors_counters_are_read_as_often() -> None:
    """At start, hourly, and while something is wrong; each page by itself."""
    reads = policy(collector_counters=SWITCHES)
    well = replace(Story(reads).state, collector_read_at=START)
    assert collector_counters_are_due(replace(well, collector_read_at=None), reads, START)
    assert [collector_counters_are_due(well, reads, START + after) for after in (120, HOUR)] == [False, True]
    broken = Story(reads).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True).state
    assert collector_counters_are_due(replace(broken, collector_read_at=START), reads, START + 120)
    assert not collector_counters_are_due(well, policy(pipeline_counters=SWITCHES), START + HOUR)


def test_the_switches_are_read_after_the_exporter_has_been_changed() -> None:
    """Whoever changes one thing may have changed another; a change that is dated in the future is waited for."""
    story = Story(policy(gateway_policies=SWITCHES), now=START + 60)
    seen = ConfigSeen(config=manifest({ENCODING: "json"}))
    story.state = replace(story.state, config=ConfigMemory(seen=seen, changed_at=START + 50))
    assert read_again(story, START + 49)
    assert not read_again(story, START + 50)
    story.state = replace(story.state, config=ConfigMemory(seen=seen, changed_at=START + 90))
    assert not read_again(story, START + 49)
    assert read_again(story.wait(30), START + 49)
    story.state = replace(story.state, config=ConfigMemory(seen=seen))
    assert not read_again(story, START + 49)


# --- what is awaited -------------------------------------------------------------------------------------------------


LOST = {"outcome": Outcome.MISSING, "judged_at": START + 300, "last_look_at": START + 300}
CAME = {"sent_at": START + 400, "outcome": Outcome.ARRIVED, "judged_at": START + 410}


@pytest.mark.parametrize(
    ("canaries", "expected"),
    [
        ([a_canary(1)], "c1"),
        ([a_canary(1, answered_at=None)], ""),
        ([a_canary(1, outcome=Outcome.ARRIVED)], "c1"),
        ([a_canary(1, **LOST)], ""),
        ([a_canary(1, **LOST), a_canary(2, **CAME)], "c1 c2"),
        ([a_canary(1, **LOST), a_canary(2, **{**CAME, "outcome": Outcome.INCOMPLETE})], "c1"),
        ([a_canary(1, **LOST, asked_again=1), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, **{**LOST, "last_look_at": START + 49}, asked_again=1), a_canary(2, **CAME)], "c1 c2"),
        ([a_canary(1, **{**LOST, "last_look_at": START + 50}, asked_again=1), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, **{**LOST, "last_look_at": START - 1391}, asked_again=2), a_canary(2, **CAME)], "c1 c2"),
        ([a_canary(1, **{**LOST, "last_look_at": START - 1390}, asked_again=2), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, **{**LOST, "last_look_at": START - 1391}, asked_again=3), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, **LOST, recovered_at=START + 411), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, **LOST), a_canary(2, **{**CAME, "judged_at": START + 299})], "c2"),
        ([a_canary(1, **LOST, sent_at=START + 401), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, **LOST, sent_at=START + 411 - RECOVERABLE_FOR - 1), a_canary(2, **CAME)], "c2"),
        ([a_canary(1, outcome=Outcome.UNKNOWN, judged_at=START + 300), a_canary(2, **CAME)], "c2"),
    ],
)
def test_what_is_awaited(canaries: list[Canary], expected: str) -> None:
    """Pending traces and their labels; each lost one again when a later one has arrived since, and twice more after a while."""
    story = after(Story(now=START + 411), *canaries)
    for place, canary in enumerate(story.state.canaries):
        if canary.outcome is Outcome.ARRIVED:
            fresh = replace(canary, answered_at=START + 400)
            story.state = replace(
                story.state, canaries=(*story.state.canaries[:place], fresh, *story.state.canaries[place + 1 :])
            )
    assert " ".join(canary.id for canary in awaited(story.state, POLICY, story.now)) == expected


def test_a_look_for_a_trace_goes_by_its_attempts() -> None:
    """As `next_look` says."""
    assert look_at(a_canary(), POLICY, Attempt()) == START + 1
    assert look_at(a_canary(), POLICY, Attempt(tries=1, at=START + 1)) == START + 3


@pytest.mark.parametrize(
    ("accepted", "is_judged", "waits"),
    [(True, False, True), (True, True, False), (False, False, False), (None, False, False)],
)
def test_a_control_span_is_awaited_once_accepted_until_it_is_judged(
    accepted: bool | None, is_judged: bool, waits: bool
) -> None:
    """What Traceloop did not take will not be shown."""
    control = ControlSpan(trace_id=trace_id(1), sent_at=START, accepted=accepted, judged=is_judged)
    story = Story()
    story.state = replace(story.state, target=PROD, controls=(control,))
    assert bool(controls_awaited(story.state)) == waits


def test_a_control_span_is_read_at_its_deadline_whatever_the_back_off() -> None:
    """1, 2, 4 … 15 s, exactly at `missing_after`, then every minute."""
    control = ControlSpan(trace_id=trace_id(1), sent_at=START, accepted=True)
    attempt, moments = Attempt(), []
    while (moment := read_control_at(control, POLICY, attempt)) <= START + 7 * MINUTE:
        moments.append(moment - START)
        attempt = Attempt(tries=attempt.tries + 1, at=moment)
    assert moments[:5] == [1, 3, 7, 15, 30]
    assert moments[-3:] == [300, 360, 420]
    assert read_control_at(control, POLICY, Attempt(tries=5000, at=START + 100)) == START + 115
