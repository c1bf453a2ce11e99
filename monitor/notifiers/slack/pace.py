"""No more than one message a second and channel (https://docs.slack.dev/apis/web-api/rate-limits)."""

from monitor.core.model import Instant, Seconds
from monitor.ports import Clock


class Pace:
    """Gives out turns, one every so often for each key. Share one among all who post to the same workspace."""

    def __init__(self, clock: Clock, *, every: Seconds = 1.0) -> None:
        self._clock = clock
        self._every = every
        self._free_at: dict[str, Instant] = {}  # by the monotonic clock

    async def turn(self, key: str) -> None:
        """Wait for the next turn; who comes first is served first."""
        now = self._clock.monotonic()
        at = max(now, self._free_at.get(key, now))
        self._free_at[key] = at + self._every
        if at > now:
            await self._clock.sleep(at - now)
