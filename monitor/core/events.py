"""What metrics and log lines are made of. What happened to a target is derived by comparing its state before and after.

What is no change of a state (a request, a delivery, a run that was skipped, a reload) is published by whoever does it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.core.canary import Outcome
from monitor.core.incident import Incident, Reason
from monitor.core.inputs import (
    Acknowledged,
    CanaryAnswered,
    ControlLooked,
    ControlSent,
    Input,
    LookFailed,
    Observation,
    TraceLooked,
)
from monitor.core.key import key_is_refused
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Instant,
    Seconds,
    Service,
    Severity,
    TargetName,
)
from monitor.core.refine import named
from monitor.core.state import Policy, TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check looked."""

    target: TargetName
    check: CheckName
    at: Instant
    took: Seconds
    result: CheckResult


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
    """A canary's trace was judged (or, `RECOVERED`, found after it was counted missing)."""

    target: TargetName
    at: Instant
    trace_id: str
    outcome: Outcome
    arrival_seconds: Seconds | None = None


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
    """A documented route of the trace backend refuses the monitor's key, or accepts it again."""

    target: TargetName
    at: Instant
    refused: bool
    backend: str


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


def changes(before: TargetState, after: TargetState, given: Input, policy: Policy, now: Instant) -> tuple[Event, ...]:
    """What happened to a target that was `before` when this was given, and is `after` now."""
    if before is after:
        return ()
    return (
        *_looks(before, after, given, now),
        *_key_changes(before, after, policy, now),
        *_fault_changes(before, after, policy, now),
        *_incident_changes(before, after, now),
        *_acknowledgements(before, after, given),
    )


def _looks(before: TargetState, after: TargetState, given: Input, now: Instant) -> Iterator[Event]:
    """What was looked at. Two looks may say the same: another look is another object, also where it is equal."""
    if isinstance(given, CanaryAnswered) and given.canary.answered_at is not None:
        yield CanaryReturned(
            target=after.target,
            at=given.at,
            took=given.took,
            phases=given.phases,
            input_tokens=given.canary.usage.get("input", 0),
            output_tokens=given.canary.usage.get("output", 0),
        )
    if isinstance(given, TraceLooked | LookFailed):
        yield from _trace_judged(before, after, given.canary_id, now)
    check = _check_of(given)
    last = after.check_state(check).last if check is not None else None
    if check is None or last is None or last is before.check_state(check).last:
        return
    yield Checked(target=after.target, check=check, at=last.at, took=last.took, result=last.result)


def _check_of(given: Input) -> CheckName | None:
    """Of which check an input may be a look."""
    match given:
        case Observation() | LookFailed():
            return given.check
        case CanaryAnswered():
            return CheckName.CANARY
        case TraceLooked():
            return CheckName.ARRIVAL
        case ControlSent() | ControlLooked():
            return CheckName.CONTROL
        case _:
            return None


def _trace_judged(before: TargetState, after: TargetState, canary_id: str | None, now: Instant) -> Iterator[Event]:
    was, canary = before.canary(canary_id), after.canary(canary_id)
    if was is None or canary is None:
        return
    outcome = canary.outcome if canary.outcome is not was.outcome else None
    if canary.recovered_at is not None and was.recovered_at is None:
        outcome = Outcome.RECOVERED
    if outcome is None:
        return
    yield TraceJudged(
        target=after.target,
        at=now,
        trace_id=canary.trace_id or "",
        outcome=outcome,
        arrival_seconds=canary.arrival_seconds,
    )


def _key_changes(before: TargetState, after: TargetState, policy: Policy, now: Instant) -> Iterator[Event]:
    refused = key_is_refused(after)
    if refused is not key_is_refused(before):
        yield KeyJudged(target=after.target, at=now, refused=refused, backend=policy.backend.name)


def _fault_changes(before: TargetState, after: TargetState, policy: Policy, now: Instant) -> Iterator[Event]:
    """By their final names: which one a confirmed fault bears may depend on other evidence."""
    old, new = named(before, policy, now), named(after, policy, now)
    changed = [(fault, True) for fault in new if fault not in old] + [(f, False) for f in old if f not in new]
    for fault, confirmed in changed:
        summary = (new if confirmed else old)[fault].suspicion.summary
        yield FaultChanged(target=after.target, at=now, fault=fault, confirmed=confirmed, summary=summary)


def _incident_changes(before: TargetState, after: TargetState, now: Instant) -> Iterator[Event]:
    """What became of incidents; one that was over before anybody could be notified is announced last, as resolved."""
    known = {incident.id: incident for incident in before.incidents}
    for incident in sorted(after.incidents, key=lambda one: one.over_at_once):
        was = known.get(incident.id)
        if was is incident:
            continue
        reason = _turn(was, incident)
        if reason is None:
            continue
        diagnosis = incident.diagnosis
        yield IncidentChanged(
            target=after.target,
            at=now if incident.closed_at is None else incident.closed_at,
            id=incident.id,
            reason=reason,
            fault=diagnosis.fault,
            severity=diagnosis.severity,
            summary=diagnosis.summary,
            because="" if incident.open else incident.closed_because,
        )


def _turn(was: Incident | None, incident: Incident) -> Reason | None:
    if not incident.open:
        return Reason.RESOLVED if was is None or was.open else None
    if was is None or not was.open:
        return Reason.OPENED
    name, severity = incident.diagnosis.fault, incident.diagnosis.severity
    same = (was.diagnosis.fault, was.diagnosis.severity) == (name, severity)
    return None if same else Reason.CHANGED


def _acknowledgements(before: TargetState, after: TargetState, given: Input) -> Iterator[Event]:
    if not isinstance(given, Acknowledged) or after.incident is before.incident:
        return
    yield IncidentAcknowledged(target=after.target, at=given.at, id=given.incident_id, by=given.by)
