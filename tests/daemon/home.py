"""A daemon of its own for each test: a sandbox in process, a fake clock, and a notifier that only remembers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from monitor.core.events import Event
from monitor.core.model import Seconds, TargetName
from monitor.core.silence import Silence
from monitor.core.state import TargetState
from monitor.daemon.compose import Deps
from monitor.daemon.daemon import Daemon
from monitor.http import Http, InProcess
from monitor.ports import Notifier
from monitor.redaction import Redactor
from monitor.sandbox import Sandbox
from monitor.settings import Settings, parse
from tests.fakes.block_kit import validate_message
from tests.fakes.clock import FakeClock
from tests.fakes.store import MemoryStore
from tests.notifiers.fake import FakeNotifier
from tests.scenarios.house import merge
from tests.virtual_schedule import VirtualSchedule

DEMO = TargetName("demo")


class Home:
    """The daemon and everything around it."""

    def __init__(self, **more: Any) -> None:
        self.clock = FakeClock()
        self.sandbox = Sandbox(clock=self.clock, check_message=validate_message)
        self.store = MemoryStore(self.clock)
        self.notifier = FakeNotifier()
        self.events: list[Event] = []
        self.redactor = Redactor()
        self.schedule = VirtualSchedule(self.clock, self.events.append)
        self.daemon: Daemon
        self.http: Http
        self.more = more

    def settings(self, *, without: str = "", **more: Any) -> Settings:
        """What the sandbox wants, and more; but for one target."""
        configuration = merge(merge(self.sandbox.configuration(), self.more), more)
        configuration["targets"].pop(without, None)
        return parse(json.dumps(configuration), {}, Path("/nowhere")).settings

    def target(self, **changes: Any) -> dict[str, Any]:
        """The target of the sandbox under another name."""
        known: Any = self.sandbox.configuration()["targets"]
        return merge(known["demo"], changes)

    async def open(self) -> None:
        """Start everything."""
        await self.sandbox.start()
        self.http = Http(
            clock=self.clock,
            transport=InProcess({host: app for host, app in self.sandbox.apps.items()}),  # noqa: C416 - Host is str
            redactor=self.redactor,
        )
        self.daemon = Daemon(
            self.settings(),
            Deps(clock=self.clock, http=self.http, redactor=self.redactor),
            store=self.store,
            schedule=self.schedule,
            notifiers=self.notifiers,
        )
        self.daemon.listen(self.events.append)
        await self.daemon.start()

    @property
    def notifiers(self) -> tuple[Notifier, ...]:
        """The one notifier."""
        return (self.notifier,)

    async def apply(self, settings: Settings, silences: tuple[Silence, ...] = ()) -> None:
        """A reload that was good."""
        await self.daemon.apply(settings, self.notifiers, silences)
        await self.clock.settle()

    async def stop(self, grace: Seconds) -> Seconds:
        """Stop the daemon; how long that takes."""
        work = asyncio.ensure_future(self.daemon.stop(grace))
        return await self.clock.run_until(work.done)

    async def close(self) -> None:
        """Stop everything."""
        if not self.daemon.draining:
            await self.stop(5.0)
        await self.sandbox.stop()

    def state(self, name: TargetName = DEMO) -> TargetState:
        """What is remembered of a target."""
        target_store = self.daemon.target_store(name)
        assert target_store is not None
        return target_store.state

    @property
    def notified(self) -> list[str]:
        """What was reported: reason and target."""
        return [f"{notice.reason} {notice.incident.target}" for notice in self.notifier.notices]


@asynccontextmanager
async def home(**more: Any) -> AsyncIterator[Home]:
    """A running one; `more` is merged into the configuration."""
    built = Home(**more)
    await built.open()
    try:
        yield built
    finally:
        await built.close()
