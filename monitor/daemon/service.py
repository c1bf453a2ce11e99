"""The process around the daemon: its state file, its web server, its metrics, its signals; started and stopped in order."""

import asyncio
import hashlib
import logging
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from monitor.clock import SystemClock
from monitor.core.events import Reloaded
from monitor.core.model import Seconds
from monitor.daemon.address import Address
from monitor.daemon.daemon import Daemon, Surroundings
from monitor.daemon.desk import Route
from monitor.daemon.memory import give_back
from monitor.daemon.operations import LiveOperations
from monitor.daemon.passes import network
from monitor.daemon.policy import enabled_checks
from monitor.daemon.proofs import Proofs
from monitor.daemon.refusal import Refusal
from monitor.daemon.tokens import token_expiries
from monitor.daemon.windows import windows_of
from monitor.http import Http
from monitor.redaction import Redactor
from monitor.schedule import GridSchedule
from monitor.settings import ConfigError, Loaded, SecretSource, all_secrets, load
from monitor.shortage import shortage
from monitor.store import Store
from monitor.store.sqlite import SqliteStore
from monitor.telemetry.events import EventLog
from monitor.telemetry.expected import Expected, Monitored
from monitor.telemetry.footprint import watch_loop
from monitor.telemetry.gauges import View
from monitor.telemetry.metrics import Metrics
from monitor.version import VERSION
from monitor.web.app import make_app
from monitor.web.operations import Rejected, Views
from monitor.web.server import WebServer

_log = logging.getLogger(__name__)

GRACE: Seconds = 20.0
"""From the first SIGTERM to the end; less than the thirty seconds that Kubernetes gives."""

_WATCH_FILES_EVERY: Seconds = 10.0
_GIVE_BACK_EVERY: Seconds = 600.0
_GIVE_BACK_FIRST: Seconds = 12.0  # when every check has looked once
_CLOSING: Seconds = 3.0
_TRY_REFUSED_EVERY: Seconds = 60.0
_TELL_REFUSAL_EVERY: Seconds = 30.0
_NEVER: Seconds = 1e9  # by itself: only when it is asked for
_NEEDS_RESTART = ("server", "state", "http", "log")


