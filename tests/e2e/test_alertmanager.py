"""A real Alertmanager is posted the monitor's incidents, and notifies a receiver of what on-call would receive."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import (
    ROOT,
    SandboxProcess,
    alertmanager_running,
    daemon_killed,
    daemon_running,
    receiver_running,
)
from tools.processes import free_ports, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

INCIDENT = {"alertname": "GatewayTraceIncident", "target": "demo"}
OFTEN = {"every": "1s", "every_while_failing": "1s", "timeout": "1s"}
CHECKS = {
    "config": OFTEN,
    "gateway": OFTEN,
    **{name: {"enabled": False} for name in ("canary", "arrival", "control", "origin")},
}
Posts = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def fixed(sandbox: SandboxProcess) -> Iterator[None]:
    """Each test finds the sandbox healthy."""
    sandbox.fix()
    yield
    sandbox.fix()


def _routing(hook: str) -> dict[str, Any]:
    """Everything at once to one receiver, and again only after an hour; an alert without an end would end after a second."""
    return {
        "global": {"resolve_timeout": "1s"},
        "route": {"receiver": "hook", "group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": f"{hook}/hook", "send_resolved": True}]}],
    }


def _configuration(sandbox: SandboxProcess, *urls: str) -> dict[str, Any]:
    configuration = sandbox.configuration()
    configuration["targets"]["demo"]["checks"] = CHECKS
    return {**configuration, "alerting": {"alertmanager": {"urls": list(urls)}}}


def _heard(posts: Posts) -> list[tuple[str, str]]:
    """What the receiver received: status and fault of each alert."""
    return [
        (alert["status"], alert["annotations"].get("fault", alert["labels"]["alertname"]))
        for _, body in posts
        for alert in body["alerts"]
    ]


def _wait_for(posts: Posts, *expected: tuple[str, str], within: float = 40) -> None:
    wait_until(lambda: len(_heard(posts)) >= len(expected), within=within, what=f"{expected} at the receiver")
    assert _heard(posts) == list(expected)


def test_one_incident_is_one_alert_whatever_becomes_of_it(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Two instances, another name, a higher severity, the monitor killed and started again: opened once, resolved once."""
    first = free_ports(4)
    quick = ("--cluster.peer-timeout=2s", "--cluster.gossip-interval=50ms")
    peers = [f"127.0.0.1:{first + 2 + number}" for number in range(2)]
    with ExitStack() as stack:
        hook, posts = stack.enter_context(receiver_running())
        one, two = (
            stack.enter_context(
                alertmanager_running(
                    tmp_path,
                    _routing(hook),
                    port=first + number,
                    cluster=(
                        f"--cluster.listen-address={peers[number]}",
                        *(f"--cluster.peer={peer}" for peer in peers[:number]),
                        *quick,
                    ),
                )
            )
            for number in range(2)
        )
        configuration = _configuration(sandbox, one.url, two.url)
        with daemon_killed(tmp_path, configuration):
            sandbox.break_("config_drift_header")
            _wait_for(posts, ("firing", "config_drift"))
            sandbox.break_("gateway_unreachable")
            for instance in (one, two):
                wait_until(
                    lambda instance=instance: (
                        [alert["annotations"]["fault"] for alert in instance.alerts()]  # type: ignore[misc]
                        == ["gateway_unreachable"]
                    ),
                    within=30,
                    what="the other name",
                )
        (alert,) = one.alerts()
        assert alert["labels"] == INCIDENT
        assert alert["annotations"]["severity"] == "critical"
        assert datetime.fromisoformat(alert["endsAt"]) > datetime.now(UTC) + timedelta(minutes=14)
        with daemon_running(tmp_path, configuration):
            sandbox.fix()
            wait_until(lambda: one.alerts() == two.alerts() == [], within=40, what="the end")
            _wait_for(posts, ("firing", "config_drift"), ("resolved", "gateway_unreachable"))
        assert {path for path, _ in posts} == {"/hook"}


def test_an_alertmanager_that_forgets_is_notified_again(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """It is restarted: within a minute it knows the incident again, and nobody received that it was over, or received it twice."""
    port = free_ports(1)
    with receiver_running() as (hook, posts), ExitStack() as stack:
        with alertmanager_running(tmp_path, _routing(hook), port=port) as manager:
            stack.enter_context(daemon_running(tmp_path, _configuration(sandbox, manager.url)))
            sandbox.break_("config_drift_header")
            _wait_for(posts, ("firing", "config_drift"))
        with alertmanager_running(tmp_path, _routing(hook), port=port) as manager:
            assert manager.alerts() == []
            wait_until(manager.alerts, within=75, what="the alert")
            sandbox.fix()
            _wait_for(posts, ("firing", "config_drift"), ("resolved", "config_drift"))


def test_nobody_is_paged_twice_by_the_shipped_routes(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """What the rules say of an incident goes nowhere, what they say of the monitor itself does not: the routes as they are."""
    configuration = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alertmanager.yml").read_text())
    with receiver_running() as (hook, posts):
        del configuration["global"]["slack_api_url_file"]
        configuration["receivers"] = [
            {"name": "nobody"},
            *(
                {"name": name, "webhook_configs": [{"url": f"{hook}/{name}"}]}
                for name in ("on-call", "channel", "self-test")
            ),
        ]
        configuration["route"] |= {"group_wait": "1s", "group_interval": "1s"}
        with alertmanager_running(tmp_path, configuration) as manager:
            _post_as_prometheus(manager.url, "GatewayTraceFaultActive", "TraceMonitorBlind", "TraceMonitorCheckFailed")
            with daemon_running(tmp_path, _configuration(sandbox, manager.url)):
                sandbox.break_("config_drift_header")
                _wait_for(posts, ("firing", "config_drift"))
                _post_as_prometheus(manager.url, "TraceMonitorNoticesPending")
                _wait_for(posts, ("firing", "config_drift"), ("firing", "TraceMonitorNoticesPending"))
            assert len(manager.alerts()) == 5
        assert {path for path, _ in posts} == {"/on-call"}


def _post_as_prometheus(url: str, *names: str) -> None:
    """Rules that fire for a while."""
    labels = {"job": "trace-monitor", "instance": "127.0.0.1:9797", "target": "demo", "severity": "critical"}
    ends_at = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    alerts = [{"labels": {**labels, "alertname": name}, "endsAt": ends_at} for name in names]
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        assert answer.status == 200
