"""A configuration that is refused: who is notified of it, and how often."""

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Reason
from monitor.daemon.reload import RefusedConfig
from monitor.ports import Undeliverable
from tests.fakes.clock import FakeClock
from tests.notifiers.fake import FakeNotifier

AFTER = 600.0


class Bench:
    """A refusal, two notifiers, and time."""

    def __init__(self) -> None:
        self.clock, self.events = FakeClock(), list[Event]()
        self.slack, self.webhook = FakeNotifier("slack"), FakeNotifier("webhook")
        self.refusal = RefusedConfig(self.clock, self.events.append)

    async def let_pass(self, seconds: float) -> None:
        """As the schedule would have it."""
        for _ in range(int(seconds / 30)):
            await self.clock.advance(30)
            await self.refusal.notify({"slack #ops": self.slack, "webhook": self.webhook}, after=AFTER)


async def test_it_is_reported_once_after_a_while_and_once_that_it_is_over() -> None:
    """However long it lasts, and however often it is refused again."""
    bench = Bench()
    bench.refusal.refuse("log.level: loud is not allowed")
    await bench.let_pass(540)
    assert bench.slack.lines == []
    await bench.let_pass(90)
    bench.refusal.refuse("log.level: shrill is not allowed")
    await bench.let_pass(7200)
    assert len(bench.slack.lines) == len(bench.webhook.lines) == 1
    assert "a restart would fail. log.level: loud is not allowed" in bench.slack.lines[0]
    bench.refusal.end()
    await bench.let_pass(3600)
    assert bench.slack.lines[1:] == bench.webhook.lines[1:] == ["resolved: a good configuration is loaded"]
    reasons = [event.reason for event in bench.events if isinstance(event, NoticeHandled)]
    assert reasons == [Reason.OPENED, Reason.OPENED, Reason.RESOLVED, Reason.RESOLVED]


async def test_what_is_fixed_soon_notifies_nobody() -> None:
    """A slip of the pen that is noticed at once."""
    bench = Bench()
    bench.refusal.refuse("junk")
    await bench.let_pass(300)
    bench.refusal.end()
    await bench.let_pass(3600)
    assert bench.slack.lines == []
    assert bench.refusal.problem == ""


async def test_who_was_not_reached_is_tried_again_and_nobody_is_notified_twice() -> None:
    """Of the end too; a lost answer counts as reported."""
    bench = Bench()
    bench.slack.failures += [Undeliverable("down"), Undeliverable("down")]
    bench.webhook.failures.append(Undeliverable("no answer", unknown=True))
    bench.refusal.refuse("junk")
    await bench.let_pass(720)
    assert (len(bench.slack.lines), len(bench.webhook.lines)) == (1, 0)
    bench.slack.failures.append(Undeliverable("down"))
    bench.refusal.end()
    await bench.let_pass(90)
    assert bench.slack.lines[1:] == ["resolved: a good configuration is loaded"]
    assert bench.webhook.lines == ["resolved: a good configuration is loaded"]


async def test_a_refusal_of_seconds_has_no_length() -> None:
    """Not `for 0 min`."""
    bench = Bench()
    bench.refusal.refuse("junk")
    assert bench.refusal.text().startswith("the monitor's configuration is refused: ")
    await bench.let_pass(90)
    assert bench.refusal.text().startswith("the monitor's configuration is refused, for 1 min: ")
