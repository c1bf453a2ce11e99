"""When each check is due, and whether a canary may be sent."""

from dataclasses import replace

import pytest

from monitor.core.canary import Canary, Outcome
from monitor.core.model import CheckName, UnknownReason
from monitor.core.pace import due_at, interval, why_not_send
from monitor.core.state import DAY, Backoff, Budget, Recovery
from tests.core.build import (
    ARRIVAL,
    CADENCES,
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
    OFF,
    POLICY,
    F,
    Story,
    a_canary,
    after,
    policy,
)
from tests.fakes.clock import START

DOWN = F.GATEWAY_UNREACHABLE


def healthy() -> Story:
    """Every check has looked, and nothing is wrong."""
    story = Story().proven().config().passes(GATEWAY)
    story.arrives(story.canary())
    return story.control_seen(story.control(), shown=True)


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
    story = healthy()
    assert {check: pace(story, check) for check in CADENCES} == REGULAR


@pytest.mark.parametrize("check", list(CADENCES))
def test_a_failing_or_unsettled_check_hurries(check: CheckName) -> None:
    """One failure, one unknown look, or something confirmed."""
    assert check in fast(healthy().fails(check, F.RATE_LIMITED))
    assert check in fast(healthy().is_blind(check))
    assert check in fast(healthy().fails(check, F.RATE_LIMITED, conclusive=True))


@pytest.mark.parametrize(("age", "hurries"), [(59, False), (60, True)])
def test_a_trace_that_has_not_come_hurries_those_whose_evidence_is_needed(age: float, hurries: bool) -> None:
    """From `look_closer_after` on: canary, control and configuration."""
    story = after(healthy(), a_canary(9, sent_at=START + 2, answered_at=START + 2))
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
    story = after(healthy(), canary)
    story.now = START + 200
    assert fast(story) == set()


def test_a_lost_trace_hurries_until_a_later_one_arrives() -> None:
    """The newest fate counts."""
    lost = a_canary(9, sent_at=START + 1, outcome=Outcome.MISSING, judged_at=START + 301)
    story = after(healthy(), lost)
    assert fast(story) == {CANARY, CONTROL, CONFIG}
    assert fast(after(story, a_canary(10, sent_at=START + 2, outcome=Outcome.ARRIVED, judged_at=START + 5))) == set()


def test_without_arrival_no_trace_is_in_doubt() -> None:
    """Nobody looks for it."""
    story = after(healthy(), a_canary(9))
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
    assert (CONTROL in fast(healthy().is_blind(ARRIVAL, reason))) == hurries


def test_a_refused_key_starts_the_control_span() -> None:
    """One refusal is enough to want to know more."""
    story = healthy()
    story.cannot_see(None, key_refused=True)
    assert CONTROL in fast(story)
    assert CONTROL not in fast(Story())


def test_while_a_fix_is_being_proven_canaries_and_configuration_hurry() -> None:
    """On-call is waiting."""
    story = healthy()
    story.state = replace(story.state, recovery=Recovery(fault=F.EXPORTER_DISABLED, at=START))
    assert fast(story) == {CANARY, CONFIG}


def test_after_a_429_canaries_do_not_hurry() -> None:
    """However much is wrong."""
    story = after(healthy().fails(CANARY, F.RATE_LIMITED, conclusive=True), a_canary(9))
    story.state = replace(story.state, backoff=Backoff(until=START + 600, step=600))
    story.now = START + 200
    assert CANARY not in fast(story)
    assert CONTROL in fast(story)


def test_the_fast_cadence_of_a_disabled_exporter_is_that_of_the_configuration() -> None:
    """It is a look that costs nothing."""
    story = healthy().config(OFF)
    assert CONFIG in fast(story)


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
    story = healthy()
    story.now = START
    assert due(story, check) == pytest.approx(REGULAR[check], abs=2.1)
    story.now = START + 9000
    assert due(story, check) == 0


def test_what_hurries_is_due_sooner() -> None:
    """Also if it ran a while ago: then it is due at once."""
    story = healthy().wait(30).fails(GATEWAY, DOWN)
    assert due(story, GATEWAY) == 5
    lost = a_canary(9, sent_at=START + 1, outcome=Outcome.MISSING, judged_at=START + 301)
    assert due(after(healthy().wait(900), lost), CONTROL) == 0


