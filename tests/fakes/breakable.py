"""Apps in this very process whose hosts can be taken down and brought up again, as over a network that breaks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from monitor.http import ASGIApp, InProcess, Reply, Request, Stopwatch
from monitor.ports import Unreachable


class Breakable(InProcess):
    """As `InProcess`, in good days."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        super().__init__(apps)
        self._down: dict[str, str] = {}

    def take_down(self, host: str, kind: str = "connect") -> None:
        """From now on a host (or `host:port`) is Unreachable in this way; `timeout` never answers at all."""
        self._down[host] = kind

    def bring_up(self, host: str) -> None:
        """The host answers again."""
        self._down.pop(host, None)

    @asynccontextmanager
    async def open(self, request: Request, watch: Stopwatch) -> AsyncIterator[Reply]:
        """As `Transport.open`."""
        url = urlsplit(request.url)
        kind = self._down.get(url.netloc) or self._down.get(url.hostname or "")
        if kind == "timeout":
            watch.begin("processing")
            await asyncio.Event().wait()
        elif kind is not None:
            raise Unreachable(f"taken down ({request.place})", kind=kind, phases=watch.stop())
        async with super().open(request, watch) as reply:
            yield reply
