import asyncio
import gc
import math
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.events import (
    CanaryReturned,
    Checked,
    Event,
    IncidentChanged,
    NoticeHandled,
    Reloaded,
    RemoteAnswered,
    RunSkipped,
    TraceJudged,
)
from monitor.core.incident import NEVER, Diagnosis, Incident, Notified, Reason
from monitor.core.model import (
    CheckName,
    CheckResult,
    Component,
    Fault,
    Scalar,
    Service,
    Severity,
    Suspicion,
    TargetName,
    TraceId,
    Verdict,
    failing,
    passing,
)
from monitor.core.silence import Silence
from monitor.core.state import Active, Budget, Cadence, CheckState, LastLook, State, TargetState
from monitor.http import OUTCOMES
from monitor.settings.target import CanaryCheck
from monitor.telemetry.gauges import Expected, Monitored, View
from monitor.telemetry.metrics import Metrics, watch_loop
from tests.core.build import a_canary, policy
from tests.fakes.clock import START, FakeClock

PROD, STAGING = TargetName("prod"), TargetName("staging")
EVERYTHING = frozenset(CheckName)
CADENCE = Cadence(every=60, every_while_failing=15, deadline=15)
POLICY = policy(
    cadences=dict.fromkeys(CheckName, CADENCE), limits=CanaryCheck(max_per_day=100, max_tokens_per_day=1000)
)

# The contract: name, type, labels. Whoever changes it breaks somebody's dashboard.
CONTRACT: Mapping[str, tuple[str, set[str]]] = {
    "check_verdict": ("gauge", {"target", "check", "verdict"}),
    "checks_total": ("counter", {"target", "check", "verdict"}),
    "check_duration_seconds": ("histogram", {"target", "check"}),
    "check_last_run_timestamp_seconds": ("gauge", {"target", "check"}),
    "check_last_pass_timestamp_seconds": ("gauge", {"target", "check"}),
    "fault_active": ("gauge", {"target", "fault"}),
    "target_severity": ("gauge", {"target"}),
    "incident_open": ("gauge", {"target"}),
    "incidents_total": ("counter", {"target"}),
    "silence_active": ("gauge", {"target"}),
    "config_differences": ("gauge", {"target"}),
    "canary_duration_seconds": ("histogram", {"target"}),
    "canary_phase_seconds": ("gauge", {"target", "phase"}),
    "canary_tokens_total": ("counter", {"target", "kind"}),
    "canary_budget_remaining_ratio": ("gauge", {"target"}),
    "trace_arrival_seconds": ("histogram", {"target"}),
    "traces_total": ("counter", {"target", "outcome"}),
    "traces_pending": ("gauge", {"target"}),
    "labels_judged": ("gauge", {"target"}),
    "certificate_expiry_timestamp_seconds": ("gauge", {"target", "endpoint"}),
    "token_expiry_timestamp_seconds": ("gauge", {"target", "credential"}),
    "remote_requests_total": ("counter", {"target", "service", "outcome"}),
    "notices_total": ("counter", {"notifier", "reason", "outcome"}),
    "notices_pending": ("gauge", {"notifier"}),
    "notices_refused": ("gauge", {"notifier", "place"}),
    "notice_last_success_timestamp_seconds": ("gauge", {"notifier"}),
    "heartbeat_failing": ("gauge", set()),
    "heartbeat_last_success_timestamp_seconds": ("gauge", set()),
    "scheduler_skipped_total": ("counter", {"reason"}),
    "event_loop_lag_seconds": ("histogram", set()),
    "reload_successful": ("gauge", set()),
    "reload_success_timestamp_seconds": ("gauge", set()),
    "target_info": ("gauge", {"target", "team"}),
    "build_info": ("gauge", {"version", "python"}),
}
ABSENT_AT_FIRST = {
    "heartbeat_failing",
    "heartbeat_last_success_timestamp_seconds",
    "notices_refused",
    "check_last_pass_timestamp_seconds",
    "certificate_expiry_timestamp_seconds",
    "token_expiry_timestamp_seconds",
    "notice_last_success_timestamp_seconds",
}


def a_target(**fields: Any) -> TargetState:
    """The state of prod."""
    return TargetState(target=PROD, **fields)


def a_look(verdict: Verdict, at: float = START, **evidence: Scalar) -> LastLook:
    """The newest look of a check."""
    return LastLook(at=at, took=0.5, result=CheckResult(verdict=verdict, summary="", evidence=evidence))


