"""Several targets behind the same services break together: each is reported, the channel is called once, and nobody is flooded."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from monitor.core.model import Severity, TargetName
from tests.sampling import sample
from tests.scenarios.house import DEMO, MENTION, MINUTE, House, house

TWINS = ("staging", "eu", "us")
OTHER_CHANNEL, OTHER_MENTION = "C0ELSEWHERE", "<!subteam^S0456>"


def severities(home: House) -> dict[str, Severity]:
    """Of the open incidents, by target."""
    incidents = [target_store.state.incident for target_store in home.daemon.target_stores]
    return {incident.target: incident.diagnosis.severity for incident in incidents if incident is not None}


def is_critical(home: House, target: str) -> bool:
    """Whether a target has a critical incident now."""
    return severities(home).get(TargetName(target)) is Severity.CRITICAL


def gaps(moments: list[float]) -> list[float]:
    """The seconds between one and the next."""
    return [after - before for before, after in pairwise(moments)]


@pytest.mark.parametrize(
    ("broken", "within"),
    sample([("gateway_unreachable", 25), ("exporter_disabled", 75), ("ingest_failing", 9 * MINUTE)], every=3),
)
async def test_four_targets_break_together(broken: str, within: float) -> None:
    """One root each, one mention a minute for all of them, one message a second; what was not called for is not made up."""
    async with house(twins=TWINS) as home:
        await home.settle_in()
        await home.break_(broken)
        await home.until(lambda: len(home.roots) == 4, limit=within + 10)
        assert len(severities(home)) == 4
        assert set(severities(home).values()) == {Severity.CRITICAL}
        assert min(gaps([message.at for message in home.messages])) >= 1.0
        minutes = {int((root.at - home.roots[0].at) // MINUTE) for root in home.roots}
        assert len(home.calls) <= len(minutes)
        called = len(home.calls)
        await home.advance(15 * MINUTE)
        assert len(home.calls) == called
        await home.fix()
        await home.until(lambda: not severities(home), limit=15 * MINUTE)
        await home.advance(MINUTE)
        assert all("resolved" in root.text.partition("\n")[0] for root in home.roots)
        assert len(home.roots) == 4
        assert all(not any(MENTION in line for line in home.thread(root)) for root in home.roots)


@pytest.mark.parametrize("twins", [("eu",), pytest.param(TWINS, marks=pytest.mark.thorough)], ids=len)
async def test_a_backend_that_fails_mentions_once_for_all_targets_behind_it(twins: tuple[str, ...]) -> None:
    """However long the wave takes: each root says how many of them are affected, and which; the first alone mentions."""
    async with house(twins=twins) as home:
        await home.settle_in()
        await home.break_("ingest_failing")
        many = len(twins) + 1
        await home.until(lambda: len(home.roots) == many, limit=15 * MINUTE)
        await home.advance(5 * MINUTE)
        assert len(home.calls) == 1
        for root in home.roots:
            assert f"{many} of {many} targets behind this Traceloop are affected: " in root.text
            assert all(name in root.text for name in (DEMO, *twins))
        await home.fix()
        await home.until(lambda: not severities(home), limit=15 * MINUTE)
        await home.advance(MINUTE)
        assert not any("behind this" in root.text for root in home.roots)
        assert len(home.calls) == 1


@pytest.mark.thorough
async def test_a_target_that_notices_minutes_later_mentions_nobody_again() -> None:
    """Canaries are minutes apart, so a wave is longer than the limit of one mention a minute; the first escalates for both."""
    rare = {"eu": {"checks": {"canary": {"every": "9m", "every_while_failing": "4m"}}}}
    async with house(twins=("eu",), targets=rare) as home:
        await home.settle_in()
        await home.break_("export_failing")
        critical = {name: await home.until(partial(is_critical, home, name), 30 * MINUTE) for name in (DEMO, "eu")}
        assert critical["eu"] > MINUTE  # after the other
        await home.advance(2 * MINUTE)
        assert len(home.calls) == 1
        assert all("2 of 2 targets behind this Traceloop are affected: " in root.text for root in home.roots)
        await home.advance(40 * MINUTE)
        assert len(home.calls) == 2


@pytest.mark.thorough
async def test_they_escalate_together() -> None:
    """Half an hour later, each in its thread and in the channel; the mention is one a minute again."""
    async with house(twins=TWINS) as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.until(lambda: len(home.roots) == 4, limit=30)
        await home.advance(31 * MINUTE)
        escalations = [message for message in home.messages if "escalated" in message.text.partition("\n")[0]]
        assert len(escalations) == 4
        assert all(message.broadcast for message in escalations)
        assert min(gaps(home.mentions())) >= MINUTE
        assert len(home.calls) == 2


async def test_a_slack_that_paces_is_never_run_into() -> None:
    """One message a second and channel is what is sent, so that nothing has to wait for a Retry-After."""
    async with house(twins=TWINS) as home:
        await home.settle_in()
        await home.break_("slack_paced", "gateway_unreachable")
        await home.until(lambda: len(home.roots) == 4, limit=30)
        await home.fix("gateway_unreachable")
        await home.until(lambda: not severities(home), limit=MINUTE)
        await home.advance(20)
        assert [notice.outcome for notice in home.notices if notice.outcome != "sent"] == []


def _with_another_channel(home: House) -> None:
    home.sandbox.world.slack.channels[OTHER_CHANNEL] = "elsewhere"


async def test_each_target_has_its_own_channel_mention_and_worst() -> None:
    """Channel and mention of one do not count for another; what may be no worse than a warning calls nobody."""
    own: dict[str, Any] = {
        "staging": {"alerting": {"max_severity": "warning"}},
        "eu": {"alerting": {"channel": OTHER_CHANNEL, "mention": OTHER_MENTION}},
    }
    async with house(twins=("staging", "eu"), prepare=_with_another_channel, targets=own) as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.until(lambda: len(home.roots) == 3, limit=35)
        assert severities(home) == {
            DEMO: Severity.CRITICAL,
            TargetName("staging"): Severity.WARNING,
            TargetName("eu"): Severity.CRITICAL,
        }
        root = {str(message.text.split(" · ")[1]): message for message in home.roots}
        assert root["eu"].channel == OTHER_CHANNEL
        assert root["demo"].channel == root["staging"].channel != OTHER_CHANNEL
        assert OTHER_MENTION in root["eu"].text
        assert MENTION in root["demo"].text
        assert not any(mention in root["staging"].text for mention in (MENTION, OTHER_MENTION))
        await home.fix()
        await home.until(lambda: not severities(home), limit=MINUTE)
        await home.advance(10)
        assert {message.channel for message in home.messages if message.thread_ts == root["eu"].ts} == {OTHER_CHANNEL}
