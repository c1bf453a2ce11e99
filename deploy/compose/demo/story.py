"""What happens in the demo: `story.py BREAK_AFTER REPAIR_AFTER` switches the sandbox's exporter off, and on again.

Run by the Python of the monitor's image, with nothing but its standard library.
"""

import sys
import time
import urllib.request

SANDBOX = "http://sandbox:9804"
FAULT = "exporter_disabled"
PATIENCE = 60.0


def ask(method: str, path: str) -> None:
    """Ask the sandbox's control API."""
    with urllib.request.urlopen(urllib.request.Request(SANDBOX + path, method=method), timeout=5) as answer:
        answer.read()


def wait_for_the_sandbox() -> None:
    """It starts at the same time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            ask("GET", "/state")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def run(break_after: float, repair_after: float) -> None:
    """Break, wait, repair."""
    wait_for_the_sandbox()
    print(f"Everything is healthy. In {break_after:g} s somebody switches the exporter off.", flush=True)
    time.sleep(break_after)
    ask("POST", f"/faults/{FAULT}")
    print(f"The exporter is off ({FAULT}). It is repaired in {repair_after:g} s.", flush=True)
    time.sleep(repair_after)
    ask("DELETE", f"/faults/{FAULT}")
    print("The exporter is on again. The incident resolves when traces arrive.", flush=True)


if __name__ == "__main__":
    run(float(sys.argv[1]), float(sys.argv[2]))
