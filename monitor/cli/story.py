"""The story of `demo`: what the monitor sees, in plain words, while something breaks and is fixed."""

import asyncio
import textwrap
from collections.abc import Callable

from monitor.clock import SystemClock
from monitor.core.canary import Outcome
from monitor.core.events import CanaryReturned, Checked, Event, IncidentChanged, TraceJudged
from monitor.core.incident import Reason
from monitor.core.model import CheckName, CheckResult, Seconds, Verdict
from monitor.daemon.daemon import Daemon
from monitor.sandbox import FAULTS, Sandbox

_BREAK_AFTER: Seconds = 3.0
_FIX_AFTER: Seconds = 6.0
_PATIENCE: Seconds = 90.0


class DemoStory:
    """Listens to a daemon, breaks its world once, fixes it, and shows what Slack got."""

    def __init__(self, daemon: Daemon, sandbox: Sandbox, fault: str, *, say: Callable[[str], None]) -> None:
        self._daemon = daemon
        self._sandbox = sandbox
        self._fault = fault
        self._say = say
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
                self._once("control", f"Traceloop itself is healthy: {event.result.summary}.")
            case CanaryReturned():
                self._once("canary", f"A canary went through the gateway: answered in {event.took * 1000:.0f} ms.")
            case TraceJudged(outcome=Outcome.ARRIVED):
                self._once("arrived", f"Its trace arrived in Traceloop after {event.arrival_seconds or 0:.1f} s.")
                self._arrived.set()
            case IncidentChanged(reason=Reason.OPENED):
                self._opened.set()
            case IncidentChanged(reason=Reason.RESOLVED):
                self._resolved.set()
            case _:
                return

    async def run(self, url: str) -> None:
        """The whole story."""
        self._say("A sandbox of gateway, exporter, Traceloop and Slack is running, and the real monitor watches it.")
        self._say(f"  page     {url}/\n  metrics  {url}/metrics\n  sandbox  {self._sandbox.control_url}/\n")
        await self._wait(self._arrived)
        await self._clock.sleep(_BREAK_AFTER)
        self._say(f"\nNow something breaks: {FAULTS[self._fault].about}")
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
