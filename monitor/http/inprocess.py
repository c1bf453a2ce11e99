"""Requests to ASGI apps in this very process: no sockets, no threads, so that time may be a fake clock's.

What an app sends is taken whole before the answer begins; deadlines, limits and everything above are as over the network.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx

from monitor.http.exchange import Reply, Request, Stopwatch
from monitor.ports import Unreachable

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""https://asgi.readthedocs.io/en/latest/specs/main.html"""


class InProcess:
    """A `Transport` from host names (or `host:port`) to apps. An app that raises fails whoever asked it."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = {name: httpx.ASGITransport(app) for name, app in apps.items()}

    @asynccontextmanager
    async def open(self, request: Request, watch: Stopwatch) -> AsyncIterator[Reply]:
        """As `Transport.open`."""
        try:
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.body)
        except (httpx.InvalidURL, UnicodeError):
            raise Unreachable(f"the request cannot be made ({request.place})", kind="protocol") from None
        netloc = asked.url.netloc.decode("ascii")
        place = next((name for name in (netloc, asked.url.host) if name in self._apps), None)
        if place is None:
            raise Unreachable(f"{asked.url.host} cannot be resolved: it is not in this process", kind="dns")
        watch.begin("processing")
        response = await self._apps[place].handle_async_request(asked)
        body = b"".join([piece async for piece in cast("httpx.AsyncByteStream", response.stream)])

        async def chunks() -> AsyncGenerator[bytes, None]:
            yield body

        watch.begin("transfer")
        headers = {name.lower(): value for name, value in response.headers.items()}
        yield Reply(status=response.status_code, headers=headers, chunks=chunks())
        announced = headers.get("content-length", "")
        if announced.isdigit() and len(body) < int(announced):
            raise Unreachable(f"the connection was closed before the answer was complete ({place})", kind="reset")
