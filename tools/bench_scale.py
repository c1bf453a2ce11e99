# ruff: noqa: T201, TID251 - a bench starts programs, reads the real clock and prints
"""What many targets cost: the daemon's share of a core, its memory, its series, and what a scrape of `/metrics` holds up.

`make bench-scale`. For 1, 10, 50 and 200 targets at the default cadence, all of one sandbox in another process. The share of a core
is measured without scrapes, and what one scrape costs apart. While it is scraped, a timer in the daemon's own event loop that is
due every millisecond writes down how late it is: the longest delay is the longest time for which the loop was blocked. Whatever
else the machine does only ever adds to this: of ten scrapes the longest block but one counts, and what is over its limit is
measured again, twice at most. Exits 1 if 50 targets cost more than they may.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.processes import Program, TookTooLongError, a_sandbox, free_ports, is_well, memory, read, running, wait_until

SIZES = (1, 10, 50, 200)
JUDGED = 50
CORE_AT_MOST = 0.05
RESIDENT_AT_MOST = 110.0  # MiB
BLOCK_AT_MOST = 0.025  # seconds
CALM = 15.0  # seconds after every check has looked once: the first canaries' traces have arrived, the first memory is given back
TRIES = 3  # measurements of what is over its limit
SCRAPES = 10
PAUSE = 0.5  # seconds between two scrapes
BEAT = 0.001  # seconds
TICKS = os.sysconf("SC_CLK_TCK")


Scrapes = list[
    tuple[float, float, float, float]
]  # how long each took, its CPU, the longest block of the loop then, and before


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What so many targets cost. `processor`: seconds of a core that a scrape takes; `block`: for how long the loop is blocked.

    `without`: for how long it is blocked without a scrape, by the daemon's other work and by the machine's.
    """

    core: float
    resident: float
    series: int
    scrape: float
    processor: float
    block: float
    median_block: float
    without: float


def main(sizes: list[int], seconds: float) -> int:
    """Measure, print, judge."""
    print(f"default cadence, {seconds:g} s without a scrape, then {SCRAPES} scrapes")
    print(
        "block: for how long the event loop is blocked at a time; the longest but one, the median, and without a scrape"
    )
    print("targets   core  resident    series    scrape   its CPU     block   median  without", flush=True)
    wrong: list[str] = []
    for size in sizes:
        found = _measure(size, seconds)
        print(
            f"{size:>7}{found.core:>7.1%}{found.resident:>6.0f} MiB{found.series:>10,}{found.scrape * 1000:>7.0f} ms"
            f"{found.processor * 1000:>7.0f} ms{found.block * 1000:>7.0f} ms"
            f"{found.median_block * 1000:>6.0f} ms{found.without * 1000:>6.0f} ms",
            flush=True,
        )
        if size == JUDGED:
            wrong = _judge(found)
    for what in wrong:
        print(f"too much with {JUDGED} targets: {what}")
    return 1 if wrong else 0


def _judge(found: Measured) -> list[str]:
    problems = {
        f"{found.core:.1%} of a core, {CORE_AT_MOST:.0%} allowed": found.core > CORE_AT_MOST,
        f"{found.resident:.0f} MiB, {RESIDENT_AT_MOST:g} allowed": found.resident > RESIDENT_AT_MOST,
        f"a scrape blocks the loop for {found.block * 1000:.1f} ms, {BLOCK_AT_MOST * 1000:g} allowed": found.block
        > BLOCK_AT_MOST,
    }
    return [text for text, is_so in problems.items() if is_so]


def _measure(size: int, seconds: float) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with a_sandbox(directory) as control:
            port = free_ports()
            url = f"http://127.0.0.1:{port}"
            path = directory / "trace-monitor.yaml"  # JSON is YAML
            path.write_text(json.dumps(_configuration(json.loads(read(f"{control}/configuration")), size, port)))
            beats = directory / "beats"
            command = [sys.executable, "-m", "tools.bench_scale", "--daemon", str(path), "--beats", str(beats)]
            with running(command, log=directory / "daemon.log", environment={"PYTHONPATH": str(Path.cwd())}) as daemon:
                wait_until(lambda: is_well(f"{url}/readyz"), within=120, what="the daemon", program=daemon)
                wait_until(lambda: _all_looked(url, size), within=300, what="a look of every check", program=daemon)
                time.sleep(CALM)
                tries = TRIES if size == JUDGED else 1
                cores: list[float] = []
                while not cores or (min(cores) > CORE_AT_MOST and len(cores) < tries):
                    cores.append(_share(daemon, seconds))
                resident = memory(daemon)
                daemon.process.send_signal(signal.SIGUSR1)
                rounds: list[Scrapes] = []
                while not rounds or (min(map(_block, rounds)) > BLOCK_AT_MOST and len(rounds) < tries):
                    rounds.append([_scrape(daemon, url, beats) for _ in range(SCRAPES)])
                series = sum(not line.startswith("#") for line in read(f"{url}/metrics").splitlines())
    best = min(rounds, key=_block)
    durations, processor, blocks, without = zip(*best, strict=True)
    return Measured(
        core=min(cores),
        resident=resident,
        series=series,
        scrape=statistics.median(durations),
        processor=statistics.mean(processor),
        block=_block(best),
        median_block=statistics.median(blocks),
        without=statistics.median(without),
    )


