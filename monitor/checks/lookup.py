"""By which way a trace is looked for: the quick route while nothing is there, the documented one to judge, to search, to be sure.

Whether Traceloop's per-trace route, which names no environment, shows the traces of other environments is not documented. The
documented one shows those of the key's own (https://www.traceloop.com/docs/api-reference/warehouse/get_spans), so it decides.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

from monitor.checks.routes import Routes
from monitor.core.canary import Canary, ControlSpan, IdSource
from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.state import ArrivalPolicy, TargetState
from monitor.core.trace import Route, SpanFact, TraceSeen, is_same_environment, judge_completeness
from monitor.ports import Clock, Gone, PortError, Refused, TraceBackend

_CLOSED = frozenset({401, 403})
_READ_TIMEOUT: Seconds = 10.0
_BEFORE: Seconds = 120.0  # a window begins this long before the canary was sent: clocks differ

_Spans = tuple[SpanFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The environment of our own key by its slug, and the others by theirs, each with its own key."""

    own: str | None = None
    others: Mapping[str, TraceBackend]


class Lookup:
    """Looks for one trace at a time. Every method raises any PortError where nothing could be seen."""

    def __init__(self, backend: TraceBackend, clock: Clock, environments: Environments) -> None:
        self._backend = backend
        self._clock = clock
        self._environments = environments
        self._routes = Routes()

    async def see(self, canary: Canary, state: TargetState, policy: ArrivalPolicy, began: Instant) -> TraceSeen:
        """One look for a canary's trace; the way that has shown part of it is gone on with, so that looks can be compared."""
        if canary.trace_id is None or _was_shown_by(Route.NONCE, canary):
            return await self._search(canary, began)
        awaited = canary.outcome is None and canary.arrived_at is None
        if awaited and not _was_shown_by(Route.WAREHOUSE, canary):
            spans = await self._quick(canary.trace_id, canary.nonce)
            if spans is not None:
                quick = TraceSeen(route=Route.TRACE, at=began, spans=spans)
                return await self._be_sure(quick, canary, state, policy)
        documented = await self.document(canary, began)
        return await self._search_too(documented, canary, state, policy)

    async def _be_sure(self, quick: TraceSeen, canary: Canary, state: TargetState, policy: ArrivalPolicy) -> TraceSeen:
        """A quick answer is not the last word: where it comes from elsewhere, where the id is a guess, nor at a deadline."""
        ours = replace(quick, spans=tuple(span for span in quick.spans if self._is_ours(span)))
        if ours.spans:
            if _is_whole(ours, canary, policy) or not _depends_on_it(canary, policy, quick.at):
                return ours
            documented = await self.document(canary, quick.at)
            return documented if len(documented.span_ids) > len(ours.span_ids) else ours
        if quick.spans:
            return await self.document(canary, quick.at)
        if _at_deadline(canary, policy, quick.at) and not _is_a_guess(canary, state):
            documented = await self.document(canary, quick.at)
            quick = documented if documented.spans else quick
        return await self._search_too(quick, canary, state, policy)

    async def _search_too(
        self, seen: TraceSeen, canary: Canary, state: TargetState, policy: ArrivalPolicy
    ) -> TraceSeen:
        """Where the id may be wrong, not to find it says nothing: the nonce may still find the trace.

        The id that the gateway names is called opaque (https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces), so
        before anything is concluded from it, it is doubted too; what the search then cannot see changes nothing.
        """
        if seen.spans:
            return seen
        if _is_a_guess(canary, state):
            found = await self._search(canary, seen.at)
        elif _depends_on_it(canary, policy, seen.at):
            try:
                found = await self._search(canary, seen.at)
            except PortError:
                return seen
        else:
            return seen
        return found if found.spans else seen

    def _is_ours(self, span: SpanFact) -> bool:
        own = self._environments.own
        return own is None or span.environment is None or is_same_environment(span.environment, own)

    async def document(self, canary: Canary, began: Instant) -> TraceSeen:
        """The documented read, which tells everything that can be known of a trace."""
        spans = await _read_window(self._backend, canary, canary.trace_id, began)
        return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans)

    async def _search(self, canary: Canary, began: Instant) -> TraceSeen:
        return TraceSeen(route=Route.NONCE, at=began, spans=await _read_window(self._backend, canary, None, began))

    async def _quick(self, trace_id: TraceId, nonce: str | None) -> _Spans | None:
        """The quick route; None where it is closed, or turns out to be: 401, 403 and 404 say nothing else."""
        if not self._routes.open(Route.TRACE, self._clock.monotonic()):
            return None
        spans = await _unless_closed(self._backend.read_trace(trace_id, nonce=nonce, timeout=_READ_TIMEOUT))
        if spans is None:
            self._routes.close(Route.TRACE, self._clock.monotonic())
        return spans

    async def see_control(self, control: ControlSpan, policy: ArrivalPolicy, began: Instant) -> tuple[Route, bool]:
        """By which route a span of our own was looked for last, and whether it was there."""
        overdue = began - control.sent_at >= policy.missing_after
        if not overdue and await self._quick(control.trace_id, None):
            return Route.TRACE, True
        spans = await self._backend.read_window(
            since=control.sent_at - _BEFORE,
            until=began + 1.0,
            trace_id=control.trace_id,
            nonce=None,
            timeout=_READ_TIMEOUT,
        )
        return Route.WAREHOUSE, bool(spans)

    async def see_elsewhere(self, canary: Canary, trace_id: TraceId, began: Instant) -> str | None:
        """The other environment that shows a trace; None if each of them was asked and none does. Raises PortError."""
        quick = await self._quick(trace_id, canary.nonce)
        for span in quick or ():
            if not self._is_ours(span):  # that route shows a whole project, and says where in it the trace is
                return span.environment
        if quick is None and not self._environments.others:
            raise Gone("the per-trace route is closed, and no other environment is configured")
        unasked: PortError | None = None
        for environment, backend in self._environments.others.items():
            try:
                spans = await _unless_closed(backend.read_trace(trace_id, nonce=canary.nonce, timeout=_READ_TIMEOUT))
                if spans is None:
                    spans = await _read_window(backend, canary, trace_id, began)
            except PortError as error:
                unasked = error
                continue
            if any(span.environment is None or is_same_environment(span.environment, environment) for span in spans):
                return environment
        if unasked is not None:
            raise unasked
        return None


