"""A recording, played to the real adapters, gives the answers that the tenant gave; and it gives nothing away.

It is made of every dialect and of every fault, so what is true of all of them is asked here too.
"""

import json
from pathlib import Path

import pytest

from monitor.sandbox import FAULTS, SWITCHES
from tests.doctor.clinic import Clinic, Report, answers, clinic, replay
from tests.scenarios.discretion import secrets_of

EVERY_VALUE = [f"{name}={value}" for name, switch in SWITCHES.items() for value in switch.values]
_PLAYED_ENOUGH = 1  # a last look that came just when another task had seen enough


def whole(directory: Path) -> str:
    """Everything that was written."""
    return "".join(file.read_text() for file in directory.iterdir())


async def record(it: Clinic, directory: Path) -> Report:
    """A recorded visit to the one target, and no secret in what was written."""
    target = await it.look(record=directory)
    written = whole(directory)
    assert {secret for secret in secrets_of(it.sandbox.world.credentials) if secret in written} == set()
    for private in ("trace-monitor@", "ada@example.com", "sam@example.com", "pong", "health check of the gateway"):
        assert private not in written
    for named in ("https://control-plane/", "https://traceloop/", "https://gateway/", '"sandbox"', "openai-main"):
        assert named not in written
    return target


def essence(target: Report) -> Report:
    """What a recording must preserve: answers, verdicts, and which settings are suggested."""
    return {
        "answers": answers(target),
        "suggests": sorted(target["suggested_settings"]),
        "verdict": target["verdict"],
        "check": (target["check"]["verdict"], target["check"]["fault"]),
    }


@pytest.mark.parametrize("dialect", EVERY_VALUE)
async def test_a_recording_of_any_dialect_gives_the_same_answers(dialect: str, tmp_path: Path) -> None:
    """Every value of every switch of the sandbox, each once."""
    async with clinic(dialect) as it:
        live = await record(it, tmp_path / "recording")
    lacks_nothing(live)
    played, recording = await replay(tmp_path / "recording")
    assert essence(played) == essence(live)
    assert len(recording.unplayed) <= _PLAYED_ENOUGH


def lacks_nothing(target: Report) -> None:
    """Healthy in any dialect."""
    assert failed(target) == set()
    assert target["verdict"] == "pass"
    assert target["check"]["verdict"] == "pass"


def failed(target: Report) -> set[str]:
    """What is missing or broken."""
    return {slug for slug, (_, verdict) in answers(target).items() if verdict == "fail"}


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_a_recording_of_any_fault_gives_the_same_answers(fault: str, tmp_path: Path) -> None:
    """That is what a recording is for. What cannot be asked is unknown, what `check` finds is found, and it ends in time."""
    async with clinic("", fault) as it:
        live = await record(it, tmp_path / "recording")
        assert it.took <= 420
    if not FAULTS[fault].named:
        assert failed(live) == ({"slack"} if fault == "slack_invalid_auth" else set())
    if live["check"]["verdict"] == "fail":
        assert failed(live)
    played, _ = await replay(tmp_path / "recording")
    assert essence(played) == essence(live)


@pytest.mark.parametrize("content", [True, False])
async def test_a_recording_of_traces_with_content_has_none(content: bool, tmp_path: Path) -> None:
    """The names of its attributes stay, and so does what is concluded from them."""
    more = {"targets": {"demo": {"expected": {"exclude_request_data": None}}}}
    async with clinic("", content=content, **more) as it:
        live = await record(it, tmp_path / "recording")
    played, _ = await replay(tmp_path / "recording")
    assert essence(played) == essence(live)
    shown = "".join(file.read_text() for file in (tmp_path / "recording").glob("*-traceloop.json"))
    assert ('"tfy.input"' in shown) is content


async def test_several_targets_are_recorded_together(tmp_path: Path) -> None:
    """Under made-up names; the verdicts stand in the index."""
    async with clinic() as it:
        it._more = {"targets": {"acme-internal": it.sandbox.configuration()["targets"]["demo"]}}  # type: ignore[index]
        await it.visit(record=tmp_path / "recording")
    index = json.loads((tmp_path / "recording" / "index.json").read_text())
    assert set(index["settings"]["targets"]) == set(index["verdicts"]) == {"target-1", "target-2"}
    assert "acme" not in whole(tmp_path / "recording")
