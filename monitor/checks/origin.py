"""Does TrueFoundry's own store have the trace? Evidence for the triage, not a check of its own."""

from monitor.core.canary import Canary, Outcome
from monitor.core.inputs import OriginLooked
from monitor.core.model import Instant, Seconds
from monitor.ports import Clock, ControlPlane, Journal, PortError

_TIMEOUT: Seconds = 30.0
_BEFORE: Seconds = 300.0
_AT_MOST = 3
_NOT_SOONER_THAN: Seconds = 15.0


class OriginLook:
    """Asks for the traces that have not come, or else for the newest that has: that proves the route."""

    def __init__(self, control_plane: ControlPlane, clock: Clock) -> None:
        self._control_plane = control_plane
        self._clock = clock
        self._tried_at: Seconds | None = None  # by a clock that never jumps

    async def look(self, journal: Journal) -> None:
        """Ask, at most every 15 seconds; what could not be asked is not reported: it proves nothing."""
        now, tried_at = self._clock.now(), self._clock.monotonic()
        closer_after = journal.policy.arrival.look_closer_after
        patience = min(_NOT_SOONER_THAN, closer_after / 4)  # who settles everything faster asks faster too
        if self._tried_at is not None and tried_at - self._tried_at < patience:
            return
        for canary in _worth_asking(journal.state.canaries, closer_after, now):
            if canary.trace_id is None:
                continue
            self._tried_at = tried_at
            try:
                spans = await self._control_plane.find_spans(
                    canary.trace_id,
                    since=canary.sent_at - _BEFORE,
                    destination=canary.destination,
                    timeout=_TIMEOUT,
                )
            except PortError:
                continue
            await journal.absorb(OriginLooked(at=self._clock.now(), canary_id=canary.id, found=bool(spans)))


def _worth_asking(canaries: tuple[Canary, ...], closer_after: Seconds, now: Instant) -> tuple[Canary, ...]:
    """The newest that arrived, for the proof, and the newest that have not come."""
    served = [canary for canary in canaries if canary.accepted and canary.answered_at is not None]
    arrived = [canary for canary in served if canary.outcome in (Outcome.ARRIVED, Outcome.LATE)][-1:]
    missed = [
        canary
        for canary in served
        if canary.origin is not True
        and (
            canary.outcome is Outcome.MISSING
            or (canary.outcome is None and not canary.spans and now - (canary.answered_at or now) >= closer_after)
        )
    ][-_AT_MOST:]
    return (*arrived, *missed)
