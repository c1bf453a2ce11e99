"""A life of the real program: watched, asked, changed while it runs, and no secret of it anywhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main
from tests.cli.live import LiveSandbox, live_sandbox
from tests.process.program import LOUD, Program, running, until
from tests.scenarios.house import merge

ADMIN = "admin-0f9e8d7c6b5a"
HEARTBEAT = "http://127.0.0.1:9/ping/heartbeat-0f9e8d7c6b5a4938"
QUICK: dict[str, Any] = {
    "config": {"every": 1, "every_while_failing": 0.3},
    "gateway": {"every": 1, "every_while_failing": 0.3},
    "canary": {"every": 5, "every_while_failing": 2, "max_per_day": 40_000, "max_tokens_per_day": 4_000_000},
    "control": {"every": 30, "every_while_failing": 5},
}
MORE: dict[str, Any] = {
    "targets": {"demo": {"checks": QUICK}},
    "server": {"admin_token": ADMIN, "external_url": "https://monitor.acme.dev/"},
    "heartbeat": {"url": HEARTBEAT},
}


class Life:
    """A program, its world, and its configuration file."""

    def __init__(self, sandbox: LiveSandbox, program: Program, file: str, directory: Path) -> None:
        self.sandbox, self.program, self.file, self.directory = sandbox, program, file, directory

    def write(self, more: dict[str, Any], *, without: str = "") -> None:
        """Another configuration."""
        known = merge(json.loads(Path(self.file).read_text()), more)
        known["targets"].pop(without, None)
        Path(self.file).write_text(json.dumps(known))

    @property
    def notified(self) -> list[str]:
        """The texts in Slack's channel."""
        return [message["text"] for message in self.sandbox.messages if message.get("thread_ts") is None]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Of a program that has seen everything pass."""
    with live_sandbox() as sandbox:
        file = sandbox.file(tmp_path, LOUD, MORE)
        with running(file, tmp_path) as program:
            until(lambda: program.json("/api/v1/status")["verdict"] == "pass", what="a pass of everything")
            yield Life(sandbox, program, file, tmp_path)


def test_a_day_in_its_life(life: Life, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One program for all of it, because a start takes longest."""
    monkeypatch.setenv("TRACE_MONITOR_URL", life.program.url)
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", ADMIN)
    monkeypatch.chdir(life.directory)
    _is_asked(life, capsys)
    _is_broken_and_taken(life, capsys)
    _is_silenced(life, capsys)
    _refuses_a_bad_configuration(life)
    _takes_a_good_one(life)
    shown = _everything_shown(life)
    assert life.program.ends() == 0
    _holds_no_secret(life, shown)


def _is_asked(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of an operator, and what alert rules take from the metrics."""
    assert life.program.metric("external_url_info", url="https://monitor.acme.dev") == 1.0
    assert life.program.metric("check_stale_after_seconds", target="demo", check="gateway") == 3 * 1 + 5
    assert main(["healthcheck"]) == 0
    assert main(["status"]) == 0
    assert re.match(r"TARGET .*\ndemo +healthy ", capsys.readouterr().out)
    assert main(["incidents"]) == 0
    assert "demo</" in life.program.get("/")
    assert life.program.json("/readyz")["ready"] is True
    status, body = life.program.post("/api/v1/checks/demo/run", ADMIN)
    assert (status, set(body["checks"])) == (202, {"config", "gateway", "canary", "arrival", "control"})
    assert life.program.post("/api/v1/checks/demo/run", "not-the-token-0001")[0] in {401, 403}


def _is_broken_and_taken(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    """Slack is notified; whoever takes it stands in the message."""
    life.sandbox.break_("exporter_disabled")
    until(lambda: life.notified, what="an opening")
    incident = until(lambda: life.program.incident)
    assert main(["ack", str(incident["id"]), "--by", "Ana"]) == 0
    until(lambda: "Ana" in json.dumps(life.sandbox.messages[0]), what="an edit")
    assert main(["incidents", "--open"]) == 0
    assert " so far  Ana " in capsys.readouterr().out


def _is_silenced(life: Life, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand, and ended by hand."""
    assert main(["silence", "add", "--target", "demo", "--for", "1h", "--comment", "move"]) == 0
    name = capsys.readouterr().out.split()[1]
    assert life.program.metric("silence_active", target="demo") == 1.0
    assert main(["silence", "list"]) == 0
    assert f"{name}  active" in capsys.readouterr().out
    assert main(["silence", "expire", name]) == 0
    assert life.program.metric("silence_active", target="demo") == 0.0


def _refuses_a_bad_configuration(life: Life) -> None:
    """It says why, and nothing has changed."""
    good = Path(life.file).read_text()
    life.write({"log": {"level": "loud"}})
    status, body = life.program.post("/-/reload", ADMIN)
    assert status == 422
    assert "log.level" in body["error"]
    assert life.program.metric("reload_successful") == 0.0
    assert set(life.program.json("/api/v1/status")["targets"]) == {"demo"}
    Path(life.file).write_text(good)


def _takes_a_good_one(life: Life) -> None:
    """A target that is gone is reported as such; one that is new begins at once."""
    demo = json.loads(Path(life.file).read_text())["targets"]["demo"]
    life.write({"targets": {"other": demo}}, without="demo")
    assert life.program.post("/-/reload", ADMIN) == (200, {"reloaded": True})
    assert life.program.metric("reload_successful") == 1.0
    until(lambda: "no longer monitored" in json.dumps(life.sandbox.messages), what="a farewell")
    until(lambda: life.program.metric("fault_active", target="other", fault="exporter_disabled"), what="a look")
    assert life.program.metric("fault_active", target="demo", fault="exporter_disabled") is None


def _everything_shown(life: Life) -> str:
    """Page, metrics, API and Slack, while a refused token, a wrong and a rejected key are what they report."""
    for fault in ("config_drift_key", "gateway_refused", "key_rejected"):
        life.sandbox.break_(fault)
    until(lambda: life.program.metric("fault_active", target="other", fault="gateway_refused"), what="a refusal")
    paths = ("/", "/metrics", "/api/v1/status", "/api/v1/incidents", "/api/v1/silences", "/runbooks/config_drift")
    return "".join(life.program.get(path) for path in paths) + json.dumps(life.sandbox.messages)


def _holds_no_secret(life: Life, shown: str) -> None:
    """Nor the log, nor the database."""
    secrets = [*life.sandbox.secrets, ADMIN, HEARTBEAT.rpartition("/")[2]]
    written = b"".join(file.read_bytes() for file in life.directory.iterdir() if file.name != "config.yaml")
    assert len(written) > 10_000
    assert [secret for secret in secrets if secret in shown or secret.encode() in written] == []
    assert b"Traceback" not in written


def test_its_health_is_asked_where_it_listens_whatever_its_file_has_become(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port for after the next restart, then a file that it has refused; killed, it is not taken for alive."""
    monkeypatch.chdir(life.directory)
    words = ["healthcheck", "--config", life.file]
    assert main(words) == 0
    life.write({"server": {"port": 1}})
    assert main(words) == 0
    Path(life.file).write_text("targets: 3\n")
    assert life.program.post("/-/reload", ADMIN)[0] == 422
    assert main(words) == 0
    life.program.process.kill()
    life.program.process.wait(10)
    assert main(words) == 1
