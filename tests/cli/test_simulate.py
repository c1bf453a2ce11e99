"""`trace-monitor simulate`."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.clock import SystemClock
from monitor.core.incident import Diagnosis, Incident, Notified, Reason
from monitor.core.inputs import NoticeDelivered, Observation
from monitor.core.model import CheckName, Component, Fault, Severity, Suspicion, TargetName, failing, passing
from monitor.core.state import TargetState
from monitor.store.sqlite import SqliteStore
from tests.sampling import sample
from tests.settings.samples import MINIMAL
from tools.simulate_examples import EXAMPLES, PAGE, printed, shown, without_ids

Out = pytest.CaptureFixture[str]
PROD = TargetName("prod")

STORY = "timeline:\n  - {from: 2m, to: 6m, outage: gateway_unreachable}\nuntil: 15m\n"


def simulate(tmp_path: Path, text: str, *words: str) -> int:
    """Run the command on a timeline."""
    file = tmp_path / "story.yaml"
    file.write_text(text)
    return main(["simulate", str(file), *words])


def test_it_prints_every_notice_at_its_moment(tmp_path: Path, capsys: Out) -> None:
    """The first line and the body as Slack's reader reads them; stdout has nothing else, stderr nothing at all."""
    assert simulate(tmp_path, STORY) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "08:02:00 +2m        - gateway_unreachable begins"
    assert re.fullmatch(r"08:02:\d\d \+2m\d+s     opened · MENTION · new message", lines[1])
    assert lines[2].strip() == "| 🚨 critical · prod · The gateway is unreachable (gateway_unreachable)"
    assert "                    | Open the gateway's URL from another network. Check its pods" in out
    assert re.search(r"08:06:\d\d \+6m\d+s +resolved · message edited, in its thread and in the channel\n", out)
    assert lines[-3:] == ["incidents: 1", "messages:  2 (1 opened, 1 resolved)", "mentions:  1"]


