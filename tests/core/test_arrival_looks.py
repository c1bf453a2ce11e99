"""When a canary's trace is looked for: the deadlines, the back-off, what is learnt of earlier traces, and until when."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.arrival import GIVE_UP_AFTER, give_up, next_look, usual_arrival, wants_labels
from monitor.core.canary import Canary, Outcome
from monitor.core.model import Instant
from monitor.core.trace import LabelJudgement
from monitor.settings.target import ArrivalCheck
from tests.core.build import a_canary, quick
from tests.fakes.clock import START

WAITS = ArrivalCheck()


def every_look(arrival: ArrivalCheck, until: float) -> list[Instant]:
    """The moments of looking, in seconds after the answer, if every look shows nothing."""
    last: Instant | None = None
    moments: list[Instant] = []
    while (due := next_look(a_canary(), arrival, last, len(moments))) <= START + until:
        last = due
        moments.append(due - START)
    return moments


def test_looks_begin_after_a_second_and_back_off() -> None:
    """1, 2, 4, 5 s while a trace may come any moment, then 15 s; exactly at the deadlines; a minute after them."""
    moments = every_look(WAITS, 430)
    assert moments[:6] == [1, 3, 7, 12, 17, 22]
    assert {later - sooner for sooner, later in pairwise(moments) if 70 < sooner < 150} == {15}
    assert {180, 300, 360, 420} <= set(moments)


@quick
@given(late=st.integers(2, 500), more=st.integers(1, 500), closer=st.integers(1, 500))
def test_looks_happen_exactly_at_the_deadlines(late: int, more: int, closer: int) -> None:
    """Whatever the back-off."""
    arrival = ArrivalCheck(look_closer_after=f"{closer}s", late_after=f"{late}s", missing_after=f"{late + more}s")
    assert {late, late + more} <= set(every_look(arrival, late + more))


def test_a_trace_that_looks_whole_is_looked_at_again_soon() -> None:
    """A count is stable over two looks, and the second should not wait a quarter of a minute."""
    assert next_look(a_canary(whole_at=START + 100), WAITS, START + 100, 20) == START + 102


def test_a_thousand_tries_do_not_overflow() -> None:
    """2 to the power of tries has an end."""
    assert next_look(a_canary(), WAITS, START + 70, 5000) == START + 85


def test_deadlines_count_from_the_sending_while_there_is_no_answer() -> None:
    """A canary that was never answered has no other moment."""
    assert a_canary(answered_at=None).waited_since == START
    assert a_canary(answered_at=START + 3).waited_since == START + 3


def a_usual_one(number: int, took: float, **more: Any) -> Canary:
    """One whose trace arrived so many seconds after its answer."""
    return a_canary(number, outcome=Outcome.ARRIVED, arrived_at=START + took, **more)


def test_how_long_a_trace_takes_is_learnt_from_the_newest_that_arrived() -> None:
    """The longest of the newest five, once there are three; what came late or not at all teaches nothing."""
    some = tuple(a_usual_one(number, took) for number, took in enumerate((90, 4, 6, 5, 7, 4)))
    late = a_canary(9, outcome=Outcome.LATE, arrived_at=START + 200)
    assert usual_arrival(some[1:3]) is None
    assert usual_arrival((*some[1:4], late, a_canary(10))) == 6
    assert usual_arrival(some) == 7


def test_where_it_is_known_how_long_a_trace_takes_nobody_asks_much_sooner() -> None:
    """A fifth sooner, in case that it has become faster; then when it is usual; then as ever."""
    first = next_look(a_canary(), WAITS, None, 0, usual=40)
    second = next_look(a_canary(), WAITS, first, 1, usual=40)
    third = next_look(a_canary(), WAITS, second, 2, usual=40)
    assert (first, second, third) == (START + 32, START + 40.5, START + 44.5)
    assert next_look(a_canary(), WAITS, None, 0, usual=0.1) == START + 1
    assert next_look(a_canary(), WAITS, None, 0, usual=900) == START + WAITS.look_closer_after
    assert next_look(a_canary(), WAITS, START + 2, 1, usual=2) == START + 3


@pytest.mark.parametrize(
    ("after", "outcome"), [(300 + GIVE_UP_AFTER - 1, None), (300 + GIVE_UP_AFTER, Outcome.UNKNOWN)]
)
def test_without_a_look_that_succeeds_the_fate_stays_unknown(after: float, outcome: Outcome | None) -> None:
    """An hour after the deadline nobody looks any more."""
    found = give_up(a_canary(), WAITS, START + after)
    assert found.outcome is outcome


def test_a_judged_canary_is_not_given_up() -> None:
    """Its outcome stays."""
    arrived = a_canary(outcome=Outcome.ARRIVED)
    assert give_up(arrived, WAITS, START + 9000) == arrived


@pytest.mark.parametrize(
    ("canary", "after", "wanted"),
    [
        (a_canary(outcome=Outcome.ARRIVED), 10, True),
        (a_canary(outcome=Outcome.LATE), 300, True),
        (a_canary(outcome=Outcome.LATE), 301, False),
        (a_canary(outcome=Outcome.ARRIVED, labels=LabelJudgement()), 10, False),
        (a_canary(outcome=Outcome.INCOMPLETE), 10, False),
        (a_canary(outcome=Outcome.MISSING), 10, False),
        (a_canary(), 10, False),
    ],
)
def test_labels_are_wanted_of_what_arrived_until_the_deadline(canary: Canary, after: float, wanted: bool) -> None:
    """A trace whose labels could not be read by then has been judged enough."""
    assert wants_labels(canary, WAITS, START + after) == wanted
