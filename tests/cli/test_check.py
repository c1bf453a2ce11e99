"""`trace-monitor check` on real sockets: what it prints where, and how it exits."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main
from monitor.cli.check import exit_code
from monitor.core.model import Severity
from tests.cli.live import LiveSandbox
from tests.cli.usage import usage_error

# --- exit codes ------------------------------------------------------------------------------------------------------

PASS, UNKNOWN = ("pass", None), ("unknown", None)
BLIND, WARNING, CRITICAL, MUTED = (
    ("unknown", "warning"),
    ("fail", "warning"),
    ("fail", "critical"),
    ("fail", "none"),
)


@pytest.mark.parametrize(
    ("targets", "on_warning", "on_critical"),
    [
        ([PASS], 0, 0),
        ([PASS, PASS], 0, 0),
        ([UNKNOWN], 3, 3),
        ([BLIND], 3, 3),
        ([PASS, BLIND], 3, 3),
        ([WARNING], 1, 0),
        ([CRITICAL], 1, 1),
        ([WARNING, CRITICAL], 1, 1),
        ([WARNING, BLIND], 1, 3),
        ([CRITICAL, UNKNOWN], 1, 1),
        ([MUTED], 0, 0),
        ([MUTED, BLIND], 3, 3),
        ([MUTED, WARNING], 1, 0),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    targets: list[tuple[str, str | None]], on_warning: int, on_critical: int
) -> None:
    """1 if any fails, else 3 if any cannot tell, else 0; `--fail-on critical` lets warnings pass."""
    described: dict[str, Any] = {
        str(place): {"verdict": verdict, "severity": severity} for place, (verdict, severity) in enumerate(targets)
    }
    report = {"verdict": "whatever", "targets": described}
    assert (exit_code(report, Severity.WARNING), exit_code(report, Severity.CRITICAL)) == (on_warning, on_critical)


# --- over the wire ---------------------------------------------------------------------------------------------------


def test_a_healthy_world_exits_with_0(sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object on stdout and nothing else; nothing is written."""
    assert main(["check", "--config", sandbox.file(tmp_path), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["verdict"], report["targets"]["demo"]["verdict"]) == ("pass", "pass")
    assert set(report["targets"]["demo"]["checks"]) == {"config", "gateway", "canary", "arrival", "control"}
    assert err == ""
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_the_table_is_on_stdout_and_progress_on_stderr(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the result can be piped while a person watches."""
    assert main(["check", "--config", sandbox.file(tmp_path), "--only", "config,gateway"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("demo  PASS\n  config   pass ")
    assert "\x1b" not in out
    assert "demo: gateway pass: the gateway answers (HTTP 200)\n" in err
    assert "demo: " not in out


def test_a_failure_exits_with_1(sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the name of what is broken."""
    sandbox.break_("exporter_disabled")
    assert main(["check", "--config", sandbox.file(tmp_path), "--only", "config"]) == 1
    assert capsys.readouterr().out.startswith("demo  FAIL  exporter_disabled (critical)\n")


def test_a_warning_may_be_let_pass(sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict stays, only the exit code is 0."""
    sandbox.break_("config_drift_metrics")
    file = sandbox.file(tmp_path)
    assert main(["check", "--config", file, "--only", "config"]) == 1
    assert main(["check", "--config", file, "--only", "config", "--fail-on", "critical", "--format", "json"]) == 0
    out = capsys.readouterr().out
    report = json.loads(out[out.index("{") :])
    assert (report["verdict"], report["targets"]["demo"]["severity"]) == ("fail", "warning")


def test_not_being_able_to_tell_exits_with_3(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A control plane that refuses says nothing about the exporter."""
    sandbox.break_("control_plane_forbidden")
    assert main(["check", "--config", sandbox.file(tmp_path), "--only", "config"]) == 3
    assert capsys.readouterr().out.startswith("demo  UNKNOWN  blind (warning)\n")


def test_a_timeout_ends_it_and_says_so(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not seen by then is unknown."""
    sandbox.break_("gateway_unreachable_black_hole")
    assert main(["check", "--config", sandbox.file(tmp_path), "--only", "gateway", "--timeout", "0.2s"]) == 3
    out, err = capsys.readouterr()
    assert "gateway  unknown            has not run yet" in out
    assert "ended after 0.2 s: what had not been checked by then is reported as unknown\n" in err


def test_no_secret_is_printed(sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in the result nor beside it, whatever the services echo."""
    file = sandbox.file(tmp_path)
    for fault in ("gateway_refused", "config_drift_key", "config_drift_bearer", "key_rejected"):
        sandbox.break_(fault)
    main(["check", "--config", file, "--timeout", "2s"])
    main(["check", "--config", file, "--only", "config,gateway", "--format", "json"])
    out, err = capsys.readouterr()
    assert "gateway_refused" in out
    for secret in sandbox.secrets:
        assert secret not in out + err


@pytest.mark.parametrize("own", [True, False])
def test_a_refused_token_that_nobody_configured_is_named(
    own: bool, sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control plane's is used where the gateway has none: whoever reads of a refusal must know whose token to look at."""
    sandbox.break_("gateway_refused")
    whole = sandbox.configuration({"state": {"path": str(tmp_path / "state.db")}})
    if not own:
        del whole["targets"]["demo"]["gateway"]["token"]
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(whole))
    assert main(["check", "--config", str(file), "--only", "canary"]) == 1
    out = capsys.readouterr().out
    assert "gateway_refused (warning)" in out
    assert ("No `gateway.token` is configured, so the control plane's token was used" in out) is not own


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "arrival"], "'arrival' is not a check; allowed: config, gateway, canary, control, volume"),
        (["--only", "config,nothing"], "'nothing' is not a check"),
        (["--only", ","], "no check is named; allowed: config, gateway, canary, control"),
        (["--only", ""], "no check is named"),
        (["--fail-on", "info"], "invalid choice: 'info'"),
        (["--format", "xml"], "invalid choice: 'xml'"),
        (["--frob"], "unrecognized arguments: --frob"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With 2, and what is allowed."""
    assert said in usage_error(capsys, "check", *words)
