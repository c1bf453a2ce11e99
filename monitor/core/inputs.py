"""What the state is made of: everything that may be absorbed, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.core.canary import Canary, ControlSpan
from monitor.core.drift import ConfigSeen
from monitor.core.gateway_policies import DEFAULT_DESTINATION, Caller, SwitchKind, SwitchSeen
from monitor.core.incident import Told
from monitor.core.model import CheckName, Finding, Instant, Seconds, TraceId
from monitor.core.pipeline_counters import SpanCounters
from monitor.core.trace import Narrowing, Route, TraceSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A check looked and reports. `config` is what it read, `certificate` the endpoint's and when it expires."""

    check: CheckName
    at: Instant
    took: Seconds
    finding: Finding
    config: ConfigSeen | None = None
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    certificate: tuple[str, Instant] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanned:
    """A canary is about to be sent: recorded, and paid for, before."""

    at: Instant
    canary: Canary


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAnswered:
    """A canary came back, or did not. `retry_after` is what a 429 asked for; `rate_limited` that there was one."""

    at: Instant
    took: Seconds
    canary: Canary
    finding: Finding
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    rate_limited: bool = False
    retry_after: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLooked:
    """A look for a canary's trace succeeded. A nonce search that found it brings the trace id along in its spans."""

    at: Instant
    took: Seconds
    canary_id: str
    seen: TraceSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsUnread:
    """A trace has arrived, and what it carries could not be read. `final`: it is not tried again."""

    at: Instant
    canary_id: str
    why: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFailed:
    """A look for a canary's trace, or for a control span, did not succeed. `key_refused`: a documented route said 401.

    `refused_at`: when it did, so that what was read of the gateway's own key can be told from what is older.
    """

    at: Instant
    took: Seconds
    check: CheckName
    finding: Finding
    canary_id: str | None = None
    key_refused: bool = False
    refused_at: Instant | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSent:
    """A span of our own was posted. `finding` None: it was accepted, and the verdict waits for the read."""

    at: Instant
    took: Seconds
    control: ControlSpan
    finding: Finding | None
    key_refused: bool = False
    refused_at: Instant | None = None
    certificate: tuple[str, Instant] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLooked:
    """A read for a control span succeeded: it shows it, or not."""

    at: Instant
    took: Seconds
    trace_id: str
    route: Route
    shown: bool
    narrowings: tuple[Narrowing, ...] = ()  # the ones that showed it


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginLooked:
    """TrueFoundry's own store was asked whether it has the trace of a canary. `found` None: it could not be asked.

    `destinations` are those that were asked; of a trace that was found, the one that has it. `caller` is whose request it was.
    `trace_id` is the id of the trace that was found by the nonce; `by_nonce`: it was asked so, because no id was known.
    """

    at: Instant
    canary_id: str
    found: bool | None
    destinations: tuple[str, ...] = (DEFAULT_DESTINATION,)
    caller: Caller | None = None
    trace_id: TraceId | None = None
    by_nonce: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchesLooked:
    """The gateway's other configurations were read. `hidden`: refused to us, or not understood.

    What is in neither could not be asked.
    """

    at: Instant
    seen: tuple[SwitchSeen, ...] = ()
    hidden: tuple[SwitchKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HopLooked:
    """The gateway's own counters of spans were read; `problem` says why not, for people."""

    at: Instant
    counters: SpanCounters | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereLooked:
    """Another environment of Traceloop shows the trace of a canary. `environment` None: all were asked, none does."""

    at: Instant
    canary_id: str
    environment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTried:
    """A documented route of Traceloop was asked with our key, to learn whether it is accepted."""

    at: Instant
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTold:
    """A notifier was brought up to date."""

    at: Instant
    incident_id: str
    notifier: str
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Somebody took the incident."""

    at: Instant
    incident_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The target is no longer monitored."""

    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLost:
    """The state file was damaged: what became of it, for people. Given to one target, whoever it is about."""

    at: Instant
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passed. `set_back`: the wall clock has been set back lately."""

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
    | SwitchesLooked
    | HopLooked
    | ElsewhereLooked
    | KeyTried
    | NoticeTold
    | Acknowledged
    | Removed
    | MemoryLost
    | Ticked
)
