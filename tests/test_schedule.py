"""When things run: the grid, and the contract of a schedule on the fake clock and on the real one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.events import Event, RunSkipped
from monitor.schedule import GridSchedule, _SchedulerAlarms, next_on_grid, spread
from tests.fakes.clock import START, FakeClock
from tests.sampling import sample
from tests.schedule_contract import Harness, Recorder, ScheduleContract
from tests.virtual_schedule import VirtualSchedule

instants = st.floats(0, 4e9, allow_nan=False)
intervals = st.floats(0.05, 100_000, allow_nan=False)


class TestGrid:
    """When things run, as arithmetic."""

    @given(now=instants, interval=intervals, offset=st.floats(0, 100_000))
    def test_the_next_point_is_ahead_and_at_most_one_interval_away(
        self, now: float, interval: float, offset: float
    ) -> None:
        """However the clock stands, the next point is after now and not more than one interval (and its rounding) ahead."""
        point = next_on_grid(now, interval, offset)
        assert now < point <= now + interval + 0.002

    @given(now=st.integers(0, 4_000_000_000), interval=st.integers(1, 90_000), offset=st.integers(0, 90_000))
    def test_points_lie_exactly_on_the_grid(self, now: int, interval: int, offset: int) -> None:
        """Ten thousand points later the grid has not drifted, because each is computed from the offset alone."""
        point = next_on_grid(now, interval, offset)
        assert (point - offset) % interval == 0

    def test_a_point_that_was_just_hit_is_not_hit_again(self) -> None:
        """A datetime keeps microseconds, so a run may begin a hair before its own point; that point is over."""
        assert next_on_grid(1_800_000_059.9995, 60, 0) == 1_800_000_120

    def test_names_are_spread_over_the_interval_and_keep_their_place(self) -> None:
        """A hundred targets do not look at the same second, and each looks at the same one after a restart."""
        places = [spread(f"config:target-{number}", 60) for number in range(100)]
        assert all(0 <= place < 60 for place in places)
        assert {sum(1 for place in places if low <= place < low + 20) for low in (0, 20, 40)} <= set(range(15, 60))
        assert spread("config:prod", 60) == spread("config:prod", 60)


class TestVirtualSchedule(ScheduleContract):
    """On the fake clock, where punctuality can be measured and the wall clock set."""

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        """On the fake clock."""
        clock = FakeClock()
        events: list[Event] = []
        schedule = VirtualSchedule(clock, events.append)
        yield Harness(schedule, clock, 1.0, events)
        stopping = asyncio.create_task(schedule.stop(0))
        await clock.advance(2)
        await stopping

    async def test_the_grid_is_kept_to_the_second(self, harness: Harness) -> None:
        """After the first run everything happens at offset + k * interval, a run between them included."""
        job = Recorder(harness.clock)
        harness.every("a", 60, job, offset=7, first=1)
        harness.schedule.start()
        await harness.let_pass(100)
        harness.schedule.soon("a", 10)
        await harness.let_pass(100)
        assert [began - START for began in job.began] == [1, 7, 67, 110, 127, 187]

    @pytest.mark.parametrize("runs", sample([200, 1000], every=2))
    async def test_a_thousand_runs_do_not_drift(self, harness: Harness, runs: int) -> None:
        """The last run is as punctual as the first."""
        job = Recorder(harness.clock)
        harness.every("a", 15, job, offset=3.5, first=3.5)
        harness.schedule.start()
        await harness.let_pass(15 * runs)
        assert len(job.began) == runs
        assert {(began - 3.5) % 15 for began in job.began} == {0.0}

    @pytest.mark.parametrize("jump", sample([-400 * 86_400, -86_400, -90, -7, 7, 90, 86_400, 400 * 86_400], every=3))
    async def test_a_wall_clock_that_is_set_moves_and_loses_no_run(self, harness: Harness, jump: float) -> None:
        """Jobs of whatever interval run as many times as without the jump, and two seconds late at most."""
        clock = harness.clock
        assert isinstance(clock, FakeClock)
        ran: dict[int, list[float]] = {5: [], 60: [], 3600: []}

        def noted(interval: int) -> Callable[[], Awaitable[None]]:
            async def run() -> None:
                ran[interval].append(clock.monotonic())

            return run

        for interval in ran:
            harness.schedule.every(f"every {interval} s", interval, noted(interval), offset=2, first=2)
        harness.schedule.start()
        began = clock.monotonic()
        await harness.let_pass(91)
        clock.jump(jump)
        harness.schedule.every("new", 3600, noted(5), first=7_000)  # APScheduler looks at the clock at such moments
        await harness.let_pass(3600)
        for interval, times in ran.items():
            due = [began + 2 + number * interval for number in range(len(times))]
            assert len(times) == 1 + (3691 - 2) // interval
            assert all(0 <= at - meant <= 2 for at, meant in zip(times, due, strict=True))
        assert harness.events == []

    async def test_a_job_that_hangs_is_no_clock_jump(self, harness: Harness) -> None:
        """The watchdog is for runs that do not begin; one that does not end is reported as overlap."""
        job = Recorder(harness.clock)
        job.hold()
        harness.every("a", 10, job)
        harness.schedule.start()
        await harness.let_pass(100)
        assert {event.reason for event in harness.events if isinstance(event, RunSkipped)} == {"overlap"}

    async def test_a_late_first_run_is_no_clock_jump(self, harness: Harness) -> None:
        """A job may ask for its first run much later than three intervals."""
        job = Recorder(harness.clock)
        harness.every("a", 10, job, first=500)
        harness.schedule.start()
        await harness.let_pass(499)
        assert (job.began, harness.events) == ([], [])


class TestGridSchedule(ScheduleContract):
    """On APScheduler and the real clock."""

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        """On APScheduler and the real clock."""
        events: list[Event] = []
        clock = SystemClock()
        schedule = GridSchedule(clock, events.append)
        yield Harness(schedule, clock, 0.01, events)
        await schedule.stop(0)

    async def test_the_watchdog_wakes_what_apscheduler_sleeps_through(self, harness: Harness) -> None:
        """An alarm set a day too late, as by a clock set back, is rung in its time, and the next ones are right again."""
        job = Recorder(harness.clock)
        harness.every("a", 2, job)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) >= 2)
        self._set(harness, datetime.now(UTC) + timedelta(days=1))
        before = len(job.began)
        await harness.until(lambda: len(job.began) >= before + 3, units=200)

    async def test_an_alarm_that_rings_too_soon_is_set_again(self, harness: Harness) -> None:
        """As all of them do at once where the clock is set ahead."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=30)
        harness.schedule.start()
        began = harness.clock.monotonic()
        self._set(harness, datetime.now(UTC) - timedelta(minutes=1))
        await harness.until(lambda: len(job.began) == 1)
        assert harness.clock.monotonic() - began >= 30 * harness.unit - 0.002
        assert harness.events == []

    def _set(self, harness: Harness, at: datetime) -> None:
        alarms = harness.schedule._alarms
        assert isinstance(alarms, _SchedulerAlarms)
        alarms._scheduler.get_job("a").modify(next_run_time=at)

    async def test_a_blocked_loop_costs_no_run(self, harness: Harness) -> None:
        """APScheduler drops a run that is a second late unless set otherwise; here it takes place, once, late."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=30)
        harness.schedule.start()
        time.sleep(1.6)  # noqa: ASYNC251 - that is what blocks the loop
        await harness.until(lambda: len(job.began) == 1)
        await harness.let_pass(120)
        assert len(job.began) == 1
        assert harness.events == []
