"""Requests to ASGI apps in this very process: no sockets, no threads, so that time may be a fake clock's.

What an app sends is taken whole before the answer begins; deadlines, limits and everything above are as over the network.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from monitor.http.exchange import Reply, Request, Stopwatch
from monitor.ports import Unreachable

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""https://asgi.readthedocs.io/en/latest/specs/main.html"""

_LONGEST_BODY = 16 * 1024 * 1024  # of an app that never stops sending; more than any limit of ours
_PORTS = {"http": 80, "https": 443}


class InProcess:
    """A `Transport` from host names (or `host:port`) to apps. An app that raises fails whoever asked it."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = dict(apps)
        self._down: dict[str, str] = {}

    def take_down(self, host: str, kind: str = "connect") -> None:
        """From now on a host is Unreachable in this way; `timeout` never answers at all."""
        self._down[host] = kind

    def bring_up(self, host: str) -> None:
        """The host answers again."""
        self._down.pop(host, None)

    @asynccontextmanager
    async def open(self, request: Request, watch: Stopwatch) -> AsyncIterator[Reply]:
        """As `Transport.open`."""
        url = urlsplit(request.url)
        place = next((name for name in (url.netloc, url.hostname or "") if name in self._apps), None)
        if place is None:
            raise Unreachable(f"{url.hostname} cannot be resolved: it is not in this process", kind="dns")
        watch.begin("processing")
        if (kind := self._down.get(place)) == "timeout":
            await asyncio.Event().wait()
        elif kind is not None:
            raise Unreachable(f"{place}: taken down", kind=kind, phases=watch.stop())
        collected = _Collected()
        with contextlib.suppress(_EnoughError):
            await self._apps[place](_scope(request), _receiver(request.body or b""), collected.send)
        watch.begin("transfer")
        yield Reply(status=collected.status, headers=collected.headers, chunks=collected.chunks())
        if collected.cut_short:
            raise Unreachable(f"{place}: the connection was closed before the answer was complete", kind="reset")


class _EnoughError(Exception):
    """Ends an app that would send for ever, as a client that goes away does."""


class _Collected:
    """What an app has sent. One that sends nothing is a 500, as behind uvicorn."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._length = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message.get("headers", ()):
                key, text = name.decode("latin-1").lower(), value.decode("latin-1")
                self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        elif message["type"] == "http.response.body":
            self._body.append(message.get("body", b""))
            self._length += len(self._body[-1])
            if self._length > _LONGEST_BODY:
                raise _EnoughError

    @property
    def cut_short(self) -> bool:
        """Whether less came than was announced."""
        announced = self.headers.get("content-length", "")
        return announced.isdigit() and int(announced) > self._length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for chunk in self._body:
            yield chunk


def _scope(request: Request) -> Message:
    url = urlsplit(request.url)
    headers = {"host": url.netloc, **{name.lower(): value for name, value in request.headers.items()}}
    if request.body is not None:
        headers["content-length"] = str(len(request.body))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path) or "/",
        "raw_path": (url.path or "/").encode("ascii"),
        "query_string": url.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": (url.hostname, url.port or _PORTS.get(url.scheme, 0)),
    }


def _receiver(body: bytes) -> Callable[[], Awaitable[Message]]:
    """The request's body once, then a client that stays."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    return receive
