"""The whole way of an alert on real parts: sandbox, daemon, Prometheus with the shipped rules, Alertmanager with the shipped routes.

Everything is as it is shipped, but for intervals and for the places that secrets are read from; and `TraceMonitorDown` waits for
four seconds instead of two minutes, in a copy of the rules. The delays of the sandbox are a twentieth of the real ones.
"""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.sandbox.credentials import Credentials
from tests.e2e.harness import (
    ROOT,
    Alertmanager,
    SandboxProcess,
    alertmanager_running,
    daemon_killed,
    daemon_running,
    prometheus_running,
    query,
    receiver_running,
    sandbox_running,
)
from tools.processes import free_ports, is_well, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SHIPPED = ROOT / "deploy" / "prometheus"
CHECKS: dict[str, Any] = {
    "config": {"every": 2, "every_while_failing": 1},
    "gateway": {"every": 2, "every_while_failing": 1},
    "canary": {"every": 6, "every_while_failing": 3, "max_per_day": 40_000, "max_tokens_per_day": 4_000_000},
    "arrival": {"look_closer_after": 3, "late_after": 6, "missing_after": 9, "settle": 18},
    "control": {"every": 30, "every_while_failing": 4},
    "origin": {"every": 30},
}
REPORTED_WITHIN = 15.0
"""Seconds. At the built-in cadence, a look each 60 s, it is promised within 75. Here a look is each 2 s."""
FAULT_ACTIVE = 'ALERTS{alertname="GatewayTraceFaultActive",alertstate="firing"}'


