"""The metrics page: `METRICS` is the table of all metrics, `Metrics` fills it.

Counters and histograms are moved by events and kept by prometheus_client. Gauges are read from the state at each scrape, so none
outlives what it is about. Which series exist is decided by the configuration alone (`Expected`): every series of an enabled check
is there from the start, and those of a removed target vanish.
"""

import asyncio
import gc
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client import disable_created_metrics as _disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

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
from monitor.core.model import CheckName, Fault, Instant, Seconds, Service, Verdict
from monitor.http import OUTCOMES
from monitor.ports import Clock
from monitor.telemetry import gauges
from monitor.telemetry.gauges import PHASES, Expected, View

PREFIX = "trace_monitor_"

_LAG_EVERY: Seconds = 1.0
_SWITCH_AFTER: Seconds = 0.0005

_VERSION = re.compile(r"version=([^;,]*)")
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")

# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One metric. `labels` names the closed list of each label's values; it is empty where the configuration decides.

    `check`: there are series only for targets with this check enabled. `check` and `service` as labels: for the checks that are
    enabled, and for the services that those ask.
    """

    kind: Literal["counter", "gauge", "histogram"]
    labels: Mapping[str, tuple[str, ...]]
    help: str
    check: CheckName | None = None
    buckets: tuple[float, ...] = ()


_ANY: tuple[str, ...] = ()
_TARGET = {"target": _ANY}
_CHECK = {"target": _ANY, "check": _ANY}
_NOTIFIER = {"notifier": _ANY}
_NOTICE = {"reason": tuple(Reason), "outcome": ("sent", "failed", "unknown", "suppressed")}

# fmt: off
METRICS: Mapping[str, Row] = MappingProxyType({
    # checks
    "check_verdict": Row("gauge", {**_CHECK, "verdict": tuple(Verdict)}, "1 for the verdict of a check's last run."),
    "checks_total": Row("counter", {**_CHECK, "verdict": tuple(Verdict)}, "Runs of each check, by verdict."),
    "check_duration_seconds": Row("histogram", _CHECK, "How long each run took.",
        buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)),
    "check_last_run_timestamp_seconds": Row("gauge", _CHECK,
        "When a check ran last; the start of the process until it has run."),
    "check_last_pass_timestamp_seconds": Row("gauge", _CHECK,
        "When a check last passed; absent until it has."),
    "check_stale_after_seconds": Row("gauge", _CHECK,
        "How old the last run of a check may be: three times its interval, and its deadline."),
    "config_differences": Row("gauge", _TARGET,
        "Fields of the export configuration that differ; NaN while it cannot be read.", CheckName.CONFIG),
    "volume_ratio": Row("gauge", _TARGET,
        "The share of real requests that have a trace, in the last window that was counted; NaN while none could be.",
        CheckName.VOLUME),
    # faults, incidents, silences
    "fault_active": Row("gauge", {**_TARGET, "fault": tuple(Fault)}, "1 for every confirmed fault."),
    "target_severity": Row("gauge", _TARGET, "The severity of a target: 0 healthy, 1 warning, 2 critical."),
    "incident_open": Row("gauge", _TARGET, "1 while an incident is open."),
    "incidents_total": Row("counter", _TARGET, "Incidents opened, or opened again."),
    "silence_active": Row("gauge", _TARGET, "1 while the open incident, or any if none is open, is silenced."),
    # canaries and their traces
    "canary_duration_seconds": Row("histogram", _TARGET, "From a canary's request to the whole answer.", CheckName.CANARY,
        buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)),
    "canary_phase_seconds": Row("gauge", {**_TARGET, "phase": PHASES},
        "How long each part of the last canary's request took; NaN where it did not happen.", CheckName.CANARY),
    "canary_tokens_total": Row("counter", {**_TARGET, "kind": ("input", "output")},
        "Tokens that canaries have used.", CheckName.CANARY),
    "canary_budget_remaining_ratio": Row("gauge", _TARGET,
        "The share of the day's canaries or tokens that is left, whichever is smaller.", CheckName.CANARY),
    "trace_arrival_seconds": Row("histogram", _TARGET, "From the gateway's answer to the whole trace.", CheckName.ARRIVAL,
        buckets=(1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900)),  # `late_after` and `missing_after` are among them
    "traces_total": Row("counter", {**_TARGET, "outcome": tuple(Outcome)},
        "What became of each canary's trace.", CheckName.ARRIVAL),
    "traces_pending": Row("gauge", _TARGET, "Canaries whose trace is awaited.", CheckName.ARRIVAL),
    "labels_judged": Row("gauge", _TARGET,
        "1 if labels and content of the newest trace were checked, 0 if they could not be read; NaN before.",
        CheckName.ARRIVAL),
    # remote services
    "certificate_expiry_timestamp_seconds": Row("gauge", {**_TARGET, "endpoint": _ANY},
        "When the certificate of a service expires."),
    "token_expiry_timestamp_seconds": Row("gauge", {**_TARGET, "credential": _ANY},
        "When a token expires, where the token shows it."),
    "remote_requests_total": Row("counter", {**_TARGET, "service": _ANY, "outcome": OUTCOMES},
        "Requests to remote services."),
    # notifications
    "notices_total": Row("counter", {**_NOTIFIER, **_NOTICE}, "Attempts to deliver a notice."),
    "notices_pending": Row("gauge", _NOTIFIER, "Notices that wait to be delivered."),
    "notices_refused": Row("gauge", {**_NOTIFIER, "place": _ANY},
        "1 for each place (a Slack channel) that refuses notices, where several are configured."),
    "notice_last_success_timestamp_seconds": Row("gauge", _NOTIFIER,
        "When a notifier last delivered a notice; absent until it has."),
    "heartbeat_failing": Row("gauge", {},
        "1 while the heartbeat is withheld, not delivered or refused; absent without one."),
    "heartbeat_last_success_timestamp_seconds": Row("gauge", {},
        "When the heartbeat was last accepted; absent until it has been."),
    # the monitor itself
    "scheduler_skipped_total": Row("counter", {"reason": ("overlap",)}, "Scheduled runs that did not take place."),
    "event_loop_lag_seconds": Row("histogram", {}, "How late the event loop woke.",
        buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)),
    "reload_successful": Row("gauge", {}, "1 if the last configuration that was read is in force, else 0."),
    "reload_success_timestamp_seconds": Row("gauge", {}, "When the configuration in force was read."),
    "target_info": Row("gauge", _TARGET, "Always 1: the labels of a target."),  # besides `target`, those that are configured
    "build_info": Row("gauge", {"version": _ANY, "python": _ANY}, "Always 1: the version of this program and of Python."),
    "external_url_info": Row("gauge", {"url": _ANY},
        "Always 1: the root of links to the page (`server.external_url`); absent without one."),
})
# fmt: on
"""Every metric by its name without `PREFIX`; names, types, labels and buckets are what dashboards and alerts are built on."""

_SERVICES: Mapping[CheckName, tuple[Service, ...]] = {
    CheckName.CONFIG: (Service.CONTROL_PLANE,),
    CheckName.GATEWAY: (Service.GATEWAY,),
    CheckName.CANARY: (Service.GATEWAY,),
    CheckName.ARRIVAL: (Service.TRACELOOP,),
    CheckName.CONTROL: (Service.OTLP, Service.TRACELOOP),
    CheckName.VOLUME: (Service.CONTROL_PLANE, Service.GATEWAY, Service.TRACELOOP),
}
"""Whom each check asks; `traceloop` stands for the trace backend."""

# --- what fills it ---------------------------------------------------------------------------------------------------


def _series(row: Row, expected: Expected) -> Iterator[tuple[str, ...]]:
    """The label values of every series of a row that exists from the start."""
    scopes: list[Mapping[str, Iterable[str]]] = [{"notifier": expected.notifiers}]
    if "target" in row.labels:
        scopes = [
            {
                "target": (name,),
                "check": sorted(monitored.checks),
                "service": sorted(
                    {
                        monitored.backend if service is Service.TRACELOOP else service
                        for check in monitored.checks
                        for service in _SERVICES[check]
                    }
                ),
            }
            for name, monitored in expected.targets.items()
            if row.check in {None, *monitored.checks}
        ]
    for scope in scopes:
        yield from product(*(values or scope[label] for label, values in row.labels.items()))


class Metrics:
    """Everything that Prometheus may know. `view` is asked once per scrape, in the thread of the event loop."""

    def __init__(self, *, clock: Clock, version: str, view: Callable[[], View]) -> None:
        disable: Callable[[], None] = _disable_created_metrics
        disable()  # a tenth more series that nobody reads; a switch of the whole library
        self._clock = clock
        self._version = version
        self._view = view
        self._renderer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")
        self._started_at = clock.now()
        self._reload: tuple[bool, Instant] = (True, self._started_at)  # whether the last worked, when one last did
        self._sent_at: dict[str, Instant] = {}
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._counters = {
            name: Counter(PREFIX + name, row.help, tuple(row.labels), registry=self._registry)
            for name, row in METRICS.items()
            if row.kind == "counter"
        }
        self._histograms = {
            name: Histogram(PREFIX + name, row.help, tuple(row.labels), buckets=row.buckets, registry=self._registry)
            for name, row in METRICS.items()
            if row.kind == "histogram"
        }
        self._expected = Expected()
        self.expect(self._expected)

    def expect(self, expected: Expected) -> None:
        """Which series there are to be from now on: new ones begin at zero, what is no longer configured vanishes."""
        before, self._expected = self._expected, expected
        stay = {
            name
            for name, monitored in before.targets.items()
            if name in expected.targets and monitored.checks <= expected.targets[name].checks
        }
        gone: Mapping[str, AbstractSet[str]] = {
            "target": before.targets.keys() - stay,
            "notifier": set(before.notifiers) - set(expected.notifiers),
        }
        metrics: Mapping[str, Counter | Histogram] = {**self._counters, **self._histograms}
        for name, metric in metrics.items():
            row = METRICS[name]
            for label in gone.keys() & row.labels.keys():
                for value in gone[label]:
                    metric.remove_by_labels({label: value})
            for values in _series(row, expected) if row.labels else ():
                metric.labels(*values)

    def listen(self, event: Event) -> None:  # noqa: C901 - what each kind of event counts
        """Count what happened."""
        match event:
            case Checked():
                self._count("checks_total", event.target, event.check, event.result.verdict)
                self._observe("check_duration_seconds", event.took, event.target, event.check)
            case CanaryReturned():
                self._observe("canary_duration_seconds", event.took, event.target)
                self._count("canary_tokens_total", event.target, "input", by=max(0, event.input_tokens))
                self._count("canary_tokens_total", event.target, "output", by=max(0, event.output_tokens))
            case TraceJudged():
                self._count("traces_total", event.target, event.outcome)
                if event.arrival_seconds is not None:
                    # Only OpenMetrics shows exemplars: https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars
                    exemplar = {"trace_id": event.trace_id}
                    self._observe("trace_arrival_seconds", event.arrival_seconds, event.target, exemplar=exemplar)
            case IncidentChanged():
                if event.reason is Reason.OPENED:
                    self._count("incidents_total", event.target)
            case RemoteAnswered():
                self._count("remote_requests_total", event.target, event.service, event.outcome)
            case NoticeHandled():
                self._count("notices_total", event.notifier, event.reason, event.outcome)
                if event.outcome == "sent":
                    self._sent_at[event.notifier] = event.at
            case RunSkipped():
                self._count("scheduler_skipped_total", event.reason)
            case Reloaded():
                self._reload = (event.successful, event.at if event.successful else self._reload[1])
            case FaultChanged() | IncidentAcknowledged() | KeyJudged():
                pass

    def observe_loop_lag(self, lag: Seconds) -> None:
        """Count one measurement of how late the event loop was."""
        self._observe("event_loop_lag_seconds", lag)

    def _count(self, name: str, *values: str, by: float = 1.0) -> None:
        if self._may_exist(name, values):
            self._counters[name].labels(*values).inc(by)

    def _observe(self, name: str, seconds: Seconds, *values: str, exemplar: dict[str, str] | None = None) -> None:
        if self._may_exist(name, values):
            metric = self._histograms[name]
            (metric.labels(*values) if values else metric).observe(seconds, exemplar)

    def _may_exist(self, name: str, values: tuple[str, ...]) -> bool:
        """Not what is not (or no longer) configured, and no word that is not on its label's closed list."""
        configured = {"target": self._expected.targets, "notifier": self._expected.notifiers}
        pairs = zip(METRICS[name].labels.items(), values, strict=True)
        return all(value in (closed or configured.get(label, (value,))) for (label, closed), value in pairs)

    # --- a scrape

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, rendered in a thread: fifty targets take a tenth of a second, and the loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self._renderer, self.render, accept, self._view())

    def render(self, accept: str, view: View) -> tuple[bytes, str]:
        """One view, in the form that an `Accept` header asks for; in any thread."""
        versions = _VERSION.findall(accept)
        understood = all(_NUMBER.fullmatch(version.strip()) for version in versions)
        # It compares versions as numbers, come what may.
        encode, content_type = choose_encoder(accept if understood else "")
        with _other_threads_first():
            return encode(_Page(self._gauges(view), self._registry)), content_type

    def _gauges(self, view: View) -> Iterable[Metric]:
        families = {
            name: GaugeMetricFamily(PREFIX + name, row.help, labels=tuple(row.labels))
            for name, row in METRICS.items()
            if row.kind == "gauge"
        }
        for name, value, labels in self._samples(view):
            families[name].add_metric(labels, float(value))
        info = families["target_info"]
        for target, monitored in self._expected.targets.items():
            info.add_sample(info.name, {**_label_names(monitored.labels), "target": target}, 1.0)
        return families.values()

    def _samples(self, view: View) -> Iterator[gauges.Sample]:
        yield "build_info", 1, (self._version, platform.python_version())
        if self._expected.external_url is not None:
            yield "external_url_info", 1, (self._expected.external_url,)
        yield "reload_successful", self._reload[0], ()
        yield "reload_success_timestamp_seconds", self._reload[1], ()
        yield from gauges.of_notifiers(view, self._expected.notifiers, self._sent_at)
        now = self._clock.now()
        for name, monitored in self._expected.targets.items():
            samples = gauges.of_target(view, name, monitored.checks, started_at=self._started_at, now=now)
            yield from (sample for sample in samples if METRICS[sample[0]].check in {None, *monitored.checks})


