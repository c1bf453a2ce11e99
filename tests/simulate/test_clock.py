"""Time that passes only when nobody has anything left to do."""

import asyncio
import time

import pytest

from monitor.simulate.clock import VirtualClock, run

START = 1_800_000_000.0


def test_a_day_takes_no_time() -> None:
    """Sleeps end at their moments and in their order, and nobody waits for them."""

    async def story() -> list[tuple[str, float]]:
        clock = VirtualClock(START)
        seen: list[tuple[str, float]] = []

        async def wait(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            seen.append((name, clock.now() - START))

        await asyncio.gather(wait("day", 86_400.0), wait("minute", 60.0), wait("at once", 0.0))
        return seen

    began = time.monotonic()
    assert run(story()) == [("at once", 0.0), ("minute", pytest.approx(60.0)), ("day", pytest.approx(86_400.0))]
    assert time.monotonic() - began < 5.0


def test_a_deadline_ends_at_its_moment() -> None:
    """What takes longer is cut off, what takes less is not."""

    async def story() -> tuple[float, float]:
        clock = VirtualClock(START)
        with pytest.raises(TimeoutError):
            async with clock.timeout(10.0):
                await clock.sleep(11.0)
        cut_off_at = clock.monotonic()
        async with clock.timeout(10.0):
            await clock.sleep(9.0)
        return cut_off_at, clock.monotonic()

    assert run(story()) == pytest.approx((10.0, 19.0))


def test_wall_clock_and_monotonic_clock_go_together() -> None:
    """The one begins where it is told to, the other where it likes."""

    async def story() -> tuple[float, float]:
        clock = VirtualClock(START)
        before = clock.monotonic()
        await clock.sleep(5.0)
        return clock.now(), clock.monotonic() - before

    assert run(story()) == pytest.approx((START + 5.0, 5.0))


def test_digits_are_the_same_in_every_run() -> None:
    """So that a story reads the same each time; in a run no two are, and none is all zero."""

    async def draw() -> list[str]:
        clock = VirtualClock(START)
        return [clock.draw_hex(32) for _ in range(100)] + [clock.draw_hex(1)]

    drawn = run(draw())
    assert drawn == run(draw())
    assert len(set(drawn)) == 101
    assert all(set(digits) != {"0"} for digits in drawn)
    assert {len(digits) for digits in drawn[:-1]} == {32}


def test_waiting_for_nothing_is_an_error() -> None:
    """A simulation that could never go on says so instead of hanging."""

    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is left that could ever happen"):
        run(story())
