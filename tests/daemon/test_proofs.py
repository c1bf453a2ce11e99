"""What proves to somebody else that the monitor checks and notifies, on the schedule and on the page."""

from typing import Any

from monitor.daemon.compose import Deps
from monitor.daemon.heartbeat import MetaMonitoring
from monitor.http import Http, InProcess
from monitor.settings import Settings
from tests.daemon.home import Home, home
from tests.fakes.remote import Remote, Reply
from tests.notifiers.receiver import Receiver, html


class Failing:
    """A state file that cannot be written."""

    problem: str | None = None


class Bench:
    """Proofs over a daemon, a receiver that they test, and the service that is pinged."""

    def __init__(self, it: Home) -> None:
        self.it, self.store = it, Failing()
        self.receiver, self.remote = Receiver(), Remote(it.clock, Reply(body=b"OK"))
        network = InProcess({"hook.example": self.receiver.asgi, "remote.example": self.remote._serve})
        deps = Deps(
            clock=it.clock, http=Http(clock=it.clock, transport=network, redactor=it.redactor), redactor=it.redactor
        )
        self.meta = MetaMonitoring(deps, it.daemon, it.schedule, state_problem=lambda: self.store.problem)

    def settings(self, **alerting: Any) -> Settings:
        """A webhook, a heartbeat each minute, and what else is to be reported."""
        hook = {"slack": {"bot_token": None, "channel": None}, "webhook": {"url": "https://hook.example/in"}}
        beat = {"url": "https://remote.example/ping/0f9e8d7c6b5a", "every": "60s"}
        return self.it.settings(alerting={**hook, **alerting}, heartbeat=beat)


async def test_both_run_as_the_settings_want_them() -> None:
    """A ping each minute; a test half a minute after the start and then by its cadence."""
    async with home() as it:
        bench = Bench(it)
        bench.meta.prepare(bench.settings(self_test={"every": "20m"}))()
        await it.clock.advance(20)
        assert bench.receiver.taken == []
        await it.clock.advance(1300)
        assert [said["reason"] for said in bench.receiver.taken] == ["test", "test"]
        assert 20 <= len(bench.remote.asked) <= 22
        assert bench.meta.problems() == ()
        bench.meta.prepare(it.settings())()
        await it.clock.advance(1300)
        assert len(bench.receiver.taken) == 2
        assert len(bench.remote.asked) <= 22


async def test_a_self_test_that_fails_is_on_the_page_and_soon_silences_the_heartbeat() -> None:
    """Until it comes through, which is tried every five minutes."""
    async with home() as it:
        bench = Bench(it)
        bench.receiver.script.extend(html(500) for _ in range(3))
        bench.meta.prepare(bench.settings(self_test={"every": "24h"}))()
        await it.clock.advance(60)
        assert bench.meta.problems() == ("the self-test of webhook failed: the webhook answers 500",)
        beats = len(bench.remote.asked)
        await it.clock.advance(600)
        assert len(bench.remote.asked) < beats + 7
        test, heartbeat = bench.meta.problems()
        assert heartbeat == f"heartbeat withheld: {test}"
        await it.clock.advance(600)
        assert bench.meta.problems() == ()
        assert [said["reason"] for said in bench.receiver.taken] == ["test"]


async def test_a_state_file_that_cannot_be_written_soon_silences_the_heartbeat() -> None:
    """What was reported would be reported again after a restart, or never be resolved."""
    async with home() as it:
        bench = Bench(it)
        bench.meta.prepare(bench.settings())()
        await it.clock.advance(60)
        bench.store.problem = "disk full"
        await it.clock.advance(500)
        said = "the state cannot be saved: disk full"
        assert bench.meta.problems() == (said, f"heartbeat withheld: {said}")
        beats = len(bench.remote.asked)
        bench.store.problem = None
        await it.clock.advance(60)
        assert bench.meta.problems() == ()
        assert len(bench.remote.asked) == beats + 1


async def test_without_either_nothing_runs() -> None:
    """And nothing is wrong."""
    async with home() as it:
        bench = Bench(it)
        bench.meta.prepare(it.settings())()
        await it.clock.advance(120)
        assert bench.meta.problems() == ()
        assert (bench.receiver.bodies, bench.remote.asked) == ([], [])
