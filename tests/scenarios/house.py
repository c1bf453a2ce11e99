"""The whole daemon against the whole sandbox, in one process, on a fake clock: what a scenario is told with.

Real checks, adapters, core, teller and Slack notifier; only time, sockets and the database file are replaced.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from monitor.app.daemon import Daemon, Surroundings
from monitor.app.routes import Footing, routes_of
from monitor.core.events import Event, IncidentChanged
from monitor.core.incident import Incident
from monitor.core.model import TargetName
from monitor.core.state import TargetState
from monitor.http import Http, InProcess
from monitor.redaction import Redactor
from monitor.sandbox import Dialect, Sandbox
from monitor.sandbox import InProcess as SandboxWire
from monitor.settings import parse
from monitor.store.memory import MemoryStore
from tests.fakes.clock import FakeClock
from tests.virtual_schedule import VirtualSchedule

DEMO = TargetName("demo")
MENTION = "<!subteam^S0123>"


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Deep-merge two configurations; the second wins."""
    merged = dict(base)
    for key, value in more.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


class House:
    """A daemon and its world."""

    def __init__(self, dialect: Dialect, more: Mapping[str, Any]) -> None:
        self.clock = FakeClock(threads=False)
        self.sandbox = Sandbox(clock=self.clock, dialect=dialect, wire=SandboxWire())
        self.store = MemoryStore(self.clock)
        self.events: list[Event] = []
        self._more = more
        self._transport = InProcess({})
        self.daemon: Daemon

    async def start(self) -> None:
        """Open the sandbox and start the daemon."""
        await self.sandbox.start()
        await self.start_daemon()

    async def start_daemon(self) -> None:
        """Start a daemon on what the store remembers."""
        configuration = merge(
            merge(self.sandbox.configuration(), {"alerting": {"slack": {"mention": MENTION}}}), self._more
        )
        settings = parse(json.dumps(configuration), {}, Path.cwd()).settings
        redactor = Redactor()
        self._transport = InProcess({host: app for host, app in self.sandbox.apps.items()})  # noqa: C416 - Host is str
        http = Http(clock=self.clock, transport=self._transport)
        self.daemon = Daemon(
            settings,
            Surroundings(
                clock=self.clock,
                store=self.store,
                schedule=VirtualSchedule(self.clock, self._publish),
                http=http,
                redactor=redactor,
            ),
            routes=routes_of(settings, Footing(clock=self.clock, http=http, redactor=redactor)),
        )
        self.daemon.listen(self.events.append)
        await self.daemon.start()

    def _publish(self, event: Event) -> None:
        self.events.append(event)

    async def stop(self) -> None:
        """Stop everything."""
        await self.daemon.stop(5.0)
        await self.sandbox.stop()

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    async def break_(self, fault: str) -> float:
        """Break something; when."""
        await self.sandbox.break_(fault)
        return self.clock.now()

    async def mend(self, fault: str | None = None) -> None:
        """Mend it, or everything."""
        await self.sandbox.mend(fault)

    @property
    def state(self) -> TargetState:
        """What is remembered of the target."""
        journal = self.daemon.journal(DEMO)
        assert journal is not None
        return journal.state

    @property
    def incident(self) -> Incident | None:
        """The open incident."""
        return self.state.incident

    @property
    def told(self) -> list[str]:
        """What Slack holds, as its fallback texts, in the order of posting."""
        return [message.text for message in self.sandbox.world.slack.messages]

    @property
    def incidents(self) -> list[IncidentChanged]:
        """What happened to incidents."""
        return [event for event in self.events if isinstance(event, IncidentChanged)]

    def mentions(self) -> list[float]:
        """When somebody was called."""
        return [message.at for message in self.sandbox.world.slack.messages if MENTION in json.dumps(message.as_json())]


@asynccontextmanager
async def house(dialect: Dialect | None = None, **more: Any) -> AsyncIterator[House]:
    """A running daemon in a healthy world; `more` is merged into its configuration."""
    built = House(dialect or Dialect(), more)
    await built.start()
    try:
        yield built
    finally:
        await built.stop()
