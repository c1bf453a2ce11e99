"""Which daemon a command talks to, by which token, and what is said where neither is right."""

import socket
from pathlib import Path

import pytest
import trustme

from monitor.cli import main
from monitor.cli.client import Client, Failed
from monitor.redaction import MASK
from monitor.web.views import NotFound
from tests.cli.live import a_server, live_site
from tests.fakes.limits import no_descriptors
from tests.settings.samples import MINIMAL
from tests.web.site import ADMIN, READ, Site

Out = pytest.CaptureFixture[str]


def test_a_token_goes_only_to_whom_it_is_meant_for(site: Site, tmp_path: Path, capsys: Out) -> None:
    """Not to a daemon whose certificate is for another name."""
    pem = tmp_path / "tls.pem"
    issued = trustme.CA().issue_cert("monitor.example.com")
    pem.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    with live_site(site, tls_cert=pem) as url:
        file = tmp_path / "config.yaml"
        file.write_text(f"{MINIMAL}server: {{port: {url.rpartition(':')[2]}, tls_cert: {pem}, admin_token: {ADMIN}}}\n")
        assert main(["status", "--config", str(file)]) == 1
        assert "certificate" in capsys.readouterr().err


def _configuration(directory: Path, url: str, tokens: str) -> str:
    port = url.rpartition(":")[2]
    file = directory / "config.yaml"
    file.write_text(f"{MINIMAL}server: {{port: {port}, host: 0.0.0.0{tokens}}}\n")
    return str(file)


def test_address_and_token_come_from_the_configuration(url: str, tmp_path: Path, capsys: Out) -> None:
    """A daemon that listens everywhere is asked at loopback."""
    assert main(["status", "--config", _configuration(tmp_path, url, f", admin_token: {ADMIN}")]) == 0
    assert main(["status", "--config", _configuration(tmp_path, url, f", read_token: {READ}")]) == 0
    capsys.readouterr()
    assert main(["status", "--config", _configuration(tmp_path, url, "")]) == 1
    assert capsys.readouterr().err.endswith(
        "the daemon refused (HTTP 401): a token is needed; set TRACE_MONITOR_ADMIN_TOKEN, or name the daemon's "
        "configuration by --config\n"
    )
    assert main(["status", "--config", _configuration(tmp_path, url, ", admin_token: another-0123456789")]) == 1
    assert capsys.readouterr().err.endswith("the daemon refused (HTTP 401): a token is needed\n")


def test_the_read_token_changes_nothing(url: str, tmp_path: Path, capsys: Out) -> None:
    """And the reason is the daemon's own."""
    assert main(["ack", "prod-1", "--config", _configuration(tmp_path, url, f", read_token: {READ}")]) == 1
    assert "the read token may not change anything" in capsys.readouterr().err


def test_a_shortage_of_this_machine_is_no_mistake_in_the_configuration(url: str) -> None:
    """Only a `ca_file` that there is can be at fault."""
    daemon = Client(url=url, token=None, ca_file=None)
    with no_descriptors(), pytest.raises(Failed) as caught:
        daemon.ask("GET", "/api/v1/status")
    assert "ca_file" not in str(caught.value)
    assert "Too many open files" in str(caught.value)
    unusable = Client(url=url, token=None, ca_file="/nowhere/ca.pem")
    with pytest.raises(Failed, match=r"^http\.ca_file: /nowhere/ca\.pem cannot be used: No such file"):
        unusable.ask("GET", "/api/v1/status")


def test_what_the_daemon_refuses_is_said_in_its_words(admin: str, site: Site, capsys: Out) -> None:
    """One line, exit 1."""
    assert admin
    site.refuse = NotFound("there is no open incident 'prod-9'")
    assert main(["ack", "prod-9"]) == 1
    assert capsys.readouterr() == ("", "the daemon refused (HTTP 404): there is no open incident 'prod-9'\n")


def test_a_daemon_that_is_not_there_is_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """One line with the address, exit 1."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert main(["status", "--url", f"http://127.0.0.1:{port}"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"the daemon does not answer at http://127.0.0.1:{port}: connection refused")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://host/", "http://", "http://a b/", "http://u:p@127.0.0.1:1", "http://h/?q"]
)
def test_an_address_that_is_none_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Before anything is sent anywhere."""
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--url", url]) == 1
    assert capsys.readouterr().err.startswith("--url ")


