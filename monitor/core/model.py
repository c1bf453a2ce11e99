"""The vocabulary: names, verdicts, faults, results, moments. Frozen values, no behaviour beyond asking them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, NewType, TypeAlias

from monitor.core.faults import Component as Component  # noqa: PLC0414 - part of the vocabulary
from monitor.core.faults import Fault as Fault  # noqa: PLC0414 - the same
from monitor.core.faults import Severity as Severity  # noqa: PLC0414 - the same

Instant: TypeAlias = Annotated[float, "never ahead"]
"""A moment: Unix seconds, UTC. What is remembered of it never lies ahead (`present`)."""

ForeignInstant: TypeAlias = float
"""A moment that somebody else dates, who may know of what is to come: when a certificate ends."""

Seconds = float
"""A length of time."""

Scalar = str | int | float | bool | None
"""What a piece of evidence may be; always safe to show: redacted where it was made."""

TargetName = NewType("TargetName", str)
TARGET_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
"""The pattern of one."""

TraceId = NewType("TraceId", str)
"""32 lowercase hexadecimal digits (https://www.w3.org/TR/trace-context/#trace-id)."""


class CheckName(StrEnum):
    """What is looked at; the `check` label."""

    CONFIG = "config"
    GATEWAY = "gateway"
    CANARY = "canary"
    ARRIVAL = "arrival"
    CONTROL = "control"
    VOLUME = "volume"


class Verdict(StrEnum):
    """What a look says. `UNKNOWN` is "I could not look", never "it is broken"."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class UnknownReason(StrEnum):
    """Why a look could not see: the closed list of reasons behind `unknown`."""

    UNREACHABLE = "unreachable"  # no answer, and nobody to blame
    REFUSED = "refused"  # it answered, and refused
    GARBLED = "garbled"  # an answer we do not understand
    CROWDED = "crowded"  # the environment holds more than a look may read
    NO_WITNESS = "no_witness"  # our own network is the suspect
    BLOCKED = "blocked"  # Cloudflare's 1010 and its kin: something before the service said no
    PROXY = "proxy"  # our own proxy does not let us through to the service
    STARVED = "starved"  # the monitor itself did not run: stopped, or short of CPU
    UNPROVEN = "unproven"  # the route has never shown us a span of our own: its silence proves nothing
    BUDGET_SPENT = "budget_spent"  # no canary: the day's budget is used up
    PAUSED = "paused"  # no canary: the gateway is down, or asked us to wait
    TIMEOUT = "timeout"  # the look did not end in its time
    SHORTAGE = "shortage"  # a resource of our own ran out: descriptors, memory, threads
    CRASHED = "crashed"  # a bug of ours; the log has the traceback
    NOTHING_TO_JUDGE = "nothing_to_judge"  # no trace is due, or too few requests were served


class Service(StrEnum):
    """The remote services; the `service` label. `daemon` is asked by commands only, which nobody counts."""

    CONTROL_PLANE = "control_plane"
    GATEWAY = "gateway"
    COLLECTOR = "collector"
    TRACELOOP = "traceloop"
    PHOENIX = "phoenix"
    OTLP = "otlp"
    SLACK = "slack"
    ALERTMANAGER = "alertmanager"
    WEBHOOK = "webhook"
    HEARTBEAT = "heartbeat"
    DAEMON = "daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """One fault that a look suspects.

    `severity` replaces the table's when set; `conclusive` confirms at once; `stops_export` means no trace can arrive while
    it lasts; `permanent` that only a person can fix it, so that nobody is reminded; `facts` are sentences for people, already
    redacted, most important first; `step` is the next step, where the look knows a better one than the table.
    """

    fault: Fault
    summary: str
    facts: tuple[str, ...] = ()
    step: str = ""
    title: str = ""  # instead of the table's
    impact: str = ""  # instead of the table's
    severity: Severity | None = None
    conclusive: bool = False
    stops_export: bool = False
    permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check says: a verdict, the suspicions behind a `fail`, the reason behind an `unknown`.

    `step`: what to do if it cannot see for long, where it knows better than its reason says.
    """

    verdict: Verdict
    summary: str
    suspicions: tuple[Suspicion, ...] = ()
    unknown_reason: UnknownReason | None = None
    attempted: str = ""  # what an unknown could not do; its summary begins with "cannot", and goes on with why
    conclusive: bool = False  # a pass that settles at once
    permanent: bool = False  # an unknown that only a person can fix: one notification, without reminders
    step: str = ""
    evidence: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def fault(self) -> Fault | None:
        """The fault of the first suspicion: what the look is called by."""
        return self.suspicions[0].fault if self.suspicions else None


Evidence = Mapping[str, Scalar]
"""What a look saw, by name: safe to show."""

_NONE: Evidence = MappingProxyType({})


def passing(summary: str, evidence: Evidence = _NONE, *, conclusive: bool = False) -> CheckResult:
    """A look that found everything as it should be."""
    return CheckResult(verdict=Verdict.PASS, summary=summary, conclusive=conclusive, evidence=evidence)


def failing(*suspicions: Suspicion, evidence: Evidence = _NONE) -> CheckResult:
    """A look that found something broken: the first suspicion says what."""
    return CheckResult(verdict=Verdict.FAIL, summary=suspicions[0].summary, suspicions=suspicions, evidence=evidence)


def unknown(
    summary: str,
    unknown_reason: UnknownReason,
    evidence: Evidence = _NONE,
    *,
    attempted: str = "",
    permanent: bool = False,
    step: str = "",
) -> CheckResult:
    """A check that could not see; with `attempted`, what it could not do, `summary` is only why."""
    return CheckResult(
        verdict=Verdict.UNKNOWN,
        summary=f"cannot {attempted}: {summary}" if attempted else summary,
        attempted=attempted,
        unknown_reason=unknown_reason,
        permanent=permanent,
        step=step,
        evidence=evidence,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """How long each part of one request took, in seconds; None where it did not happen or could not be seen."""

    resolve: Seconds | None = None
    connect: Seconds | None = None
    tls: Seconds | None = None
    processing: Seconds | None = None
    transfer: Seconds | None = None

    def items(self) -> tuple[tuple[str, Seconds], ...]:
        """The phases that happened, in order."""
        named = (
            ("resolve", self.resolve),
            ("connect", self.connect),
            ("tls", self.tls),
            ("processing", self.processing),
            ("transfer", self.transfer),
        )
        return tuple((name, took) for name, took in named if took is not None)
