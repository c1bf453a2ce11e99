"""A dead man's switch: its silence is an alarm elsewhere."""

import logging
from collections.abc import Mapping

import pytest

from monitor.core.incident import Notice
from monitor.core.model import CheckName
from monitor.daemon.heartbeat import Heartbeat
from monitor.http import Http
from monitor.ports import Undeliverable
from monitor.redaction import Redactor
from tests.daemon.home import Home, home
from tests.fakes.remote import Remote, Reply
from tests.notifiers.fake import FakeNotifier
from tests.sampling import sample

SECRET = "/ping/0f9e8d7c6b5a49382716"


class Pulse:
    """A heartbeat over a daemon, and the service that is pinged."""

    def __init__(self, it: Home, *replies: Reply) -> None:
        self.alive = True
        self.impaired: dict[str, str] = {}
        self.remote = Remote(it.clock, *(replies or (Reply(body=b"OK"),)))
        http = Http(clock=it.clock, transport=self.remote.transport, redactor=Redactor())
        self.heartbeat = Heartbeat(
            http,
            lambda: f"{self.remote.url}{SECRET}",
            it.daemon,
            clock=it.clock,
            alive=lambda: self.alive,
            impaired=lambda: self.impaired,
        )

    async def beats(self) -> bool:
        """Whether a ping went out."""
        before = len(self.remote.asked)
        await self.heartbeat.beat()
        return len(self.remote.asked) > before


async def test_while_all_is_well_it_beats() -> None:
    """A GET, and nothing of what is watched in it."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        assert await pulse.beats()
        assert pulse.heartbeat.problem is None
        asked = pulse.remote.asked[0]
        assert (asked.method, asked.path, asked.body) == ("GET", SECRET, b"")
        assert "authorization" not in asked.headers


async def test_a_broken_gateway_is_no_reason_to_be_silent() -> None:
    """That is what the notifiers report; the monitor itself is healthy."""
    async with home() as it:
        await it.clock.advance(30)
        await it.sandbox.break_("gateway_unreachable")
        await it.clock.advance(60)
        assert await Pulse(it).beats()


async def test_before_every_target_has_been_looked_at_it_is_silent() -> None:
    """Nothing is known yet."""
    async with home() as it:
        pulse = Pulse(it)
        assert not await pulse.beats()
        assert (
            pulse.heartbeat.problem == "withheld: demo: config has not run recently; demo: gateway has not run recently"
        )


async def test_a_schedule_that_stands_still_is_silence() -> None:
    """Whatever was seen before."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        pulse.alive = False
        assert not await pulse.beats()
        assert pulse.heartbeat.problem == "withheld: the scheduler does not run"


@pytest.mark.parametrize("check", sample(["gateway", "config", "canary", "control"], every=4))
async def test_a_check_that_does_not_look_is_silence(check: str) -> None:
    """Whichever it is: three times its cadence and its deadline after it looked last."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        stale = it.daemon.policies[it.state().target].cadences[CheckName(check)].stale_after
        it.schedule.drop(f"demo:{check}")
        await it.clock.advance(stale - 60)
        assert await pulse.beats()
        await it.clock.advance(91)
        assert not await pulse.beats()
        assert pulse.heartbeat.problem == f"withheld: demo: {check} has not run recently"


@pytest.mark.parametrize(
    "fault",
    sample(
        ["blind", "rate_limited_retry_after", "control_plane_silent", "ingest_failing_silent", "read_api_garbled"],
        every=5,
    ),
)
async def test_whatever_is_broken_out_there_it_beats(fault: str) -> None:
    """Nobody is called because of the monitor while the monitor does its work."""
    often = {"canary": {"every": "5m"}, "control": {"every": "5m"}}  # looked at for longer than any of them may take
    async with home(targets={"demo": {"checks": often}}) as it:
        await it.sandbox.break_(fault)
        await it.clock.advance(60)
        pulse = Pulse(it)
        for _ in range(25):
            assert await pulse.beats(), pulse.heartbeat.problem
            await it.clock.advance(60)


async def test_a_clock_that_is_set_back_keeps_it_neither_silent_nor_beating() -> None:
    """What looked in the future is as old as it has been known: checks that go on are well, one that does not is not."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        it.clock.jump(-7200)
        for _ in range(20):
            assert await pulse.beats(), pulse.heartbeat.problem
            await it.clock.advance(60)
        it.schedule.drop("demo:config")
        it.clock.jump(-7200)
        assert await pulse.beats()
        await it.clock.advance(300)
        assert not await pulse.beats()
        assert pulse.heartbeat.problem == "withheld: demo: config has not run recently"


async def test_without_a_notifier_checking_is_enough() -> None:
    """Metrics only: somebody else notifies people."""
    async with home() as it:
        await it.daemon.notify_by(())
        await it.clock.advance(30)
        await it.sandbox.break_("exporter_disabled")
        await it.clock.advance(400)
        assert await Pulse(it).beats()