class Service:
    """One process: `run` returns when it has been asked to stop and has stopped."""

    def __init__(
        self, loaded: Loaded, *, config: str | None, environ: Mapping[str, str], cwd: Path, redactor: Redactor
    ) -> None:
        """Raises OSError if `http.ca_file` cannot be used."""
        self._loaded = loaded
        self._config = config
        self._environ = environ
        self._cwd = cwd
        self._clock = SystemClock()
        self._redactor = redactor
        settings = loaded.settings
        self._http = Http(clock=self._clock, transport=network(settings, redactor))
        self._store: Store = SqliteStore(
            Path(settings.state.path), clock=self._clock, keep_history=settings.state.keep_history
        )
        # The daemon stands on the schedule and hears of it: it is looked up when something happens.
        self._schedule = GridSchedule(self._clock, lambda event: self.daemon.publish(event))  # noqa: PLW0108
        around = Surroundings(
            clock=self._clock, store=self._store, schedule=self._schedule, http=self._http, redactor=redactor
        )
        self.daemon = Daemon(settings, around, routes=(), silences=windows_of(settings))
        self._metrics = Metrics(clock=self._clock, version=VERSION, view=self._view)
        self._metrics.expect(self._expected())
        self.daemon.listen(self._metrics.listen)
        self.daemon.listen(EventLog().listen)
        self._proofs = Proofs(around, self.daemon)
        self._refusal = Refusal(self._clock, self.daemon.publish)
        self._tried_at: Seconds = 0.0
        self._reloading = asyncio.Lock()
        self._web = self._make_web()
        self._fingerprint = ""
        self._fingerprint = self._read_files()
        self._stop = asyncio.Event()

    # --- life

    async def run(self, started: Callable[[str], None] = lambda _url: None) -> None:
        """Run until somebody asks to stop. Raises StoreError or WebError if it cannot start."""
        # Registered first: a signal that comes while it starts, or while it reloads, is heeded afterwards.
        self._schedule.every("reload", _NEVER, self._reload_quietly, first=_NEVER)
        self._handle_signals()
        address = None
        lag = asyncio.create_task(watch_loop(self._clock, self._metrics.observe_loop_lag), name="loop lag")
        try:
            await self._web.start()
            address = self._say_where()
            if not await self._opens_store():
                return
            await self.daemon.start()
            self._schedule.every("watch files", _WATCH_FILES_EVERY, self._reload_if_changed, first=_WATCH_FILES_EVERY)
            self._schedule.every("give back memory", _GIVE_BACK_EVERY, give_back, first=_GIVE_BACK_FIRST)
            # Ways to tell are loaded last: nobody can be told before something has been seen.
            async with self._reloading:
                await self._tell_by_configured_ways()
                self._proofs.plan(self._loaded.settings)
            self._schedule.every("refused configuration", _TELL_REFUSAL_EVERY, self._tell_refusal)
            _log.info("ready", extra={"fields": {"url": self._web.url, "version": VERSION}})
            started(self._web.url)
            await self._stop.wait()
        finally:
            _log.info("stopping")
            await self.daemon.stop(GRACE - _CLOSING)
            lag.cancel()
            await self._store.close()
            await self._web.stop()
            if address is not None:
                address.withdraw()

    async def _opens_store(self) -> bool:
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

    def _say_where(self) -> Address | None:
        """For `healthcheck`, which finds it without a configuration."""
        path = self._loaded.path
        try:
            return Address(self._web.url, str(path.absolute()) if path is not None else "")
        except OSError as error:
            _log.warning("`healthcheck` has to ask by its configuration, for there is no place to say where: %s", error)
            return None

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal, number)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._schedule.soon("reload"))

    def _on_stop_signal(self, number: int) -> None:
        """The first asks, the second forces."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        _log.info("asked to stop", extra={"fields": {"signal": signal.Signals(number).name}})
        self.stop()

    # --- reload

    async def reload(self) -> None:
        """Read the configuration again. Raises Rejected if it is bad: then nothing has changed.

        One at a time, and built whole before anything is exchanged.
        """
        async with self._reloading:
            if self.daemon.draining:
                raise Rejected("it is being stopped")
            if not self.daemon.ready:
                raise Rejected("not started yet: the configuration is in force once what was remembered has been read")
            await self._reload()

    async def _reload(self) -> None:
        now, self._tried_at = self._clock.now(), self._clock.monotonic()
        self._fingerprint = self._read_files()  # first: what changes after it has been read is a change
        try:
            loaded = load(self._config, self._environ, self._cwd)
        except ConfigError as error:
            if str(error) != self._refusal.problem:
                self.daemon.publish(Reloaded(at=now, successful=False, detail=str(error)))
            self._refusal.refuse(str(error))
            raise Rejected(str(error)) from None
        routes, windows = self._routes(loaded), windows_of(loaded.settings)
        begin_proofs = self._proofs.prepare(loaded.settings)
        await self.daemon.apply(loaded.settings, routes, windows)
        before, self._loaded = self._loaded, loaded
        begin_proofs()
        self._metrics.expect(self._expected())
        self._refusal.end()
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        for section in _NEEDS_RESTART:
            if getattr(before.settings, section) != getattr(loaded.settings, section):
                _log.warning("%s has changed: that takes effect after a restart", section)
        self.daemon.publish(Reloaded(at=now, successful=True))

    async def _reload_quietly(self) -> None:
        known = self._refusal.problem
        try:
            await self.reload()
        except Rejected as error:
            if str(error) != known:
                _log.error("the new configuration is refused, the old one stays in force: %s", error)

    async def _reload_if_changed(self) -> None:
        """Also when it was refused for something outside the file: a secret that was not there yet, say."""
        again = self._refusal.problem and self._clock.monotonic() - self._tried_at >= _TRY_REFUSED_EVERY
        if again or self._read_files() != self._fingerprint:
            await self._reload_quietly()

    async def _tell_refusal(self) -> None:
        from monitor.daemon.routes import Footing, ways_of  # noqa: PLC0415 - as in `_routes`

        settings = self._loaded.settings
        footing = Footing(clock=self._clock, http=self._http, redactor=self._redactor)
        ways = ways_of(settings, footing, channel=settings.alerting.slack.channel or None)
        await self._refusal.tell(ways, after=settings.alerting.blind_after)

    def _read_files(self) -> str:
        """A digest of the configuration file and of the secrets directory; Kubernetes swaps both behind symlinks."""
        digest = hashlib.sha256()
        directory = self._loaded.secrets_dir
        try:
            entries = sorted(directory.iterdir()) if directory is not None and directory.is_dir() else []
            for file in (self._loaded.path, *entries):
                if file is not None and file.is_file():
                    digest.update(str(file).encode() + file.read_bytes())
        except OSError as error:
            if shortage(error):  # that nothing can be opened is no change of what stands there
                return self._fingerprint
            digest.update(str(error).encode())
        return digest.hexdigest()

    # --- what is shown

    async def _tell_by_configured_ways(self) -> None:
        await self.daemon.tell_by(self._routes(self._loaded))
        self._metrics.expect(self._expected())

    def _routes(self, loaded: Loaded) -> tuple[Route, ...]:
        from monitor.daemon.routes import Footing, routes_of  # noqa: PLC0415 - a fifth of the start, and not needed for it

        return routes_of(loaded.settings, Footing(clock=self._clock, http=self._http, redactor=self._redactor))

    def _view(self) -> View:
        heartbeat = self._proofs.heartbeat
        return View(
            state=self.daemon.state,
            policies=self.daemon.policies,
            notices_pending={name: health.pending for name, health in self.daemon.notifiers.items()},
            heartbeat_failing=heartbeat.problem is not None if heartbeat is not None else None,
            heartbeat_delivered_at=heartbeat.delivered_at if heartbeat is not None else None,
            refused={name: health.refused for name, health in self.daemon.notifiers.items()},
            token_expiries={name: token_expiries(target) for name, target in self._loaded.settings.targets.items()},
        )

    def _expected(self) -> Expected:
        return Expected(
            targets={
                name: Monitored(checks=enabled_checks(target.checks), labels=target.labels)
                for name, target in self._loaded.settings.targets.items()
            },
            notifiers=tuple(self.daemon.notifiers),
        )

    def _make_web(self) -> WebServer:
        server = self._loaded.settings.server
        views = Views(
            report=self.daemon.report,
            state=lambda: self.daemon.state,
            incidents=self.daemon.incidents,
            metrics=self._metrics.scrape,
            healthy=self._is_healthy,
            ready=self._is_ready,
            troubles=self._troubles,
            version=VERSION,
        )
        operations = LiveOperations(self.daemon, clock=self._clock, reload=self.reload)
        app = make_app(
            views,
            operations,
            clock=self._clock,
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

    def _is_healthy(self) -> bool:
        return self._schedule.turning() or not self.daemon.ready or self.daemon.draining

    def _is_ready(self) -> dict[str, bool]:
        return {
            "configured": True,
            "state restored": self.daemon.ready,
            "schedule running": self._schedule.turning(),
            "not draining": not self.daemon.draining,
        }

    def _troubles(self) -> tuple[str, ...]:
        told = [
            f"{name} cannot be told: {health.last_error}"
            for name, health in self.daemon.notifiers.items()
            if health.failing_since is not None
        ]
        told += [
            f"{name} has not been told again what it forgets: {health.unrefreshed}"
            for name, health in self.daemon.notifiers.items()
            if health.unrefreshed
        ]
        held = [each.problem for each in all_secrets(self._loaded.settings) if each.problem]
        served = (self._web.problem,) if self._web.problem else ()
        lost = (self._store.loss,) if self._store.loss else ()
        return (*self._refusal.troubles(), *told, *self._proofs.troubles(), *held, *served, *lost)


def _optional(source: SecretSource | None) -> Callable[[], str | None]:
    return lambda: source.get() if source is not None else None
