"""`TraceMonitorDown` under Prometheus Operator and under a plain scrape, each by a real Prometheus and the real daemon.

The operator's own code makes the scrape configuration of the chart's PodMonitor or ServiceMonitor, as the API server holds it.
Debian's Prometheus is built without the discovery of Kubernetes: the labels that it would find are taken from the server's objects.

The operator names a job after the PodMonitor or the Service. A rule that asks for another name would not see the daemon fall silent,
and `absent()` would miss it for ever while it answers. So the releases have names of their own here.
"""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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


# --- three ways to scrape: each takes the daemon's port and makes Prometheus' configuration -------------------------


def _installed(cluster: Cluster, namespace: str, kind: str, port: int) -> tuple[str, str]:
    """A release with this kind of monitor: what its objects are called, and the operator's configuration for it."""
    values = {
        "config": {"server": {"port": port}},
        "existingSecret": "",
        "metrics": {kind: {"enabled": True}, "interval": "1s", "scrapeTimeout": "1s"},
        "prometheusRule": {"enabled": True},
        "secret": {"values": {"server__read_token": TOKEN}},
    }
    release, minimal = kind.lower(), str(CHART / "ci" / "minimal-values.yaml")
    cluster.helm("install", release, str(CHART), "--namespace", namespace, "--values", minimal, values=values)
    name = f"{release}-gateway-trace-monitor"
    objects = [cluster.get(namespace, each, name) for each in (kind.lower(), "secret")]
    asked = ["configure", "-prometheus-version", _version()]
    return name, cluster.components.operator(*asked, given="\n---\n".join(map(json.dumps, objects)))


def _version() -> str:
    found = re.search(r"version (\d+\.\d+\.\d+)", said(["prometheus", "--version"]))
    assert found
    return found[1]


def _discovered(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """What Prometheus' discovery of Kubernetes says of the pod and of the endpoint behind the Service."""
    pod, service = cluster.pod(namespace, name), cluster.get(namespace, "service", name)
    (container,) = pod["spec"]["containers"]
    (port,) = container["ports"]
    found = {
        "__address__": f"{INSTANCE}:{port['containerPort']}",
        "namespace": namespace,
        "pod_name": name,
        "pod_phase": "Running",
        "pod_container_name": container["name"],
        "pod_container_port_name": port["name"],
        "service_name": name,
        "endpoint_port_name": service["spec"]["ports"][0]["name"],
        "endpoint_address_target_kind": "Pod",
        "endpoint_address_target_name": name,
    }
    for kind, labels in (("pod", pod["metadata"]["labels"]), ("service", service["metadata"]["labels"])):
        for label, value in labels.items():
            plain = re.sub(r"\W", "_", label)
            found |= {f"{kind}_label_{plain}": value, f"{kind}_labelpresent_{plain}": "true"}
    return {key if key.startswith("__") else f"__meta_kubernetes_{key}": value for key, value in found.items()}


def _by_the_operator(cluster: Cluster, namespace: str, directory: Path, kind: str, port: int) -> tuple[Object, str]:
    """The configuration, and the instance that the series are to name: the Service, whatever the pod."""
    name, text = _installed(cluster, namespace, kind, port)
    # In a pod of the operator's its sidecar puts these in.
    configuration: Object = yaml.safe_load(text.replace("$(SHARD)", "0").replace("$(POD_NAME)", "prometheus-0"))
    (scrape,) = configuration["scrape_configs"]
    (discovery,) = scrape.pop("kubernetes_sd_configs")
    assert discovery["namespaces"]["names"] == [namespace]
    labels = _discovered(cluster, namespace, name)
    scrape["static_configs"] = [{"targets": [labels.pop("__address__")], "labels": labels}]
    rules = cluster.get(namespace, "prometheusrule", name)["spec"]
    return configuration | {"rule_files": [_rules(directory, rules)]}, f"{name}.{namespace}.svc:9797"


def _plain(directory: Path, port: int) -> tuple[Object, str]:
    """deploy/prometheus/scrape.yml, faster, with the address and the token filled in."""
    configuration: Object = yaml.safe_load((SHIPPED / "scrape.yml").read_text())
    configuration["global"]["evaluation_interval"] = "1s"
    (scrape,) = configuration["scrape_configs"]
    scrape |= {"scrape_interval": "1s", "scrape_timeout": "1s", "authorization": {"credentials": TOKEN}}
    scrape["static_configs"][0]["targets"] = [f"{INSTANCE}:{port}"]
    rules = yaml.safe_load((SHIPPED / "rules.yml").read_text())
    return configuration | {"rule_files": [_rules(directory, rules)]}, f"{INSTANCE}:{port}"


# --- what Prometheus says --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraper:
    """A Prometheus that scrapes the daemon, and the labels by which rules and pages are to know it."""

    how: str
    url: str
    labels: dict[str, str]

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)["data"]

    def alert(self) -> Object:
        """The alert: when it was evaluated last, and what came of it."""
        groups = self._ask("rules?type=alert")["groups"]
        (rule,) = [rule for group in groups for rule in group["rules"] if rule["name"] == ALERT]
        return dict(rule)

    def series(self, selector: str) -> list[dict[str, str]]:
        """The labels of each."""
        query = urllib.parse.urlencode({"query": selector})
        return [row["metric"] for row in self._ask(f"query?{query}")["result"]]

    def comes_through(self) -> None:
        """Wait for a scrape that succeeds."""
        wait_until(lambda: self.series("up == 1"), within=40, what=f"{self.how}: a scrape")

    def becomes(self, state: str) -> Object:
        """Wait for a state of the alert."""

        def reached() -> Object | None:
            alert = self.alert()
            return alert if alert["state"] == state else None

        return wait_until(reached, within=40, what=f"{self.how}: {ALERT} {state}")

    def stays_quiet(self, evaluations: int) -> None:
        """The alert is evaluated so many times, and is inactive each time."""
        seen: dict[str, str] = {}

        def enough() -> bool:
            alert = self.alert()
            seen[alert["lastEvaluation"]] = alert["state"]
            return len(seen) > evaluations

        wait_until(enough, within=40, what=f"{self.how}: more evaluations")
        assert set(seen.values()) == {"inactive"}, self.how


