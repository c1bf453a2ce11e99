"""The alarm clock under the schedule, on any clock: APScheduler reads the machine's and no other."""

import asyncio

from monitor.core.model import Instant, Seconds
from monitor.ports import Clock
from monitor.schedule import Wake


class SleepingAlarms:
    """Implements `monitor.schedule.Alarms` as APScheduler behaves: planned by the wall clock, slept through without looking."""

    def __init__(self, clock: Clock) -> None:
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
