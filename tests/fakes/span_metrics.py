"""A gateway's own counters in memory."""

from monitor.core.model import Seconds
from monitor.core.pipeline_counters import SpanCounters
from monitor.ports import Clock, PortError


class FakeSpanMetrics:
    """Implements `monitor.ports.SpanMetrics`: shows `exported` and `failed`; raises `error`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.exported = 0
        self.failed: dict[str, int] = {}
        self.error: PortError | None = None
        self.timeouts: list[Seconds] = []

    async def read(self, *, timeout: Seconds) -> SpanCounters:
        """As set."""
        self.timeouts.append(timeout)
        if self.error is not None:
            raise self.error
        return SpanCounters(at=self.clock.now(), exported=self.exported, failed=dict(self.failed))
