"""The outside world as the program wants it: protocols, the values that cross them, and the tree of errors.

    PortError
    ├── Unreachable     could not ask (dns, connect, tls, timeout, reset, 5xx)  worth another look
    ├── Refused         asked and was refused (401, 403, 429)                   needs a human, or patience
    ├── Gone            the route or the thing is not there (404)
    │   └── NotYetThere what holds the traces is made by the first of them
    ├── Garbled         answered, but not in a form we understand
    │   └── TooManyRows answered with more than a look may read
    └── Undeliverable   notifiers only: not delivered, maybe never (`permanent`)

No foreign exception passes an adapter; what an error means is the check's decision.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, runtime_checkable

from monitor.core.config_memory import ConfigSeen
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind
from monitor.core.incident import Notice
from monitor.core.inputs import Input
from monitor.core.model import CheckName, Evidence, Instant, Phases, Scalar, Seconds, TargetName, TraceId
from monitor.core.pipeline_counters import SpanCounters
from monitor.core.state import Policy, TargetState
from monitor.core.trace import Narrowing, SpanFact


class PortError(Exception):
    """Something outside did not do what was asked. Its text is for people: redacted, clamped, and without foreign markup."""

    def __init__(self, message: str, *, status: int | None = None, evidence: Evidence | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.evidence: Evidence = evidence or {}


class Unreachable(PortError):
    """Could not ask. `kind`: dns, connect, tls, timeout, reset, protocol, or status for a 5xx of a service.

    Of our own making, so nobody is accused: denied (by a setting, or not a URL for HTTP), proxy (ours refuses), starved (we did not
    run), shortage (a resource of ours ran out).
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        status: int | None = None,
        evidence: Evidence | None = None,
        phases: Phases | None = None,
    ) -> None:
        super().__init__(message, status=status, evidence=evidence)
        self.kind = kind
        self.phases = phases or Phases()


class Refused(PortError):
    """Asked and was refused. `blocked`: by something in front of the service (Cloudflare's 1010), so no permission is missing."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        retry_after: Seconds | None = None,
        blocked: bool = False,
        evidence: Evidence | None = None,
    ) -> None:
        super().__init__(message, status=status, evidence=evidence)
        self.retry_after = retry_after
        self.blocked = blocked

    @property
    def unauthorized(self) -> bool:
        """Whether the service itself does not accept the credential, rather than something in front of it."""
        return self.status == HTTPStatus.UNAUTHORIZED and not self.blocked


class Gone(PortError):
    """The route or the thing is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=404)


class NotYetThere(Gone):
    """The project is created by its first trace, and none has arrived yet; nothing is known to be wrong."""


class Garbled(PortError):
    """Answered, but not in a form we understand."""


class TooManyRows(Garbled):
    """There is more than a look may read, and what was looked for is not in what was read: so its absence is unproven."""


