"""Meta-monitoring: a heartbeat and a self-test prove to somebody else that the monitor checks and notifies.

The heartbeat is a dead man's switch: it is sent only while checking and notifying both work, so that its absence is an alarm
elsewhere (https://prometheus.io/docs/practices/alerting/#metamonitoring). Without a notifier nobody is to be notified (metrics
only), and checking is all that has to work. The self-test sends a test notice now and then, by the very way a page would take.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from monitor.core.events import NoticeHandled
from monitor.core.incident import Reason
from monitor.core.model import CheckName, Instant, Seconds, Service, TargetName
from monitor.daemon.compose import Deps, Publish
from monitor.daemon.daemon import Daemon
from monitor.http import Answer, Http
from monitor.ports import Clock, Notifier, PortError, Undeliverable
from monitor.runner import LiveTargetStore
from monitor.schedule import GridSchedule
from monitor.settings import Settings

_log = logging.getLogger(__name__)

FORGIVEN_FOR: Seconds = 300.0
"""How long notifying, or keeping the state, may fail before the heartbeat stops: what recovers by itself sooner wakes nobody."""

TEST_AGAIN_AFTER: Seconds = 300.0
"""How soon a place where the self-test failed is tested again."""

TEST_TEXT = "This is the monitor's regular self-test: a page about the gateway's traces would have arrived here."
_FIRST_TEST: Seconds = 30.0
_TEST_LIMIT: Seconds = 60.0
_HEARTBEAT_LIMIT: Seconds = 10.0
# These may still await their first answer.
_MAY_BE_NEW = frozenset({CheckName.CANARY, CheckName.CONTROL, CheckName.ARRIVAL})
_OK, _OK_ENDS = 200, 300


class MetaMonitoring:
    """Heartbeat and self-test on the schedule, as the settings want them; what they found is for the page and the metrics."""

    def __init__(
        self, deps: Deps, daemon: Daemon, schedule: GridSchedule, *, state_problem: Callable[[], str | None]
    ) -> None:
        self.heartbeat: Heartbeat | None = None
        self._self_test: SelfTest | None = None
        self._deps = deps
        self._daemon = daemon
        self._schedule = schedule
        self._state_problem = state_problem

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Build what these settings want; what is returned begins with it. What was found before is forgotten then."""
        heartbeat, self_test, url = None, None, settings.heartbeat.url
        if url is not None:
            heartbeat = Heartbeat(
                self._deps.http,
                url.get,
                self._daemon,
                clock=self._deps.clock,
                alive=self._schedule.turning,
                impaired=self._impairments,
            )
        if settings.alerting.self_test.every is not None:
            from monitor.daemon.compose_notifiers import places_of  # noqa: PLC0415 - loaded when it is needed, see there

            places = places_of(settings, self._deps, channel=settings.alerting.self_test.channel)
            self_test = SelfTest(places, clock=self._deps.clock, publish=self._daemon.publish)
        return partial(self._begin, settings, heartbeat, self_test)

    def _begin(self, settings: Settings, heartbeat: "Heartbeat | None", self_test: "SelfTest | None") -> None:
        for job in ("heartbeat", "self-test", "self-test again"):
            self._schedule.drop(job)
        self.heartbeat, self._self_test = heartbeat, self_test
        if heartbeat is not None:
            every = settings.heartbeat.every
            self._schedule.every("heartbeat", every, heartbeat.beat, first=every)
        if self_test is not None and settings.alerting.self_test.every is not None:
            every = settings.alerting.self_test.every
            self._schedule.every("self-test", every, self_test.run, first=min(every, _FIRST_TEST))
            self._schedule.every("self-test again", TEST_AGAIN_AFTER, self_test.run_again, first=TEST_AGAIN_AFTER)

    def problems(self) -> tuple[str, ...]:
        """For the page."""
        problem = self.heartbeat.problem if self.heartbeat is not None else None
        return (*self._impairments().values(), *([f"heartbeat {problem}"] if problem else []))

    def _impairments(self) -> dict[str, str]:
        """What keeps notices from being relied on, besides what the notifiers report, by name."""
        problem = self._state_problem()
        state = {"state": f"the state cannot be saved: {problem}"} if problem else {}
        tested = self._self_test.problems if self._self_test is not None else {}
        return state | {f"test {place}": f"the self-test of {place} failed: {why}" for place, why in tested.items()}


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
        """Ping, if the monitor itself is healthy. When that begins to fail, and when it works again, is logged."""
        before, self.problem = self.problem, await self._ping()
        if self.problem is None:
            self.delivered_at = self._clock.now()
            if before is not None:
                _log.warning("the heartbeat is delivered again")
        elif before is None or before.partition(":")[0] != self.problem.partition(":")[0]:
            _log.error("heartbeat %s", self.problem)

    async def _ping(self) -> str | None:
        """Why there was no good ping."""
        problems = [*self._not_checking(), *self._not_notifying()]
        if problems:
            return f"withheld: {'; '.join(problems)}"
        try:
            answer = await self._http.request(
                Service.HEARTBEAT, "GET", self._url(), timeout=_HEARTBEAT_LIMIT, body_limit=4096
            )
        except PortError as error:
            return f"not delivered: {error}"
        return _refusal(answer)

    def _not_checking(self) -> Iterator[str]:
        if not self._alive():
            yield "the scheduler does not run"
        for name in self._daemon.settings.targets:
            target_store, now = self._daemon.target_store(name), self._clock.now()
            if target_store is None:
                yield f"{name} is not checked"
            elif not target_store.policy.cadences:
                yield f"{name}: no check is enabled"
            else:
                yield from (f"{name}: {check} has not run recently" for check in self._stale(target_store, now))

    def _stale(self, target_store: LiveTargetStore, now: Instant) -> Iterator[CheckName]:
        """`arrival` looks only while a trace is awaited, and need not see it then."""
        up_for = self._clock.monotonic() - self._began
        for check, cadence in target_store.policy.cadences.items():
            last = target_store.state.check_state(check).last
            age = now - last.at if last is not None else float("inf")
            if check is CheckName.ARRIVAL:
                waits = (now - canary.waited_since for canary in target_store.state.canaries if canary.pending)
                age = min(age, max(waits, default=0.0))
            if (min(age, up_for) if check in _MAY_BE_NEW else age) > cadence.stale_after:
                yield check

    def _not_notifying(self) -> list[str]:
        """What has not worked for long."""
        found = dict(self._impaired())
        for name, health in self._daemon.notifiers.items():
            if health.failing_since is not None:
                found[name] = f"{name} does not accept notices"
            elif health.unrefreshed_since is not None:
                found[name] = f"{name} does not answer"
            elif health.pending:
                found[name] = f"{name} has not been sent what is due"
        now = self._clock.monotonic()
        self._since = {name: self._since.get(name, now) for name in found}
        return [text for name, text in found.items() if now - self._since[name] >= FORGIVEN_FOR]


