import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import SystemClock
from monitor.core.events import Event, RunSkipped
from monitor.ports import Clock
from monitor.schedule import GridSchedule, _SchedulerAlarms, next_on_grid, spread
from tests.fakes.clock import START, FakeClock
from tests.sampling import sample
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


@dataclass
class Harness:
    """A schedule, the length of one unit of its time, and how to let time pass."""

    schedule: GridSchedule
    clock: Clock
    unit: float
    events: list[Event] = field(default_factory=list)

    async def let_pass(self, units: float) -> None:
        """Wait, by this schedule's clock."""
        if isinstance(self.clock, FakeClock):
            await self.clock.advance(units * self.unit)
        else:
            await asyncio.sleep(units * self.unit)

    async def until(self, reached: Callable[[], object], units: float = 60) -> None:
        """Wait until it has come true; on the real clock much longer, for the machine may be busy."""
        patience = units if isinstance(self.clock, FakeClock) else 20 * units
        for _ in range(int(patience * 4)):
            if reached():
                return
            await self.let_pass(0.25)
        assert reached(), "not come true"

    def every(self, name: str, interval: float, job: "Recorder", *, offset: float = 0.0, first: float = 0.0) -> None:
        """As of the schedule, in units."""
        self.schedule.every(name, interval * self.unit, job.run, offset=offset * self.unit, first=first * self.unit)


@dataclass
class Recorder:
    """A job that writes down when it ran, and can be held."""

    clock: Clock
    began: list[float] = field(default_factory=list)
    ended: int = 0
    cancelled: int = 0
    at_once: int = 0
    most_at_once: int = 0
    held: asyncio.Event | None = None
    fails: bool = False

    def hold(self) -> asyncio.Event:
        """From now on runs wait for this."""
        self.held = asyncio.Event()
        return self.held

    async def run(self) -> None:
        """What is scheduled."""
        self.began.append(self.clock.now())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.held is not None:
                await self.held.wait()
            if self.fails:
                raise RuntimeError("it broke")
            self.ended += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


