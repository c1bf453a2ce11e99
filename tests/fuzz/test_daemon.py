"""The whole daemon, one answer of the world changed: nobody is accused wrongly, nothing crashes, leaks or is left open."""

import random

import pytest

from tests.fuzz.mutations import KINDS, Mutation
from tests.fuzz.routes import ROUTES
from tests.fuzz.worlds import BROKEN, run

KINDS_EACH = 3
"""So many kinds of change for each answer, others for each; `make fuzz` goes through all of them again and again."""


def drawn(route: str, broken: str | None) -> list[Mutation]:
    """Some changes for an answer, the same ones in every run; in a healthy world a storm of all besides."""
    chance = random.Random(f"{route} {broken}")  # noqa: S311 - the same changes in every run are the point
    kinds = [*chance.sample(list(KINDS), KINDS_EACH), "storm"] if broken is None else [chance.choice([*KINDS, "storm"])]
    return [Mutation(kind=kind, seed=chance.randrange(1000)) for kind in kinds]


CASES = [
    (route, mutation, broken)
    for route in ROUTES
    for broken in (None, *BROKEN)
    for mutation in drawn(route, broken)
    if broken is None or ROUTES[route].matters_where_it_is_broken
]


QUICK = (CASES[0], next(case for case in CASES if case[2] is not None))
"""One in the healthy world, one in a broken one."""


@pytest.mark.parametrize(
    ("route", "mutation", "broken"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.thorough) for case in CASES],
    ids=str,
)
async def test_the_monitor_says_unknown_or_the_right_thing(route: str, mutation: Mutation, broken: str | None) -> None:
    """In a healthy world and in a broken one; and when all is fixed, what was reported is resolved where it was reported."""
    done = await run(route, mutation, broken=broken)
    assert done.wrong == []
    assert done.changed > 0 or not ROUTES[route].asked


@pytest.mark.thorough
async def test_the_session_is_asked_where_the_configuration_is_gone() -> None:
    """Only then; whatever it says, the exporter is off or nothing is known."""
    for kind in ("body", "status", "other_type"):
        done = await run("session", Mutation(kind=kind, seed=1), broken="exporter_disabled", words="off=404")
        assert (done.wrong, done.changed > 0) == ([], True)


@pytest.mark.thorough
async def test_no_change_of_an_absurd_date_hides_a_drift_or_crashes() -> None:
    """Some dates no calendar can show."""
    for seed in range(6):
        done = await run("config", Mutation(kind="moment", seed=seed), broken="config_drift")
        assert done.wrong == []


@pytest.mark.thorough
async def test_slack_may_answer_anything() -> None:
    """Whoever was notified is notified of the end, and nothing that Slack says is shown as it came."""
    for kind in ("body", "status_and_body", "other_type", "text", "retry_after"):
        done = await run("slack", Mutation(kind=kind, seed=3), broken="exporter_disabled")
        assert (done.wrong, done.changed > 0) == ([], True)
