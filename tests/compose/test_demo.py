"""The demo, as `podman-compose up` runs it: the exporter breaks and is repaired, and every part shows it.

Only `deploy/compose/test.sh` can run this: it makes the names of the services lead here.
"""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.processes import is_well, running, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose"
FILES = [f"--file={COMPOSE / name}" for name in ("compose.yaml", "compose.demo.yaml", "compose.host.yaml")]
OURS = ("sandbox", "monitor", "story")
"""The services of the image that can be had here."""
BREAK_AFTER, REPAIR_AFTER = 40, 25
CHOSEN = {
    "MONITOR_IMAGE": "localhost/gateway-trace-monitor:test",
    "BREAK_AFTER": str(BREAK_AFTER),
    "REPAIR_AFTER": str(REPAIR_AFTER),
}


def _compose(*words: str) -> str:
    command = [
        str(ROOT / ".venv-deploy" / "bin" / "podman-compose"),
        "--in-pod=false",
        "--project-name=trace-monitor-demo",
        *FILES,
        *words,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | CHOSEN)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _patiently(probe: Callable[[], Any], *, within: float, what: str) -> Any:
    """Wait for something of a service that may not answer yet; a container that ended says why."""

    def answered() -> Any:
        try:
            return probe()
        except OSError:
            return None

    try:
        return wait_until(answered, within=within, what=what)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{_compose('logs')[-6000:]}") from None


@contextmanager
def _binary(name: str, service: Mapping[str, Any], directory: Path, ready: str) -> Iterator[None]:
    """A service by this machine's binary: with the flags of the Compose file, its volume a directory."""
    volumes = {each.split(":")[1]: each.split(":")[0] for each in service["volumes"]}
    flags = []
    for word in service["command"]:
        flag, _, value = word.partition("=")
        source = volumes.get(value, "")
        if flag in {"--storage.tsdb.path", "--storage.path"}:
            value = str(directory / name)
        elif source.startswith("."):
            value = str(COMPOSE / source) if name == "prometheus-alertmanager" else value
        flags.append(f"{flag}={value}")
    with running([name, *flags], log=directory / f"{name}.log") as program:
        wait_until(lambda: is_well(ready), within=30, what=name, program=program)
        yield


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All of it but Grafana."""
    directory = tmp_path_factory.mktemp("stack")
    services = yaml.safe_load(_compose("config"))["services"]
    with ExitStack() as held:
        for name, service, port in (
            ("prometheus", "prometheus", 9090),
            ("prometheus-alertmanager", "alertmanager", 9093),
        ):
            held.enter_context(_binary(name, services[service], directory, f"http://{service}:{port}/-/ready"))
        held.callback(_compose, "down", "--timeout=10", "--volumes")
        _compose("up", "--detach", "--no-build", *OURS)
        yield


def _query(expression: str) -> list[dict[str, Any]]:
    """What Grafana would be answered: by the address in its provisioned data source."""
    provisioned = yaml.safe_load((COMPOSE / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    (source,) = provisioned["datasources"]
    answer = _get(f"{source['url']}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def _receivers(alert: str) -> list[str]:
    """To whom Alertmanager gives an alert."""
    return [
        receiver["name"]
        for each in _get("http://alertmanager:9093/api/v2/alerts")
        if each["labels"]["alertname"] == alert
        for receiver in each["receivers"]
    ]


def _root() -> str:
    """The newest message in the sandbox's Slack that is no answer in a thread."""
    messages = [each for each in _get("http://sandbox:9804/messages") if not each.get("thread_ts")]
    return str(messages[-1]["text"]) if messages else ""


@pytest.mark.usefixtures("stack")
def test_the_demo_shows_the_whole_path() -> None:
    """Healthy, broken, repaired: on the page, in Prometheus, in Alertmanager and in Slack; each alert where the routes send it."""
    _patiently(lambda: is_well("http://monitor:9797/readyz"), within=30, what="the monitor")
    healthcheck = ["podman", "healthcheck", "run", "trace-monitor-demo_monitor_1"]
    assert subprocess.run(healthcheck, capture_output=True, check=False).returncode == 0
    healthy = 'trace_monitor_target_severity{target="demo"} == 0'
    _patiently(lambda: _query(healthy), within=40, what="the target in Prometheus")

    _patiently(lambda: "exporter_disabled" in _root(), within=BREAK_AFTER + 30, what="the message in Slack")
    assert "http://localhost:9797/" in json.dumps(_get("http://sandbox:9804/messages"))
    _patiently(lambda: _receivers("GatewayTraceIncident") == ["on-call"], within=30, what="the incident's alert")
    _patiently(lambda: _receivers("GatewayTraceFaultActive") == ["nobody"], within=60, what="the rule's alert")

    _patiently(lambda: "resolved" in _root(), within=REPAIR_AFTER + 90, what="the end of the incident")
    assert _get("http://monitor:9797/api/v1/status")["targets"]["demo"]["verdict"] == "pass"
    said = _compose("logs", "story")
    assert said.index("The exporter is off (exporter_disabled)") < said.index("The exporter is on again.")
