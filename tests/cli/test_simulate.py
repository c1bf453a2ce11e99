"""`trace-monitor simulate`."""

import json
import re
import time
from pathlib import Path

import pytest

from monitor.cli import main
from tools.simulate_examples import EXAMPLES, PAGE, printed, shown, without_ids

Out = pytest.CaptureFixture[str]

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
    assert lines[2].strip() == "| 🚨 critical · prod · gateway_unreachable"
    assert "                    | Open the gateway's URL from another network; look at its pods" in out
    assert re.search(r"08:06:\d\d \+6m\d+s +resolved · message edited, in its thread and in the channel\n", out)
    assert lines[-3:] == ["incidents: 1", "messages:  2 (1 opened, 1 resolved)", "mentions:  1"]


def test_as_json_it_says_how_it_was_told(tmp_path: Path, capsys: Out) -> None:
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


def test_without_a_story_there_is_nothing_to_tell(capsys: Out) -> None:
    """Exit 2, and which two there are."""
    assert main(["simulate"]) == 2
    assert "a TIMELINE is needed" in capsys.readouterr().err


# --- the examples of the documentation


def test_the_page_shows_every_example() -> None:
    """And no other."""
    page = PAGE.read_text(encoding="utf-8")
    examples = {file.name for file in EXAMPLES.glob("*.yaml")}
    assert shown(page).keys() == examples
    assert {name for name in examples if f"(examples/{name})" in page} == examples


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.yaml")))
def test_an_example_prints_what_the_page_says(name: str) -> None:
    """`python -m tools.simulate_examples` brings the page up to date when a message has been worded anew."""
    assert without_ids(printed(name)) == without_ids(shown(PAGE.read_text(encoding="utf-8"))[name])
