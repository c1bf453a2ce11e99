"""What is counted and measured as it happens: counters and histograms, fed by events."""

from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram

from monitor.core.canary import Outcome
from monitor.core.events import (
    CanaryReturned,
    Checked,
    Event,
    FaultChanged,
    IncidentAcknowledged,
    IncidentChanged,
    KeyJudged,
    NoticeHandled,
    Reloaded,
    RemoteAnswered,
    RunSkipped,
    TraceJudged,
)
from monitor.core.incident import Reason
from monitor.core.model import CheckName, Seconds, TargetName, Verdict
from monitor.http import OUTCOMES
from monitor.telemetry.expected import NOTICE_OUTCOMES, PREFIX, SKIPS, Expected, Monitored

_CHECK_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CANARY_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
_ARRIVAL_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900)  # late and missing at the defaults are among them
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

_Metric = Counter | Histogram


class Counters:
    """One set of counters in one registry. An event about a target that is not configured is not counted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=registry)

        self._checks = counter("checks_total", "Looks of each check, by what they said.", "target", "check", "verdict")
        self._check_duration = histogram(
            "check_duration_seconds", "How long each look took.", _CHECK_BUCKETS, "target", "check"
        )
        self._incidents = counter("incidents_total", "Incidents opened, or opened again.", "target")
        self._canary_duration = histogram(
            "canary_duration_seconds", "From a canary's request to the whole answer.", _CANARY_BUCKETS, "target"
        )
        self._tokens = counter("canary_tokens_total", "Tokens that canaries have cost.", "target", "kind")
        self._arrival = histogram(
            "trace_arrival_seconds", "From the gateway's answer to the whole trace.", _ARRIVAL_BUCKETS, "target"
        )
        self._traces = counter("traces_total", "What became of each canary's trace.", "target", "outcome")
        self._requests = counter(
            "remote_requests_total", "Requests to remote services.", "target", "service", "outcome"
        )
        self._notices = counter("notices_total", "Attempts to tell people.", "notifier", "reason", "outcome")
        self._skipped = counter("scheduler_skipped_total", "Scheduled runs that did not take place.", "reason")
        self._lag = histogram("event_loop_lag_seconds", "How late the event loop woke.", _LAG_BUCKETS)
        self._of_targets: tuple[_Metric, ...] = (
            self._checks,
            self._check_duration,
            self._incidents,
            self._canary_duration,
            self._tokens,
            self._arrival,
            self._traces,
            self._requests,
        )
        self._expected = Expected()
        for reason in SKIPS:
            self._skipped.labels(reason)

    def expect(self, expected: Expected) -> None:
        """Make every series of the configuration, at zero if it is new; drop those of what is no longer configured."""
        for name, monitored in self._expected.targets.items():
            if name not in expected.targets or not monitored.checks <= expected.targets[name].checks:
                self._drop_target(name)
        for notifier in set(self._expected.notifiers) - set(expected.notifiers):
            _remove(self._notices, notifier=notifier)
        for name, monitored in expected.targets.items():
            self._make_target(name, monitored)
        for notifier, reason, outcome in product(expected.notifiers, Reason, NOTICE_OUTCOMES):
            self._notices.labels(notifier, reason.value, outcome)
        self._expected = expected

    def observe_loop_lag(self, lag: Seconds) -> None:
        """The event loop was so late."""
        self._lag.observe(lag)

    def listen(self, event: Event) -> None:
        """Count one event."""
        match event:
            case NoticeHandled():
                if event.notifier in self._expected.notifiers and event.outcome in NOTICE_OUTCOMES:
                    self._notices.labels(event.notifier, event.reason.value, event.outcome).inc()
            case RunSkipped():
                if event.reason in SKIPS:
                    self._skipped.labels(event.reason).inc()
            case FaultChanged() | IncidentAcknowledged() | KeyJudged() | Reloaded():
                pass
            case _:
                if event.target in self._expected.targets:
                    self._count(event)

    def _count(self, event: Checked | CanaryReturned | TraceJudged | IncidentChanged | RemoteAnswered) -> None:
        match event:
            case Checked():
                self._checks.labels(event.target, event.check.value, event.verdict.value).inc()
                self._check_duration.labels(event.target, event.check.value).observe(event.took)
            case CanaryReturned():
                self._canary_duration.labels(event.target).observe(event.took)
                self._tokens.labels(event.target, "input").inc(max(0, event.input_tokens))
                self._tokens.labels(event.target, "output").inc(max(0, event.output_tokens))
            case TraceJudged():
                self._traces.labels(event.target, event.outcome.value).inc()
                if event.arrival_seconds is not None:
                    # Only OpenMetrics shows exemplars: https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars
                    exemplar = {"trace_id": event.trace_id}
                    self._arrival.labels(event.target).observe(event.arrival_seconds, exemplar=exemplar)
            case IncidentChanged():
                if event.reason is Reason.OPENED:
                    self._incidents.labels(event.target).inc()
            case RemoteAnswered():
                if event.outcome in OUTCOMES:
                    self._requests.labels(event.target, event.service.value, event.outcome).inc()

    def _make_target(self, name: TargetName, monitored: Monitored) -> None:
        self._incidents.labels(name)
        for check, verdict in product(monitored.checks, Verdict):
            self._checks.labels(name, check.value, verdict.value)
        for check in monitored.checks:
            self._check_duration.labels(name, check.value)
        for service, outcome in product(monitored.services(), OUTCOMES):
            self._requests.labels(name, service.value, outcome)
        if CheckName.CANARY in monitored.checks:
            self._canary_duration.labels(name)
            self._tokens.labels(name, "input")
            self._tokens.labels(name, "output")
        if CheckName.ARRIVAL in monitored.checks:
            self._arrival.labels(name)
            for became in Outcome:
                self._traces.labels(name, became.value)

    def _drop_target(self, name: TargetName) -> None:
        for metric in self._of_targets:
            _remove(metric, target=name)


def _remove(metric: _Metric, **labels: str) -> None:
    metric.remove_by_labels(labels)