@pytest.mark.parametrize("command", ["status", "incidents", "silence list"])
def test_another_server_is_recognised(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """What is no answer of ours is not printed, and is no traceback."""
    monkeypatch.chdir(tmp_path)
    for answer in (
        "<html>Grafana</html>",
        "[]",
        '{"status": "success", "data": {}}',
        '{"targets": [], "incidents": 3}',
    ):
        with a_server(answer) as url:
            assert main([*command.split(), "--url", url]) == 1
        assert capsys.readouterr() == ("", f"what answers at {url} is not Gateway Trace Monitor\n")


@pytest.mark.parametrize("said", [f"<html>no entry with {ADMIN}</html>", f'{{"error": "no entry with {ADMIN}"}}'])
def test_a_server_that_echoes_the_token_is_shown_without_it(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """A proxy in front of the daemon, for one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", ADMIN)
    with a_server(said, status="403 Forbidden") as url:
        assert main(["status", "--url", url]) == 1
    err = capsys.readouterr().err
    assert f"no entry with {MASK}" in err
    assert ADMIN not in err


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """But to loopback, or where the operator has said so."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", ADMIN)
    assert main(["status", "--url", "http://monitor.invalid:9797"]) == 1
    assert "the token would be sent to http://monitor.invalid:9797 unencrypted" in capsys.readouterr().err
    file = tmp_path / "config.yaml"
    file.write_text(f"{MINIMAL}http: {{allow_http: true}}\n")
    assert main(["status", "--url", "http://monitor.invalid:9797", "--config", str(file)]) == 1
    assert "the daemon does not answer at http://monitor.invalid:9797" in capsys.readouterr().err


def test_a_token_that_cannot_be_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """And not shown."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", "two words")
    assert main(["status"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("TRACE_MONITOR_ADMIN_TOKEN holds a character that no secret has")
    assert "two words" not in err


def test_a_configuration_that_is_named_must_be_good(tmp_path: Path, capsys: Out) -> None:
    """One that is merely there need not be: `--url` and a token are enough."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("targets: 3\n")
    assert main(["status", "--config", str(bad)]) == 2
    assert str(bad) in capsys.readouterr().err


def test_a_daemon_on_ipv6_is_asked_in_brackets(tmp_path: Path, capsys: Out) -> None:
    """Also one that listens on every address."""
    file = tmp_path / "config.yaml"
    for host in ("'::1'", "'::'"):
        file.write_text(f"{MINIMAL}server: {{host: {host}, port: 1}}\n")
        assert main(["status", "--config", str(file)]) == 1
        assert "the daemon does not answer at http://[::1]:1: " in capsys.readouterr().err


@pytest.mark.parametrize("words", ["status", "incidents", "silence list", "ack prod-1", "silence expire a1"])
def test_a_broken_configuration_is_said_before_the_built_in_address_is_asked(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """What answers there may be another daemon; the one that is meant may listen elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace-monitor.yaml").write_text(f"{MINIMAL}server: {{port: 9800, hots: x}}\n")
    main(words.split())
    err = capsys.readouterr().err
    assert err.startswith("trace-monitor.yaml:6: server.hots: unknown key; did you mean `host`?\n")
    said = (
        "warning: this configuration cannot be used, so the daemon is asked at http://127.0.0.1:9797, without a token\n"
    )
    assert said in err


def test_a_broken_configuration_is_said_where_its_token_is_missed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """With an address and a token in the environment nothing is missed; without any configuration nothing is broken."""
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--url", url]) == 1
    assert "configuration cannot be used" not in capsys.readouterr().err
    monkeypatch.setenv("TRACE_MONITOR_SERVER__PORT", "x")
    assert main(["status", "--url", url]) == 1
    assert f"so the daemon is asked at {url}, without a token" in capsys.readouterr().err
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", ADMIN)
    assert main(["status", "--url", url]) == 0
    assert capsys.readouterr().err == ""
