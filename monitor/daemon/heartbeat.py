"""A dead man's switch: pinged only while checking and telling both work, so that its silence is an alarm elsewhere.

Without a notifier there is nobody to be told (metrics only), and checking is all that has to work.
"""

import logging
from collections.abc import Callable, Iterator, Mapping

from monitor.core.model import CheckName, Instant, Seconds, Service
from monitor.daemon.daemon import Daemon
from monitor.http import Answer, Http
from monitor.ports import Clock, PortError
from monitor.runner import TargetJournal

_log = logging.getLogger(__name__)

FORGIVEN_FOR: Seconds = 300.0
"""How long telling, or keeping the state, may fail before that is silence: what mends itself sooner wakes nobody."""

_TIMEOUT: Seconds = 10.0
# These may still await their first answer.
_MAY_BE_NEW = frozenset({CheckName.CANARY, CheckName.CONTROL, CheckName.ARRIVAL})
_OK, _OK_ENDS = 200, 300


class Heartbeat:
    """Pings a URL, which is a secret. `impaired` says, by name, what else does not work as it should."""

    def __init__(
        self,
        http: Http,
        url: Callable[[], str],
        daemon: Daemon,
        *,
        clock: Clock,
        alive: Callable[[], bool],
        impaired: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._http = http
        self._url = url
        self._daemon = daemon
        self._clock = clock
        self._alive = alive
        self._impaired = impaired
        self._began = clock.monotonic()
        self._since: Mapping[str, Seconds] = {}
        self.problem: str | None = None
        self.delivered_at: Instant | None = None

    async def beat(self) -> None:
        """Ping, if all is well with the monitor itself. When that begins to fail, and when it works again, is logged."""
        before, self.problem = self.problem, await self._try()
        if self.problem is None:
            self.delivered_at = self._clock.now()
            if before is not None:
                _log.warning("the heartbeat is delivered again")
        elif before is None or before.partition(":")[0] != self.problem.partition(":")[0]:
            _log.error("heartbeat %s", self.problem)

    async def _try(self) -> str | None:
        """Why there was no good ping."""
        ailments = [*self._idle(), *self._mute()]
        if ailments:
            return f"withheld: {'; '.join(ailments)}"
        try:
            answer = await self._http.request(Service.HEARTBEAT, "GET", self._url(), timeout=_TIMEOUT, body_limit=4096)
        except PortError as error:
            return f"not delivered: {error}"
        return _refusal(answer)

    # --- checking

    def _idle(self) -> Iterator[str]:
        """What does not look."""
        if not self._alive():
            yield "the schedule stands still"
        for name in self._daemon.settings.targets:
            journal, now = self._daemon.journal(name), self._clock.now()
            if journal is None:
                yield f"{name} is not looked at"
            elif not journal.policy.cadences:
                yield f"{name}: no check is enabled"
            else:
                yield from (f"{name}: {check} has not looked recently" for check in self._stale(journal, now))

    def _stale(self, journal: TargetJournal, now: Instant) -> Iterator[CheckName]:
        """`arrival` looks only while a trace is awaited, and need not see it then."""
        up_for = self._clock.monotonic() - self._began
        for check, cadence in journal.policy.cadences.items():
            last = journal.state.trend(check).last
            age = now - last.at if last is not None else float("inf")
            if check is CheckName.ARRIVAL:
                waits = (now - canary.waited_since for canary in journal.state.canaries if canary.pending)
                age = min(age, max(waits, default=0.0))
            if (min(age, up_for) if check in _MAY_BE_NEW else age) > cadence.stale_after:
                yield check

    # --- telling

    def _mute(self) -> list[str]:
        """What has not worked for long."""
        now, present = self._clock.monotonic(), {**self._impaired(), **dict(self._untold())}
        self._since = {name: self._since.get(name, now) for name in present}
        return [text for name, text in present.items() if now - self._since[name] >= FORGIVEN_FOR]

    def _untold(self) -> Iterator[tuple[str, str]]:
        for name, health in self._daemon.notifiers.items():
            if health.failing_since is not None:
                yield name, f"{name} cannot be told"
            elif health.unrefreshed_since is not None:
                yield name, f"{name} does not answer"
            elif health.pending:
                yield name, f"{name} is not told what it should be"


def _refusal(answer: Answer) -> str | None:
    """Why an answer means that nobody waits for the ping.

    Healthchecks.io answers 200 also for a check that was deleted (https://healthchecks.io/docs/http_api/); others say in JSON
    that it is not ok.
    """
    if not _OK <= answer.status < _OK_ENDS:
        return f"refused: HTTP {answer.status}"
    said = answer.text(200).strip().lower()
    if said.startswith("ok (not found)") or '"ok":false' in said.replace(" ", ""):
        return f"refused: HTTP {answer.status}, but there is no such check: it was deleted, or `heartbeat.url` is another's"
    return None
