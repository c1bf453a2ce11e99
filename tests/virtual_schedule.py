"""The real schedule on the fake clock: only the alarm clock underneath (APScheduler) is replaced."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.events import Event
from monitor.schedule import GridSchedule, Wake, next_on_grid
from tests.fakes.clock import FakeClock


@dataclass(slots=True)
class _Alarm:
    at: float
    interval: float
    offset: float
    sleeper: asyncio.Task[None]


class VirtualAlarms:
    """Implements `monitor.schedule.Alarms` as APScheduler behaves: planned by the wall clock, slept through without looking."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._alarms: dict[str, _Alarm] = {}
        self._wake: Wake | None = None

    def start(self, wake: Wake) -> None:
        """Begin."""
        self._wake = wake

    def put(self, name: str, at: float, *, interval: float, offset: float) -> None:
        """Wake at `at`, then on the grid."""
        self.remove(name)
        sleeper = asyncio.get_running_loop().create_task(self._sleep(name), name=f"alarm of {name}")
        self._alarms[name] = _Alarm(at, interval, offset, sleeper)

    def sooner(self, name: str, at: float) -> None:
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
        assert self._wake is not None
        alarm = self._alarms[name]
        while True:
            while (remaining := alarm.at - self._clock.now()) > 0:
                await self._clock.sleep(remaining)
            alarm.at = next_on_grid(self._clock.now(), alarm.interval, alarm.offset)
            await self._wake(name)


class VirtualSchedule(GridSchedule):
    """The schedule for tests of the whole daemon: a day passes in milliseconds, and the rules are those of production."""

    def __init__(self, clock: FakeClock, publish: Callable[[Event], None]) -> None:
        super().__init__(clock, publish, VirtualAlarms(clock))
