"""A dead man's switch: pinged only while checking and telling both work, so that its silence is an alarm elsewhere."""

from collections.abc import Callable

from monitor.app.daemon import Daemon
from monitor.core.model import Seconds, Service
from monitor.http import Http
from monitor.ports import Clock, PortError

_TIMEOUT: Seconds = 10.0
_TELLING_FAILS_AFTER: Seconds = 300.0


class Heartbeat:
    """Pings a URL, which is a secret."""

    def __init__(
        self, http: Http, url: Callable[[], str], daemon: Daemon, *, clock: Clock, alive: Callable[[], bool]
    ) -> None:
        self._http = http
        self._url = url
        self._daemon = daemon
        self._clock = clock
        self._alive = alive
        self.problem: str | None = None

    async def beat(self) -> None:
        """Ping, if all is well with the monitor itself."""
        if not self.is_well():
            self.problem = "withheld: checking or telling does not work"
            return
        try:
            answer = await self._http.request(Service.HEARTBEAT, "GET", self._url(), timeout=_TIMEOUT, body_limit=4096)
        except PortError as error:
            self.problem = f"not delivered: {error}"
        else:
            self.problem = None if answer.status < 400 else f"refused: HTTP {answer.status}"  # noqa: PLR2004

    def is_well(self) -> bool:
        """Whether the schedule turns, every target has looked lately, and no notifier has been failing for long."""
        now = self._clock.now()
        failing = [
            health
            for health in self._daemon.notifiers.values()
            if health.failing_since is not None and now - health.failing_since > _TELLING_FAILS_AFTER
        ]
        return self._alive() and not failing and all(self._looks(name, now) for name in self._daemon.settings.targets)

    def _looks(self, name: str, now: float) -> bool:
        journal = next((each for each in self._daemon.journals if each.state.target == name), None)
        if journal is None:
            return False
        return all(
            (last := journal.state.trend(check).last) is not None and now - last.at <= cadence.stale_after
            for check, cadence in journal.policy.cadences.items()
            if check in ("config", "gateway")
        )
