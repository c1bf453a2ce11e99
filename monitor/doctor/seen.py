"""What was seen of a target, as one value: the questions judge it and ask nothing themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from monitor.core.canary import Canary, ControlSpan
from monitor.core.drift import ConfigSeen
from monitor.core.gateway_policies import SwitchKind, SwitchSeen
from monitor.core.model import CheckName, Instant, Seconds, Service, TargetName, TraceId
from monitor.core.state import LastLook, Policy, TargetState
from monitor.core.trace import Narrowing, Route, SpanFact
from monitor.notifiers.slack import BotIdentity
from monitor.ports import CanaryAnswer, ConfigAnswer, IngestAnswer, PortError
from monitor.settings import Settings, Target
from monitor.truefoundry import ModelsAnswer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """An answer that was understood."""

    value: T


Reply = Answered[T] | PortError | None
"""What became of an ask: an answer, an error, or nothing (it was not asked, or the time was up)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """What the answers showed besides what they were asked for.

    `feedback` is the form of the header on the canary's answer, `feedback_refused` on that to a refused request; `accepted` the
    body with which a span is accepted. `shown_at` is when a route first showed a trace, `hidden_at` when it was last asked and
    did not. `skews` are seconds by which a server's clock is ahead of ours; `failures` the last kind of each silent service.
    """

    feedback: str | None = None
    feedback_refused: str | None = None
    accepted: str | None = None
    prefixes: frozenset[str] = frozenset()
    metadata: str | None = None
    shown_at: Mapping[tuple[Route, TraceId], Instant] = field(default_factory=dict)
    hidden_at: Mapping[tuple[Route, TraceId], Instant] = field(default_factory=dict)
    skews: Mapping[Service, Seconds] = field(default_factory=dict)
    certificates: Mapping[Service, Instant] = field(default_factory=dict)
    blocked: frozenset[Service] = frozenset()
    answered: frozenset[Service] = frozenset()
    failures: Mapping[Service, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWatch:
    """What TrueFoundry's own store showed of the canary's trace: how many spans, first and whole how long after its answer."""

    spans: int = 0
    first_after: Seconds | None = None
    whole_after: Seconds | None = None
    looked_for: Seconds = 0.0
    error: PortError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that was seen of one target. A reply of None was not asked for."""

    name: TargetName
    target: Target
    settings: Settings
    state: TargetState
    policy: Policy
    now: Instant
    overheard: Overheard
    ended: bool = True  # False: the time was up before everything was asked
    tenant: Reply[str | None] = None
    config: Reply[ConfigAnswer] = None
    others: Mapping[SwitchKind, Reply[SwitchSeen]] = field(default_factory=dict)
    models: Reply[ModelsAnswer] = None
    anonymous: Reply[ModelsAnswer] = None
    refused: Reply[CanaryAnswer] = None
    refused_shown: Reply[bool] = None
    quick: Reply[bool] = None
    window: Reply[bool] = None
    environments: Mapping[str, Reply[bool]] = field(default_factory=dict)
    scope: Reply[bool] = None  # whether the quick route shows our trace to the key of another environment
    json: Reply[IngestAnswer] = None
    spans: Reply[tuple[SpanFact, ...]] = None
    narrowed: Mapping[Narrowing, Reply[bool]] = field(default_factory=dict)  # whether it shows the canary's trace
    store: StoreWatch | None = None
    slack: Reply[BotIdentity] = None
    proxies: Mapping[Service, str] = field(default_factory=dict)  # by host and port, where a proxy is used

    @property
    def canary(self) -> Canary | None:
        """The canary of this visit."""
        return self.state.canaries[-1] if self.state.canaries else None

    @property
    def control(self) -> ControlSpan | None:
        """The control span of this visit."""
        return self.state.controls[-1] if self.state.controls else None

    @property
    def served(self) -> bool:
        """Whether the canary got its completion."""
        return self.canary is not None and self.canary.accepted

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

    def last(self, check: CheckName) -> LastLook | None:
        """The newest look of a check."""
        return self.state.trend(check).last

    @property
    def facts(self) -> tuple[SpanFact, ...]:
        """The spans of the canary's trace as the documented read shows them; empty if it was not seen."""
        return self.spans.value if isinstance(self.spans, Answered) else ()

    @property
    def unfinished(self) -> str:
        """Why something was not asked."""
        return "what it needs was not there to ask about" if self.ended else "the time was up"
