# ruff: noqa: S311, T201, TID251 - it draws its moments from a seed, reads the real clock and prints
"""Kill the real daemon again and again while faults come and go: afterwards Slack must hold the truth, reported once.

`make torture-kill`. Two targets watch one sandbox in another process; something breaks or is fixed every second or so, and the
daemon is killed with SIGKILL at random moments: while it starts, while it works, and every third time the moment that Slack holds a
new message, when the daemon has sent it and may not have written that down. Then everything is fixed, and what Slack holds is
compared with what the daemon remembers. Exits 1 if anything was lost, orphaned, left unresolved, or said twice without a kill to
blame.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from monitor.clock import SystemClock
from monitor.core.incident import Incident
from monitor.store.sqlite import SqliteStore
from tools.processes import TRACE_MONITOR, Program, a_sandbox, free_ports, is_well, read, running, wait_until

KILLS = 50
FAULTS = ("gateway_unreachable", "exporter_disabled", "config_drift", "config_drift_header")
MENTION = "<!subteam^S0ONCALL>"
SLACK = "slack"
_QUICK: dict[str, Any] = {
    "config": {"every": 0.5, "every_while_failing": 0.2},
    "gateway": {"every": 0.5, "every_while_failing": 0.2, "timeout": 2},
    **{name: {"enabled": False} for name in ("canary", "arrival", "control", "origin")},
}
_ALERTING: dict[str, Any] = {
    "fail_after": 1,
    "pass_after": 1,
    "reopen_within": 3,
    "blind_after": 3600,
}
# Seconds:
_PATIENCE = 120.0
_STARTS, _WORKS, _A_MESSAGE_COMES = 2.0, 2.5, 6.0
_TOGGLES_AFTER = (0.2, 1.6)
_A_MINUTE = 59.9
_FIXES = 0.75  # how often something is rather fixed than broken


class Control:
    """The sandbox's own API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def break_(self, fault: str) -> None:
        """Set a fault."""
        self._ask("POST", f"/faults/{fault}")

    def fix(self, fault: str | None = None) -> None:
        """Clear one, or all."""
        self._ask("DELETE", f"/faults/{fault}" if fault else "/faults")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What Slack holds, in the order of posting."""
        return list(self._ask("GET", "/messages"))

    @property
    def configuration(self) -> dict[str, Any]:
        """Of a monitor that watches it."""
        return dict(self._ask("GET", "/configuration"))

    def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(f"{self.url}{path}", method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)


@dataclass
class Trial:
    """What has been done so far, and what was found on the disk after each kill."""

    control: Control
    directory: Path
    url: str
    chance: random.Random
    broken: set[str] = field(default_factory=set)
    toggled_at: float = 0.0
    runs: int = 0
    known: dict[str, Incident] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # messages of earlier runs, by timestamp
    unrecorded: Counter[str] = field(default_factory=Counter)  # kills between sending and recording, by incident

    # --- what happens

    def run_and_kill(self) -> None:
        """One run of the daemon, and its end at a random moment."""
        with self._run() as program:
            if self.runs % 5 == 0:
                self._work_for(self.chance.uniform(0.0, _STARTS))
            else:
                self._is_ready(program)
                if self.runs % 3 == 0:
                    self._work_until_a_message_comes()
                else:
                    self._work_for(self.chance.uniform(0.0, _WORKS))
            program.process.kill()
            program.process.wait()
        self._read_state()

    def finish(self) -> None:
        """Everything is fixed, and the last run reports what is left to report."""
        self.control.fix()
        with self._run() as program:
            self._is_ready(program)
            wait_until(self._is_calm, within=_PATIENCE, what="calm", program=program)
        self._read_state()

    @contextmanager
    def _run(self) -> Iterator[Program]:
        self.runs += 1
        command = [TRACE_MONITOR, "run", "--config", str(self.directory / "trace-monitor.yaml")]
        with running(command, log=self.directory / f"daemon-{self.runs}.log") as program:
            yield program
        if "Traceback" in program.said():
            raise AssertionError(program.said())

    def _is_ready(self, program: Program) -> None:
        wait_until(lambda: is_well(f"{self.url}/readyz"), within=_PATIENCE, what="the daemon", program=program)

    def _work_for(self, seconds: float) -> None:
        """Things break and are fixed meanwhile."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._toggle()
            time.sleep(0.02)

    def _work_until_a_message_comes(self) -> None:
        held, ends = len(self.control.messages), time.monotonic() + _A_MESSAGE_COMES
        while len(self.control.messages) == held and time.monotonic() < ends:
            self._toggle()

    def _toggle(self) -> None:
        """Break or fix something, every second or so."""
        now = time.monotonic()
        if now < self.toggled_at:
            return
        self.toggled_at = now + self.chance.uniform(*_TOGGLES_AFTER)
        fixes = self.broken and self.chance.random() < _FIXES
        fault = self.chance.choice(sorted(self.broken) if fixes else FAULTS)
        if fault in self.broken:
            self.control.fix(fault)
        else:
            self.control.break_(fault)
        self.broken ^= {fault}

    def _is_calm(self) -> bool:
        """Every check passes, no incident is open, and everything has been reported."""
        try:
            page = read(f"{self.url}/metrics")
        except OSError:
            return False
        found = re.findall(r"^trace_monitor_(\w+)(?:\{(.*)\})? (\S+)$", page, re.MULTILINE)
        passes = {value for name, labels, value in found if name == "check_verdict" and 'verdict="pass"' in labels}
        rest = {value for name, _, value in found if name in {"incident_open", "notices_pending"}}
        return passes == {"1.0"} and rest == {"0.0"}

    # --- what was found

    def _read_state(self) -> None:
        """What is remembered, and whether the kill came between sending a message and writing that down.

        A notice is made after the one before it was written down: where the newest that is remembered is older than the
        message before the last, the last is not remembered.
        """
        self.known |= {incident.id: incident for incident in asyncio.run(_remembered(self.directory / "state.db"))}
        for name, messages in _by_incident(self.control.messages).items():
            if messages[-1]["ts"] in self.seen:
                continue
            incident = self.known.get(name)
            notified = incident.notified.get(SLACK) if incident is not None else None
            before = messages[-2]["at"] if len(messages) > 1 else 0.0
            self.unrecorded[name] += notified is None or notified.at <= before
        self.seen |= {message["ts"] for message in self.control.messages}

    @property
    def complaints(self) -> list[str]:
        """Everything that must not be, in the end."""
        by_incident = _by_incident(self.control.messages)
        found = [f"{name} was notified and never written down" for name in by_incident.keys() - self.known.keys()]
        for name, incident in self.known.items():
            found += [f"{name}: {complaint}" for complaint in self._complain(incident, by_incident.get(name, []))]
        calls = [message["at"] for message in self.control.messages if MENTION in _as_posted(message)]
        close = sum(after - before < _A_MINUTE for before, after in pairwise(calls))
        if close > self.unrecorded.total():
            found.append(f"{close} calls within a minute of another")
        if self.unrecorded.total() > self.runs:
            found.append(f"{self.unrecorded.total()} messages were not written down in {self.runs} runs")
        return found

    def _complain(self, incident: Incident, messages: list[dict[str, Any]]) -> Iterator[str]:
        notified, unrecorded = incident.notified.get(SLACK), self.unrecorded[incident.id]
        roots = [message for message in messages if message["thread_ts"] is None]
        replies = [message for message in messages if message["thread_ts"] is not None]
        ends = sum("resolved" in _first_line(reply["text"]) for reply in replies)
        if incident.open or notified is None or not notified.closed:
            yield "its end has not been reported"
        if not roots:
            yield "it has no root"
        if len(roots) > 1 + unrecorded:
            yield f"{len(roots)} roots, {unrecorded} kills to blame"
        if ends > 1 + len(incident.reopened) + unrecorded:
            yield f"{ends} resolves of {1 + len(incident.reopened)}, {unrecorded} kills to blame"
        for root in roots:
            if (
                notified is not None
                and root["ts"] == notified.receipt.get("ts")
                and "resolved" not in _first_line(root["text"])
            ):
                yield f"its root says {_first_line(root['text'])!r}"

    @property
    def figures(self) -> str:
        """In one line."""
        messages = _by_incident(self.control.messages)
        twice = sum(sum(each["thread_ts"] is None for each in notified) - 1 for notified in messages.values())
        return (
            f"{self.runs - 1} kills, {len(self.known)} incidents, {sum(map(len, messages.values()))} messages; "
            f"{self.unrecorded.total()} kills between sending and writing: {twice} roots twice"
        )


