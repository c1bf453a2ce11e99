"""Which read routes are open to us: an undocumented route may be closed to a key, or gone, at any time."""

from monitor.core.model import Seconds
from monitor.core.trace import Route

TRIED_AGAIN_AFTER: Seconds = 3600.0


class Routes:
    """Remembers closed routes for an hour, by a clock that never jumps; a closed route says nothing about any trace."""

    def __init__(self) -> None:
        self._closed: dict[Route, Seconds] = {}

    def open(self, route: Route, now: Seconds) -> bool:
        """Whether a route is worth a try."""
        closed = self._closed.get(route)
        return closed is None or now - closed >= TRIED_AGAIN_AFTER

    def close(self, route: Route, now: Seconds) -> None:
        """The route answered 401, 403 or 404."""
        self._closed[route] = now
