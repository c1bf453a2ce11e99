"""By which way a trace is looked for: the quick route first, then the documented read.

Whether Traceloop's per-trace route, which names no environment, shows the traces of other environments is not documented. The
documented one shows those of the key's own (https://www.traceloop.com/docs/api-reference/warehouse/get_spans), so it decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from monitor.checks.documented import READ_TIMEOUT, DocumentedRead, UnusableRoutes, Wanted
from monitor.core.arrival import PROOF_LASTS, is_narrowing_proven, is_proven
from monitor.core.canary import CONTROL_SPAN_NAME, Canary, ControlSpan, IdSource
from monitor.core.inputs import ControlLooked
from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.state import Policy, TargetState
from monitor.core.trace import (
    BY_NONCE,
    Narrowing,
    Route,
    SpanFact,
    TraceSeen,
    is_same_environment,
    judge_completeness,
)
from monitor.ports import Clock, Garbled, Gone, PortError, Refused, TooManyRows, TraceBackend

_CLOSED = frozenset({401, 403})
_WINDOW_FOR: Seconds = 15.0
"""So long after a canary's answer whole windows are read; later only where something is concluded from them."""

_SKEW: Seconds = 5.0  # clocks differ, and a span's own is that of the gateway
_OF_A_CONTROL = (Narrowing.MARKER, Narrowing.TRACE_ID, Narrowing.SPAN_NAME)

