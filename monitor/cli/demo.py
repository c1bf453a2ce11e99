"""`trace-monitor demo`: everything on loopback, without credentials; breaks something and fixes it."""

import argparse
import asyncio
import json
import logging
import socket
import tempfile
import textwrap
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monitor.cli.common import OK, duration
from monitor.cli.sandbox import add_backend
from monitor.clock import SystemClock
from monitor.core.canary import Outcome
from monitor.core.events import CanaryReturned, Checked, Event, IncidentChanged, TraceJudged
from monitor.core.incident import Reason
from monitor.core.model import CheckName, CheckResult, Seconds, Verdict
from monitor.daemon.daemon import Daemon
from monitor.daemon.service import Service
from monitor.redaction import Redactor
from monitor.sandbox import FAULTS, BackendKind, Sandbox, Traffic, serve
from monitor.settings import Loaded, parse
from monitor.telemetry.logging import configure

PORT = 9797
TIME_FACTOR = 0.05
"""The sandbox's delays are a twentieth of the real ones, and so are the monitor's, so that a story takes a minute."""

_BREAK_AFTER: Seconds = 3.0
_FIX_AFTER: Seconds = 6.0
_PATIENCE: Seconds = 90.0
_TRAFFIC = Traffic(requests_per_second=2, spans=3, span_bytes=2_000)
"""Other people are there too, as they would be; in Traceloop only."""

_QUICK: dict[str, Any] = {
    "checks": {
        "config": {"every": 2, "every_while_failing": 1},
        "gateway": {"every": 2, "every_while_failing": 1},
        "canary": {"every": 8, "every_while_failing": 3, "max_per_day": 40_000, "max_tokens_per_day": 4_000_000},
        "arrival": {"look_closer_after": 3, "late_after": 6, "missing_after": 9, "settle": 18},
        "control": {"every": 30, "every_while_failing": 4},
        "origin": {"every": 30},
    }
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of this command."""
    faults = "\n".join(f"  {name:<34}{fault.about}" for name, fault in FAULTS.items())
    parser = subparsers.add_parser(
        "demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"faults:\n{faults}",
    )
    parser.add_argument("--config", metavar="PATH", help="ignored: the demo needs none")
    parser.add_argument(
        "--fault",
        default="exporter_disabled",
        choices=sorted(FAULTS),
        metavar="NAME",
        help="what to break (default: exporter_disabled)",
    )
    add_backend(parser)
    parser.add_argument("--for", dest="duration", type=duration, metavar="D", help="end after this, such as 60s")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo until somebody stops it."""
    configure(level="error", style="text", redact=Redactor().redact)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="trace-monitor-demo-") as directory:
        asyncio.run(_demonstrate(arguments.fault, BackendKind(arguments.backend), arguments.duration, Path(directory)))
    return OK


async def _demonstrate(fault: str, backend: BackendKind, duration: float | None, directory: Path) -> None:
    content = FAULTS[fault].needs_content
    traffic = _TRAFFIC if backend is BackendKind.TRACELOOP else Traffic()
    async with serve(time_factor=TIME_FACTOR, content=content, traffic=traffic, backend=backend) as sandbox:
        service = Service(_settings(sandbox, directory), config=None, environ={}, cwd=directory, redactor=Redactor())
        story = DemoStory(service.daemon, sandbox, fault, say=partial(print, flush=True))
        service.daemon.listen(story.listen)
        tasks: list[asyncio.Task[None]] = []

        def begin(url: str) -> None:
            tasks.append(asyncio.create_task(story.run(url), name="story"))
            if duration is not None:
                asyncio.get_running_loop().call_later(duration, service.stop)

        await service.run(begin)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print("The demo has ended.", flush=True)


