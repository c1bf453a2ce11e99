"""The pieces of an end-to-end run, each a process of its own: sandbox, monitor, a foreign gateway, foreign clients."""

import json
import secrets
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.processes import TRACE_MONITOR, free_ports, is_well, running, wait_until

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv-clients" / "bin" / "python"
PHOENIX = ROOT / ".venv-phoenix" / "bin" / "phoenix"
LITELLM = ROOT / ".venv-gateway" / "bin" / "litellm"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProcess:
    """The sandbox, as somebody outside sees it: its control API."""

    control_url: str

    def get(self, path: str) -> Any:
        """Ask the control API."""
        return _json("GET", self.control_url + path)

    def break_(self, fault: str) -> None:
        """Set a fault."""
        _json("POST", f"{self.control_url}/faults/{fault}")

    def fix(self) -> None:
        """Clear every fault."""
        _json("DELETE", f"{self.control_url}/faults")

    def configuration(self) -> dict[str, Any]:
        """A monitor's configuration for this sandbox, with target `demo`."""
        configuration: dict[str, Any] = self.get("/configuration")
        return configuration


def _json(method: str, url: str) -> Any:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)


@contextmanager
def sandbox_running(directory: Path, *options: str) -> Iterator[SandboxProcess]:
    """Run the sandbox on free ports: its five hosts in a row, the control API last."""
    base = free_ports(5)
    control_url = f"http://127.0.0.1:{base + 4}"
    with running(
        [TRACE_MONITOR, "sandbox", "--port-base", str(base), *options], log=directory / "sandbox.log"
    ) as program:
        wait_until(lambda: is_well(f"{control_url}/state"), within=15, what="the sandbox", program=program)
        yield SandboxProcess(control_url=control_url)


def write_configuration(directory: Path, configuration: dict[str, Any]) -> Path:
    """Put a configuration where the monitor can read it, with a state file beside it."""
    path = directory / "trace-monitor.yaml"
    path.write_text(yaml.safe_dump({"state": {"path": str(directory / "state.db")}, **configuration}))
    return path


