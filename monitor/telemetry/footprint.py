"""How late the event loop is: the first thing to suffer when something blocks it."""

from collections.abc import Callable

from monitor.core.model import Seconds
from monitor.ports import Clock

EVERY: Seconds = 1.0


async def watch_loop(clock: Clock, observe: Callable[[Seconds], None], *, every: Seconds = EVERY) -> None:
    """For as long as the task lives: sleep, and report by how much more than that it was."""
    while True:
        asleep_at = clock.monotonic()
        await clock.sleep(every)
        observe(max(0.0, clock.monotonic() - asleep_at - every))
