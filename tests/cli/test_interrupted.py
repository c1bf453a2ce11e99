"""Ctrl-C: the process ends soon, and nobody sees a traceback, however early it is pressed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.live import LiveSandbox
from tests.sampling import sample

INTERRUPTED = (0, 130, -signal.SIGINT)
"""Stopped in order, interrupted, or ended by the signal while it was still starting: a shell shows 130 for both of the last."""


@pytest.fixture(autouse=True)
def _sigint_is_not_ignored() -> Iterator[None]:
    """A shell starts what runs in its background with SIGINT ignored, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def started(*words: str) -> subprocess.Popen[str]:
    """A real process in a session of its own: only it gets the signal."""
    return subprocess.Popen(
        [sys.executable, "-m", "monitor", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(stream: IO[str] | None, text: str) -> str:
    """Until a line with this text has been printed; what was printed up to then."""
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never printed: {said}")


def interrupted(process: subprocess.Popen[str], presses: int) -> None:
    """Press Ctrl-C; it ends, and the rest of what it prints holds no traceback."""
    with process:
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode in INTERRUPTED
    assert "Traceback" not in out + err
    assert "Error" not in out + err


@pytest.mark.parametrize(
    ("command", "presses"), sample([("check", 1), ("check", 2), ("doctor", 1), ("doctor", 2)], every=3)
)
def test_while_it_waits_for_traces(command: str, presses: int, sandbox: LiveSandbox, tmp_path: Path) -> None:
    """The longest of all waits."""
    sandbox.break_("trace_missing")
    slow = {"targets": {"demo": {"checks": {"arrival": {"late_after": "1h", "missing_after": "2h"}}}}}
    process = started(command, "--config", sandbox.file(tmp_path, slow))
    wait_for(process.stderr, "demo: canary pass")
    interrupted(process, presses)


@pytest.mark.parametrize("presses", sample([2, 1], every=2))
@pytest.mark.thorough
def test_the_demonstration(presses: int) -> None:
    """While it runs."""
    process = started("demo")
    wait_for(process.stdout, "http://")
    interrupted(process, presses)


@pytest.mark.parametrize("presses", sample([2, 1], every=2))
def test_the_sandbox(presses: int) -> None:
    """Its usual end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = started("sandbox", "--port-base", str(min(port, 65_000)))
    wait_for(process.stderr, "Ctrl-C")
    interrupted(process, presses)


@pytest.mark.parametrize("command", sample(["status", "incidents", "silence list"], every=3))
def test_while_the_daemon_is_asked(command: str, black_hole: str) -> None:
    """One that takes the connection and says nothing."""
    process = started(*command.split(), "--url", black_hole)
    _until_connected(black_hole, process)
    interrupted(process, 1)


def _until_connected(address: str, process: subprocess.Popen[str]) -> None:
    """Until the process has a socket to it: then it waits for the answer."""
    port = f"{int(address.rpartition(':')[2]):04X}"
    while process.poll() is None:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if any(row[2].endswith(f":{port}") and row[3] == "01" for row in rows):
            return
    raise AssertionError("it has ended before it was interrupted")


@pytest.mark.parametrize("command", ["check", "doctor", "demo", "sandbox", "status", "run"])
def test_while_it_still_imports(command: str, tmp_path: Path) -> None:
    """Half a second in which a person may already regret it: a module that hangs on its import stands for all of them."""
    pipe = tmp_path / "reached"
    os.mkfifo(pipe)
    code = (
        "import sys, builtins; from monitor.cli import main; was = builtins.__import__\n"
        "def slow(name, *rest):\n"
        "    if name.startswith('monitor.cli.common'):\n"
        f"        open({json.dumps(str(pipe))}, 'w').close(); import time; time.sleep(20)\n"
        "    return was(name, *rest)\n"
        "builtins.__import__ = slow; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pipe.open().close()
    interrupted(process, 2)
