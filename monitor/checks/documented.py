"""The documented read, narrowed down by the first way that has shown a span of ours within a day; while none has, by each in turn.

An environment is busy: its rows are everybody's. What no narrowing shows is not there only if the last of them, the window alone,
could be read to its end.
"""

from dataclasses import dataclass, replace

from monitor.checks.routes import Routes
from monitor.core.arrival import is_narrowing_proven
from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.state import Policy, TargetState
from monitor.core.trace import Narrowing, Route, SpanFact, TraceSeen
from monitor.ports import Clock, Crowded, Garbled, Gone, TraceBackend

READ_TIMEOUT: Seconds = 10.0
_CROWDED_FOR: Seconds = 60.0
_FURTHEST: Seconds = 120.0  # so much earlier a span is looked for, too, before its absence is concluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: what began between `since` and `until`, and how that may be narrowed down.

    `decides`: something is concluded from it. `window`: it is worth reading every row of a window, which may be megabytes. `skewed`:
    clocks may differ by more than the window allows for. `single`: the trace is one span, so that who has not its root has nothing.
    """

    trace_id: TraceId | None
    nonce: str | None
    since: Instant
    until: Instant
    span_name: str | None = None
    narrowings: tuple[Narrowing, ...]
    decides: bool
    window: bool = True
    skewed: bool = True
    single: bool = False


class DocumentedRead:
    """Remembers for an hour which narrowings are of no use, and for a minute that a window held too much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._useless: Routes[tuple[int, Narrowing]] = Routes()
        self._crowded: dict[int, tuple[Seconds, Crowded]] = {}

    async def read(
        self, backend: TraceBackend, wanted: Wanted, state: TargetState, policy: Policy, began: Instant
    ) -> TraceSeen:
        """Read once. Nothing found where something is concluded from it, and where clocks may differ: in a wider window, too.

        Raises any PortError.
        """
        proven = [
            each
            for each in wanted.narrowings
            if each is not Narrowing.WINDOW and is_narrowing_proven(state.proofs, each, policy.credential, began)
        ]
        if proven:
            spans = await self._ask_twice(backend, wanted, proven[0], began)
            root_only = proven[0] is Narrowing.SPAN_NAME and not wanted.single
            if spans or not (root_only and wanted.decides):
                return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=proven[0])
            # A trace that has lost its root is no lost trace: only the whole window tells which of the two it is.
            spans = await self._read_whole_window(backend, wanted, began)
            return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=Narrowing.WINDOW)
        silent: list[Narrowing] = []
        for narrowing in wanted.narrowings:
            if narrowing is Narrowing.WINDOW or not self._useless.open((id(backend), narrowing), self._now):
                continue
            try:
                spans = await _ask(backend, wanted, narrowing)
            except (Garbled, Gone):  # it is refused, or not honoured
                self._useless.close((id(backend), narrowing), self._now)
                continue
            if spans:
                self._give_up(backend, silent)
                return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=narrowing)
            silent.append(narrowing)
        if not (wanted.window or wanted.decides):
            return TraceSeen(route=Route.WAREHOUSE, at=began, narrowing=wanted.narrowings[0])
        spans = await self._read_whole_window(backend, wanted, began)
        if spans:
            self._give_up(backend, silent)
        return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=Narrowing.WINDOW)

    @property
    def _now(self) -> Seconds:
        return self._clock.monotonic()

    def _give_up(self, backend: TraceBackend, silent: list[Narrowing]) -> None:
        """What showed nothing of a trace that is there is of no use."""
        for narrowing in silent:
            self._useless.close((id(backend), narrowing), self._now)

    async def _read_whole_window(self, backend: TraceBackend, wanted: Wanted, began: Instant) -> tuple[SpanFact, ...]:
        """Every row of the seconds in question; where those were too many to be read, not again within a minute."""
        crowded_at, why = self._crowded.get(id(backend), (0.0, None))
        if why is not None and self._now - crowded_at < _CROWDED_FOR:
            raise Crowded(str(why), evidence=why.evidence)
        try:
            return await self._ask_twice(backend, wanted, Narrowing.WINDOW, began)
        except Crowded as error:
            self._crowded[id(backend)] = self._now, error
            raise

    async def _ask_twice(
        self, backend: TraceBackend, wanted: Wanted, narrowing: Narrowing, began: Instant
    ) -> tuple[SpanFact, ...]:
        spans = await _ask(backend, wanted, narrowing)
        if spans or not (wanted.decides and wanted.skewed):
            return spans
        wider = replace(wanted, since=wanted.since - _FURTHEST, until=max(wanted.until, began + 1.0))
        return await _ask(backend, wider, narrowing)


async def _ask(backend: TraceBackend, wanted: Wanted, narrowing: Narrowing) -> tuple[SpanFact, ...]:
    return await backend.read_window(
        since=wanted.since,
        until=wanted.until,
        trace_id=wanted.trace_id,
        nonce=wanted.nonce,
        timeout=READ_TIMEOUT,
        narrowing=narrowing,
        span_name=wanted.span_name,
    )
