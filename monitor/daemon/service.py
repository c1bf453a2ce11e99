"""The process around the daemon: its state file, its web server, its metrics, its signals; started and stopped in order."""

import asyncio
import ctypes
import gc
import logging
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.clock import SystemClock
from monitor.core.incident import Incident
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import Seconds, TargetName
from monitor.core.state import DAY
from monitor.daemon.address import Address
from monitor.daemon.compose import Deps, network, silences_of
from monitor.daemon.daemon import Daemon
from monitor.daemon.heartbeat import MetaMonitoring
from monitor.daemon.operations import LiveOperations
from monitor.daemon.policy import enabled_checks
from monitor.daemon.reload import Reloader
from monitor.daemon.status import token_expiries
from monitor.http import Http
from monitor.ports import Notifier
from monitor.redaction import Redactor
from monitor.schedule import GridSchedule
from monitor.settings import Loaded, SecretSource, Settings, Target
from monitor.settings.schema import all_secrets
from monitor.store import Store
from monitor.store.sqlite import SqliteStore
from monitor.telemetry.gauges import Expected, Monitored, View
from monitor.telemetry.logging import EventLog
from monitor.telemetry.metrics import Metrics, watch_loop
from monitor.version import VERSION
from monitor.web.app import make_app
from monitor.web.day import Day
from monitor.web.panel import About
from monitor.web.server import WebServer
from monitor.web.views import Views

if TYPE_CHECKING:
    from monitor.daemon.buttons import SlackPresses

_log = logging.getLogger(__name__)

GRACE: Seconds = 20.0
"""From the first SIGTERM to the end; less than the thirty seconds that Kubernetes gives."""

_WATCH_FILES_EVERY: Seconds = 10.0
_NOTE_CANARIES_EVERY: Seconds = 300.0
_TRIM_MEMORY_EVERY: Seconds = 600.0
_TRIM_MEMORY_FIRST: Seconds = 12.0  # when every check has looked once
_CLOSING: Seconds = 3.0
_NOTIFY_REFUSAL_EVERY: Seconds = 30.0
_NEVER: Seconds = 1e9  # by itself: only when it is asked for

_APPS = {"https://api.traceloop.com": "https://app.traceloop.com"}
"""Where people read what an API serves; of another API nobody knows, and it is linked to itself."""


