"""Every notifier is brought up to date: once, in order, again when it failed, and never at the cost of another."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import NEVER, Notice, Reason
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, Fault, Seconds, TargetName, failing, passing
from monitor.core.silence import Silence
from monitor.core.state import Cadence, CheckState, Policy, TargetState
from monitor.daemon.delivery import LIMIT, NotifierHealth, Route
from monitor.daemon.dispatcher import Dispatcher
from monitor.ports import Notifier, Undeliverable
from monitor.runner import LiveTargetStore
from tests.core.build import a_charge
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier
from tests.notifiers.notices import an_incident, told_of

A, B = TargetName("a"), TargetName("b")
GATEWAY = CheckName.GATEWAY
POLICY = Policy(
    cadences={GATEWAY: Cadence(every=15, every_while_failing=5, deadline=5)},
    fail_after=1,
    pass_after=1,
    reopen_within=0,
)
HOUR: Seconds = 3600.0
OPENED, RESOLVED, EDITED = Reason.OPENED, Reason.RESOLVED, Reason.EDITED


class Slow(FakeNotifier):
    """Takes its time for every notice; 1e9 is for ever."""

    def __init__(self, clock: FakeClock, takes: Seconds, name: str = "slow") -> None:
        super().__init__(name)
        self.clock, self.takes, self.begun = clock, takes, 0

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """After a while."""
        self.begun += 1
        await self.clock.sleep(self.takes)
        return await super().deliver(notice)


class Picky(FakeNotifier):
    """Fails for some targets, each time in the same way, and remembers when it was asked."""

    def __init__(self, clock: FakeClock, errors: Mapping[TargetName, Exception]) -> None:
        super().__init__("picky")
        self.clock, self.errors = clock, dict(errors)
        self.asked: list[tuple[TargetName, float]] = []

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Or not."""
        self.asked.append((notice.incident.target, self.clock.now() - START))
        if notice.incident.target in self.errors:
            raise self.errors[notice.incident.target]
        return await super().deliver(notice)


class Forgetful(FakeNotifier):
    """Has to be told again and again, as Alertmanager is."""

    refreshed: Sequence[Notice] = ()
    error: Undeliverable | None = None
    missed = ""
    takes: Seconds = 0.0
    clock: FakeClock

    async def refresh(self, notices: Sequence[Notice]) -> str:
        """Remember."""
        if self.takes:
            await self.clock.sleep(self.takes)
        if self.error is not None:
            raise self.error
        self.refreshed = notices
        self.lines += [f"refreshed {notice.incident.target} {notice.reason}" for notice in notices]
        return self.missed


@dataclass
class Bench:
    """Targets whose gateway comes and goes, and a dispatcher. What is saved outlives the process."""

    clock: FakeClock
    notifiers: list[Notifier]
    target_stores: dict[TargetName, LiveTargetStore]
    saved: dict[TargetName, TargetState]
    order: list[str]
    events: list[Event]
    silences: tuple[Silence, ...] = ()
    dispatcher: Dispatcher = None  # type: ignore[assignment]  # made below

    async def breaks(self, target: TargetName = A, fault: Fault = Fault.GATEWAY_UNREACHABLE) -> None:
        """The gateway of a target is found dead, or broken otherwise."""
        suspicion = a_charge(fault, conclusive=True)
        await self.target_stores[target].apply(self._look(failing("dead", suspicion)))

    async def fixes(self, target: TargetName = A) -> None:
        """It answers again."""
        await self.target_stores[target].apply(self._look(passing("well")))

    def _look(self, result: Any) -> Observation:
        return Observation(check=GATEWAY, at=self.clock.now(), took=0.1, result=result)

    async def advance(self, seconds: Seconds = 0.0) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    def health(self, number: int = 0) -> NotifierHealth:
        """Of a notifier."""
        return self.dispatcher.health[self.notifiers[number].name]

    @property
    def outcomes(self) -> list[tuple[Reason, str]]:
        """What was published of notices."""
        return [(event.reason, event.outcome) for event in self.events if isinstance(event, NoticeHandled)]

    def silence(self, begins: Seconds, ends: Seconds, target: str = "*") -> None:
        """A silence, in seconds from START."""
        self.silences = (
            *self.silences,
            Silence(id=str(len(self.silences)), target=target, begins_at=START + begins, ends_at=START + ends),
        )
        self.dispatcher.wake()


def reasons(notifier: FakeNotifier) -> list[Reason]:
    """Of what got through."""
    return [notice.reason for notice in notifier.notices]


