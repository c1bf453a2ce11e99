"""Our own network and Slack fail too: nobody is accused for it, and whoever could not be notified is notified later."""

import pytest

from monitor.core.model import CheckName, Fault, Severity
from monitor.sandbox import FAULTS
from tests.sampling import sample
from tests.scenarios.house import HOUR, MINUTE, house

SLACK_IS_DOWN = (
    "slack_unreachable",
    "slack_silent",
    "slack_slow",
    "slack_reset",
    "slack_failing",
    "slack_throttled",
    "slack_page",
    "slack_invalid_auth",
    "slack_channel_not_found",
)
SLACK_IS_ODD = ("slack_paced", "slack_refuses_blocks", "slack_edit_closed", "slack_forgets", "slack_answer_lost")


# --- our own network -------------------------------------------------------------------------------------------------


async def test_our_own_network_swallows_everything() -> None:
    """No other service answers: blind after a while, nobody is accused; reported when the network is back, no call is made."""
    async with house() as home:
        await home.settle_in()
        home.cut_off()
        await home.until(lambda: home.incident, limit=12 * MINUTE)
        await home.advance(5 * MINUTE)
        assert home.story == [("opened", "blind")]
        assert home.incident is not None
        assert home.incident.diagnosis.severity is Severity.WARNING
        assert home.notified == []
        home.connect()
        await home.until_resolved(10 * MINUTE)
        await home.advance(MINUTE)
        assert {fault for _, fault in home.story} == {"blind"}
        assert len(home.roots) == 1
        assert home.calls == []


async def test_cut_off_for_a_moment() -> None:
    """Less than ten minutes: not a word."""
    async with house() as home:
        await home.settle_in()
        home.cut_off()
        await home.advance(8 * MINUTE)
        home.connect()
        await home.advance(20 * MINUTE)
        assert home.story == []
        assert home.notified == []


async def test_a_gateway_that_swallows_everything_is_accused() -> None:
    """Another service answers, so it is not our own network."""
    async with house() as home:
        await home.settle_in()
        await home.break_("gateway_unreachable_black_hole")
        await home.until_reported("opened", "gateway_unreachable", limit=35)


async def test_cloudflare_refuses_the_monitor() -> None:
    """That is no permission and nobody's fault: blind, in one incident, without a call."""
    async with house() as home:
        await home.settle_in()
        await home.break_("blind")
        await home.until_reported("opened", "blind", limit=12 * MINUTE)
        await home.advance(20 * MINUTE)
        assert len(home.story) == 1
        assert home.calls == []
        await home.fix()
        await home.until_reported("resolved", "blind", limit=10 * MINUTE)


async def test_nobody_is_called_by_a_monitor_that_never_saw_anything_healthy() -> None:
    """Before each check has passed once the incident is delivered without a mention: it may be the monitor that is set up wrong."""
    async with house(targets={"demo": {"traceloop": {"api_key": "tl_" + "0" * 32}}}) as home:
        await home.advance(12 * MINUTE)
        assert home.roots != []
        assert home.calls == []


# --- Slack -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("down", sample(SLACK_IS_DOWN, every=4))
async def test_slack_is_down_during_the_outage(down: str) -> None:
    """The checks go on undisturbed; when Slack answers it receives what is true then, once, and calls."""
    async with house() as home:
        await home.settle_in()
        await home.break_(down, "gateway_unreachable")
        looks = len(home.looks(CheckName.CONFIG))
        await home.advance(3 * MINUTE)
        assert len(home.looks(CheckName.CONFIG)) - looks == 3
        assert home.notified == []
        await home.fix(down)
        await home.until(lambda: home.messages, limit=5 * MINUTE)
        (root,) = home.messages
        assert "critical" in home.notified[0]
        assert home.calls == [root]


async def test_opened_and_closed_while_slack_was_down() -> None:
    """One message that says both, and calls nobody."""
    async with house() as home:
        await home.settle_in()
        await home.break_("slack_failing", "gateway_unreachable")
        await home.advance(2 * MINUTE)
        await home.fix("gateway_unreachable")
        await home.until_resolved(MINUTE)
        assert home.notified == []
        await home.fix()
        await home.until(lambda: home.messages, limit=MINUTE)
        await home.advance(5 * MINUTE)
        (root,) = home.messages
        assert "resolved" in home.notified[0]
        assert "gateway_unreachable" in home.notified[0]
        assert "From " in root.text
        assert home.calls == []


async def test_the_resolve_waits_for_slack() -> None:
    """It received the opening and is unreachable at the end: the resolve comes when it answers again."""
    async with house() as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.until_called(limit=25)
        await home.break_("slack_failing")
        await home.fix("gateway_unreachable")
        await home.advance(HOUR)
        assert "resolved" not in home.notified[0]
        await home.fix()
        await home.until(lambda: "resolved" in home.notified[0], limit=20)
        assert len(home.roots) == len(home.calls) == 1


@pytest.mark.parametrize("odd", sample(SLACK_IS_ODD, every=4))
async def test_slack_is_odd(odd: str) -> None:
    """Whatever it does to blocks, edits, answers and old messages: the opening and the resolve are both to be read."""
    async with house(one_root=False) as home:
        await home.settle_in()
        await home.break_(odd)
        await home.break_("gateway_unreachable")
        await home.until(lambda: home.messages, limit=30)
        await home.advance(MINUTE)
        await home.fix("gateway_unreachable")
        await home.until_resolved(MINUTE)
        await home.advance(MINUTE)
        await home.fix()
        await home.advance(MINUTE)
        assert any("critical" in text for message in home.messages for text in (message.text, *message.versions))
        assert "resolved" in home.notified[-1]
        assert len(home.calls) <= len(home.roots)
        if odd != "slack_answer_lost":
            assert len(home.calls) == 1


def test_every_fault_of_slack_is_tried() -> None:
    """None of the sandbox's ways to break Slack is left out above."""
    assert {name for name in FAULTS if name.startswith("slack_")} == {*SLACK_IS_DOWN, *SLACK_IS_ODD}


@pytest.mark.thorough
async def test_a_target_that_breaks_in_two_ways_is_one_thread_however_long_it_lasts() -> None:
    """Reminders and the escalation go to the thread; the escalation calls once more."""
    async with house() as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.advance(4.6 * HOUR)
        (root,) = home.roots
        assert [line.split(":")[0] for line in home.thread(root)] == ["🚨 escalated", "⏰ reminder"]
        assert len(home.calls) == 2
        await home.fix()
        await home.until_resolved(MINUTE)
        assert {incident.diagnosis.fault for incident in home.state.incidents} == {Fault.GATEWAY_UNREACHABLE}
