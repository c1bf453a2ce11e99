"""Who is mentioned, and how often: once a minute for each channel and mention, over restarts too."""

from dataclasses import replace

import pytest

from monitor.core.model import Fault, Seconds
from monitor.core.state import CheckState, TargetState
from monitor.ports import Undeliverable
from tests.daemon.dispatching import GATEWAY, HOUR, OPENED, A, B, dispatching
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier
from tests.notifiers.notices import an_incident, notified_of


async def test_a_channel_is_called_at_most_once_a_minute() -> None:
    """Within it the message is posted at once without, and the mention is not made up."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks(A)
        await bench.advance(59)
        bench.clock.jump(-HOUR)  # a wall clock that is set back changes nothing
        await bench.breaks(B)
        await bench.advance(600)
        assert [(notice.incident.target, notice.mention) for notice in slack.notices] == [(A, True), (B, False)]


@pytest.mark.parametrize(("after", "mention"), [(30.0, False), (60.0, True), (-30.0, True)])
async def test_a_restart_does_not_call_again_within_the_minute(after: Seconds, *, mention: bool) -> None:
    """What an earlier process called counts; a moment in the future says nothing."""
    clock = FakeClock()
    slack = FakeNotifier()
    async with dispatching(slack, clock=clock) as before:
        await before.breaks(A)
        await before.advance()
        saved = before.saved
    clock.jump(after)
    async with dispatching(slack, clock=clock, states=saved) as bench:
        await bench.breaks(B)
        await bench.advance()
    assert [(notice.incident.target, notice.mention) for notice in slack.notices] == [(A, True), (B, mention)]


async def test_after_a_restart_the_last_call_counts_whichever_target_it_was_for() -> None:
    """The limit is the channel's: what was called for another target long ago makes no room."""
    check_states = {GATEWAY: CheckState(ever_passed=True, seen_at=START)}
    states = {}
    for target, called_at in ((A, START - 10), (B, START - HOUR)):
        over = an_incident(id=f"of {target}", target=target, opened_at=called_at, closed_at=called_at + 5)
        notified = notified_of(over, closed=True, mentioned_at=called_at)
        states[target] = TargetState(
            target=target, check_states=check_states, incidents=(replace(over, notified={"fake": notified}),)
        )
    slack = FakeNotifier()
    async with dispatching(slack, states=states) as bench:
        await bench.breaks(B)
        await bench.advance()
        assert [(notice.reason, notice.mention) for notice in slack.notices] == [(OPENED, False)]


async def test_a_message_that_calls_nobody_takes_no_call_from_another() -> None:
    """A warning is posted, and what turns out critical a moment later calls all the same."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks(B, Fault.RATE_LIMITED)
        await bench.advance(10)
        await bench.breaks(A)
        await bench.advance()
        assert [(notice.incident.target, notice.mention) for notice in slack.notices] == [(B, False), (A, True)]


async def test_after_a_minute_it_is_called_again() -> None:
    """Sixty seconds after the last."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks(A)
        await bench.advance(60)
        await bench.breaks(B)
        await bench.advance()
        assert [notice.mention for notice in slack.notices] == [True, True]


async def test_another_channel_is_called_for_itself() -> None:
    """The limit is per channel and mention."""
    slack = FakeNotifier(mention_key=str)
    async with dispatching(slack) as bench:
        await bench.breaks(A)
        await bench.breaks(B)
        await bench.advance()
        assert [notice.mention for notice in slack.notices] == [True, True]


async def test_a_mention_that_was_not_delivered_called_nobody() -> None:
    """The next attempt calls."""
    slack = FakeNotifier()
    slack.failures.append(Undeliverable("down"))
    async with dispatching(slack) as bench:
        await bench.breaks(A)
        await bench.advance(1)
        assert [notice.mention for notice in slack.notices] == [True]


async def test_nobody_is_called_before_the_monitor_has_proven_itself() -> None:
    """Before each enabled check has passed once, the message is posted without."""
    slack = FakeNotifier()
    async with dispatching(slack, states={A: TargetState(target=A)}) as bench:
        await bench.breaks()
        await bench.advance()
        assert [(notice.reason, notice.mention) for notice in slack.notices] == [(OPENED, False)]


# --- silences --------------------------------------------------------------------------------------------------------
