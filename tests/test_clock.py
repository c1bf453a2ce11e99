"""The contract of `Clock`, kept by the real clock and by the fake one; and what the fake one promises besides."""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TypeVar

import pytest

from monitor.clock import SystemClock
from monitor.ports import Clock
from tests.fakes.clock import START, FakeClock

T = TypeVar("T")


class ClockContract(ABC):
    """What every clock promises. `drive` awaits something that waits for the clock."""

    @pytest.fixture
    @abstractmethod
    def clock(self) -> Clock:
        """The clock under test."""

    @abstractmethod
    async def drive(self, clock: Clock, waiting: Awaitable[T]) -> T:
        """Await, while time passes."""

    async def test_sleeping_takes_its_time(self, clock: Clock) -> None:
        """Both hands move on by what was slept."""
        wall, monotonic = clock.now(), clock.monotonic()
        await self.drive(clock, clock.sleep(0.02))
        assert clock.monotonic() - monotonic >= 0.019
        assert clock.now() - wall >= 0.015

    async def test_the_monotonic_clock_is_no_wall_clock(self, clock: Clock) -> None:
        """Nobody can take the one for the other."""
        assert clock.now() > 1_700_000_000 > clock.monotonic()

    @pytest.mark.parametrize("seconds", [0.0, -1.0])
    async def test_a_sleep_of_nothing_lets_others_run(self, clock: Clock, seconds: float) -> None:
        """Zero and less give way for one turn of the loop."""
        others: list[str] = []
        other = asyncio.ensure_future(self._note(others))
        await clock.sleep(seconds)
        assert others == ["ran"]
        await other

    @staticmethod
    async def _note(others: list[str]) -> None:
        others.append("ran")

    async def test_a_deadline_expires(self, clock: Clock) -> None:
        """What takes longer is interrupted with TimeoutError."""

        async def late() -> None:
            async with clock.timeout(0.01):
                await clock.sleep(30)

        with pytest.raises(TimeoutError):
            await self.drive(clock, late())

    @pytest.mark.parametrize("seconds", [0.0, -1.0])
    async def test_a_deadline_of_nothing_expires_at_the_first_await(self, clock: Clock, seconds: float) -> None:
        """A spent budget is spent."""

        async def late() -> None:
            async with clock.timeout(seconds):
                await clock.sleep(30)

        with pytest.raises(TimeoutError):
            await self.drive(clock, late())

    async def test_a_deadline_kept_leaves_nothing_behind(self, clock: Clock) -> None:
        """Work that ends in time goes on undisturbed after the block."""

        async def early() -> str:
            async with clock.timeout(0.01):
                await clock.sleep(0)
            await clock.sleep(0.02)
            return "done"

        assert await self.drive(clock, early()) == "done"

    async def test_the_inner_deadline_leaves_the_outer_alone(self, clock: Clock) -> None:
        """An expired inner deadline does not count against the outer one."""

        async def nested() -> str:
            async with clock.timeout(30):
                try:
                    async with clock.timeout(0.01):
                        await clock.sleep(60)
                except TimeoutError:
                    return "inner"
            return "neither"

        assert await self.drive(clock, nested()) == "inner"

    async def test_cancelling_is_not_a_timeout(self, clock: Clock) -> None:
        """Who is cancelled inside a deadline sees the cancellation."""

        async def long() -> None:
            async with clock.timeout(60):
                await clock.sleep(30)

        task = asyncio.ensure_future(long())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @pytest.mark.parametrize("digits", [1, 7, 16, 32])
    async def test_drawn_digits_are_lowercase_hex_of_the_length_asked(self, clock: Clock, digits: int) -> None:
        """Leading zeros are kept, and no id is all zero."""
        for _ in range(200):
            drawn = clock.draw_hex(digits)
            assert re.fullmatch(rf"[0-9a-f]{{{digits}}}", drawn)
            assert set(drawn) != {"0"}

    async def test_two_draws_differ(self, clock: Clock) -> None:
        """Ids do not collide."""
        assert len({clock.draw_hex(16) for _ in range(500)}) == 500


