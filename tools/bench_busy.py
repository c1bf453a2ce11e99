# ruff: noqa: T201, TID251 - a bench starts programs, reads the real clock and prints
"""What a canary costs in a busy environment: requests and bytes read at Traceloop, the time of a look, the daemon's memory.

`make bench-busy`. For 0, 5, 50 and 200 requests a second of other people, three spans each with 50 kB of content: a sandbox with
that traffic, and a daemon that sends a canary every few seconds. What is counted begins when the daemon knows how long a trace
takes. Exits 1 if a healthy canary is not seen, or costs more than it may.
"""

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.processes import TRACE_MONITOR, TookTooLongError, a_sandbox, free_ports, memory, read, running, wait_until

RATES = (0, 5, 50, 200)
SPANS, SPAN_BYTES = 3, 50_000
EVERY = 3.0  # seconds between two canaries
LEARNT_AFTER = 6  # canaries
COUNTED = 8  # canaries
REQUESTS_AT_MOST = 3.0
MIB_AT_MOST = 8.0
MEMORY_AT_MOST = 32.0  # MiB above what the daemon takes without traffic
DIALECTS = ("", "trace_route=404")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a canary of one environment costs. `look`: seconds of a look, on average; `memory`: the most MiB ever held."""

    canaries: int
    arrived: int
    judged: bool
    requests: float
    mebibytes: float
    look: float
    memory: float


def main() -> int:
    """Measure, print, judge."""
    print(f"{SPANS} spans of {SPAN_BYTES / 1000:.0f} kB a request; {COUNTED} canaries each, all in the steady state")
    print(f"{'route':<12}{'requests/s':>11}{'arrived':>9}{'requests':>10}{'MiB':>8}{'read':>9}{'peak':>10}")
    wrong: list[str] = []
    for dialect in DIALECTS:
        name = "per trace" if not dialect else "documented"
        idle: float | None = None
        for rate in RATES:
            found = _measure(rate, dialect)
            idle = found.memory if idle is None else idle
            print(
                f"{name:<12}{rate:>11}{found.arrived:>6}/{found.canaries:<2}{found.requests:>10.1f}{found.mebibytes:>8.2f}"
                f"{found.look:>7.3f} s{found.memory:>6.0f} MiB",
                flush=True,
            )
            wrong += [f"{name}, {rate}/s: {what}" for what in _judge(found, idle)]
    for what in wrong:
        print(f"too much: {what}")
    return 1 if wrong else 0


def _judge(found: Measured, idle: float) -> list[str]:
    problems = {
        f"{found.arrived} of {found.canaries} canaries were seen": found.arrived < found.canaries,
        "labels and content were not judged": not found.judged,
        f"{found.requests:.1f} requests a canary, {REQUESTS_AT_MOST:g} allowed": found.requests > REQUESTS_AT_MOST,
        f"{found.mebibytes:.1f} MiB a canary, {MIB_AT_MOST:g} allowed": found.mebibytes > MIB_AT_MOST,
        f"{found.memory - idle:.0f} MiB above idle, {MEMORY_AT_MOST:g} allowed": found.memory > idle + MEMORY_AT_MOST,
    }
    return [text for text, is_so in problems.items() if is_so]


def _measure(rate: int, dialect: str) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        traffic = f"{rate}x{SPANS}x{SPAN_BYTES}"
        with a_sandbox(directory, "--time-factor", "0.2", "--traffic", traffic, "--dialect", dialect) as control:
            port = free_ports()
            url = f"http://127.0.0.1:{port}"
            path = directory / "trace-monitor.yaml"  # JSON is YAML
            path.write_text(json.dumps(_configuration(json.loads(read(f"{control}/configuration")), port, directory)))
            with running([TRACE_MONITOR, "run", "--config", str(path)], log=directory / "daemon.log") as daemon:
                wait_until(lambda: _arrived(url) >= LEARNT_AFTER, within=120, what="the first canaries", program=daemon)
                since, before = time.time(), _sent(url)
                wait_until(lambda: _sent(url) >= before + COUNTED, within=180, what="more canaries", program=daemon)
                wait_until(
                    lambda: _arrived(url) >= LEARNT_AFTER + COUNTED, within=60, what="their traces", program=daemon
                )
                requests = [
                    seen
                    for seen in json.loads(read(f"{control}/requests?since={since}"))
                    if seen["host"] == "traceloop" and seen["method"] == "GET"
                ]
                canaries = _sent(url) - before
                return Measured(
                    canaries=int(_metric(url, "trace_monitor_traces_total")),
                    arrived=_arrived(url),
                    judged=_metric(url, "trace_monitor_labels_judged") == 1.0,
                    requests=len(requests) / canaries,
                    mebibytes=sum(seen["bytes"] for seen in requests) / canaries / 2**20,
                    look=_look(url),
                    memory=memory(daemon, "VmHWM"),
                )


def _configuration(given: dict[str, Any], port: int, directory: Path) -> dict[str, Any]:
    """The sandbox's target, with a canary every few seconds and nothing else that reads often."""
    checks = {
        "canary": {
            "every": EVERY,
            "every_while_failing": EVERY,
            "max_per_day": 40_000,
            "max_tokens_per_day": 10_000_000,
        },
        "control": {"every": "6h"},
    }
    given["targets"]["demo"]["checks"] = checks
    here = {"server": {"host": "127.0.0.1", "port": port}, "state": {"path": str(directory / "state.db")}}
    return {**given, **here, "alerting": {}}


def _metric(url: str, name: str, **labels: str) -> float:
    """The sum of the series of a name that have these labels; 0 where nobody answers yet."""
    try:
        lines = read(f"{url}/metrics").splitlines()
    except OSError:
        return 0.0
    series = (line for line in lines if line.startswith(f"{name}{{"))
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(line.rpartition(" ")[2]) for line in series if all(each in line for each in wanted))


def _arrived(url: str) -> int:
    return int(_metric(url, "trace_monitor_traces_total", outcome="arrived"))


def _sent(url: str) -> int:
    return int(_metric(url, "trace_monitor_canary_duration_seconds_count"))


def _look(url: str) -> float:
    """How long a look for a trace took, on average."""
    count = _metric(url, "trace_monitor_check_duration_seconds_count", check="arrival")
    return _metric(url, "trace_monitor_check_duration_seconds_sum", check="arrival") / max(1.0, count)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TookTooLongError as error:
        sys.exit(f"bench-busy: {error}")
