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
_FURTHEST: Seconds = 120.0  # so much earlier a span is looked for, too, before its absence is concluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for, known by `name` to us: what began between `since` and `until`, and how that may be narrowed down.

    `decides`: something is concluded from it, so that it is worth a wider window.
    """

    name: str
    trace_id: TraceId | None
    nonce: str | None
    since: Instant
    until: Instant
    span_name: str | None = None
    narrowings: tuple[Narrowing, ...]
    decides: bool


class DocumentedRead:
    """Remembers for an hour which narrowings are of no use, and for which canaries the window held too much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._useless: Routes[tuple[int, Narrowing]] = Routes()
        self._crowded: set[str] = set()

    def forget_all_but(self, names: set[str]) -> None:
        """Forget what is no longer looked for."""
        self._crowded &= names

    async def read(
        self, backend: TraceBackend, wanted: Wanted, state: TargetState, policy: Policy, began: Instant
    ) -> TraceSeen:
        """Read once. Nothing found where something is concluded from it: the window is widened, in case that clocks differ by more.

        Raises any PortError.
        """
        proven = [
            each
            for each in wanted.narrowings
            if each is not Narrowing.WINDOW and is_narrowing_proven(state.proofs, each, policy.credential, began)
        ]
        if proven:
            spans = await self._ask_twice(backend, wanted, proven[0], began)
            return TraceSeen(route=Route.WAREHOUSE, at=began, spans=spans, narrowing=proven[0])
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
        """Every row of the seconds in question. Where those are too many to be read, only when something depends on it."""
        if wanted.name in self._crowded and not wanted.decides:
            raise Crowded("the environment is too busy for this route: its window held too many rows a moment ago")
        try:
            return await self._ask_twice(backend, wanted, Narrowing.WINDOW, began)
        except Crowded:
            self._crowded.add(wanted.name)
            raise

    async def _ask_twice(
        self, backend: TraceBackend, wanted: Wanted, narrowing: Narrowing, began: Instant
    ) -> tuple[SpanFact, ...]:
        spans = await _ask(backend, wanted, narrowing)
        if spans or not wanted.decides:
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