class Service:
    """One process: `run` returns when it has been asked to stop and has stopped."""

    def __init__(
        self, loaded: Loaded, *, config: str | None, environ: Mapping[str, str], cwd: Path, redactor: Redactor
    ) -> None:
        """Raises OSError if `http.ca_file` cannot be used."""
        settings, clock = loaded.settings, SystemClock()
        transport = network(settings, redactor)
        self._deps = Deps(
            clock=clock,
            http=Http(clock=clock, transport=transport, redactor=redactor),
            redactor=redactor,
        )
        self._store: Store = SqliteStore(
            Path(settings.state.path), clock=clock, keep_history=settings.state.keep_history
        )
        # The daemon needs the schedule, and the schedule reports to the daemon: it is looked up when something happens.
        self._schedule = GridSchedule(clock, lambda event: self.daemon.publish(event))  # noqa: PLW0108
        self.daemon = Daemon(
            settings,
            self._deps,
            store=self._store,
            schedule=self._schedule,
            notifiers=(),
            silences=silences_of(settings),
        )
        self._meta = MetaMonitoring(self._deps, self.daemon, self._schedule, state_problem=lambda: self._store.problem)
        self._reloader = Reloader(
            loaded,
            config=config,
            environ=environ,
            cwd=cwd,
            clock=clock,
            publish=self.daemon.publish,
            why_not=self._why_no_reload,
            apply=self._apply,
        )
        self._metrics = Metrics(clock=clock, version=VERSION, view=self._view)
        self._metrics.expect(self._expected(settings))
        self.daemon.listen(self._metrics.listen)
        self.daemon.listen(EventLog().listen)
        self._operations = LiveOperations(self.daemon, clock=clock, reload=self._reloader.reload)
        self._network = transport
        self._presses: SlackPresses | None = None
        self._day = Day()
        self._web = self._make_web()
        self._stop = asyncio.Event()

    @property
    def _settings(self) -> Settings:
        return self._reloader.loaded.settings

    # --- life

    async def run(self, started: Callable[[str], None] = lambda _url: None) -> None:
        """Run until somebody asks to stop. Raises StoreError or WebError if it cannot start."""
        # Registered first: a signal that comes while it starts, or while it reloads, is heeded afterwards.
        self._schedule.every("reload", _NEVER, self._reloader.reload_quietly, first=_NEVER)
        self._handle_signals()
        address = None
        lag = asyncio.create_task(watch_loop(self._deps.clock, self._metrics.observe_loop_lag), name="loop lag")
        try:
            await self._web.start()
            address = self._publish_address()
            if not await self._open_store():
                return
            await self.daemon.start()
            watch = self._reloader.reload_if_changed
            self._schedule.every("watch files", _WATCH_FILES_EVERY, watch, first=_WATCH_FILES_EVERY)
            self._schedule.every("note canaries", _NOTE_CANARIES_EVERY, self._note_canaries)
            self._schedule.every("trim memory", _TRIM_MEMORY_EVERY, _trim_memory, first=_TRIM_MEMORY_FIRST)
            # Notifiers are loaded last: nothing is due to them before something has been seen.
            async with self._reloader.lock:
                await self.daemon.notify_by(self._notifiers(self._settings))
                self._metrics.expect(self._expected(self._settings))
                self._meta.prepare(self._settings)()
                await self._listen_to_buttons(self._settings)
            self._schedule.every("refused configuration", _NOTIFY_REFUSAL_EVERY, self._notify_refusal)
            _log.info("ready", extra={"fields": {"url": self._web.url, "version": VERSION}})
            started(self._web.url)
            await self._stop.wait()
        finally:
            _log.info("stopping")
            if self._presses is not None:
                await self._presses.stop()
            await self.daemon.stop(GRACE - _CLOSING)
            lag.cancel()
            await self._store.close()
            await self._web.stop()
            if address is not None:
                address.withdraw()

    async def _open_store(self) -> bool:
        """Whether it is open; it may have to be waited for, and then somebody may ask to stop."""
        opening, stopped = asyncio.create_task(self._store.open()), asyncio.create_task(self._stop.wait())
        await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if opening.done():
            await opening
            return True
        opening.cancel()
        return False

    def stop(self) -> None:
        """Ask it to stop."""
        self._stop.set()

    def _publish_address(self) -> Address | None:
        """For `healthcheck`, which finds it without a configuration."""
        path = self._reloader.loaded.path
        try:
            return Address(self._web.url, str(path.absolute()) if path is not None else "")
        except OSError as error:
            _log.warning("the daemon's address cannot be published, so `healthcheck` uses the configuration: %s", error)
            return None

    def _handle_signals(self) -> None:
        """The first SIGTERM or SIGINT asks, the second forces."""
        loop = asyncio.get_running_loop()

        def on_stop(number: int) -> None:
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)
            _log.info("asked to stop", extra={"fields": {"signal": signal.Signals(number).name}})
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._schedule.soon("reload"))

    # --- reload

    def _why_no_reload(self) -> str | None:
        if self.daemon.draining:
            return "it is being stopped"
        if not self.daemon.ready:
            return "not started yet: the configuration is in force once what was remembered has been read"
        return None

    async def _apply(self, loaded: Loaded) -> None:
        """Built whole before anything is exchanged."""
        settings = loaded.settings
        begin_meta = self._meta.prepare(settings)
        await self.daemon.apply(settings, self._notifiers(settings), silences_of(settings))
        begin_meta()
        await self._listen_to_buttons(settings)
        self._metrics.expect(self._expected(settings))

    def _notifiers(self, settings: Settings) -> tuple[Notifier, ...]:
        from monitor.daemon.compose_notifiers import notifiers_of  # noqa: PLC0415 - loaded when it is needed, see there

        return notifiers_of(settings, self._deps)

    async def _listen_to_buttons(self, settings: Settings) -> None:
        if self._presses is None and settings.alerting.slack.pressable:
            from monitor.daemon.buttons import SlackPresses  # noqa: PLC0415 - as above

            self._presses = SlackPresses(self._deps, self._network, self._operations)
        if self._presses is not None:
            await self._presses.use(settings)

    async def _notify_refusal(self) -> None:
        from monitor.daemon.compose_notifiers import places_of  # noqa: PLC0415 - as above

        places = places_of(self._settings, self._deps, channel=self._settings.alerting.slack.channel or None)
        await self._reloader.refused.notify(places, after=self._settings.alerting.blind_after)

    # --- what is shown

    async def _note_canaries(self) -> None:
        """For the page, before the state forgets them."""
        self._day.note(self.daemon.state.targets, self._deps.clock.now())

    def _view(self) -> View:
        heartbeat, notifiers = self._meta.heartbeat, self.daemon.notifiers
        return View(
            state=self.daemon.state,
            policies=self.daemon.policies,
            notices_pending={name: health.pending for name, health in notifiers.items()},
            heartbeat_failing=heartbeat.problem is not None if heartbeat is not None else None,
            heartbeat_delivered_at=heartbeat.delivered_at if heartbeat is not None else None,
            refused={name: health.refused for name, health in notifiers.items()},
            token_expiries={name: token_expiries(target) for name, target in self._settings.targets.items()},
        )

    def _expected(self, settings: Settings) -> Expected:
        return Expected(
            targets={
                name: Monitored(
                    checks=enabled_checks(target.checks), labels=target.labels, backend=target.backend.traits.service
                )
                for name, target in settings.targets.items()
            },
            notifiers=tuple(self.daemon.notifiers),
            external_url=settings.server.external_url,
        )

    def _make_web(self) -> WebServer:
        server = self._settings.server
        views = Views(
            report=self.daemon.report,
            state=lambda: self.daemon.state,
            incidents=self.daemon.incidents,
            metrics=self._metrics.scrape,
            healthy=lambda: self._schedule.turning() or not self.daemon.ready or self.daemon.draining,
            ready=lambda: {
                "configured": True,
                "state restored": self.daemon.ready,
                "schedule running": self._schedule.turning(),
                "not draining": not self.daemon.draining,
            },
            troubles=self._problems,
            version=VERSION,
            about=lambda: about_targets(self.daemon),
            notices=lambda incident: notices_of(incident, self._store),
            is_configured=lambda silence: silence not in self.daemon.added_silences,
            external_url=server.external_url,
            day=self._day,
        )
        app = make_app(
            views,
            self._operations,
            clock=self._deps.clock,
            read_token=_optional(server.read_token),
            admin_token=_optional(server.admin_token),
        )
        return WebServer(
            app,
            host=server.host,
            port=server.port,
            tls_cert=Path(server.tls_cert) if server.tls_cert else None,
            tls_key=Path(server.tls_key) if server.tls_key else None,
        )

    def _problems(self) -> tuple[str, ...]:
        """Sentences about the monitor itself, for the page."""
        found = [self._reloader.refused.text()] if self._reloader.refused.problem else []
        for name, health in self.daemon.notifiers.items():
            if health.failing_since is not None:
                found.append(f"{name} does not accept notifications: {health.last_error}")
        for name, health in self.daemon.notifiers.items():
            if health.unrefreshed:
                found.append(f"{name} could not be sent its open incidents again: {health.unrefreshed}")
        held = (source.problem for source in all_secrets(self._settings))
        buttons = self._presses.problem if self._presses is not None else None
        more = (buttons, *self._meta.problems(), *held, self._web.problem, self._store.loss)
        return (*found, *(each for each in more if each))


