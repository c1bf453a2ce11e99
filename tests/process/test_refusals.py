"""What the program does not start with: one readable line, exit code 2, no traceback, no secret."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.process.program import PATIENCE, Program, running
from tests.scenarios.house import merge

SECRETS = ("tfy-Secret-1", "tl_Secret_2")
GOOD: dict[str, Any] = {
    "targets": {
        "prod": {
            "control_plane": {"url": "https://acme.invalid", "token": SECRETS[0]},
            "gateway": {"model": "openai-main/gpt-4o-mini"},
            "traceloop": {"url": "https://traceloop.invalid", "api_key": SECRETS[1], "environment": "prd"},
        }
    },
    "server": {"port": 0},
}


def test_what_cannot_work_is_said_in_one_line(tmp_path: Path) -> None:
    """A port that is taken, a state that cannot be kept, a file of certificates without any."""
    (tmp_path / "a-file").write_text("nothing of the kind\n")
    file = str(tmp_path / "a-file")
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = taken.getsockname()[1]
        cases: dict[str, tuple[dict[str, Any], str]] = {
            "port": ({"server": {"port": port}}, f"cannot listen on 127.0.0.1:{port}: Address already in use"),
            "state": ({"state": {"path": f"{file}/state.db"}}, f"cannot keep the state in {file}/state.db: "),
            "ca": ({"http": {"ca_file": file}}, "http.ca_file: holds no certificates in PEM"),
        }
        started = {name: stack.enter_context(_running(tmp_path / name, more)) for name, (more, _) in cases.items()}
        for name, (_, said) in cases.items():
            program = started[name]
            assert program.process.wait(PATIENCE) == 2, (name, program.printed)
            complaint = program.stderr.read_text()
            assert said in complaint.splitlines()[-1], name
            assert "Traceback" not in complaint, name
            assert program.stdout.read_text() == "", name
            assert not any(secret in complaint for secret in SECRETS), name


@contextmanager
def _running(directory: Path, more: dict[str, Any]) -> Iterator[Program]:
    directory.mkdir()
    file = directory / "config.yaml"
    state = {"state": {"path": str(directory / "state.db")}}
    file.write_text(json.dumps(merge(merge(GOOD, state), more)))
    with running(str(file), directory) as program:
        yield program