def make(
    notifiers: list[Notifier],
    clock: FakeClock,
    *,
    states: Mapping[TargetName, TargetState] | None = None,
    key: Callable[[TargetName], str] = lambda _target: "C1",
) -> Bench:
    """A dispatcher over two targets, not yet begun."""
    trusted = {GATEWAY: CheckState(ever_passed=True, seen_at=START)}
    known = states or {name: TargetState(target=name, check_states=trusted) for name in (A, B)}
    bench = Bench(clock, notifiers, {}, dict(known), [], [])

    async def save(state: TargetState) -> None:
        bench.order.append("saved")
        bench.saved[state.target] = state

    for name, state in known.items():
        bench.target_stores[name] = LiveTargetStore(
            state,
            POLICY,
            clock=clock,
            save=save,
            publish=bench.events.append,
            changed=lambda _state: bench.dispatcher.wake(),
        )
    bench.dispatcher = Dispatcher(
        [Route(notifier=notifier, mention_key=key) for notifier in notifiers],
        clock=clock,
        publish=bench.events.append,
        target_stores=lambda: tuple(bench.target_stores.values()),
        silences=lambda: bench.silences,
        labels=lambda target: {"of": target},
    )
    return bench


@asynccontextmanager
async def dispatching(*notifiers: Notifier, clock: FakeClock | None = None, **more: Any) -> AsyncIterator[Bench]:
    """A dispatcher at work."""
    bench = make(list(notifiers), clock or FakeClock(), **more)
    bench.dispatcher.start()
    await bench.clock.settle()
    try:
        yield bench
    finally:
        await bench.dispatcher._cancel()


# --- what is told ----------------------------------------------------------------------------------------------------


async def test_an_opening_is_told_at_once_and_once() -> None:
    """With the target's labels; and nothing more is said while nothing changes."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks()
        await bench.advance(1000)
        assert reasons(slack) == [OPENED]
        assert (slack.notices[0].mention, slack.notices[0].labels) == (True, {"of": "a"})
        assert bench.outcomes == [(OPENED, "sent")]


async def test_a_resolve_is_told_with_the_receipt_of_the_opening() -> None:
    """So that it lands in the same thread; and nobody is called for it."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks()
        await bench.advance(60)
        await bench.fixes()
        await bench.advance()
        assert reasons(slack) == [OPENED, RESOLVED]
        notified = slack.notices[1].notified
        assert notified is not None
        assert notified.receipt == {"number": "1"}
        assert not slack.notices[1].mention


async def test_time_alone_makes_an_escalation_due_exactly_when_it_is() -> None:
    """Thirty minutes after it turned critical, not at the next round."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.advance(7)
        await bench.breaks()
        await bench.advance(1800)
        assert [(notice.reason, notice.at - START) for notice in slack.notices] == [
            (OPENED, 7),
            (Reason.ESCALATED, 1807),
        ]


async def test_what_opened_and_closed_meanwhile_is_one_message() -> None:
    """A notifier that was down hears of it once, as one message that says both."""
    slack = FakeNotifier()
    slack.failures.extend(Undeliverable("down") for _ in range(3))
    async with dispatching(slack) as bench:
        await bench.breaks()
        await bench.advance(2)
        await bench.fixes()
        await bench.advance(60)
        assert reasons(slack) == [RESOLVED]
        assert slack.notices[0].notified is None
        assert not slack.notices[0].mention


async def test_the_oldest_incident_is_told_first() -> None:
    """Of several that wait."""
    slack = FakeNotifier()
    bench = make([slack], FakeClock())
    await bench.breaks(B)
    await bench.advance(0.5)
    await bench.breaks(A)
    await bench.dispatcher._workers[0].deliver_due()
    assert [notice.incident.target for notice in slack.notices] == [B, A]


async def test_a_slow_notifier_delays_no_other() -> None:
    """One worker each."""
    clock = FakeClock()
    slow, quick = Slow(clock, 1e9), FakeNotifier("quick")
    async with dispatching(slow, quick, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        assert (reasons(slow), reasons(quick)) == ([], [OPENED])


# --- crash points ----------------------------------------------------------------------------------------------------


async def test_it_is_committed_before_it_is_sent_and_recorded_after() -> None:
    """In this order, so that no death costs more than a duplicate."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        sent = slack.deliver

        async def deliver(notice: Notice) -> Mapping[str, str]:
            bench.order.append("sent")
            return await sent(notice)

        slack.deliver = deliver  # type: ignore[method-assign]
        await bench.breaks()
        await bench.advance()
        assert bench.order == ["saved", "sent", "saved"]
        incident = bench.saved[A].incident
        assert incident is not None
        assert incident.notified["fake"].reason is OPENED


