"""`trace-monitor notify test`: proof that a message would arrive."""

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.sandbox.credentials import CHANNEL
from tests.cli.live import LiveSandbox, a_server
from tests.settings.samples import MINIMAL
from tools.processes import free_ports

Out = pytest.CaptureFixture[str]


def test_a_notice_arrives_in_slack(sandbox: LiveSandbox, tmp_path: Path, capsys: Out) -> None:
    """It says that it is a test, calls nobody, and the command says that it was delivered."""
    file = sandbox.file(tmp_path, {"alerting": {"slack": {"mention": "<!here>"}}})
    assert main(["notify", "test", "--config", file]) == 0
    assert capsys.readouterr() == (
        f"slack {CHANNEL}: delivered\na critical incident of demo calls everybody who is active in the channel\n",
        "",
    )
    (message,) = sandbox.messages
    assert "This is a test of the Gateway Trace Monitor" in message["text"]
    assert "<!here>" not in str(message)


def test_whether_presses_of_buttons_would_arrive_is_said(sandbox: LiveSandbox, tmp_path: Path, capsys: Out) -> None:
    """A connection is asked for by the app token, and not made."""
    for token, code, said in (
        (sandbox.app_token, 0, "slack buttons: the app token is accepted"),
        (
            "xapp-1-wrong",
            1,
            "slack buttons: would not work: Slack says invalid_auth of the app token: it must be valid",
        ),
    ):
        slack = {"app_token": token, "buttons": {"users": ["U0123"]}}
        assert main(["notify", "test", "--config", sandbox.file(tmp_path, {"alerting": {"slack": slack}})]) == code
        out, err = capsys.readouterr()
        assert said in out
        assert token not in out + err


def test_what_slack_refuses_is_said_with_what_to_do(sandbox: LiveSandbox, tmp_path: Path, capsys: Out) -> None:
    """Exit 1."""
    sandbox.break_("slack_invalid_auth")
    assert main(["notify", "test", "--config", sandbox.file(tmp_path)]) == 1
    out, _ = capsys.readouterr()
    assert out.splitlines() == [
        f"slack {CHANNEL}: not delivered: Slack says invalid_auth: the bot token is not (or no longer) valid",
        "a critical incident of demo calls nobody",
    ]


def test_every_way_is_tried(sandbox: LiveSandbox, tmp_path: Path, capsys: Out) -> None:
    """One that fails keeps no other from being tested."""
    sandbox.break_("slack_unreachable")
    with a_server("ok") as url:
        file = sandbox.file(tmp_path, {"alerting": {"webhook": {"url": f"{url}/hook/0f9e8d7c6b5a4938"}}})
        assert main(["notify", "test", "--config", file]) == 1
    out, err = capsys.readouterr()
    slack, webhook, whom = out.splitlines()
    assert slack.startswith(f"slack {CHANNEL}: not delivered: ")
    assert (webhook, whom) == ("webhook: delivered", "a critical incident of demo calls nobody")
    for secret in (*sandbox.secrets, "0f9e8d7c6b5a4938"):
        assert secret not in out + err


def test_every_place_is_tried_and_named(sandbox: LiveSandbox, tmp_path: Path, capsys: Out) -> None:
    """A target's own channel, and each instance of Alertmanager: one that is misspelt would never be noticed else."""
    with a_server("") as url:
        own = {"targets": {"demo": {"alerting": {"channel": "C0ELSEWHERE"}}}}
        managers = {"alerting": {"alertmanager": {"urls": [url, f"http://127.0.0.1:{free_ports()}"]}}}
        assert main(["notify", "test", "--config", sandbox.file(tmp_path, own, managers)]) == 1
    said = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line)
    (here, elsewhere, good, missing), (_, _, _, why) = said.keys(), said.values()
    assert (here, elsewhere, good) == (f"slack {CHANNEL}", "slack C0ELSEWHERE", f"alertmanager {url}")
    assert [said[here], said[good]] == ["delivered", "delivered"]
    assert said[elsewhere].startswith("not delivered: Slack says channel_not_found")
    assert missing.startswith("alertmanager http://127.0.0.1:")
    assert why.startswith("not delivered: Alertmanager cannot be asked: connection refused (127.0.0.1:")


def test_without_a_notifier_nothing_would_arrive(tmp_path: Path, capsys: Out) -> None:
    """Exit 1, and what to set."""
    file = tmp_path / "config.yaml"
    file.write_text(MINIMAL)
    assert main(["notify", "test", "--config", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no notifier is configured: set alerting.slack, alerting.alertmanager or alerting.webhook\n" in err


def test_a_configuration_that_is_bad_is_refused(tmp_path: Path, capsys: Out) -> None:
    """With 2, before anybody is notified of anything."""
    file = tmp_path / "config.yaml"
    file.write_text("targets: {}\n")
    assert main(["notify", "test", "--config", str(file)]) == 2
    file.write_text(MINIMAL + f"http: {{ca_file: {tmp_path / 'none.pem'}}}\n")
    assert main(["notify", "test", "--config", str(file)]) == 2
    assert "http.ca_file" in capsys.readouterr().err


def test_notify_alone_says_what_there_is(capsys: Out) -> None:
    """With 2."""
    with pytest.raises(SystemExit) as end:
        main(["notify"])
    assert end.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