def an_incident(*, closed_at: float | None = None, **notified: Notified) -> Incident:
    """A critical one at prod."""
    diagnosis = Diagnosis(
        fault=Fault.EXPORTER_DISABLED, severity=Severity.CRITICAL, component=Component.CONFIG, summary="it is off"
    )
    return Incident(id="i", target=PROD, opened_at=START, diagnosis=diagnosis, closed_at=closed_at, notified=notified)


class Scraped:
    """A metrics page whose state the test sets."""

    def __init__(self, expected: Expected | None = None) -> None:
        self.clock = FakeClock()
        self.view = View(state=State(), policies={PROD: POLICY})
        self.metrics = Metrics(clock=self.clock, version="1.2.3", view=lambda: self.view)
        labels = {"team": "ml-platform"}
        self.metrics.expect(
            expected or Expected(targets={PROD: Monitored(checks=EVERYTHING, labels=labels)}, notifiers=("slack",))
        )

    def set(self, *targets: TargetState, **state: Any) -> None:
        """What is remembered from now on."""
        self.view = replace(self.view, state=State(targets={target.target: target for target in targets}, **state))

    def listen(self, *events: Event) -> None:
        """Something happened."""
        for event in events:
            self.metrics.listen(event)

    def render(self, accept: str = "") -> tuple[str, str]:
        """The page and its content type."""
        body, content_type = self.metrics.render(accept, self.view)
        return body.decode(), content_type

    def text(self) -> str:
        """The page."""
        return self.render()[0]

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of that name: label values (target left out, in the order of their names) to value."""
        return {
            tuple(value for label, value in sorted(sample.labels.items()) if label != "target"): sample.value
            for family in parse_text(self.text())
            for sample in family.samples
            if sample.name == f"trace_monitor_{name}"
        }

    def value(self, name: str, *labels: str) -> float | None:
        """One of them."""
        return self.samples(name).get(labels)


def filled() -> Scraped:
    """A page on which everything has happened once."""
    page = Scraped()
    page.set(
        a_target(
            certificates={"gateway": START + 86_400},
            check_states={CheckName.CONFIG: CheckState(last=a_look(Verdict.PASS, differences=0), last_pass_at=START)},
        )
    )
    expiries = {PROD: {"gateway": START + 86_400}}
    page.view = replace(page.view, token_expiries=expiries, refused={"slack": ("C0GONE",)})
    page.view = replace(page.view, heartbeat_failing=False, heartbeat_delivered_at=START)
    page.listen(a_told("sent"))
    return page


def a_told(outcome: str, notifier: str = "slack") -> NoticeHandled:
    """An attempt to tell."""
    return NoticeHandled(notifier=notifier, target=PROD, at=START + 5, reason=Reason.OPENED, outcome=outcome)


def families(page: Scraped) -> dict[str, Any]:
    """The families of our own, by the name they are documented under."""
    found = {}
    for family in parse_text(page.text()):
        name = family.name.removeprefix("trace_monitor_")
        if name != family.name:
            found[name + ("_total" if family.type == "counter" else "")] = family
    return found


def label_sets(samples: Iterable[Any]) -> set[frozenset[str]]:
    """The names of the labels, without those that a histogram adds."""
    return {frozenset(set(sample.labels) - {"le"}) for sample in samples}


def test_a_heartbeat_shows_whether_it_fails_and_when_it_was_last_taken() -> None:
    """And nothing where there is none, or before the first."""
    page = Scraped()
    assert page.samples("heartbeat_failing") == {}
    page.view = replace(page.view, heartbeat_failing=True)
    assert page.value("heartbeat_failing") == 1
    assert page.samples("heartbeat_last_success_timestamp_seconds") == {}
    page.view = replace(page.view, heartbeat_failing=False, heartbeat_delivered_at=START + 60)
    assert page.value("heartbeat_failing") == 0
    assert page.value("heartbeat_last_success_timestamp_seconds") == START + 60


def test_every_metric_of_the_contract_is_there_with_its_type_and_labels_and_no_other() -> None:
    """Names, types and labels are what dashboards and alerts are built on."""
    found = families(filled())
    assert set(found) == set(CONTRACT)
    for name, (kind, labels) in CONTRACT.items():
        assert found[name].type == kind, name
        assert label_sets(found[name].samples) == {frozenset(labels)}, name
        assert found[name].documentation.endswith("."), name


def test_every_series_of_an_enabled_check_exists_from_the_start() -> None:
    """Before anything has happened: a rate needs its zero, and an alert on absence must mean something."""
    page = Scraped()
    found = families(page)
    assert {name for name, family in found.items() if not family.samples} == ABSENT_AT_FIRST
    assert len(page.samples("check_verdict")) == len(CheckName) * len(Verdict)
    assert set(page.samples("checks_total").values()) == {0.0}
    assert len(page.samples("checks_total")) == len(CheckName) * len(Verdict)
    assert len(page.samples("fault_active")) == len(Fault)
    assert len(page.samples("traces_total")) == len(Outcome)
    assert len(page.samples("notices_total")) == len(Reason) * 4
    assert len(page.samples("remote_requests_total")) == 4 * len(OUTCOMES)
    assert set(page.samples("scheduler_skipped_total")) == {("overlap",)}


@pytest.mark.parametrize("before", [EVERYTHING, frozenset()], ids=["after a reload", "from the start"])
def test_a_disabled_check_has_no_series(before: frozenset[CheckName]) -> None:
    """A target without a control plane has no `config` check, and nothing waits for it; last values do not stay for ever."""
    page = Scraped(Expected(targets={PROD: Monitored(checks=before)}))
    page.metrics.expect(Expected(targets={PROD: Monitored(checks=frozenset({CheckName.GATEWAY}))}))
    assert {labels[0] for labels in page.samples("check_verdict")} == {"gateway"}
    assert {labels[0] for labels in page.samples("checks_total")} == {"gateway"}
    for name in ("config_differences", "canary_tokens_total", "traces_total", "traces_pending", "canary_phase_seconds"):
        assert page.samples(name) == {}, name
    assert "trace_monitor_trace_arrival_seconds_bucket" not in page.text()


def test_there_are_no_created_series() -> None:
    """They would be a tenth more that nobody reads."""
    page = filled()
    assert re.search(r"^\w+_created\b", page.text(), re.MULTILINE) is None
    assert "_created{" not in page.render("application/openmetrics-text")[0]


def test_the_last_look_decides_the_verdict() -> None:
    """One of three is 1; before the first look none is."""
    page = Scraped()
    assert set(page.samples("check_verdict").values()) == {0.0}
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_look(Verdict.FAIL))}))
    assert page.value("check_verdict", "config", "fail") == 1
    assert sum(page.samples("check_verdict").values()) == 1


def test_a_look_is_counted_and_timed() -> None:
    """By target, check and verdict."""
    page = Scraped()
    look = Checked(target=PROD, check=CheckName.CANARY, at=START, took=0.7, result=failing(""))
    page.listen(look, look)
    assert page.value("checks_total", "canary", "fail") == 2
    assert page.value("check_duration_seconds_sum", "canary") == pytest.approx(1.4)
    assert page.value("check_duration_seconds_bucket", "canary", "1.0") == 2
    assert page.value("check_duration_seconds_bucket", "canary", "0.5") == 0


def test_the_last_run_counts_from_the_start_of_the_process() -> None:
    """So `time() - x` means something at once, and a look before the restart does not make the check look stuck."""
    page = Scraped()
    assert page.value("check_last_run_timestamp_seconds", "config") == START
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_look(Verdict.PASS, at=START - 500))}))
    assert page.value("check_last_run_timestamp_seconds", "config") == START
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_look(Verdict.PASS, at=START + 60))}))
    assert page.value("check_last_run_timestamp_seconds", "config") == START + 60


def test_the_last_pass_is_absent_until_the_first_and_survives_a_restart() -> None:
    """A pass that was never seen has no time."""
    page = Scraped()
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last_pass_at=START - 500)}))
    assert page.samples("check_last_pass_timestamp_seconds") == {("config",): START - 500}


def test_confirmed_faults_severity_and_incident_come_from_the_state() -> None:
    """Every confirmed fault is 1, explained or not; the severity is the incident's."""
    confirmed = {
        fault: Active(suspicion=Suspicion(fault=fault, summary=""), since=START, confirmed_at=START)
        for fault in (Fault.EXPORTER_DISABLED, Fault.TRACE_LATE)
    }
    page = Scraped()
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(confirmed=confirmed)}, incidents=(an_incident(),)))
    assert {labels[0] for labels, value in page.samples("fault_active").items() if value} == {
        "exporter_disabled",
        "trace_late",
    }
    assert page.value("target_severity") == 2
    assert page.value("incident_open") == 1
    page.set(a_target(incidents=(an_incident(closed_at=START + 60),)))
    assert (page.value("target_severity"), page.value("incident_open")) == (0, 0)