async def test_a_death_before_sending_costs_nothing() -> None:
    """The next process tells what this one had committed."""
    clock = FakeClock()
    dead = Slow(clock, 1e9, "fake")
    async with dispatching(dead, clock=clock) as before:
        await before.breaks()
        await before.advance()
        assert dead.begun == 1
        saved = before.saved
    slack = FakeNotifier()
    async with dispatching(slack, clock=clock, states=saved) as after:
        await after.advance()
        assert reasons(slack) == [OPENED]


async def test_a_death_between_sending_and_recording_costs_one_duplicate() -> None:
    """And never a silence."""
    clock = FakeClock()
    slack = FakeNotifier()
    async with dispatching(slack, clock=clock) as before:
        kept = dict(before.saved)
        await before.breaks()
        await before.target_stores[A].commit()
        kept[A] = before.saved[A]  # what the disk holds when the process dies after the answer
        await before.advance()
    async with dispatching(slack, clock=clock, states=kept) as after:
        await after.advance(1000)
    assert reasons(slack) == [OPENED, OPENED]


async def test_what_may_have_been_heard_is_put_right() -> None:
    """A change whose answer was lost, and then all is as it was told before: whoever heard the change is told so."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks(fault=Fault.RATE_LIMITED)
        await bench.advance(60)
        slack.failures.append(Undeliverable("lost", unknown=True, retry_after=30.0))
        await bench.breaks()
        await bench.advance(10)
        await bench.breaks(fault=Fault.RATE_LIMITED)
        await bench.advance(30)
        assert reasons(slack) == [OPENED, Reason.CHANGED]
        assert slack.notices[-1].incident.diagnosis.fault is Fault.RATE_LIMITED


async def test_what_was_refused_has_not_been_heard() -> None:
    """The same, but clearly in vain: nobody is told of what nobody has heard."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks(fault=Fault.RATE_LIMITED)
        await bench.advance(60)
        slack.failures.append(Undeliverable("429", retry_after=30.0))
        await bench.breaks()
        await bench.advance(10)
        await bench.breaks(fault=Fault.RATE_LIMITED)
        await bench.advance(30)
        assert reasons(slack) == [OPENED, EDITED]


async def test_a_death_after_recording_costs_nothing() -> None:
    """The incident goes on in the next process, and its resolve finds the thread."""
    clock = FakeClock()
    slack = FakeNotifier()
    async with dispatching(slack, clock=clock) as before:
        await before.breaks()
        await before.advance()
        saved = before.saved
    async with dispatching(slack, clock=clock, states=saved) as after:
        await after.advance(100)
        await after.fixes()
        await after.advance()
    assert reasons(slack) == [OPENED, RESOLVED]
    assert slack.notices[1].notified is not None


# --- when it fails ---------------------------------------------------------------------------------------------------


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
    """What asks for patience is asked again when it said, by whatever worker; what is due meanwhile is told by the next process."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("429", retry_after=120.0)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(30)
        await bench.dispatcher.exchange([Route(notifier=slack)])
        await bench.advance(30)
        assert bench.health().pending == 1
        await bench.advance(65)
        assert [at for _, at in slack.asked] == [0, 120]
        await bench.dispatcher.stop(5.0)
        assert len(slack.asked) == 2


async def test_nothing_hurries_a_notifier_that_is_left_alone() -> None:
    """Whatever else changes meanwhile is told afterwards, as it is then."""
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


async def test_what_only_a_human_can_mend_is_tried_again_slowly() -> None:
    """Every five minutes, whatever changes, and told when it is mended."""
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
    """Two channels are gone: the page names both, and the metrics; the one that is mended is named no more."""
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
            await bench.dispatcher.exchange([Route(notifier=slack)])
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
    """It may have been told: the outcome is unknown, and it is told again."""
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


async def test_health_tells_what_a_person_must_know() -> None:
    """Since when, why, how much waits; and nothing any more once all is told."""
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
    assert warned == ["a notice to fake was not delivered: down", "a notice to fake was not delivered: odd"]


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
    assert "delivering to fake crashed; it begins again" in caplog.text


# --- mentions --------------------------------------------------------------------------------------------------------


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
        notified = told_of(over, closed=True, mentioned_at=called_at)
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
    slack = FakeNotifier()
    async with dispatching(slack, key=str) as bench:
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


async def test_what_one_silence_covers_is_history_only() -> None:
    """Opened and resolved inside it: never told, counted as suppressed."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        bench.silence(0, HOUR)
        await bench.breaks()
        await bench.advance(60)
        await bench.fixes()
        await bench.advance(2 * HOUR)
        assert slack.notices == []
        assert bench.outcomes == [(RESOLVED, "suppressed")]


