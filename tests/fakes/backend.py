"""Traceloop in memory: where traces are read back, and where spans are sent."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.trace import Narrowing, SpanFact
from monitor.ports import ControlRequest, IngestAnswer, PortError, TooManyRows


@dataclass(frozen=True)
class _Stored:
    span: SpanFact
    at: Instant
    nonce: str | None


class FakeBackend:
    """Implements `monitor.ports.TraceBackend`: shows what was stored, each route failing as set."""

    def __init__(self) -> None:
        self._stored: list[_Stored] = []
        self.quick_error: PortError | None = None
        self.window_error: PortError | None = None
        self.search_error: PortError | None = None  # of a window that is searched by the nonce alone
        self.quick_shows: Callable[[tuple[SpanFact, ...]], tuple[SpanFact, ...]] = lambda spans: spans
        self.before_quick: Callable[[TraceId], Awaitable[None]] | None = None
        self.quick_reads: list[TraceId] = []
        self.window_reads: list[tuple[Instant, Instant, TraceId | None]] = []
        self.narrowings: list[Narrowing] = []
        self.honours = frozenset(Narrowing)
        self.tried_keys = 0
        self.counts: int | PortError = 0
        self.crowded = False  # every row of a window is too much

    def store(self, *spans: SpanFact, at: Instant, nonce: str | None = None) -> None:
        """From now on these are there; `nonce` stands somewhere in them."""
        self._stored.extend(_Stored(span, at, nonce) for span in spans)

    async def read_trace(self, trace_id: TraceId, *, nonce: str | None, timeout: Seconds) -> tuple[SpanFact, ...]:
        """The quick route; it shows neither service name nor resource."""
        del nonce, timeout
        self.quick_reads.append(trace_id)
        if self.before_quick is not None:
            await self.before_quick(trace_id)
        if self.quick_error is not None:
            raise self.quick_error
        spans = [stored.span for stored in self._stored if stored.span.trace_id == trace_id]
        return self.quick_shows(_distinct([replace(span, service_name=None, resource=None) for span in spans]))

    async def try_key(self, *, timeout: Seconds) -> None:
        """The documented route, asked for anything."""
        del timeout
        self.tried_keys += 1
        if self.window_error is not None:
            raise self.window_error

    async def read_window(
        self,
        *,
        since: Instant,
        until: Instant,
        trace_id: TraceId | None,
        nonce: str | None,
        timeout: Seconds,
        narrowing: Narrowing = Narrowing.WINDOW,
        span_name: str | None = None,
    ) -> tuple[SpanFact, ...]:
        """The documented route; a narrowing that is not honoured shows nothing."""
        del timeout
        self.window_reads.append((since, until, trace_id))
        self.narrowings.append(narrowing)
        if self.window_error is not None:
            raise self.window_error
        if self.search_error is not None and trace_id is None:
            raise self.search_error
        if narrowing not in self.honours:
            return ()
        if self.crowded and narrowing is Narrowing.WINDOW:
            raise TooManyRows("too many spans to read: 100 of 9000 rows read (8.0 MiB, the size limit of one look)")
        shown = [stored for stored in self._stored if since <= stored.at <= until]
        named = {stored.span.trace_id for stored in shown if nonce is not None and stored.nonce == nonce}
        wanted = named if trace_id is None else {trace_id}
        found = _distinct([stored.span for stored in shown if stored.span.trace_id in wanted])
        return tuple(span for span in found if narrowing is not Narrowing.SPAN_NAME or span.name == span_name)

    async def count_traces(self, *, since: Instant, until: Instant, timeout: Seconds) -> int:
        """As set."""
        del since, until, timeout
        if isinstance(self.counts, PortError):
            raise self.counts
        return self.counts


class FakeIngest:
    """Implements `monitor.ports.Ingest`: answers as set, and what it accepts appears in `backend`, if there is one."""

    def __init__(self, backend: FakeBackend | None = None) -> None:
        self.backend = backend
        self.answer = IngestAnswer(status=200)
        self.error: PortError | None = None
        self.sent: list[ControlRequest] = []

    async def send(self, request: ControlRequest, *, timeout: Seconds) -> IngestAnswer:
        """Take one span."""
        del timeout
        self.sent.append(request)
        if self.error is not None:
            raise self.error
        accepted = self.answer.status // 100 == 2 and not self.answer.rejected
        if accepted and self.backend is not None:
            span = SpanFact(trace_id=request.trace_id, span_id=request.span_id, service_name=request.service_name)
            self.backend.store(span, at=request.at)
        return self.answer


def _distinct(spans: Sequence[SpanFact]) -> tuple[SpanFact, ...]:
    return tuple({span.span_id: span for span in spans}.values())
