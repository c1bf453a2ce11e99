"""The whole daemon against the whole sandbox, in one process, on a fake clock: what a scenario is made of.

Real checks, adapters, core, dispatcher and Slack notifier; only time, sockets and the database file are replaced. Whatever a
scenario is about, two things are true at its end: no secret stands anywhere, and each incident has one root message.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.core.arrival import is_proven
from monitor.core.events import Checked, Event, IncidentChanged, NoticeHandled, TraceJudged
from monitor.core.incident import Incident
from monitor.core.model import CheckName, TargetName
from monitor.core.notify import trusted
from monitor.core.state import Policy, TargetState
from monitor.core.trace import Route
from monitor.daemon.compose import Deps
from monitor.daemon.compose_notifiers import notifiers_of
from monitor.daemon.daemon import Daemon
from monitor.daemon.policy import enabled_checks
from monitor.http import Http
from monitor.ports import Notifier
from monitor.redaction import Redactor
from monitor.sandbox import BackendKind, Host, Sandbox, Traffic, Variant
from monitor.sandbox.slack import Message
from monitor.settings import Settings, parse
from monitor.telemetry.gauges import Expected, Monitored, View
from monitor.telemetry.metrics import Metrics
from tests.fakes.block_kit import validate_message
from tests.fakes.breakable import Breakable
from tests.fakes.clock import FakeClock
from tests.fakes.store import MemoryStore
from tests.scenarios.discretion import given_away, notified_twice_or_never
from tests.virtual_schedule import VirtualSchedule

DEMO = TargetName("demo")
MENTION = "<!subteam^S0123>"
OPERATED: Mapping[str, Any] = {"server": {"admin_token": "a-token-of-the-operators"}}
"""Settings of a monitor that can be operated: only there a message offers commands."""
MINUTE, HOUR = 60.0, 3600.0
GRACE = 5.0
NO_TRAFFIC = Traffic()

Between = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
"""Stands between the daemon and a service: given the service, it serves one request itself."""

_of_the_daemon: ContextVar[bool] = ContextVar("of_the_daemon", default=False)


@contextmanager
def _acting() -> Iterator[None]:
    """What is begun in here is the daemon's, and ends with it."""
    mine = _of_the_daemon.set(True)
    try:
        yield
    finally:
        _of_the_daemon.reset(mine)


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Deep-merge two configurations; the second wins, and None takes a setting away."""
    merged = dict(base)
    for key, value in more.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return {key: value for key, value in merged.items() if value is not None}


class House:
    """A daemon and its world."""

    def __init__(
        self,
        variant: Variant,
        more: Mapping[str, Any],
        *,
        twins: Iterable[str],
        content: bool,
        seed: int,
        traffic: Traffic,
        backend: BackendKind,
    ) -> None:
        self.twins = tuple(twins)
        self.clock = FakeClock(seed=seed, threads=False)
        self.sandbox = Sandbox(
            clock=self.clock,
            variant=variant,
            content=content,
            traffic=traffic,
            check_message=validate_message,
            backend=backend,
        )
        self.store = MemoryStore(self.clock)
        self.events: list[Event] = []
        self.daemon: Daemon
        self.metrics: Metrics
        self.notifiers: tuple[Notifier, ...] = ()
        self.more = dict(more)
        self._between: dict[Host, Between] = {}
        self._cut_off = False
        self._transport = Breakable({})
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- start and stop

    async def open(self) -> None:
        """Open the sandbox and start the daemon."""
        asyncio.get_running_loop().set_task_factory(self._note_task)
        await self.sandbox.start()
        await self.start()

    async def close(self) -> None:
        """Stop everything."""
        await self.stop()
        await self.sandbox.stop()
        asyncio.get_running_loop().set_task_factory(None)

    async def start(self) -> None:
        """Start a daemon on what the store remembers."""
        world = json.loads(json.dumps(self.sandbox.configuration()))
        world["targets"] |= dict.fromkeys(self.twins, world["targets"][DEMO])
        configuration = merge(merge(world, {"alerting": {"slack": {"mention": MENTION}}}), self.more)
        settings = parse(json.dumps(configuration), {}, Path.cwd()).settings
        redactor = Redactor()
        self._transport = Breakable({host: self._wired(host) for host in self.sandbox.apps})
        if self._cut_off:
            self.cut_off()
        http = Http(clock=self.clock, transport=self._transport, redactor=redactor)
        deps = Deps(clock=self.clock, http=http, redactor=redactor)
        self.notifiers = notifiers_of(settings, deps)
        self.daemon = Daemon(
            settings,
            deps,
            store=self.store,
            schedule=VirtualSchedule(self.clock, self.events.append),
            notifiers=self.notifiers,
        )
        self.daemon.listen(self.events.append)
        self._measure(settings)
        with _acting():
            await self.daemon.start()

    def run_now(self) -> None:
        """Have every check look at once, as `POST /api/v1/checks/{target}/run` does."""
        with _acting():
            self.daemon.run_now(DEMO)

    async def reload(self, settings: Settings) -> None:
        """Go on with another configuration, as SIGHUP does."""
        with _acting():
            await self.daemon.apply(settings, self.notifiers, ())

    async def stop(self) -> None:
        """Stop the daemon as SIGTERM does: it may take its time."""
        stopping = asyncio.create_task(self.daemon.stop(GRACE))
        await self.clock.run_until(stopping.done, limit=GRACE)
        await stopping

    async def kill(self) -> None:
        """Stop the daemon as SIGKILL does: nothing goes on, nothing more is written down or delivered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wired(self, host: Host) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            service = self.sandbox.apps[host]
            between = self._between.get(host)
            await (service(scope, receive, send) if between is None else between(service, scope, receive, send))

        return app

    def _note_task(self, loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> asyncio.Task[Any]:
        """Know what belongs to the daemon: it and nothing else dies with it."""
        task = asyncio.Task(work, loop=loop, **how)
        if _of_the_daemon.get():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    def _measure(self, settings: Settings) -> None:
        self.metrics = Metrics(clock=self.clock, version="1", view=self.view)
        monitored = {
            name: Monitored(
                checks=enabled_checks(target.checks), labels=target.labels, backend=target.backend.traits.service
            )
            for name, target in settings.targets.items()
        }
        self.metrics.expect(Expected(targets=monitored, notifiers=tuple(self.daemon.notifiers)))
        self.daemon.listen(self.metrics.listen)

    def view(self) -> View:
        """What the metrics page is made of."""
        return View(state=self.daemon.state, policies=self.daemon.policies)

    # --- let things happen

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    async def until(self, reached: Callable[[], object], limit: float = HOUR) -> float:
        """Let time pass until something holds; how long that took. Fails after `limit` seconds."""
        return await self.clock.run_until(reached, limit)

    async def settle_in(self) -> None:
        """Let time pass until every check has passed, and every route has proven that it can show a trace."""
        await self.until(self._settled, limit=10 * MINUTE)

    def _settled(self) -> bool:
        return all(
            self._is_settled(target_store.state, target_store.policy) for target_store in self.daemon.target_stores
        )

    def _is_settled(self, state: TargetState, policy: Policy) -> bool:
        ways = (policy.account, f"{policy.account}#nonce")  # by the id of a trace, or by the nonce where none is named
        shown = any(is_proven(state.proofs, Route.OWN_STORE, way, self.clock.now()) for way in ways)
        proven = policy.origin is None or shown
        passed = all(state.check_state(check).ever_passed for check in policy.cadences)
        return passed and proven and trusted(state, policy)

    async def until_reported(self, reason: str, fault: str, limit: float = HOUR) -> float:
        """Let time pass until something new happens to an incident, which must be this; how long that took."""
        known = len(self.incidents)
        took = await self.until(lambda: len(self.incidents) > known, limit)
        assert self.story[known] == (reason, fault)
        return took

    async def until_looked(self, check: CheckName, limit: float = HOUR) -> float:
        """Let time pass until a check has looked once more; how long that took."""
        known = len(self.looks(check))
        return await self.until(lambda: len(self.looks(check)) > known, limit)

    async def until_sent(self, limit: float = HOUR) -> float:
        """Let time pass until the gateway has answered one more canary; how long that took."""
        return await self.until_looked(CheckName.CANARY, limit)

    async def until_called(self, limit: float = HOUR) -> float:
        """Let time pass until somebody is called; how long that took."""
        known = len(self.calls)
        return await self.until(lambda: len(self.calls) > known, limit)

    async def until_resolved(self, limit: float = HOUR) -> float:
        """Let time pass until no incident is open; how long that took."""
        return await self.until(lambda: self.incident is None, limit)

    async def break_(self, *faults: str, seconds: float | None = None) -> float:
        """Break something; when. `seconds` replaces the delays of the faults."""
        for fault in faults:
            await self.sandbox.break_(fault, seconds)
        return self.clock.now()

    async def fix(self, fault: str | None = None) -> float:
        """Fix it, or everything; when."""
        await self.sandbox.fix(fault)
        return self.clock.now()

    def cut_off(self) -> None:
        """Let nothing that the daemon sends get out, and nothing come back."""
        self._cut_off = True
        for host in self.sandbox.apps:
            self._transport.take_down(host, "timeout")

    def connect(self) -> None:
        """Let the daemon reach the world again."""
        self._cut_off = False
        for host in self.sandbox.apps:
            self._transport.bring_up(host)

    def put_between(self, host: Host, between: "Between | None") -> None:
        """Let something stand between the daemon and one service; None: nothing any more."""
        self._between.pop(host, None)
        if between is not None:
            self._between[host] = between

    # --- what is known

    @property
    def state(self) -> TargetState:
        """What is remembered of the target."""
        target_store = self.daemon.target_store(DEMO)
        assert target_store is not None
        return target_store.state

    @property
    def incident(self) -> Incident | None:
        """The open incident."""
        return self.state.incident

    @property
    def incidents(self) -> list[IncidentChanged]:
        """What happened to incidents."""
        return [event for event in self.events if isinstance(event, IncidentChanged)]

    @property
    def story(self) -> list[tuple[str, str]]:
        """What happened to incidents, as words."""
        return [(event.reason.value, event.fault.value) for event in self.incidents]

    def looks(self, check: CheckName) -> list[Checked]:
        """What a check has reported."""
        return [event for event in self.events if isinstance(event, Checked) and event.check is check]

    @property
    def outcomes(self) -> list[str]:
        """What became of each trace, in the order of judging."""
        return [event.outcome.value for event in self.events if isinstance(event, TraceJudged)]

    @property
    def notices(self) -> list[NoticeHandled]:
        """What became of each attempt to deliver."""
        return [event for event in self.events if isinstance(event, NoticeHandled)]

    # --- what people see

    @property
    def messages(self) -> list[Message]:
        """What Slack holds, in the order of posting."""
        return list(self.sandbox.world.slack.messages)

    @property
    def notified(self) -> list[str]:
        """The first line of everything that Slack holds, in the order of posting."""
        return [message.text.partition("\n")[0] for message in self.messages]

    @property
    def roots(self) -> list[Message]:
        """What stands in the channel by itself."""
        return self.sandbox.world.slack.roots

    def thread(self, root: Message) -> list[str]:
        """The first lines of the replies to a message."""
        return [reply.text.partition("\n")[0] for reply in self.sandbox.world.slack.thread(root)]

    @property
    def calls(self) -> list[Message]:
        """The messages that called somebody when they were posted; an edit calls nobody."""
        return [message for message in self.messages if MENTION in (message.versions or [message.text])[0]]

    def mentions(self) -> list[float]:
        """When somebody was called."""
        return [message.at for message in self.calls]


@asynccontextmanager
async def house(
    variant: Variant | None = None,
    *,
    twins: Iterable[str] = (),
    content: bool = False,
    seed: int = 0,
    one_root: bool = True,
    prepare: Callable[[House], None] = lambda _: None,
    traffic: Traffic = NO_TRAFFIC,
    backend: BackendKind = BackendKind.TRACELOOP,
    **more: Any,
) -> AsyncIterator[House]:
    """A running daemon in a healthy world; `more` is merged into its configuration.

    `twins`: further targets, configured like the one there is, behind the same services. `one_root`: whether each incident must
    have exactly one root message (Slack may lose an answer, or a message). `prepare` is called before the daemon starts.
    `traffic`: how busy others are in the same services. `backend`: where the traces arrive.
    """
    built = House(variant or Variant(), more, twins=twins, content=content, seed=seed, traffic=traffic, backend=backend)
    prepare(built)
    await built.open()
    try:
        yield built
        page, _ = built.metrics.render("", built.view())
        assert (
            given_away(
                built.sandbox.world, built.daemon, page.decode(), built.events, await built.store.history(limit=500)
            )
            == set()
        )
        assert not one_root or notified_twice_or_never(built.sandbox.world, built.daemon) == {}
    finally:
        await built.close()