async def test_what_one_silence_covered_stays_untold_when_it_is_over() -> None:
    """Also by a notifier that could not be reached meanwhile, or a process that was down."""
    closed = an_incident(target=A, opened_at=START - 600, closed_at=START - 300)
    slack = FakeNotifier()
    bench = make([slack], FakeClock(), states={A: TargetState(target=A, incidents=(closed,))})
    bench.silence(-1000, -100)
    await bench.dispatcher._workers[0].deliver_due()
    assert (slack.notices, bench.outcomes) == ([], [(RESOLVED, "suppressed")])
    assert bench.saved[A].incidents[0].notified["fake"].at == NEVER  # no success that anybody could rely on


async def test_a_silence_that_ends_on_an_open_incident_tells_it_as_opened() -> None:
    """Within a minute, with a mention."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        bench.silence(0, HOUR)
        await bench.breaks()
        await bench.advance(HOUR - 1)
        assert slack.notices == []
        await bench.advance(60)
        assert [(notice.reason, notice.mention) for notice in slack.notices] == [(OPENED, True)]


async def test_a_silence_that_begins_on_a_told_incident_edits_what_was_told() -> None:
    """And its resolve is told without a mention: no resolve of a told incident is ever suppressed."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks()
        await bench.advance(10)
        bench.silence(0, HOUR)
        await bench.advance(10)
        await bench.fixes()
        await bench.advance(10)
        assert reasons(slack) == [OPENED, EDITED, RESOLVED]
        assert slack.notices[1].silenced_until == START + HOUR
        assert not slack.notices[2].mention


async def test_what_came_back_and_was_over_inside_one_silence_keeps_its_place() -> None:
    """It is history, and the thread of the first time is found when it comes back once more."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        for target_store in bench.target_stores.values():
            target_store.policy = replace(POLICY, reopen_within=1800.0)
        await bench.breaks()
        await bench.advance(60)
        await bench.fixes()
        await bench.advance(60)
        heard_at = bench.saved[A].incidents[0].notified["fake"].at
        bench.silence(0, 300)
        await bench.breaks()
        await bench.advance(60)
        await bench.fixes()
        await bench.advance(180)
        assert reasons(slack) == [OPENED, RESOLVED]
        assert bench.outcomes[-1] == (RESOLVED, "suppressed")
        assert bench.saved[A].incidents[0].notified["fake"].at == heard_at  # what was not told has not succeeded later
        await bench.breaks()
        await bench.advance(60)
        assert reasons(slack) == [OPENED, RESOLVED, OPENED]
        notified = slack.notices[-1].notified
        assert notified is not None
        assert notified.receipt == {"number": "1"}


async def test_what_came_back_and_was_over_while_nobody_listened_is_one_message() -> None:
    """In the thread of the first time: a resolve is never lost, although it was told once before."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        for target_store in bench.target_stores.values():
            target_store.policy = replace(POLICY, reopen_within=1800.0)
        await bench.breaks()
        await bench.advance(60)
        await bench.fixes()
        await bench.advance(60)
        slack.failures.append(Undeliverable("down", unknown=True, retry_after=30.0))
        await bench.breaks()
        await bench.advance(10)
        await bench.fixes()
        await bench.advance(30)
        assert reasons(slack) == [OPENED, RESOLVED, RESOLVED]


async def test_what_opened_before_its_silence_is_told_all_the_same() -> None:
    """It may have been told, though the answer was lost: no one silence covered it from opening to resolve."""
    slack = FakeNotifier()
    slack.failures.append(Undeliverable("429", retry_after=60.0))
    async with dispatching(slack) as bench:
        await bench.advance(5)
        await bench.breaks()
        await bench.advance(10)
        bench.silence(10, 600)
        await bench.fixes()
        await bench.advance(60)
        assert [(notice.reason, notice.mention) for notice in slack.notices] == [(RESOLVED, False)]


# --- history ---------------------------------------------------------------------------------------------------------


