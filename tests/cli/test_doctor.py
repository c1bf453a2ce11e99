"""`trace-monitor doctor` on real sockets: what it prints where, what it writes, and how it exits."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main
from monitor.cli.doctor_text import render
from tests.cli.live import LiveSandbox
from tests.cli.usage import usage_error
from tests.settings.samples import MINIMAL

QUICK: dict[str, Any] = {
    "targets": {"demo": {"checks": {"arrival": {"look_closer_after": "2s", "late_after": "3s", "missing_after": "4s"}}}}
}


def test_a_healthy_tenant_exits_with_0(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answers on stdout, progress on stderr; nothing is written."""
    assert main(["doctor", "--config", sandbox.file(tmp_path)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "demo  PASS  everything works"
    assert lines[2:4] == [
        "TrueFoundry's control plane",
        "  ✓ pass    TrueFoundry's control plane accepts the token: it belongs to tenant sandbox.",
    ]
    assert "  ✓ pass    The gateway answers at /health with HTTP 200, without a token." in lines
    assert "      trace_id: feedback  # the gateway returns the trace id in x-tfy-feedback-target-id" in lines
    assert lines[-1] == (
        "Next step: add the suggested settings, then run `trace-monitor notify test`, then `trace-monitor run`."
    )
    assert "demo: asking the gateway\n" in err
    assert "\x1b" not in out
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_json_is_one_object(sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each question by its slug, each suggestion by its path; and nothing beside it."""
    assert main(["doctor", "--config", sandbox.file(tmp_path), "--format", "json", "--target", "demo"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["verdict"], set(report["targets"]), err) == ("pass", {"demo"}, "")
    target = report["targets"]["demo"]
    assert set(target) == {"verdict", "backend", "complete", "questions", "suggested_settings", "check"}
    asked = target["questions"]["trace_id"]
    assert set(asked) == {"question", "needed", "answer", "verdict", "summary", "evidence", "advice", "suggests"}
    why = "the gateway returns the trace id in x-tfy-feedback-target-id"
    assert asked["suggests"] == [{"setting": "gateway.trace_id", "value": "feedback", "why": why}]
    assert target["suggested_settings"]["gateway.trace_id"] == {"value": "feedback", "why": why}
    assert target["check"]["verdict"] == "pass"


def test_what_is_missing_exits_with_1_and_says_what_to_do(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What broke is named as `check` names it; what cannot be asked is skipped, with a reason."""
    sandbox.break_("exporter_disabled")
    assert main(["doctor", "--config", sandbox.file(tmp_path, QUICK)]) == 1
    out = capsys.readouterr().out
    headline = [
        "demo  FAIL  missing or wrong:",
        "  - Is the exporter set as it should be?",
        "  - Does the canary's trace arrive?",
    ]
    assert out.splitlines()[:4] == [*headline, ""]
    assert "  ✗ fail    Is the exporter set as it should be? Trace export is switched off: no trace leaves" in out
    assert (
        "            → In TrueFoundry open AI Gateway → Controls → Settings → OTEL Config, edit, and switch the traces"
        in out
    )
    assert "  ? unknown Skipped: no trace was seen. (Which service name is shown? Which environment is shown? Is" in out
    assert "\nDiagnosis\n  exporter_disabled (critical): " in out
    assert out.endswith(
        "Next step: fix the lines marked ✗ as the → under each says, then run `trace-monitor doctor` again.\n"
    )


def test_what_cannot_be_settled_exits_with_1(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A timeout leaves what is needed open: not trusted yet, and nobody is accused."""
    sandbox.break_("trace_missing")
    assert main(["doctor", "--config", sandbox.file(tmp_path), "--timeout", "3s"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("demo  UNKNOWN  not known:\n  - ")
    assert "ended after 3 s: what had not been checked by then is reported as unknown\n" in err
    assert "Next step: resolve the lines marked ?," in out


def test_a_recording_is_written_and_said(
    sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a secret in it; a second one replaces it."""
    file, directory = sandbox.file(tmp_path), tmp_path / "recording"
    for _ in range(2):
        assert main(["doctor", "--config", file, "--record", str(directory), "--timeout", "20s"]) == 0
    err = capsys.readouterr().err
    written = {each.name: each.read_text() for each in directory.iterdir()}
    assert f"recorded {len(written) - 1} exchanges in {directory}: review them before you send them\n" in err
    assert "index.json" in written
    for secret in sandbox.secrets:
        assert secret not in "".join(written.values())
    assert "127.0.0.1" not in "".join(written.values())


def test_no_secret_is_printed(sandbox: LiveSandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is drifting or echoed."""
    for fault in ("gateway_refused", "config_drift_key", "config_drift_bearer"):
        sandbox.break_(fault)
    file = sandbox.file(tmp_path, QUICK)
    main(["doctor", "--config", file, "--timeout", "8s"])
    main(["doctor", "--config", file, "--timeout", "8s", "--format", "json"])
    out, err = capsys.readouterr()
    assert '"config_matches"' in out
    for secret in sandbox.secrets:
        assert secret not in out + err


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "table"], "invalid choice: 'table'"),
        (["--record"], "expected one argument"),
        (["--frob"], "unrecognized arguments: --frob"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With 2, and what is allowed."""
    assert said in usage_error(capsys, "doctor", *words)


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anybody is asked anything, and nothing in it is touched."""
    file, directory = tmp_path / "config.yaml", tmp_path / "mine"
    file.write_text(MINIMAL)
    directory.mkdir()
    (directory / "thesis.txt").write_text("precious")
    said = usage_error(capsys, "doctor", "--config", str(file), "--record", str(directory))
    assert said.endswith(
        f"--record {directory}: the directory is not empty and holds no earlier recording. Name a new one, so that your "
        "files are not mixed with it\n"
    )
    assert [each.name for each in directory.iterdir()] == ["thesis.txt"]


def test_nothing_is_recorded_where_nothing_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as by a certificate file that is no use: no directory is made."""
    file, authority = tmp_path / "config.yaml", tmp_path / "ca.pem"
    authority.write_text("no certificate")
    file.write_text(MINIMAL + f"http: {{ca_file: {authority}}}\n")
    said = usage_error(capsys, "doctor", "--config", str(file), "--record", str(tmp_path / "recording"))
    assert "http.ca_file: holds no certificates in PEM" in said
    assert not (tmp_path / "recording").exists()


# --- the text ---------------------------------------------------------------------------------------------------------


def _answer(verdict: str, summary: str, **more: Any) -> dict[str, Any]:
    plain = {"question": "Is it?", "needed": False, "answer": "x", "advice": "", "evidence": {}, "suggests": []}
    return {**plain, "verdict": verdict, "summary": summary, **more}


def _report(**questions: Any) -> dict[str, Any]:
    check = {"fault": None, "verdict": "pass"}
    head = {"verdict": "pass", "backend": "Traceloop", "complete": True}
    target = {**head, "questions": questions, "suggested_settings": {}, "check": check}
    return {"verdict": "pass", "targets": {"prod": target}}


def test_advice_is_given_once() -> None:
    """Whoever reads on is referred to it."""
    wrong = _answer("fail", "No.", advice="Do it.")
    text = render(_report(control_plane_token=wrong, config_readable=wrong), colour=False)
    assert text.count("→ Do it.") == 1
    assert text.count("→ as above") == 1


def test_colour_is_never_the_only_sign() -> None:
    """The sign and the word stand there too, and take no room away from the text."""
    report = _report(control_plane_token=_answer("pass", "Yes. " * 60), config_readable=_answer("fail", "No."))
    coloured, plain = render(report, colour=True), render(report, colour=False)
    assert "\x1b[32m✓ pass   \x1b[0m Yes." in coloured
    assert "\x1b[31m✗ fail   \x1b[0m Is it? No." in coloured
    assert [len(line) for line in plain.splitlines()][2:] == [
        len(line.replace("\x1b[32m", "").replace("\x1b[31m", "").replace("\x1b[0m", ""))
        for line in coloured.splitlines()
    ][2:]
    assert max(map(len, plain.splitlines())) <= 110


def test_a_confirmed_fault_that_no_question_asks_about_is_the_first_line() -> None:
    """And the next step is what its advice says: nothing is marked ✗."""
    report = _report(control_plane_token=_answer("pass", "Yes."))
    found = {"fault": "volume_loss", "severity": "critical", "summary": "Lost.", "because": [], "also": []}
    report["targets"]["prod"] |= {"verdict": "fail", "check": {**found, "verdict": "fail", "advice": "Look."}}
    text = render({**report, "verdict": "fail"}, colour=False)
    assert text.startswith("prod  FAIL  confirmed: volume_loss\n")
    assert text.endswith("Next step: do what the → under each diagnosis says, then run `trace-monitor doctor` again.\n")


def test_nothing_to_suggest_is_said() -> None:
    """And the next step is the daemon."""
    text = render(_report(control_plane_token=_answer("pass", "Yes.")), colour=False)
    assert "Suggested settings: none.\n" in text
    assert text.endswith("Next step: run `trace-monitor notify test`, then `trace-monitor run`.\n")
