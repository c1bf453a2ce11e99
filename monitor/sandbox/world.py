"""Everything the four services know: one state, one clock, one dialect, one set of faults."""

from collections import deque
from dataclasses import dataclass, field

from monitor.core.model import Instant, Seconds
from monitor.ports import Clock
from monitor.sandbox.broken import Broken, configurations_changed
from monitor.sandbox.credentials import ENVIRONMENT, Credentials, Subject
from monitor.sandbox.dialect import Dialect, OwnStore, Warehouse
from monitor.sandbox.faults.kinds import OTEL, Host, Twist
from monitor.sandbox.slack.workspace import Workspace
from monitor.sandbox.traceloop.rows import Row
from monitor.sandbox.traffic import Traffic
from monitor.sandbox.truefoundry.settings import Settings, healthy_manifest
from monitor.sandbox.truefoundry.spans import GatewaySpan

_MOST_SPANS = 30_000
_MOST_REQUESTS = 5_000
_OWN_STORE_LAG: Seconds = 30.0
_OWN_STORE_ROOT_LAG: Seconds = 15.0
_WAREHOUSE_LAG: Seconds = 10.0


NO_TRAFFIC = Traffic()


@dataclass(slots=True, kw_only=True)
class RequestSeen:
    """One request as a service received it. Header names are lower-case; of a body nothing is kept.

    `answered`: the bytes of the answer's body, as far as it was sent; 0 until it is complete.
    """

    at: Instant
    host: Host
    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    answered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSpan:
    """A span in TrueFoundry's own store, and from when on it is shown."""

    span: GatewaySpan
    visible_at: Instant


class World:
    """The state. Changing it is how a test, the control API or a demonstration breaks and mends things."""

    def __init__(
        self,
        *,
        clock: Clock,
        dialect: Dialect,
        time_factor: float,
        content: bool,
        latency: Seconds,
        traffic: Traffic = NO_TRAFFIC,
    ) -> None:
        self.clock = clock
        self.dialect = dialect
        self.time_factor = time_factor
        self.content = content
        self.latency = latency
        self.traffic = traffic
        self._born_with = traffic
        self.credentials = Credentials()
        self.broken = Broken()
        self.settings = Settings(clock.now, self.broken, self.credentials)
        self.slack = Workspace(clock, self.credentials)
        self.own_spans: deque[KeptSpan] = deque(maxlen=_MOST_SPANS)
        self.rows: deque[Row] = deque(maxlen=_MOST_SPANS)
        self.requests: deque[RequestSeen] = deque(maxlen=_MOST_REQUESTS)

    # --- time

    def now(self) -> Instant:
        """The wall clock."""
        return self.clock.now()

    def scaled(self, seconds: Seconds) -> Seconds:
        """A delay of the real services in the sandbox's time."""
        return seconds * self.time_factor

    async def pause(self, seconds: Seconds) -> None:
        """Wait for a delay of the real services."""
        await self.clock.sleep(self.scaled(seconds))

    # --- break and mend, at run time

    def break_(self, name: str, seconds: Seconds | None = None) -> None:
        """Set a fault. Raises KeyError for a name that is not in the registry."""
        self.broken.set(name, seconds)
        self.settings.touch(configurations_changed(name))

    def fix(self, name: str) -> None:
        """Clear a fault."""
        was_set = name in self.broken.names
        self.broken.clear(name)
        if was_set:
            self.settings.touch(configurations_changed(name))

    def speak(self, **switches: str) -> None:
        """Change switches of the dialect. Raises ValueError."""
        self.dialect = self.dialect.vary(switches)

    def furnish(self, traceloop_url: str, *, age: Seconds = 86_400.0) -> None:
        """Set the exporter up as it should be, `age` seconds ago, and forget whatever was set besides."""
        self.settings.clear()
        manifest = healthy_manifest(traceloop_url, self.credentials, content=self.content)
        self.settings.apply(OTEL, manifest, at=self.now() - age)

    def forget(self) -> None:
        """Forget what was sent, received and posted, and a change of traffic; faults, dialect and configuration stay."""
        self.traffic = self._born_with
        for memory in (self.own_spans, self.rows, self.requests):
            memory.clear()
        self.slack.forget()

    # --- TrueFoundry

    def subject(self, token: str) -> Subject | None:
        """Whose token this is, as the gateway and the control plane see it."""
        return self.credentials.subjects().get(token)

    def keep(self, spans: tuple[GatewaySpan, ...]) -> None:
        """Put a trace into TrueFoundry's own store."""
        for place, span in enumerate(spans):
            self.own_spans.append(KeptSpan(span=span, visible_at=self.now() + self.own_store_lag(place)))

    def own_store_lag(self, place: int) -> Seconds:
        """After how long TrueFoundry's own store shows the span at this place of a trace; the root's is 0."""
        if self.dialect.own_store is not OwnStore.LAGGING:
            return 0.0
        return self.scaled(_OWN_STORE_LAG if place else _OWN_STORE_ROOT_LAG)

    # --- Traceloop

    def environment_of(self, key: str) -> str | None:
        """The environment that a Traceloop key belongs to; None for a key that is not known, or no longer."""
        known = {value: slug for slug, value in self.credentials.keys.items()}
        gone = self.broken.does(Twist.REVOKE_KEY) or self.broken.does(Twist.ROTATE_KEY)
        if gone:
            del known[self.credentials.key]
        if self.broken.does(Twist.ROTATE_KEY):
            known[self.credentials.rotated_key] = ENVIRONMENT
        return known.get(key)

    def visible_from(self) -> tuple[Instant, Instant]:
        """From when a span accepted now is shown: by the per-trace route, and by the warehouse."""
        visible, listed = self.index_lags()
        return self.now() + visible, self.now() + listed

    def index_lags(self) -> tuple[Seconds, Seconds]:
        """After how long an accepted span is shown: by the per-trace route, and by the warehouse."""
        visible = self.scaled(self.dialect.index_lag.seconds)
        behind = self.scaled(_WAREHOUSE_LAG) if self.dialect.warehouse is Warehouse.BEHIND else 0.0
        return visible, visible + behind

    def traces(self) -> dict[str, list[Row]]:
        """What Traceloop has taken in, by trace, visible or not yet."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.trace_id, []).append(row)
        return found
