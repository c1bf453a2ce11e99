"""Load the configuration again: on SIGHUP, when a file has changed, when asked over HTTP. A bad one changes nothing.

A refused configuration is shown and notified once: the one before stays in force, but a restart would fail.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from monitor.core.events import Reloaded
from monitor.core.incident import Reason
from monitor.core.model import Seconds
from monitor.daemon.compose import Publish
from monitor.daemon.heartbeat import own_notice, send_test
from monitor.ports import Clock, Notifier
from monitor.settings import ConfigError, Loaded, load
from monitor.shortage import shortage
from monitor.web.views import Rejected

_log = logging.getLogger(__name__)

_TRY_REFUSED_EVERY: Seconds = 60.0
_NEEDS_RESTART = ("server", "state", "http", "log")


class Reloader:
    """Has the newest good configuration. `why_not` says what keeps it from being loaded now; `apply` takes a new one into use.

    `apply` builds everything that the configuration wants before it exchanges anything.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        config: str | None,
        environ: Mapping[str, str],
        cwd: Path,
        clock: Clock,
        publish: Publish,
        why_not: Callable[[], str | None],
        apply: Callable[[Loaded], Awaitable[None]],
    ) -> None:
        self.loaded = loaded
        self.refused = RefusedConfig(clock, publish)
        self.lock = asyncio.Lock()
        self._config = config
        self._environ = environ
        self._cwd = cwd
        self._clock = clock
        self._publish = publish
        self._why_not = why_not
        self._apply = apply
        self._tried_at: Seconds = 0.0
        self._digest = ""
        self._digest = self._digest_files()

    async def reload(self) -> None:
        """Read the configuration again. Raises Rejected if it is bad, or not now: then nothing has changed. One at a time."""
        async with self.lock:
            if reason := self._why_not():
                raise Rejected(reason)
            now, self._tried_at = self._clock.now(), self._clock.monotonic()
            self._digest = self._digest_files()  # first: what changes after it has been read is a change
            try:
                loaded = load(self._config, self._environ, self._cwd)
            except ConfigError as error:
                if str(error) != self.refused.problem:
                    self._publish(Reloaded(at=now, successful=False, detail=str(error)))
                self.refused.refuse(str(error))
                raise Rejected(str(error)) from None
            await self._apply(loaded)
            before, self.loaded = self.loaded, loaded
            self.refused.end()
            for warning in loaded.warnings:
                _log.warning("%s", warning)
            for section in _NEEDS_RESTART:
                if getattr(before.settings, section) != getattr(loaded.settings, section):
                    _log.warning("%s has changed; the change takes effect after a restart", section)
            self._publish(Reloaded(at=now, successful=True))

    async def reload_quietly(self) -> None:
        """The same where nobody waits for the answer: a refusal is logged once."""
        known = self.refused.problem
        try:
            await self.reload()
        except Rejected as error:
            if error.detail != known:
                _log.error("the new configuration is invalid, the old one stays in use: %s", error.detail)

    async def reload_if_changed(self) -> None:
        """Also when it was refused for something outside the file: a secret that was not there yet, say."""
        again = self.refused.problem and self._clock.monotonic() - self._tried_at >= _TRY_REFUSED_EVERY
        if again or self._digest_files() != self._digest:
            await self.reload_quietly()

    def _digest_files(self) -> str:
        """Of the configuration file and of the secrets directory; Kubernetes swaps both behind symlinks."""
        digest = hashlib.sha256()
        directory = self.loaded.secrets_dir
        try:
            entries = sorted(directory.iterdir()) if directory is not None and directory.is_dir() else []
            for file in (self.loaded.path, *entries):
                if file is not None and file.is_file():
                    digest.update(str(file).encode() + file.read_bytes())
        except OSError as error:
            if shortage(error):  # that nothing can be opened is no change of what stands there
                return self._digest
            digest.update(str(error).encode())
        return digest.hexdigest()


class RefusedConfig:
    """What is wrong with the configuration at hand, since when, and who was notified of it."""

    def __init__(self, clock: Clock, publish: Publish) -> None:
        self.problem = ""  # why the configuration is refused; empty while it is not
        self._clock = clock
        self._publish = publish
        self._since: Seconds = 0.0
        self._notified: set[str] = set()

    def refuse(self, problem: str) -> None:
        """It is refused, or still."""
        if not self.problem:
            self._since = self._clock.monotonic()
        self.problem = problem

    def end(self) -> None:
        """A good one was loaded."""
        self.problem = ""

    def text(self) -> str:
        """For the page and the notice."""
        minutes = (self._clock.monotonic() - self._since) // 60
        lasting = f", for {minutes:.0f} min" if minutes else ""
        return (
            f"the monitor's configuration is refused{lasting}: the one before is in force, but a restart "
            f"would fail. {self.problem}"
        )

    async def notify(self, places: Mapping[str, Notifier], *, after: Seconds) -> None:
        """Notify each place once when it has lasted so long, and once that it is over; who was not reached is tried again."""
        if self.problem and self._clock.monotonic() - self._since >= after:
            reason, text, names = Reason.OPENED, f"warning: {self.text()}", places.keys() - self._notified
        elif not self.problem and self._notified:
            reason, text = Reason.RESOLVED, "resolved: a good configuration is loaded"
            names = self._notified & places.keys()
            self._notified = set(names)
        else:
            return
        for name in sorted(names):
            outcome, detail = await send_test(places[name], text, self._clock)
            self._publish(own_notice(places[name], reason, outcome, detail, self._clock.now()))
            if outcome != "failed":
                (self._notified.discard if reason is Reason.RESOLVED else self._notified.add)(name)
