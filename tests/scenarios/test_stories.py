"""Whole stories: causes and their consequences, one after the other and at once, as Slack received them."""

import pytest

from monitor.core.canary import Outcome
from monitor.core.model import CheckName, Fault, Severity
from monitor.core.text import length_text
from monitor.notifiers.wording import utc
from monitor.sandbox import FAULTS
from tests.fakes.store import MemoryStore
from tests.sampling import sample
from tests.scenarios.house import HOUR, MINUTE, OPERATED, house

DISABLED, DRIFT, REFUSED = "exporter_disabled", "config_drift", "gateway_refused"


async def test_the_exporter_is_switched_off_and_on_again() -> None:
    """One parsed look: opened, exporter_disabled; restored and traces arrive: resolved, in the same thread."""
    async with house() as home:
        await home.settle_in()
        looks = len(home.looks(CheckName.CONFIG))
        await home.break_(DISABLED)
        await home.until_reported("opened", DISABLED, limit=75)
        assert len(home.looks(CheckName.CONFIG)) == looks + 1
        await home.advance(0)
        (root,) = home.roots
        assert home.calls == [root]
        await home.fix()
        await home.until_reported("resolved", DISABLED, limit=8 * MINUTE)
        await home.advance(0)
        assert home.roots == [root]
        assert len(home.thread(root)) == 1
        assert home.calls == [root]


@pytest.mark.parametrize("hours", sample([0.1, 0.25, 0.75, 4], every=4))
async def test_cause_first(hours: float) -> None:
    """Drift, and the traces that go missing after it, are one incident: one message with both times, and one call."""
    async with house() as home:
        await home.settle_in()
        changed = await home.break_(DRIFT)
        await home.until(lambda: home.outcomes.count("missing") > 1)
        await home.advance(0)
        assert home.story == [("opened", DRIFT)]
        assert home.incident is not None
        assert len(home.roots) == len(home.messages) == len(home.calls) == 1
        lost = next(one for one in home.state.canaries if one.outcome is Outcome.MISSING)
        assert lost.sent_at - home.incident.opened_at > MINUTE
        text = home.roots[0].text
        assert f"Traces have been lost since {utc(lost.sent_at)}. Requests are not affected." in text
        assert f"Changed by sam@example.com at {utc(changed)}" in text
        edits = len(home.roots[0].versions)
        await home.advance(hours * HOUR)
        assert len(home.roots[0].versions) <= edits + 2


async def test_who_changed_something_before_the_last_check_that_passed_is_not_named() -> None:
    """The manifest is signed by somebody who changed it long ago: whoever made the difference has left no name."""
    async with house() as home:
        await home.settle_in()
        home.sandbox.world.faults.set(DRIFT, FAULTS[DRIFT].patches)  # and nobody signs it
        await home.until_reported("opened", DRIFT, limit=75)
        await home.advance(0)
        assert home.state.config is not None
        assert home.state.config.seen.updated_by is not None
        assert home.incident is not None
        assert not any("hanged by" in line for line in home.incident.diagnosis.because)
        assert "hanged by" not in home.roots[0].text


async def test_fixed_and_waiting() -> None:
    """Fixed is not yet healthy: the message says who fixed it and that traces are awaited, and nothing calls for help."""
    async with house(**OPERATED) as home:
        await home.settle_in()
        await home.break_(DISABLED)
        await home.advance(8 * MINUTE)
        (root,) = home.roots
        assert "trace-monitor ack" in root.text
        await home.fix()
        await home.advance(75)
        assert home.incident is not None
        assert "waiting for traces" in (home.incident.diagnosis.waiting or "")
        assert "fixed, waiting for traces" in root.text.partition("\n")[0]
        assert f"{DISABLED} fixed 08:08 UTC by sam@example.com, waiting for traces." in root.text
        assert "trace-monitor ack" not in root.text
        await home.until_resolved(8 * MINUTE)
        await home.advance(0)
        lost = home.state.incidents[-1].losses
        assert lost is not None
        assert lost.lost > 0
        assert f"{lost.lost} lost" in root.text
        assert home.calls == [root]


@pytest.mark.thorough
async def test_losses_of_before_and_after_the_outage_belong_to_it() -> None:
    """The exporter's cache outlives the fix: no gap and no intermittent loss is reported of what was lost until it expired."""
    async with house() as home:
        await home.settle_in()
        await home.break_(DISABLED)
        await home.advance(12 * MINUTE)
        await home.fix()
        await home.until_resolved(8 * MINUTE)
        await home.advance(20 * MINUTE)
        assert home.story == [("opened", DISABLED), ("resolved", DISABLED)]