async def _trim_memory() -> None:
    """Give back to the system what only the start needed; a daemon that idles for months has no other use for it.

    Reading the configuration and building its schema leaves four megabytes of free blocks in glibc's heap, which it keeps
    (https://man7.org/linux/man-pages/man3/malloc_trim.3.html).
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return  # not glibc
    trim(0)


def _optional(source: SecretSource | None) -> Callable[[], str | None]:
    return lambda: source.get() if source is not None else None


# --- what the page shows of a target beside its state ----------------------------------------------------------------


def about_targets(daemon: Daemon) -> Mapping[TargetName, About]:
    """Limits, labels, next runs, tokens and links of every target of the configuration."""
    policies = daemon.policies
    return {
        name: About(
            policy=policies.get(name),
            labels=target.labels,
            links=links_of(target),
            next_runs=daemon.next_runs(name),
            token_expiries=token_expiries(target),
        )
        for name, target in daemon.settings.targets.items()
    }


def links_of(target: Target) -> tuple[tuple[str, str], ...]:
    """The services that people open: TrueFoundry's control plane, the trace backend, a self-hosted gateway's metrics."""
    backend = target.backend
    control_plane = target.control_plane.url if target.control_plane is not None else None
    found = (
        ("TrueFoundry", control_plane),
        (backend.traits.name, _APPS.get(backend.url, backend.url)),
        ("Gateway metrics", target.gateway.metrics_url),
        ("Collector metrics", target.collector.metrics_url),
    )
    return tuple((name, url) for name, url in found if url)


async def notices_of(incident: Incident, store: Store) -> tuple[NoticeDelivered, ...]:
    """Who was notified of an incident, as the history has it: at its end, or up to a day later."""
    until = float("inf") if incident.closed_at is None else incident.closed_at + DAY
    return await store.notices(incident.target, since=incident.opened_at, until=until)
