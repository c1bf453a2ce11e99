"""Every notifier together: begin, exchange, stop; the test notice, and those who have to be told again and again."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from monitor.core.events import Event
from monitor.core.model import Seconds, TargetName
from monitor.core.silence import Silence
from monitor.ports import Clock
from monitor.runner import TargetJournal
from monitor.teller.desk import Desk, NotifierHealth, Route
from monitor.teller.refreshing import refresh
from monitor.teller.worker import LONGEST_WAIT, Worker

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
        """Go on with other ways to tell; what is under way is broken off, and told again if it was not recorded."""
        await self._let_go()
        self._workers = [Worker(route, self._desk) for route in routes]
        self.start()

    async def stop(self, grace: Seconds) -> None:
        """Tell once more what is due, within the grace, then let go."""
        await self._cancel()
        try:
            async with self._clock.timeout(grace):
                ended = await asyncio.gather(*(worker.tell_all() for worker in self._workers), return_exceptions=True)
        except TimeoutError:
            _log.warning("stopped with notices untold; they are told after the next start")
        else:
            for error in ended:
                if isinstance(error, BaseException):
                    _log.error("the last telling crashed", exc_info=error)
        await self._let_go()

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

    async def _cancel(self) -> None:
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _let_go(self) -> None:
        await self._cancel()
        for worker in self._workers:
            worker.notifier.close()
