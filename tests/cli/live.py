"""Things on real sockets in a thread of their own, for commands that run in this one: the sandbox, or any coroutine."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from monitor.sandbox import Sandbox, Variant, serve
from monitor.web.server import WebServer
from tests.fakes.block_kit import validate_message
from tests.fakes.loopback import answer, saying, serving
from tests.scenarios.house import merge
from tests.web.site import Site

T = TypeVar("T")
QUICK: dict[str, Any] = {"server": {"port": 0}, "log": {"level": "error"}}
"""What every configuration here has in common: any free port, and no chatter."""


class Elsewhere:
    """An event loop in another thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="elsewhere", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done there, and wait for it."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(timeout=10)

    def close(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()


@contextmanager
def elsewhere(manager: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[tuple[T, Elsewhere]]:
    """An asynchronous context, entered and left in another thread."""
    other = Elsewhere()
    entered = manager()
    try:
        yield other.run(_enter(entered)), other
    finally:
        other.run(_leave(entered))
        other.close()


async def _enter(manager: AbstractAsyncContextManager[T]) -> T:
    return await manager.__aenter__()


async def _leave(manager: AbstractAsyncContextManager[Any]) -> None:
    await manager.__aexit__(None, None, None)


class LiveSandbox:
    """The sandbox on loopback, fifty times as fast; what it is asked for here is done in its own thread."""

    def __init__(self, sandbox: Sandbox, there: Elsewhere) -> None:
        self._sandbox = sandbox
        self._there = there

    def configuration(self, *more: Mapping[str, Any]) -> dict[str, Any]:
        """Of a monitor that watches it, and more."""
        merged: dict[str, Any] = merge(json.loads(json.dumps(self._sandbox.configuration())), QUICK)
        for each in more:
            merged = merge(merged, each)
        return merged

    def file(self, directory: Path, *more: Mapping[str, Any]) -> str:
        """The same as a file (JSON is YAML); the state lives beside it."""
        path = directory / "config.yaml"
        path.write_text(json.dumps(self.configuration({"state": {"path": str(directory / "state.db")}}, *more)))
        return str(path)

    def break_(self, name: str) -> None:
        """Set a fault."""
        self._there.run(self._sandbox.break_(name))

    def fix(self) -> None:
        """Clear them all."""
        self._there.run(self._sandbox.fix())

    def reset(self) -> None:
        """Begin anew."""
        self._there.run(self._sandbox.reset())

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What Slack holds."""
        return [message.as_json() for message in list(self._sandbox.world.slack.messages)]

    @property
    def secrets(self) -> list[str]:
        """Every credential that a monitor of it is given."""
        known = self._sandbox.world.credentials
        return [known.token, *known.keys.values(), known.bot_token, known.app_token]

    @property
    def app_token(self) -> str:
        """What opens a connection for buttons in Slack."""
        return self._sandbox.world.credentials.app_token


@contextmanager
def live_sandbox(variant: Variant | None = None) -> Iterator[LiveSandbox]:
    """A healthy one."""
    with elsewhere(lambda: serve(None, variant or Variant(), 0.02, check_message=validate_message)) as (sandbox, there):
        yield LiveSandbox(sandbox, there)


@contextmanager
def a_server(says: str, status: str = "200 OK") -> Iterator[str]:
    """Somebody else's: it answers everything with the same text."""
    body = says.encode()
    with elsewhere(lambda: serving(saying(answer(status, body)))) as (port, _):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def live_site(site: Site, *, tls_cert: Path | None = None) -> Iterator[str]:
    """The web of a daemon that is set by hand; where it listens."""

    @asynccontextmanager
    async def served() -> AsyncIterator[WebServer]:
        server = WebServer(site.app(), host="127.0.0.1", port=0, tls_cert=tls_cert)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    with elsewhere(served) as (server, _):
        yield server.url
