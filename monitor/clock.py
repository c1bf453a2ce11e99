"""The real clock: the only file that reads a clock, waits, or draws random numbers."""

import asyncio
import secrets
import time
from contextlib import AbstractAsyncContextManager

from monitor.core.model import Instant, Seconds


class SystemClock:
    """Time and chance as the machine has them; implements `monitor.ports.Clock`."""

    def now(self) -> Instant:
        """Unix seconds; jumps when somebody sets the machine's clock."""
        return time.time()

    def monotonic(self) -> Seconds:
        """Seconds since some moment; never jumps."""
        return time.monotonic()

    async def sleep(self, seconds: Seconds) -> None:
        """Wait by the monotonic clock; zero and less only let others run."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: Seconds) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError inside `async with` after so many seconds; zero and less expire at the first `await`."""
        return asyncio.timeout(seconds)

    def draw_hex(self, digits: int) -> str:
        """Unguessable digits: never all zero, which trace context forbids for ids.

        https://www.w3.org/TR/trace-context/#trace-id
        """
        return f"{1 + secrets.randbelow(16**digits - 1):0{digits}x}"