def _refusal(answer: Answer) -> str | None:
    """Why an answer means that nobody waits for the ping.

    Healthchecks.io answers 200 also for a check that was deleted (https://healthchecks.io/docs/http_api/); others say in JSON
    that it is not ok.
    """
    if not _OK <= answer.status < _OK_ENDS:
        return f"refused: HTTP {answer.status}"
    said = answer.text(200).strip().lower()
    if said.startswith("ok (not found)") or '"ok":false' in said.replace(" ", ""):
        why = "it was deleted, or `heartbeat.url` belongs to another check"
        return f"refused: HTTP {answer.status}, but there is no such check: {why}"
    return None


class SelfTest:
    """Sends test notices and reports each as an event, so that the metrics date the last one that arrived.

    `places` are single ones, by name: a channel, an instance, so that one which fails keeps no other from being tested.
    """

    def __init__(self, places: Mapping[str, Notifier], *, clock: Clock, publish: Publish) -> None:
        self._places = places
        self._clock = clock
        self._publish = publish
        self._tested_at: Seconds = clock.monotonic()
        self._testing = asyncio.Lock()
        self.problems: Mapping[str, str] = {}

    async def run(self) -> None:
        """Test every place once."""
        async with self._testing:
            self.problems = await self._failures(self._places)
            self._tested_at = self._clock.monotonic()

    async def run_again(self) -> None:
        """Test once more what failed, unless that was only just now."""
        async with self._testing:
            if self._clock.monotonic() - self._tested_at >= TEST_AGAIN_AFTER / 2:
                self.problems = await self._failures({name: self._places[name] for name in self.problems})

    async def _failures(self, places: Mapping[str, Notifier]) -> Mapping[str, str]:
        failures = {}
        for place, notifier in places.items():
            outcome, detail = await send_test(notifier, TEST_TEXT, self._clock)
            self._publish(own_notice(notifier, Reason.TEST, outcome, detail, self._clock.now()))
            if outcome != "sent":
                failures[place] = detail
        return failures


async def send_test(notifier: Notifier, text: str, clock: Clock) -> tuple[str, str]:
    """Send a test notice: the outcome (sent, failed, or unknown: it may have arrived all the same), and why it is not `sent`."""
    try:
        async with clock.timeout(_TEST_LIMIT):
            await notifier.test(text)
    except Undeliverable as error:
        return "unknown" if error.unknown else "failed", str(error)
    except TimeoutError:
        return "unknown", f"no answer within {_TEST_LIMIT:.0f} s"
    return "sent", ""


def own_notice(notifier: Notifier, reason: Reason, outcome: str, detail: str, at: Instant) -> NoticeHandled:
    """A notice about the monitor itself was handled: it is about no target."""
    return NoticeHandled(
        notifier=notifier.name, target=TargetName(""), at=at, reason=reason, outcome=outcome, detail=detail
    )
