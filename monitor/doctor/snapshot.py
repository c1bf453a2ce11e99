"""What is known of one target: the replies to what was asked, and what the exchanges show besides."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from monitor.core.canary import Canary, ControlSpan
from monitor.core.config_memory import ConfigSeen
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind
from monitor.core.model import CheckName, CheckResult, Instant, Seconds, Service, TargetName, TraceId
from monitor.core.state import Policy, TargetState
from monitor.core.trace import Narrowing, Route, SpanFact, TraceSeen, judge_completeness
from monitor.daemon.backends import describe_read
from monitor.http import Exchange
from monitor.notifiers.slack import BotIdentity
from monitor.otlp import describe_acceptance
from monitor.ports import CanaryAnswer, ConfigAnswer, IngestAnswer, PortError
from monitor.settings import Settings, Target
from monitor.truefoundry import FEEDBACK_HEADER, ModelsAnswer, describe_feedback_target

T = TypeVar("T")
_CLIENT_ERROR = 400


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """An answer that was understood."""

    value: T


Reply = Answered[T] | PortError | None
"""What became of a request: an answer, an error, or nothing (it was not sent, or the timeout ended it)."""

Spans = tuple[SpanFact, ...]


@dataclass(slots=True, kw_only=True)
class Traffic:
    """What the exchanges show that adapters drop: forms and times, never a value.

    `feedback` is the form of the header on the canary's answer, `feedback_refused` on that to a refused request; `accepted` the
    body with which a span is accepted. `shown_at` is when a route first showed a trace, `hidden_at` when it was last asked and
    did not. `skews` are seconds by which a server's clock is ahead of ours; `failures` the last kind of each silent service.
    """

    feedback: str | None = None
    feedback_refused: str | None = None
    accepted: str | None = None
    prefixes: set[str] = field(default_factory=set)
    metadata: str | None = None
    shown_at: dict[tuple[Route, TraceId], Instant] = field(default_factory=dict)
    hidden_at: dict[tuple[Route, TraceId], Instant] = field(default_factory=dict)
    skews: dict[Service, Seconds] = field(default_factory=dict)
    certificates: dict[Service, Instant] = field(default_factory=dict)
    blocked: set[Service] = field(default_factory=set)
    answered: set[Service] = field(default_factory=set)
    failures: dict[Service, str] = field(default_factory=dict)

    def note(self, exchange: Exchange, ours: frozenset[TraceId]) -> None:
        """Take note of an exchange; of traces only `ours` are looked at, because the others are other people's."""
        answer, service = exchange.answer, exchange.service
        if answer is None:
            self.failures[service] = exchange.failure or "unknown"
            return
        self.answered.add(service)
        if answer.blocked:
            self.blocked.add(service)
        if answer.certificate_expires_at is not None:
            self.certificates[service] = answer.certificate_expires_at
        if answer.sent_at is not None:
            self.skews[service] = answer.sent_at - exchange.answered_at
        if service is Service.GATEWAY and exchange.request.url.endswith("/chat/completions"):
            form = describe_feedback_target(answer.headers.get(FEEDBACK_HEADER))
            if answer.status < _CLIENT_ERROR:
                self.feedback = form
            else:
                self.feedback_refused = form
        elif service is Service.OTLP:
            self.accepted = self.accepted or describe_acceptance(answer)
        elif service in (Service.TRACELOOP, Service.PHOENIX):
            self._note_read(exchange, ours)

    def _note_read(self, exchange: Exchange, ours: frozenset[TraceId]) -> None:
        shape = describe_read(exchange, ours)
        if shape is None:
            return
        self.prefixes |= shape.prefixes
        self.metadata = self.metadata or shape.metadata
        for trace in ours:
            if trace in shape.traces:
                self.shown_at.setdefault((shape.route, trace), exchange.answered_at)
            elif shape.understood and shape.asked in (None, trace) and (shape.route, trace) not in self.shown_at:
                self.hidden_at[shape.route, trace] = exchange.answered_at


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWatch:
    """What TrueFoundry's own store showed of the canary's trace: how many spans, first and whole how long after its answer."""

    spans: int = 0
    first_after: Seconds | None = None
    whole_after: Seconds | None = None
    looked_for: Seconds = 0.0
    error: PortError | None = None

    def after(self, reply: Reply[Spans], canary: Canary, now: Instant) -> "StoreWatch":
        """With one more look. A trace is whole when its count is stable over two: the root may come before the rest."""
        if not isinstance(reply, Answered):
            return replace(self, error=reply)
        seen = TraceSeen(route=Route.OWN_STORE, at=now, spans=reply.value)
        age, count = max(0.0, now - canary.waited_since), len(seen.span_ids)
        complete = judge_completeness(seen, own_parent=canary.span_id, wanted=None).complete
        return StoreWatch(
            spans=count,
            first_after=age if self.first_after is None and count else self.first_after,
            whole_after=age if complete and count == self.spans else None,
            looked_for=age,
        )


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """Everything that is known of one target so far. A reply of None was not asked for."""

    name: TargetName
    target: Target
    settings: Settings
    state: TargetState
    policy: Policy
    now: Instant
    traffic: Traffic
    ended: bool = True  # False: the timeout ended it before everything was asked
    tenant: Reply[str | None] = None
    config: Reply[ConfigAnswer] = None
    others: dict[GatewayPolicyKind, Reply[GatewayPolicy]] = field(default_factory=dict)
    models: Reply[ModelsAnswer] = None
    anonymous: Reply[ModelsAnswer] = None
    refused: Reply[CanaryAnswer] = None
    refused_spans: Reply[Spans] = None
    quick: Reply[object] = None  # whether Traceloop's route for one trace is open
    window: Reply[object] = None  # whether its documented read takes the key
    environments: dict[str, Reply[object]] = field(default_factory=dict)
    scope: Reply[Spans] = None  # what the quick route shows of our trace to the key of another environment
    json: Reply[IngestAnswer] = None
    spans: Reply[Spans] = None
    narrowed: dict[Narrowing, Reply[Spans]] = field(default_factory=dict)  # what each shows of the canary's trace
    store: StoreWatch | None = None
    slack: Reply[BotIdentity] = None
    proxies: Mapping[Service, str] = field(default_factory=dict)  # by host and port, where a proxy is used

    @property
    def canary(self) -> Canary | None:
        """The canary that was sent."""
        return self.state.canaries[-1] if self.state.canaries else None

    @property
    def control(self) -> ControlSpan | None:
        """The control span that was sent."""
        return self.state.controls[-1] if self.state.controls else None

    @property
    def export_config(self) -> ConfigAnswer | None:
        """The answer to the read of the exporter's configuration, if it was understood."""
        return self.config.value if isinstance(self.config, Answered) else None

    @property
    def exporter(self) -> ConfigSeen | None:
        """The exporter's configuration, if there is an exporter to speak of."""
        answer = self.export_config
        return answer.seen if answer is not None and answer.seen is not None and not answer.seen.config.off else None

    @property
    def token_known(self) -> bool:
        """Whether the control plane's session knows the token."""
        return isinstance(self.tenant, Answered) and self.tenant.value is not None

    @property
    def facts(self) -> Spans:
        """The spans of the canary's trace as the documented read shows them; empty if it was not seen."""
        return self.spans.value if isinstance(self.spans, Answered) else ()

    def last(self, check: CheckName) -> CheckResult | None:
        """What the newest look of a check says."""
        return self.state.check_state(check).result

    @property
    def unfinished(self) -> str:
        """Why something was not asked."""
        return "what it depends on was not available" if self.ended else "the timeout ended it"