def test_as_json_it_says_what_was_notified_and_how(tmp_path: Path, capsys: Out) -> None:
    """Reason, mention, broadcast, and of each text the place and its thread."""
    assert simulate(tmp_path, STORY, "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    opened, resolved = (notice for notice in said["notices"] if notice["reason"] != "edited")
    assert (opened["reason"], opened["fault"], opened["severity"]) == ("opened", "gateway_unreachable", "critical")
    assert (opened["mention"], opened["broadcast"], resolved["mention"], resolved["broadcast"]) == (
        True,
        False,
        False,
        True,
    )
    assert [text["place"] for text in opened["texts"]] == ["root"]
    assert [text["place"] for text in resolved["texts"]] == ["edit", "thread"]
    assert resolved["texts"][1]["thread_ts"] == opened["texts"][0]["ts"]
    assert 120 < opened["after"] < 145
    assert opened["at"] == pytest.approx(said["start"] + opened["after"], abs=0.001)
    assert [event["text"] for event in said["events"]] == ["gateway_unreachable begins", "gateway_unreachable ends"]
    assert said["summary"] == {
        "incidents": 1,
        "reopened": 0,
        "messages": 2,
        "mentions": 1,
        "by_reason": {"opened": 1, "resolved": 1},
        "open": [],
    }


def test_hours_take_seconds(tmp_path: Path, capsys: Out) -> None:
    """Nobody waits for a virtual clock, whatever else the machine has to do."""
    began = time.monotonic()
    assert simulate(tmp_path, "until: 2h\ntimeline: []\n") == 0
    assert time.monotonic() - began < 0.1 * 2 * 3600  # seconds, where nobody else wants the machine
    assert capsys.readouterr().out == "\nincidents: 0\nmessages:  0\nmentions:  0\n"


def test_a_timeline_that_makes_no_sense_is_refused(tmp_path: Path, capsys: Out) -> None:
    """Exit 2: one readable line with file, line, path and what is allowed; nothing on stdout."""
    assert simulate(tmp_path, "timeline:\n  - {at: 2m, outage: exporter_disabeld}\n") == 2
    out, err = capsys.readouterr()
    assert out == ""
    file = tmp_path / "story.yaml"
    assert err == (
        f"{file}:2: timeline[0].outage: is not something that can break; did you mean `exporter_disabled`?\n"
    )


def test_a_configuration_that_makes_no_sense_is_refused(tmp_path: Path, capsys: Out) -> None:
    """Exit 2, as everywhere."""
    config = tmp_path / "config.yaml"
    config.write_text("targets: {}\n")
    assert simulate(tmp_path, STORY, "--config", str(config)) == 2
    assert f"{config}:1: targets: is empty" in capsys.readouterr().err


def test_without_a_timeline_there_is_nothing_to_simulate(capsys: Out) -> None:
    """Exit 2, and which two there are."""
    assert main(["simulate"]) == 2
    assert "either a TIMELINE or --from-history is needed" in capsys.readouterr().err


# --- the examples of the documentation


def test_the_page_shows_every_example() -> None:
    """And no other."""
    page = PAGE.read_text(encoding="utf-8")
    examples = {file.name for file in EXAMPLES.glob("*.yaml")}
    assert shown(page).keys() == examples
    assert {name for name in examples if f"(examples/{name})" in page} == examples


@pytest.mark.parametrize("name", sample(sorted(file.name for file in EXAMPLES.glob("*.yaml")), every=5))
def test_an_example_prints_what_the_page_says(name: str) -> None:
    """`make docs` brings the page up to date when a message has been worded anew."""
    assert without_ids(printed(name)) == without_ids(shown(PAGE.read_text(encoding="utf-8"))[name])


# --- what was recorded


def configured(tmp_path: Path, alerting: str = "{}") -> Path:
    """A configuration whose state file is beside it."""
    file = tmp_path / "config.yaml"
    file.write_text(f"{MINIMAL}state: {{path: {tmp_path / 'state.db'}}}\nalerting: {alerting}\n")
    return file


async def a_bad_hour(tmp_path: Path) -> SqliteStore:
    """A daemon that saw the gateway fail for five minutes an hour ago, notified Slack of it, and goes on running."""
    store = SqliteStore(tmp_path / "state.db", clock=SystemClock(), keep_history=30 * 86_400)
    await store.open()
    down = failing(Suspicion(fault=Fault.GATEWAY_UNREACHABLE, summary="no connection"))
    began = time.time() - 3600
    for seconds in range(0, 1800, 15):
        at, result = began + seconds, down if 600 <= seconds < 900 else passing("well")
        store.record(PROD, Observation(check=CheckName.GATEWAY, at=at, took=0.1, result=result), at)
    opened, resolved = began + 615, began + 915
    for moment, reason in ((opened, Reason.OPENED), (resolved, Reason.RESOLVED)):
        notified = Notified(
            reason=reason,
            fault=Fault.GATEWAY_UNREACHABLE,
            severity=Severity.CRITICAL,
            at=moment,
            mentioned_at=opened,
            closed=reason is Reason.RESOLVED,
        )
        at = moment + 0.3  # Slack has answered
        store.record(PROD, NoticeDelivered(at=at, incident_id="i", notifier="slack", notified=notified), at)
    diagnosis = Diagnosis(
        fault=Fault.GATEWAY_UNREACHABLE,
        severity=Severity.CRITICAL,
        component=Component.GATEWAY,
        summary="no connection",
    )
    incident = Incident(id="i", target=PROD, opened_at=opened, closed_at=resolved, diagnosis=diagnosis)
    await store.save(TargetState(target=PROD, incidents=(incident,)))
    return store


def from_history(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "monitor", "simulate", "--from-history", "--config", str(config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files(directory: Path) -> dict[str, bytes]:
    """Everything there."""
    return {file.name: file.read_bytes() for file in directory.iterdir()}


async def test_what_was_recorded_is_reported_beside_the_running_daemon(tmp_path: Path) -> None:
    """Every notice with its date; beside the sum what was notified then. Nothing is written."""
    store = await a_bad_hour(tmp_path)
    before = files(tmp_path)
    config = configured(tmp_path)
    done = from_history(config)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d opened · MENTION · new message$", done.stdout, re.MULTILINE)
    assert "| 🚨 critical · prod · The gateway is unreachable (gateway_unreachable)" in done.stdout
    table = done.stdout.rpartition("replayed   at the time\n")[2]
    assert [line.split() for line in table.splitlines()] == [
        ["incidents", "1", "1"],
        ["messages", "2", "2"],
        ["opened", "1", "1"],
        ["resolved", "1", "1"],
        ["mentions", "1", "1"],
    ]
    assert {name: content for name, content in files(tmp_path).items() if name != config.name} == before
    assert store.problem is None
    await store.close()


async def test_other_thresholds_are_tried_on_what_was_recorded(tmp_path: Path) -> None:
    """Would this have paged me? As JSON, both counts."""
    await (await a_bad_hour(tmp_path)).close()
    config = configured(tmp_path, "{fail_after: 60}")
    said = json.loads(from_history(config, "--since", "2h", "--target", "prod", "--format", "json").stdout)
    assert (said["notices"], said["summary"]["mentions"], said["notified"]["mentions"]) == ([], 0, 1)


async def test_what_cannot_be_replayed_is_refused(tmp_path: Path, capsys: Out) -> None:
    """Exit 2 and one line: no state file, nothing in that time, no such target, two stories at once."""
    config = str(configured(tmp_path))
    assert main(["simulate", "--from-history", "--config", config]) == 2
    assert "(state.path) has recorded nothing of prod since then" in capsys.readouterr().err
    await (await a_bad_hour(tmp_path)).close()
    assert main(["simulate", "--from-history", "--config", config, "--since", "1s"]) == 2
    assert "has recorded nothing" in capsys.readouterr().err
    assert main(["simulate", "--from-history", "--config", config, "--target", "prd"]) == 2
    assert "--target prd: there is no such target; allowed: prod" in capsys.readouterr().err
    assert main(["simulate", "--from-history", "story.yaml"]) == 2
    assert "either a TIMELINE or --from-history" in capsys.readouterr().err
    assert main(["simulate", "story.yaml", "--since", "1h"]) == 2
    assert "--since and --target go with --from-history" in capsys.readouterr().err
    (tmp_path / "state.db").write_bytes(b"no database at all, but long enough to be taken for one" * 10)
    assert main(["simulate", "--from-history", "--config", config]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--from-history", "--since", "yesterday"])
    assert end.value.code == 2
