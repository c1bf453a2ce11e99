"""Every notifier together: begin, exchange, stop; the test notice, and those who have to be told again and again."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from monitor.core.events import Event
from monitor.core.model import Seconds, TargetName
from monitor.core.silence import Silence
from monitor.daemon.desk import Desk, NotifierHealth, Route
from monitor.daemon.refreshing import refresh
from monitor.daemon.worker import LONGEST_WAIT, Worker
from monitor.ports import Clock
from monitor.runner import TargetJournal

_log = logging.getLogger(__name__)


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
        self._desk = Desk(clock=clock, publish=publish, journals=journals, silences=silences, labels=labels)
        self._workers = [Worker(route, self._desk) for route in routes]
        self._tasks: dict[Worker, asyncio.Task[None]] = {}
        self._exchanging = asyncio.Lock()
        self._stopped = False

    @property
    def health(self) -> Mapping[str, NotifierHealth]:
        """How each notifier does, by name."""
        return {worker.name: worker.health for worker in self._workers}

    def start(self) -> None:
        """Begin to tell."""
        for worker in self._workers:
            worker.recall()
            self._begin(worker, 0.0)

    def wake(self) -> None:
        """Something changed: look whether anything is due."""
        for worker in self._workers:
            worker.wake()

    def retry(self) -> None:
        """Somebody asks for a look: also at what was refused for good."""
        for worker in self._workers:
            worker.retry()

    async def exchange(self, routes: Iterable[Route]) -> None:
        """Go on with other ways to tell; what is under way ends first, and none waits for what another has under way."""
        async with self._exchanging:
            before = {worker.name: worker for worker in self._workers}
            self._workers = [Worker(route, self._desk) for route in routes]
            pairs = [(before.pop(worker.name, None), worker) for worker in self._workers]
            gone = [(worker, None) for worker in before.values()]
            await asyncio.gather(*(self._replace(old, new) for old, new in (*pairs, *gone)))

    async def _replace(self, old: Worker | None, new: Worker | None) -> None:
        if old is not None:
            await self._end(old)
            old.notifier.close()
        if new is not None and not self._stopped:
            new.recall()
            self._begin(new, 0.0)

    async def stop(self, grace: Seconds) -> None:
        """Tell once more what is due, within the grace, then let go."""
        self._stopped = True
        try:
            async with self._clock.timeout(grace), self._exchanging:
                ended = await asyncio.gather(*(self._tell_last(each) for each in self._workers), return_exceptions=True)
        except TimeoutError:
            _log.warning("stopped with notices untold; they are told after the next start")
        else:
            for error in ended:
                if isinstance(error, BaseException):
                    _log.error("the last telling crashed", exc_info=error)
        await self._cancel()
        for worker in self._workers:
            worker.notifier.close()

    async def _tell_last(self, worker: Worker) -> None:
        await self._end(worker)
        await worker.tell_all()

    async def refresh(self) -> None:
        """Say again what was told, to those who forget."""
        await asyncio.gather(*(refresh(worker, self._desk) for worker in self._workers))

    async def tell_due(self, name: str) -> None:
        """Tell one notifier everything that is due, stopping when it does not answer."""
        await next(worker for worker in self._workers if worker.name == name).tell_all()

    # --- the tasks of the workers

    def _begin(self, worker: Worker, after: Seconds) -> None:
        task = asyncio.create_task(self._work(worker, after), name=f"tell {worker.name}")
        self._tasks[worker] = task
        task.add_done_callback(partial(self._ended, worker))

    async def _work(self, worker: Worker, after: Seconds) -> None:
        await self._clock.sleep(after)
        await worker.work()

    def _ended(self, worker: Worker, task: asyncio.Task[None]) -> None:
        """A worker never ends by itself: a bug of ours must not make a notifier dumb for ever."""
        if task.cancelled() or self._tasks.get(worker) is not task:
            return
        _log.error("telling %s crashed; it begins again", worker.name, exc_info=task.exception())
        self._begin(worker, LONGEST_WAIT)

    async def _end(self, worker: Worker) -> None:
        """End its work, but not in the middle of a delivery: cancelled, that would be made twice."""
        async with worker.speaking:
            task = self._tasks.pop(worker, None)
            if task is not None:
                task.cancel()
        if task is not None:
            await asyncio.wait([task])

    async def _cancel(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
