"""Everything that can happen to a target. Inputs are what is stored and replayed: the state is what `engine.apply` makes of them.

`STORED_AS` is the name under which an input is stored. It stays when the class is renamed: older files must be readable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from monitor.core.canary import Canary, ControlSpan
from monitor.core.config_memory import ConfigSeen
from monitor.core.gateway_policies import DEFAULT_DESTINATION, Caller, GatewayPolicy, GatewayPolicyKind
from monitor.core.incident import Notified
from monitor.core.model import CheckName, CheckResult, Instant, Seconds, TraceId
from monitor.core.pipeline_counters import CountedBy, SpanCounters
from monitor.core.trace import Narrowing, Route, TraceSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A check looked and reports. `config` is what it read, `certificate` the endpoint's and when it expires."""

    STORED_AS: ClassVar = "observed"
    check: CheckName
    at: Instant
    took: Seconds
    result: CheckResult
    config: ConfigSeen | None = None
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    certificate: tuple[str, Instant] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanned:
    """A canary is about to be sent: recorded, and paid for, before."""

    STORED_AS: ClassVar = "canary_planned"
    at: Instant
    canary: Canary


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAnswered:
    """A canary came back, or did not. `retry_after` is what a 429 asked for; `rate_limited` that there was one."""

    STORED_AS: ClassVar = "canary_answered"
    at: Instant
    took: Seconds
    canary: Canary
    result: CheckResult
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    rate_limited: bool = False
    retry_after: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLooked:
    """A look for a canary's trace succeeded. A nonce search that found it brings the trace id along in its spans."""

    STORED_AS: ClassVar = "trace_looked"
    at: Instant
    took: Seconds
    canary_id: str
    seen: TraceSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsUnread:
    """A trace has arrived, and what it carries could not be read. `final`: it is not tried again."""

    STORED_AS: ClassVar = "labels_unread"
    at: Instant
    canary_id: str
    why: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFailed:
    """A look for a canary's trace, or for a control span, did not succeed. `key_refused`: a documented route said 401.

    `refused_at`: when it did, so that what was read of the gateway's own key can be distinguished from what is older.
    """

    STORED_AS: ClassVar = "look_failed"
    at: Instant
    took: Seconds
    check: CheckName
    result: CheckResult
    canary_id: str | None = None
    key_refused: bool = False
    refused_at: Instant | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSent:
    """A test span was posted. `result` None: it was accepted, and the verdict waits for the read."""

    STORED_AS: ClassVar = "control_sent"
    at: Instant
    took: Seconds
    control: ControlSpan
    result: CheckResult | None
    key_refused: bool = False
    refused_at: Instant | None = None
    certificate: tuple[str, Instant] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLooked:
    """A read for a control span succeeded: it shows it, or not."""

    STORED_AS: ClassVar = "control_looked"
    at: Instant
    took: Seconds
    trace_id: str
    route: Route
    shown: bool
    narrowings: tuple[Narrowing, ...] = ()  # the ones that showed it


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginLooked:
    """TrueFoundry's own store was asked whether it has the trace of a canary, and answered.

    `destinations` are those that were asked; of a trace that was found, the one that has it. `caller` is whose request it was.
    `trace_id` is the id of the trace that was found by the nonce; `by_nonce`: it was asked so, because no id was known.
    """

    STORED_AS: ClassVar = "own_store_looked"
    at: Instant
    canary_id: str
    found: bool
    destinations: tuple[str, ...] = (DEFAULT_DESTINATION,)
    caller: Caller | None = None
    trace_id: TraceId | None = None
    by_nonce: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPoliciesRead:
    """The gateway's other configurations were read. `hidden`: refused to us, or not understood.

    What is in neither could not be asked.
    """

    STORED_AS: ClassVar = "policies_read"
    at: Instant
    seen: tuple[GatewayPolicy, ...] = ()
    hidden: tuple[GatewayPolicyKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountersRead:
    """The own counters of spans of the gateway or the Collector were read; `problem` says why not, for people.

    `of` is whose page was asked; it may show the counters of the other (`counters.by`).
    """

    STORED_AS: ClassVar = "counters_read"
    at: Instant
    counters: SpanCounters | None = None
    problem: str = ""
    of: CountedBy = CountedBy.GATEWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereLooked:
    """Another environment of the backend shows the trace of a canary. `environment` None: all were asked, none does."""

    STORED_AS: ClassVar = "looked_elsewhere"
    at: Instant
    canary_id: str
    environment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTried:
    """A documented route of the backend was asked with our key, to learn whether it is accepted."""

    STORED_AS: ClassVar = "key_tried"
    at: Instant
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDelivered:
    """A notifier was brought up to date."""

    STORED_AS: ClassVar = "notified"
    at: Instant
    incident_id: str
    notifier: str
    notified: Notified


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Somebody took the incident."""

    STORED_AS: ClassVar = "acknowledged"
    at: Instant
    incident_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The target is no longer monitored."""

    STORED_AS: ClassVar = "removed"
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLost:
    """The state file was damaged: what became of it, for people. Given to one target, whoever it is about."""

    STORED_AS: ClassVar = "memory_lost"
    at: Instant
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passed. `set_back`: the wall clock has been set back recently."""

    STORED_AS: ClassVar = "ticked"
    at: Instant
    set_back: bool = False


Input = (
    Observation
    | CanaryPlanned
    | CanaryAnswered
    | TraceLooked
    | LabelsUnread
    | LookFailed
    | ControlSent
    | ControlLooked
    | OriginLooked
    | GatewayPoliciesRead
    | CountersRead
    | ElsewhereLooked
    | KeyTried
    | NoticeDelivered
    | Acknowledged
    | Removed
    | MemoryLost
    | Ticked
)
