"""One notifier that refuses, hangs or crashes: how long it is left alone, what that holds back, what is said of it."""

import logging
from dataclasses import replace

import pytest

from monitor.daemon.delivery import NotifierHealth
from monitor.ports import Undeliverable
from tests.daemon.dispatching import OPENED, RESOLVED, A, B, Picky, Slow, dispatching, reasons
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier


async def test_back_off_doubles_up_to_fifteen_seconds() -> None:
    """And begins anew after a success."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("down")})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(70)
        assert [at for _, at in slack.asked] == [0, 1, 3, 7, 15, 30, 45, 60]
        slack.errors.clear()
        await bench.advance(10)
        slack.errors[A] = Undeliverable("down again")
        began = clock.now() - START
        await bench.fixes()
        await bench.advance(4)
        assert [at - began for _, at in slack.asked[-3:]] == [0, 1, 3]


async def test_retry_after_is_obeyed() -> None:
    """When it is longer than the back-off; a shorter one hurries nobody."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("429", retry_after=120.0)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(125)
        assert [at for _, at in slack.asked] == [0, 120]
        slack.errors[A] = Undeliverable("429", retry_after=0.5)
        await bench.advance(130)
        assert [at for _, at in slack.asked[2:]] == [240, 244, 252]


async def test_neither_a_reload_nor_the_end_hurries_whoever_asked_to_wait() -> None:
    """What asks for patience is asked again when it said, by whatever worker; what is due meanwhile comes from the next process."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("429", retry_after=120.0)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(30)
        await bench.dispatcher.exchange([slack])
        await bench.advance(30)
        assert bench.health().pending == 1
        await bench.advance(65)
        assert [at for _, at in slack.asked] == [0, 120]
        await bench.dispatcher.stop(5.0)
        assert len(slack.asked) == 2


async def test_nothing_hurries_a_notifier_that_is_left_alone() -> None:
    """Whatever else changes meanwhile is reported afterwards, as it is then."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("429", retry_after=30.0)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        await bench.breaks(B)
        await bench.advance(28)
        assert len(slack.asked) == 1
        await bench.advance(1)
        assert (B, 30.0) in slack.asked


async def test_what_only_a_human_can_fix_is_tried_again_slowly() -> None:
    """Every five minutes, whatever changes, and reported when it is fixed."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("Slack says invalid_auth", permanent=True)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(30)
        await bench.fixes()
        await bench.advance(600)
        assert [at for _, at in slack.asked] == [0, 300, 600]
        slack.errors.clear()
        await bench.advance(300)
        assert reasons(slack) == [RESOLVED]


async def test_a_channel_that_is_gone_holds_back_no_other_target() -> None:
    """Each target may have its own: what is refused for good is passed by."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("Slack says channel_not_found", permanent=True)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks(A)
        await bench.breaks(B)
        await bench.advance()
        assert slack.asked == [(A, 0.0), (B, 0.0)]
        assert [notice.incident.target for notice in slack.notices] == [B]
        await bench.fixes(B)
        await bench.advance(1)
        assert reasons(slack) == [OPENED, RESOLVED]
        assert bench.health().permanent
        assert bench.health().failing_since == START


async def test_each_place_that_refuses_is_named() -> None:
    """Two channels are gone: the page names both, and the metrics; the one that is fixed is named no more."""
    clock = FakeClock()
    gone = {name: Undeliverable(f"{name} is gone", permanent=True, place=f"C-{name}") for name in (A, B)}
    slack = Picky(clock, gone)
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks(A)
        await bench.breaks(B)
        await bench.advance(1)
        assert bench.health().refused == (f"C-{A}", f"C-{B}")
        assert set(bench.health().last_error.split("; ")) == {f"{A} is gone", f"{B} is gone"}
        del slack.errors[A]
        await bench.advance(300)
        assert bench.health().refused == (f"C-{B}",)
        assert bench.health().last_error == f"{B} is gone"


@pytest.mark.parametrize("by_reload", [False, True])
async def test_what_was_refused_is_tried_at_once_when_somebody_asks(by_reload: bool) -> None:
    """The bot has been invited: nobody waits five minutes for the proof, nor after a reload."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("Slack says not_in_channel", permanent=True)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(30)
        slack.errors.clear()
        if by_reload:
            await bench.dispatcher.exchange([slack])
        else:
            bench.dispatcher.retry()
        await bench.advance(1)
        assert reasons(slack) == [OPENED]
        assert bench.health().failing_since is None


async def test_a_notice_that_crashes_a_notifier_holds_back_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again, after what did not fail; the log has one traceback of it."""
    clock = FakeClock()
    slack = Picky(clock, {A: KeyError("boom")})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks(A)
        await bench.breaks(B)
        await bench.advance(60)
        assert [notice.incident.target for notice in slack.notices] == [B]
        assert bench.health().last_error == "picky crashed: KeyError"
        assert (OPENED, "unknown") in bench.outcomes
        assert [record.getMessage() for record in caplog.records if record.exc_info] == ["notifier picky crashed"]


async def test_a_notifier_that_never_answers_is_given_up_after_a_minute() -> None:
    """It may have been reported: the outcome is unknown, and it is reported again."""
    clock = FakeClock()
    slow = Slow(clock, 1e9)
    async with dispatching(slow, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(60)
        assert bench.outcomes == [(OPENED, "unknown")]
        assert bench.health().last_error == "slow did not answer within 60 s"
        slow.takes = 0.0
        await bench.advance(1)
        assert reasons(slow) == [OPENED]


async def test_health_shows_what_a_person_must_know() -> None:
    """Since when, why, how much waits; and nothing any more once all is reported."""
    slack = FakeNotifier()
    slack.failures.append(Undeliverable("down"))
    async with dispatching(slack) as bench:
        await bench.advance(5)
        await bench.breaks()
        await bench.advance(0.5)
        assert replace(bench.health()) == NotifierHealth(pending=1, failing_since=START + 5, last_error="down")
        await bench.advance(1)
        assert replace(bench.health()) == NotifierHealth()


async def test_one_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not at every attempt; another reason is."""
    slack = FakeNotifier()
    slack.failures.extend([Undeliverable("down"), Undeliverable("down"), Undeliverable("odd")])
    async with dispatching(slack) as bench:
        await bench.breaks()
        await bench.advance(30)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["a notification to fake was not delivered: down", "a notification to fake was not delivered: odd"]


async def test_a_bug_of_ours_makes_no_notifier_dumb(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that crashes is logged and begins again."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        whole = bench.target_stores
        bench.target_stores = None  # type: ignore[assignment]  # whatever it may be
        bench.dispatcher.wake()
        await bench.advance(1)
        bench.target_stores = whole
        await bench.breaks()
        await bench.advance(13)
        assert reasons(slack) == []
        await bench.advance(1)
        assert reasons(slack) == [OPENED]
    assert "delivery to fake crashed; it restarts" in caplog.text


# --- mentions --------------------------------------------------------------------------------------------------------
