"""`TraceMonitorDown` under Prometheus Operator and under a plain scrape, each by a real Prometheus and the real daemon.

The operator's own code makes the scrape configuration of the chart's PodMonitor or ServiceMonitor, as the API server holds it.
Debian's Prometheus is built without the discovery of Kubernetes: the labels that it would find are taken from the server's objects.

The operator names a job after the PodMonitor or the Service. A rule that asks for another name would not see the daemon fall silent,
and `absent()` would miss it for ever while it answers. So the release has a name of its own here.
"""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import prometheus_running, sandbox_running, write_configuration
from tests.kubernetes.cluster import CHART, ROOT, Cluster, said
from tools.processes import TRACE_MONITOR, free_ports, is_well, running, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Object = dict[str, Any]

ALERT = "TraceMonitorDown"
RELEASE = "watch"
NAME = "watch-gateway-trace-monitor"  # of its objects
TOKEN = "read-token-of-the-tests"
SHIPPED = ROOT / "deploy" / "prometheus"
INSTANCE = "127.0.0.1"


@contextmanager
def _daemon(directory: Path, configuration: Object, port: int) -> Iterator[None]:
    """The daemon at this port, with a read token, until the block ends."""
    server = {"host": INSTANCE, "port": port, "read_token": TOKEN}
    path = write_configuration(directory, {**configuration, "server": server})
    with running([TRACE_MONITOR, "run", "--config", str(path)], log=directory / "daemon.log") as program:
        wait_until(lambda: is_well(f"http://{INSTANCE}:{port}/readyz"), within=30, what="the daemon", program=program)
        yield


def _rules(directory: Path, groups: Object) -> str:
    """The shipped rules, with an alert that waits for seconds instead of minutes; more than the first scrape takes."""
    (alert,) = [rule for group in groups["groups"] for rule in group["rules"] if rule.get("alert") == ALERT]
    alert["for"] = "6s"
    path = directory / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": groups["groups"]}))
    return str(path)


# --- who scrapes: each takes the daemon's port and returns Prometheus' configuration ---------------------------------


def _installed(cluster: Cluster, namespace: str, kind: str, port: int) -> str:
    """A release with this kind of monitor; the operator's configuration for it."""
    values = {
        "config": {"server": {"port": port}},
        "existingSecret": "",
        "metrics": {kind: {"enabled": True}, "interval": "1s", "scrapeTimeout": "1s"},
        "prometheusRule": {"enabled": True},
        "secret": {"values": {"server__read_token": TOKEN}},
    }
    minimal = str(CHART / "ci" / "minimal-values.yaml")
    cluster.helm("install", RELEASE, str(CHART), "--namespace", namespace, "--values", minimal, values=values)
    objects = [cluster.get(namespace, name, NAME) for name in (kind.lower(), "secret")]
    asked = ["configure", "-prometheus-version", _version()]
    return cluster.components.operator(*asked, given="\n---\n".join(map(json.dumps, objects)))


def _version() -> str:
    found = re.search(r"version (\d+\.\d+\.\d+)", said(["prometheus", "--version"]))
    assert found
    return found[1]


def _discovered(cluster: Cluster, namespace: str) -> dict[str, str]:
    """What Prometheus' discovery of Kubernetes says of the pod and of the endpoint behind the Service."""
    pod, service = cluster.pod(namespace, NAME), cluster.get(namespace, "service", NAME)
    (container,) = pod["spec"]["containers"]
    (port,) = container["ports"]
    found = {
        "__address__": f"{INSTANCE}:{port['containerPort']}",
        "namespace": namespace,
        "pod_name": NAME,
        "pod_phase": "Running",
        "pod_container_name": container["name"],
        "pod_container_port_name": port["name"],
        "service_name": NAME,
        "endpoint_port_name": service["spec"]["ports"][0]["name"],
        "endpoint_address_target_kind": "Pod",
        "endpoint_address_target_name": NAME,
    }
    for kind, labels in (("pod", pod["metadata"]["labels"]), ("service", service["metadata"]["labels"])):
        for name, value in labels.items():
            plain = re.sub(r"\W", "_", name)
            found |= {f"{kind}_label_{plain}": value, f"{kind}_labelpresent_{plain}": "true"}
    return {name if name.startswith("__") else f"__meta_kubernetes_{name}": value for name, value in found.items()}


