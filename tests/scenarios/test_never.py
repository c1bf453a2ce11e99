"""What must never happen, whoever asks for it: two canaries at once, or more of them than may be spent."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.sandbox import Host
from tests.sampling import sample
from tests.scenarios.house import DEMO, HOUR, MINUTE, House, house

DAY = 24 * HOUR
COMPLETION = "/chat/completions"


class Canaries:
    """Stands before the gateway: how many canaries there are at once, and when each was sent."""

    def __init__(self, home: House, takes: float) -> None:
        self._home = home
        self._takes = takes
        self.at_once = self.most = 0
        self.sent: list[float] = []

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a completion takes its time."""
        if scope["path"] != COMPLETION:
            await app(scope, receive, send)
            return
        self.sent.append(self._home.clock.now())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self._home.clock.sleep(self._takes)
            await app(scope, receive, send)
        finally:
            self.at_once -= 1


async def reload(home: House, changes: Mapping[str, Any]) -> None:
    """A new configuration of the one target's canary, as SIGHUP brings it."""
    target = home.daemon.settings.targets[DEMO]
    canary = target.checks.canary.model_copy(update=dict(changes))
    checks = target.checks.model_copy(update={"canary": canary})
    targets = {DEMO: target.model_copy(update={"checks": checks})}
    await home.reload(home.daemon.settings.model_copy(update={"targets": targets}))


@pytest.mark.parametrize("seed", sample(range(3), every=3))
async def test_no_two_canaries_of_a_target_are_ever_under_way(seed: int) -> None:
    """The schedule, the cadence of a failing check, people who ask at once, reloads and restarts: each waits for the other."""
    chance = random.Random(seed)  # noqa: S311 - the same hurry in every run
    async with house(seed=seed) as home:
        canaries = Canaries(home, takes=50.0)
        home.put_between(Host.GATEWAY, canaries)
        for _ in range(40):
            await home.advance(chance.uniform(0.0, 40.0))
            match chance.randrange(4):
                case 0 | 1:
                    home.run_now()
                case 2:
                    await reload(home, {"max_tokens": chance.randrange(16, 20)})
                case _:
                    await (home.stop() if chance.random() < 0.5 else home.kill())
                    await home.start()
        assert len(canaries.sent) > 8
        assert canaries.most == 1


FEW: Mapping[str, Any] = {
    "demo": {"checks": {"canary": {"every": "2h", "every_while_failing": "1m", "max_per_day": 20}}}
}


@pytest.mark.parametrize("seed", sample(range(3), every=3))
@pytest.mark.thorough
async def test_no_more_canaries_are_sent_in_a_day_than_its_budget(seed: int) -> None:
    """Whoever asks, over restarts before and after midnight, and when the wall clock jumps in between."""
    chance = random.Random(seed)  # noqa: S311 - the same hurry in every run
    async with house(seed=seed, targets=FEW) as home:
        canaries = Canaries(home, takes=0.2)
        home.put_between(Host.GATEWAY, canaries)
        home.clock.jump(15 * HOUR)  # 23:00 UTC
        for _ in range(50):
            home.run_now()
            await home.advance(chance.uniform(0.5, 4) * MINUTE)
            if chance.random() < 0.1:
                await (home.stop() if chance.random() < 0.5 else home.kill())
                await home.start()
            if chance.random() < 0.05:
                home.clock.jump(chance.choice((-20 * MINUTE, 30 * MINUTE, -90.0)))
        by_day = Counter(int(at // DAY) for at in canaries.sent)
        assert len(by_day) == 2
        assert 15 <= max(by_day.values()) <= 20


async def test_a_smaller_budget_holds_from_the_reload_on() -> None:
    """What has been spent is not given back, and no more than the new budget is sent that day."""
    async with house(targets=FEW) as home:
        canaries = Canaries(home, takes=0.2)
        home.put_between(Host.GATEWAY, canaries)
        for _ in range(15):
            home.run_now()
            await home.advance(2 * MINUTE)
        sent = len(canaries.sent)
        assert sent >= 12
        await reload(home, {"max_per_day": 12})
        for _ in range(15):
            home.run_now()
            await home.advance(2 * MINUTE)
        assert len(canaries.sent) == sent
        assert home.state.budget.sent == sent
