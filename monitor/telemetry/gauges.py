"""What is true now: gauges read from the state at the moment of the scrape, so no series outlives what it is about."""

import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from monitor.core.incident import NEVER
from monitor.core.model import CheckName, Fault, Instant, Severity, TargetName, Verdict
from monitor.core.outcomes import newest_arrived
from monitor.core.pace import remaining_ratio
from monitor.core.refine import named
from monitor.core.silence import silenced_until
from monitor.core.state import Policy, State, TargetState
from monitor.ports import Clock
from monitor.telemetry.expected import PHASES, PREFIX, Expected, Monitored

NOT_KNOWN = float("nan")


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


class StateGauges:
    """Makes the gauges of a view."""

    def __init__(self, *, clock: Clock, version: str) -> None:
        self._clock = clock
        self._version = version
        self._started_at = clock.now()
        self.expected = Expected()
        self.loaded: tuple[bool, Instant] = (True, self._started_at)
        self.told_at: dict[str, Instant] = {}

    def read(self, view: View) -> Iterable[Metric]:
        """All series that are to be, with their present values."""
        page = _Page()
        page.put("build_info", 1, version=self._version, python=platform.python_version())
        page.put("reload_successful", self.loaded[0])
        page.put("reload_success_timestamp_seconds", self.loaded[1])
        if view.heartbeat_failing is not None:
            page.put("heartbeat_failing", view.heartbeat_failing)
        if view.heartbeat_delivered_at is not None:
            page.put("heartbeat_last_success_timestamp_seconds", view.heartbeat_delivered_at)
        for notifier in self.expected.notifiers:
            page.put("notices_pending", view.notices_pending.get(notifier, 0), notifier=notifier)
            for place in view.refused.get(notifier, ()):
                page.put("notices_refused", 1, notifier=notifier, place=place)
            told_at = self._told_at(notifier, view.state)
            if told_at is not None:
                page.put("notice_last_success_timestamp_seconds", told_at, notifier=notifier)
        for name, monitored in self.expected.targets.items():
            state = view.state.targets.get(name) or TargetState(target=name)
            self._put_target(page, state, monitored, view)
        return page.families.values()

    def _told_at(self, notifier: str, state: State) -> Instant | None:
        """When it last heard anything, over restarts."""
        heard = [
            incident.told[notifier].at
            for target in state.targets.values()
            for incident in target.incidents
            if notifier in incident.told and incident.told[notifier].at != NEVER
        ]
        if notifier in self.told_at:
            heard.append(self.told_at[notifier])
        return max(heard, default=None)

    def _put_target(self, page: "_Page", state: TargetState, monitored: Monitored, view: View) -> None:
        name = state.target
        now = self._clock.now()
        page.put("target_info", 1, **_own_labels(monitored.labels), target=name)
        for check in CheckName:
            if check in monitored.checks:
                self._put_check(page, state, check)
        policy = view.policies.get(name)
        confirmed = state.confirmed if policy is None else named(state, policy, now)
        for fault in Fault:
            page.put("fault_active", fault in confirmed, target=name, fault=fault.value)
        incident = state.incident
        severity = incident.diagnosis.severity if incident is not None else Severity.NONE
        page.put("target_severity", severity, target=name)
        page.put("incident_open", incident is not None, target=name)
        page.put("silence_active", _silenced(view.state, state, now), target=name)
        for endpoint, expires_at in sorted(state.certificates.items()):
            page.put("certificate_expiry_timestamp_seconds", expires_at, target=name, endpoint=endpoint)
        for credential, expires_at in sorted(view.token_expiries.get(name, {}).items()):
            page.put("token_expiry_timestamp_seconds", expires_at, target=name, credential=credential)
        if CheckName.CONFIG in monitored.checks:
            page.put("config_differences", _differences(state), target=name)
        if CheckName.CANARY in monitored.checks:
            for phase in PHASES:
                page.put("canary_phase_seconds", state.phases.get(phase, NOT_KNOWN), target=name, phase=phase)
            page.put("canary_budget_remaining_ratio", _budget(state, policy, now), target=name)
        if CheckName.ARRIVAL in monitored.checks:
            page.put("traces_pending", sum(canary.pending for canary in state.canaries), target=name)
            page.put("labels_judged", _labels_judged(state), target=name)

    def _put_check(self, page: "_Page", state: TargetState, check: CheckName) -> None:
        labels = {"target": state.target, "check": check.value}
        trend = state.trend(check)
        last = trend.last
        for verdict in Verdict:
            page.put("check_verdict", last is not None and last.verdict is verdict, **labels, verdict=verdict.value)
        ran_at = max(self._started_at, last.at if last is not None else self._started_at)
        page.put("check_last_run_timestamp_seconds", ran_at, **labels)
        if trend.last_pass_at is not None:
            page.put("check_last_pass_timestamp_seconds", trend.last_pass_at, **labels)


