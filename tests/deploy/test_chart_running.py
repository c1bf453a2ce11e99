"""The daemon with what the chart renders for it, laid out as kubelet does: `make chart-test`."""

import base64
import signal
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.chart import Helm, Rendered, installed, merged
from tools.processes import TRACE_MONITOR, free_ports, is_well, running, wait_until

pytestmark = pytest.mark.e2e

TOKEN = "read-Secret-3"


def _values(port: int, *targets: str) -> dict[str, Any]:
    """Targets whose services are a closed port."""
    target = {
        "control_plane": {"url": "http://127.0.0.1:9"},
        "gateway": {"model": "mock/model"},
        "traceloop": {"url": "http://127.0.0.1:9", "environment": "prd"},
    }
    keys = {f"targets__{name}__control_plane__token": "tfy-Secret-1" for name in targets}
    keys |= {f"targets__{name}__traceloop__api_key": "tl_Secret_2" for name in targets}
    return {
        "config": {"server": {"port": port}, "targets": dict.fromkeys(targets, target)},
        "secret": {"values": {**keys, "server__read_token": TOKEN}},
    }


def _mount(directory: Path, files: Mapping[str, bytes], generation: int) -> None:
    """A volume of a ConfigMap or a Secret: each file is a link through `..data`, which is swapped as a whole."""
    data = directory / f"..{generation}"
    data.mkdir(parents=True)
    for name, content in files.items():
        (data / name).write_bytes(content)
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data_tmp").symlink_to(data.name)
    (directory / "..data_tmp").rename(directory / "..data")


def _mount_all(directory: Path, rendered: Rendered, generation: int) -> None:
    secret = {key: base64.b64decode(text) for key, text in rendered.one("Secret")["data"].items()}
    _mount(directory / "secrets", secret, generation)
    _mount(
        directory / "config",
        {key: text.encode() for key, text in rendered.one("ConfigMap")["data"].items()},
        generation,
    )


def _metrics(url: str, token: str) -> str:
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        text: str = answer.read().decode()
    return text


def test_the_daemon_lives_as_its_pod_would(tmp_path: Path) -> None:
    """It answers its probes, is scraped with the token of the Secret, takes a swapped volume into use, and ends in time."""
    helm = Helm(installed("helm"), tmp_path / "helm")
    port = free_ports(1)
    values = _values(port, "prod")
    before, after = helm.template(values), helm.template(merged(values, _values(port, "prod", "second")))
    assert before.monitor == after.monitor  # so nothing restarts it
    (container,) = before.monitor["spec"]["containers"]
    environment = {
        each["name"]: each["value"].replace("/etc/trace-monitor", str(tmp_path)).replace("/data", str(tmp_path))
        for each in container["env"]
    } | {"TRACE_MONITOR_SERVER__HOST": "127.0.0.1"}
    _mount_all(tmp_path, before, 1)
    url = f"http://127.0.0.1:{container['ports'][0]['containerPort']}"
    command = [TRACE_MONITOR, *container["args"]]
    with running(command, log=tmp_path / "daemon.log", environment=environment) as program:
        paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        wait_until(lambda: all(is_well(url + path) for path in paths), within=30, what="the probes", program=program)
        endpoint = helm.template(merged(values, {"metrics": {"podMonitor": {"enabled": True}}})).one("PodMonitor")
        key = endpoint["spec"]["podMetricsEndpoints"][0]["authorization"]["credentials"]["key"]
        token = (tmp_path / "secrets" / key).read_text()
        assert 'target="second"' not in _metrics(url, token)
        _mount_all(tmp_path, after, 2)
        wait_until(lambda: 'target="second"' in _metrics(url, token), within=30, what="the reload", program=program)
        program.process.send_signal(signal.SIGTERM)
        program.process.wait(timeout=before.monitor["spec"]["terminationGracePeriodSeconds"])
    assert program.process.returncode == 0, program.said()
    assert not any(secret in program.said() for secret in ("Secret-1", "Secret_2", TOKEN))
