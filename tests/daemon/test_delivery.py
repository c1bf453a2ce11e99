"""One notifier: what is due is delivered in its order, and a death at any moment costs at most one duplicate."""

from collections.abc import Mapping

from monitor.core.incident import Notice, Reason
from monitor.core.model import Fault
from monitor.ports import Undeliverable
from tests.daemon.dispatching import EDITED, OPENED, RESOLVED, A, B, Slow, dispatching, make, reasons
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier


async def test_an_opening_is_reported_at_once_and_once() -> None:
    """With the target's labels; and nothing more is said while nothing changes."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        await bench.breaks()
        await bench.advance(1000)
        assert reasons(slack) == [OPENED]
        assert (slack.notices[0].mention, slack.notices[0].labels) == (True, {"of": "a"})
        assert bench.outcomes == [(OPENED, "sent")]


async def test_a_resolve_is_reported_with_the_receipt_of_the_opening() -> None:
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
    """A notifier that was down is sent it once, as one message that says both."""
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


async def test_the_oldest_incident_is_reported_first() -> None:
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
    """The next process delivers what this one had committed."""
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


async def test_what_may_have_been_delivered_is_put_right() -> None:
    """A change whose answer was lost, and then all is as reported before: who was notified of the change is notified of that."""
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


async def test_what_was_refused_has_not_been_delivered() -> None:
    """The same, but clearly in vain: nobody is notified that something is over of which nobody was notified."""
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