class Undeliverable(PortError):
    """A notice was not delivered.

    `permanent`: only a human can fix it. `unknown`: it may have been delivered all the same (a lost answer). `place`: which of
    several places of the notifier it is about, by its configured name.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        unknown: bool = False,
        retry_after: Seconds | None = None,
        place: str = "",
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.unknown = unknown
        self.retry_after = retry_after
        self.place = place


# --- the gateway -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """An answer of the gateway's health path: any status at all."""

    status: int
    phases: Phases = Phases()
    certificate_expires_at: Instant | None = None
    blocked: bool = False  # Cloudflare's 1010


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRequest:
    """What a canary asks. `traceparent` is complete (https://www.w3.org/TR/trace-context/#traceparent-header)."""

    model: str
    prompt: str = ""
    max_tokens: int | None = 16
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    traceparent: str = ""
    timeout: Seconds = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the gateway did not serve a request, as far as its answer says.

    `envelope`: the gateway's own error envelope was there (`status`, `message`, `error`, `error_origin_level`, `provider`);
    `kind` is `error.type`, `origin` is `error_origin_level`; `message` is redacted and clamped. `error`: the body says that it is
    one. `unread`: why the body was not read, although it may be right.
    """

    message: str
    error: bool = False
    unread: str = ""
    envelope: bool = False
    kind: str | None = None
    origin: str | None = None
    provider: str | None = None
    guardrails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAnswer:
    """An HTTP answer to a canary, whatever its status. `completion`: the body is a chat completion.

    `text` is what the model said: foreign, never to be shown.
    `trace_id` and `destination` come from `x-tfy-feedback-target-id`; `rules` from `x-tfy-applied-configurations`.
    """

    status: int
    phases: Phases = Phases()
    completion: bool = False
    text: str = field(default="", repr=False)
    trace_id: TraceId | None = None
    destination: str | None = None
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)  # input, output
    finish_reason: str | None = None
    cached: bool = False
    blocked: bool = False  # Cloudflare's 1010
    edge: bool = False  # Cloudflare's own page: it cannot reach the gateway
    refusal: Refusal | None = None
    retry_after: Seconds | None = None
    rules: str | None = None


class Gateway(Protocol):
    """The AI gateway of one target."""

    async def ping(self, *, timeout: Seconds) -> Ping:
        """Ask the health path, without a token. Raises Unreachable without an HTTP answer."""

    async def complete(self, request: CanaryRequest) -> CanaryAnswer:
        """Send one chat completion, never retried. Raises Unreachable without an HTTP answer."""


class SpanMetrics(Protocol):
    """The own counters of spans of the gateway or the Collector, where they are shown."""

    async def read(self, *, timeout: Seconds) -> SpanCounters:
        """Read them. Raises any PortError; Garbled also where they are not among what is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """How many requests the gateway served between two moments, and by whose word."""

    since: Instant
    until: Instant
    requests: int
    by: str


class RequestCounter(Protocol):
    """Something that knows how many requests the gateway served."""

    async def count_requests(self, *, since: Instant, until: Instant, timeout: Seconds) -> RequestCount | None:
        """Count between these moments, or as near to them as can be; None: nothing to compare with yet. Raises any PortError."""


# --- TrueFoundry's control plane -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigAnswer:
    """An answer to the read of `gateway-otel-config`. `seen` None: 404, null or empty, so nothing was parsed (`form` says which)."""

    seen: ConfigSeen | None
    form: str = "manifest"  # manifest, 404, null, empty
    off_as: str | None = None  # how a manifest shows that its exporter is off: absent, null


class ControlPlane(Protocol):
    """TrueFoundry's control plane, with the token of one target."""

    async def read_export_config(self, *, timeout: Seconds) -> ConfigAnswer:
        """Read what the exporter is set to. Raises any PortError but Gone (404 is an answer here)."""

    async def read_gateway_policy(self, kind: GatewayPolicyKind, *, timeout: Seconds) -> GatewayPolicy:
        """Read one of the other configurations that decide what becomes of a trace; none at all is an answer.

        Raises any PortError but Gone; Refused: it is not ours to see; Garbled: it was not understood. Neither accuses anybody.
        """

    async def token_works(self, *, timeout: Seconds) -> bool:
        """Whether the session endpoint knows us: 200 with a non-empty `user.tenantName`. Raises PortError."""

    async def find_spans(
        self,
        trace_id: TraceId | None,
        *,
        since: Instant,
        destination: str | None,
        timeout: Seconds,
        nonce: str | None = None,
    ) -> tuple[SpanFact, ...]:
        """Spans of a trace in one destination of TrueFoundry's own store; empty if none. Raises any PortError.

        Without an id, those whose metadata hold the nonce. Garbled also where not every page was seen and nothing was found
        (absence unproven).
        """


# --- the trace backend -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """A span of our own to be sent: the ids, when, and what to call it."""

    trace_id: TraceId
    span_id: str
    at: Instant
    service_name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestAnswer:
    """What an OTLP endpoint said: `rejected` spans of a partial success, its own `message`, redacted and clamped.

    `blocked`: a page of something in front of the service.
    """

    status: int
    rejected: int = 0
    message: str = ""
    blocked: bool = False
    retry_after: Seconds | None = None
    evidence: Evidence = field(default_factory=dict)


class Ingest(Protocol):
    """The endpoint that the exporter is meant to post to, asked by us with the expected headers."""

    async def send(self, request: ControlRequest, *, timeout: Seconds) -> IngestAnswer:
        """Post one span. Raises Unreachable without an HTTP answer; retried only as the OTLP specification allows."""


