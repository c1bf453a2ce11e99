"""The one thread that talks to the database."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_log = logging.getLogger(__name__)

T = TypeVar("T")


class DatabaseThread:
    """Does one piece of work after the other, in the order given.

    A daemon thread and no ThreadPoolExecutor: the interpreter waits for the threads of those when it ends, and a disk that
    hangs would keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have something done without waiting; what it raises is logged."""
        self._work.put(work)

    async def call(self, work: Callable[[], T]) -> T:
        """Have something done and wait for what it returns or raises. It is done even if nobody waits any more."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            else:
                if future.set_running_or_notify_cancel():
                    future.set_result(result)

        self.submit(run)
        return await asyncio.wrap_future(future)

    def stop(self) -> None:
        """End after what has been given so far."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - whoever comes later would wait for ever for a thread that has ended
                _log.exception("the database thread goes on after an error")
