"""Bring each notifier up to date: compare what it was told with what is true, tell the difference, remember the receipt.

One worker per notifier, so that a slow one delays nobody. A notice is committed before it is sent and its receipt after, so
a death in between costs at most one duplicate, never a silence.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Incident, Notice, Reason, Told
from monitor.core.inputs import NoticeTold
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.silence import Silence, silenced_until
from monitor.core.telling import MENTION_AT_MOST_EVERY, compose, due, record, trusted, wakes_at
from monitor.ports import Clock, Notifier, Refreshing, Undeliverable
from monitor.runner import TargetJournal

_log = logging.getLogger(__name__)

_FIRST_WAIT: Seconds = 1.0
_LONGEST_WAIT: Seconds = 15.0
_AFTER_PERMANENT: Seconds = 300.0
_LOOK_ANYWAY: Seconds = 60.0
_LIMIT: Seconds = 60.0
_HISTORY_AFTER: Seconds = 4 * 3600.0  # a notifier that is new is not told of what is long over


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way to tell. `mention_key` names channel and mention of a target: they share the limit of one a minute."""

    notifier: Notifier
    mention_key: Callable[[TargetName], str] = str


@dataclass(slots=True)
class NotifierHealth:
    """What is known of one notifier, for the page and the metrics."""

    pending: int = 0
    last_success_at: Instant | None = None
    failing_since: Instant | None = None
    last_error: str = ""
    permanent: bool = False


@dataclass(slots=True)
class _Worker:
    route: Route
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    wait: Seconds = _FIRST_WAIT
    health: NotifierHealth = field(default_factory=NotifierHealth)
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    journal: TargetJournal
    incident: Incident
    told: Told | None
    reason: Reason
    silenced_until: Instant | None


