"""Everything the four services know: one state, one clock, one variant, one set of faults."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.core.model import Instant, Seconds
from monitor.ports import Clock
from monitor.sandbox.asgi import RequestSeen
from monitor.sandbox.configurations import Configurations
from monitor.sandbox.credentials import ENVIRONMENT, TENANT, BackendKind, Credentials
from monitor.sandbox.faults import ActiveFaults
from monitor.sandbox.rows import Row
from monitor.sandbox.slack import CheckMessage, Workspace, check_size
from monitor.sandbox.spans import GatewaySpan
from monitor.sandbox.traffic import NO_TRAFFIC, Traffic
from monitor.sandbox.variants import Variant

_MOST_SPANS = 30_000
_MOST_REQUESTS = 5_000
_OWN_STORE_LAG: Seconds = 30.0
_OWN_STORE_ROOT_LAG: Seconds = 15.0
_WAREHOUSE_LAG: Seconds = 10.0
_A_DAY: Seconds = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSpan:
    """A span in TrueFoundry's own store, and from when on it is shown."""

    span: GatewaySpan
    visible_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoenixSpan:
    """One span as stored, and from when on it is shown."""

    project: str
    start: Instant
    row: Mapping[str, object]
    trace_id: str
    visible_at: Instant


class SpanMetrics:
    """Spans by what became of them: by outcome and reason those that were handed to the exporter, by reason those that were not."""

    def __init__(self, started_at: Instant) -> None:
        self.started_at = started_at
        self.exported: Counter[tuple[str, str]] = Counter()
        self.drops: Counter[str] = Counter()

    def lines(self, prefix: str, requests: int, *, with_start: bool) -> Iterator[str]:
        """The exposition; `with_start`: with the moment at which the process began, as most have it."""
        tenant = f'tenant_name="{TENANT}"'
        if with_start:
            yield "# TYPE process_start_time_seconds gauge"
            yield f"process_start_time_seconds {self.started_at:.3f}"
        yield f"# TYPE {prefix}_requests_total counter"
        yield f"{prefix}_requests_total{{{tenant}}} {requests}"
        yield f"# HELP {prefix}_spans_accepted_total Spans handed to the exporter."
        yield f"# TYPE {prefix}_spans_accepted_total counter"
        yield f"{prefix}_spans_accepted_total{{{tenant}}} {self.exported.total()}"
        yield f"# TYPE {prefix}_spans_exported_total counter"
        for (outcome, reason), spans in sorted(self.exported.items()):
            labels = f'{tenant},outcome="{outcome}"' + (f',reason="{reason}"' if reason else "")
            yield f"{prefix}_spans_exported_total{{{labels}}} {spans}"
        yield f"# TYPE {prefix}_span_drops_total counter"
        for reason, spans in sorted(self.drops.items()):
            yield f'{prefix}_span_drops_total{{{tenant},reason="{reason}"}} {spans}'


class World:
    """The state. Changing it is how a test, the control API or a demonstration breaks and fixes things."""

    def __init__(
        self,
        *,
        clock: Clock,
        variant: Variant,
        time_factor: float,
        content: bool,
        latency: Seconds,
        traffic: Traffic = NO_TRAFFIC,
        check_message: CheckMessage = check_size,
        backend: BackendKind = BackendKind.TRACELOOP,
    ) -> None:
        self.clock = clock
        self.variant = variant
        self.time_factor = time_factor
        self.content = content
        self.latency = latency
        self.backend = backend
        self.traffic = traffic
        self._first_traffic = traffic
        self.credentials = Credentials.of(backend)
        self.faults = ActiveFaults()
        self.configurations = Configurations(clock.now, self.faults, self.credentials)
        self.slack = Workspace(clock, self.credentials, check_message)
        self.own_spans: deque[KeptSpan] = deque(maxlen=_MOST_SPANS)
        self.rows: deque[Row] = deque(maxlen=_MOST_SPANS)
        self.served: deque[Instant] = deque(maxlen=_MOST_SPANS)  # when the gateway answered a request, or refused it
        self.span_metrics = SpanMetrics(clock.now())
        self.phoenix_spans: deque[PhoenixSpan] = deque(maxlen=_MOST_SPANS)
        self.requests: deque[RequestSeen] = deque(maxlen=_MOST_REQUESTS)

    def now(self) -> Instant:
        """The wall clock."""
        return self.clock.now()

    def scaled(self, seconds: Seconds) -> Seconds:
        """A delay of the real services in the sandbox's time."""
        return seconds * self.time_factor

    async def pause(self, seconds: Seconds) -> None:
        """Wait for a delay of the real services."""
        await self.clock.sleep(self.scaled(seconds))

    def vary(self, **switches: str) -> None:
        """Change switches of the variant. Raises ValueError."""
        self.variant = self.variant.vary(switches)

    def configure(self, backend_url: str) -> None:
        """Set the exporter up as it should be, a day ago, and forget whatever was set besides."""
        headers = self.backend.headers(self.credentials.key)
        self.configurations.reset(backend_url, headers, content=self.content, at=self.now() - _A_DAY)

    def forget(self) -> None:
        """Forget what was sent, received and posted, and a change of traffic; faults, variant and configuration stay."""
        self.traffic = self._first_traffic
        for memory in (
            self.own_spans,
            self.rows,
            self.served,
            self.phoenix_spans,
            self.requests,
            self.slack.messages,
            self.slack.socket_mode.answers,
        ):
            memory.clear()
        self.span_metrics = SpanMetrics(self.now())

    # --- TrueFoundry

    def keep(self, spans: tuple[GatewaySpan, ...]) -> None:
        """Put a trace into TrueFoundry's own store."""
        for position, span in enumerate(spans):
            self.own_spans.append(KeptSpan(span=span, visible_at=self.now() + self.own_store_lag(position)))

    def own_store_lag(self, position: int) -> Seconds:
        """After how long TrueFoundry's own store shows the span at this position of a trace; the root's is 0."""
        if self.variant.own_store != "lagging":
            return 0.0
        return self.scaled(_OWN_STORE_LAG if position else _OWN_STORE_ROOT_LAG)

    # --- Traceloop

    def environment_of(self, key: str) -> str | None:
        """The environment that a Traceloop key belongs to; None for a key that is not known, or no longer."""
        known = {value: slug for slug, value in self.credentials.keys.items()}
        rotated = self.faults.does("rotate_key")
        if rotated or self.faults.does("revoke_key"):
            del known[self.credentials.key]
        if rotated:
            known[self.credentials.rotated_key] = ENVIRONMENT
        return known.get(key)

    def index_lags(self) -> tuple[Seconds, Seconds]:
        """After how long an accepted span is shown: by the per-trace route, and by the warehouse."""
        visible = self.scaled(self.variant.index_seconds)
        behind = self.scaled(_WAREHOUSE_LAG) if self.variant.warehouse == "behind" else 0.0
        return visible, visible + behind

    def traces(self) -> dict[str, list[Row]]:
        """What Traceloop has taken in, by trace, visible or not yet."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.trace_id, []).append(row)
        return found
