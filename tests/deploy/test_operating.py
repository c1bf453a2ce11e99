"""The operating guide: its gates stop what they must, its backups can be restored, its alerts and figures are real."""

import asyncio
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.clock import SystemClock
from monitor.core.inputs import Acknowledged
from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.core.state import Budget, State, TargetState
from monitor.store import Recorded
from monitor.store.sqlite import SqliteStore
from tests.cli.live import LiveSandbox, live_sandbox
from tests.scenarios.house import HOUR, house

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
PROD = TargetName("prod")


def section(heading: str) -> str:
    """What stands below it."""
    return GUIDE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def blocks(heading: str, language: str) -> list[str]:
    """The examples below it."""
    return re.findall(rf"^```{language}\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)


# --- as a gate in a pipeline -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    """One for all pipelines."""
    with live_sandbox() as running:
        yield running


@pytest.fixture
def pipeline(sandbox: LiveSandbox, tmp_path: Path) -> Iterator[Path]:
    """A checkout with a configuration, and the program on the path."""
    Path(sandbox.file(tmp_path)).rename(tmp_path / "trace-monitor.yaml")
    program = tmp_path / "bin" / "trace-monitor"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m monitor "$@"\n')
    program.chmod(0o755)
    yield tmp_path
    sandbox.reset()


def run(script: str, directory: Path, *shell: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as a runner does: it ends with the first command that fails."""
    path = f"{directory / 'bin'}:{os.environ['PATH']}"
    command = [*shell, "-e", "-c", script]
    environment = {"PATH": path, "HOME": str(directory)}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("broken", "code", "goes_on"),
    [("", 0, True), ("exporter_disabled", 1, False), ("control_plane_forbidden", 3, True)],
)
def test_the_gate_in_github_actions(
    broken: str, code: int, goes_on: bool, sandbox: LiveSandbox, pipeline: Path
) -> None:
    """It stops at a fault, and warns of what is not known."""
    (workflow,) = (yaml.safe_load(block) for block in blocks("As a gate in a pipeline", "yaml") if "runs-on" in block)
    assert workflow["permissions"] == {"contents": "read"}
    (gate,) = (step for step in workflow["jobs"]["gate"]["steps"] if "trace-monitor check" in step.get("run", ""))
    if broken:
        sandbox.break_(broken)
    done = run(quickly(gate["run"]), pipeline, "bash")
    assert (done.returncode == 0) == goes_on, done.stdout + done.stderr
    assert ("::warning::" in done.stdout) == (code == 3)


def test_the_gate_in_gitlab(sandbox: LiveSandbox, pipeline: Path) -> None:
    """The one exit code that is allowed is that of what is not known."""
    (jobs,) = (yaml.safe_load(block) for block in blocks("As a gate in a pipeline", "yaml") if "stage:" in block)
    (job,) = jobs.values()
    (command,) = job["script"]
    sandbox.break_("control_plane_forbidden")
    done = run(quickly(command), pipeline, "sh")
    assert done.returncode == job["allow_failure"]["exit_codes"], done.stdout + done.stderr


def quickly(script: str) -> str:
    """One check is enough: what the gate does with the exit code is what counts here."""
    assert script.count("trace-monitor check ") == 1
    return script.replace("trace-monitor check ", "trace-monitor check --only config ").replace(
        "--timeout 10m", "--timeout 20s"
    )


def test_the_secrets_of_the_gate_are_those_of_the_settings() -> None:
    """A variable with another name would be ignored, and the gate would say that a secret is missing."""
    named = set(re.findall(r"^ +(TRACE_MONITOR_\w+): \$", GUIDE, re.MULTILINE))
    assert named == {
        "TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__TOKEN",
        "TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY",
    }


# --- the state file --------------------------------------------------------------------------------------------------

BACKUPS = blocks("Back up the state file", "sh")


def test_there_are_two_ways_to_back_up() -> None:
    """With SQLite's own shell, and with the Python that the image has."""
    assert len(BACKUPS) == 2


@pytest.mark.parametrize("command", BACKUPS, ids=lambda command: "sqlite3" if "&& sqlite3" in command else "python3")
async def test_a_backup_of_a_file_in_use_can_be_restored(command: str, tmp_path: Path) -> None:
    """Everything that was saved is in it, though it still stood in the second file; nobody else may read it."""
    if "&& sqlite3" in command and shutil.which("sqlite3") is None:
        pytest.skip("no sqlite3 shell here")
    path = tmp_path / "trace-monitor.db"
    store = SqliteStore(path, clock=SystemClock(), keep_history=3e9)
    await store.open()
    saved = TargetState(target=PROD, budget=Budget(day=1, sent=7))
    await store.save(saved)
    await store.save_silences((Silence(id="by-hand"),))
    store.record(PROD, Acknowledged(at=1.0, incident_id="i", by="ada"), 1.0)
    await store.save(saved)
    assert rows_without_the_second_file(path, tmp_path) == 0
    done = await asyncio.to_thread(run, command.replace("python3", sys.executable), tmp_path, "sh")
    assert done.returncode == 0, done.stderr
    key = store.fingerprint_key()
    await store.save(TargetState(target=PROD, budget=Budget(day=1, sent=8)))  # after the backup
    await store.close()

    restore(tmp_path / "backup.db", path)
    restored = SqliteStore(path, clock=SystemClock(), keep_history=3e9)
    await restored.open()
    assert await restored.load() == State(targets={PROD: saved}, silences=(Silence(id="by-hand"),))
    assert len(await restored.history()) == 1
    assert (restored.fingerprint_key(), restored.loss) == (key, None)
    await restored.close()


def restore(backup: Path, path: Path) -> None:
    """As the guide says, once the monitor has stopped."""
    for companion in ("-wal", "-shm"):
        Path(f"{path}{companion}").unlink(missing_ok=True)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    backup.replace(path)


def rows_without_the_second_file(path: Path, directory: Path) -> int:
    """What a copy of the first file alone holds: why the guide does not copy it."""
    alone = directory / "alone.db"
    shutil.copy(path, alone)
    with closing(sqlite3.connect(alone)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'targets'").fetchone()[0]
        count: int = connection.execute("SELECT count(*) FROM targets").fetchone()[0] if tables else 0
    alone.unlink()
    return count


async def test_the_state_file_grows_as_the_guide_says(tmp_path: Path) -> None:
    """An hour of a healthy target at the default cadence, written as the daemon writes them."""
    (said,) = re.findall(r"grows by about ([\d.]+) MB a day and target", GUIDE)
    async with house() as home:
        await home.settle_in()
        before = len(await home.store.history())
        await home.advance(HOUR)
        entries = (await home.store.history())[before:]
    path = tmp_path / "state.db"
    sizes = []
    for some in ((), entries):
        await write(path, some)
        sizes.append(path.stat().st_size)
    a_day = 24 * (sizes[1] - sizes[0]) / 1e6
    assert float(said) * 0.5 < a_day < float(said) * 1.5


async def write(path: Path, entries: tuple[Recorded, ...]) -> None:
    """What a process writes between its start and its end."""
    store = SqliteStore(path, clock=SystemClock(), keep_history=3e9)
    await store.open()
    for entry in entries:
        store.record(entry.target, entry.given, entry.at)
    await store.close()


# --- names -----------------------------------------------------------------------------------------------------------


def test_the_alerts_that_are_advised_are_those_of_the_rules() -> None:
    """Under their present names."""
    rules: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    there = {rule.get("alert") for group in rules["groups"] for rule in group["rules"]}
    advised = set(re.findall(r"`((?:TraceMonitor|Gateway)[A-Z]\w+)`", GUIDE))
    assert len(advised) > 8
    assert advised - there == set()


def test_the_permissions_and_scopes_are_those_of_the_other_guides() -> None:
    """What one guide asks for, the others ask for."""
    named = set(re.findall(r"`((?:chat|connections|usergroups|gateway-controls):[\w.:]+)`", GUIDE))
    elsewhere = "".join((ROOT / "docs" / name).read_text() for name in ("getting-started.md", "slack-buttons.md"))
    assert named == {
        "gateway-controls:ListGatewayControls",
        "chat:write",
        "chat:write.public",
        "connections:write",
        "usergroups:read",
    }
    assert [name for name in named if name not in elsewhere] == []
