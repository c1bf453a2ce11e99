"""The real schedule on the fake clock: only the alarm clock underneath (APScheduler) is replaced."""

import asyncio
from collections.abc import Callable

from monitor.core.events import Event
from monitor.core.model import Instant, Seconds
from monitor.schedule import GridSchedule, Wake
from tests.fakes.clock import FakeClock


class SleepingAlarms:
    """Implements `monitor.schedule.Alarms` as APScheduler behaves: planned by the wall clock, slept through without looking."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._sleepers: dict[str, asyncio.Task[None]] = {}
        self._wake: Wake | None = None

    def start(self, wake: Wake) -> None:
        """Begin."""
        self._wake = wake

    def put(self, name: str, delay: Seconds) -> None:
        """Wake once after `delay`."""
        self.remove(name)
        sleeper = asyncio.get_running_loop().create_task(
            self._sleep(name, self._clock.now() + delay), name=f"alarm of {name}"
        )
        self._sleepers[name] = sleeper

    def remove(self, name: str) -> None:
        """Forget an alarm."""
        sleeper = self._sleepers.pop(name, None)
        if sleeper is not None:
            sleeper.cancel()

    def stop(self) -> None:
        """Forget them all."""
        for name in list(self._sleepers):
            self.remove(name)

    async def _sleep(self, name: str, at: Instant) -> None:
        while (remaining := at - self._clock.now()) > 0:
            await self._clock.sleep(remaining)
        del self._sleepers[name]
        if self._wake is not None:
            await self._wake(name)


class VirtualSchedule(GridSchedule):
    """The schedule for tests of the whole daemon: a day passes in milliseconds, and the rules are those of production."""

    def __init__(self, clock: FakeClock, publish: Callable[[Event], None]) -> None:
        super().__init__(clock, publish, SleepingAlarms(clock))