class TraceBackend(Protocol):
    """Where traces are read back, with one key (which may fix an environment). What it can tell: `core.backend.BackendTraits`."""

    async def read_trace(self, trace_id: TraceId, *, nonce: str | None, timeout: Seconds) -> tuple[SpanFact, ...]:
        """One trace by its id; empty: not there (yet).

        Where this is a quick, undocumented route, 401, 403 and 404 only mean that it is closed (`by_id_documented`).
        """

    async def try_key(self, *, timeout: Seconds) -> None:
        """Ask the documented route for one row, whichever that is. Raises any PortError; a 401 means the key."""

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
        """The documented read of a time window, matched by trace id or else by nonce. A 401 means the key.

        `narrowing` lets the backend leave out rows that are not ours; `span_name` is the name of the root for that of this name.
        A narrowed read may show only a part of the trace: the spans that carry what it is narrowed by. Raises any PortError;
        Garbled also where a narrowing is not honoured and ours is not among what comes, TooManyRows where more rows are there
        than could be read (absence unproven).
        """

    async def count_traces(self, *, since: Instant, until: Instant, timeout: Seconds) -> int:
        """How many requests of the gateway that began between these moments have a trace here.

        Raises any PortError; Garbled also where the count cannot be that, TooManyRows where more is there than can be counted.
        """


# --- notifiers -------------------------------------------------------------------------------------------------------


class Notifier(Protocol):
    """Brings notices to people. `name` is the `notifier` label."""

    @property
    def name(self) -> str:
        """The label."""

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Bring the reader up to date; the receipt is kept and handed back in `notice.notified`. Raises Undeliverable."""

    async def test(self, text: str) -> None:
        """Say that this is a test. Raises Undeliverable."""

    def close(self) -> None:
        """Release threads and sockets."""


@runtime_checkable
class Mentioning(Protocol):
    """A notifier that mentions people, at most once a minute for each key."""

    def mention_key(self, target: TargetName) -> str:
        """Channel and mention of a target: what shares a key shares the limit."""


@runtime_checkable
class Refreshing(Protocol):
    """A notifier whose receiver drops alerts that are not sent again (Alertmanager).

    So open ones are re-sent regularly, resolved ones for a while.
    """

    async def refresh(self, notices: Sequence[Notice]) -> str:
        """Send again what was sent before, even if that is nothing. Says who missed it, if anybody.

        Raises Undeliverable if all did.
        """


# --- time, chance, memory, checks ------------------------------------------------------------------------------------


class Clock(Protocol):
    """The only source of time and chance."""

    def now(self) -> Instant:
        """The wall clock, Unix seconds."""

    def monotonic(self) -> Seconds:
        """A clock that never jumps."""

    async def sleep(self, seconds: Seconds) -> None:
        """Wait."""

    def timeout(self, seconds: Seconds) -> AbstractAsyncContextManager[object]:
        """Like asyncio.timeout: raises TimeoutError inside `async with`."""

    def draw_hex(self, digits: int) -> str:
        """Random lowercase hexadecimal digits (never all zero)."""


class TargetStore(Protocol):
    """What a check reports to: the memory of its target, and the only way to change it."""

    @property
    def state(self) -> TargetState:
        """What is remembered now."""

    @property
    def policy(self) -> Policy:
        """The thresholds of the target."""

    async def apply(self, given: Input, *, durable: bool = False) -> None:
        """Report; `durable` returns only when it cannot be forgotten any more."""


class Check(Protocol):
    """Something that looks at the world and reports. It may raise: the runner turns that into `unknown`."""

    @property
    def name(self) -> CheckName:
        """The label."""

    async def look(self, target_store: TargetStore) -> None:
        """Look once and report to the target store."""


class SideLook(Protocol):
    """Something that looks beside the checks, for evidence: it has no verdict, and by itself it opens nothing."""

    @property
    def serves(self) -> frozenset[CheckName]:
        """The checks that it is evidence for: without any of them it need not look."""

    def is_due(self, state: TargetState, policy: Policy, now: Instant) -> bool:
        """Whether it is time."""

    async def look(self, target_store: TargetStore) -> None:
        """Look once and report to the target store; what could not be seen raises nothing."""
