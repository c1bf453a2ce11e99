"""The alert rules speak only of what the monitor exports, and each of them is explained and tried."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.core.state import State
from monitor.notifiers.alertmanager import ALERT_NAME
from monitor.telemetry.gauges import View
from monitor.telemetry.metrics import Metrics
from tests.fakes.clock import FakeClock

DIRECTORY = Path(__file__).parents[2] / "deploy" / "prometheus"


def _load(name: str) -> Any:
    return yaml.safe_load((DIRECTORY / name).read_text())


RULES: list[dict[str, Any]] = [rule for group in _load("rules.yml")["groups"] for rule in group["rules"]]
ALERTS = sorted({rule["alert"] for rule in RULES})


def _heading_anchors() -> set[str]:
    headings = re.findall(r"^#+ (.+)$", (DIRECTORY / "README.md").read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def _expectations(alert: str) -> list[list[dict[str, Any]]]:
    return [
        case["exp_alerts"]
        for test in _load("rules_test.yml")["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    """Summary, description, severity, and a runbook whose section exists."""
    notes = rule["annotations"]
    path, _, anchor = notes["runbook"].partition("#")
    assert notes["summary"]
    assert notes["description"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert path == "deploy/prometheus/README.md"
    assert anchor == rule["alert"].lower()
    assert anchor in _heading_anchors()


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tried_both_ways(alert: str) -> None:
    """`promtool test rules` sees each alert fire once and keep quiet once."""
    expectations = _expectations(alert)
    assert any(expectations), f"{alert} never fires in rules_test.yml"
    assert not all(expectations), f"{alert} is never expected to be quiet in rules_test.yml"


async def test_the_rules_speak_of_metrics_that_there_are() -> None:
    """A misspelt metric never fires: every one that a rule names is on the metrics page."""
    metrics = Metrics(clock=FakeClock(), version="0", view=lambda: View(state=State()))
    page, _ = await metrics.scrape("")
    exported = set(re.findall(r"^# TYPE (trace_monitor_\w+)", page.decode(), flags=re.MULTILINE))
    named = {name for rule in RULES for name in re.findall(r"trace_monitor_\w+", str(rule))}
    assert named
    assert named <= exported


def test_the_rules_count_on_the_job_that_the_scrape_configuration_makes() -> None:
    """`absent(up{job=…})` would page for ever if the names differed."""
    jobs = {job["job_name"] for job in _load("scrape.yml")["scrape_configs"]}
    named = {name for rule in RULES for name in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert named == jobs


def test_the_routes_speak_of_alerts_that_there_are() -> None:
    """A misspelt one would page twice; the monitor's own alert is none of the rules, and the explanation shows the same route."""
    routes = _load("alertmanager.yml")["route"]["routes"]
    (nowhere,) = (route for route in routes if route["receiver"] == "nobody")
    (matcher,) = nowhere["matchers"]
    silent = set(re.findall(r"\w+", matcher.partition("=~")[2]))
    assert silent == {"GatewayTraceFaultActive", "TraceMonitorBlind", "TraceMonitorCheckFailed"}
    assert silent <= set(ALERTS)
    assert ALERT_NAME not in ALERTS
    explained = (DIRECTORY / "README.md").read_text()
    assert matcher in explained
    assert ALERT_NAME in explained
