"""Everything remembered, as one immutable value per target, and the policy it is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from monitor.core.canary import Canary, ControlSpan
from monitor.core.drift import ConfigMemory, ExpectedConfig
from monitor.core.gateway_policies import Caller, GatewayPolicyKind, KnownGatewayPolicy, Profile
from monitor.core.incident import Incident
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    ForeignInstant,
    Instant,
    Seconds,
    Severity,
    Suspicion,
    TargetName,
)
from monitor.core.pipeline_counters import PipelineCounters
from monitor.core.silence import Silence
from monitor.core.trace import Labels

DAY: Seconds = 86_400.0


class TraceIdMode(StrEnum):
    """Where a canary's trace id comes from. `AUTO`: the first that has proven itself."""

    AUTO = "auto"
    FEEDBACK = "feedback"
    TRACEPARENT = "traceparent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often a check looks, how often while it fails or is unsettled, and how long one look may take (seconds)."""

    every: Seconds
    every_while_failing: Seconds
    deadline: Seconds

    @property
    def stale_after(self) -> Seconds:
        """Evidence older than this neither opens nor resolves."""
        return 3 * self.every + self.deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most canaries and tokens (input and output, by the answers' usage) of one day; the regular cadence in seconds."""

    max_per_day: int = 500
    max_tokens_per_day: int = 50_000
    every: Seconds = 300.0
    tokens_each: int = 16  # `max_tokens`; 0 when it is not sent


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalPolicy:
    """When a trace is looked for more closely, is late, is missing; all counted from the gateway's answer, in seconds."""

    look_closer_after: Seconds = 60.0
    late_after: Seconds = 180.0
    missing_after: Seconds = 300.0
    settle: Seconds = 360.0
    complete_spans: int | None = None
    loss_of: tuple[int, int] = (3, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The thresholds of one target; `cadences` holds the enabled checks and no other."""

    cadences: Mapping[CheckName, Cadence]
    origin: Cadence | None = None
    gateway_policies: Cadence | None = None
    pipeline_counters: Cadence | None = None
    arrival: ArrivalPolicy = ArrivalPolicy()
    limits: Limits = Limits()
    labels: Labels = Labels(service_name="tfy-llm-gateway")
    expected: ExpectedConfig = field(default_factory=lambda: ExpectedConfig(rules={}))
    trace_id: TraceIdMode = TraceIdMode.AUTO
    fail_after: int = 2
    pass_after: int = 2
    blind_after: Seconds = 600.0
    reopen_within: Seconds = 1800.0
    remind_every: tuple[Seconds, ...] = (4 * 3600.0, 8 * 3600.0, 24 * 3600.0)
    escalate_after: Seconds = 1800.0
    severity: Mapping[Fault, Severity] = field(default_factory=dict)
    max_severity: Severity = Severity.CRITICAL
    credential: str = ""  # fingerprint of the Traceloop key: a route is proven with one credential
    environment: str | None = None  # the slug of the key's own environment of Traceloop
    account: str = ""  # fingerprint of the tokens that send canaries and ask for them: the own store shows each its own
    profile: Profile = Profile()

    def enabled(self, check: CheckName) -> bool:
        """Whether a check runs at all."""
        return check in self.cadences


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What has been spent on `day` (days since the epoch, UTC)."""

    day: int = 0
    sent: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of both kinds."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A confirmed fault: the charge that confirmed it last, since when it has been seen, when it was confirmed."""

    suspicion: Suspicion
    since: Instant
    confirmed_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """The newest look of a check, for the page, the API and `check`."""

    at: Instant
    took: Seconds
    result: CheckResult


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckState:
    """The debounced memory of one check.

    `confirmed` is what is believed; `fails` and `passes` count looks in a row (an unknown one interrupts neither);
    `seen_in_row` and `absent_in_row` count per fault; `unknowns` and `crashes` count those in a row; `since` dates what is
    suspected and not yet confirmed.
    """

    fails: int = 0
    passes: int = 0
    seen_in_row: Mapping[Fault, int] = field(default_factory=dict)
    absent_in_row: Mapping[Fault, int] = field(default_factory=dict)
    since: Mapping[Fault, Instant] = field(default_factory=dict)
    confirmed: Mapping[Fault, Active] = field(default_factory=dict)
    unknowns: int = 0
    unknown_since: Instant | None = None
    crashes: int = 0
    sighted: int = 0  # looks in a row that could see
    seen_at: Instant | None = None  # the newest look that could see
    unseen_at: Instant | None = None  # the newest that could not
    last: LastLook | None = None
    last_pass_at: Instant | None = None
    ever_passed: bool = False  # remembered over restarts: mentions wait for it

    @property
    def result(self) -> CheckResult | None:
        """What the newest look says."""
        return self.last.result if self.last is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A span of time in which a confirmed fault explained every loss; open while `ended_at` is None."""

    fault: Fault
    began_at: Instant
    ended_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A cause that was fixed and whose incident waits for traces. `by` says who or what fixed it, if that is known."""

    fault: Fault
    at: Instant
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """No canary before `until`: the gateway answered 429. `step` is the doubled cadence so far."""

    until: Instant
    step: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetState:
    """Everything remembered of one target. `proofs` dates when a route last showed us a span of our own, per credential."""

    target: TargetName
    check_states: Mapping[CheckName, CheckState] = field(default_factory=dict)
    config: ConfigMemory | None = None
    canaries: tuple[Canary, ...] = ()  # ordered by when they were sent
    controls: tuple[ControlSpan, ...] = ()
    proofs: Mapping[str, Instant] = field(default_factory=dict)
    honours_traceparent: bool | None = None
    key_refused_at: Instant | None = None
    key_accepted_at: Instant | None = None
    budget: Budget = Budget()
    backoff: Backoff | None = None
    outages: tuple[Outage, ...] = ()
    recovery: Recovery | None = None
    incidents: tuple[Incident, ...] = ()  # newest last; the open one, if any, is the last
    origin_looked_at: Instant | None = None
    caller: Caller | None = None  # whose requests the canaries are
    gateway_policies: Mapping[GatewayPolicyKind, KnownGatewayPolicy] = field(default_factory=dict)
    gateway_policies_read_at: Instant | None = None
    pipeline_counters: PipelineCounters = PipelineCounters()
    counters_read_at: Instant | None = None
    certificates: Mapping[str, ForeignInstant] = field(default_factory=dict)
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    removed_at: Instant | None = None

    @property
    def incident(self) -> Incident | None:
        """The open incident."""
        return self.incidents[-1] if self.incidents and self.incidents[-1].open else None

    def check_state(self, check: CheckName) -> CheckState:
        """The trend of a check; a fresh one if it has not looked yet."""
        return self.check_states.get(check, _FRESH)

    def with_trend(self, check: CheckName, check_state: CheckState) -> "TargetState":
        """The same with another trend of a check."""
        return replace(self, check_states={**self.check_states, check: check_state})

    @property
    def confirmed(self) -> Mapping[Fault, Active]:
        """Every confirmed fault; of a fault that two checks confirm, the earlier."""
        merged: dict[Fault, Active] = {}
        for check_state in self.check_states.values():
            for fault, active in check_state.confirmed.items():
                if fault not in merged or active.confirmed_at < merged[fault].confirmed_at:
                    merged[fault] = active
        return merged


_FRESH = CheckState()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything remembered."""

    targets: Mapping[TargetName, TargetState] = field(default_factory=lambda: MappingProxyType({}))
    silences: tuple[Silence, ...] = ()
