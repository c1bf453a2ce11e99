"""`trace-monitor sandbox`: the four remote services, for trying things out."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from monitor.cli import main
from monitor.core.model import TargetName
from monitor.settings import parse

Out = pytest.CaptureFixture[str]
HOSTS = 5


def _free_ports() -> int:
    """The first of five ports in a row that are free now."""
    for base in range(21_000, 30_000, 50):
        try:
            held = [socket.create_server(("127.0.0.1", base + place)) for place in range(HOSTS)]
        except OSError:
            continue
        for each in held:
            each.close()
        return base
    raise AssertionError("no five free ports in a row")


def test_it_prints_how_to_be_watched_and_ends_when_asked_to() -> None:
    """One JSON object on stdout: where it can be broken, and the configuration of a monitor; SIGTERM is 0."""
    base = _free_ports()
    command = [
        sys.executable,
        "-m",
        "monitor",
        "sandbox",
        "--port-base",
        str(base),
        "--dialect",
        "off=404",
        "--traffic",
        "5x2x2000",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        printed = json.loads("".join(lines))
        with urllib.request.urlopen(f"{printed['control']}/state", timeout=5) as answered:  # noqa: S310 - loopback
            state = json.load(answered)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        said = process.stderr.read()
    assert state["dialect"]["off"] == "404"
    assert state["traffic"] == {"requests_per_second": 5.0, "spans": 2, "span_bytes": 2000}
    settings = parse(json.dumps(printed["configuration"]), {}, Path("/nowhere")).settings
    assert set(settings.targets) == {"demo"}
    ports = {url.rpartition(":")[2] for url in state["urls"].values()}
    assert ports == {str(base + place) for place in range(HOSTS)}
    assert f"POST {printed['control']}/faults/NAME breaks it" in said


def test_a_port_that_is_taken_is_said_to_be_so(capsys: Out) -> None:
    """One line, exit 2."""
    port = _free_ports()
    with socket.create_server(("127.0.0.1", port)):
        assert main(["sandbox", "--port-base", str(port)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"--port-base {port}: Address already in use\n"


def test_it_listens_by_the_name_that_it_is_given_and_nowhere_else() -> None:
    """Its URLs say the name; another address of the same machine is refused."""
    base = _free_ports()
    command = [sys.executable, "-m", "monitor", "sandbox", "--host", "localhost", "--port-base", str(base)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        printed = json.loads("".join(lines))
        with urllib.request.urlopen(f"{printed['control']}/state", timeout=5) as answered:  # noqa: S310 - loopback
            urls = json.load(answered)["urls"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", base), timeout=5)
        process.terminate()
        assert process.wait(10) == 0
    assert set(urls.values()) == {f"http://localhost:{base + place}" for place in range(HOSTS)}


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-name.invalid"])
def test_a_host_that_is_another_machine_is_refused(host: str, capsys: Out) -> None:
    """One line, exit 2."""
    assert main(["sandbox", "--host", host, "--port-base", str(_free_ports())]) == 2
    assert capsys.readouterr().err.startswith(f"--host {host}: is no name or address of this machine (")


def test_a_dialect_that_nobody_speaks_is_refused(capsys: Out) -> None:
    """With what was meant, perhaps."""
    assert main(["sandbox", "--dialect", "of=404"]) == 2
    assert capsys.readouterr().err.startswith("--dialect: no switch 'of' (did you mean 'off'?); there are ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port-base", "70000"], "argument --port-base: must be a port from 1 to 655"),
        (["--port-base", "65535"], "argument --port-base: must be a port from 1 to 655"),
        (["--port-base", "0"], "argument --port-base: must be a port"),
        (["--port-base", "http"], "argument --port-base: must be a port"),
        (["--time-factor", "0"], "argument --time-factor: must be a number above 0"),
        (["--time-factor", "-1"], "argument --time-factor: must be a number above 0"),
        (["--time-factor", "nan"], "argument --time-factor: must be a number above 0"),
        (["--time-factor", "fast"], "argument --time-factor: must be a number above 0"),
        (["--traffic", "20y3"], "argument --traffic: traffic cannot be '20y3'; it is requests a second (0 to 2000)"),
        (["--traffic", "20x0"], "argument --traffic: traffic cannot be '20.0x0x8000'; it is requests a second"),
    ],
)
def test_numbers_that_cannot_be_are_refused(words: list[str], said: str, capsys: Out) -> None:
    """With 2, before anything listens."""
    with pytest.raises(SystemExit) as end:
        main(["sandbox", *words])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_phoenix_has_no_traffic_of_others(capsys: Out) -> None:
    """Said at once, instead of traffic that nobody sees."""
    assert main(["sandbox", "--backend", "phoenix", "--traffic", "5"]) == 2
    assert capsys.readouterr().err.startswith("--traffic: other people's traffic is made for Traceloop only;")


@pytest.mark.parametrize(
    ("backend", "keys"),
    [("phoenix", {"url", "project", "api_key"}), ("phoenix-without-authentication", {"url", "project"})],
)
def test_phoenix_can_be_tried(backend: str, keys: set[str]) -> None:
    """Its configuration is of a target with Phoenix, and faults of the read API break what that is asked."""
    command = [sys.executable, "-m", "monitor", "sandbox", "--backend", backend, "--port-base", str(_free_ports())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
        printed = json.loads("".join(lines))
        target = parse(json.dumps(printed["configuration"]), {}, Path("/nowhere")).settings.targets[TargetName("demo")]
        broken = urllib.request.Request(f"{printed['control']}/faults/read_api_failing", method="POST")  # noqa: S310
        urllib.request.urlopen(broken, timeout=5).close()  # noqa: S310 - loopback
        with pytest.raises(HTTPError, match="500"):
            urllib.request.urlopen(f"{target.backend.url}/v1/projects/gateway/spans", timeout=5)  # noqa: S310
        process.terminate()
        assert process.wait(10) == 0
    assert set(printed["configuration"]["targets"]["demo"]["phoenix"]) == keys
