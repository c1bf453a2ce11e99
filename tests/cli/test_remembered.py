"""`status` and `incidents` where the daemon does not answer: what its state file says."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.core.state import State
from monitor.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.settings.samples import MINIMAL
from tests.web.site import a_state, an_incident

Out = pytest.CaptureFixture[str]
THEN = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
PROD = TargetName("prod")


def configured(directory: Path, *, port: int = 1) -> str:
    """A configuration whose daemon does not run: nobody may listen on port 1."""
    file = directory / "config.yaml"
    file.write_text(f"{MINIMAL}server: {{port: {port}}}\nstate: {{path: {directory / 'state.db'}}}\n")
    return str(file)


def left_behind(directory: Path, state: State) -> None:
    """The state file of a daemon that has ended."""

    async def write() -> None:
        store = SqliteStore(directory / "state.db", clock=FakeClock(), keep_history=86_400.0)
        await store.open()
        for target in state.targets.values():
            await store.save(target)
        await store.save_silences(state.silences)
        await store.close()

    asyncio.run(write())


def broken() -> State:
    """The exporter of `prod` is off, for twenty minutes; one earlier incident."""
    over = an_incident(PROD, id="prod-1", opened_at=THEN - 7200, closed_at=THEN - 3600)
    lasting = an_incident(PROD, id="prod-2", opened_at=THEN - 1200, acked_by="ana")
    silence = Silence(id="a1", target="prod", ends_at=4_000_000_000.0)
    return State(targets={PROD: a_state(PROD, incidents=(over, lasting), at=THEN)}, silences=(silence,))


def test_status_says_what_the_state_file_says(tmp_path: Path, capsys: Out) -> None:
    """And on stderr that it does, and as of when."""
    left_behind(tmp_path, broken())
    assert main(["status", "--config", configured(tmp_path)]) == 0
    out, err = capsys.readouterr()
    row = re.split(r" {2,}", out.splitlines()[1])
    assert (row[0], row[2:5]) == ("prod", ["2023-11-14 21:53 UTC", "until 2096-10-02 07:06 UTC", "ana"])
    assert err.startswith("the daemon does not answer at http://127.0.0.1:1: ")
    assert err.endswith("; this is what the state file says, as of 2023-11-14 22:13 UTC\n")
    assert err.count("\n") == 1


def test_incidents_too_and_as_json(tmp_path: Path, capsys: Out) -> None:
    """The newest first; only those that are open, where that is asked."""
    left_behind(tmp_path, broken())
    file = configured(tmp_path)
    assert main(["incidents", "--config", file]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["INCIDENT", "prod-2", "prod-1"]
    assert main(["incidents", "--open", "--format", "json", "--config", file]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == ["prod-2"]
    assert main(["status", "--target", "prod", "--format", "json", "--config", file]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["as_of"], list(shown["targets"])) == (THEN, ["prod"])
    assert [one["id"] for one in shown["incidents"]] == ["prod-2"], "the open ones, as the daemon says"


def test_nothing_is_written_beside_it(tmp_path: Path, capsys: Out) -> None:
    """Byte by byte."""
    left_behind(tmp_path, broken())
    file = configured(tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert main(["status", "--config", file]) == 0
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    assert capsys.readouterr().out


def test_without_a_state_file_the_daemon_is_missed(tmp_path: Path, capsys: Out) -> None:
    """Exit 1, one line, and nothing is created."""
    file = configured(tmp_path)
    assert main(["status", "--config", file]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"; there is no state file at {tmp_path / 'state.db'}\n")
    left_behind(tmp_path, State(targets={}))
    assert main(["incidents", "--config", file]) == 1
    assert "remembers nothing of the targets" in capsys.readouterr().err
    (tmp_path / "state.db").write_bytes(b"this is no database, and long enough to be looked at " * 20)
    assert main(["status", "--config", file]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_what_changes_something_needs_the_daemon(tmp_path: Path, capsys: Out) -> None:
    """`ack` and `silence` are not done in its file."""
    left_behind(tmp_path, broken())
    for words in (["ack", "prod-2"], ["silence", "list"], ["silence", "expire", "a1"]):
        assert main([*words, "--config", configured(tmp_path)]) == 1
        assert "state file" not in capsys.readouterr().err


def test_the_file_of_another_daemon_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    """`--url` alone names a daemon somewhere: the configuration at hand may be of another."""
    left_behind(tmp_path, broken())
    monkeypatch.setenv("TRACE_MONITOR_CONFIG", configured(tmp_path))
    assert main(["status", "--url", "http://127.0.0.1:1"]) == 1
    assert "state file" not in capsys.readouterr().err
    assert main(["status"]) == 0


def test_a_look_from_the_future_is_as_of_now(tmp_path: Path, capsys: Out) -> None:
    """The clock that wrote it was ahead."""
    left_behind(tmp_path, State(targets={PROD: a_state(PROD, at=4_000_000_000.0)}))
    assert main(["status", "--config", configured(tmp_path)]) == 0
    assert "as of 2096" not in capsys.readouterr().err
