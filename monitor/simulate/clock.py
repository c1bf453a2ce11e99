"""Time that passes only when nobody has anything left to do: an event loop that never waits, and the clock that reads it.

asyncio waits in one place, its selector, and asks one method what time it is. A selector that moves the time on instead of
waiting is all it takes: every sleep and every deadline of the program ends at its moment, in order, at once.
"""

import asyncio
import hashlib
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from monitor.clock import SystemClock
from monitor.core.model import Instant, Seconds

T = TypeVar("T")


class _Impatient(selectors.SelectSelector):
    """Looks what is ready; if nothing is, the time it was allowed to wait has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed: Seconds = 0.0

    def select(self, timeout: Seconds | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left that could ever happen")
        if not ready and timeout is not None:
            self.elapsed += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop of a simulation."""

    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> Seconds:
        """Virtual seconds since the loop was made."""
        return self._impatient.elapsed


class VirtualClock(SystemClock):
    """Implements `monitor.ports.Clock` on the running virtual loop: it is `start` now.

    Sleeps and deadlines are asyncio's own; the digits are no secret.
    """

    def __init__(self, start: Instant) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = start - self._loop.time()
        self._drawn = 0

    def now(self) -> Instant:
        """Unix seconds; they never jump."""
        return self._start + self._loop.time()

    def monotonic(self) -> Seconds:
        """Seconds since the loop was made."""
        return self._loop.time()

    def draw_hex(self, digits: int) -> str:
        """The same digits in every run, so that a story reads the same each time it is told; never all zero."""
        self._drawn += 1
        digest = hashlib.shake_256(f"simulated {self._drawn}".encode()).hexdigest(digits)
        return f"1{digest[1:digits]}"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a virtual loop to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
