"""The daemon may be stopped and killed at any time: nothing is lost, nothing is delivered twice, and what was awaited is judged."""

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.core.canary import Outcome
from monitor.sandbox import Host
from tests.sampling import sample
from tests.scenarios.house import MINUTE, House, house

DISABLED = "exporter_disabled"


async def again(home: House, *, kill: bool = True, after: float = 20.0) -> None:
    """Stop the daemon, hard or not, and start another one on the same store a while later."""
    await (home.kill() if kill else home.stop())
    await home.advance(after)
    await home.start()


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
@pytest.mark.parametrize("every", sample([45, 7, 140], every=3))
async def test_an_outage_with_a_restart_every_now_and_then(every: float, *, kill: bool) -> None:
    """However often it is restarted: one root, one call, one resolve, in one thread."""
    async with house() as home:
        await home.settle_in()
        await home.break_(DISABLED)
        await home.until_called(limit=75)
        for _ in range(3):
            await home.advance(every)
            await again(home, kill=kill)
        await home.fix()
        for _ in range(3):
            await home.advance(every)
            await again(home, kill=kill)
        await home.until(lambda: "resolved" in home.notified[0], limit=15 * MINUTE)
        (root,) = home.roots
        assert home.calls == [root]
        assert [line for line in home.thread(root) if "resolved" in line] == home.thread(root)
        assert len(home.thread(root)) == 1


async def test_killed_before_anybody_was_notified() -> None:
    """What was seen is seen again by the next daemon, and reported once."""
    async with house() as home:
        await home.settle_in()
        await home.break_("slack_failing", DISABLED)
        await home.until(lambda: home.incident, limit=75)
        await again(home)
        await home.fix("slack_failing")
        await home.until_called(limit=75)
        assert len(home.roots) == 1


async def test_broken_and_fixed_while_nobody_looked() -> None:
    """An incident that is over when the next daemon starts is reported as resolved, in its thread."""
    async with house() as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.until_called(limit=25)
        await home.kill()
        await home.fix()
        await home.advance(10 * MINUTE)
        await home.start()
        await home.until(lambda: "resolved" in home.notified[0], limit=MINUTE)
        assert len(home.roots) == len(home.calls) == 1


async def test_killed_between_sending_and_recording() -> None:
    """Then, and only then, a message may come twice; the resolve reaches the one that is remembered."""

    async def answer_late(service: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await service(scope, receive, _slowly(home, send))

    async with house(one_root=False) as home:
        await home.settle_in()
        home.put_between(Host.SLACK, answer_late)
        await home.break_(DISABLED)
        await home.until_called(limit=75)
        assert home.incident is not None
        assert home.incident.notified == {}
        await home.kill()
        home.put_between(Host.SLACK, None)
        await home.start()
        await home.advance(MINUTE)
        assert len(home.roots) == 2
        await home.fix()
        await home.until_resolved(8 * MINUTE)
        await home.advance(0)
        assert len(home.roots) == 2
        assert "resolved" in home.roots[-1].text


def _slowly(home: House, send: Send) -> Send:
    async def send_later(message: object) -> None:
        await home.clock.sleep(5)
        await send(message)  # type: ignore[arg-type]

    return send_later


async def test_a_canary_that_was_awaited_is_judged_after_the_restart() -> None:
    """Its trace came while nobody looked: it arrived, and it is sent only once."""
    async with house() as home:
        await home.settle_in()
        await home.until_sent()
        (canary,) = [one for one in home.state.canaries if one.pending]
        await again(home, after=30)
        await home.advance(10)
        judged = next(one for one in home.state.canaries if one.id == canary.id)
        assert judged.outcome is Outcome.ARRIVED


async def test_a_canary_that_was_lost_is_judged_after_the_restart() -> None:
    """Missing by a look that succeeded after its deadline; the next daemon goes on where the last one ended."""
    async with house() as home:
        await home.settle_in()
        await home.break_("export_failing")
        await home.until_sent()
        canary = home.state.canaries[-1]
        await again(home, after=9 * MINUTE)
        await home.advance(10)
        judged = next(one for one in home.state.canaries if one.id == canary.id)
        assert judged.outcome is Outcome.MISSING
        await home.until_called(limit=8 * MINUTE)
        assert len(home.calls) == 1


async def test_the_budget_survives_a_restart() -> None:
    """What was spent before is not spent again: a daemon that dies after each canary sends no more than its budget."""
    async with house() as home:
        await home.settle_in()
        for _ in range(5):
            await again(home, after=1)
            await home.advance(5)
        sent = len(home.state.canaries)
        assert home.state.budget.sent == sent
        assert sent <= 3
