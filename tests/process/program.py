"""The real program in a process of its own: started, asked, killed; what it wrote is kept in files."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

HANGING_RESOLVER = """\
import socket, sys, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
from monitor.daemon import service
service.GRACE = float(sys.argv.pop(1))
from monitor.cli import main
sys.exit(main())
"""
"""A wrapper: no name is ever resolved, and the grace is as long as the first word says."""

LOUD: dict[str, Any] = {"log": {"level": "info", "format": "json"}}
ONLY_GATEWAY: dict[str, Any] = {
    "gateway": {"every": 1, "every_while_failing": 0.3, "timeout": 2},
    "config": {"enabled": False},
    "canary": {"enabled": False},
    "control": {"enabled": False},
    "origin": {"enabled": False},
}
"""Opened within a second, and resolved within a second."""


PATIENCE = 40.0
"""Real seconds; a machine that does much else takes long to start a program."""


def until(reached: Callable[[], T | None], *, within: float = PATIENCE, what: str = "it") -> T:
    """What `reached` gives as soon as it is true; real time, in small steps."""
    deadline = time.monotonic() + within
    while True:
        found = reached()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} has not come true within {within:g} s"
        time.sleep(0.05)


class Program:
    """One process of `trace-monitor run`."""

    def __init__(self, file: str, directory: Path, *, wrapper: str | None = None, words: tuple[str, ...] = ()) -> None:
        number = len(list(directory.glob("stderr-*")))
        self.stdout, self.stderr = directory / f"stdout-{number}", directory / f"stderr-{number}"
        start = ["-c", wrapper] if wrapper is not None else ["-m", "monitor"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACE_MONITOR_")}
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *start, *words, "run", "--config", file],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
            )

    @property
    def printed(self) -> str:
        """Both streams so far."""
        return self.stdout.read_text() + self.stderr.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line of the log, which is JSON."""
        return [json.loads(line) for line in self.stderr.read_text().splitlines() if line.startswith("{")]

    def logged(self, message: str) -> dict[str, Any] | None:
        """The first line that says so."""
        return next((line for line in self.log if line["msg"] == message), None)

    @property
    def url(self) -> str:
        """Where it listens, once it is ready."""
        line = until(self._ready_line, what="ready")
        return str(line["url"])

    def _ready_line(self) -> dict[str, Any] | None:
        line = self.logged("ready")
        assert line is not None or self.process.poll() is None, self.printed
        return line

    def get(self, path: str) -> str:
        """Ask its web."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode())

    def json(self, path: str) -> Any:
        """The same, as JSON."""
        return json.loads(self.get(path))

    def post(self, path: str, token: str) -> tuple[int, Any]:
        """Change something; status and body."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}{path}", method="POST", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def metric(self, name: str, **labels: str) -> float | None:
        """The value of one series."""
        for line in self.get("/metrics").splitlines():
            found = re.fullmatch(rf"trace_monitor_{name}(?:\{{(.*)\}})? (\S+)", line)
            if found is not None and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
                return float(found[2])
        return None

    @property
    def incident(self) -> Mapping[str, Any] | None:
        """The open one."""
        found = self.json("/api/v1/incidents?open=true")["incidents"]
        return found[0] if found else None

    def ends(self, number: signal.Signals = signal.SIGTERM, *, within: float = PATIENCE) -> int:
        """Ask it to end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(within)


@contextmanager
def running(
    file: str, directory: Path, *, wrapper: str | None = None, words: tuple[str, ...] = ()
) -> Iterator[Program]:
    """A program that does not outlive its test."""
    program = Program(file, directory, wrapper=wrapper, words=words)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait(10)