def test_a_confirmed_fault_has_the_name_that_the_incident_says() -> None:
    """A loss is called by the hop that lost it, also where nobody is told of it."""
    suspicion = Suspicion(fault=Fault.TRACE_MISSING, summary="", stops_export=True)
    active = Active(suspicion=suspicion, since=START, confirmed_at=START + 300)
    lost = a_canary(outcome=Outcome.MISSING, judged_at=START + 300, origin=True)
    control = ControlSpan(
        trace_id=TraceId("c" * 32), sent_at=START + 60, accepted=True, shown_at=START + 65, judged=True
    )
    page = Scraped()
    page.set(
        a_target(
            check_states={CheckName.ARRIVAL: CheckState(confirmed={Fault.TRACE_MISSING: active})},
            canaries=(lost,),
            controls=(control,),
            proofs={"own_store:": START},
        )
    )
    assert [labels for labels, value in page.samples("fault_active").items() if value] == [("export_failing",)]


def test_incidents_are_counted_when_they_open() -> None:
    """A change of name, a reminder, a resolve are none."""
    page = Scraped()
    for reason in Reason:
        page.listen(
            IncidentChanged(
                target=PROD, at=START, id="i", reason=reason, fault=Fault.BLIND, severity=Severity.WARNING, summary=""
            )
        )
    assert page.value("incidents_total") == 1


