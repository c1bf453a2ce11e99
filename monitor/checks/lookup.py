"""By which way a trace is looked for: the quick route first, then the documented read.

Whether Traceloop's per-trace route, which names no environment, shows the traces of other environments is not documented. The
documented one shows those of the key's own (https://www.traceloop.com/docs/api-reference/warehouse/get_spans), so it decides.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

from monitor.checks.documented import READ_TIMEOUT, DocumentedRead, Wanted
from monitor.checks.routes import Routes
from monitor.core.arrival import PROOF_LASTS, is_narrowing_proven, is_proven
from monitor.core.canary import CONTROL_SPAN_NAME, Canary, ControlSpan, IdSource
from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.state import ArrivalPolicy, Policy, TargetState
from monitor.core.trace import (
    BY_NONCE,
    Narrowing,
    Route,
    SpanFact,
    TraceSeen,
    is_same_environment,
    judge_completeness,
)
from monitor.ports import Clock, Crowded, Garbled, Gone, PortError, Refused, TraceBackend

_CLOSED = frozenset({401, 403})
_WINDOW_FOR: Seconds = 15.0
"""So long after a canary's answer whole windows are read; later only where something is concluded from them."""

_SKEW: Seconds = 5.0  # clocks differ, and a span's own is that of the gateway
_OF_A_CONTROL = (Narrowing.MARKER, Narrowing.TRACE_ID, Narrowing.SPAN_NAME)