@pytest.fixture
def port() -> int:
    """Where the daemon listens, now and then."""
    return free_ports()


@pytest.fixture
def scrapers(cluster: Cluster, namespace: str, tmp_path: Path, port: int) -> Iterator[list[Scraper]]:
    """The same daemon, scraped in each way by a Prometheus of its own."""
    makers: dict[str, Callable[[Path], tuple[Object, str]]] = {
        "PodMonitor": lambda directory: _by_the_operator(cluster, namespace, directory, "podMonitor", port),
        "ServiceMonitor": lambda directory: _by_the_operator(cluster, namespace, directory, "serviceMonitor", port),
        "scrape.yml": lambda directory: _plain(directory, port),
    }
    with ExitStack() as stack:
        found = []
        for how, make in makers.items():
            directory = tmp_path / how
            directory.mkdir()
            configuration, instance = make(directory)
            url = stack.enter_context(prometheus_running(directory, configuration))
            found.append(Scraper(how=how, url=url, labels={"job": "trace-monitor", "instance": instance}))
        yield found


def test_it_fires_while_the_daemon_is_silent_and_only_then(scrapers: list[Scraper], tmp_path: Path, port: int) -> None:
    """It answers, is stopped and answers again: inactive, firing, inactive, under the labels that rules and pages count on."""
    with sandbox_running(tmp_path) as sandbox:
        with _daemon(tmp_path, sandbox.configuration(), port):
            for scraper in scrapers:
                scraper.comes_through()
                scraper.becomes("inactive")
                scraper.stays_quiet(evaluations=3)
                (up,) = scraper.series("up")
                for series in [up, *scraper.series('{__name__=~"trace_monitor_.+"}')]:
                    assert series.items() >= scraper.labels.items()
                    assert not any(label.startswith("exported_") for label in series)
        for scraper in scrapers:
            (alert,) = scraper.becomes("firing")["alerts"]
            assert alert["labels"]["severity"] == "critical"
            assert alert["labels"].items() >= scraper.labels.items()
        with _daemon(tmp_path, sandbox.configuration(), port):
            for scraper in scrapers:
                scraper.becomes("inactive")
