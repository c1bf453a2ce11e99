"""When things run: a fixed grid per name, never two runs of one name at once, no lost runs.

APScheduler 3.x cancels running coroutines on shutdown whatever it is told, and logs each as an error
(https://github.com/agronholm/apscheduler/issues/675), so it is used as an alarm clock only: what runs, that it never runs
twice at once, and how it ends, is decided here. It sleeps by the wall clock and may sleep too long when that is set back
(https://github.com/agronholm/apscheduler/issues/351), so a watchdog counts by the monotonic one.
"""

import asyncio
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from monitor.core.events import Event, RunSkipped
from monitor.core.model import Instant, Seconds
from monitor.ports import Clock, Run

_log = logging.getLogger(__name__)

_TOLERANCE: Seconds = 0.001
"""A grid point this near is the present one: microseconds are lost between a float and a datetime."""

_OVERDUE_AFTER = 3
"""So many intervals without a run, and the wall clock must have jumped."""

_WATCH_AT_LEAST_EVERY: Seconds = 5.0
_STUCK_AFTER: Seconds = 30.0
_CANCELLED_WITHIN: Seconds = 1.0
"""How long a cancelled run may take to clean up behind itself."""


def next_on_grid(now: Instant, interval: Seconds, offset: Seconds) -> Instant:
    """The first point of `offset + k * interval` after `now`: computed from nothing else, so it cannot drift."""
    point = offset + math.ceil((now - offset) / interval) * interval
    while point <= now + _TOLERANCE:
        point += max(interval, _TOLERANCE)
    return point


