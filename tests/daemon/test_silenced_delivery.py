"""What a silence keeps from a notifier, and what of the past a notifier is notified of at all."""

from dataclasses import replace

from monitor.core.incident import NEVER
from monitor.core.state import TargetState
from monitor.ports import Undeliverable
from monitor.settings.model import Alerting
from tests.daemon.dispatching import EDITED, HOUR, OPENED, POLICY, RESOLVED, A, B, Picky, dispatching, make, reasons
from tests.fakes.clock import START, FakeClock
from tests.notifiers.fake import FakeNotifier
from tests.notifiers.notices import an_incident, notified_of


async def test_what_one_silence_covers_is_history_only() -> None:
    """Opened and resolved inside it: never reported, counted as suppressed."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        bench.silence(0, HOUR)
        await bench.breaks()
        await bench.advance(60)
        await bench.fixes()
        await bench.advance(2 * HOUR)
        assert slack.notices == []
        assert bench.outcomes == [(RESOLVED, "suppressed")]


async def test_what_one_silence_covered_stays_unreported_when_it_is_over() -> None:
    """Also by a notifier that could not be reached meanwhile, or a process that was down."""
    closed = an_incident(target=A, opened_at=START - 600, closed_at=START - 300)
    slack = FakeNotifier()
    bench = make([slack], FakeClock(), states={A: TargetState(target=A, incidents=(closed,))})
    bench.silence(-1000, -100)
    await bench.dispatcher._workers[0].deliver_due()
    assert (slack.notices, bench.outcomes) == ([], [(RESOLVED, "suppressed")])
    assert bench.saved[A].incidents[0].notified["fake"].at == NEVER  # no success that anybody could rely on


async def test_a_silence_that_ends_on_an_open_incident_reports_it_as_opened() -> None:
    """Within a minute, with a mention."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        bench.silence(0, HOUR)
        await bench.breaks()
        await bench.advance(HOUR - 1)
        assert slack.notices == []
        await bench.advance(60)
        assert [(notice.reason, notice.mention) for notice in slack.notices] == [(OPENED, True)]


async def test_a_silence_that_begins_on_a_reported_incident_edits_what_was_reported() -> None:
    """And its resolve is reported without a mention: no resolve of a reported incident is ever suppressed."""
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
            target_store.policy = replace(POLICY, alerting=Alerting(fail_after=1, pass_after=1))
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
        assert (
            bench.saved[A].incidents[0].notified["fake"].at == heard_at
        )  # what was not reported has not succeeded later
        await bench.breaks()
        await bench.advance(60)
        assert reasons(slack) == [OPENED, RESOLVED, OPENED]
        notified = slack.notices[-1].notified
        assert notified is not None
        assert notified.receipt == {"number": "1"}


async def test_what_came_back_and_was_over_while_nobody_listened_is_one_message() -> None:
    """In the thread of the first time: a resolve is never lost, although it was reported once before."""
    slack = FakeNotifier()
    async with dispatching(slack) as bench:
        for target_store in bench.target_stores.values():
            target_store.policy = replace(POLICY, alerting=Alerting(fail_after=1, pass_after=1))
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


async def test_what_opened_before_its_silence_is_reported_all_the_same() -> None:
    """It may have been reported, though the answer was lost: no one silence covered it from opening to resolve."""
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


async def test_a_notifier_that_is_new_is_not_notified_of_what_is_long_over() -> None:
    """Five hours ago is history; one hour ago is reported."""
    old = an_incident(id="old", target=A, opened_at=START - 6 * HOUR, closed_at=START - 5 * HOUR)
    young = an_incident(id="young", target=A, opened_at=START - 2 * HOUR, closed_at=START - HOUR)
    slack = FakeNotifier()
    async with dispatching(slack, states={A: TargetState(target=A, incidents=(old, young))}) as bench:
        await bench.advance()
        assert [notice.incident.id for notice in slack.notices] == ["young"]
        assert set(bench.saved[A].incidents[0].notified) == {"fake"}
        assert bench.outcomes == [(RESOLVED, "sent")]  # nothing has suppressed the other


async def test_a_notifier_that_has_delivered_before_is_notified_of_everything() -> None:
    """What could not be delivered is delivered when it answers again, however late."""
    known = replace(
        an_incident(target=B, closed_at=START - 9 * HOUR), notified={"fake": notified_of(an_incident(), closed=True)}
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
    """What happened while it was at work, and down, is reported, also if it has never delivered anything before."""
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
