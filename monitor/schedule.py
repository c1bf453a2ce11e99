"""When things run: a fixed grid per name, never two runs of one name at once, no lost runs.

APScheduler 3.x cancels running coroutines on shutdown whatever it is asked for, and logs each as an error
(https://github.com/agronholm/apscheduler/issues/675), so it is used as an alarm clock only: what runs, when, that it never
runs twice at once, and how it ends, is decided here, and by the monotonic clock. APScheduler sleeps by the wall clock
(https://github.com/agronholm/apscheduler/issues/351): an alarm that rings before its time is set again, and a watchdog rings
what is overdue.
"""

import asyncio
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger

from monitor.core.events import Event, RunSkipped
from monitor.core.model import Instant, Seconds
from monitor.ports import Clock

_log = logging.getLogger(__name__)

_TOLERANCE: Seconds = 0.001
"""A moment this near is the present one: microseconds are lost between a float and a datetime."""

_WATCH_EVERY: Seconds = 1.0
_OVERDUE_AFTER: Seconds = 0.5
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


Run = Callable[[], Awaitable[None]]
Wake = Callable[[str], Awaitable[None]]


class Alarms(Protocol):
    """Wakes names when it is time; each alarm rings once, and the wall clock may make it ring too soon or too late."""

    def start(self, wake: Wake) -> None:
        """Begin to call `wake`, a plain `async def`, with the names that are due."""
        ...

    def put(self, name: str, delay: Seconds) -> None:
        """Wake that name after `delay`; replaces its alarm."""
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
    offset: Seconds  # by the monotonic clock, as `due_at`
    due_at: Seconds
    run: Run
    wanted: bool = False  # asked for by `soon`, and not begun since
    alarmed: bool = False  # asked for by `soon`, and that alarm has not rung yet
    again: bool = False  # became due while it ran
    looking: bool = False  # the run under way has taken its first step


class GridSchedule:
    """When things run, on the running event loop; `drop` and `soon` may be called from within a run."""

    def __init__(self, clock: Clock, publish: Callable[[Event], None], alarms: Alarms | None = None) -> None:
        self._clock = clock
        self._publish = publish
        self._alarms = alarms or _SchedulerAlarms(clock)
        self._jobs: dict[str, _Job] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._watchdog: asyncio.Task[None] | None = None
        self._watched_at: Seconds = 0.0
        self._stopping = False

    # --- the protocol

    def every(self, name: str, interval: Seconds, run: Run, *, offset: Seconds = 0.0, first: Seconds = 0.0) -> None:
        """Run at `offset + k * interval` (Unix seconds as of now), for the first time after `first`; replaces that name's job.

        From now on the grid is one of the monotonic clock: setting the wall clock moves no run.
        """
        offset -= self._clock.now() - self._clock.monotonic()
        job = _Job(name=name, interval=interval, offset=offset, due_at=self._now + first, run=run)
        self._jobs[name] = job
        self._plan(job)

    def soon(self, name: str, delay: Seconds = 0.0) -> None:
        """Run once more after `delay` unless it is due sooner. While it runs: once more after it has ended.

        A run that has begun and not taken its first step yet is the one that is asked for. A name that is not (or no longer)
        known is ignored: a run may ask for its successor while it is being removed.
        """
        job = self._jobs.get(name)
        if job is None or (name in self._running and not job.looking):
            return
        job.wanted = job.alarmed = True
        due_at = self._now + delay
        if due_at < job.due_at:
            job.due_at = due_at
            self._plan(job)

    def drop(self, name: str) -> None:
        """Never run this again; a run under way is left to end."""
        if self._jobs.pop(name, None) is not None and self._started:
            self._alarms.remove(name)

    def due_in(self, name: str) -> Seconds | None:
        """How long until it runs next; None for a name that is not known."""
        job = self._jobs.get(name)
        return None if job is None else max(0.0, job.due_at - self._now)

    def start(self) -> None:
        """Begin; what was registered before runs its `first` seconds from now."""
        self._alarms.start(self._wake)
        self._watchdog = asyncio.get_running_loop().create_task(self._watch(), name="schedule watchdog")
        self._watched_at = self._clock.monotonic()
        for job in self._jobs.values():
            job.due_at += self._watched_at
            self._plan(job)

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
        """Whether the schedule is alive: started, not stopped, and its watchdog came round recently."""
        return self._started and self._clock.monotonic() - self._watched_at < _STUCK_AFTER

    # --- inside

    @property
    def _started(self) -> bool:
        return self._watchdog is not None and not self._stopping

    @property
    def _now(self) -> Seconds:
        """By the monotonic clock; before the start, which everything is then counted from, zero."""
        return self._clock.monotonic() if self._started else 0.0

    def _plan(self, job: _Job) -> None:
        if self._started:
            self._alarms.put(job.name, job.due_at - self._clock.monotonic())

    async def _wake(self, name: str) -> None:
        job = self._jobs.get(name)
        if job is None or self._stopping:
            return
        now = self._clock.monotonic()
        if now < job.due_at - _TOLERANCE:  # the wall clock was set ahead
            self._plan(job)
            return
        asked, job.alarmed = job.alarmed, False
        job.due_at = next_on_grid(max(now, job.due_at), job.interval, job.offset)
        self._plan(job)
        if name not in self._running:
            self._begin(job)
        elif job.wanted:
            job.again = True
        elif not asked:  # else the run that was asked for is this very one, begun a little sooner
            self._publish(RunSkipped(name=name, reason="overlap"))

    def _begin(self, job: _Job) -> None:
        job.wanted = job.again = job.looking = False
        task = asyncio.get_running_loop().create_task(_look(job), name=job.name)
        self._running[job.name] = task
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        name = task.get_name()
        del self._running[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job %s raised an unexpected error", name, exc_info=error)
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
        """Ring what APScheduler sleeps through: the wall clock set back by a day, it would keep every alarm for a day."""
        while True:
            await self._clock.sleep(_WATCH_EVERY)
            self._watched_at = self._clock.monotonic()
            for job in list(self._jobs.values()):
                if self._watched_at - job.due_at > _OVERDUE_AFTER:
                    await self._wake(job.name)


async def _look(job: _Job) -> None:
    """Turn any awaitable into the coroutine that a task needs; from its first step on it is under way."""
    job.looking = True
    await job.run()


class _SchedulerAlarms:
    """APScheduler as `Alarms`: in UTC (its daylight saving stalls), and no run is ever too late (it drops those 1 s late)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # A wake is over at once, but APScheduler learns that a turn of the loop later: two alarms in one turn must both ring.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 16}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        self._wake: Wake | None = None

    def start(self, wake: Wake) -> None:
        self._wake = wake
        self._scheduler.start()

    def put(self, name: str, delay: Seconds) -> None:
        at = datetime.fromtimestamp(self._clock.now() + delay, UTC)
        self._scheduler.add_job(self._wake, DateTrigger(at), args=(name,), id=name, replace_existing=True)

    def remove(self, name: str) -> None:
        with suppress(JobLookupError):  # it is just ringing
            self._scheduler.remove_job(name)

    def stop(self) -> None:
        self._scheduler.pause()
        self._scheduler.shutdown(wait=False)