def test_a_held_canary_is_due_when_the_gateway_said() -> None:
    """Or after its interval, whichever is later."""
    story = healthy()
    story.now = START
    for until, expected in ((900, 900), (100, 300)):
        story.state = replace(story.state, backoff=Backoff(until=START + until, step=600))
        assert due(story, CANARY) == expected


def test_a_canary_that_was_not_sent_has_had_its_turn() -> None:
    """Else it would be due again at once, for as long as it may not be sent."""
    story = healthy().wait(900).is_blind(CANARY, UnknownReason.BUDGET_SPENT)
    assert due(story, CANARY) == 300


def test_a_control_span_that_was_never_sent_has_had_its_turn() -> None:
    """A crash before the sending; a look that reads back an older span is no turn."""
    for reason in (UnknownReason.CRASHED, UnknownReason.SHORTAGE):
        assert due(healthy().wait(9000).is_blind(CONTROL, reason), CONTROL) == 120
    assert due(healthy().wait(9000).is_blind(CONTROL), CONTROL) == 0
    assert due(healthy().wait(9000).is_blind(CANARY, UnknownReason.TIMEOUT), CANARY) == 60


# --- whether a canary may be sent ------------------------------------------------------------------------------------


def why_not(story: Story) -> UnknownReason | None:
    """Why no canary may be sent."""
    not_sent = why_not_send(story.state, story.policy, story.now)
    return not_sent.unknown_reason if not_sent is not None else None


def test_no_canary_is_sent_while_the_gateway_is_settled_failing() -> None:
    """Not after one failure; and after the first pass it may be sent, although it takes two to settle."""
    story = healthy().fails(GATEWAY, DOWN)
    assert why_not(story) is None
    story.fails(GATEWAY, DOWN)
    assert (why_not(story), why_not_send(story.state, POLICY, story.now).until) == (UnknownReason.PAUSED, None)  # type: ignore[union-attr]
    story.passes(GATEWAY)
    assert story.confirmed == {DOWN}
    assert why_not(story) is None
    assert why_not(story.fails(GATEWAY, DOWN)) is UnknownReason.PAUSED


def test_a_blind_gateway_check_pauses_nothing() -> None:
    """It may be our own network."""
    story = healthy()
    for _ in range(70):
        story.wait(10).is_blind(GATEWAY)
    assert F.BLIND in story.confirmed
    assert why_not(story) is None


def test_a_gateway_check_that_is_switched_off_pauses_nothing() -> None:
    """What it believed is over."""
    story = healthy().fails(GATEWAY, DOWN).fails(GATEWAY, DOWN)
    story.policy = policy(without=(CheckName.GATEWAY,))
    assert why_not(story) is None


def test_after_a_429_no_canary_is_sent_until_then() -> None:
    """And it says until when."""
    story = healthy()
    story.state = replace(story.state, backoff=Backoff(until=START + 600, step=600))
    story.now = START + 599
    not_sent = why_not_send(story.state, POLICY, story.now)
    assert not_sent is not None
    assert (not_sent.unknown_reason, not_sent.until) == (UnknownReason.PAUSED, START + 600)
    assert why_not(story.wait(1)) is None


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
    assert why_not(story.wait(since_last)) is reason


def test_a_regular_canary_may_come_a_little_early() -> None:
    """The run before it was late on the grid; while nothing hurries the next one is an interval away."""
    story = after(healthy(), a_canary(9, sent_at=START + 2, outcome=Outcome.ARRIVED, judged_at=START + 5))
    story.state = replace(story.state, budget=Budget(day=int(START // DAY), sent=400))
    story.now = START + 2 + 270
    assert why_not(story) is None
    story.now -= 1
    assert why_not(story) is UnknownReason.BUDGET_SPENT


def test_the_first_canary_of_all_is_of_the_regular_cadence() -> None:
    """There is nothing that it could come too soon after."""
    story = Story()
    story.state = replace(story.state, budget=Budget(day=int(START // DAY), sent=499))
    assert why_not(story) is None