def check(configuration: Path, *options: str, timeout: float = 120) -> tuple[int, dict[str, Any]]:
    """`trace-monitor check --format json`: its exit code and its report."""
    ended = subprocess.run(
        [TRACE_MONITOR, "check", "--config", str(configuration), "--format", "json", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def _at_port(configuration: dict[str, Any], port: int) -> dict[str, Any]:
    return {**configuration, "server": {**configuration.get("server", {}), "host": "127.0.0.1", "port": port}}


@contextmanager
def daemon_running(directory: Path, configuration: dict[str, Any], *, port: int | None = None) -> Iterator[str]:
    """Run the daemon until the block ends, which it must survive; yields its address."""
    port = port or free_ports(1)
    path = write_configuration(directory, _at_port(configuration, port))
    url = f"http://127.0.0.1:{port}"
    with running([TRACE_MONITOR, "run", "--config", str(path)], log=directory / "daemon.log") as program:
        wait_until(lambda: is_well(f"{url}/readyz"), within=15, what="the daemon", program=program)
        yield url
        assert program.process.poll() is None, program.said()
    assert program.process.returncode == 0, program.said()


@contextmanager
def daemon_killed(directory: Path, configuration: dict[str, Any], *, port: int | None = None) -> Iterator[None]:
    """Run the daemon while the block runs, then kill it in the midst of whatever it does."""
    path = write_configuration(directory, _at_port(configuration, port or free_ports(1)))
    with running([TRACE_MONITOR, "run", "--config", str(path)], log=directory / "killed.log") as program:
        yield
        program.process.kill()


@contextmanager
def litellm_running(directory: Path, *, otlp_url: str, key: str, master_key: str) -> Iterator[str]:
    """Run LiteLLM's proxy with a model that costs nothing; it exports to `otlp_url` with `key`. Yields its address."""
    configuration = {
        "model_list": [
            {
                "model_name": "mock-gpt",
                "litellm_params": {"model": "openai/mock-gpt", "api_key": "sk-none", "mock_response": "OK"},
            }
        ],
        "litellm_settings": {"callbacks": ["otel"], "num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }
    path = directory / "litellm.yaml"
    path.write_text(yaml.safe_dump(configuration))
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no price list from the network
        "LITELLM_MASTER_KEY": master_key,
        "NO_DOCS": "True",
        "OTEL_BSP_SCHEDULE_DELAY": "300",  # milliseconds between exports
        "OTEL_ENDPOINT": otlp_url,
        "OTEL_EXPORTER": "otlp_http",
        "OTEL_HEADERS": f"Authorization=Bearer {key}",
        "OTEL_SERVICE_NAME": "tfy-llm-gateway",
    }
    port = free_ports(1)
    command = [str(LITELLM), "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    url = f"http://127.0.0.1:{port}"
    with running(command, log=directory / "litellm.log", environment=environment) as program:
        wait_until(lambda: is_well(f"{url}/health/liveliness"), within=90, what="LiteLLM", program=program)
        yield url


@contextmanager
def prometheus_running(directory: Path, configuration: dict[str, Any]) -> Iterator[str]:
    """Run Prometheus with a configuration; yields its address."""
    path = directory / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    port = free_ports(1)
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with running(command, log=directory / "prometheus.log") as program:
        wait_until(lambda: is_well(f"{url}/-/ready"), within=30, what="Prometheus", program=program)
        yield url


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoenixProcess:
    """A running Phoenix; with authentication, its administrator's secret."""

    url: str
    secret: str | None = None

    def create_key(self) -> tuple[str, str]:
        """A system key, as its settings page makes one: its id, and the key."""
        created = self._ask("POST", "/v1/system/api_keys", {"data": {"name": "the gateway's exporter"}})
        return created["data"]["id"], created["data"]["key"]

    def delete_key(self, key_id: str) -> None:
        """From now on nobody knows it."""
        self._ask("DELETE", f"/v1/system/api_keys/{key_id}")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=data)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            said = answer.read()
        return json.loads(said) if said else None


@contextmanager
def phoenix_running(directory: Path, *, authenticates: bool) -> Iterator[PhoenixProcess]:
    """Run Phoenix on free ports, with a database of its own; it takes a minute or so to start."""
    if not PHOENIX.exists():
        pytest.skip(f"Phoenix is not installed: make {PHOENIX.parents[1].name}/.locked")
    directory.mkdir()
    port = free_ports(2)
    secret = f"phx-{secrets.token_hex(24)}" if authenticates else None
    authentication = {
        "PHOENIX_ENABLE_AUTH": "true",
        "PHOENIX_SECRET": f"a1-{secrets.token_hex(24)}",
        "PHOENIX_ADMIN_SECRET": str(secret),
        "PHOENIX_USE_SECURE_COOKIES": "false",
    }
    environment = {
        "HOME": str(directory),
        "PHOENIX_WORKING_DIR": str(directory),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(port + 1),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        **(authentication if authenticates else {}),
    }
    url = f"http://127.0.0.1:{port}"
    with running([str(PHOENIX), "serve"], log=directory / "phoenix.log", environment=environment) as program:
        wait_until(lambda: is_well(f"{url}/healthz"), within=240, what="Phoenix", program=program)
        yield PhoenixProcess(url=url, secret=secret)


def query(prometheus: str, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers to an instant query."""
    answer = _json("GET", f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def ask_client(name: str, **given: str) -> dict[str, Any]:
    """Let a foreign client do its work and say what it saw."""
    ended = subprocess.run(
        [str(CLIENTS), str(ROOT / "tests" / "e2e" / "clients" / f"{name}.py"), json.dumps(given)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Alertmanager:
    """A running Alertmanager."""

    url: str
    process: "subprocess.Popen[bytes]"

    def alerts(self) -> list[dict[str, Any]]:
        """What fires, in its own view."""
        found: list[dict[str, Any]] = _json("GET", f"{self.url}/api/v2/alerts")
        return found


@contextmanager
def alertmanager_running(
    directory: Path, configuration: dict[str, Any], *, port: int | None = None, cluster: tuple[str, ...] = ()
) -> Iterator[Alertmanager]:
    """Run an Alertmanager; alone unless `cluster` says otherwise. At the same port it remembers whom it notified, but no alert."""
    listen = port or free_ports(1)
    path = directory / f"alertmanager-{listen}.yml"
    path.write_text(yaml.safe_dump(configuration))
    command = [
        "prometheus-alertmanager",
        f"--config.file={path}",
        f"--storage.path={directory / f'alertmanager-{listen}'}",
        f"--web.listen-address=127.0.0.1:{listen}",
        *(cluster or ("--cluster.listen-address=",)),
    ]
    url = f"http://127.0.0.1:{listen}"
    with running(command, log=directory / f"alertmanager-{listen}.log") as program:
        wait_until(lambda: is_well(f"{url}/-/ready"), within=30, what="Alertmanager", program=program)
        yield Alertmanager(url=url, process=program.process)


@contextmanager
def receiver_running() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """A receiver of JSON: its address, and the path and body of each POST so far."""
    taken: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()
        thread.join()