def test_a_silence_counts_for_the_name_of_the_incident() -> None:
    """With an incident open, one of another fault is none; without, any is."""
    page = Scraped()
    other = Silence(id="s", target="pr*", fault=Fault.BLIND, ends_at=START + 60)
    page.set(a_target(), silences=(other,))
    assert page.value("silence_active") == 1
    page.set(a_target(incidents=(an_incident(),)), silences=(other,))
    assert page.value("silence_active") == 0
    page.set(a_target(incidents=(an_incident(),)), silences=(replace(other, fault=None),))
    assert page.value("silence_active") == 1
    page.clock.jump(61)
    assert page.value("silence_active") == 0


def test_differences_are_nan_while_the_configuration_is_unreadable() -> None:
    """Zero would say that all is well."""
    page = Scraped()
    assert math.isnan(page.value("config_differences") or 0.0)
    for verdict, expected in ((Verdict.PASS, 0), (Verdict.FAIL, 3)):
        page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_look(verdict, differences=expected))}))
        assert page.value("config_differences") == expected
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_look(Verdict.UNKNOWN, differences=3))}))
    assert math.isnan(page.value("config_differences") or 0.0)


def test_a_canary_is_timed_and_its_tokens_are_counted() -> None:
    """Duration as a histogram, the last one's phases as gauges, tokens by kind."""
    page = Scraped()
    page.set(a_target(phases={"connect": 0.01, "tls": 0.02}))
    page.listen(CanaryReturned(target=PROD, at=START, took=0.4, input_tokens=11, output_tokens=5))
    assert page.value("canary_duration_seconds_count") == 1
    assert page.samples("canary_tokens_total") == {("input",): 11, ("output",): 5}
    phases = page.samples("canary_phase_seconds")
    assert (phases["connect",], phases["tls",]) == (0.01, 0.02)
    assert math.isnan(phases["resolve",])
    assert len(phases) == 5


