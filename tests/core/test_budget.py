"""What a canary may cost in a UTC day, and what the fast cadence must leave for the regular one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.pace import may_send, remaining_ratio, spend, today, use
from monitor.core.state import DAY, Budget
from monitor.settings.target import CanaryCheck
from tests.core.build import quick

MIDNIGHT = 20_000 * DAY
LIMITS = CanaryCheck(max_per_day=500, max_tokens_per_day=50_000, every="5m", max_tokens=16)


def spent(sent: int = 0, tokens: int = 0, day: int = 20_000) -> Budget:
    """What has been spent on a day."""
    return Budget(day=day, sent=sent, input_tokens=tokens // 2, output_tokens=tokens - tokens // 2)


@pytest.mark.parametrize(
    ("budget", "may"),
    [
        (spent(), True),
        (spent(499), True),
        (spent(500), False),
        (spent(0, 49_999), True),
        (spent(0, 50_000), False),
        (spent(500, 50_000, day=19_999), True),
        (spent(500, 50_000, day=20_001), False),
    ],
)
def test_the_regular_cadence_may_send_until_the_budget_is_spent(budget: Budget, may: bool) -> None:
    """Canaries and tokens; every day anew, but not for a clock that jumps back."""
    assert may_send(budget, LIMITS, MIDNIGHT + 10, fast=False) == may


@pytest.mark.parametrize(
    ("after_midnight", "sent", "may"),
    [
        (0, 211, True),
        (0, 212, False),
        (DAY / 2, 355, True),
        (DAY / 2, 356, False),
        (DAY - 300, 498, True),
        (DAY - 300, 499, False),
        (DAY - 301, 497, True),
        (DAY - 301, 498, False),
        (DAY - 1, 498, True),
        (DAY - 1, 499, False),
    ],
)
def test_the_fast_cadence_leaves_what_the_regular_one_needs_until_midnight(
    after_midnight: float, sent: int, may: bool
) -> None:
    """288 a day at five minutes; each that may still be due counts."""
    assert may_send(spent(sent), LIMITS, MIDNIGHT + after_midnight, fast=True) == may


def test_the_fast_cadence_leaves_the_tokens_too() -> None:
    """As many as the regular canaries may answer with."""
    noon = MIDNIGHT + DAY / 2
    assert may_send(spent(0, 50_000 - 144 * 16 - 1), LIMITS, noon, fast=True)
    assert not may_send(spent(0, 50_000 - 144 * 16), LIMITS, noon, fast=True)


@quick
@given(offset=st.floats(0, 299.9), greed=st.integers(40, 200), most=st.integers(288, 400))
def test_the_regular_canaries_of_a_day_are_always_affordable(offset: float, greed: int, most: int) -> None:
    """However greedy the fast cadence is, and never more canaries are sent than the budget has."""
    limits = CanaryCheck(max_per_day=most, max_tokens_per_day=10**9, every="5m")
    budget = Budget()
    for place in range(288):
        regular = MIDNIGHT + offset + place * 300.0
        if regular < MIDNIGHT + DAY:
            assert may_send(budget, limits, regular, fast=False)
            budget = spend(budget, regular)
        for step in range(1, 300 // greed):
            moment = regular + step * greed
            if moment < MIDNIGHT + DAY and may_send(budget, limits, moment, fast=True):
                budget = spend(budget, moment)
    assert budget.sent <= most


def test_spending_is_counted_by_the_day() -> None:
    """The first canary after midnight begins a new budget."""
    budget = spend(spend(Budget(), MIDNIGHT), MIDNIGHT + 1)
    assert (budget.day, budget.sent) == (20_000, 2)
    assert spend(budget, MIDNIGHT + DAY) == Budget(day=20_001, sent=1)
    assert today(budget, MIDNIGHT - DAY) == budget


def test_tokens_are_counted_as_the_answers_say() -> None:
    """Both kinds; a negative number is nonsense and costs nothing."""
    budget = use(Budget(), MIDNIGHT, input_tokens=7, output_tokens=3)
    assert (budget.input_tokens, budget.output_tokens, budget.tokens) == (7, 3, 10)
    assert use(budget, MIDNIGHT, input_tokens=-7, output_tokens=-3) == budget
    assert use(budget, MIDNIGHT + DAY, input_tokens=1, output_tokens=0).tokens == 1


@pytest.mark.parametrize(
    ("budget", "ratio"),
    [
        (spent(), 1.0),
        (spent(125), 0.75),
        (spent(125, 25_000), 0.5),
        (spent(500), 0.0),
        (spent(0, 60_000), 0.0),
        (spent(500, day=1), 1.0),
    ],
)
def test_the_smaller_share_of_both_remains(budget: Budget, ratio: float) -> None:
    """Between 0 and 1."""
    assert remaining_ratio(budget, LIMITS, MIDNIGHT) == ratio