class ScheduleContract:
    """What every schedule does, whichever clock is under it; the classes below hand in theirs as `harness`."""

    async def test_it_runs_for_the_first_time_after_first_and_then_again_and_again(self, harness: Harness) -> None:
        """`first` seconds after the start, then at every point of the grid."""
        job = Recorder(harness.clock)
        harness.every("a", 4, job, first=2)
        began = harness.clock.now()
        harness.schedule.start()
        assert job.began == []
        await harness.until(lambda: len(job.began) >= 4)
        assert job.began[0] - began >= 1.9 * harness.unit

    async def test_runs_of_one_name_never_overlap_and_the_skipped_one_is_reported(self, harness: Harness) -> None:
        """A run that takes longer than its interval makes the next one a reported gap, not a second run."""
        job = Recorder(harness.clock)
        released = job.hold()
        harness.every("a", 2, job)
        harness.schedule.start()
        await harness.until(lambda: RunSkipped(name="a", reason="overlap") in harness.events)
        assert len(job.began) == 1
        released.set()
        await harness.until(lambda: len(job.began) >= 2)
        assert job.most_at_once == 1

    async def test_different_names_run_side_by_side(self, harness: Harness) -> None:
        """One hanging check holds up nobody else."""
        stuck, healthy = Recorder(harness.clock), Recorder(harness.clock)
        stuck.hold()
        harness.every("stuck", 2, stuck)
        harness.every("healthy", 2, healthy)
        harness.schedule.start()
        await harness.until(lambda: healthy.ended >= 2)
        assert len(stuck.began) == 1

    async def test_soon_brings_a_run_forward(self, harness: Harness) -> None:
        """A run an hour away takes place now when somebody asks for it."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=90_000)
        harness.schedule.start()
        harness.schedule.soon("a", harness.unit)
        await harness.until(lambda: len(job.began) == 1)

    async def test_soon_before_the_start_counts_from_the_start(self, harness: Harness) -> None:
        """What is asked for while the program is being put together is not lost."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=90_000)
        harness.schedule.soon("a")
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)

    async def test_it_says_how_long_until_a_run(self, harness: Harness) -> None:
        """By its grid, or as it was asked for; nothing of a name that is not known."""
        harness.every("a", 100_000, Recorder(harness.clock), first=90_000)
        harness.schedule.start()
        due_in = harness.schedule.due_in("a")
        assert due_in is not None
        assert 80_000 * harness.unit < due_in <= 90_000 * harness.unit
        harness.schedule.soon("a", 50_000 * harness.unit)
        due_in = harness.schedule.due_in("a")
        assert due_in is not None
        assert 40_000 * harness.unit < due_in <= 50_000 * harness.unit
        assert harness.schedule.due_in("b") is None

    async def test_soon_never_puts_a_run_off(self, harness: Harness) -> None:
        """A run that is due sooner anyway stays where it is."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=1)
        harness.schedule.start()
        harness.schedule.soon("a", 50_000 * harness.unit)
        await harness.until(lambda: len(job.began) == 1)

    async def test_soon_while_it_runs_means_again_after_it_has_ended(self, harness: Harness) -> None:
        """What was asked for during a run may not have been seen by it, so it is run once more, and not beside it."""
        job = Recorder(harness.clock)
        released = job.hold()
        harness.every("a", 100_000, job, first=0)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)
        harness.schedule.soon("a")
        await harness.let_pass(2)
        assert len(job.began) == 1
        released.set()
        await harness.until(lambda: len(job.began) == 2)
        assert job.most_at_once == 1
        assert harness.events == []

    async def test_a_run_begun_a_little_sooner_is_the_one_that_was_asked_for(self, harness: Harness) -> None:
        """An alarm that rings while its own run is under way reports no gap: nothing was skipped."""
        job = Recorder(harness.clock)
        first = job.hold()
        harness.every("a", 100_000, job, first=0)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)
        harness.schedule.soon("a")
        await harness.let_pass(1)
        harness.schedule.soon("a", 4 * harness.unit)
        second = job.hold()
        first.set()
        await harness.until(lambda: len(job.began) == 2)
        await harness.let_pass(6)
        assert harness.events == []
        second.set()
        await harness.until(lambda: job.ended == 2)

    async def test_what_is_asked_for_before_a_run_has_taken_its_first_step_is_that_run(self, harness: Harness) -> None:
        """Else two looks at the same moment would count as two in a row."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=90_000)
        harness.schedule.start()
        await harness.schedule._wake("a")
        harness.schedule.soon("a")
        await harness.let_pass(3)
        assert len(job.began) == 1
        harness.schedule.soon("a")
        await harness.until(lambda: len(job.began) == 2)

    async def test_a_run_may_ask_for_its_own_successor(self, harness: Harness) -> None:
        """That is how a failing check looks faster: each failing run asks for the next."""
        job = Recorder(harness.clock)

        async def run() -> None:
            await job.run()
            harness.schedule.soon("a", harness.unit)

        harness.schedule.every("a", 100_000 * harness.unit, run)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) >= 3)
        assert harness.events == []

    async def test_soon_of_an_unknown_name_is_ignored(self, harness: Harness) -> None:
        """A run of a target that is being removed may still ask for its successor."""
        harness.schedule.start()
        harness.schedule.soon("gone")

    async def test_every_replaces_the_job_of_that_name(self, harness: Harness) -> None:
        """A reload changes interval and code; the old ones run no more."""
        old, new = Recorder(harness.clock), Recorder(harness.clock)
        harness.every("a", 100_000, old, first=90_000)
        harness.schedule.start()
        harness.every("a", 2, new)
        await harness.until(lambda: len(new.began) >= 2)
        assert old.began == []

    async def test_a_replaced_job_waits_for_the_old_run(self, harness: Harness) -> None:
        """Two canaries of one target are never under way at once, not even across a reload."""
        job = Recorder(harness.clock)
        released = job.hold()
        harness.every("a", 2, job)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)
        harness.schedule.drop("a")
        harness.every("a", 2, job)
        await harness.let_pass(6)
        assert len(job.began) == 1
        released.set()
        await harness.until(lambda: len(job.began) >= 2)
        assert job.most_at_once == 1

    async def test_a_dropped_job_runs_no_more(self, harness: Harness) -> None:
        """A removed target is left alone; dropping it twice is no error."""
        job = Recorder(harness.clock)
        harness.every("a", 2, job)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)
        harness.schedule.drop("a")
        harness.schedule.drop("a")
        await harness.let_pass(6)
        assert len(job.began) == 1

    async def test_a_run_that_raises_is_logged_and_comes_again(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What escapes the runner's guard is one line with a traceback, and never the end of the schedule."""
        job = Recorder(harness.clock, fails=True)
        harness.every("a", 2, job)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) >= 2)
        assert "job a raised an unexpected error" in caplog.text
        assert "RuntimeError: it broke" in caplog.text

    async def test_stop_waits_for_what_runs_and_starts_nothing_more(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A check under way at SIGTERM is finished, and its wish for a successor is not granted."""
        job = Recorder(harness.clock)
        released = job.hold()
        harness.every("a", 2, job)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)
        harness.schedule.soon("a")
        stopping = asyncio.create_task(harness.schedule.stop(100_000 * harness.unit))
        await harness.let_pass(6)
        assert not stopping.done()
        released.set()
        await harness.until(stopping.done)
        await harness.let_pass(6)
        assert (len(job.began), job.ended, job.cancelled) == (1, 1, 0)
        assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []

    async def test_stop_cancels_what_outlasts_the_grace_without_noise(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A hanging check is cancelled after the grace, and cancelling is nothing to be logged as an error."""
        job = Recorder(harness.clock)
        job.hold()
        harness.every("a", 100_000, job)
        harness.schedule.start()
        await harness.until(lambda: len(job.began) == 1)
        stopping = asyncio.create_task(harness.schedule.stop(2 * harness.unit))
        await harness.until(stopping.done)
        assert (job.ended, job.cancelled) == (0, 1)
        assert [record for record in caplog.records if record.levelno > logging.INFO] == []

    async def test_stop_comes_back_although_a_run_will_not_die(self, harness: Harness) -> None:
        """A run that swallows its cancellation is left behind: the process has to end within its grace."""
        released = asyncio.Event()

        async def stubborn() -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        harness.schedule.every("a", 100_000, stubborn)
        harness.schedule.start()
        await harness.let_pass(1)
        stopping = asyncio.create_task(harness.schedule.stop(harness.unit))
        await harness.until(stopping.done, units=200)
        released.set()
        await harness.let_pass(1)

    async def test_an_alarm_that_was_already_under_way_starts_nothing_after_the_stop(self, harness: Harness) -> None:
        """APScheduler may have begun to wake a job in the very turn of the loop in which the stop came."""
        job = Recorder(harness.clock)
        harness.every("a", 100_000, job, first=90_000)
        harness.schedule.start()
        await harness.schedule.stop(0)
        await harness.schedule._wake("a")
        await harness.let_pass(1)
        assert job.began == []

    async def test_it_turns_from_start_to_stop(self, harness: Harness) -> None:
        """The health page asks whether the schedule is alive."""
        assert not harness.schedule.turning()
        harness.schedule.start()
        assert harness.schedule.turning()
        await harness.schedule.stop(0)
        await harness.schedule.stop(0)
        assert not harness.schedule.turning()


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
