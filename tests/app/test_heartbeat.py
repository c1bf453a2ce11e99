"""A dead man's switch: its silence is an alarm elsewhere."""

import pytest

from monitor.app.heartbeat import Heartbeat
from monitor.core.model import CheckName
from monitor.http import Http
from monitor.ports import Undeliverable
from tests.app.home import Home, home
from tests.fakes.remote import Remote, Reply

SECRET = "/ping/0f9e8d7c6b5a49382716"


class Pulse:
    """A heartbeat over a daemon, and the service that is pinged."""

    def __init__(self, it: Home, *replies: Reply) -> None:
        self.alive = True
        self.remote = Remote(it.clock, *(replies or (Reply(body=b"OK"),)))
        http = Http(clock=it.clock, transport=self.remote.transport)
        self.heartbeat = Heartbeat(
            http, lambda: f"{self.remote.url}{SECRET}", it.daemon, clock=it.clock, alive=lambda: self.alive
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
    """That is told by the notifiers; the monitor itself is well."""
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
        assert pulse.heartbeat.problem == "withheld: checking or telling does not work"


async def test_a_schedule_that_stands_still_is_silence() -> None:
    """Whatever was seen before."""
    async with home() as it:
        await it.clock.advance(30)
        pulse = Pulse(it)
        pulse.alive = False
        assert not await pulse.beats()


async def test_a_check_that_has_not_looked_for_long_is_silence() -> None:
    """Three times its cadence and its deadline."""
    async with home() as it:
        await it.clock.advance(30)
        stale = it.daemon.policies[it.state().target].cadences[CheckName.CONFIG].stale_after
        for job in ("demo:config", "demo:gateway"):
            it.schedule.drop(job)
        await it.clock.advance(stale + 1)
        assert not await Pulse(it).beats()


async def test_a_notifier_that_fails_for_long_is_silence() -> None:
    """Nobody would be told: five minutes are forgiven."""
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


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(status=404), "refused: HTTP 404"),
        (Reply(status=500), "refused: HTTP 500"),
        (Reply(status=302, headers={"location": "https://elsewhere.example/"}), None),
    ],
)
async def test_what_the_other_side_says_is_shown(reply: Reply, problem: str | None) -> None:
    """A redirect is taken for an answer, and never followed."""
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
        assert pulse.heartbeat.problem.startswith("not delivered: remote.example")
        assert SECRET not in pulse.heartbeat.problem