class Teller:
    """Keeps every notifier up to date with the incidents of every target."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        clock: Clock,
        publish: Callable[[Event], None],
        journals: Callable[[], Iterable[TargetJournal]],
        silences: Callable[[], tuple[Silence, ...]],
        labels: Callable[[TargetName], Mapping[str, str]],
    ) -> None:
        self._clock = clock
        self._publish = publish
        self._journals = journals
        self._silences = silences
        self._labels = labels
        self._workers = [_Worker(route=route) for route in routes]
        self._mentioned: dict[str, Instant] = {}

    @property
    def health(self) -> Mapping[str, NotifierHealth]:
        """How each notifier does, by name."""
        return {worker.route.notifier.name: worker.health for worker in self._workers}

    async def exchange(self, routes: Iterable[Route]) -> None:
        """Go on with other ways to tell; what is under way is broken off, and told again if it was not recorded."""
        tasks = [worker.task for worker in self._workers if worker.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in self._workers:
            worker.route.notifier.close()
        self._workers = [_Worker(route=route) for route in routes]
        self.start()

    def start(self) -> None:
        """Begin to tell."""
        for worker in self._workers:
            worker.task = asyncio.create_task(self._work(worker), name=f"tell {worker.route.notifier.name}")

    def wake(self) -> None:
        """Something changed: look whether anything is due."""
        for worker in self._workers:
            worker.wake.set()

    async def stop(self, grace: Seconds) -> None:
        """Tell once more what is due, within the grace, then let go."""
        for worker in self._workers:
            if worker.task is not None:
                worker.task.cancel()
        await asyncio.gather(*(w.task for w in self._workers if w.task is not None), return_exceptions=True)
        try:
            async with self._clock.timeout(grace):
                await asyncio.gather(*(self.tell_due(worker.route.notifier.name) for worker in self._workers))
        except TimeoutError:
            _log.warning("stopped with notices untold; they are told after the next start")
        for worker in self._workers:
            worker.route.notifier.close()

    async def refresh(self) -> None:
        """Say again what is open, to those who forget."""
        now = self._clock.now()
        for worker in self._workers:
            notifier = worker.route.notifier
            if not isinstance(notifier, Refreshing):
                continue
            told = [
                Notice(
                    reason=Reason.EDITED, incident=incident, at=now, told=heard, labels=self._labels(incident.target)
                )
                for journal in self._journals()
                for incident in journal.state.incidents
                if incident.open and (heard := incident.told.get(notifier.name)) is not None
            ]
            try:
                async with self._clock.timeout(_LIMIT):
                    await notifier.refresh(told)
            except (Undeliverable, TimeoutError) as error:
                _log.warning("%s could not be refreshed: %s", notifier.name, error)

    async def test(self, text: str) -> Mapping[str, str]:
        """Send a test notice by every way; by name, an empty text or what went wrong."""
        outcome: dict[str, str] = {}
        for worker in self._workers:
            notifier = worker.route.notifier
            try:
                async with self._clock.timeout(_LIMIT):
                    await notifier.test(text)
            except (Undeliverable, TimeoutError) as error:
                outcome[notifier.name] = str(error) or "no answer in time"
            else:
                outcome[notifier.name] = ""
        return outcome

    async def tell_due(self, name: str) -> None:
        """Tell one notifier everything that is due, stopping at its first failure."""
        await self._tell_all(next(worker for worker in self._workers if worker.route.notifier.name == name))

    async def _work(self, worker: _Worker) -> None:
        while True:
            worker.wake.clear()
            failed_for = await self._tell_all(worker)
            if failed_for is not None:
                await self._clock.sleep(failed_for)
                continue
            try:
                async with self._clock.timeout(self._until_next(worker)):
                    await worker.wake.wait()
            except TimeoutError:
                continue

    async def _tell_all(self, worker: _Worker) -> Seconds | None:
        """Tell what is due, the oldest incident first. None when all is told, else how long to leave the notifier alone."""
        await self._pass_over(worker)
        while True:
            waiting = self._due(worker)
            worker.health.pending = len(waiting)
            if not waiting:
                return None
            try:
                await self._tell(worker, waiting[0])
            except Undeliverable as error:
                return self._back_off(worker, waiting[0], error)

    async def _pass_over(self, worker: _Worker) -> None:
        """Mark what is never to be told: what a silence covered from opening to resolve, and what is mere history."""
        now, name = self._clock.now(), worker.route.notifier.name
        for journal in self._journals():
            never_heard = not any(name in incident.told for incident in journal.state.incidents)
            for incident in journal.state.incidents:
                if incident.closed_at is None or name in incident.told:
                    continue
                muted = silenced_until(self._silences(), incident.target, incident.diagnosis.fault, now)
                if muted is None and not (never_heard and now - incident.closed_at > _HISTORY_AFTER):
                    continue
                notice = Notice(reason=Reason.RESOLVED, incident=incident, at=now)
                await journal.absorb(
                    NoticeTold(at=now, incident_id=incident.id, notifier=name, told=record(notice, {})), durable=True
                )
                if muted is not None:
                    self._report(worker, incident, Reason.RESOLVED, "suppressed")

    def _due(self, worker: _Worker) -> list[_Due]:
        found: list[_Due] = []
        now, name = self._clock.now(), worker.route.notifier.name
        for journal in self._journals():
            for incident in journal.state.incidents:
                told = incident.told.get(name)
                muted = silenced_until(self._silences(), incident.target, incident.diagnosis.fault, now)
                reason = due(incident, told, silenced_until=muted, policy=journal.policy, now=now)
                if reason is not None:
                    found.append(_Due(journal, incident, told, reason, muted))
        return sorted(found, key=lambda one: one.incident.opened_at)

    async def _tell(self, worker: _Worker, one: _Due) -> None:
        notifier = worker.route.notifier
        notice = self._compose(worker, one)
        await one.journal.commit()
        receipt = await self._deliver(notifier, notice)
        now = self._clock.now()
        if notice.mention:
            self._mentioned[self._mention_key(worker, one)] = now
        told = record(notice, receipt)
        await one.journal.absorb(
            NoticeTold(at=now, incident_id=one.incident.id, notifier=notifier.name, told=told), durable=True
        )
        worker.wait = _FIRST_WAIT
        worker.health.failing_since, worker.health.last_error, worker.health.permanent = None, "", False
        worker.health.last_success_at = now
        self._report(worker, one.incident, one.reason, "sent")

    async def _deliver(self, notifier: Notifier, notice: Notice) -> dict[str, str]:
        try:
            async with self._clock.timeout(_LIMIT):
                return dict(await notifier.tell(notice))
        except TimeoutError:
            raise Undeliverable(f"{notifier.name} did not answer within {_LIMIT:.0f} s", unknown=True) from None
        except Undeliverable:
            raise
        except Exception as error:  # a bug in one notifier must not silence it for ever
            _log.exception("notifier %s crashed", notifier.name)
            raise Undeliverable(f"{notifier.name} crashed: {type(error).__name__}", unknown=True) from error

    @staticmethod
    def _mention_key(worker: _Worker, one: _Due) -> str:
        return f"{worker.route.notifier.name}:{worker.route.mention_key(one.incident.target)}"

    def _compose(self, worker: _Worker, one: _Due) -> Notice:
        now = self._clock.now()
        mentioned = self._mentioned.get(self._mention_key(worker, one))
        recently = mentioned is not None and now - mentioned < MENTION_AT_MOST_EVERY
        return compose(
            one.incident,
            one.told,
            one.reason,
            silenced_until=one.silenced_until,
            may_mention=not recently and trusted(one.journal.state, one.journal.policy),
            labels=dict(self._labels(one.incident.target)),
            now=now,
        )

    def _back_off(self, worker: _Worker, one: _Due, error: Undeliverable) -> Seconds:
        health = worker.health
        if health.failing_since is None or health.last_error != str(error):
            _log.warning("%s could not be told: %s", worker.route.notifier.name, error)
        health.failing_since = health.failing_since if health.failing_since is not None else self._clock.now()
        health.last_error, health.permanent = str(error), error.permanent
        self._report(worker, one.incident, one.reason, "unknown" if error.unknown else "failed", str(error))
        if error.permanent:
            return _AFTER_PERMANENT
        wait = max(worker.wait, error.retry_after or 0.0)
        worker.wait = min(_LONGEST_WAIT, worker.wait * 2)
        return wait

    def _until_next(self, worker: _Worker) -> Seconds:
        now, name = self._clock.now(), worker.route.notifier.name
        moments = [
            moment
            for journal in self._journals()
            for incident in journal.state.incidents
            if (told := incident.told.get(name)) is not None
            and (moment := wakes_at(incident, told, journal.policy)) is not None
        ]
        return max(0.05, min([_LOOK_ANYWAY, *(moment - now for moment in moments)]))

    def _report(self, worker: _Worker, incident: Incident, reason: Reason, outcome: str, detail: str = "") -> None:
        self._publish(
            NoticeHandled(
                notifier=worker.route.notifier.name,
                target=incident.target,
                at=self._clock.now(),
                reason=reason,
                outcome=outcome,
                detail=detail,
            )
        )
