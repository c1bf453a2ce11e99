"""Everything remembered, as one immutable value per target, and the policy it is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from monitor.core.backend import TRACELOOP, BackendTraits
from monitor.core.canary import Canary, ControlSpan
from monitor.core.config_memory import ConfigMemory
from monitor.core.drift import ExpectedConfig
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
CERTIFICATE_SOON: Seconds = 14 * DAY
TOKEN_SOON: Seconds = 7 * DAY
"""Before its end something has to be done about a certificate, or a token: as the alerts of `deploy/prometheus/rules.yml` have it."""


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


# What the operator decides is declared once, in the settings. Their sections are frozen, and they are what a `Policy` holds; the
# core may not import them, so it says here which attributes it reads of them.


class ArrivalPolicy(Protocol):
    """When a trace is looked for more closely, is late, is missing: `checks.arrival` of the settings, in seconds since the answer."""

    @property
    def look_closer_after(self) -> Seconds:
        """From when on the other hops are looked at too."""

    @property
    def late_after(self) -> Seconds:
        """From when on a trace is late."""

    @property
    def missing_after(self) -> Seconds:
        """From when on a trace is missing."""

    @property
    def settle(self) -> Seconds:
        """How long a change of the gateway's configuration takes to be in force everywhere."""

    @property
    def complete_spans(self) -> int | None:
        """How many spans a whole trace has at least; None: until no more arrive."""

    @property
    def loss_of(self) -> tuple[int, int]:
        """So many losses among so many of the last canaries are an intermittent loss."""


class VolumePolicy(Protocol):
    """When the traces of real requests are too few: `checks.volume` of the settings."""

    @property
    def every(self) -> Seconds:
        """How long a window is; one is counted after the other."""

    @property
    def delay(self) -> Seconds:
        """How long after its end a window is counted."""

    @property
    def min_ratio(self) -> float:
        """The smallest share of requests whose traces must be there."""

    @property
    def min_requests(self) -> int:
        """A window with fewer requests says nothing."""


class Limits(Protocol):
    """What the canaries of a UTC day may cost: `checks.canary` of the settings."""

    @property
    def every(self) -> Seconds:
        """The regular cadence."""

    @property
    def max_tokens(self) -> int | None:
        """The longest answer in tokens; None: not limited."""

    @property
    def max_per_day(self) -> int:
        """The most canaries of a day."""

    @property
    def max_tokens_per_day(self) -> int:
        """The most tokens of a day: input and output, by the answers' usage."""


class AlertingPolicy(Protocol):
    """When a fault is confirmed and who is reminded of it: `alerting` of the settings."""

    @property
    def fail_after(self) -> int:
        """So many failures in a row confirm a fault."""

    @property
    def pass_after(self) -> int:
        """So many passes in a row clear it."""

    @property
    def blind_after(self) -> Seconds:
        """How long a check may be unable to look before that is a fault."""

    @property
    def reopen_within(self) -> Seconds:
        """An incident that returns within this is the same one again."""

    @property
    def remind_every(self) -> tuple[Seconds, ...]:
        """When a critical incident is notified again; the last repeats."""

    @property
    def escalate_after(self) -> Seconds:
        """When an incident that stays critical mentions once more."""

    @property
    def severity(self) -> Mapping[Fault, Severity]:
        """Other severities than those of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The thresholds of one target; `cadences` holds the enabled checks and no other."""

    cadences: Mapping[CheckName, Cadence]
    arrival: ArrivalPolicy
    limits: Limits
    alerting: AlertingPolicy
    origin: Cadence | None = None
    gateway_policies: Cadence | None = None
    pipeline_counters: Cadence | None = None
    collector_counters: Cadence | None = None
    collector: bool = False  # whether a Collector stands between the export and the trace backend
    test_span_by_collector: bool = False  # whether the test span goes through it, too
    labels: Labels = Labels(service_name="tfy-llm-gateway")
    backend: BackendTraits = TRACELOOP
    expected: ExpectedConfig = field(default_factory=lambda: ExpectedConfig(rules={}))
    trace_id: TraceIdMode = TraceIdMode.AUTO
    max_severity: Severity = Severity.CRITICAL
    credential: str = ""  # fingerprint of the backend's key: a route is proven with one credential
    backend_url: str = ""  # what shares it shares the backend
    environment: str | None = None  # the slug of the key's own environment; None: the backend has none
    account: str = ""  # fingerprint of the tokens that send canaries and ask for them: the own store shows each its own
    profile: Profile = Profile()

    @property
    def endpoint(self) -> BackendTraits:
        """What takes the test span: the trace backend, or a Collector before it."""
        return self.backend.behind_collector if self.test_span_by_collector else self.backend

    def severity_of(self, fault: Fault, otherwise: Severity = Severity.CRITICAL) -> Severity:
        """How severe a fault is: as the operator has it, else as its evidence does; NONE: nobody is notified."""
        return min(self.alerting.severity.get(fault, otherwise), self.max_severity)

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
    """A confirmed fault: the suspicion that confirmed it last, since when it has been seen, when it was confirmed."""

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

    def touches(self, since: Instant, until: Instant, settle: Seconds) -> bool:
        """Whether anything between two moments was lost to it: while it lasted, or less than `settle` before or after it."""
        ended = self.ended_at if self.ended_at is not None else float("inf")
        return self.began_at - settle < until and since < ended + settle


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
    collector_counters: PipelineCounters = PipelineCounters()
    collector_read_at: Instant | None = None
    certificates: Mapping[str, ForeignInstant] = field(default_factory=dict)
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    removed_at: Instant | None = None

    @property
    def incident(self) -> Incident | None:
        """The open incident."""
        return self.incidents[-1] if self.incidents and self.incidents[-1].open else None

    def canary(self, canary_id: str | None) -> Canary | None:
        """One of the remembered canaries."""
        return next((canary for canary in self.canaries if canary.id == canary_id), None)

    def with_canary(self, canary: Canary) -> "TargetState":
        """The same with something else remembered of a canary."""
        return replace(self, canaries=tuple(canary if known.id == canary.id else known for known in self.canaries))

    def check_state(self, check: CheckName) -> CheckState:
        """What is remembered of a check; nothing yet if it has not looked."""
        return self.check_states.get(check, _FRESH)

    def with_check_state(self, check: CheckName, check_state: CheckState) -> "TargetState":
        """The same with something else remembered of a check."""
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