def _settings(sandbox: Sandbox, directory: Path) -> Loaded:
    configuration = json.loads(json.dumps(sandbox.configuration()))
    configuration["targets"]["demo"].update(_QUICK)
    configuration["alerting"].update({"blind_after": 20, "escalate_after": 600})
    configuration["alerting"]["slack"]["mention"] = "<!subteam^S0ONCALL>"
    if find_spec("aiohttp") and find_spec("wsproto"):  # the extra [slack-socket]
        configuration["alerting"]["slack"].update(sandbox.buttons())
    configuration["server"] = {"port": PORT if _is_free(PORT) else 0}
    configuration["state"] = {"path": str(directory / "state.db")}
    return parse(json.dumps(configuration), {}, directory, name="demo")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class DemoStory:
    """Listens to a daemon, breaks its world once, fixes it, and shows what Slack got."""

    def __init__(self, daemon: Daemon, sandbox: Sandbox, fault: str, *, say: Callable[[str], None]) -> None:
        self._daemon = daemon
        self._sandbox = sandbox
        self._fault = fault
        self._say = say
        self._backend = "Traceloop" if sandbox.world.backend is BackendKind.TRACELOOP else "Phoenix"
        self._clock = SystemClock()
        self._said: set[str] = set()
        self._arrived = asyncio.Event()
        self._opened = asyncio.Event()
        self._resolved = asyncio.Event()

    def listen(self, event: Event) -> None:
        """Say what is seen for the first time."""
        match event:
            case Checked(check=CheckName.CONFIG, result=CheckResult(verdict=Verdict.PASS)):
                self._once("config", f"The configuration matches: {event.result.summary}.")
            case Checked(check=CheckName.CONTROL, result=CheckResult(verdict=Verdict.PASS)):
                self._once("control", f"{self._backend} itself is healthy: {event.result.summary}.")
            case CanaryReturned():
                self._once("canary", f"A canary went through the gateway: answered in {event.took * 1000:.0f} ms.")
            case TraceJudged(outcome=Outcome.ARRIVED):
                self._once("arrived", f"Its trace arrived in {self._backend} after {event.arrival_seconds or 0:.1f} s.")
                self._arrived.set()
            case IncidentChanged(reason=Reason.OPENED):
                self._opened.set()
            case IncidentChanged(reason=Reason.RESOLVED):
                self._resolved.set()
            case _:
                return

    async def run(self, url: str) -> None:
        """The whole story."""
        self._say(
            f"A sandbox of gateway, exporter, {self._backend} and Slack is running, and the real monitor watches it."
        )
        self._say(f"  page     {url}/\n  metrics  {url}/metrics\n  sandbox  {self._sandbox.control_url}/\n")
        await self._wait(self._arrived)
        await self._clock.sleep(_BREAK_AFTER)
        about = FAULTS[self._fault].about.replace("Traceloop", self._backend)
        self._say(f"\nNow something breaks: {about}")
        broken_at = self._clock.monotonic()
        await self._sandbox.break_(self._fault)
        if await self._wait(self._opened):
            took = self._clock.monotonic() - broken_at
            await self._show(f"After {took:.0f} s the on-call engineer gets this in Slack:")
        else:
            self._say("Nobody is notified: this alone opens no incident.")
        await self._clock.sleep(_FIX_AFTER)
        self._say("\nIt is fixed.")
        await self._sandbox.fix()
        if self._opened.is_set() and await self._wait(self._resolved):
            await self._show("The same message, edited in place, now says:")
        self._say(f"\nPage {url}/ and metrics {url}/metrics stay up; Ctrl-C ends.")

    async def _wait(self, event: asyncio.Event) -> bool:
        try:
            async with self._clock.timeout(_PATIENCE):
                await event.wait()
        except TimeoutError:
            return False
        return True

    async def _show(self, heading: str) -> None:
        """The newest root in Slack as it reads now; delivery takes a moment longer than the diagnosis."""
        await self._clock.sleep(1.5)
        messages = [message for message in self._sandbox.world.slack.messages if message.thread_ts is None]
        if messages:
            self._say(f"\n{heading}\n" + textwrap.indent(messages[-1].text, "  │ ", lambda _line: True))

    def _once(self, name: str, text: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._say(text)
