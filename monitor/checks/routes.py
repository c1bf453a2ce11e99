"""Which ways of reading are of use to us: an undocumented route may be closed to a key, or gone, at any time."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from monitor.core.model import Seconds

TRIED_AGAIN_AFTER: Seconds = 3600.0

Way = TypeVar("Way", bound=Hashable)


class Routes(Generic[Way]):
    """Remembers closed ways for an hour, by a clock that never jumps; a closed way says nothing about any trace."""

    def __init__(self) -> None:
        self._closed: dict[Way, Seconds] = {}

    def open(self, route: Way, now: Seconds) -> bool:
        """Whether a way is worth a try."""
        closed = self._closed.get(route)
        return closed is None or now - closed >= TRIED_AGAIN_AFTER

    def close(self, route: Way, now: Seconds) -> None:
        """It answered 401, 403 or 404, or showed nothing where there was something."""
        self._closed[route] = now