@pytest.fixture
def fast_sandbox(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A healthy sandbox that is twenty times as fast."""
    with sandbox_running(tmp_path, "--time-factor", "0.05") as process:
        yield process


def _monitor(sandbox: SandboxProcess, port: int) -> dict[str, Any]:
    """The daemon posts to the sandbox's Slack by its bot; people reach its page by another name than Prometheus does."""
    configuration = sandbox.configuration()
    configuration["targets"]["demo"]["checks"] = CHECKS
    return {**configuration, "server": {"external_url": f"http://localhost:{port}"}}


def _prometheus(directory: Path, port: int, alertmanager: Alertmanager) -> dict[str, Any]:
    """As shipped, only faster; the one copied rule says that it is a copy."""
    rules = yaml.safe_load((SHIPPED / "rules.yml").read_text())
    (down,) = (rule for group in rules["groups"] for rule in group["rules"] if rule.get("alert") == "TraceMonitorDown")
    down["for"] = "8s"  # longer than Prometheus takes to its first scrape, until which nothing is up
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    configuration: dict[str, Any] = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
    configuration["global"]["evaluation_interval"] = "1s"
    (scrape,) = configuration["scrape_configs"]
    scrape.update(scrape_interval="1s", scrape_timeout="1s")
    scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    receivers = [{"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}]
    return {**configuration, "rule_files": ["rules.yml"], "alerting": {"alertmanagers": receivers}}


def _alertmanager(directory: Path, sandbox: SandboxProcess, pager: str) -> dict[str, Any]:
    """As shipped, only faster: Slack is the sandbox's, by its incoming webhook, and PagerDuty a receiver of ours."""
    slack = sandbox.configuration()["alerting"]["slack"]["api_url"].removesuffix("/api/")
    secrets = {"slack-webhook-url": slack + Credentials().webhook_path, "pagerduty-routing-key": "0123456789abcdef" * 2}
    text = (SHIPPED / "alertmanager.yml").read_text()
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
        assert f"/etc/alertmanager/secrets/{name}" in text
    configuration: dict[str, Any] = yaml.safe_load(text.replace("/etc/alertmanager/secrets", str(directory)))
    configuration["global"]["pagerduty_url"] = f"{pager}/v2/enqueue"
    configuration["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    return configuration


def _by_the_monitor(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    """What the daemon's bot has posted into the channel."""
    return [one for one in sandbox.get("/messages") if not one["webhook"] and one["thread_ts"] is None]


def _by_alertmanager(sandbox: SandboxProcess) -> list[str]:
    return [one["attachments"][0]["title"] for one in sandbox.get("/messages") if one["webhook"]]


def _fault_active(alertmanager: Alertmanager) -> list[dict[str, Any]]:
    return [one for one in alertmanager.alerts() if one["labels"]["alertname"] == "GatewayTraceFaultActive"]


def test_a_broken_exporter_is_reported_once_and_a_dead_monitor_by_alertmanager(
    fast_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """Broken: one message of the monitor, the alert of the rules goes to nobody. Fixed: both resolve. Killed: Alertmanager calls."""
    sandbox, port = fast_sandbox, free_ports(1)
    monitor = _monitor(sandbox, port)
    with (
        receiver_running() as (pager, pages),
        alertmanager_running(tmp_path, _alertmanager(tmp_path, sandbox, pager)) as alertmanager,
        ExitStack() as outlives_the_daemon,
    ):
        with daemon_killed(tmp_path, monitor, port=port):
            wait_until(lambda: is_well(f"http://127.0.0.1:{port}/readyz"), within=30, what="the daemon")
            prometheus = outlives_the_daemon.enter_context(
                prometheus_running(tmp_path, _prometheus(tmp_path, port, alertmanager))
            )
            _wait_until_healthy(prometheus)
            _break_and_fix(sandbox, prometheus, alertmanager)
        wait_until(lambda: _by_alertmanager(sandbox), within=30, what="TraceMonitorDown in Slack")
        assert _by_alertmanager(sandbox) == ["[firing] TraceMonitorDown"]
        with daemon_running(tmp_path, monitor, port=port):
            wait_until(lambda: len(_by_alertmanager(sandbox)) > 1, within=30, what="its end in Slack")
            wait_until(lambda: len(pages) > 1, within=10, what="both calls")
            wait_until(
                lambda: query(prometheus, "0 < target:trace_monitor_arrival:ratio_1h <= 1"),
                within=75,
                what="the share of traces that arrived",
            )
        # Had the rules' alert of the fault, or its end, gone to a person too, it would have come long before.
        assert _by_alertmanager(sandbox) == ["[firing] TraceMonitorDown", "[resolved] TraceMonitorDown"]
        assert [(path, body["event_action"]) for path, body in pages] == [
            ("/v2/enqueue", "trigger"),
            ("/v2/enqueue", "resolve"),
        ]
        assert pages[0][1]["client_url"] == f"http://localhost:{port}/"
        assert len(_by_the_monitor(sandbox)) == 1


def _wait_until_healthy(prometheus: str) -> None:
    passing = 'trace_monitor_check_verdict{verdict="pass"} == 1'
    wait_until(lambda: len(query(prometheus, passing)) == len(CHECKS) - 1, within=60, what="five passing checks")
    assert query(prometheus, 'ALERTS{alertstate="firing"}') == []


def _break_and_fix(sandbox: SandboxProcess, prometheus: str, alertmanager: Alertmanager) -> None:
    broken_at = time.monotonic()
    sandbox.break_("exporter_disabled")
    wait_until(lambda: _by_the_monitor(sandbox), within=REPORTED_WITHIN, what="the monitor's own message")
    reported_after = time.monotonic() - broken_at
    assert reported_after < REPORTED_WITHIN
    (alert,) = wait_until(lambda: _fault_active(alertmanager), within=20, what="the alert at Alertmanager")
    assert [one["metric"]["severity"] for one in query(prometheus, FAULT_ACTIVE)] == ["critical"]
    assert [receiver["name"] for receiver in alert["receivers"]] == ["nobody"]
    for link, path in {"runbook_url": "/runbooks/exporter_disabled", "dashboard_url": "/targets/demo"}.items():
        url = alert["annotations"][link]
        assert url.startswith("http://localhost:")
        assert url.endswith(path)
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
    sandbox.fix()
    wait_until(
        lambda: "resolved" in str(_by_the_monitor(sandbox)[0]).lower(), within=90, what="the monitor's own resolve"
    )
    wait_until(lambda: not _fault_active(alertmanager), within=30, what="the end of the alert")
    assert query(prometheus, FAULT_ACTIVE) == []
    assert len(_by_the_monitor(sandbox)) == 1
    assert _by_alertmanager(sandbox) == []
