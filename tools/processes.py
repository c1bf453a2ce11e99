# ruff: noqa: S603, TID251 - it starts programs and waits in real time; that is what it is for
"""Programs under test: started, waited for, ended. Used by the benches and by tests/e2e."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TRACE_MONITOR = str(Path(sys.executable).with_name("trace-monitor"))


class TookTooLongError(AssertionError):
    """Something did not become true in its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that runs, and where it writes what it has to say."""

    process: "subprocess.Popen[bytes]"
    log: Path
    started: float  # time.monotonic()

    def said(self) -> str:
        """Everything it wrote so far."""
        return self.log.read_text(errors="replace")


@contextmanager
def running(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, grace: float = 20.0
) -> Iterator[Program]:
    """Run a program while the block runs; then ask it to end, and make it end after `grace` seconds.

    Its environment is ours without what belongs to other monitors, plus `environment`.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TRACE_MONITOR_", "OTEL_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=inherited | dict(environment or {})
        )
    program = Program(process=process, log=log, started=time.monotonic())
    try:
        yield program
    finally:
        _end(process, grace)


def _end(process: "subprocess.Popen[bytes]", grace: float) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(probe: Callable[[], T | None], *, within: float, what: str, program: Program | None = None) -> T:
    """Ask again and again until the answer is true; it is returned. A program that ended meanwhile ends the waiting."""
    deadline = time.monotonic() + within
    while not (answer := probe()):
        ended = program is not None and program.process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = f"; it said:\n{program.said()[-4000:]}" if program else ""
            raise TookTooLongError(f"{what}: {'the program ended' if ended else f'not within {within:g} s'}{said}")
        time.sleep(0.01)
    return answer


@contextmanager
def a_sandbox(directory: Path, *options: str) -> Iterator[str]:
    """A sandbox in a process of its own, and where its own API is."""
    base = free_ports(5)
    url = f"http://127.0.0.1:{base + 4}"
    command = [TRACE_MONITOR, "sandbox", "--port-base", str(base), *options]
    with running(command, log=directory / "sandbox.log") as program:
        wait_until(lambda: is_well(f"{url}/state"), within=60, what="the sandbox", program=program)
        yield url


def read(url: str) -> str:
    """What a URL answers. Raises OSError."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())


def memory(program: Program, what: str = "VmRSS") -> float:
    """How many MiB a program holds; `VmHWM`: the most that it ever held."""
    lines = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def is_well(url: str) -> bool:
    """Whether a URL answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return bool(answer.status == HTTPStatus.OK)
    except OSError:  # an HTTPError is one, too
        return False


def free_ports(count: int = 1) -> int:
    """The first of so many ports of loopback in a row that are free now."""
    while True:
        with ExitStack() as held:
            first = _bind(held, 0)
            try:
                for place in range(1, count):
                    _bind(held, first + place)
            except OSError:
                continue
            return first


def _bind(held: ExitStack, port: int) -> int:
    listener = held.enter_context(socket.socket())
    listener.bind(("127.0.0.1", port))
    return int(listener.getsockname()[1])
