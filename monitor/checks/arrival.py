"""Did the traces arrive? Looks for every awaited trace and control span that is due, several at once."""

import asyncio
from collections.abc import Coroutine, Mapping

from monitor.checks.blindness import cannot_see
from monitor.checks.routes import Routes
from monitor.core.arrival import wants_labels
from monitor.core.cadence import Attempt, awaited, controls_awaited, look_at, read_control_at
from monitor.core.canary import Canary, ControlSpan, IdSource
from monitor.core.inputs import ControlLooked, ElsewhereLooked, LookFailed, TraceLooked
from monitor.core.model import CheckName, Instant, Seconds, TraceId
from monitor.core.trace import Route, SpanFact, TraceSeen
from monitor.ports import Clock, Gone, Journal, PortError, Refused, TraceBackend

_UNAUTHORIZED = 401
_READ_TIMEOUT: Seconds = 10.0
_BEFORE: Seconds = 120.0  # a window begins this long before the canary was sent: clocks differ
_AT_ONCE = 4


class ArrivalCheck:
    """The watch over awaited traces. `elsewhere` are the other environments that a misrouted trace is looked for in."""

    name = CheckName.ARRIVAL

    def __init__(
        self, backend: TraceBackend, clock: Clock, elsewhere: Mapping[str, TraceBackend] | None = None
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._elsewhere = elsewhere or {}
        self._routes = Routes()
        self._attempts: dict[str, Attempt] = {}

    async def look(self, journal: Journal) -> None:
        """Look for everything that is due now, and report each on its own."""
        now = self._clock.now()
        canaries = awaited(journal.state, journal.policy, now)
        controls = controls_awaited(journal.state)
        self._forget_all_but({canary.id for canary in canaries} | {str(control.trace_id) for control in controls})
        due = [
            self._look_for_canary(canary, journal)
            for canary in canaries
            if look_at(canary, journal.policy, self._attempt(canary.id)) <= now
        ] + [
            self._look_for_control(control, journal)
            for control in controls
            if read_control_at(control, journal.policy, self._attempt(control.trace_id)) <= now
        ]
        gate = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for work in due:
                group.create_task(_gated(gate, work))

    def next_due(self, journal: Journal) -> Instant | None:
        """When the next awaited trace is to be looked for; None if none is awaited."""
        now = self._clock.now()
        moments = [
            look_at(canary, journal.policy, self._attempt(canary.id))
            for canary in awaited(journal.state, journal.policy, now)
        ]
        moments += [
            read_control_at(control, journal.policy, self._attempt(control.trace_id))
            for control in controls_awaited(journal.state)
        ]
        return min(moments, default=None)

    # --- canaries ---

    async def _look_for_canary(self, canary: Canary, journal: Journal) -> None:
        began = self._clock.now()
        try:
            seen = await self._see(canary, journal, began)
        except PortError as error:
            await self._report_failure(error, canary, began, journal)
        else:
            await self._report(canary, seen, began, journal)
            if not seen.spans:
                await self._look_elsewhere(canary, journal, began)
            elif seen.route is Route.TRACE:
                await self._read_labels(canary, journal)
        finally:
            self._tried(canary.id, began)

    async def _report(self, canary: Canary, seen: TraceSeen, began: Instant, journal: Journal) -> None:
        took = self._clock.now() - began
        await journal.absorb(TraceLooked(at=began, took=took, canary_id=canary.id, seen=seen))

    async def _read_labels(self, canary: Canary, journal: Journal) -> None:
        """The quick route has just judged the trace complete: one documented read judges its labels and content."""
        began = self._clock.now()
        present = next((known for known in journal.state.canaries if known.id == canary.id), canary)
        if canary.outcome is None and wants_labels(present, journal.policy.arrival, began):
            await self._report(present, await self._document(present, began), began, journal)

    async def _see(self, canary: Canary, journal: Journal, began: Instant) -> TraceSeen:
        """One look: the quick route while nothing is there, the documented one to judge, to search, and at the deadlines."""
        wants_document = canary.outcome is not None or canary.arrived_at is not None
        if canary.trace_id is None:
            return await self._search(canary, began)
        if not wants_document and self._routes.open(Route.TRACE, began):
            spans = await self._quick(canary, canary.trace_id)
            if spans is not None:
                return await self._second_thought(canary, spans, journal, began)
        return await self._document(canary, began)

    async def _quick(self, canary: Canary, trace_id: TraceId) -> tuple[SpanFact, ...] | None:
        """The quick route; None where it turns out to be closed (401, 403 and 404 say nothing else)."""
        try:
            return await self._backend.read_trace(trace_id, nonce=canary.nonce, timeout=_READ_TIMEOUT)
        except Gone:
            self._routes.close(Route.TRACE, self._clock.now())
        except Refused as error:
            if error.blocked or error.status not in (401, 403):
                raise
            self._routes.close(Route.TRACE, self._clock.now())
        return None

    async def _second_thought(
        self, canary: Canary, spans: tuple[SpanFact, ...], journal: Journal, began: Instant
    ) -> TraceSeen:
        """An empty quick answer is not the last word where the id is only a guess, nor at a deadline."""
        quick = TraceSeen(route=Route.TRACE, at=began, spans=spans)
        if spans:
            return quick
        guessed = canary.id_source is IdSource.TRACEPARENT and not journal.state.honours_traceparent
        if guessed:
            found = await self._search(canary, began)
            return found if found.spans else quick
        if _at_deadline(canary, journal, began):
            documented = await self._document(canary, began)
            return documented if documented.spans else quick
        return quick

    async def _document(self, canary: Canary, began: Instant) -> TraceSeen:
        spans = await self._backend.read_window(
            since=canary.sent_at - _BEFORE,
            until=began + 1.0,
            trace_id=canary.trace_id,
            nonce=canary.nonce,
            timeout=_READ_TIMEOUT,
        )
        return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans)

    async def _search(self, canary: Canary, began: Instant) -> TraceSeen:
        spans = await self._backend.read_window(
            since=canary.sent_at - _BEFORE,
            until=began + 1.0,
            trace_id=None,
            nonce=canary.nonce,
            timeout=_READ_TIMEOUT,
        )
        return TraceSeen(route=Route.NONCE, at=began, spans=spans)

    async def _look_elsewhere(self, canary: Canary, journal: Journal, began: Instant) -> None:
        """A trace that has not come is looked for in the other environments."""
        answered = canary.answered_at or canary.sent_at
        if canary.trace_id is None or began - answered < journal.policy.arrival.look_closer_after:
            return
        for environment, backend in self._elsewhere.items():
            try:
                spans = await backend.read_trace(canary.trace_id, nonce=canary.nonce, timeout=_READ_TIMEOUT)
            except PortError:
                continue  # not known: nothing is claimed of that environment
            if spans:
                await journal.absorb(ElsewhereLooked(at=began, canary_id=canary.id, environment=environment))
                return

    async def _report_failure(self, error: PortError, canary: Canary, began: Instant, journal: Journal) -> None:
        await journal.absorb(
            LookFailed(
                at=began,
                took=self._clock.now() - began,
                check=CheckName.ARRIVAL,
                finding=cannot_see(error, "read traces from Traceloop"),
                canary_id=canary.id,
                key_refused=_refuses_key(error),
                where="Traceloop's read API",
            )
        )

    # --- control spans ---

    async def _look_for_control(self, control: ControlSpan, journal: Journal) -> None:
        began = self._clock.now()
        try:
            route, shown = await self._see_control(control, journal, began)
        except PortError as error:
            await journal.absorb(
                LookFailed(
                    at=began,
                    took=self._clock.now() - began,
                    check=CheckName.CONTROL,
                    finding=cannot_see(error, "read our own span back from Traceloop"),
                    key_refused=_refuses_key(error),
                    where="Traceloop's read API",
                )
            )
        else:
            took = self._clock.now() - began
            await journal.absorb(
                ControlLooked(at=began, took=took, trace_id=control.trace_id, route=route, shown=shown)
            )
        finally:
            self._tried(control.trace_id, began)

    async def _see_control(self, control: ControlSpan, journal: Journal, began: Instant) -> tuple[Route, bool]:
        overdue = began - control.sent_at >= journal.policy.arrival.missing_after
        if not overdue and self._routes.open(Route.TRACE, began):
            try:
                if await self._backend.read_trace(control.trace_id, nonce=None, timeout=_READ_TIMEOUT):
                    return Route.TRACE, True
            except Gone:
                self._routes.close(Route.TRACE, began)
            except Refused as error:
                if error.blocked or error.status not in (401, 403):
                    raise
                self._routes.close(Route.TRACE, began)
        spans = await self._backend.read_window(
            since=control.sent_at - _BEFORE,
            until=began + 1.0,
            trace_id=control.trace_id,
            nonce=None,
            timeout=_READ_TIMEOUT,
        )
        return Route.WAREHOUSE, bool(spans)

    # --- attempts ---

    def _attempt(self, key: str) -> Attempt:
        return self._attempts.get(key, Attempt())

    def _tried(self, key: str, at: Instant) -> None:
        self._attempts[key] = Attempt(tries=self._attempt(key).tries + 1, at=at)

    def _forget_all_but(self, keys: set[str]) -> None:
        self._attempts = {key: attempt for key, attempt in self._attempts.items() if key in keys}


async def _gated(gate: asyncio.Semaphore, work: Coroutine[None, None, None]) -> None:
    async with gate:
        await work


def _at_deadline(canary: Canary, journal: Journal, began: Instant) -> bool:
    age = began - (canary.answered_at or canary.sent_at)
    policy = journal.policy.arrival
    late_not_told = age >= policy.late_after and not canary.late
    return age >= policy.missing_after or late_not_told


def _refuses_key(error: PortError) -> bool:
    """A 401 of the documented read; the quick route's never gets here."""
    return isinstance(error, Refused) and error.status == _UNAUTHORIZED and not error.blocked