class TestSystemClock(ClockContract):
    """The machine's clock."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock under test."""
        return SystemClock()

    async def drive(self, clock: Clock, waiting: Awaitable[T]) -> T:
        """Time passes by itself."""
        del clock
        return await waiting


class TestFakeClock(ClockContract):
    """The clock of the tests."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock under test."""
        return FakeClock()

    async def drive(self, clock: Clock, waiting: Awaitable[T]) -> T:
        """Somebody has to turn it."""
        assert isinstance(clock, FakeClock)
        task = asyncio.ensure_future(waiting)
        await clock.run_until(task.done, limit=3600)
        return await task


async def test_fake_time_stands_still_by_itself() -> None:
    """Nothing but the test moves it."""
    clock = FakeClock()
    await asyncio.sleep(0.01)
    assert clock.now() == START


async def test_what_is_due_runs_in_order_and_at_its_moment() -> None:
    """Sleepers wake by the time they asked for, whoever began first, and sleep again within one advance."""
    clock = FakeClock()
    log: list[tuple[str, float]] = []

    async def every(name: str, seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            log.append((name, clock.now() - START))

    tasks = [asyncio.ensure_future(every("slow", 3)), asyncio.ensure_future(every("fast", 2))]
    await clock.advance(7)
    assert log == [("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6), ("fast", 6)]
    assert clock.now() == START + 7
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert clock.waiting == 0


async def test_five_fake_minutes_take_no_time() -> None:
    """A thousand waits of the program cost milliseconds of ours."""
    clock = FakeClock()

    async def ticking() -> None:
        for _ in range(1000):
            async with clock.timeout(10):
                await clock.sleep(0.3)

    task = asyncio.ensure_future(ticking())
    began = time.perf_counter()
    await clock.advance(301)
    assert task.done()
    assert time.perf_counter() - began < 5


async def test_run_until_says_how_long_it_took() -> None:
    """It stops at the very alarm that made it come true."""
    clock = FakeClock()
    task = asyncio.ensure_future(clock.sleep(90))
    assert await clock.run_until(task.done) == 90


async def test_run_until_gives_up_at_its_limit() -> None:
    """A test that waits in vain fails instead of hanging."""
    clock = FakeClock()
    task = asyncio.ensure_future(clock.sleep(90))
    with pytest.raises(AssertionError, match="within 60"):
        await clock.run_until(task.done, limit=60)
    task.cancel()
    await clock.settle()
    with pytest.raises(AssertionError, match="nothing waits"):
        await clock.run_until(lambda: False)


async def test_fake_time_waits_for_threads() -> None:
    """What a thread does (a database) is finished before the next alarm rings."""
    clock = FakeClock()
    log: list[str] = []

    async def commit() -> None:
        await asyncio.gather(asyncio.to_thread(time.sleep, 0.02))
        log.append("committed")

    async def tick() -> None:
        await clock.sleep(1)
        log.append("ticked")

    tasks = [asyncio.ensure_future(commit()), asyncio.ensure_future(tick())]
    await clock.advance(2)
    assert log == ["committed", "ticked"]
    await asyncio.gather(*tasks)


async def test_a_jump_moves_the_wall_clock_alone() -> None:
    """Somebody sets the machine's clock; waiting is not touched."""
    clock = FakeClock()
    monotonic = clock.monotonic()
    task = asyncio.ensure_future(clock.sleep(5))
    clock.jump(-86_400)
    assert clock.now() == START - 86_400
    assert clock.monotonic() == monotonic
    await clock.advance(5)
    assert task.done()


async def test_a_program_that_spins_is_found_out() -> None:
    """A loop that never waits fails the test instead of hanging it."""
    clock = FakeClock()

    async def spin() -> None:
        while True:
            await clock.sleep(0)

    task = asyncio.ensure_future(spin())
    with pytest.raises(AssertionError, match="never came to rest"):
        await clock.settle()
    task.cancel()


async def test_two_tasks_that_turn_one_clock_are_an_error() -> None:
    """Each would wait for the other to rest."""
    clock = FakeClock()
    other = asyncio.ensure_future(clock.advance(1))
    with pytest.raises(AssertionError, match="turns this clock already"):
        await asyncio.gather(clock.advance(1), other)
    await asyncio.gather(other, return_exceptions=True)
