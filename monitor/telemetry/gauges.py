"""What is true now, read from the state: the value of each gauge by its name in `metrics.METRICS` and the values of its labels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.core.incident import NEVER
from monitor.core.model import CheckName, Fault, Instant, Service, Severity, TargetName, Verdict
from monitor.core.outcomes import newest_arrived
from monitor.core.pace import remaining_ratio
from monitor.core.refine import named
from monitor.core.silence import silenced_now
from monitor.core.state import Policy, State, TargetState

NOT_KNOWN = float("nan")
PHASES = ("resolve", "connect", "tls", "processing", "transfer")

Sample = tuple[str, float, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """One configured target: its enabled checks, its labels, its trace backend."""

    checks: frozenset[CheckName]
    labels: Mapping[str, str] = field(default_factory=dict)
    backend: Service = Service.TRACELOOP  # where its traces are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Everything that is configured, as far as series are concerned."""

    targets: Mapping[TargetName, Monitored] = field(default_factory=dict)
    notifiers: tuple[str, ...] = ()
    external_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that the gauges show, taken at one moment."""

    state: State
    policies: Mapping[TargetName, Policy] = field(default_factory=dict)
    notices_pending: Mapping[str, int] = field(default_factory=dict)
    heartbeat_failing: bool | None = None  # None: there is none
    heartbeat_delivered_at: Instant | None = None
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    token_expiries: Mapping[TargetName, Mapping[str, Instant]] = field(default_factory=dict)


def of_notifiers(view: View, notifiers: tuple[str, ...], sent_at: Mapping[str, Instant]) -> Iterator[Sample]:
    """The heartbeat and each notifier. `sent_at`: when each last sent something, as far as this process knows."""
    if view.heartbeat_failing is not None:
        yield "heartbeat_failing", view.heartbeat_failing, ()
    if view.heartbeat_delivered_at is not None:
        yield "heartbeat_last_success_timestamp_seconds", view.heartbeat_delivered_at, ()
    for notifier in notifiers:
        yield "notices_pending", view.notices_pending.get(notifier, 0), (notifier,)
        for place in view.refused.get(notifier, ()):
            yield "notices_refused", 1, (notifier, place)
        remembered = (
            incident.notified[notifier].at
            for target in view.state.targets.values()
            for incident in target.incidents
            if notifier in incident.notified
        )
        last = max(sent_at.get(notifier, NEVER), *remembered, NEVER)
        if last != NEVER:
            yield "notice_last_success_timestamp_seconds", last, (notifier,)


def of_target(
    view: View, name: TargetName, checks: frozenset[CheckName], *, started_at: Instant, now: Instant
) -> Iterator[Sample]:
    """One target, as if all its checks were enabled. `started_at`: when this process was started."""
    state = view.state.targets.get(name) or TargetState(target=name)
    policy, incident = view.policies.get(name), state.incident
    for check in sorted(checks):
        yield from _of_check(state, check, started_at)
        if policy is not None and check in policy.cadences:
            yield "check_stale_after_seconds", policy.cadences[check].stale_after, (name, check)

    confirmed = state.confirmed if policy is None else named(state, policy, now)
    for fault in Fault:
        yield "fault_active", fault in confirmed, (name, fault)
    yield "target_severity", Severity.NONE if incident is None else incident.diagnosis.severity, (name,)
    yield "incident_open", incident is not None, (name,)
    yield "silence_active", silenced_now(view.state.silences, name, incident, now) is not None, (name,)
    for endpoint, expires_at in sorted(state.certificates.items()):
        yield "certificate_expiry_timestamp_seconds", expires_at, (name, endpoint)
    for credential, expires_at in sorted(view.token_expiries.get(name, {}).items()):
        yield "token_expiry_timestamp_seconds", expires_at, (name, credential)

    for phase in PHASES:
        yield "canary_phase_seconds", state.phases.get(phase, NOT_KNOWN), (name, phase)
    budget = NOT_KNOWN if policy is None else remaining_ratio(state.budget, policy.limits, now)
    yield "canary_budget_remaining_ratio", budget, (name,)
    yield "traces_pending", sum(canary.pending for canary in state.canaries), (name,)
    newest = newest_arrived(state.canaries)
    judged = newest is not None and (newest.labels is not None or newest.not_judged)
    yield "labels_judged", float(newest.labels is not None) if newest and judged else NOT_KNOWN, (name,)
    counted = state.check_state(CheckName.VOLUME).result
    ratio = counted.evidence.get("ratio") if counted and counted.verdict is not Verdict.UNKNOWN else None
    yield "volume_ratio", float(ratio) if isinstance(ratio, float) else NOT_KNOWN, (name,)
    result = state.check_state(CheckName.CONFIG).result
    differences = result.evidence.get("differences") if result and result.verdict is not Verdict.UNKNOWN else None
    yield "config_differences", float(differences) if isinstance(differences, int) else NOT_KNOWN, (name,)


def _of_check(state: TargetState, check: CheckName, started_at: Instant) -> Iterator[Sample]:
    check_state, labels = state.check_state(check), (state.target, check)
    last = check_state.last
    for verdict in Verdict:
        yield "check_verdict", last is not None and last.result.verdict is verdict, (*labels, verdict)
    yield "check_last_run_timestamp_seconds", started_at if last is None else max(started_at, last.at), labels
    if check_state.last_pass_at is not None:
        yield "check_last_pass_timestamp_seconds", check_state.last_pass_at, labels