async def test_a_notifier_that_is_new_is_not_told_of_what_is_long_over() -> None:
    """Five hours ago is history; one hour ago is told."""
    old = an_incident(id="old", target=A, opened_at=START - 6 * HOUR, closed_at=START - 5 * HOUR)
    young = an_incident(id="young", target=A, opened_at=START - 2 * HOUR, closed_at=START - HOUR)
    slack = FakeNotifier()
    async with dispatching(slack, states={A: TargetState(target=A, incidents=(old, young))}) as bench:
        await bench.advance()
        assert [notice.incident.id for notice in slack.notices] == ["young"]
        assert set(bench.saved[A].incidents[0].notified) == {"fake"}
        assert bench.outcomes == [(RESOLVED, "sent")]  # nothing has suppressed the other


async def test_a_notifier_that_has_heard_before_is_told_everything() -> None:
    """What it could not be told is told when it answers again, however late."""
    known = replace(
        an_incident(target=B, closed_at=START - 9 * HOUR), notified={"fake": told_of(an_incident(), closed=True)}
    )
    missed = an_incident(id="missed", target=A, opened_at=START - 6 * HOUR, closed_at=START - 5 * HOUR)
    states = {
        A: TargetState(target=A, incidents=(missed,)),
        B: TargetState(target=B, incidents=(known,)),
    }
    slack = FakeNotifier()
    async with dispatching(slack, states=states) as bench:
        await bench.advance()
        assert [notice.incident.id for notice in slack.notices] == ["missed"]


async def test_a_long_outage_of_a_notifier_makes_no_history() -> None:
    """What happened while it was at work, and down, is told, also if it has never heard anything before."""
    clock = FakeClock()
    slack = Picky(clock, {A: Undeliverable("down", retry_after=6 * HOUR)})
    async with dispatching(slack, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(10)
        await bench.fixes()
        slack.errors.clear()
        await bench.advance(6 * HOUR)
        assert reasons(slack) == [RESOLVED]


# --- others ----------------------------------------------------------------------------------------------------------


async def test_stopping_tells_once_more_what_is_due() -> None:
    """Then lets go of every notifier."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.dispatcher._cancel()
        await bench.breaks()
        await bench.dispatcher.stop(5.0)
        assert (reasons(slack), slack.closed) == ([OPENED], True)


async def test_stopping_waits_for_nobody_beyond_the_grace(caplog: pytest.LogCaptureFixture) -> None:
    """What could not be told is told after the next start."""
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
    assert "stopped with notices undelivered" in caplog.text


async def test_a_bug_at_the_last_moment_keeps_nothing_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and everybody is let go."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.dispatcher._cancel()
        bench.target_stores = None  # type: ignore[assignment]  # whatever it may be
        await bench.dispatcher.stop(5.0)
        assert slack.closed
    assert "the last delivery crashed" in caplog.text


async def test_other_ways_to_tell_take_over() -> None:
    """Each begins when the delivery that its predecessor has under way has ended, and makes it no second time."""
    clock = FakeClock()
    old, new = Slow(clock, 20, "slack"), FakeNotifier("slack")
    other = FakeNotifier("webhook")
    async with dispatching(old, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        exchanged = asyncio.create_task(bench.dispatcher.exchange([Route(notifier=new), Route(notifier=other)]))
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
        exchanges = [bench.dispatcher.exchange([Route(notifier=each)]) for each in (newer, newest)]
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
    """What it did not answer is told again, as after any lost answer."""
    clock = FakeClock()
    old, new = Slow(clock, 1e9, "slack"), FakeNotifier("slack")
    async with dispatching(old, clock=clock) as bench:
        await bench.breaks()
        await bench.advance(1)
        exchanged = asyncio.create_task(bench.dispatcher.exchange([Route(notifier=new)]))
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
        work = [bench.dispatcher.exchange([Route(notifier=new)]), bench.dispatcher.stop(5.0)]
        both = asyncio.gather(*work)
        await bench.advance(70)
        assert both.done()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("notify ")]


async def test_those_who_forget_are_told_again_what_is_open() -> None:
    """What they were told of and what still lasts, and for a quarter of an hour what is over; nothing else."""
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
    """It was told as over, and nobody is to hear that it is not."""
    forgetful = Forgetful("alertmanager")
    async with dispatching(forgetful) as bench:
        bench.target_stores[A].policy = replace(POLICY, reopen_within=HOUR)
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
    """As what was told says it."""
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
    """It waits, and looks at what is told when its turn has come."""
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
    """And blocks no telling for longer."""
    forgetful = Forgetful("alertmanager")
    async with dispatching(forgetful) as bench:
        forgetful.clock, forgetful.takes = bench.clock, 1e9
        refreshing = asyncio.ensure_future(bench.dispatcher.refresh())
        assert await bench.clock.run_until(refreshing.done) == 60
        assert bench.health().unrefreshed == "no answer in time"
        assert bench.health().unrefreshed_since is not None