_Spans = tuple[SpanFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The environment of our own key by its slug, and the others by theirs, each with its own key."""

    own: str | None = None
    others: Mapping[str, TraceBackend]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSight:
    """Whether a control span is shown, by which route, and by which narrowings of the documented read."""

    route: Route
    shown: bool
    narrowings: tuple[Narrowing, ...] = ()


class Lookup:
    """Looks for one trace at a time. Every method raises any PortError where nothing could be seen."""

    def __init__(self, backend: TraceBackend, clock: Clock, environments: Environments) -> None:
        self._backend = backend
        self._clock = clock
        self._environments = environments
        self._routes: Routes[Route] = Routes()
        self._documented = DocumentedRead(clock)
        self._shown: dict[str, _Spans] = {}  # of each canary that is still looked for, by its id
        self._shows_part = False  # the documented read has shown less of a trace than the quick route
        self._root_name: str | None = None
        self._skew: Seconds | None = None  # of the clock that spans are dated by, against ours; learnt from those seen

    def forget_all_but(self, canary_ids: set[str]) -> None:
        """Forget what was seen of canaries that are no longer looked for."""
        self._shown = {key: spans for key, spans in self._shown.items() if key in canary_ids}

    # --- a canary's trace

    async def see(self, canary: Canary, state: TargetState, policy: Policy, began: Instant) -> TraceSeen:
        """One look for a canary's trace; the way that has shown part of it is gone on with, so that looks can be compared."""
        if canary.trace_id is None or _was_shown_by(Route.NONCE, canary):
            return await self.search(canary, state, policy, began)
        awaited = canary.outcome is None and canary.arrived_at is None
        if awaited and not _was_shown_by(Route.WAREHOUSE, canary):
            second = await self._confirm(canary, state, policy, began)
            if second is not None:
                return second
            spans = await self._quick(canary.trace_id, canary.nonce)
            if spans is not None:
                self._learn(canary, spans)
                quick = TraceSeen(route=Route.TRACE, at=began, spans=spans)
                return await self._be_sure(quick, canary, state, policy)
        if awaited and _is_a_guess(canary, state):
            return await self._doubt(canary, state, policy, began)
        documented = await self.document(canary, state, policy, began)
        return await self._search_too(documented, canary, state, policy)

    async def _doubt(self, canary: Canary, state: TargetState, policy: Policy, began: Instant) -> TraceSeen:
        """The id is ours and may mean nothing: first by the nonce, then by the id, by whichever can be read."""
        try:
            found = await self.search(canary, state, policy, began)
        except Crowded:
            return await self.document(canary, state, policy, began)
        if found.spans:
            return found
        by_id = await self.document(canary, state, policy, began)
        return found if found.narrowing in BY_NONCE and not by_id.spans else by_id

    async def _confirm(self, canary: Canary, state: TargetState, policy: Policy, began: Instant) -> TraceSeen | None:
        """The second look at a trace that the quick route has shown whole: the documented read judges its labels at once.

        None where it shows less, or cannot be read: then the quick route is asked once more. One that shows only a part cannot tell
        whether there are more spans than a moment ago.
        """
        shown = self._shown.get(canary.id)
        if self._shows_part or canary.whole_at is None or not shown or not self._is_any_proven(state, policy, began):
            return None
        try:
            seen = await self.document(canary, state, policy, began)
        except Refused as error:
            if error.unauthorized:
                raise
            return None
        except PortError:
            return None
        return seen if len(seen.span_ids) == canary.spans and not self._shows_part else None

    async def _be_sure(self, quick: TraceSeen, canary: Canary, state: TargetState, policy: Policy) -> TraceSeen:
        """A quick answer is not the last word where it comes from elsewhere, where the id is a guess, or before it is proven."""
        ours = replace(quick, spans=tuple(span for span in quick.spans if self._is_ours(span)))
        if ours.spans:
            if _is_whole(ours, canary, policy.arrival) or not _depends_on_it(canary, policy.arrival, quick.at):
                return ours
            try:
                documented = await self.document(canary, state, policy, quick.at)
            except Crowded:
                return ours
            return documented if len(documented.span_ids) > len(ours.span_ids) else ours
        if quick.spans:
            return await self.document(canary, state, policy, quick.at)
        proven = is_proven(state.proofs, Route.TRACE, policy.credential, quick.at)
        if _at_deadline(canary, policy.arrival, quick.at) and not proven and not _is_a_guess(canary, state):
            quick = await self.document(canary, state, policy, quick.at)
        return await self._search_too(quick, canary, state, policy)

    async def _search_too(self, seen: TraceSeen, canary: Canary, state: TargetState, policy: Policy) -> TraceSeen:
        """Where the id may be wrong, not to find it says nothing: the nonce may still find the trace.

        The id that the gateway names is called opaque (https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces), so
        before anything is concluded from it, it is doubted too; what the search then cannot see changes nothing.
        """
        if seen.spans:
            return seen
        if _is_a_guess(canary, state):
            found = await self.search(canary, state, policy, seen.at)
            return found if found.spans or found.narrowing in BY_NONCE else seen
        if not _depends_on_it(canary, policy.arrival, seen.at):
            return seen
        try:
            found = await self.search(canary, state, policy, seen.at)
        except PortError:
            return seen
        return found if found.spans else seen

    def _is_ours(self, span: SpanFact) -> bool:
        own = self._environments.own
        return own is None or span.environment is None or is_same_environment(span.environment, own)

    async def document(self, canary: Canary, state: TargetState, policy: Policy, began: Instant) -> TraceSeen:
        """The documented read, which tells everything that can be known of a trace; what the quick route has shown is added.

        A narrowed read shows the spans that carry what it is narrowed by. The content of the others is known from the quick route.
        """
        wanted = self._wanted(canary, canary.trace_id, policy, began, self._by_id())
        seen = await self._documented.read(self._backend, wanted, state, policy, began)
        if canary.id not in self._shown:
            self._learn(canary, seen.spans)
        known = self._shown.get(canary.id, ())
        if not seen.spans or any(span.trace_id != canary.trace_id for span in known):
            return seen
        self._shows_part = self._shows_part or not {span.span_id for span in known} <= seen.span_ids
        return replace(seen, spans=_merge(seen.spans, known))

    def _by_id(self) -> tuple[Narrowing, ...]:
        return (Narrowing.TRACE_ID, *self._by_content(), Narrowing.WINDOW)

    def _by_content(self) -> tuple[Narrowing, ...]:
        named = (Narrowing.SPAN_NAME,) if self._root_name is not None else ()
        return (Narrowing.ATTRIBUTE, Narrowing.METADATA, *named)

    async def search(self, canary: Canary, state: TargetState, policy: Policy, began: Instant) -> TraceSeen:
        """By the nonce, whatever the trace is called."""
        wanted = self._wanted(canary, None, policy, began, (*self._by_content(), Narrowing.WINDOW))
        seen = await self._documented.read(self._backend, wanted, state, policy, began)
        self._learn(canary, seen.spans)
        return replace(seen, route=Route.NONCE)

    def _wanted(
        self,
        canary: Canary,
        trace_id: TraceId | None,
        policy: Policy,
        began: Instant,
        narrowings: tuple[Narrowing, ...],
    ) -> Wanted:
        """The seconds in which the trace must have begun: those of the spans that were seen, else the canary's own."""
        seen = [span.started_at for span in self._shown.get(canary.id, ()) if span.started_at is not None]
        skew = self._skew or 0.0
        answered = canary.answered_at if canary.answered_at is not None else began
        return Wanted(
            trace_id=trace_id,
            nonce=canary.nonce,
            since=min(seen) - 1.0 if seen else canary.sent_at + skew - _SKEW,
            until=max(seen) if seen else min(answered + skew + _SKEW, began + 1.0 + max(skew, 0.0)),
            span_name=self._root_name,
            narrowings=narrowings,
            decides=_depends_on_it(canary, policy.arrival, began),
            skewed=self._skew is None,
            window=bool(canary.spans) or began - canary.waited_since <= _WINDOW_FOR,
        )

    async def _quick(self, trace_id: TraceId, nonce: str | None) -> _Spans | None:
        """The quick route; None where it is closed, or turns out to be: 401, 403 and 404 say nothing else."""
        if not self._routes.open(Route.TRACE, self._clock.monotonic()):
            return None
        spans = await _unless_closed(self._backend.read_trace(trace_id, nonce=nonce, timeout=READ_TIMEOUT))
        if spans is None:
            self._routes.close(Route.TRACE, self._clock.monotonic())
        return spans

    def _is_any_proven(self, state: TargetState, policy: Policy, now: Instant) -> bool:
        return any(is_narrowing_proven(state.proofs, each, policy.credential, now) for each in self._by_id())

    def _learn(self, canary: Canary, spans: _Spans) -> None:
        """What the trace that was seen teaches: its spans, the name of its root, and how far its clock is from ours."""
        ours = tuple(span for span in spans if self._is_ours(span))
        if not ours:
            return
        self._shown[canary.id] = ours
        root = next((span for span in ours if span.parent_id in ("", canary.span_id)), None)
        if root is None:
            return
        self._root_name = root.name or self._root_name
        if root.started_at is not None:
            early, late = root.started_at - canary.waited_since, root.started_at - canary.sent_at
            self._skew = min(late, 0.0) if late < 0 else max(early, 0.0)

    # --- a control span

    async def see_control(
        self, control: ControlSpan, state: TargetState, policy: Policy, began: Instant
    ) -> ControlSight:
        """Look for a span of our own: until it is overdue by the quick route, if that is open; then by the documented read.

        What the quick route has shown the documented read is asked for, too, while no narrowing is proven: so that absence can be
        told later, in an environment of which no look can read every row.
        """
        overdue = began - control.sent_at >= policy.arrival.missing_after
        quick = None if overdue else await self._quick(control.trace_id, None)
        learnt = any(  # not so long ago that it must be proven again before it is needed
            is_narrowing_proven(state.proofs, each, policy.credential, began, within=PROOF_LASTS / 2)
            for each in _OF_A_CONTROL
        )
        if quick is not None and (learnt or not quick):
            return ControlSight(route=Route.TRACE, shown=bool(quick))
        skew = self._skew or 0.0
        wanted = Wanted(
            trace_id=control.trace_id,
            nonce=None,
            since=control.sent_at - _SKEW + min(skew, 0.0),
            until=control.sent_at + _SKEW + max(skew, 0.0),
            span_name=CONTROL_SPAN_NAME,
            narrowings=(*_OF_A_CONTROL, Narrowing.WINDOW),
            decides=overdue,
            skewed=False,  # it is dated by our own clock
            single=True,
        )
        try:
            seen = await self._documented.read(self._backend, wanted, state, policy, began)
        except PortError:
            if quick:
                return ControlSight(route=Route.TRACE, shown=True)
            raise
        shown_by = (seen.narrowing,) if seen.spans and seen.narrowing is not None else ()
        if quick:
            return ControlSight(route=Route.TRACE, shown=True, narrowings=shown_by)
        return ControlSight(route=Route.WAREHOUSE, shown=bool(seen.spans), narrowings=shown_by)

    # --- other environments

    async def see_elsewhere(self, canary: Canary, state: TargetState, policy: Policy, began: Instant) -> str | None:
        """The other environment that shows a trace; None if each of them was asked and none does. Raises PortError."""
        quick = await self._quick(canary.trace_id, canary.nonce) if canary.trace_id is not None else None
        for span in quick or ():
            if not self._is_ours(span):  # that route shows a whole project, and says where in it the trace is
                return span.environment
        if quick is None and not self._environments.others:
            raise Gone("the per-trace route is closed, and no other environment is configured")
        unasked: PortError | None = None
        for environment, backend in self._environments.others.items():
            try:
                spans = await self._see_in(backend, canary, state, policy, began)
            except PortError as error:
                unasked = error
                continue
            if any(span.environment is None or is_same_environment(span.environment, environment) for span in spans):
                return environment
        if unasked is not None:
            raise unasked
        return None

    async def _see_in(
        self,
        backend: TraceBackend,
        canary: Canary,
        state: TargetState,
        policy: Policy,
        began: Instant,
    ) -> _Spans:
        """What another environment shows. A filter is honoured by the service, not by a key: what is proven here holds there."""
        trace_id = canary.trace_id
        if trace_id is not None:
            quick = await _unless_closed(backend.read_trace(trace_id, nonce=canary.nonce, timeout=READ_TIMEOUT))
            if quick is not None:
                return quick
        names = self._by_id() if trace_id is not None else (*self._by_content(), Narrowing.WINDOW)
        wanted = replace(self._wanted(canary, trace_id, policy, began, names), skewed=False)
        seen = await self._documented.read(backend, wanted, state, policy, began)
        whole_window = seen.narrowing is Narrowing.WINDOW
        if not seen.spans and not whole_window and not _is_absence_proven(seen, state, policy):
            raise Garbled("a filter that has never shown us a trace does not show this one")
        return seen.spans


def _merge(documented: _Spans, quick: _Spans) -> _Spans:
    """One fact for each span: of both routes, what each tells."""
    known = {span.span_id: span for span in quick}
    merged = [_add(span, known.pop(span.span_id, None)) for span in documented]
    return (*merged, *known.values())


def _add(documented: SpanFact, quick: SpanFact | None) -> SpanFact:
    if quick is None:
        return documented
    content = sorted({*(documented.content or ()), *(quick.content or ())})
    known = documented.content is not None or quick.content is not None
    return replace(
        documented,
        content=tuple(content) if known else None,
        unproven=tuple(sorted({*documented.unproven, *quick.unproven} - set(content))),
        redacted=documented.redacted or quick.redacted,
        credentials=tuple(sorted({*documented.credentials, *quick.credentials})),
    )


def _is_absence_proven(seen: TraceSeen, state: TargetState, policy: Policy) -> bool:
    """Whether what a narrowed read does not show is not there: of a root that is not found by name, the rest may be."""
    if seen.narrowing in (None, Narrowing.SPAN_NAME):
        return False
    return is_narrowing_proven(state.proofs, seen.narrowing, policy.credential, seen.at)


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
