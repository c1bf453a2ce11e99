"""When each check is due, and whether a canary may be sent."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.arrival import RECOVERABLE_FOR
from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.drift import ENCODING
from monitor.core.model import CheckName, UnknownReason
from monitor.core.pace import (
    Attempt,
    awaited,
    bar_canary,
    controls_awaited,
    counters_are_due,
    due_at,
    gateway_policies_are_due,
    interval,
    look_at,
    origin_is_due,
    read_control_at,
)
from monitor.core.state import DAY, Backoff, Budget, Cadence, Recovery
from monitor.settings.target import ArrivalCheck
from tests.core.build import (
    ARRIVAL,
    CADENCES,
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
    HOUR,
    MINUTE,
    OFF,
    POLICY,
    PROD,
    F,
    Story,
    a_canary,
    manifest,
    policy,
    trace_id,
)
from tests.fakes.clock import START

DOWN = F.GATEWAY_UNREACHABLE


def well() -> Story:
    """Every check has looked, and nothing is wrong."""
    story = Story().proven().config().passes(GATEWAY)
    story.arrives(story.canary())
    return story.control_seen(story.control(), shown=True)


def after(story: Story, *canaries: Canary) -> Story:
    """These canaries were sent."""
    story.state = replace(story.state, canaries=(*story.state.canaries, *canaries))
    return story


def pace(story: Story, check: CheckName) -> float:
    """The present cadence of a check in seconds."""
    return interval(check, story.state, story.policy, story.now)


REGULAR = {CONFIG: 60, GATEWAY: 15, CANARY: 300, ARRIVAL: 300, CONTROL: 1800}
FAST = {CONFIG: 15, GATEWAY: 5, CANARY: 60, ARRIVAL: 60, CONTROL: 120}


def fast(story: Story) -> set[CheckName]:
    """The checks that hurry."""
    return {check for check in CADENCES if pace(story, check) == FAST[check] and FAST[check] != REGULAR[check]}


# --- the pace --------------------------------------------------------------------------------------------------------


def test_when_all_is_well_nobody_hurries() -> None:
    """The regular cadence of each."""
    story = well()
    assert {check: pace(story, check) for check in CADENCES} == REGULAR


@pytest.mark.parametrize("check", list(CADENCES))
def test_a_failing_or_unsettled_check_hurries(check: CheckName) -> None:
    """One failure, one unknown look, or something confirmed."""
    assert check in fast(well().fails(check, F.RATE_LIMITED))
    assert check in fast(well().is_blind(check))
    assert check in fast(well().fails(check, F.RATE_LIMITED, conclusive=True))


@pytest.mark.parametrize(("age", "hurries"), [(59, False), (60, True)])
def test_a_trace_that_has_not_come_hurries_those_whose_evidence_is_needed(age: float, hurries: bool) -> None:
    """From `look_closer_after` on: canary, control and configuration."""
    story = after(well(), a_canary(9, sent_at=START + 2, answered_at=START + 2))
    story.now = START + 2 + age
    assert fast(story) == ({CANARY, CONTROL, CONFIG} if hurries else set())


@pytest.mark.parametrize(
    "canary",
    [
        a_canary(9, accepted=False),
        a_canary(9, arrived_at=START + 3),
        a_canary(9, outcome=Outcome.ARRIVED, judged_at=START),
        a_canary(9, outcome=Outcome.UNKNOWN, judged_at=START),
        a_canary(9, outcome=Outcome.MISSING, judged_at=START, excused=True),
        a_canary(9, answered_at=None, accepted=False),
    ],
    ids=["refused", "there", "arrived", "unknown", "excused", "never answered"],
)
def test_other_canaries_hurry_nobody(canary: Canary) -> None:
    """Nothing is overdue."""
    story = after(well(), canary)
    story.now = START + 200
    assert fast(story) == set()


def test_a_lost_trace_hurries_until_a_later_one_arrives() -> None:
    """The newest fate counts."""
    lost = a_canary(9, sent_at=START + 1, outcome=Outcome.MISSING, judged_at=START + 301)
    story = after(well(), lost)
    assert fast(story) == {CANARY, CONTROL, CONFIG}
    assert fast(after(story, a_canary(10, sent_at=START + 2, outcome=Outcome.ARRIVED, judged_at=START + 5))) == set()


def test_without_arrival_no_trace_is_in_doubt() -> None:
    """Nobody looks for it."""
    story = after(well(), a_canary(9))
    story.now = START + 200
    story.policy = policy(without=(CheckName.ARRIVAL,))
    assert pace(story, CANARY) == 300


@pytest.mark.parametrize(
    ("reason", "hurries"),
    [
        (UnknownReason.UNREACHABLE, True),
        (UnknownReason.REFUSED, True),
        (UnknownReason.CRASHED, True),
        (UnknownReason.UNPROVEN, False),
        (UnknownReason.NOTHING_TO_JUDGE, False),
    ],
)
def test_a_failing_read_of_traceloop_starts_the_control_span(reason: UnknownReason, hurries: bool) -> None:
    """A read that worked and saw nothing does not."""
    assert (CONTROL in fast(well().is_blind(ARRIVAL, reason))) == hurries


def test_a_refused_key_starts_the_control_span() -> None:
    """One refusal is enough to want to know more."""
    story = well()
    story.cannot_see(None, key_refused=True)
    assert CONTROL in fast(story)
    assert CONTROL not in fast(Story())


def test_while_a_fix_is_being_proven_canaries_and_configuration_hurry() -> None:
    """On-call is waiting."""
    story = well()
    story.state = replace(story.state, recovery=Recovery(fault=F.EXPORTER_DISABLED, at=START))
    assert fast(story) == {CANARY, CONFIG}


def test_after_a_429_canaries_do_not_hurry() -> None:
    """However much is wrong."""
    story = after(well().fails(CANARY, F.RATE_LIMITED, conclusive=True), a_canary(9))
    story.state = replace(story.state, backoff=Backoff(until=START + 600, step=600))
    story.now = START + 200
    assert CANARY not in fast(story)
    assert CONTROL in fast(story)


# --- when it is due --------------------------------------------------------------------------------------------------


def due(story: Story, check: CheckName) -> float:
    """In how many seconds a check is due."""
    return due_at(check, story.state, story.policy, story.now) - story.now


@pytest.mark.parametrize("check", list(CADENCES))
def test_a_check_that_never_ran_is_due_at_once(check: CheckName) -> None:
    """Control spans and canaries too: they prove the routes."""
    assert due(Story(), check) == 0


@pytest.mark.parametrize("check", list(CADENCES))
def test_a_check_is_due_an_interval_after_its_last_run(check: CheckName) -> None:
    """But never in the past."""
    story = well()
    story.now = START
    assert due(story, check) == pytest.approx(REGULAR[check], abs=2.1)
    story.now = START + 9000
    assert due(story, check) == 0


def test_what_hurries_is_due_sooner() -> None:
    """Also if it ran a while ago: then it is due at once."""
    story = well().wait(30).fails(GATEWAY, DOWN)
    assert due(story, GATEWAY) == 5
    lost = a_canary(9, sent_at=START + 1, outcome=Outcome.MISSING, judged_at=START + 301)
    assert due(after(well().wait(900), lost), CONTROL) == 0


def test_a_held_canary_is_due_when_the_gateway_said() -> None:
    """Or after its interval, whichever is later."""
    story = well()
    story.now = START
    for until, expected in ((900, 900), (100, 300)):
        story.state = replace(story.state, backoff=Backoff(until=START + until, step=600))
        assert due(story, CANARY) == expected


def test_a_canary_that_was_barred_has_had_its_turn() -> None:
    """Else it would be due again at once, for as long as it is barred."""
    story = well().wait(900).is_blind(CANARY, UnknownReason.BUDGET_SPENT)
    assert due(story, CANARY) == 300


def test_a_control_span_that_was_never_sent_has_had_its_turn() -> None:
    """A crash before the sending; a look that reads back an older span is no turn."""
    for reason in (UnknownReason.CRASHED, UnknownReason.SHORTAGE):
        assert due(well().wait(9000).is_blind(CONTROL, reason), CONTROL) == 120
    assert due(well().wait(9000).is_blind(CONTROL), CONTROL) == 0
    assert due(well().wait(9000).is_blind(CANARY, UnknownReason.TIMEOUT), CANARY) == 60


# --- whether a canary may be sent ------------------------------------------------------------------------------------


def barred(story: Story) -> UnknownReason | None:
    """Why no canary may be sent."""
    bar = bar_canary(story.state, story.policy, story.now)
    return bar.unknown_reason if bar is not None else None


def test_no_canary_is_sent_while_the_gateway_is_settled_failing() -> None:
    """Not after one failure; and the first pass lifts the bar, although it takes two to settle."""
    story = well().fails(GATEWAY, DOWN)
    assert barred(story) is None
    story.fails(GATEWAY, DOWN)
    assert (barred(story), bar_canary(story.state, POLICY, story.now).until) == (UnknownReason.PAUSED, None)  # type: ignore[union-attr]
    story.passes(GATEWAY)
    assert story.confirmed == {DOWN}
    assert barred(story) is None
    assert barred(story.fails(GATEWAY, DOWN)) is UnknownReason.PAUSED


def test_a_blind_gateway_check_pauses_nothing() -> None:
    """It may be our own network."""
    story = well()
    for _ in range(70):
        story.wait(10).is_blind(GATEWAY)
    assert F.BLIND in story.confirmed
    assert barred(story) is None


def test_a_gateway_check_that_is_switched_off_pauses_nothing() -> None:
    """What it believed is over."""
    story = well().fails(GATEWAY, DOWN).fails(GATEWAY, DOWN)
    story.policy = policy(without=(CheckName.GATEWAY,))
    assert barred(story) is None


def test_after_a_429_no_canary_is_sent_until_then() -> None:
    """And the bar says until when."""
    story = well()
    story.state = replace(story.state, backoff=Backoff(until=START + 600, step=600))
    story.now = START + 599
    bar = bar_canary(story.state, POLICY, story.now)
    assert bar is not None
    assert (bar.unknown_reason, bar.until) == (UnknownReason.PAUSED, START + 600)
    assert barred(story.wait(1)) is None


@pytest.mark.parametrize(
    ("sent", "since_last", "reason"),
    [
        (499, 300, None),
        (500, 300, UnknownReason.BUDGET_SPENT),
        (400, 300, None),
        (400, 60, UnknownReason.BUDGET_SPENT),
        (400, 299, UnknownReason.BUDGET_SPENT),
        (100, 60, None),
    ],
)
def test_no_canary_is_sent_beyond_the_budget(sent: int, since_last: float, reason: UnknownReason | None) -> None:
    """One that comes sooner than the regular cadence is of the fast one, and leaves what that needs."""
    story = after(Story(), a_canary(1))
    story.state = replace(story.state, budget=Budget(day=int(START // DAY), sent=sent))
    assert barred(story.wait(since_last)) is reason


def test_a_regular_canary_may_come_a_little_early() -> None:
    """The run before it was late on the grid; while nothing hurries the next one is an interval away."""
    story = after(well(), a_canary(9, sent_at=START + 2, outcome=Outcome.ARRIVED, judged_at=START + 5))
    story.state = replace(story.state, budget=Budget(day=int(START // DAY), sent=400))
    story.now = START + 2 + 270
    assert barred(story) is None
    story.now -= 1
    assert barred(story) is UnknownReason.BUDGET_SPENT


def test_the_first_canary_of_all_is_of_the_regular_cadence() -> None:
    """There is nothing that it could come too soon after."""
    story = Story()
    story.state = replace(story.state, budget=Budget(day=int(START // DAY), sent=499))
    assert barred(story) is None


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


def test_the_fast_cadence_of_a_disabled_exporter_is_that_of_the_configuration() -> None:
    """It is a look that costs nothing."""
    story = well().config(OFF)
    assert CONFIG in fast(story)