async def test_off_for_a_moment() -> None:
    """A configuration that is restored before the exporter has noticed: opened, fixed, resolved by the next arrivals."""
    async with house() as home:
        await home.settle_in()
        await home.break_(DISABLED)
        await home.until_reported("opened", DISABLED, limit=75)
        await home.fix()
        await home.until_reported("resolved", DISABLED, limit=4 * MINUTE)
        await home.advance(20 * MINUTE)
        assert len(home.story) == 2


async def test_started_one_minute_after_a_change() -> None:
    """The exporter may not have noticed yet that it was switched on: what is lost in the first minutes accuses nobody."""
    async with house() as home:
        await home.break_(DISABLED)
        await home.advance(3 * MINUTE)
        await home.kill()
        home.sandbox.world.slack.messages.clear()
        home.events.clear()
        home.store = MemoryStore(home.clock)
        await home.fix()
        await home.advance(MINUTE)
        await home.start()
        await home.advance(30 * MINUTE)
        assert "unknown" in home.outcomes or "missing" in home.outcomes
        assert home.story == []
        assert home.notified == []


async def test_arrivals_outrank_the_word_of_the_configuration() -> None:
    """Off, and traces arrive all the same after `settle`: there is another export path, and that is a warning."""
    async with house() as home:
        await home.settle_in()
        exporter = home.sandbox.exporter
        await home.until_sent()
        await home.advance(3)
        assert exporter._cached is not None
        exporter._cached = (float("inf"), exporter._cached[1])
        await home.break_(DISABLED)
        await home.until_reported("opened", DISABLED, limit=75)
        await home.until_reported("changed", DISABLED, limit=30 * MINUTE)
        await home.advance(0)
        assert home.incident is not None
        assert home.incident.diagnosis.severity is Severity.WARNING
        assert any("another export path" in line for line in home.incident.diagnosis.because)
        assert len(home.calls) == 1


async def test_a_second_fault_is_also_wrong_and_takes_over() -> None:
    """It is listed below the first, and when the first is fixed the incident goes on under its name, in the same thread."""
    async with house() as home:
        await home.settle_in()
        await home.break_("gateway_unreachable")
        await home.until_reported("opened", "gateway_unreachable", limit=25)
        assert home.incident is not None
        began_at = home.incident.window_began_at  # one duration everywhere: from the first evidence
        await home.break_(DRIFT)
        await home.until(lambda: home.incident is not None and home.incident.diagnosis.also, limit=75)
        await home.advance(0)
        (root,) = home.roots
        assert home.incident is not None
        assert home.incident.diagnosis.also == (Fault.CONFIG_DRIFT,)
        assert "Also wrong: config_drift" in root.text
        await home.fix("gateway_unreachable")
        await home.until_reported("changed", DRIFT, limit=25)
        await home.advance(0)
        lasted = length_text(home.clock.now() - began_at)
        still = f"Trace export points at the wrong URL ({DRIFT})"
        assert f"gateway_unreachable fixed after {lasted}; still: {still}" in home.thread(root)[-1]
        await home.fix()
        await home.until_reported("resolved", DRIFT, limit=8 * MINUTE)
        assert home.calls == [root]
        assert home.roots == [root]


async def test_a_warning_that_turns_critical_calls() -> None:
    """The change is delivered like an opening: a mention, and shown in the channel."""
    async with house() as home:
        await home.settle_in()
        await home.break_("provider_failing")
        await home.until_reported("opened", "provider_failing", limit=370)
        await home.advance(0)
        assert home.calls == []
        await home.break_(DISABLED)
        await home.until_reported("changed", DISABLED, limit=75)
        await home.advance(0)
        (reply,) = home.calls
        assert reply.thread_ts == home.roots[0].ts
        assert reply.broadcast


async def test_it_comes_back() -> None:
    """Within half an hour the same thread is used, and says again; somebody is called again."""
    async with house() as home:
        await home.settle_in()
        for _ in range(2):
            await home.break_("gateway_unreachable")
            await home.until_reported("opened", "gateway_unreachable", limit=25)
            await home.advance(2 * MINUTE)
            await home.fix()
            await home.until_reported("resolved", "gateway_unreachable", limit=25)
            await home.advance(10 * MINUTE)
        (root,) = home.roots
        assert any("again, second time" in line for line in home.thread(root))
        assert len(home.calls) == 2
