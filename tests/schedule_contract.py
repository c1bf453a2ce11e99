"""What every schedule promises, whichever clock is under it: the tests, and the jobs that they schedule."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from monitor.core.events import Event, RunSkipped
from monitor.ports import Clock
from monitor.schedule import GridSchedule
from tests.fakes.clock import FakeClock


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
