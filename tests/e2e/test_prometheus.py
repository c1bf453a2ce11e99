"""A real Prometheus scrapes the daemon, answers queries about it, and fires the shipped alerts."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import ROOT, SandboxProcess, daemon_running, prometheus_running, query
from tools.processes import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SHIPPED = ROOT / "deploy" / "prometheus"


@pytest.fixture(scope="module")
def daemon(sandbox: SandboxProcess, directory: Path) -> Iterator[str]:
    """The daemon, looking often."""
    configuration = sandbox.configuration()
    configuration["targets"]["demo"]["checks"] = {
        "config": {"every": "1s", "every_while_failing": "1s", "timeout": "1s"}
    }
    with daemon_running(directory, configuration) as url:
        yield url


@pytest.fixture(scope="module")
def prometheus(daemon: str, directory: Path) -> Iterator[str]:
    """Prometheus with the shipped scrape configuration and rules, only faster and pointed at our daemon."""
    configuration: dict[str, Any] = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
    configuration["global"]["evaluation_interval"] = "1s"
    configuration["rule_files"] = [str(SHIPPED / "rules.yml")]
    (scrape,) = configuration["scrape_configs"]
    scrape.update(scrape_interval="1s", scrape_timeout="1s")
    scrape["static_configs"] = [{"targets": [daemon.removeprefix("http://")]}]
    with prometheus_running(directory, configuration) as url:
        yield url


def _labels(prometheus: str, expression: str, *names: str) -> set[tuple[str, ...]]:
    return {tuple(row["metric"].get(name, "") for name in names) for row in query(prometheus, expression)}


def test_prometheus_answers_a_query_for_the_verdicts(prometheus: str) -> None:
    """Every check of the target passes, as Prometheus sees it."""
    expected = {("demo", check) for check in ("config", "gateway", "canary", "arrival", "control")}
    expression = 'trace_monitor_check_verdict{verdict="pass"} == 1'
    wait_until(
        lambda: _labels(prometheus, expression, "target", "check") == expected, within=60, what="verdicts in Prometheus"
    )


def test_nothing_fires_while_all_is_well_and_a_fault_does(prometheus: str, sandbox: SandboxProcess) -> None:
    """The exporter is switched off: the shipped alert fires with the fault's name; fixed, it ends."""
    assert _labels(prometheus, 'ALERTS{alertstate="firing"}', "alertname") == set()
    firing = 'ALERTS{alertname="GatewayTraceFaultActive",alertstate="firing"}'
    sandbox.break_("exporter_disabled")
    try:
        wait_until(
            lambda: _labels(prometheus, firing, "target", "severity") == {("demo", "critical")},
            within=30,
            what="the alert",
        )
        active = _labels(prometheus, "trace_monitor_fault_active == 1", "fault")
        assert active == {("exporter_disabled",)}
    finally:
        sandbox.fix()
    # It resolves when canaries sent after the fix arrive, which the exporter's cache delays: the configuration is enough here.
    wait_until(
        lambda: _labels(prometheus, 'trace_monitor_check_verdict{check="config",verdict="pass"} == 1', "target"),
        within=30,
        what="the fixed configuration",
    )


def test_a_monitor_that_vanishes_from_discovery_is_down_and_is_back_with_its_target(
    daemon: str, tmp_path: Path
) -> None:
    """Discovered as Prometheus Operator does it: more labels, the job renamed by a relabelling, the monitor's own labels honoured.

    TraceMonitorDown waits for three seconds instead of two minutes, in a copy of the rules.
    """
    rules = yaml.safe_load((SHIPPED / "rules.yml").read_text())
    (down,) = (rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == "TraceMonitorDown")
    down["for"] = "3s"
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    labels = {"namespace": "ops", "pod": "m-1", "container": "monitor", "endpoint": "http", "service": "monitor"}
    found, discovered = [{"targets": [daemon.removeprefix("http://")], "labels": labels}], tmp_path / "discovered.json"
    discovered.write_text(json.dumps(found))
    scrape = {
        "job_name": "podMonitor/ops/gateway-trace-monitor/0",
        "honor_labels": True,
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "file_sd_configs": [{"files": [str(discovered)], "refresh_interval": "1s"}],
        "relabel_configs": [{"target_label": "job", "replacement": "trace-monitor"}],
    }
    configuration = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [scrape],
    }
    firing = 'ALERTS{alertname="TraceMonitorDown",alertstate="firing"}'
    with prometheus_running(tmp_path, configuration) as prometheus:
        up = 'up{job="trace-monitor"} == 1'
        wait_until(lambda: _labels(prometheus, up, "pod") == {("m-1",)}, within=30, what="the first scrape")
        asked = _labels(prometheus, "trace_monitor_remote_requests_total", "service")
        assert ("gateway",) in asked
        assert ("monitor",) not in asked
        wait_until(lambda: _labels(prometheus, firing, "job") == set(), within=15, what="quiet")
        discovered.write_text("[]")
        wait_until(lambda: _labels(prometheus, firing, "job") == {("trace-monitor",)}, within=30, what="the alert")
        assert query(prometheus, "up") == []
        discovered.write_text(json.dumps(found))
        wait_until(lambda: _labels(prometheus, firing, "job") == set(), within=30, what="the end of the alert")
        assert _labels(prometheus, up, "pod") == {("m-1",)}


def test_promtool_is_content_with_the_metrics(daemon: str) -> None:
    """Names, units and help texts are as Prometheus's own linter wants them."""
    with urllib.request.urlopen(f"{daemon}/metrics", timeout=10) as answer:  # noqa: S310 - loopback
        text = answer.read()
    ended = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
