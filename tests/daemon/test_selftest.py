"""Proof, now and then, that a page would arrive."""

import asyncio
from collections.abc import Sequence

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Reason
from monitor.daemon.heartbeat import TEST_AGAIN_AFTER, TEST_TEXT, SelfTest
from monitor.ports import Notifier, Undeliverable
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier


class Hanging(FakeNotifier):
    """Never answers."""

    async def test(self, text: str) -> None:
        """Never."""
        del text
        await asyncio.Event().wait()


async def _run(*notifiers: Notifier) -> tuple[SelfTest, Sequence[Event], FakeClock]:
    clock = FakeClock()
    events: list[Event] = []
    tested = SelfTest({each.name: each for each in notifiers}, clock=clock, publish=events.append)
    work = asyncio.ensure_future(tested.run())
    await clock.run_until(work.done)
    return tested, events, clock


async def test_a_test_that_arrives_is_dated() -> None:
    """By an event like that of any notice, of the reason `test`."""
    slack = FakeNotifier("slack")
    tested, events, _ = await _run(slack)
    assert slack.lines == [TEST_TEXT]
    assert tested.problems == {}
    (event,) = events
    assert isinstance(event, NoticeHandled)
    assert (event.notifier, event.reason, event.outcome, event.at) == ("slack", Reason.TEST, "sent", START)


async def test_one_that_fails_keeps_no_other_from_being_tested() -> None:
    """What failed is a problem of its own, and whether it may have arrived is said."""
    lost, refused, good = FakeNotifier("lost"), FakeNotifier("refused"), FakeNotifier("good")
    lost.failures.append(Undeliverable("no answer", unknown=True))
    refused.failures.append(Undeliverable("Slack says invalid_auth", permanent=True))
    tested, events, _ = await _run(lost, refused, Hanging("hanging"), good)
    assert tested.problems == {
        "lost": "no answer",
        "refused": "Slack says invalid_auth",
        "hanging": "no answer within 60 s",
    }
    outcomes = [(event.notifier, event.outcome) for event in events if isinstance(event, NoticeHandled)]
    assert outcomes == [("lost", "unknown"), ("refused", "failed"), ("hanging", "unknown"), ("good", "sent")]


async def test_what_is_fixed_is_no_problem_any_more() -> None:
    """With the next test."""
    slack = FakeNotifier("slack")
    slack.failures.append(Undeliverable("down"))
    tested, _, _ = await _run(slack)
    assert tested.problems == {"slack": "down"}
    await tested.run()
    assert tested.problems == {}


async def test_what_failed_is_tested_again_soon_and_nothing_else() -> None:
    """A daily test that met a hiccup would else be a problem for a day; a good channel is not written to again."""
    good, bad = FakeNotifier("good"), FakeNotifier("bad")
    bad.failures.extend(Undeliverable("down") for _ in range(2))
    tested, events, clock = await _run(good, bad)
    await clock.advance(TEST_AGAIN_AFTER)
    await tested.run_again()
    assert tested.problems == {"bad": "down"}
    await clock.advance(TEST_AGAIN_AFTER)
    await tested.run_again()
    assert tested.problems == {}
    await clock.advance(TEST_AGAIN_AFTER)
    await tested.run_again()
    assert (good.lines, bad.lines) == ([TEST_TEXT], [TEST_TEXT])
    assert [event.outcome for event in events if isinstance(event, NoticeHandled)] == [
        "sent",
        "failed",
        "failed",
        "sent",
    ]


async def test_what_has_only_just_failed_is_left_alone() -> None:
    """Both fall due at one moment now and then."""
    bad = FakeNotifier("bad")
    bad.failures.append(Undeliverable("down"))
    tested, events, clock = await _run(bad)
    await clock.advance(1)
    await tested.run_again()
    assert len(events) == 1


async def test_two_places_of_one_notifier_are_two_problems() -> None:
    """The metrics know one notifier; a person has to know which channel."""
    one, two = FakeNotifier("slack"), FakeNotifier("slack")
    two.failures.append(Undeliverable("Slack says channel_not_found", permanent=True))
    tested = SelfTest({"slack C1": one, "slack C2": two}, clock=FakeClock(), publish=lambda _event: None)
    await tested.run()
    assert tested.problems == {"slack C2": "Slack says channel_not_found"}