def test_the_budget_is_what_is_left_of_the_scarcer() -> None:
    """Canaries and tokens of this UTC day."""
    page = Scraped()
    today = int(START // 86_400)
    page.set(a_target(budget=Budget(day=today, sent=10, input_tokens=300, output_tokens=100)))
    assert page.value("canary_budget_remaining_ratio") == pytest.approx(0.6)
    page.clock.jump(86_400)
    assert page.value("canary_budget_remaining_ratio") == 1


def test_traces_are_counted_by_outcome_and_pending_ones_are_awaited() -> None:
    """Arrival times go into the histogram where they are known."""
    page = Scraped()
    canary = Canary(id="c", sent_at=START, sent_id=TraceId("a"), span_id="s", nonce="n")
    answered = replace(canary, answered_at=START)
    page.set(a_target(canaries=(canary, answered, answered, replace(answered, outcome=Outcome.ARRIVED))))
    assert page.value("traces_pending") == 2
    for outcome, seconds in ((Outcome.ARRIVED, 8.0), (Outcome.LATE, 200.0), (Outcome.MISSING, None)):
        page.listen(TraceJudged(target=PROD, at=START, trace_id="ab" * 16, outcome=outcome, arrival_seconds=seconds))
    assert page.value("traces_total", "late") == 1
    assert page.value("traces_total", "missing") == 1
    assert page.value("trace_arrival_seconds_count") == 2
    assert page.value("trace_arrival_seconds_bucket", "10.0") == 1


def test_openmetrics_names_the_trace_behind_an_arrival() -> None:
    """An exemplar leads from the slow bucket to the trace; the plain text format has none."""
    page = Scraped()
    page.listen(TraceJudged(target=PROD, at=START, trace_id="ab" * 16, outcome=Outcome.LATE, arrival_seconds=200.0))
    body, content_type = page.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert f'# {{trace_id="{"ab" * 16}"}} 200.0' in body
    parse: Callable[[str], Iterable[Any]] = parse_openmetrics
    assert len(list(parse(body))) > len(CONTRACT)
    assert "abab" not in page.text()


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "application/openmetrics-text;version=abc", ";;;=,", "text/plain;version=-1"]
)
def test_any_other_accept_header_gets_plain_text(accept: str) -> None:
    """Browsers, curl, and junk."""
    assert Scraped().render(accept)[1] == "text/plain; version=0.0.4; charset=utf-8"


def test_expiries_are_shown_where_they_are_known() -> None:
    """Of certificates that were seen, and of tokens that tell."""
    page = filled()
    assert page.samples("certificate_expiry_timestamp_seconds") == {("gateway",): START + 86_400}
    assert page.samples("token_expiry_timestamp_seconds") == {("gateway",): START + 86_400}


def test_requests_are_counted_by_service_and_outcome() -> None:
    """Outcomes are a closed list: a new word makes no new series."""
    page = Scraped()
    page.listen(
        RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="timeout"),
        RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="https://example.com/?token=1"),
    )
    assert page.value("remote_requests_total", "timeout", "gateway") == 1
    assert sum(page.samples("remote_requests_total").values()) == 1


def test_notices_are_counted_and_the_last_success_is_dated() -> None:
    """By notifier, reason and outcome; nobody unknown, no unknown outcome."""
    page = Scraped()
    page.view = replace(page.view, notices_pending={"slack": 3}, refused={"slack": ("C0GONE",), "unknown": ("C1",)})
    page.listen(a_told("failed"), a_told("sent"), a_told("sent", notifier="nobody"), a_told("perhaps"))
    assert page.value("notices_total", "slack", "failed", "opened") == 1
    assert sum(page.samples("notices_total").values()) == 2
    assert page.samples("notices_pending") == {("slack",): 3}
    assert page.samples("notices_refused") == {("slack", "C0GONE"): 1}
    assert page.value("notice_last_success_timestamp_seconds", "slack") == START + 5


def test_the_last_success_survives_a_restart() -> None:
    """It is read from what the notifier has been told."""
    page = Scraped()
    notified = Notified(reason=Reason.OPENED, fault=Fault.BLIND, severity=Severity.WARNING, at=START - 60)
    page.set(a_target(incidents=(an_incident(slack=notified),)))
    assert page.value("notice_last_success_timestamp_seconds", "slack") == START - 60


def test_what_was_passed_over_is_no_success() -> None:
    """A silence covered it: nothing was sent, so nothing is proven."""
    page = Scraped()
    notified = Notified(reason=Reason.RESOLVED, fault=Fault.BLIND, severity=Severity.WARNING, at=NEVER, closed=True)
    page.set(a_target(incidents=(an_incident(slack=notified),)))
    assert page.samples("notice_last_success_timestamp_seconds") == {}


def test_skipped_runs_are_counted_by_reason() -> None:
    """A closed list."""
    page = Scraped()
    page.listen(RunSkipped(name="config:prod", reason="overlap"), RunSkipped(name="config:prod", reason="mood"))
    assert page.samples("scheduler_skipped_total") == {("overlap",): 1}


def test_a_refused_reload_leaves_the_time_of_the_last_good_one() -> None:
    """1 and the start of the process before the first reload."""
    page = Scraped()
    assert (page.value("reload_successful"), page.value("reload_success_timestamp_seconds")) == (1, START)
    page.listen(Reloaded(at=START + 10, successful=True), Reloaded(at=START + 20, successful=False))
    assert (page.value("reload_successful"), page.value("reload_success_timestamp_seconds")) == (0, START + 10)