async def _read_window(backend: TraceBackend, canary: Canary, trace_id: TraceId | None, began: Instant) -> _Spans:
    return await backend.read_window(
        since=canary.sent_at - _BEFORE,
        until=began + 1.0,
        trace_id=trace_id,
        nonce=canary.nonce,
        timeout=_READ_TIMEOUT,
    )


async def _unless_closed(read: Awaitable[_Spans]) -> _Spans | None:
    """What a read of the undocumented route shows; None where the route is closed to the key, or gone."""
    try:
        return await read
    except Gone:
        return None
    except Refused as error:
        if error.blocked or error.status not in _CLOSED:
            raise
        return None


def _was_shown_by(route: Route, canary: Canary) -> bool:
    return canary.spans > 0 and canary.route is route


def _is_a_guess(canary: Canary, state: TargetState) -> bool:
    """Whether the id is ours, and this gateway has not shown that it takes ours."""
    return canary.id_source is IdSource.TRACEPARENT and not state.honours_traceparent


def _is_whole(seen: TraceSeen, canary: Canary, policy: ArrivalPolicy) -> bool:
    wanted = policy.complete_spans if canary.accepted else None
    return judge_completeness(seen, own_parent=canary.span_id, wanted=wanted).complete


def _depends_on_it(canary: Canary, policy: ArrivalPolicy, began: Instant) -> bool:
    """Whether this is the first look since one of the moments at which something is concluded."""
    last = canary.last_look_at if canary.last_look_at is not None else canary.waited_since
    moments = (policy.look_closer_after, policy.late_after, policy.missing_after)
    return any(last < canary.waited_since + moment <= began for moment in moments)


def _at_deadline(canary: Canary, policy: ArrivalPolicy, began: Instant) -> bool:
    age = began - canary.waited_since
    late_not_told = age >= policy.late_after and not canary.late
    return age >= policy.missing_after or late_not_told
