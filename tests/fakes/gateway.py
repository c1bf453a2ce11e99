"""A gateway in memory."""

import asyncio

from monitor.core.model import Phases, Seconds, TraceId
from monitor.ports import CanaryAnswer, CanaryRequest, Clock, Ping, Refusal, Unreachable


class FakeGateway:
    """Implements `monitor.ports.Gateway`: serves everything until set otherwise, and keeps what it was asked.

    `down` is the kind of Unreachable that every question gets (`timeout` takes its time); `refusing` a status for
    completions, `health` the status of the health path. Each completion makes a trace, with an id of the gateway's own.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.requests: list[CanaryRequest] = []
        self.pings = 0
        self.traces: list[TraceId] = []
        self.down: str | None = None
        self.refusing: int | None = None
        self.health = 200
        self.latency: Seconds = 0.0
        self.names_its_trace = True

    async def ping(self, *, timeout: Seconds) -> Ping:
        """The health path."""
        self.pings += 1
        await self._reach(timeout)
        return Ping(status=self.health, phases=Phases(processing=0.0))

    async def complete(self, request: CanaryRequest) -> CanaryAnswer:
        """A completion, or the refusal that was set."""
        self.requests.append(request)
        await self._reach(request.timeout)
        if self.refusing is not None:
            refusal = Refusal(message="refused", envelope=True)
            return CanaryAnswer(status=self.refusing, refusal=refusal, phases=Phases(processing=0.0))
        self.traces.append(TraceId(self.clock.draw_hex(32)))
        return CanaryAnswer(
            status=200,
            completion=True,
            phases=Phases(processing=self.latency),
            trace_id=self.traces[-1] if self.names_its_trace else None,
            destination="default",
            model=request.model,
            usage={"input": 20, "output": 2},
            finish_reason="stop",
        )

    async def _reach(self, timeout: Seconds) -> None:
        if self.down == "timeout":
            await self.clock.sleep(timeout)
        if self.down is not None:
            raise Unreachable(f"the gateway is down ({self.down})", kind=self.down)
        try:
            async with self.clock.timeout(timeout):
                await self.clock.sleep(self.latency)
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout:g} s", kind="timeout") from None
        await asyncio.sleep(0)