def _block(scrapes: Scrapes) -> float:
    """The longest block of the loop but one: one outlier is the machine's."""
    return sorted(block for _, _, block, _ in scrapes)[-2]


def _configuration(given: dict[str, Any], size: int, port: int) -> dict[str, Any]:
    """The sandbox's target so many times."""
    target = given["targets"]["demo"]
    return {
        **given,
        "targets": {f"target-{number:03}": target for number in range(size)},
        "server": {"host": "127.0.0.1", "port": port},
        "state": {"path": "state.db"},
    }


def _all_looked(url: str, size: int) -> bool:
    """Whether every check of every target has said something, by the counters; what it said does not matter here."""
    looked = {
        line.partition(",verdict=")[0]
        for line in read(f"{url}/metrics").splitlines()
        if line.startswith("trace_monitor_checks_total{") and not line.endswith(" 0.0")
    }
    time.sleep(1)
    return len(looked) >= 5 * size


def _share(daemon: Program, seconds: float) -> float:
    began, before = time.monotonic(), _processor(daemon)
    time.sleep(seconds)
    return (_processor(daemon) - before) / (time.monotonic() - began)


def _scrape(daemon: Program, url: str, beats: Path) -> tuple[float, float, float, float]:
    """How long one took, how much of a core's time it took, and for how long at most the loop was blocked then, and before."""
    waited_from = time.monotonic()
    time.sleep(PAUSE)
    began, before = time.monotonic(), _processor(daemon)
    read(f"{url}/metrics")
    ended, after = time.monotonic(), _processor(daemon)
    time.sleep(PAUSE)
    late = [(float(at), float(by)) for at, by in (line.split() for line in beats.read_text().splitlines())]
    then, without = (
        max((by for at, by in late if since <= at <= until + by), default=0.0)
        for since, until in ((began, ended), (waited_from, began))
    )
    return ended - began, after - before, then, without


def _processor(daemon: Program) -> float:
    """Seconds of a core that a process has used, all its threads together."""
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# --- in the daemon's process ----------------------------------------------------------------------------------------


class _TimedLoop(asyncio.DefaultEventLoopPolicy):
    """Makes event loops that, from a SIGUSR1 on, write down when a timer was due and by how much it was late."""

    def __init__(self, beats: Path) -> None:
        super().__init__()
        self._beats = beats

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop of the usual kind."""
        loop = super().new_event_loop()
        lines = self._beats.open("w", buffering=1)

        def beat(due: float) -> None:
            late = loop.time() - due
            if late > 2 * BEAT:  # a poll sleeps by whole milliseconds
                lines.write(f"{loop.time()} {late}\n")
            loop.call_at(loop.time() + BEAT, beat, loop.time() + BEAT)

        loop.add_signal_handler(signal.SIGUSR1, lambda: beat(loop.time()))
        return loop


def _daemon(configuration: Path, beats: Path) -> None:
    from monitor.cli import main as trace_monitor  # noqa: PLC0415 - only here

    os.chdir(configuration.parent)
    asyncio.set_event_loop_policy(_TimedLoop(beats))
    sys.exit(trace_monitor(["run", "--config", str(configuration)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="what many targets cost")
    parser.add_argument("sizes", type=int, nargs="*", default=list(SIZES), help="how many targets")
    parser.add_argument("--for", type=float, default=60.0, dest="seconds", help="seconds of each measurement")
    parser.add_argument("--daemon", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--beats", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.daemon is not None:
        _daemon(arguments.daemon, arguments.beats)
    try:
        sys.exit(main(arguments.sizes, arguments.seconds))
    except TookTooLongError as error:
        sys.exit(f"bench-scale: {error}")
