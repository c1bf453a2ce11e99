"""A clock that the test turns: waiting five minutes takes microseconds, and everything happens in the same order each time."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

START = 1_800_000_000.0
"""2027-01-15T08:00:00Z: where every fake clock begins."""

_RESTLESS = 100_000
"""So many turns of the loop without rest are a bug of the code under test, not patience."""

_THREAD_PATIENCE = 2.0
"""Real seconds that a thread (a database, a resolver) may take before fake time goes on without it."""


@dataclass(order=True)
class _Alarm:
    due: float
    number: int
    ring: Callable[[], object] = field(compare=False)
    off: bool = field(default=False, compare=False)


class FakeClock:
    """Implements `monitor.ports.Clock`; time stands still until `advance` or `run_until` moves it."""

    def __init__(self, *, start: float = START, seed: int = 0, threads: bool = True) -> None:
        """`threads`: whether anything under test may wait for a thread; looking out for that is what costs time."""
        self._start = start
        self._threads = threads
        self._elapsed = 0.0
        self._jumped = 0.0
        self._alarms: list[_Alarm] = []
        self._numbers = itertools.count()
        self._settling = False
        self._chance = random.Random(seed)  # noqa: S311 - the same digits in every run are the point

    # --- the protocol

    def now(self) -> float:
        """The wall clock, jumps included."""
        return self._start + self._jumped + self._elapsed

    def monotonic(self) -> float:
        """Fake seconds since the clock was made; begins at 1000 so that nobody takes it for a wall clock."""
        return 1000.0 + self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has advanced that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        alarm = self._set_alarm(seconds, woken.set)
        try:
            await woken.wait()
        finally:
            alarm.off = True

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """asyncio.timeout itself, expired by fake time."""
        return _FakeTimeout(self, seconds)

    def draw_hex(self, digits: int) -> str:
        """The same digits in every run."""
        return f"{self._chance.randrange(1, 16**digits):0{digits}x}"

    # --- for the test

    async def advance(self, seconds: float) -> None:
        """Let time pass: everything that becomes due runs at its moment, in order, also what it sets in motion itself."""
        await self.settle()
        goal = self._elapsed + seconds
        while (alarm := self._next_alarm()) is not None and alarm.due <= goal:
            await self._ring(alarm)
        self._elapsed = goal
        await self.settle()

    async def run_until(self, reached: Callable[[], object], limit: float = 3600.0) -> float:
        """Let time pass until `reached()` holds, from alarm to alarm; returns how many seconds that took.

        Raises AssertionError when `limit` seconds did not suffice, or nobody waits for time any more.
        """
        began = self._elapsed
        await self.settle()
        while not reached():
            alarm = self._next_alarm()
            assert alarm is not None, "nothing waits for the clock, and it has not come true"
            assert alarm.due <= began + limit, f"not come true within {limit} s"
            await self._ring(alarm)
        return self._elapsed - began

    async def settle(self) -> None:
        """Let everybody run who can, without any time passing. Only one task may turn the clock."""
        assert not self._settling, "another task turns this clock already: neither would ever see the other rest"
        self._settling = True
        try:
            await self._rest()
        finally:
            self._settling = False

    async def _rest(self) -> None:
        loop = cast("Any", asyncio.get_running_loop())
        patience_ends = loop.time() + _THREAD_PATIENCE
        quiet = 0
        for _ in range(_RESTLESS):
            await asyncio.sleep(0)
            quiet = 0 if loop._ready else quiet + 1
            if quiet < 2:  # a second turn: what came in over a socket is only seen at the end of the first
                continue
            if not (self._threads and _somebody_awaits_a_thread()) or loop.time() > patience_ends:
                return
            await asyncio.sleep(0.000_5)
            quiet = 0
        raise AssertionError("the event loop never came to rest: something spins without waiting")

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP might; waiting is not touched."""
        self._jumped += seconds

    @property
    def waiting(self) -> int:
        """How many sleeps and deadlines are pending."""
        return sum(not alarm.off for alarm in self._alarms)

    def _set_alarm(self, seconds: float, ring: Callable[[], object]) -> _Alarm:
        alarm = _Alarm(self._elapsed + seconds, next(self._numbers), ring)
        heapq.heappush(self._alarms, alarm)
        return alarm

    def _next_alarm(self) -> _Alarm | None:
        while self._alarms and self._alarms[0].off:
            heapq.heappop(self._alarms)
        return self._alarms[0] if self._alarms else None

    async def _ring(self, alarm: _Alarm) -> None:
        heapq.heappop(self._alarms)
        self._elapsed = max(self._elapsed, alarm.due)
        alarm.ring()
        await self.settle()


class _FakeTimeout:
    """An `asyncio.Timeout` without a deadline of its own; the fake clock's alarm moves its deadline to now."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._inner = asyncio.timeout(None)
        self._alarm: _Alarm | None = None

    def expired(self) -> bool:
        """As of asyncio.Timeout."""
        return self._inner.expired()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        if self._seconds <= 0:
            self._expire()
        else:
            self._alarm = self._clock._set_alarm(self._seconds, self._expire)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._alarm is not None:
            self._alarm.off = True
        await self._inner.__aexit__(kind, error, traceback)

    def _expire(self) -> None:
        self._inner.reschedule(asyncio.get_running_loop().time())


def _somebody_awaits_a_thread() -> bool:
    """Whether a task waits for the answer of an executor: then fake time must not run ahead of real work."""
    return any(_is_of_a_thread(getattr(task, "_fut_waiter", None)) for task in asyncio.all_tasks())


def _is_of_a_thread(waiter: Any) -> bool:
    """asyncio.wrap_future leaves this callback on every future that stands for one of concurrent.futures."""
    callbacks = getattr(waiter, "_callbacks", None) or ()
    if any("_chain_future" in getattr(callback, "__qualname__", "") for callback, _context in callbacks):
        return True
    return any(_is_of_a_thread(child) for child in getattr(waiter, "_children", ()))
