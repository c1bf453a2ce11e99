"""What happened, as values: metrics, log lines and the history are listeners of these and of nothing else.

They say enough to let the same looks be judged once more, by other thresholds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.core.canary import Canary, Outcome
from monitor.core.drift import ConfigSeen
from monitor.core.incident import Reason
from monitor.core.model import (
    Blindness,
    Charge,
    CheckName,
    Fault,
    Instant,
    Scalar,
    Seconds,
    Service,
    Severity,
    TargetName,
    Verdict,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check looked. `config` is what it read, if that is not what it read before."""

    target: TargetName
    check: CheckName
    at: Instant
    took: Seconds
    verdict: Verdict
    summary: str
    fault: Fault | None = None
    blindness: Blindness | None = None
    evidence: Mapping[str, Scalar] = field(default_factory=dict)
    charges: tuple[Charge, ...] = ()
    conclusive: bool = False
    permanent: bool = False
    config: ConfigSeen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryReturned:
    """The gateway answered a canary."""

    target: TargetName
    at: Instant
    took: Seconds
    phases: Mapping[str, Seconds] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJudged:
    """A canary's trace was judged (or, `RECOVERED`, found after it was counted missing): `canary` as it is known then."""

    target: TargetName
    at: Instant
    trace_id: str
    outcome: Outcome
    arrival_seconds: Seconds | None = None
    canary: Canary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultChanged:
    """A fault was confirmed or cleared."""

    target: TargetName
    at: Instant
    fault: Fault
    confirmed: bool
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanged:
    """An incident was opened, got another name or severity, or was resolved: `because` of what, if that is known."""

    target: TargetName
    at: Instant
    id: str
    reason: Reason
    fault: Fault
    severity: Severity
    summary: str
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentAcknowledged:
    """Somebody took an incident."""

    target: TargetName
    at: Instant
    id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyJudged:
    """A documented route of Traceloop refuses the monitor's key, or accepts it again."""

    target: TargetName
    at: Instant
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeHandled:
    """A notice was sent, failed, may have been sent, or was suppressed.

    `mention`: whether it called somebody; None if it was not sent.
    """

    notifier: str
    target: TargetName
    at: Instant
    reason: Reason
    outcome: str  # sent, failed, unknown, suppressed
    detail: str = ""
    mention: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAnswered:
    """A request to a remote service ended: `outcome` is ok, refused, error, or a kind of transport failure."""

    target: TargetName
    service: Service
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSkipped:
    """A scheduled run did not take place: `reason` is overlap."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """A configuration was loaded or refused."""

    at: Instant
    successful: bool
    detail: str = ""


Event = (
    Checked
    | CanaryReturned
    | TraceJudged
    | FaultChanged
    | IncidentChanged
    | IncidentAcknowledged
    | KeyJudged
    | NoticeHandled
    | RemoteAnswered
    | RunSkipped
    | Reloaded
)
