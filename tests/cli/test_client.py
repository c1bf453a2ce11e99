"""Commands that talk to a running daemon."""

import json
import re
import socket
from collections.abc import Iterator
from datetime import time
from pathlib import Path

import pytest
import trustme

from monitor.cli import main
from monitor.core.model import Fault, TargetName
from monitor.core.silence import Silence, Weekly
from monitor.core.state import State
from monitor.daemon.status import describe_incident
from monitor.redaction import MASK
from monitor.web.views import Unknown
from tests.cli.live import a_server, live_site
from tests.fakes.clock import START
from tests.settings.samples import MINIMAL
from tests.web.site import ADMIN, READ, Site, a_broken_target, an_incident, described

Out = pytest.CaptureFixture[str]


@pytest.fixture
def site() -> Site:
    """What the daemon shows; nobody may read without a token."""
    site = Site(read_token=READ)
    site.report["targets"] = dict.fromkeys(("prod", "prod-eu", "prod-us"), site.report["targets"]["prod"])
    return site


@pytest.fixture
def url(site: Site) -> Iterator[str]:
    """Where it listens."""
    with live_site(site) as listening:
        yield listening


@pytest.fixture
def admin(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A person with the admin's token in the environment, and no configuration at all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACE_MONITOR_URL", url)
    monkeypatch.setenv("TRACE_MONITOR_ADMIN_TOKEN", ADMIN)
    return url


# --- to read ---------------------------------------------------------------------------------------------------------


def several(site: Site) -> None:
    """Let it have a target that is broken, acknowledged and silenced, one that recovered, and one that cannot be seen."""
    incidents = [
        an_incident(acked_by="ana"),
        an_incident(TargetName("prod-eu"), id="prod-eu-2", opened_at=START - 7200, closed_at=START - 3600),
        an_incident(TargetName("prod-eu"), id="prod-eu-1", opened_at=START - 90_000, closed_at=START - 86_400),
    ]
    site.incidents = [describe_incident(incident) for incident in incidents]
    site.report = {
        "verdict": "fail",
        "targets": {
            "prod": {**a_broken_target(), "last_arrival_at": START - 780},
            "prod-eu": {**site.report["targets"]["prod"], "last_arrival_at": START - 60},
            "prod-us": {**described("unknown", fault="blind", severity="warning"), "last_arrival_at": None},
            "staging": described("unknown"),
        },
        "incidents": [incident for incident in site.incidents if incident["open"]],
    }
    site.state = State(
        targets={},
        silences=(
            Silence(id="a1", target="prod", ends_at=START + 3600),
            Silence(id="a2", target="prod-*", fault=Fault.TRACE_LATE, ends_at=START + 60),
            Silence(id="a3", target="*", ends_at=START - 60),
        ),
    )


def test_status_is_a_line_per_target(admin: str, site: Site, capsys: Out) -> None:
    """State, since when, silenced, acknowledged, last arrival; then the open incidents, by the id that `ack` wants."""
    assert admin
    several(site)
    assert main(["status"]) == 0
    out, err = capsys.readouterr()
    table, incidents = out.split("\n\n")
    assert [re.split(r" {2,}", line) for line in table.splitlines()] == [
        ["TARGET", "STATE", "SINCE", "SILENCED", "ACKNOWLEDGED", "LAST ARRIVAL"],
        [
            "prod",
            "critical: exporter_disabled",
            "2027-01-15 07:48 UTC",
            "until 2027-01-15 09:00 UTC",
            "ana",
            "2027-01-15 07:47 UTC",
        ],
        [
            "prod-eu",
            "healthy",
            "2027-01-15 07:00 UTC",
            "trace_late until 2027-01-15 08:01 UTC",
            "-",
            "2027-01-15 07:59 UTC",
        ],
        ["prod-us", "warning: blind", "-", "trace_late until 2027-01-15 08:01 UTC", "-", "-"],
        ["staging", "unknown", "-", "-", "-", "-"],
    ]
    assert [line.split()[0] for line in incidents.splitlines()] == ["INCIDENT", "prod-20270115-074800"]
    assert err == ""


def test_status_of_one_target_has_its_details(admin: str, site: Site, capsys: Out) -> None:
    """The table that `check` prints, of this target alone."""
    assert admin
    several(site)
    assert main(["status", "--target", "prod"]) == 0
    out = capsys.readouterr().out
    assert "\n\nprod  FAIL  exporter_disabled (critical)\n  config   fail" in out
    assert "prod-eu" not in out
    assert main(["status", "--target", "prod-eu", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (list(shown["targets"]), shown["incidents"]) == (["prod-eu"], [])


@pytest.mark.parametrize("command", ["status", "status --format json"])
def test_a_target_that_is_not_there_is_refused(command: str, admin: str, capsys: Out) -> None:
    """With those that are; exit 2."""
    assert admin
    assert main([*command.split(), "--target", "prdo"]) == 2
    said = "--target prdo: there is no such target; there are: prod, prod-eu, prod-us\n"
    assert capsys.readouterr() == ("", said)


def test_status_as_json_is_what_the_api_says(admin: str, site: Site, capsys: Out) -> None:
    """Unchanged."""
    assert admin
    assert main(["status", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == site.report


def test_incidents_are_a_line_each(admin: str, site: Site, capsys: Out) -> None:
    """When each was opened and resolved, and how long it lasted; those that are open, those of a target, or all."""
    assert admin
    several(site)
    assert main(["incidents"]) == 0
    heading, first, second, third = (re.split(r" {2,}", line) for line in capsys.readouterr().out.splitlines())
    assert heading == ["INCIDENT", "SEVERITY", "FAULT", "OPENED", "RESOLVED", "DURATION", "ACKNOWLEDGED", "WHAT"]
    assert first[:5] == ["prod-20270115-074800", "critical", "exporter_disabled", "2027-01-15 07:48 UTC", "open"]
    assert first[5].endswith(" so far")
    assert first[6:] == ["ana", "The gateway's traces exporter is off"]
    assert second[3:7] == ["2027-01-15 06:00 UTC", "2027-01-15 07:00 UTC", "1 h", "-"]
    assert third[0] == "prod-eu-1"
    assert main(["incidents", "--open", "--format", "json"]) == 0
    assert [incident["id"] for incident in json.loads(capsys.readouterr().out)] == ["prod-20270115-074800"]
    assert main(["incidents", "--target", "prod-eu", "--format", "json"]) == 0
    assert [incident["id"] for incident in json.loads(capsys.readouterr().out)] == ["prod-eu-2", "prod-eu-1"]


def test_no_incidents_is_no_line(admin: str, capsys: Out) -> None:
    """Stdout carries only the result; a word to the person is on stderr."""
    assert admin
    assert main(["incidents"]) == 0
    assert capsys.readouterr() == ("", "no incidents\n")


# --- to change -------------------------------------------------------------------------------------------------------


def test_ack_names_a_person_or_the_token(admin: str, site: Site, capsys: Out) -> None:
    """Never the user of the operating system: in a container that is `app` or a number."""
    assert admin
    assert main(["ack", "prod-1"]) == 0
    assert main(["ack", "prod-1", "--by", "Ana Müller"]) == 0
    assert site.done == [("ack", "prod-1", "the admin token"), ("ack", "prod-1", "Ana Müller")]
    assert capsys.readouterr().out.splitlines() == [
        "prod-1 is acknowledged by the admin token",
        "prod-1 is acknowledged by Ana Müller",
    ]


def test_a_silence_begins(admin: str, site: Site, capsys: Out) -> None:
    """With everything that was said of it, in the words of the API."""
    assert admin
    assert (
        main(["silence", "add", "--target", "prod-*", "--fault", "trace_late", "--for", "2h", "--comment", "move"]) == 0
    )
    ((_, silence),) = site.done
    assert isinstance(silence, Silence)
    assert (silence.target, silence.fault, silence.ends_at) == ("prod-*", Fault.TRACE_LATE, START + 7200)
    assert (silence.comment, silence.author) == ("move", "the admin token")
    assert capsys.readouterr().out == (
        f"silence {silence.id} lasts until 2027-01-15 10:00 UTC\nit covers trace_late of prod-eu, prod-us\n"
    )


def test_a_silence_of_everything_must_be_asked_for_and_says_what_it_covers(admin: str, site: Site, capsys: Out) -> None:
    """Every target, every fault."""
    assert admin
    with pytest.raises(SystemExit) as end:
        main(["silence", "add", "--for", "30m"])
    assert end.value.code == 2
    assert "one of the arguments --target --all is required" in capsys.readouterr().err
    assert main(["silence", "add", "--all", "--for", "30m"]) == 0
    ((_, silence),) = site.done
    assert isinstance(silence, Silence)
    assert (silence.target, silence.fault, silence.ends_at) == ("*", None, START + 1800)
    assert capsys.readouterr().out.endswith("it covers any fault of prod, prod-eu, prod-us\n")


@pytest.mark.parametrize("target", ["prdo", "staging-*", "PROD"])
def test_a_silence_of_a_target_that_does_not_exist_is_refused(target: str, admin: str, site: Site, capsys: Out) -> None:
    """It would mute nothing, and whoever set it would be called all the same."""
    assert admin
    assert main(["silence", "add", "--target", target, "--for", "2h"]) == 1
    said = f"the daemon refused (HTTP 400): no target matches '{target}'; there are: prod, prod-eu, prod-us\n"
    assert capsys.readouterr() == ("", said)
    assert site.done == []


@pytest.mark.parametrize("number", ["2", "2.5", " 30 "])
def test_the_length_of_a_silence_has_a_unit(number: str, capsys: Out) -> None:
    """Two seconds are hardly meant."""
    with pytest.raises(SystemExit) as end:
        main(["silence", "add", "--all", "--for", number])
    assert end.value.code == 2
    assert "argument --for: needs a unit: 30s, 5m, 2h" in capsys.readouterr().err


def test_silences_are_a_line_each(admin: str, site: Site, capsys: Out) -> None:
    """Those of the configuration too."""
    assert admin
    window = Weekly(days=frozenset({0}), start=time(1), end=time(2))
    site.state = State(
        targets={},
        silences=(
            Silence(id="a1", target="prod", fault=Fault.BLIND, ends_at=START + 60, comment="move", author="ana"),
            Silence(id="a2", ends_at=START - 60),
            Silence(id="configured-1", weekly=window),
        ),
    )
    assert main(["silence", "list"]) == 0
    assert [re.split(r" {2,}", line) for line in capsys.readouterr().out.splitlines()] == [
        ["SILENCE", "STATE", "END", "TARGET", "FAULT", "BY", "COMMENT"],
        ["a1", "active", "until 2027-01-15 08:01 UTC", "prod", "blind", "ana", "move"],
        ["a2", "inactive", "until 2027-01-15 07:59 UTC", "*", "any", "-", "-"],
        ["configured-1", "inactive", "weekly", "*", "any", "-", "-"],
    ]
    assert main(["silence", "list", "--format", "json"]) == 0
    assert [silence["id"] for silence in json.loads(capsys.readouterr().out)] == ["a1", "a2", "configured-1"]


def test_no_silences_is_no_line(admin: str, site: Site, capsys: Out) -> None:
    """A word to the person is on stderr."""
    assert admin
    assert site.state == State(targets=site.state.targets)
    assert main(["silence", "list"]) == 0
    assert capsys.readouterr() == ("", "no silences\n")


def test_a_silence_ends(admin: str, site: Site, capsys: Out) -> None:
    """By its id."""
    assert admin
    site.state = State(targets={}, silences=(Silence(id="a1", ends_at=START + 60),))
    assert main(["silence", "expire", "a1"]) == 0
    assert site.done == [("expire", "a1")]
    assert capsys.readouterr().out == "silence a1 has ended\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["silence", "add", "--all"], "the following arguments are required: --for"),
        (["silence", "add", "--all", "--for", "a while"], "argument --for: "),
        (
            ["silence", "add", "--all", "--for", "2h", "--fault", "nonsense"],
            "argument --fault: invalid choice: 'nonsense'",
        ),
        (["silence", "expire"], "the following arguments are required: ID"),
        (["silence"], "the following arguments are required: COMMAND"),
        (["ack"], "the following arguments are required: INCIDENT"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: list[str], said: str, capsys: Out) -> None:
    """With 2, before anybody is asked."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


# --- who may, and where ----------------------------------------------------------------------------------------------


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


def test_what_the_daemon_refuses_is_said_in_its_words(admin: str, site: Site, capsys: Out) -> None:
    """One line, exit 1."""
    assert admin
    site.refuse = Unknown("there is no open incident 'prod-9'")
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
