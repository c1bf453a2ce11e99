"""The real daemon among sandboxes on a virtual clock: started, stopped, killed; every attempt to tell is overheard."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from monitor.core.events import Event
from monitor.core.model import Seconds, TargetName
from monitor.core.silence import Silence
from monitor.daemon.compose import Deps, silences_of
from monitor.daemon.compose_notifiers import notifiers_of
from monitor.daemon.daemon import Daemon
from monitor.daemon.delivery import Route
from monitor.http import Http
from monitor.http.inprocess import ASGIApp, Message
from monitor.ports import Clock
from monitor.redaction import Redactor
from monitor.runner import TargetJournal
from monitor.schedule import GridSchedule
from monitor.settings import Settings
from monitor.simulate.alarms import SleepingAlarms
from monitor.simulate.cast import Cast
from monitor.simulate.chronicle import Chronicle
from monitor.simulate.listener import IncidentListener
from monitor.simulate.prompter import Prompter
from monitor.simulate.reader import ChannelReader, Overheard
from monitor.store.memory import MemoryStore

GRACE: Seconds = 17.0
"""What a daemon that is asked to stop may take for it."""

_of_the_daemon: ContextVar[bool] = ContextVar("of_the_daemon", default=False)


class Stage:
    """One daemon after the other on one memory."""

    def __init__(self, cast: Cast, clock: Clock, chronicle: Chronicle) -> None:
        self.clock = clock
        self.chronicle = chronicle
        self.prompter = Prompter(clock)
        self.sent = asyncio.Event()
        self.daemon: Daemon
        self.running = False
        self._store = MemoryStore(clock)
        self._reader = ChannelReader(cast.slack.world.slack)
        self._redactor = Redactor()
        self._http = Http(clock=clock, transport=cast.network(_outside))
        self._dies_after_sending = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self, settings: Settings) -> None:
        """Start the first daemon."""
        asyncio.get_running_loop().set_task_factory(self._note_task)
        await self.start(settings)

    async def close(self) -> None:
        """End; the daemon, like a killed one, says nothing more."""
        await self.kill()
        asyncio.get_running_loop().set_task_factory(None)

    async def start(self, settings: Settings) -> None:
        """Start a daemon on what is remembered."""
        self.daemon = Daemon(
            settings,
            Deps(clock=self.clock, http=self._http, redactor=self._redactor),
            store=self._store,
            schedule=GridSchedule(self.clock, _ignore, SleepingAlarms(self.clock)),
            assemble=self.prompter.assemble,
            routes=self._routes(settings),
            silences=silences_of(settings),
        )
        self.daemon.listen(IncidentListener(self.chronicle, silences=self._silences, journal=self._journal).hear)
        mine = _of_the_daemon.set(True)
        try:
            await self.daemon.start()
            self.running = True
        finally:
            _of_the_daemon.reset(mine)

    async def apply(self, settings: Settings) -> None:
        """Let the running daemon go on with other settings."""
        mine = _of_the_daemon.set(True)
        try:
            await self.daemon.apply(settings, self._routes(settings), silences_of(settings))
        finally:
            _of_the_daemon.reset(mine)

    async def stop(self) -> None:
        """End the daemon as SIGTERM does."""
        await self.daemon.stop(GRACE)
        await self.kill()

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing goes on, nothing more is written down or told."""
        self.running = self._dies_after_sending = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def let_it_die_after_sending(self) -> None:
        """Hold the daemon up when its next message stands in Slack; `sent` says that it does."""
        self.sent.clear()
        self._dies_after_sending = True

    # --- inside

    def _routes(self, settings: Settings) -> tuple[Route, ...]:
        deps = Deps(clock=self.clock, http=self._http, redactor=self._redactor)
        return tuple(
            Route(
                notifier=Overheard(
                    route.notifier, self._reader, self.clock, hear=self.chronicle.hear, told=self._hold_up
                ),
                mention_key=route.mention_key,
            )
            for route in notifiers_of(settings, deps)
        )

    def _silences(self) -> tuple[Silence, ...]:
        return self.daemon.silences

    def _journal(self, name: TargetName) -> TargetJournal | None:
        return self.daemon.journal(name)

    async def _hold_up(self) -> None:
        if self._dies_after_sending:
            self.sent.set()
            await asyncio.Event().wait()

    def _note_task(self, loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> asyncio.Task[Any]:  # noqa: ANN401
        """Know what belongs to the daemon: it and nothing else dies with it."""
        task = asyncio.Task(work, loop=loop, **how)
        if _of_the_daemon.get():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task


def _outside(app: ASGIApp) -> ASGIApp:
    """What a service sets going for a request of the daemon is not the daemon's."""

    async def serve(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        foreign = _of_the_daemon.set(False)
        try:
            await app(scope, receive, send)
        finally:
            _of_the_daemon.reset(foreign)

    return serve


def _ignore(_event: Event) -> None:
    return
