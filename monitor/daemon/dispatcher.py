"""Bring each notifier up to date: compare what it was notified of with what is true, deliver the difference, remember the receipt.

One worker per notifier (`delivery.py`), so that a slow one delays nobody. A notice is committed before it is sent and its receipt
after, so a death in between costs at most one duplicate, never a lost notice.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from monitor.core.delivery import LONGEST_WAIT, corroborations
from monitor.core.events import Event
from monitor.core.incident import Notice, Reason
from monitor.core.model import Seconds, TargetName
from monitor.core.silence import Silence, silenced_until
from monitor.daemon.delivery import LIMIT, NotifierHealth, Shared, Worker
from monitor.ports import Clock, Notifier, Refreshing, Undeliverable
from monitor.runner import LiveTargetStore

_log = logging.getLogger(__name__)

REPEAT_END_FOR: Seconds = 900.0
"""So long a resolve is sent again to a notifier that forgets: as long as Prometheus does
(https://github.com/prometheus/prometheus/blob/main/rules/alerting.go, `resolvedRetention`)."""


class Dispatcher:
    """Keeps every notifier up to date with the incidents of every target."""

    def __init__(
        self,
        notifiers: Iterable[Notifier],
        *,
        clock: Clock,
        publish: Callable[[Event], None],
        target_stores: Callable[[], Iterable[LiveTargetStore]],
        silences: Callable[[], tuple[Silence, ...]],
        labels: Callable[[TargetName], Mapping[str, str]],
    ) -> None:
        self._clock = clock
        self._shared = Shared(
            clock=clock, publish=publish, target_stores=target_stores, silences=silences, labels=labels
        )
        self._workers = [Worker(each, self._shared) for each in notifiers]
        self._tasks: dict[Worker, asyncio.Task[None]] = {}
        self._exchanging = asyncio.Lock()
        self._stopped = False

    @property
    def health(self) -> Mapping[str, NotifierHealth]:
        """How each notifier does, by name."""
        return {worker.name: worker.health for worker in self._workers}

    def start(self) -> None:
        """Begin to deliver."""
        for worker in self._workers:
            worker.restore_mentions()
            self._begin(worker, 0.0)

    def wake(self) -> None:
        """Something changed: look whether anything is due."""
        for worker in self._workers:
            worker.wake()

    def retry(self) -> None:
        """Somebody asks for a check now: also what was refused permanently is tried again."""
        for worker in self._workers:
            worker.retry()

    async def exchange(self, notifiers: Iterable[Notifier]) -> None:
        """Go on with other notifiers; a delivery under way ends first, and no notifier waits for another's."""
        async with self._exchanging:
            before = {worker.name: worker for worker in self._workers}
            self._workers = [Worker(each, self._shared) for each in notifiers]
            pairs = [(before.pop(worker.name, None), worker) for worker in self._workers]
            gone = [(worker, None) for worker in before.values()]
            await asyncio.gather(*(self._replace(old, new) for old, new in (*pairs, *gone)))

    async def _replace(self, old: Worker | None, new: Worker | None) -> None:
        if old is not None:
            await self._end(old)
            old.notifier.close()
        if new is not None and not self._stopped:
            new.restore_mentions()
            self._begin(new, 0.0)

    async def stop(self, grace: Seconds) -> None:
        """Deliver once more what is due, within the grace, then close every notifier."""

        async def deliver_last(worker: Worker) -> None:
            await self._end(worker)
            await worker.deliver_due()

        self._stopped = True
        try:
            async with self._clock.timeout(grace), self._exchanging:
                ended = await asyncio.gather(*map(deliver_last, self._workers), return_exceptions=True)
        except TimeoutError:
            _log.warning("stopped with undelivered notifications; they are delivered after the next start")
        else:
            for error in ended:
                if isinstance(error, BaseException):
                    _log.error("the last delivery crashed", exc_info=error)
        await self._cancel()
        for worker in self._workers:
            worker.notifier.close()

    async def _cancel(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the tasks of the workers

    def _begin(self, worker: Worker, after: Seconds) -> None:
        async def work() -> None:
            await self._clock.sleep(after)
            await worker.work()

        task = asyncio.create_task(work(), name=f"notify {worker.name}")
        self._tasks[worker] = task
        task.add_done_callback(partial(self._ended, worker))

    def _ended(self, worker: Worker, task: asyncio.Task[None]) -> None:
        """A worker never ends by itself: a bug of ours must not silence a notifier for ever."""
        if task.cancelled() or self._tasks.get(worker) is not task:
            return
        _log.error("delivery to %s crashed; it restarts", worker.name, exc_info=task.exception())
        self._begin(worker, LONGEST_WAIT)

    async def _end(self, worker: Worker) -> None:
        """End its work, but not in the middle of a delivery: cancelled, that would be made twice."""
        async with worker.delivering:
            task = self._tasks.pop(worker, None)
            if task is not None:
                task.cancel()
        if task is not None:
            await asyncio.wait([task])

    # --- notifiers whose receiver forgets (Alertmanager)

    async def refresh(self) -> None:
        """Send again what was sent, to those that forget; never while something else is being delivered to them."""
        await asyncio.gather(*map(self._refresh, self._workers))

    async def _refresh(self, worker: Worker) -> None:
        """What goes wrong is kept in the notifier's health, and logged when it changes."""
        if not isinstance(worker.notifier, Refreshing):
            return
        health, problem = worker.health, "no answer in time"
        failed_at = self._clock.monotonic() if health.unrefreshed_since is None else health.unrefreshed_since
        try:
            # What is resolved while this waits for its turn must not be said to be open after that: it is looked up then.
            async with worker.delivering, self._clock.timeout(LIMIT):
                problem = await worker.notifier.refresh(list(self._to_repeat(worker.name)))
            health.unrefreshed_since = None
        except (Undeliverable, TimeoutError) as error:
            problem = str(error) or problem
            health.unrefreshed_since = failed_at
        if problem and problem != health.unrefreshed:
            _log.warning("%s could not be refreshed: %s", worker.name, problem)
        health.unrefreshed = problem

    def _to_repeat(self, name: str) -> Iterator[Notice]:
        """What is open and was delivered (but not what reopened and was not), and what ended recently."""
        now, silences = self._clock.now(), self._shared.silences()
        target_stores = tuple(self._shared.target_stores())
        affected = corroborations([(one.state, one.policy) for one in target_stores])
        for target_store in target_stores:
            for incident in target_store.state.incidents:
                notified = incident.notified.get(name)
                if notified is None or (incident.closed_at is None and notified.closed):
                    continue
                if incident.closed_at is not None and now - incident.closed_at > REPEAT_END_FOR:
                    continue
                yield Notice(
                    reason=Reason.EDITED if incident.open else Reason.RESOLVED,
                    incident=incident,
                    at=now,
                    notified=notified,
                    silenced_until=silenced_until(silences, incident.target, incident.diagnosis.fault, now),
                    labels=self._shared.labels(incident.target),
                    together=affected.get(incident.id),
                )
