"""Heartbeat and self-test: what proves to somebody else that the monitor checks and tells, as the settings want it."""

from collections.abc import Callable
from functools import partial

from monitor.core.model import Seconds
from monitor.daemon.daemon import Daemon, Surroundings
from monitor.daemon.heartbeat import Heartbeat
from monitor.daemon.selftest import AGAIN_AFTER, SelfTest
from monitor.settings import Settings

_SELF_TEST_FIRST: Seconds = 30.0


class Proofs:
    """Both on the schedule, and what they found."""

    def __init__(self, around: Surroundings, daemon: Daemon) -> None:
        self._around = around
        self._daemon = daemon
        self._heartbeat: Heartbeat | None = None
        self._self_test: SelfTest | None = None

    def plan(self, settings: Settings) -> None:
        """Begin with these settings; what was found by others is forgotten."""
        self.prepare(settings)()

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Build what these settings want; what is returned begins with it."""
        return partial(self._begin, settings, self._make_heartbeat(settings), self._make_self_test(settings))

    def _begin(self, settings: Settings, heartbeat: Heartbeat | None, self_test: SelfTest | None) -> None:
        schedule = self._around.schedule
        for job in ("heartbeat", "self-test", "self-test again"):
            schedule.drop(job)
        self._heartbeat, self._self_test = heartbeat, self_test
        if self._heartbeat is not None:
            every = settings.heartbeat.every
            schedule.every("heartbeat", every, self._heartbeat.beat, first=every)
        if self._self_test is not None and settings.alerting.self_test.every is not None:
            every = settings.alerting.self_test.every
            schedule.every("self-test", every, self._self_test.run, first=min(every, _SELF_TEST_FIRST))
            schedule.every("self-test again", AGAIN_AFTER, self._self_test.run_again, first=AGAIN_AFTER)

    @property
    def heartbeat(self) -> Heartbeat | None:
        """If there is one."""
        return self._heartbeat

    def troubles(self) -> tuple[str, ...]:
        """For the page."""
        pulse = [f"heartbeat {self._heartbeat.problem}"] if self._heartbeat and self._heartbeat.problem else []
        return (*self._impairments().values(), *pulse)

    def _impairments(self) -> dict[str, str]:
        """What keeps telling from being relied on besides what notifiers say, by name."""
        problem = self._around.store.problem
        kept = {"state": f"nothing is being written down: {problem}"} if problem else {}
        tested = self._self_test.problems if self._self_test is not None else {}
        return kept | {f"test {way}": f"the self-test of {way} failed: {said}" for way, said in tested.items()}

    def _make_heartbeat(self, settings: Settings) -> Heartbeat | None:
        if settings.heartbeat.url is None:
            return None
        return Heartbeat(
            self._around.http,
            settings.heartbeat.url.get,
            self._daemon,
            clock=self._around.clock,
            alive=self._around.schedule.turning,
            impaired=self._impairments,
        )

    def _make_self_test(self, settings: Settings) -> SelfTest | None:
        if settings.alerting.self_test.every is None:
            return None
        from monitor.daemon.compose_notifiers import Footing, ways_of  # noqa: PLC0415 - a fifth of the start, and not needed for it

        around = self._around
        footing = Footing(clock=around.clock, http=around.http, redactor=around.redactor)
        ways = ways_of(settings, footing, channel=settings.alerting.self_test.channel)
        return SelfTest(ways, clock=around.clock, publish=self._daemon.publish)