def _label_names(labels: Mapping[str, str]) -> dict[str, str]:
    """Configured labels under names that Prometheus takes, none in the way of `target` or of its own."""
    named: dict[str, str] = {}
    for key, value in labels.items():
        name = re.sub(r"[^a-zA-Z0-9_]", "_", key)
        reserved = name == "target" or name.startswith("__") or not re.match(r"[a-zA-Z_]", name)
        named[f"label_{name.lstrip('_')}" if reserved else name] = value
    return named


@contextmanager
def _other_threads_first() -> Iterator[None]:
    """While a page is rendered, the thread of the event loop gets the interpreter soon, and keeps it.

    Who waits for the interpreter has to wait for `sys.getswitchinterval()`, and the loop waits after each system call. And the
    page's thousands of small objects, which hold each other in no cycle, make the garbage collector look through everything that
    the process holds: that stops all threads, for 0.1 s with fifty targets.
    """
    collects, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(_SWITCH_AFTER)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()


class _Page(Collector):
    """Families that are made already, and those of a registry."""

    def __init__(self, gauges: Iterable[Metric], registry: CollectorRegistry) -> None:
        self._gauges = gauges
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        yield from self._gauges
        yield from self._registry.collect()


async def watch_loop(clock: Clock, observe: Callable[[Seconds], None]) -> None:
    """For as long as the task lives: sleep, and report by how much more than that it was.

    A loop that is late is the first sign that something blocks it.
    """
    while True:
        asleep_at = clock.monotonic()
        await clock.sleep(_LAG_EVERY)
        observe(max(0.0, clock.monotonic() - asleep_at - _LAG_EVERY))