def _by_the_operator(cluster: Cluster, namespace: str, directory: Path, kind: str, port: int) -> Object:
    text = _installed(cluster, namespace, kind, port)
    # In a pod of the operator's its sidecar puts these in.
    configuration: Object = yaml.safe_load(text.replace("$(SHARD)", "0").replace("$(POD_NAME)", "prometheus-0"))
    (scrape,) = configuration["scrape_configs"]
    (discovery,) = scrape.pop("kubernetes_sd_configs")
    assert discovery["namespaces"]["names"] == [namespace]
    labels = _discovered(cluster, namespace)
    scrape["static_configs"] = [{"targets": [labels.pop("__address__")], "labels": labels}]
    rule = cluster.get(namespace, "prometheusrule", NAME)["spec"]
    return configuration | {"rule_files": [_rules(directory, rule)]}


def _pod_monitor(cluster: Cluster, namespace: str, directory: Path, port: int) -> Object:
    return _by_the_operator(cluster, namespace, directory, "podMonitor", port)


def _service_monitor(cluster: Cluster, namespace: str, directory: Path, port: int) -> Object:
    return _by_the_operator(cluster, namespace, directory, "serviceMonitor", port)


def _plain(_cluster: Cluster, _namespace: str, directory: Path, port: int) -> Object:
    """deploy/prometheus/scrape.yml, faster, with the address and the token filled in."""
    configuration: Object = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
    configuration["global"]["evaluation_interval"] = "1s"
    (scrape,) = configuration["scrape_configs"]
    scrape |= {"scrape_interval": "1s", "scrape_timeout": "1s", "authorization": {"credentials": TOKEN}}
    scrape["static_configs"][0]["targets"] = [f"{INSTANCE}:{port}"]
    rules = yaml.safe_load((SHIPPED / "rules.yml").read_text())
    return configuration | {"rule_files": [_rules(directory, rules)]}


# --- what Prometheus says --------------------------------------------------------------------------------------------


def _ask(prometheus: str, path: str) -> Any:
    with urllib.request.urlopen(f"{prometheus}/api/v1/{path}", timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)["data"]


def _alert(prometheus: str) -> Object:
    """The alert: when it was evaluated last, and what came of it."""
    groups = _ask(prometheus, "rules?type=alert")["groups"]
    (rule,) = [rule for group in groups for rule in group["rules"] if rule["name"] == ALERT]
    return dict(rule)


def _labels(prometheus: str, metric: str) -> list[dict[str, str]]:
    return [row["metric"] for row in _ask(prometheus, f"query?query={metric}")["result"]]


def _becomes(prometheus: str, state: str) -> Object:
    def reached() -> Object | None:
        alert = _alert(prometheus)
        return alert if alert["state"] == state else None

    return wait_until(reached, within=40, what=f"{ALERT} {state}")


def _stays_quiet(prometheus: str, evaluations: int) -> None:
    seen: dict[str, str] = {}

    def enough() -> bool:
        alert = _alert(prometheus)
        seen[alert["lastEvaluation"]] = alert["state"]
        return len(seen) > evaluations

    wait_until(enough, within=40, what="more evaluations")
    assert set(seen.values()) == {"inactive"}


@pytest.mark.parametrize(
    ("scraped", "instance"),
    [
        (_pod_monitor, "watch-gateway-trace-monitor.{namespace}.svc:9797"),
        (_service_monitor, "watch-gateway-trace-monitor.{namespace}.svc:9797"),
        (_plain, "127.0.0.1:{port}"),
    ],
)
def test_it_fires_while_the_daemon_is_silent_and_only_then(
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
    scraped: Callable[[Cluster, str, Path, int], Object],
    instance: str,
) -> None:
    """It answers, is stopped and answers again: inactive, firing, inactive, under the labels that rules and pages count on."""
    port = free_ports()
    configuration = scraped(cluster, namespace, tmp_path, port)
    named = {"job": "trace-monitor", "instance": instance.format(namespace=namespace, port=port)}
    with sandbox_running(tmp_path) as sandbox, prometheus_running(tmp_path, configuration) as prometheus:
        with _daemon(tmp_path, sandbox.configuration(), port):
            wait_until(lambda: _labels(prometheus, "up==1"), within=40, what="a scrape")
            _becomes(prometheus, "inactive")
            _stays_quiet(prometheus, evaluations=5)
            (up,) = _labels(prometheus, "up")
            assert up.items() >= named.items()
            for series in _labels(prometheus, '{__name__=~"trace_monitor_.%2B"}'):
                assert series.items() >= named.items()
                assert not any(label.startswith("exported_") for label in series)
        fired = _becomes(prometheus, "firing")
        (alert,) = fired["alerts"]
        assert alert["labels"]["severity"] == "critical"
        assert alert["labels"].items() >= named.items()
        with _daemon(tmp_path, sandbox.configuration(), port):
            _becomes(prometheus, "inactive")
