"""The metrics page as a contract: names, types, labels, formats, and which series exist when."""

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from monitor.core.canary import Outcome
from monitor.core.events import (
    Checked,
    TraceJudged,
)
from monitor.core.incident import Reason
from monitor.core.model import (
    CheckName,
    Fault,
    Verdict,
    passing,
)
from monitor.core.state import TargetState
from monitor.http import OUTCOMES
from monitor.telemetry.gauges import Expected, Monitored
from tests.fakes.clock import START
from tests.telemetry.scraped import EVERYTHING, PROD, STAGING, Scraped, a_target, families, filled

# The contract: name, type, labels. Whoever changes it breaks somebody's dashboard.
CONTRACT: Mapping[str, tuple[str, set[str]]] = {
    "check_verdict": ("gauge", {"target", "check", "verdict"}),
    "checks_total": ("counter", {"target", "check", "verdict"}),
    "check_duration_seconds": ("histogram", {"target", "check"}),
    "check_last_run_timestamp_seconds": ("gauge", {"target", "check"}),
    "check_last_pass_timestamp_seconds": ("gauge", {"target", "check"}),
    "check_stale_after_seconds": ("gauge", {"target", "check"}),
    "fault_active": ("gauge", {"target", "fault"}),
    "target_severity": ("gauge", {"target"}),
    "incident_open": ("gauge", {"target"}),
    "incidents_total": ("counter", {"target"}),
    "silence_active": ("gauge", {"target"}),
    "config_differences": ("gauge", {"target"}),
    "volume_ratio": ("gauge", {"target"}),
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
    "external_url_info": ("gauge", {"url"}),
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


def label_sets(samples: Iterable[Any]) -> set[frozenset[str]]:
    """The names of the labels, without those that a histogram adds."""
    return {frozenset(set(sample.labels) - {"le"}) for sample in samples}


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


def test_the_root_of_links_is_on_the_page_if_there_is_one() -> None:
    """Alert rules take it from there; a reload changes it."""
    page = Scraped()
    assert page.samples("external_url_info") == {("https://acme.dev/monitor",): 1}
    page.metrics.expect(Expected())
    assert page.samples("external_url_info") == {}


def test_a_removed_targets_series_vanish_and_what_stays_keeps_its_counts() -> None:
    """After a reload; an event that was still under way does not bring them back."""
    both = {PROD: Monitored(checks=EVERYTHING), STAGING: Monitored(checks=EVERYTHING)}
    page = Scraped(Expected(targets=both, notifiers=("slack", "webhook")))
    results = [
        Checked(target=target, check=CheckName.GATEWAY, at=START, took=0.1, result=passing(""))
        for target in (PROD, STAGING)
    ]
    page.set(TargetState(target=STAGING, certificates={"gateway": 1.0}), a_target())
    page.listen(*results)
    assert 'target="staging"' in page.text()
    page.metrics.expect(Expected(targets={PROD: both[PROD]}, notifiers=("slack",)))
    page.listen(*results)
    assert 'target="staging"' not in page.text()
    assert 'notifier="webhook"' not in page.text()
    assert page.value("checks_total", "gateway", "pass") == 2


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
