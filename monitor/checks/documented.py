"""The documented read, narrowed down by the first way that has shown a span of ours within a day; while none has, by each in turn.

An environment is busy: its rows are everybody's. What no narrowing shows is not there only if the last of them, the window alone,
could be read to its end.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace

from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.trace import Narrowing, Route, SpanFact, TraceSeen
from monitor.ports import Clock, Crowded, Garbled, Gone, TraceBackend

READ_TIMEOUT: Seconds = 10.0
_TRIED_AGAIN_AFTER: Seconds = 3600.0
_CROWDED_FOR: Seconds = 60.0
_FURTHEST: Seconds = 120.0  # so much earlier a span is looked for, too, before its absence is concluded


class UnusableRoutes:
    """Ways of reading that are of no use to us, remembered for an hour; a closed way says nothing about any trace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._unusable: dict[Hashable, Seconds] = {}

    def __contains__(self, way: Hashable) -> bool:
        return self._clock.monotonic() - self._unusable.get(way, -_TRIED_AGAIN_AFTER) < _TRIED_AGAIN_AFTER

    def add(self, way: Hashable) -> None:
        """It answered 401, 403 or 404 (an undocumented route may go at any time), or showed nothing where there was something."""
        self._unusable[way] = self._clock.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: what began between `since` and `until`, and how that may be narrowed down.

    `proven`: the first of the narrowings that has shown a span of ours. `decides`: something is concluded from the read. `window`: it
    is worth reading every row of a window, which may be megabytes. `skewed`: clocks may differ by more than the window allows for.
    `single`: the trace is one span, so that who has not its root has nothing.
    """

    trace_id: TraceId | None
    nonce: str | None
    since: Instant
    until: Instant
    span_name: str | None = None
    narrowings: tuple[Narrowing, ...]
    proven: Narrowing | None
    decides: bool
    window: bool = True
    skewed: bool = True
    single: bool = False


class DocumentedRead:
    """Remembers for an hour which narrowings are of no use, and for a minute that a window held too much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._useless = UnusableRoutes(clock)
        self._crowded: dict[int, tuple[Seconds, Crowded]] = {}

    async def read(self, backend: TraceBackend, wanted: Wanted, began: Instant) -> TraceSeen:
        """Read once. Nothing found where something is concluded from it, and where clocks may differ: in a wider window, too.

        Raises any PortError.
        """
        if wanted.proven is not None:
            spans = await self._ask_twice(backend, wanted, wanted.proven, began)
            root_only = wanted.proven is Narrowing.SPAN_NAME and not wanted.single
            if spans or not (root_only and wanted.decides):
                return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=wanted.proven)
            # A trace that has lost its root is no lost trace: only the whole window tells which of the two it is.
            return await self._read_whole_window(backend, wanted, began)
        silent: list[tuple[int, Narrowing]] = []
        for narrowing in wanted.narrowings:
            way = (id(backend), narrowing)
            if narrowing is Narrowing.WINDOW or way in self._useless:
                continue
            try:
                spans = await _ask(backend, wanted, narrowing)
            except (Garbled, Gone):  # it is refused, or not honoured
                self._useless.add(way)
                continue
            if spans:
                seen = TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=narrowing)
                break
            silent.append(way)
        else:
            if not (wanted.window or wanted.decides):
                return TraceSeen(route=Route.WAREHOUSE, at=began, narrowing=wanted.narrowings[0])
            seen = await self._read_whole_window(backend, wanted, began)
        for way in silent if seen.spans else ():  # what showed nothing of a trace that is there is of no use
            self._useless.add(way)
        return seen

    async def _read_whole_window(self, backend: TraceBackend, wanted: Wanted, began: Instant) -> TraceSeen:
        """Every row of the seconds in question; where those were too many to be read, not again within a minute."""
        now = self._clock.monotonic()
        crowded_at, why = self._crowded.get(id(backend), (0.0, None))
        if why is not None and now - crowded_at < _CROWDED_FOR:
            raise Crowded(str(why), evidence=why.evidence)
        try:
            spans = await self._ask_twice(backend, wanted, Narrowing.WINDOW, began)
        except Crowded as error:
            self._crowded[id(backend)] = self._clock.monotonic(), error
            raise
        return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=Narrowing.WINDOW)

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
