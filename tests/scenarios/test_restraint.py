"""When canaries are not sent: the gateway is down or asks us to wait, the day's budget is spent."""

from itertools import pairwise

import pytest

from monitor.core.model import CheckName, Fault, UnknownReason, Verdict
from tests.sampling import sample
from tests.scenarios.house import HOUR, MINUTE, House, house


def intervals(home: House, *, since: float = 0.0) -> list[int]:
    """The seconds between one canary and the next, of those that were sent after a moment."""
    sent = [canary.sent_at for canary in home.state.canaries if canary.sent_at > since]
    return [round(later - earlier) for earlier, later in pairwise(sent)]


@pytest.mark.thorough
async def test_after_429_the_cadence_doubles_up_to_half_an_hour() -> None:
    """Ten minutes, twenty, thirty, thirty; the first answer that is served ends it."""
    async with house() as home:
        await home.settle_in()
        await home.until_sent()
        since = await home.break_("rate_limited")
        await home.advance(2.2 * HOUR)
        assert intervals(home, since=since)[:4] == [600, 1200, 1800, 1800]
        assert home.story == [("opened", "rate_limited")]
        await home.fix()
        await home.until_resolved(HOUR)
        assert home.calls == []


async def test_retry_after_is_followed() -> None:
    """Two minutes are asked for: no canary comes sooner, none of the fast cadence either."""
    async with house() as home:
        await home.settle_in()
        await home.until_sent()
        since = await home.break_("rate_limited_retry_after")
        await home.advance(30 * MINUTE)
        assert min(intervals(home, since=since)) >= 120
        assert home.state.check_state(CheckName.CANARY).unknowns == 0


async def test_the_canary_pauses_while_the_gateway_is_down() -> None:
    """None is sent while it is settled failing; its first pass sends one at once, and nobody calls the pause blind."""
    async with house() as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.until_called(limit=25)
        sent = len(home.state.canaries)
        await home.advance(30 * MINUTE)
        assert len(home.state.canaries) == sent
        last = home.state.check_state(CheckName.CANARY).last
        assert last is not None
        assert (last.result.verdict, last.result.unknown_reason) == (Verdict.UNKNOWN, UnknownReason.PAUSED)
        assert home.story == [("opened", "gateway_unreachable")]
        await home.fix()
        await home.until(lambda: home.looks(CheckName.GATEWAY)[-1].result.verdict is Verdict.PASS, limit=10)
        await home.advance(1)
        assert len(home.state.canaries) == sent + 1
        await home.until_resolved(MINUTE)


BUDGET = {"demo": {"checks": {"canary": {"every": "30m", "every_while_failing": "1m", "max_per_day": 58}}}}
"""At 08:00 UTC 32 of them are needed for the regular cadence until midnight: 26 are left for the fast one."""


@pytest.mark.thorough
async def test_the_fast_cadence_spends_only_what_the_regular_one_does_not_need() -> None:
    """The budget is never exceeded, the regular canaries are sent to the end of the day; spent is said, and is not blind."""
    async with house(targets=BUDGET) as home:
        await home.settle_in()
        await home.break_("export_failing")
        await home.until_called(limit=45 * MINUTE)
        await home.advance(45 * MINUTE)
        assert home.incident is not None
        spent = "The day's budget of extra canaries is spent, the regular ones go on"
        assert spent in home.incident.diagnosis.because
        assert home.incident.diagnosis.fault is Fault.EXPORT_FAILING
        assert Fault.BLIND not in home.state.confirmed
        fast = [gap for gap in intervals(home) if gap < 1800]
        assert 20 <= len(fast) <= 28
        before = len(home.state.canaries)
        await home.advance(1.5 * HOUR)
        assert len(home.state.canaries) - before == 3
        assert home.state.budget.sent <= 58


@pytest.mark.parametrize("fault", sample(["gateway_refused", "canary_rejected"], every=2))
async def test_a_refused_canary_accuses_no_export(fault: str) -> None:
    """No trace could be made: nothing is said of traces, however long it lasts."""
    async with house() as home:
        await home.settle_in()
        await home.break_(fault)
        await home.advance(40 * MINUTE)
        assert home.story == [("opened", fault)]
        assert home.incident is not None
        assert home.incident.diagnosis.also == ()
        assert home.calls == []