async def test_what_a_notifier_refuses_for_good_is_silence() -> None:
    """Only a person can fix it, and has to learn of it in another way."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        it.notifier.failures.extend(Undeliverable("no such channel", permanent=True) for _ in range(1000))
        await it.sandbox.break_("exporter_disabled")
        for minute in range(8):
            await it.clock.advance(60)
            assert await pulse.beats() == (minute < 5), pulse.heartbeat.problem
        assert pulse.heartbeat.problem == "withheld: fake does not accept notices"


async def test_a_notifier_that_hangs_is_silence() -> None:
    """It has said nothing of a failure yet, and yet nobody is notified of anything."""

    class Hanging(FakeNotifier):
        async def deliver(self, notice: Notice) -> Mapping[str, str]:
            await it.clock.sleep(1e9)
            return await super().deliver(notice)

    async with home() as it:
        await it.daemon.notify_by((Hanging(),))
        await it.clock.advance(30)
        pulse = Pulse(it)
        await it.sandbox.break_("exporter_disabled")
        beats = []
        for _ in range(8):
            await it.clock.advance(60)
            beats.append(await pulse.beats())
        assert beats[0]
        assert not beats[-1]


@pytest.mark.parametrize("fails", sample(["refreshing", "the state file", "what is due", "the self-test"], every=2))
async def test_what_else_keeps_notifying_from_working_stops_the_heartbeat(fails: str) -> None:
    """After five minutes; fixed, it beats at once, and five new minutes are forgiven."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)

        def breaks() -> None:
            if fails == "refreshing":
                it.daemon.notifiers["fake"].unrefreshed_since = it.clock.monotonic()
            elif fails == "what is due":
                it.daemon.notifiers["fake"].pending = 1
            else:
                pulse.impaired[fails] = f"{fails} fails"

        def is_fixed() -> None:
            it.daemon.notifiers["fake"].unrefreshed_since, it.daemon.notifiers["fake"].pending = None, 0
            pulse.impaired.clear()

        for _ in range(2):
            for minute in range(7):
                breaks()
                assert await pulse.beats() == (minute < 5), pulse.heartbeat.problem
                await it.clock.advance(60)
            said = {"refreshing": "fake does not answer", "what is due": "fake has not been sent what is due"}
            assert pulse.heartbeat.problem == f"withheld: {said.get(fails, f'{fails} fails')}"
            is_fixed()
            assert await pulse.beats()
            assert pulse.heartbeat.problem is None


async def test_a_notifier_that_fails_for_long_is_silence() -> None:
    """Nobody would be notified: five minutes are forgiven."""
    async with home() as it:
        await it.clock.advance(30)
        it.notifier.failures.extend(Undeliverable("down") for _ in range(1000))
        await it.sandbox.break_("exporter_disabled")
        await it.clock.advance(120)
        pulse = Pulse(it)
        assert await pulse.beats()
        await it.clock.advance(300)
        assert not await pulse.beats()
        it.notifier.failures.clear()
        await it.clock.advance(20)
        assert await pulse.beats()


DELETED = "refused: HTTP 200, but there is no such check: it was deleted, or `heartbeat.url` belongs to another check"


async def test_its_failure_is_logged_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """Not each time; but once more when it fails in another way."""
    deleted, well = Reply(body=b"OK (not found)"), Reply(body=b"OK")
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it, well, deleted, deleted, deleted, well, well)
        with caplog.at_level(logging.INFO, logger="monitor.daemon.heartbeat"):
            for _ in range(3):
                await pulse.beats()
            pulse.alive = False
            await pulse.beats()
            delivered_at = pulse.heartbeat.delivered_at
            pulse.alive = True
            await it.clock.advance(60)
            for _ in range(3):
                await pulse.beats()
        said = [record.getMessage() for record in caplog.records if record.name == "monitor.daemon.heartbeat"]
        assert said == [
            f"heartbeat {DELETED}",
            "heartbeat withheld: the scheduler does not run",
            f"heartbeat {DELETED}",
            "the heartbeat is delivered again",
        ]
        assert (delivered_at, pulse.heartbeat.delivered_at) == (it.clock.now() - 60, it.clock.now())
        assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(status=404), "refused: HTTP 404"),
        (Reply(body=b"OK (not found)"), DELETED),
        (Reply(body=b"ok (Not Found)\n"), DELETED),
        (Reply(body=b'{"ok": false, "msg": "Monitor not found or not active."}'), DELETED),
        (Reply(body=b"OK (rate limited)"), None),
        (Reply(body=b'{"ok":true}'), None),
        (Reply(body=b"Got it, thanks!", status=202), None),
        (Reply(body=b""), None),
        (Reply(status=500), "refused: HTTP 500"),
        (Reply(status=302, headers={"location": "https://elsewhere.example/"}), "refused: HTTP 302"),
        (Reply(status=204), None),
    ],
)
async def test_what_the_other_side_says_is_shown(reply: Reply, problem: str | None) -> None:
    """A redirect is never followed, so it has counted nowhere."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it, reply)
        assert await pulse.beats()
        assert pulse.heartbeat.problem == problem
        assert len(pulse.remote.asked) == 1


async def test_a_ping_that_does_not_arrive_never_shows_its_url() -> None:
    """Whoever knows it may ping it: it is a secret."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        pulse.remote.transport.take_down("remote.example", "connect")
        await pulse.heartbeat.beat()
        assert pulse.heartbeat.problem is not None
        assert pulse.heartbeat.problem == "not delivered: taken down (remote.example)"
        assert SECRET not in pulse.heartbeat.problem
