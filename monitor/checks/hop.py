"""Does the gateway get its spans to TrueFoundry's collector? Its own counters as evidence; not a check of its own."""

from monitor.core.inputs import HopLooked
from monitor.core.model import CheckName, Instant, Seconds
from monitor.core.pace import hop_is_due
from monitor.core.state import Policy, TargetState
from monitor.ports import Clock, Journal, PortError, SpanMetrics

_TIMEOUT: Seconds = 10.0


class HopLook:
    """Reads the counters: two readings tell something of the hop."""

    def __init__(self, metrics: SpanMetrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock

    @property
    def serves(self) -> frozenset[CheckName]:
        """What it is evidence for."""
        return frozenset({CheckName.CANARY})

    def is_due(self, state: TargetState, policy: Policy, now: Instant) -> bool:
        """Whether it is time."""
        return hop_is_due(state, policy, now)

    async def look(self, journal: Journal) -> None:
        """Read once; what cannot be read is said where somebody asks why, and nowhere else."""
        try:
            counters = await self._metrics.read(timeout=_TIMEOUT)
        except PortError as error:
            await journal.absorb(HopLooked(at=self._clock.now(), problem=str(error)))
        else:
            await journal.absorb(HopLooked(at=self._clock.now(), counters=counters))