def spread(name: str, interval: Seconds) -> Seconds:
    """A place on the grid of that interval that is always the same for a name, so that many jobs do not run at one moment."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * interval


Wake = Callable[[str], Awaitable[None]]


class Alarms(Protocol):
    """Wakes names when it is time, by the wall clock."""

    def start(self, wake: Wake) -> None:
        """Begin to call `wake`, a plain `async def`, with the names that are due."""
        ...

    def put(self, name: str, at: Instant, *, interval: Seconds, offset: Seconds) -> None:
        """Wake that name at `at` and then on its grid; replaces its alarm."""
        ...

    def sooner(self, name: str, at: Instant) -> None:
        """Wake that name at `at` if it would be woken later; its grid stays."""
        ...

    def remove(self, name: str) -> None:
        """Wake that name no more."""
        ...

    def stop(self) -> None:
        """Wake nobody any more."""
        ...


@dataclass(slots=True, kw_only=True)
class _Job:
    name: str
    interval: Seconds
    offset: Seconds
    first: Seconds
    run: Run
    begun_at: Seconds  # by the monotonic clock: when it ran last, or when it is meant to run for the first time
    wanted: bool = False  # asked for by `soon`, and not begun since
    alarmed: bool = False  # asked for by `soon`, and that alarm has not rung yet
    again: bool = False  # became due while it ran
    looking: bool = False  # the run under way has taken its first step


class GridSchedule:
    """Implements `monitor.ports.Schedule` on the running event loop."""

    def __init__(self, clock: Clock, publish: Callable[[Event], None], alarms: Alarms | None = None) -> None:
        self._clock = clock
        self._publish = publish
        self._alarms = alarms or _SchedulerAlarms()
        self._jobs: dict[str, _Job] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._watchdog: asyncio.Task[None] | None = None
        self._watched_at: Seconds = 0.0
        self._stopping = False

    # --- the protocol

    def every(self, name: str, interval: Seconds, run: Run, *, offset: Seconds = 0.0, first: Seconds = 0.0) -> None:
        """Run at `offset + k * interval` (Unix seconds), for the first time after `first`; replaces the job of that name."""
        begun_at = self._clock.monotonic() + first
        job = _Job(name=name, interval=interval, offset=offset, first=first, run=run, begun_at=begun_at)
        self._jobs[name] = job
        if self._started:
            self._plan(job, first)

    def soon(self, name: str, delay: Seconds = 0.0) -> None:
        """Run once more after `delay` unless it is due sooner. While it runs: once more after it has ended.

        A run that has begun and not taken its first step yet is the one that is asked for. A name that is not (or no longer)
        known is ignored: a run may ask for its successor while it is being removed.
        """
        job = self._jobs.get(name)
        if job is None or (name in self._running and not job.looking):
            return
        job.wanted = job.alarmed = True
        if self._started:
            self._alarms.sooner(name, self._clock.now() + delay)
        else:
            job.first = min(job.first, delay)

    def drop(self, name: str) -> None:
        """Never run this again; a run under way is left to end."""
        if self._jobs.pop(name, None) is not None and self._started:
            self._alarms.remove(name)

    def start(self) -> None:
        """Begin; what was registered before runs its `first` seconds from now."""
        self._alarms.start(self._wake)
        self._watchdog = asyncio.get_running_loop().create_task(self._watch(), name="schedule watchdog")
        self._watched_at = self._clock.monotonic()
        for job in self._jobs.values():
            job.begun_at = self._clock.monotonic() + job.first
            self._plan(job, job.first)

    async def stop(self, grace: Seconds) -> None:
        """Start nothing more, wait for what runs, cancel the rest after `grace` seconds."""
        if self._stopping or self._watchdog is None:
            return
        self._stopping = True
        self._watchdog.cancel()
        self._alarms.stop()
        await self._wait_for_runs(grace)
        for task in self._running.values():
            task.cancel()
        await self._wait_for_runs(_CANCELLED_WITHIN)
        await self._clock.sleep(0)  # APScheduler lets go of its timer on the next turn of the loop

    # --- for the health page

    def turning(self) -> bool:
        """Whether the schedule is alive: started, not stopped, and its watchdog came round lately."""
        return self._started and self._clock.monotonic() - self._watched_at < _STUCK_AFTER

    # --- inside

    @property
    def _started(self) -> bool:
        return self._watchdog is not None and not self._stopping

    def _plan(self, job: _Job, delay: Seconds) -> None:
        self._alarms.put(job.name, self._clock.now() + delay, interval=job.interval, offset=job.offset)

    async def _wake(self, name: str) -> None:
        job = self._jobs.get(name)
        if job is None or self._stopping:
            return
        asked, job.alarmed = job.alarmed, False
        if name not in self._running:
            self._begin(job)
        elif job.wanted:
            job.again = True
        elif not asked:  # else the run that was asked for is this very one, begun a little sooner
            self._publish(RunSkipped(name=name, reason="overlap"))

    def _begin(self, job: _Job) -> None:
        job.wanted = job.again = job.looking = False
        job.begun_at = self._clock.monotonic()
        task = asyncio.get_running_loop().create_task(_look(job), name=job.name)
        self._running[job.name] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        name = task.get_name()
        del self._running[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job %s escaped its guard", name, exc_info=error)
        job = self._jobs.get(name)
        if job is not None and job.again and not self._stopping:
            self._begin(job)

    async def _wait_for_runs(self, seconds: Seconds) -> None:
        try:
            async with self._clock.timeout(seconds):
                while self._running:
                    await asyncio.wait(self._running.values())
        except TimeoutError:
            return

    async def _watch(self) -> None:
        """Run what the wall clock has forgotten: set back by a day, it would keep the alarms asleep for a day."""
        while True:
            pause = min((job.interval for job in self._jobs.values()), default=_WATCH_AT_LEAST_EVERY)
            pause = min(pause, _WATCH_AT_LEAST_EVERY)
            asleep_at = self._clock.monotonic()
            await self._clock.sleep(pause)
            self._watched_at = self._clock.monotonic()
            if self._watched_at - asleep_at <= 2 * pause:  # else we were late ourselves, and so was everybody
                self._run_the_overdue()

    def _run_the_overdue(self) -> None:
        now = self._clock.monotonic()
        for job in list(self._jobs.values()):
            if job.name in self._running or now - job.begun_at <= _OVERDUE_AFTER * job.interval:
                continue
            self._publish(RunSkipped(name=job.name, reason="clock_jump"))
            self._begin(job)
            self._plan(job, next_on_grid(self._clock.now(), job.interval, job.offset) - self._clock.now())


async def _look(job: _Job) -> None:
    """Turn any awaitable into the coroutine that a task needs; from its first step on it is under way."""
    job.looking = True
    await job.run()


class _GridTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires on the grid. It asks only what time it is, so a jump of years is one run and no list of missed ones.

    APScheduler's own triggers list them all: https://github.com/agronholm/apscheduler/issues/526.
    """

    def __init__(self, interval: Seconds, offset: Seconds) -> None:
        self._interval = interval
        self._offset = offset

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return _utc(next_on_grid(now.timestamp(), self._interval, self._offset))


class _SchedulerAlarms:
    """APScheduler as `Alarms`: in UTC (its daylight saving stalls), and no run is ever too late (it drops those 1 s late)."""

    def __init__(self) -> None:
        # A wake is over at once, but APScheduler learns that a turn of the loop later: two alarms in one turn must both ring.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 16}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        self._wake: Wake | None = None

    def start(self, wake: Wake) -> None:
        self._wake = wake
        self._scheduler.start()

    def put(self, name: str, at: Instant, *, interval: Seconds, offset: Seconds) -> None:
        trigger = _GridTrigger(interval, offset)
        self._scheduler.add_job(
            self._wake, trigger, args=(name,), id=name, next_run_time=_utc(at), replace_existing=True
        )

    def sooner(self, name: str, at: Instant) -> None:
        job = self._scheduler.get_job(name)
        if _utc(at) < job.next_run_time:
            job.modify(next_run_time=_utc(at))

    def remove(self, name: str) -> None:
        self._scheduler.remove_job(name)

    def stop(self) -> None:
        self._scheduler.pause()
        self._scheduler.shutdown(wait=False)


def _utc(at: Instant) -> datetime:
    return datetime.fromtimestamp(at, UTC)