def _by_incident(messages: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Roots and replies, in the order of posting; each says at its foot of which incident it is."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        name = re.search(r"Incident `([^`]+)`", json.dumps(message["blocks"]))
        if name is None:
            raise AssertionError(message["text"])
        found[name[1]].append(message)
    return found


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _as_posted(message: dict[str, Any]) -> str:
    """An edit calls nobody: what counts is how it read at first."""
    return str((message["versions"] or [message["text"]])[0])


async def _remembered(path: Path) -> list[Incident]:
    store = SqliteStore(path, clock=SystemClock(), keep_history=86_400.0)
    await store.open()
    try:
        state = await store.load()
    finally:
        await store.close()
    return [incident for target in state.targets.values() for incident in target.incidents]


def main(kills: int, seed: int) -> int:
    """Kill, look, judge."""
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with a_sandbox(directory, "--time-factor", "0.02") as url:
            control = Control(url)
            port = free_ports()
            _configure(directory, control.configuration, port)
            trial = Trial(control, directory, f"http://127.0.0.1:{port}", random.Random(seed))
            for _ in range(kills):
                trial.run_and_kill()
            trial.finish()
            complaints, figures = trial.complaints, trial.figures
    for complaint in complaints:
        print(complaint)
    print(f"{figures}; {len(complaints)} complaints (seed {seed}, {time.monotonic() - began:.0f} s)")
    return 1 if complaints else 0


def _configure(directory: Path, configuration: dict[str, Any], port: int) -> None:
    """Two targets that break together."""
    demo = {**configuration["targets"]["demo"], "checks": _QUICK}
    slack = {**configuration["alerting"]["slack"], "mention": MENTION}
    whole = {
        **configuration,
        "targets": {"demo": demo, "twin": demo},
        "alerting": {**_ALERTING, "slack": slack},
        "server": {"host": "127.0.0.1", "port": port},
        "state": {"path": str(directory / "state.db")},
    }
    (directory / "trace-monitor.yaml").write_text(json.dumps(whole))  # JSON is YAML


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    sys.exit(main(given.kills, given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)))