class _Page:
    """The families of one scrape, in the order of the documentation."""

    def __init__(self) -> None:
        self.families = {name: Metric(PREFIX + name, text, "gauge") for name, text in _GAUGES.items()}

    def put(self, name: str, value: float, **labels: str) -> None:
        family = self.families[name]
        family.add_sample(family.name, labels, float(value))


_GAUGES: Mapping[str, str] = {
    "check_verdict": "1 for what the last look of a check said.",
    "check_last_run_timestamp_seconds": "When a check looked last; the start of the process until it has.",
    "check_last_pass_timestamp_seconds": "When a check last found everything well; absent until it has.",
    "fault_active": "1 for every confirmed fault.",
    "target_severity": "How bad it is: 0 well, 1 warning, 2 critical.",
    "incident_open": "1 while an incident is open.",
    "silence_active": "1 while the open incident, or any if none is open, is silenced.",
    "config_differences": "Fields of the export configuration that differ; NaN while it cannot be read.",
    "canary_phase_seconds": "How long each part of the last canary's request took; NaN where it did not happen.",
    "canary_budget_remaining_ratio": "How much of the day's canaries or tokens is left, whichever is less.",
    "traces_pending": "Canaries whose trace is awaited.",
    "labels_judged": "Whether labels and content of the newest trace were judged: 1 yes, 0 they could not be read; NaN before.",
    "certificate_expiry_timestamp_seconds": "When the certificate of a service expires.",
    "token_expiry_timestamp_seconds": "When a token expires, where it tells.",
    "notices_pending": "Notices that wait to be told.",
    "heartbeat_failing": "1 while the heartbeat is withheld, not delivered or refused; absent without one.",
    "heartbeat_last_success_timestamp_seconds": "When the heartbeat was last taken; absent until it has been.",
    "notices_refused": "1 for each place (a Slack channel) that refuses what it is told, where several are configured.",
    "notice_last_success_timestamp_seconds": "When a notifier last told something; absent until it has.",
    "reload_successful": "Whether the last configuration that was read is in force.",
    "reload_success_timestamp_seconds": "When the configuration in force was read.",
    "target_info": "1; the labels of a target.",
    "build_info": "1; the version of this program and of Python.",
}


def _silenced(state: State, target: TargetState, now: Instant) -> bool:
    incident = target.incident
    names: Iterator[Fault] = iter(Fault if incident is None else (incident.diagnosis.fault,))
    return any(silenced_until(state.silences, target.target, name, now) is not None for name in names)


def _differences(state: TargetState) -> float:
    last = state.trend(CheckName.CONFIG).last
    if last is None or last.verdict is Verdict.UNKNOWN:
        return NOT_KNOWN
    differences = last.evidence.get("differences")
    return float(differences) if isinstance(differences, int) else NOT_KNOWN


def _labels_judged(state: TargetState) -> float:
    newest = newest_arrived(state.canaries)
    if newest is None or (newest.labels is None and not newest.not_judged):
        return NOT_KNOWN
    return float(newest.labels is not None)


def _budget(state: TargetState, policy: Policy | None, now: Instant) -> float:
    return NOT_KNOWN if policy is None else remaining_ratio(state.budget, policy.limits, now)


def _own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Configured labels under names that Prometheus takes, none in the way of `target` or of its own."""
    named: dict[str, str] = {}
    for key, value in labels.items():
        name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
        reserved = name == "target" or name.startswith("__") or not re.match(r"[a-zA-Z_]", name)
        named[f"label_{name.lstrip('_')}" if reserved else name] = value
    return named
