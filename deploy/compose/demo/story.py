"""What happens in the demo: `configure PATH` writes the monitor's configuration, `tell BREAK_AFTER REPAIR_AFTER` breaks and repairs.

Run by the Python of the monitor's image, with nothing but its standard library.
"""

import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

SANDBOX = "http://sandbox:9804"
FAULT = "exporter_disabled"
PATIENCE = 60.0

# A tenth of what is built in, as the sandbox's delays are, so that minutes of reality are seconds here.
CHECKS = {
    "config": {"every": "6s", "every_while_failing": "2s"},
    "gateway": {"every": "2s", "every_while_failing": "1s"},
    "canary": {"every": "15s", "every_while_failing": "6s", "max_per_day": 20_000, "max_tokens_per_day": 2_000_000},
    "arrival": {"look_closer_after": "6s", "late_after": "18s", "missing_after": "30s", "settle": "36s"},
    "control": {"every": "3m", "every_while_failing": "12s"},
    "origin": {"every": "6m"},
}


def ask(method: str, path: str) -> Any:
    """The sandbox's control API."""
    with urllib.request.urlopen(urllib.request.Request(SANDBOX + path, method=method), timeout=5) as answer:
        return json.load(answer)


def ask_until_answered(path: str) -> Any:
    """The same, while the sandbox starts."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask("GET", path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def for_the_demo(configuration: dict[str, Any]) -> dict[str, Any]:
    """What the sandbox says of itself, checked more often and told to Alertmanager, too."""
    (target,) = configuration["targets"].values()
    target["checks"] = CHECKS
    configuration["alerting"]["alertmanager"] = {"urls": ["http://alertmanager:9093"]}
    configuration["http"] = {"allow_http": True}  # the sandbox's credentials open nothing but the sandbox
    return configuration


def configure(path: Path) -> None:
    """JSON is YAML."""
    path.write_text(json.dumps(for_the_demo(ask_until_answered("/configuration")), indent=2))
    print("The monitor is configured to watch the sandbox.", flush=True)


def tell(break_after: float, repair_after: float) -> None:
    """Break, wait, repair."""
    ask_until_answered("/state")
    print(f"All is well. In {break_after:g} s somebody switches the exporter off.", flush=True)
    time.sleep(break_after)
    ask("POST", f"/faults/{FAULT}")
    print(f"The exporter is off ({FAULT}). It is repaired in {repair_after:g} s.", flush=True)
    time.sleep(repair_after)
    ask("DELETE", f"/faults/{FAULT}")
    print(
        "The exporter is on again. The incident resolves when traces arrive. `docker compose restart story` tells it again.",
        flush=True,
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["configure", path]:
            configure(Path(path))
        case ["tell", break_after, repair_after]:
            tell(float(break_after), float(repair_after))
        case _:
            sys.exit(__doc__)
