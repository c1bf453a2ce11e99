"""Whether this process ran while it waited: a timeout of somebody who was asleep says nothing about the other side."""

import asyncio
from types import TracebackType
from typing import Self

from monitor.core.model import Seconds

_TICK: Seconds = 0.1
_LEAST: Seconds = 0.5
_SHARE = 0.2  # of the time waited: so much of it lost, and an answer may have come that nobody took


class Lateness:
    """Adds up by how much a timer of our own rings too late: stopped, short of CPU, or kept from its turn by something else."""

    def __init__(self) -> None:
        self.seconds: Seconds = 0.0
        self._waited: Seconds = 0.0

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handle.cancel()
        self._note()
        self._waited = self._loop.time() - self._began

    @property
    def starved(self) -> bool:
        """Whether the monitor itself did not run for a good part of the time."""
        return self.seconds >= max(_LEAST, _SHARE * self._waited)

    def _set(self) -> None:
        self._due = self._loop.time() + _TICK
        self._handle = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._note()
        self._set()

    def _note(self) -> None:
        self.seconds += max(0.0, self._loop.time() - self._due)
