"""The real schedule on the fake clock: only the alarm clock underneath (APScheduler) is replaced."""

from collections.abc import Callable

from monitor.core.events import Event
from monitor.schedule import GridSchedule
from monitor.simulate.alarms import SleepingAlarms
from tests.fakes.clock import FakeClock


class VirtualSchedule(GridSchedule):
    """The schedule for tests of the whole daemon: a day passes in milliseconds, and the rules are those of production."""

    def __init__(self, clock: FakeClock, publish: Callable[[Event], None]) -> None:
        super().__init__(clock, publish, SleepingAlarms(clock))
