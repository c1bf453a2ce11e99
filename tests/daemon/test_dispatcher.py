"""Every notifier together: other ones take over, the end, and those that have to be sent again what they forget."""

import asyncio
from dataclasses import replace

import pytest

from monitor.daemon.delivery import LIMIT
from monitor.ports import Undeliverable
from monitor.settings.model import Alerting
from tests.daemon.dispatching import EDITED, HOUR, OPENED, POLICY, RESOLVED, A, B, Forgetful, Slow, dispatching, reasons
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier


async def test_stopping_delivers_once_more_what_is_due() -> None:
    """Then lets go of every notifier."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.dispatcher._cancel()
        await bench.breaks()
        await bench.dispatcher.stop(5.0)
        assert (reasons(slack), slack.closed) == ([OPENED], True)


async def test_stopping_waits_for_nobody_beyond_the_grace(caplog: pytest.LogCaptureFixture) -> None:
    """What could not be delivered is delivered after the next start."""
    clock = FakeClock()
    slow, quick = Slow(clock, 1e9), FakeNotifier("quick")
    async with dispatching(slow, quick, clock=clock) as bench:
        await bench.dispatcher._cancel()
        await bench.breaks()
        task = asyncio.ensure_future(bench.dispatcher.stop(5.0))
        assert await clock.run_until(task.done) == 5.0
        assert (reasons(quick), slow.closed, quick.closed) == ([OPENED], True, True)
        incident = bench.target_stores[A].state.incident
        assert incident is not None
        assert set(incident.notified) == {"quick"}
    assert "stopped with undelivered notifications" in caplog.text


async def test_a_bug_at_the_last_moment_keeps_nothing_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and everybody is let go."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.dispatcher._cancel()
        bench.target_stores = None  # type: ignore[assignment]  # whatever it may be
        await bench.dispatcher.stop(5.0)
        assert slack.closed
    assert "the last delivery crashed" in caplog.text


async def test_other_notifiers_take_over() -> None:
    """Each begins when the delivery that its predecessor has under way has ended, and makes it no second time."""
    clock = FakeClock()
    old, new = Slow(clock, 20, "slack"), FakeNotifier("slack")
    other = FakeNotifier("webhook")
    async with dispatching(old, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        exchanged = asyncio.create_task(bench.dispatcher.exchange([new, other]))
        await bench.advance(1)
        assert (old.closed, reasons(old), reasons(new), reasons(other)) == (False, [], [], [OPENED])
        await bench.advance(20)
        assert exchanged.done()
        await bench.advance(120)
        assert (old.begun, old.closed, reasons(old), reasons(new)) == (1, True, [OPENED], [])
        assert set(bench.dispatcher.health) == {"slack", "webhook"}


async def test_two_exchanges_at_once_leave_one_worker_for_each_way() -> None:
    """Else every reminder and escalation would go out twice until the next reload."""
    clock = FakeClock()
    old, newer, newest = Slow(clock, 20, "slack"), FakeNotifier("slack"), FakeNotifier("slack")
    async with dispatching(old, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        exchanges = [bench.dispatcher.exchange([each]) for each in (newer, newest)]
        both = asyncio.gather(*exchanges)
        await bench.advance(30)
        assert both.done()
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("notify ")] == [
            "notify slack"
        ]
        await bench.fixes()
        await bench.advance(30)
        assert (reasons(old), reasons(newer), reasons(newest)) == ([OPENED], [], [RESOLVED])


async def test_a_way_that_hangs_keeps_an_exchange_no_longer_than_its_limit() -> None:
    """What it did not answer is delivered again, as after any lost answer."""
    clock = FakeClock()
    old, new = Slow(clock, 1e9, "slack"), FakeNotifier("slack")
    async with dispatching(old, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        exchanged = asyncio.create_task(bench.dispatcher.exchange([new]))
        await bench.advance(LIMIT)
        assert exchanged.done()
        assert (old.closed, reasons(old), reasons(new)) == (True, [], [OPENED])


async def test_a_delivery_under_way_at_the_end_is_made_once() -> None:
    """It has the grace to end, and is recorded."""
    clock = FakeClock()
    slack = Slow(clock, 3, "slack")
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        ended = asyncio.create_task(bench.dispatcher.stop(5.0))
        await bench.advance(5)
        assert ended.done()
        assert (slack.begun, reasons(slack), slack.closed) == (1, [OPENED], True)


async def test_what_is_exchanged_during_the_end_begins_no_more() -> None:
    """A reload that a signal to stop interrupts leaves nobody at work."""
    clock = FakeClock()
    old, new = Slow(clock, 1e9, "slack"), FakeNotifier("slack")
    async with dispatching(old, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        work = [bench.dispatcher.exchange([new]), bench.dispatcher.stop(5.0)]
        both = asyncio.gather(*work)
        await bench.advance(70)
        assert both.done()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("notify ")]


async def test_those_who_forget_are_notified_again_of_what_is_open() -> None:
    """What they were notified of and what still lasts, and for a quarter of an hour what is over; nothing else."""
    forgetful, slack = Forgetful("alertmanager"), FakeNotifier("slack")
    async with dispatching(forgetful, slack) as bench:
        await bench.breaks(A)
        await bench.breaks(B)
        await bench.advance(1)
        await bench.fixes(B)
        await bench.advance(900)
        await bench.dispatcher.refresh()
        said = [(notice.incident.target, notice.reason, notice.labels) for notice in forgetful.refreshed]
        assert said == [(A, EDITED, {"of": "a"}), (B, RESOLVED, {"of": "b"})]
        await bench.advance(2)
        await bench.dispatcher.refresh()
        assert [notice.incident.target for notice in forgetful.refreshed] == [A]


async def test_what_comes_back_under_a_silence_is_not_said_again() -> None:
    """It was reported as over, and nobody is to be notified that it is not."""
    forgetful = Forgetful("alertmanager")
    async with dispatching(forgetful) as bench:
        bench.target_stores[A].policy = replace(
            POLICY, alerting=Alerting(fail_after=1, pass_after=1, reopen_within="1h")
        )
        await bench.breaks()
        await bench.advance(1)
        await bench.fixes()
        await bench.advance(1)
        bench.silence(0, HOUR)
        await bench.breaks()
        await bench.advance(1)
        await bench.dispatcher.refresh()
        assert bench.target_stores[A].state.incident is not None
        assert forgetful.refreshed == []


async def test_a_refresh_says_that_it_is_silenced() -> None:
    """As what was reported says it."""
    forgetful = Forgetful("alertmanager")
    async with dispatching(forgetful) as bench:
        await bench.breaks()
        await bench.advance(1)
        bench.silence(0, HOUR)
        await bench.advance(1)
        await bench.dispatcher.refresh()
        (notice,) = forgetful.refreshed
        assert notice.silenced_until == START + HOUR


async def test_a_refresh_that_is_under_way_undoes_no_resolve() -> None:
    """A resolve waits for it, and the next refresh knows."""
    forgetful = Forgetful("alertmanager")
    async with dispatching(forgetful) as bench:
        await bench.breaks()
        await bench.advance(1)
        forgetful.clock, forgetful.takes = bench.clock, 10.0
        refreshing = asyncio.ensure_future(bench.dispatcher.refresh())
        await bench.advance(1)
        await bench.fixes()
        await bench.advance(1)
        assert reasons(forgetful) == [OPENED]
        await bench.clock.run_until(refreshing.done)
        await bench.advance(1)
        assert forgetful.lines[1] == "refreshed a edited"
        assert reasons(forgetful) == [OPENED, RESOLVED]


async def test_a_resolve_that_is_under_way_is_undone_by_no_refresh() -> None:
    """It waits, and looks at what is reported when its turn has come."""
    clock = FakeClock()

    class Both(Forgetful, Slow):
        pass

    both = Both(clock, 0.0, "alertmanager")
    async with dispatching(both, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        Slow.__init__(both, clock, 10.0, "alertmanager")
        both.takes = 10.0
        await bench.fixes()
        await bench.advance(1)
        refreshing = asyncio.ensure_future(bench.dispatcher.refresh())
        await bench.clock.run_until(refreshing.done)
        assert both.lines[-1] == "refreshed a resolved"


async def test_a_refresh_that_fails_is_kept_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It comes again in a minute; since when nobody could be reached is remembered."""
    forgetful = Forgetful("alertmanager")
    forgetful.error = Undeliverable("nobody there")
    async with dispatching(forgetful) as bench:
        for _ in range(3):
            await bench.dispatcher.refresh()
            await bench.advance(60)
        assert caplog.text.count("alertmanager could not be refreshed: nobody there") == 1
        health = bench.health()
        assert (health.unrefreshed, health.unrefreshed_since) == ("nobody there", 1000.0)
        forgetful.error, forgetful.missed = None, "one is away"
        await bench.dispatcher.refresh()
        assert (health.unrefreshed, health.unrefreshed_since) == ("one is away", None)
        forgetful.missed = ""
        await bench.dispatcher.refresh()
        assert health.unrefreshed == ""


async def test_a_refresh_without_an_answer_is_given_up_after_a_minute() -> None:
    """And blocks no delivery for longer."""
    forgetful = Forgetful("alertmanager")
    async with dispatching(forgetful) as bench:
        forgetful.clock, forgetful.takes = bench.clock, 1e9
        refreshing = asyncio.ensure_future(bench.dispatcher.refresh())
        assert await bench.clock.run_until(refreshing.done) == 60
        assert bench.health().unrefreshed == "no answer in time"
        assert bench.health().unrefreshed_since is not None