_Spans = tuple[SpanFact, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One look for a canary's trace: begun when (`started`: by the clock that never jumps), and what was known then."""

    canary: Canary
    state: TargetState
    policy: Policy
    at: Instant
    started: Seconds = 0.0

    @property
    def is_by_a_guess(self) -> bool:
        """Whether the trace id is ours, and this gateway has not shown that it takes ours."""
        return self.canary.id_source is IdSource.TRACEPARENT and not self.state.honours_traceparent

    @property
    def decides(self) -> bool:
        """Whether this is the first look since one of the moments at which something is concluded."""
        canary, policy = self.canary, self.policy.arrival
        last = canary.last_look_at if canary.last_look_at is not None else canary.waited_since
        moments = (policy.look_closer_after, policy.late_after, policy.missing_after)
        return any(last < canary.waited_since + moment <= self.at for moment in moments)

    @property
    def is_at_a_deadline(self) -> bool:
        """Whether the trace is about to be called late or missing."""
        age = self.at - self.canary.waited_since
        late_unreported = age >= self.policy.arrival.late_after and not self.canary.late
        return age >= self.policy.arrival.missing_after or late_unreported

    def shows_whole(self, seen: TraceSeen) -> bool:
        """Whether what was seen is the whole trace."""
        wanted = self.policy.arrival.complete_spans if self.canary.accepted else None
        return judge_completeness(seen, own_parent=self.canary.span_id, wanted=wanted).complete

    def proven(self, narrowings: Iterable[Narrowing]) -> list[Narrowing]:
        """Those of the narrowings that have shown us a span of ours recently."""
        return _proven(narrowings, self.state, self.policy, self.at)


class Lookup:
    """Looks for one trace at a time. Every method raises any PortError where nothing could be seen.

    `own` is the environment of our key by its slug; `others` are the other environments, each with a key of its own. `quick`: whether
    the backend has a route for one trace beside the documented read; where that reads by id itself, it is all there is.
    """

    def __init__(
        self,
        backend: TraceBackend,
        clock: Clock,
        *,
        own: str | None = None,
        others: Mapping[str, TraceBackend],
        quick: bool = True,
    ) -> None:
        self._backend = backend
        self._own = own
        self._others = others
        self._has_quick_route = quick
        self._unusable = UnusableRoutes(clock)
        self._documented = DocumentedRead(clock)
        self._shown: dict[str, _Spans] = {}  # of each canary that is still looked for, by its id
        self._shows_part = False  # the documented read has shown less of a trace than the quick route
        self._root_name: str | None = None
        self._skew: Seconds | None = None  # of the clock that spans are dated by, against ours; learnt from those seen

    def forget_all_but(self, canary_ids: set[str]) -> None:
        """Forget what was seen of canaries that are no longer looked for."""
        self._shown = {key: spans for key, spans in self._shown.items() if key in canary_ids}

    # --- a canary's trace

    async def see(self, look: Look) -> TraceSeen:
        """One look for a canary's trace; the way that has shown part of it is gone on with, so that looks can be compared."""
        canary = look.canary
        route = canary.route if canary.spans > 0 else None
        if canary.trace_id is None or route is Route.NONCE:
            return await self.search(look)
        awaited = canary.outcome is None and canary.arrived_at is None
        if awaited and route is not Route.WAREHOUSE:
            second = await self._confirm(look)
            if second is not None:
                return second
            spans = await self._quick(self._backend, canary.trace_id, canary.nonce)
            if spans is not None:
                self._learn(canary, spans)
                return await self._be_sure(TraceSeen(route=Route.TRACE, at=look.at, spans=spans), look)
        if awaited and look.is_by_a_guess:  # the id may mean nothing: first by the nonce, by whichever can be read
            try:
                found = await self.search(look)
            except TooManyRows:
                return await self.document(look)
            if found.spans:
                return found
            by_id = await self.document(look)
            return found if found.narrowing in BY_NONCE and not by_id.spans else by_id
        return await self._search_too(await self.document(look), look)

    async def _confirm(self, look: Look) -> TraceSeen | None:
        """The second look at a trace that the quick route has shown whole: the documented read judges its labels at once.

        None where it shows less, or cannot be read: then the quick route is asked once more. One that shows only a part cannot tell
        whether there are more spans than a moment ago.
        """
        canary = look.canary
        shown = canary.whole_at is not None and self._shown.get(canary.id)
        if self._shows_part or not shown or not look.proven(self._by_id()):
            return None
        try:
            seen = await self.document(look)
        except Refused as error:
            if error.unauthorized:
                raise
            return None
        except PortError:
            return None
        return seen if len(seen.span_ids) == canary.spans and not self._shows_part else None

    async def _be_sure(self, quick: TraceSeen, look: Look) -> TraceSeen:
        """A quick answer is not the last word where it comes from elsewhere, where the id is a guess, or before it is proven."""
        ours = replace(quick, spans=tuple(span for span in quick.spans if self._is_ours(span)))
        if ours.spans:
            if look.shows_whole(ours) or not look.decides:
                return ours
            try:
                documented = await self.document(look)
            except TooManyRows:
                return ours
            return documented if len(documented.span_ids) > len(ours.span_ids) else ours
        if quick.spans:
            return await self.document(look)
        proven = is_proven(look.state.proofs, Route.TRACE, look.policy.credential, look.at)
        if look.is_at_a_deadline and not proven and not look.is_by_a_guess:
            quick = await self.document(look)
        return await self._search_too(quick, look)

    async def _search_too(self, seen: TraceSeen, look: Look) -> TraceSeen:
        """Where the id may be wrong, not to find it says nothing: the nonce may still find the trace.

        The id that the gateway names is called opaque (https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces), so
        before anything is concluded from it, it is doubted too; what the search then cannot see changes nothing.
        """
        if seen.spans:
            return seen
        if look.is_by_a_guess:
            found = await self.search(look)
            return found if found.spans or found.narrowing in BY_NONCE else seen
        if not look.decides:
            return seen
        try:
            found = await self.search(look)
        except PortError:
            return seen
        return found if found.spans else seen

    async def document(self, look: Look) -> TraceSeen:
        """The documented read, which shows everything that can be known of a trace; what the quick route has shown is added.

        A narrowed read shows the spans that carry what it is narrowed by. The content of the others is known from the quick route.
        """
        canary = look.canary
        wanted = self._wanted(look, canary.trace_id, self._by_id())
        seen = await self._documented.read(self._backend, wanted, look.at)
        if canary.id not in self._shown:
            self._learn(canary, seen.spans)
        known = self._shown.get(canary.id, ())
        if not seen.spans or any(span.trace_id != canary.trace_id for span in known):
            return seen
        self._shows_part = self._shows_part or not {span.span_id for span in known} <= seen.span_ids
        return replace(seen, spans=_merge(seen.spans, known))

    async def search(self, look: Look) -> TraceSeen:
        """By the nonce, whatever the trace is called."""
        wanted = self._wanted(look, None, self._by_content())
        seen = await self._documented.read(self._backend, wanted, look.at)
        self._learn(look.canary, seen.spans)
        return replace(seen, route=Route.NONCE)

    def _by_id(self) -> tuple[Narrowing, ...]:
        return (Narrowing.TRACE_ID, *self._by_content())

    def _by_content(self) -> tuple[Narrowing, ...]:
        named = (Narrowing.SPAN_NAME,) if self._root_name is not None else ()
        return (Narrowing.ATTRIBUTE, Narrowing.METADATA, *named, Narrowing.WINDOW)

    def _wanted(self, look: Look, trace_id: TraceId | None, narrowings: tuple[Narrowing, ...]) -> Wanted:
        """The seconds in which the trace must have begun: those of the spans that were seen, else the canary's own."""
        canary = look.canary
        seen = [span.started_at for span in self._shown.get(canary.id, ()) if span.started_at is not None]
        skew = self._skew or 0.0
        answered = canary.answered_at if canary.answered_at is not None else look.at
        return Wanted(
            trace_id=trace_id,
            nonce=canary.nonce,
            since=min(seen) - 1.0 if seen else canary.sent_at + skew - _SKEW,
            until=max(seen) if seen else min(answered + skew + _SKEW, look.at + 1.0 + max(skew, 0.0)),
            span_name=self._root_name,
            narrowings=narrowings,
            proven=next(iter(look.proven(narrowings[:-1])), None),
            decides=look.decides,
            skewed=self._skew is None,
            window=bool(canary.spans) or look.at - canary.waited_since <= _WINDOW_FOR,
        )

    async def _quick(self, backend: TraceBackend, trace_id: TraceId, nonce: str | None) -> _Spans | None:
        """The quick route; None where it is closed, or turns out to be: 401, 403 and 404 say nothing else."""
        if not self._has_quick_route or (backend is self._backend and Route.TRACE in self._unusable):
            return None
        try:
            return await backend.read_trace(trace_id, nonce=nonce, timeout=READ_TIMEOUT)
        except Gone:
            pass
        except Refused as error:
            if error.blocked or error.status not in _CLOSED:
                raise
        if backend is self._backend:
            self._unusable.add(Route.TRACE)
        return None

    def _is_ours(self, span: SpanFact) -> bool:
        own = self._own
        return own is None or span.environment is None or is_same_environment(span.environment, own)

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
    ) -> ControlLooked:
        """Look for a span of our own: until it is overdue by the quick route, if that is open; then by the documented read.

        What the quick route has shown the documented read is asked for, too, while no narrowing is proven: so that absence can be
        proven later, in an environment of which no look can read every row.
        """
        overdue = began - control.sent_at >= policy.arrival.missing_after
        quick = None if overdue else await self._quick(self._backend, control.trace_id, None)
        looked = ControlLooked(
            at=began, took=0.0, trace_id=control.trace_id, route=Route.TRACE, shown=bool(quick), narrowings=()
        )
        # Not so long ago that it must be proven again before it is needed.
        learnt = _proven(_OF_A_CONTROL, state, policy, began, within=PROOF_LASTS / 2)
        if quick is not None and (learnt or not quick):
            return looked
        skew = self._skew or 0.0
        wanted = Wanted(
            trace_id=control.trace_id,
            nonce=None,
            since=control.sent_at - _SKEW + min(skew, 0.0),
            until=control.sent_at + _SKEW + max(skew, 0.0),
            span_name=CONTROL_SPAN_NAME,
            narrowings=(*_OF_A_CONTROL, Narrowing.WINDOW),
            proven=next(iter(_proven(_OF_A_CONTROL, state, policy, began)), None),
            decides=overdue,
            skewed=False,  # it is dated by our own clock
            single=True,
        )
        try:
            seen = await self._documented.read(self._backend, wanted, began)
        except PortError:
            if quick:
                return looked
            raise
        shown_by = (seen.narrowing,) if seen.spans and seen.narrowing is not None else ()
        if quick:
            return replace(looked, narrowings=shown_by)
        return replace(looked, route=Route.WAREHOUSE, shown=bool(seen.spans), narrowings=shown_by)

    # --- other environments

    async def see_elsewhere(self, look: Look) -> str | None:
        """The other environment that shows a trace; None if each of them was asked and none does. Raises PortError."""
        trace_id, nonce = look.canary.trace_id, look.canary.nonce
        quick = await self._quick(self._backend, trace_id, nonce) if trace_id is not None else None
        for span in quick or ():
            if not self._is_ours(span):  # that route shows a whole project, and says where in it the trace is
                return span.environment
        if quick is None and not self._others:
            raise Gone("the per-trace route is closed, and no other environment is configured")
        unasked: PortError | None = None
        for environment, backend in self._others.items():
            try:
                spans = await self._see_in(backend, look)
            except PortError as error:
                unasked = error
                continue
            if any(span.environment is None or is_same_environment(span.environment, environment) for span in spans):
                return environment
        if unasked is not None:
            raise unasked
        return None

    async def _see_in(self, backend: TraceBackend, look: Look) -> _Spans:
        """What another environment shows. A filter is honoured by the service, not by a key: what is proven here holds there."""
        trace_id = look.canary.trace_id
        if trace_id is not None:
            quick = await self._quick(backend, trace_id, look.canary.nonce)
            if quick is not None:
                return quick
        narrowings = self._by_id() if trace_id is not None else self._by_content()
        wanted = replace(self._wanted(look, trace_id, narrowings), skewed=False)
        seen = await self._documented.read(backend, wanted, look.at)
        # What a narrowed read does not show may still be there: of a root that is not found by name, the rest may be.
        whole = seen.narrowing is Narrowing.WINDOW
        if not seen.spans and not whole and (wanted.proven in (None, Narrowing.SPAN_NAME)):
            raise Garbled("a filter that has never shown us a trace does not show this one")
        return seen.spans


def _proven(
    narrowings: Iterable[Narrowing], state: TargetState, policy: Policy, now: Instant, within: Seconds = PROOF_LASTS
) -> list[Narrowing]:
    return [each for each in narrowings if is_narrowing_proven(state.proofs, each, policy.credential, now, within)]


def _merge(documented: _Spans, quick: _Spans) -> _Spans:
    """One fact for each span: of both routes, what each shows."""
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