def test_labels_of_a_target_are_on_its_info() -> None:
    """Under names that Prometheus takes; none can pass itself off as another target."""
    labels = {"team": "ml", "cost-center": "4711", "target": "forged", "__name__": "forged", "1st": "x"}
    page = Scraped(Expected(targets={PROD: Monitored(checks=EVERYTHING, labels=labels)}))
    (family,) = [family for family in parse_text(page.text()) if family.name == "trace_monitor_target_info"]
    assert [sample.labels for sample in family.samples] == [
        {
            "target": "prod",
            "team": "ml",
            "cost_center": "4711",
            "label_target": "forged",
            "label_name__": "forged",
            "label_1st": "x",
        }
    ]


def test_the_build_is_on_the_page() -> None:
    """Which version runs where."""
    assert Scraped().samples("build_info") == {(platform.python_version(), "1.2.3"): 1}


def test_a_removed_targets_series_vanish_and_what_stays_keeps_its_counts() -> None:
    """After a reload; an event that was still under way does not bring them back."""
    both = {PROD: Monitored(checks=EVERYTHING), STAGING: Monitored(checks=EVERYTHING)}
    page = Scraped(Expected(targets=both, notifiers=("slack", "webhook")))
    looks = [
        Checked(target=target, check=CheckName.GATEWAY, at=START, took=0.1, result=passing(""))
        for target in (PROD, STAGING)
    ]
    page.set(TargetState(target=STAGING, certificates={"gateway": 1.0}), a_target())
    page.listen(*looks)
    assert 'target="staging"' in page.text()
    page.metrics.expect(Expected(targets={PROD: both[PROD]}, notifiers=("slack",)))
    page.listen(*looks)
    assert 'target="staging"' not in page.text()
    assert 'notifier="webhook"' not in page.text()
    assert page.value("checks_total", "gateway", "pass") == 2


async def test_a_scrape_takes_one_view_and_leaves_the_loop_to_others() -> None:
    """All gauges of a page are of one moment, and of the work for fifty targets no turn of the loop does more than a little.

    What is counted are the calls of Python functions in the loop's thread: the page has more series than a turn may have calls.
    Nor does the garbage collector stop it, which would look for garbage once for every few hundred of them.
    """
    taken: list[View] = []
    calls = most_calls = collections = 0

    def view() -> View:
        taken.append(View(state=State(), policies=dict.fromkeys(targets, POLICY)))
        return taken[-1]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    def collect(phase: str, _info: Mapping[str, int]) -> None:
        nonlocal collections
        collections += phase == "start"

    targets = {TargetName(f"target-{number}"): Monitored(checks=EVERYTHING) for number in range(50)}
    metrics = Metrics(clock=FakeClock(), version="1", view=view)
    metrics.expect(Expected(targets=targets, notifiers=("slack",)))
    scraping = asyncio.create_task(metrics.scrape(""))
    interval = sys.getswitchinterval()
    gc.callbacks.append(collect)
    sys.setprofile(count)
    while not scraping.done():
        await asyncio.wait({scraping}, timeout=0.001)
        most_calls, calls = max(most_calls, calls), 0
    sys.setprofile(None)
    gc.callbacks.remove(collect)
    body, _ = scraping.result()
    assert body.count(b"\ntrace_monitor_") > 10_000
    assert len(taken) == 1
    assert most_calls < 500
    assert collections < 5
    assert (gc.isenabled(), sys.getswitchinterval()) == (True, interval)


async def test_the_lag_of_the_loop_is_measured() -> None:
    """Each second of sleep that took longer is one observation of by how much."""
    page = Scraped()
    clock = page.clock
    lags: list[float] = []

    class Slow(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await clock.sleep(seconds + 0.2)

        def monotonic(self) -> float:
            return clock.monotonic()

    def observe(lag: float) -> None:
        lags.append(lag)
        page.metrics.observe_loop_lag(lag)

    watching = asyncio.create_task(watch_loop(Slow(), observe))
    await clock.advance(3.7)
    watching.cancel()
    assert lags == pytest.approx([0.2, 0.2, 0.2])
    assert page.value("event_loop_lag_seconds_count") == 3


def test_promtool_has_nothing_to_say() -> None:
    """Prometheus' own linter: names, units, help, types."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert families(filled())  # parsed by the reference parser at least
        return
    done = subprocess.run(
        [promtool, "check", "metrics"], input=filled().text(), capture_output=True, text=True, check=False
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
