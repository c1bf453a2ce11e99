"""What is looked at beside the checks: evidence that explains, without a verdict, and that by itself opens nothing.

TrueFoundry's own store (does it have the trace?), the gateway's other configurations (logging, global settings, data routing), and
the own counters of spans of the gateway and of a Collector behind it.
"""

from dataclasses import dataclass, field

from monitor.core.canary import Canary, IdSource, Outcome
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind, likely_destinations
from monitor.core.hints import known_caller, known_gateway_policy
from monitor.core.inputs import CountersRead, GatewayPoliciesRead, OriginLooked
from monitor.core.model import CheckName, Instant, Seconds
from monitor.core.pace import (
    collector_counters_are_due,
    counters_are_due,
    gateway_policies_are_due,
    origin_is_due,
)
from monitor.core.pipeline_counters import CountedBy
from monitor.core.state import Policy, TargetState
from monitor.ports import Clock, ControlPlane, Garbled, PortError, Refused, SpanMetrics, TargetStore, Unreachable

_ORIGIN_TIMEOUT: Seconds = 30.0
_ORIGIN_PAUSE: Seconds = 15.0
_BEFORE: Seconds = 300.0
_AT_MOST = 3
_POLICY_TIMEOUT: Seconds = 15.0
_COUNTERS_TIMEOUT: Seconds = 10.0
_HIDDEN = frozenset({401, 403})


@dataclass(slots=True, repr=False, eq=False)
class OriginLook:
    """Asks TrueFoundry's own store for the traces that have not come, or else for the newest that has: that proves the route."""

    serves = frozenset({CheckName.CANARY})
    is_due = staticmethod(origin_is_due)

    control_plane: ControlPlane
    clock: Clock
    _tried_at: Seconds | None = field(default=None, init=False)  # by a clock that never jumps

    async def look(self, target_store: TargetStore) -> None:
        """Ask, at most every 15 seconds; what could not be asked is not reported: it proves nothing."""
        now, tried_at = self.clock.now(), self.clock.monotonic()
        closer_after = target_store.policy.arrival.look_closer_after
        patience = min(_ORIGIN_PAUSE, closer_after / 4)  # who settles everything faster asks faster too
        if self._tried_at is not None and tried_at - self._tried_at < patience:
            return
        served = [each for each in target_store.state.canaries if each.accepted and each.answered_at is not None]
        arrived = [each for each in served if each.outcome in (Outcome.ARRIVED, Outcome.LATE)]
        missed = [each for each in served if each.origin is not True and _is_missed(each, closer_after, now)]
        for canary in (*arrived[-1:], *missed[-_AT_MOST:]):
            self._tried_at = tried_at
            try:
                await self._ask_for(canary, target_store)
            except PortError:
                continue

    async def _ask_for(self, canary: Canary, target_store: TargetStore) -> None:
        """Ask each destination that may have it; not to be found counts only if every one of them has answered.

        By the nonce where no id is known, or where it was the nonce that found it: then that way of asking is proven, too.
        """
        by_nonce = canary.trace_id is None or canary.id_source is IdSource.NONCE
        destinations = _destinations(canary, target_store, self.clock.now())
        for destination in destinations:
            spans = await self.control_plane.find_spans(
                None if by_nonce else canary.trace_id,
                since=canary.sent_at - _BEFORE,
                destination=destination,
                timeout=_ORIGIN_TIMEOUT,
                nonce=canary.nonce,
            )
            if spans:
                looked = OriginLooked(
                    at=self.clock.now(),
                    canary_id=canary.id,
                    found=True,
                    destinations=(destination,),
                    caller=next((span.caller for span in spans if span.caller is not None), None),
                    trace_id=spans[0].trace_id,
                    by_nonce=by_nonce,
                )
                await target_store.apply(looked)
                return
        if destinations:
            now = self.clock.now()
            await target_store.apply(
                OriginLooked(at=now, canary_id=canary.id, found=False, destinations=destinations, by_nonce=by_nonce)
            )


def _is_missed(canary: Canary, closer_after: Seconds, now: Instant) -> bool:
    """Whether a canary's trace has not come, so far or at all."""
    waits = canary.outcome is None and not canary.spans and now - (canary.answered_at or now) >= closer_after
    return canary.outcome is Outcome.MISSING or waits


def _destinations(canary: Canary, target_store: TargetStore, now: Instant) -> tuple[str, ...]:
    """Where the trace is kept: the gateway's own word, else where data routing may have sent it; none if that is too many."""
    if canary.destination is not None:
        return (canary.destination,)
    state, policy = target_store.state, target_store.policy
    seen = known_gateway_policy(GatewayPolicyKind.ROUTING, state, now)
    rules = seen.rules if seen is not None else ()
    return likely_destinations(rules, policy.profile, known_caller(state, policy)) or ()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class GatewayPoliciesLook:
    """Reads logging, global settings and data routing, and reports what could be read."""

    serves = frozenset({CheckName.CONFIG, CheckName.CANARY})
    is_due = staticmethod(gateway_policies_are_due)

    control_plane: ControlPlane
    clock: Clock

    async def look(self, target_store: TargetStore) -> None:
        """Read each; what is hidden from us, or not understood, is reported as such, and accuses nobody."""
        seen: list[GatewayPolicy] = []
        hidden: list[GatewayPolicyKind] = []
        for kind in GatewayPolicyKind:
            try:
                seen.append(await self.control_plane.read_gateway_policy(kind, timeout=_POLICY_TIMEOUT))
            except Unreachable:  # one timeout is enough
                break
            except Refused as error:
                hidden += [kind] if error.status in _HIDDEN and not error.blocked else []
            except Garbled:
                hidden.append(kind)
            except PortError:  # what could not be asked this time may be asked the next
                continue
        await target_store.apply(GatewayPoliciesRead(at=self.clock.now(), seen=tuple(seen), hidden=tuple(hidden)))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CountersLook:
    """Reads the own counters of spans of the gateway or the Collector: two readings show what becomes of them there."""

    serves = frozenset({CheckName.CANARY})

    metrics: SpanMetrics
    clock: Clock
    of: CountedBy = CountedBy.GATEWAY

    def is_due(self, state: TargetState, policy: Policy, now: Instant) -> bool:
        """Whether it is time."""
        due = counters_are_due if self.of is CountedBy.GATEWAY else collector_counters_are_due
        return due(state, policy, now)

    async def look(self, target_store: TargetStore) -> None:
        """Read once; what cannot be read is said where somebody asks why, and nowhere else."""
        try:
            counters = await self.metrics.read(timeout=_COUNTERS_TIMEOUT)
        except PortError as error:
            await target_store.apply(CountersRead(at=self.clock.now(), problem=str(error), of=self.of))
        else:
            await target_store.apply(CountersRead(at=self.clock.now(), counters=counters, of=self.of))
