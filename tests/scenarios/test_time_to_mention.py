"""How long it takes until somebody is called, at the defaults and at the worst moment: the table that is promised."""

import pytest

from tests.sampling import sample
from tests.scenarios.promptness import PHASES, PROMISES, Promise, cases, measure

CASES = [(promise, broken, phase) for promise in PROMISES for broken, phase in cases(promise)]


@pytest.mark.parametrize(
    ("promise", "broken", "phase"),
    sample(CASES, every=7),
    ids=[f"{one.title}-{broken}-{phase}" for one, broken, phase in CASES],
)
async def test_somebody_is_called_in_time(promise: Promise, broken: str, phase: float) -> None:
    """Whenever between two looks it breaks."""
    assert await measure(promise, broken, phase) <= promise.at_most


@pytest.mark.parametrize("promise", sample(PROMISES, every=4), ids=[promise.title for promise in PROMISES])
async def test_the_promise_rests_on_a_default(promise: Promise) -> None:
    """One cadence slower, and it is broken: the tests above would notice."""
    took = [await measure(promise, promise.breaks[0], phase, promise.slower) for phase in (PHASES[0], PHASES[-1])]
    assert max(took) > promise.at_most


def test_every_row_of_the_table_is_measured() -> None:
    """As it is promised to operators, in seconds."""
    promised = {promise.at_most for promise in PROMISES if not promise.answer_time}
    assert promised == {75, 90, 25, 35, 660, 540}
