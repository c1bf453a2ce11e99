"""Commands that talk to a running daemon: what they show, and what they change."""

import json
import re
from datetime import time

import pytest

from monitor.cli import main
from monitor.core.model import Fault, TargetName
from monitor.core.silence import Silence, Weekly
from monitor.core.state import State
from monitor.daemon.status import describe_incident
from tests.fakes.clock import START
from tests.web.site import Site, a_broken_target, an_incident, described

Out = pytest.CaptureFixture[str]


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
            Silence(id="a3"),
            Silence(id="configured-1", weekly=window),
        ),
    )
    assert main(["silence", "list"]) == 0
    assert [re.split(r" {2,}", line) for line in capsys.readouterr().out.splitlines()] == [
        ["SILENCE", "STATE", "END", "TARGET", "FAULT", "BY", "COMMENT"],
        ["a1", "active", "until 2027-01-15 08:01 UTC", "prod", "blind", "ana", "move"],
        ["a2", "inactive", "until 2027-01-15 07:59 UTC", "*", "any", "-", "-"],
        ["a3", "active", "no end", "*", "any", "-", "-"],
        ["configured-1", "inactive", "weekly", "*", "any", "-", "-"],
    ]
    assert main(["silence", "list", "--format", "json"]) == 0
    assert [silence["id"] for silence in json.loads(capsys.readouterr().out)] == ["a1", "a2", "a3", "configured-1"]


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
