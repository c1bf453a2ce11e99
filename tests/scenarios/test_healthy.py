"""A healthy gateway is nothing to report: in whatever variant, for however long, whatever small things happen."""

import random

import pytest

from monitor.core.events import Checked
from monitor.core.model import CheckName, Severity
from monitor.sandbox import SWITCHES, Variant
from tests.sampling import sample
from tests.scenarios.house import HOUR, MINUTE, House, house
from tests.scenarios.pairwise import covering_array, pairs

OTHER_WORDS = [
    (name, str(value)) for name, switch in SWITCHES.items() for value in switch.values if str(value) != switch.default
]
COMBINATIONS = covering_array()
LONG_ENOUGH = 370.0
"""Until the first two canaries and the first control span would be counted missing."""


async def hears_nothing(home: House) -> None:
    """Nobody is notified of anything, no check fails, and no trace is counted missing."""
    await home.advance(LONG_ENOUGH)
    assert home.notified == []
    assert home.story == []
    assert not home.state.confirmed
    assert "arrived" in home.outcomes
    assert set(home.outcomes) == {"arrived"}


async def test_healthy_by_default() -> None:
    """In the variant that the public record makes most likely."""
    async with house() as home:
        await hears_nothing(home)


@pytest.mark.parametrize(("switch", "word"), sample(OTHER_WORDS, every=8), ids=str)
async def test_healthy_in_any_variant(switch: str, word: str) -> None:
    """Every value of every switch once."""
    async with house(Variant().vary({switch: word})) as home:
        await hears_nothing(home)


@pytest.mark.parametrize("words", sample(COMBINATIONS, every=24), ids=range(len(COMBINATIONS)))
async def test_healthy_in_any_two_variants_at_once(words: dict[str, str]) -> None:
    """Every two values of different switches together, in some combination."""
    async with house(Variant().vary(words)) as home:
        await hears_nothing(home)


def test_every_two_values_meet() -> None:
    """The combinations above leave no pair out."""
    met = set[object]().union(*(pairs(row) for row in COMBINATIONS))
    sizes = [len(switch.values) for switch in SWITCHES.values()]
    assert len(met) == (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2


SLOW_WITHIN_LIMITS = {
    "control_plane_slow": 12.0,
    "gateway_unreachable_slow": 4.0,
    "read_api_slow": 8.0,
    "own_store_slow": 20.0,
}
"""Slower than anybody likes, and faster than every deadline (seconds)."""

LAGS = ("0s", "2s", "2s", "60s")


OBSERVATIONS, SEEDS = 10_000, 12
SHARE = -(-OBSERVATIONS // SEEDS)


@pytest.mark.parametrize("seed", sample(range(SEEDS), every=SEEDS))
@pytest.mark.thorough
async def test_ten_thousand_observations_with_small_troubles(seed: int) -> None:
    """Answers and indexes of any delay below the limits, a lost trace now and then, restarts: nothing critical is reported.

    That is some thirty hours of looks; every seed makes its share of them.
    """
    chance = random.Random(seed)  # noqa: S311 - the same troubles in every run
    async with house(seed=seed) as home:
        await home.settle_in()
        while len(observations(home)) < SHARE:
            for _ in range(3):
                await be_slow(home, chance)
                await home.advance(chance.uniform(2, 8) * MINUTE)
                await home.fix()
                await home.advance(chance.uniform(5, 25) * MINUTE)
            await lose_one_trace(home)
            await home.advance(chance.uniform(1, 20) * MINUTE)
            await restart(home, chance)
        assert len(observations(home)) * SEEDS >= OBSERVATIONS
        assert home.calls == []
        assert all(event.severity < Severity.CRITICAL for event in home.incidents)
        assert "missing" in home.outcomes


def observations(home: House) -> list[Checked]:
    """Every look of every check."""
    return [event for event in home.events if isinstance(event, Checked)]


async def be_slow(home: House, chance: random.Random) -> None:
    """Let one service, the model provider and Traceloop's index take their time."""
    name = chance.choice([*SLOW_WITHIN_LIMITS])
    await home.break_(name, seconds=chance.uniform(0, SLOW_WITHIN_LIMITS[name]))
    home.sandbox.world.latency = chance.uniform(0, 40)
    home.sandbox.world.vary(index_lag=chance.choice(LAGS))


async def lose_one_trace(home: House) -> None:
    """Let the exporter lose the trace of the next canary, and of no other."""
    await home.break_("export_failing")
    await home.until_sent()
    await home.fix()


async def restart(home: House, chance: random.Random) -> None:
    """Stop the daemon, gently or not, and start it again a while later."""
    await (home.stop() if chance.random() < 0.5 else home.kill())
    await home.advance(chance.uniform(0, 2) * MINUTE)
    await home.start()


async def test_each_check_looks_once_when_it_starts() -> None:
    """What one check finds hurries no other into looking twice at the same moment: two looks in a row would settle."""
    async with house() as home:
        await home.advance(4)
        looks = {check: len(home.looks(check)) for check in (CheckName.CONFIG, CheckName.GATEWAY, CheckName.CANARY)}
        assert set(looks.values()) == {1}
        assert len(home.state.controls) == 1


async def test_an_hour_without_any_trouble() -> None:
    """Every check keeps its cadence, every trace is seen to arrive, and nothing is said."""
    async with house() as home:
        await home.settle_in()
        looks = {check: len(home.looks(check)) for check in CheckName}
        await home.advance(HOUR)
        assert home.notified == []
        assert {check: len(home.looks(check)) - before for check, before in looks.items()} == {
            CheckName.CONFIG: 60,
            CheckName.GATEWAY: 240,
            CheckName.CANARY: 12,
            CheckName.ARRIVAL: 12,  # one look says that it arrived and what it carries
            CheckName.CONTROL: 2,
            CheckName.VOLUME: 0,  # off by default
        }
        assert set(home.outcomes) == {"arrived"}
