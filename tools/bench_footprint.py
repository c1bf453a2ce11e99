# ruff: noqa: T201, TID251 - a bench starts programs, reads the real clock and prints
"""How soon the daemon is ready and how much memory it idles with, watching one target of a sandbox in another process.

`make bench-footprint`. Prints the quickest start and the median size of several runs; exits 1 if one is over its limit. The
daemon runs in an environment that holds what is shipped and nothing else, whose Python is the argument: httpx, for one, imports
more where it finds more.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.processes import TookTooLongError, a_sandbox, free_ports, is_well, memory, read, running, wait_until

RUNS = 5
READY_WITHIN = 1.2  # seconds, from the start of the process to the first 200 of /readyz
RESIDENT_AT_MOST = 80.0  # MiB, when every check has passed once and nothing is due
CHECKS = ("config", "gateway", "canary", "arrival", "control")
CALM = 2.0  # seconds


def main(python: str) -> int:
    """Measure, print, judge."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with a_sandbox(directory) as control_url:
            configuration = json.loads(read(f"{control_url}/configuration"))
            measured = [_run(python, directory / str(number), configuration) for number in range(RUNS)]
    starts, sizes = zip(*measured, strict=True)
    # Whatever else the machine does only ever adds to a start: the quickest one is the program's own.
    ready, resident = min(starts), statistics.median(sizes)
    print(
        f"ready after      {ready:6.2f} s    (at most {READY_WITHIN:g} s; best of {RUNS}, median {statistics.median(starts):.2f} s)"
    )
    print(f"resident, idle   {resident:6.1f} MiB  (at most {RESIDENT_AT_MOST:g} MiB; median of {RUNS})")
    return 0 if ready <= READY_WITHIN and resident <= RESIDENT_AT_MOST else 1


def _run(python: str, directory: Path, configuration: dict[str, Any]) -> tuple[float, float]:
    """One daemon from start to calm: seconds until ready, MiB resident."""
    directory.mkdir()
    port = free_ports()
    url = f"http://127.0.0.1:{port}"
    path = directory / "trace-monitor.yaml"  # JSON is YAML
    here = {"server": {"host": "127.0.0.1", "port": port}, "state": {"path": str(directory / "state.db")}}
    path.write_text(json.dumps({**configuration, **here}))
    with running([python, "-m", "monitor", "run", "--config", str(path)], log=directory / "daemon.log") as daemon:
        wait_until(lambda: is_well(f"{url}/readyz"), within=30, what="the daemon", program=daemon)
        ready = time.monotonic() - daemon.started
        wait_until(lambda: _all_pass(url), within=60, what="a pass of every check", program=daemon)
        time.sleep(CALM)
        return ready, memory(daemon)


def _all_pass(url: str) -> bool:
    try:
        lines = read(f"{url}/metrics").splitlines()
    except OSError:
        return False
    passing = [line for line in lines if line.startswith("trace_monitor_check_verdict{") and 'verdict="pass"' in line]
    return all(any(f'check="{check}"' in line and line.endswith(" 1.0") for line in passing) for check in CHECKS)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except TookTooLongError as error:
        sys.exit(f"bench-footprint: {error}")
