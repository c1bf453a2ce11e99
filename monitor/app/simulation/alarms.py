"""The alarm clock under the schedule, on any clock: APScheduler reads the machine's and no other."""

import asyncio
from dataclasses import dataclass

from monitor.core.model import Instant, Seconds
from monitor.ports import Clock
from monitor.schedule import Wake, next_on_grid


@dataclass(slots=True)
class _Alarm:
    at: Instant
    interval: Seconds
    offset: Seconds
    sleeper: asyncio.Task[None]


class SleepingAlarms:
    """Implements `monitor.schedule.Alarms` as APScheduler behaves: planned by the wall clock, slept through without looking."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alarms: dict[str, _Alarm] = {}
        self._wake: Wake | None = None

    def start(self, wake: Wake) -> None:
        """Begin."""
        self._wake = wake

    def put(self, name: str, at: Instant, *, interval: Seconds, offset: Seconds) -> None:
        """Wake at `at`, then on the grid."""
        self.remove(name)
        sleeper = asyncio.get_running_loop().create_task(self._sleep(name), name=f"alarm of {name}")
        self._alarms[name] = _Alarm(at, interval, offset, sleeper)

    def sooner(self, name: str, at: Instant) -> None:
        """Bring an alarm forward."""
        alarm = self._alarms[name]
        if at < alarm.at:
            self.put(name, at, interval=alarm.interval, offset=alarm.offset)

    def remove(self, name: str) -> None:
        """Forget an alarm."""
        alarm = self._alarms.pop(name, None)
        if alarm is not None:
            alarm.sleeper.cancel()

    def stop(self) -> None:
        """Forget them all."""
        for name in list(self._alarms):
            self.remove(name)

    async def _sleep(self, name: str) -> None:
        alarm = self._alarms[name]
        while self._wake is not None:
            while (remaining := alarm.at - self._clock.now()) > 0:
                await self._clock.sleep(remaining)
            alarm.at = next_on_grid(self._clock.now(), alarm.interval, alarm.offset)
            await self._wake(name)
