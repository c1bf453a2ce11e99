"""Does TrueFoundry's own store have the trace? Evidence for the triage, not a check of its own."""

from monitor.core.canary import Canary, IdSource, Outcome
from monitor.core.gateway_policies import SwitchKind, likely_destinations
from monitor.core.hints import known_caller, known_switch
from monitor.core.inputs import OriginLooked
from monitor.core.model import CheckName, Instant, Seconds
from monitor.core.pace import origin_is_due
from monitor.core.state import Policy, TargetState
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

    @property
    def serves(self) -> frozenset[CheckName]:
        """What it is evidence for."""
        return frozenset({CheckName.CANARY})

    def is_due(self, state: TargetState, policy: Policy, now: Instant) -> bool:
        """Whether it is time."""
        return origin_is_due(state, policy, now)

    async def look(self, journal: Journal) -> None:
        """Ask, at most every 15 seconds; what could not be asked is not reported: it proves nothing."""
        now, tried_at = self._clock.now(), self._clock.monotonic()
        closer_after = journal.policy.arrival.look_closer_after
        patience = min(_NOT_SOONER_THAN, closer_after / 4)  # who settles everything faster asks faster too
        if self._tried_at is not None and tried_at - self._tried_at < patience:
            return
        for canary in _worth_asking(journal.state.canaries, closer_after, now):
            self._tried_at = tried_at
            try:
                await self._ask_for(canary, journal)
            except PortError:
                continue

    async def _ask_for(self, canary: Canary, journal: Journal) -> None:
        """Ask each destination that may have it; not to be found counts only if every one of them has answered.

        By the nonce where no id is known, or where it was the nonce that found it: then that way of asking is proven, too.
        """
        by_nonce = canary.trace_id is None or canary.id_source is IdSource.NONCE
        destinations = _destinations(canary, journal, self._clock.now())
        for destination in destinations:
            spans = await self._control_plane.find_spans(
                None if by_nonce else canary.trace_id,
                since=canary.sent_at - _BEFORE,
                destination=destination,
                timeout=_TIMEOUT,
                nonce=canary.nonce,
            )
            if spans:
                caller = next((span.caller for span in spans if span.caller is not None), None)
                looked = OriginLooked(
                    at=self._clock.now(),
                    canary_id=canary.id,
                    found=True,
                    destinations=(destination,),
                    caller=caller,
                    trace_id=spans[0].trace_id,
                    by_nonce=by_nonce,
                )
                await journal.absorb(looked)
                return
        if destinations:
            now = self._clock.now()
            await journal.absorb(
                OriginLooked(at=now, canary_id=canary.id, found=False, destinations=destinations, by_nonce=by_nonce)
            )


def _destinations(canary: Canary, journal: Journal, now: Instant) -> tuple[str, ...]:
    """Where the trace is kept: the gateway's own word, else where data routing may have sent it; none if that is too many."""
    if canary.destination is not None:
        return (canary.destination,)
    state, policy = journal.state, journal.policy
    seen = known_switch(SwitchKind.ROUTING, state, now)
    rules = seen.rules if seen is not None else ()
    return likely_destinations(rules, policy.profile, known_caller(state, policy)) or ()


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
