"""uvicorn, without what a daemon wants to decide itself: signals, logging, when to give up."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from monitor.clock import SystemClock
from monitor.ports import Clock
from monitor.web.certificate import Certificate
from monitor.web.connections import Accepting, Connection, most_connections

_LONGEST_HEADERS = 16 * 1024
_CLOSE_WITHIN = 1  # whole seconds: for answers that are under way


class WebError(Exception):
    """The server cannot be started. Its text is for the operator."""


class _Server(uvicorn.Server):
    """Leaves signals alone, accepts connections in its own way, and says when it listens."""

    def __init__(self, config: uvicorn.Config, clock: Clock, most: int, certificate: Certificate | None) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        current = certificate.current if certificate is not None else lambda: None
        self._accepting = Accepting(self, clock, most, current)
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would take SIGTERM for itself and end the process by it
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        self._tasks = [asyncio.create_task(self._accepting.run(each), name="accept") for each in sockets or []]
        self.started = True
        self.listening.set()

    async def on_tick(self, counter: int) -> bool:
        self._accepting.expire()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._accepting.stop_opening()
        await super().shutdown(sockets)


class WebServer:
    """Serves one ASGI application on one address, over TLS if it is given a certificate."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        clock: Clock | None = None,
        most: int | None = None,
    ) -> None:
        """At most so many connections at once; None: what the descriptors of the process allow."""
        self._host = host
        self._port = port
        self._tls = (tls_cert, tls_key)
        self._clock = clock or SystemClock()
        self._most = most or most_connections()
        self._config = uvicorn.Config(
            app,
            access_log=False,
            h11_max_incomplete_event_size=_LONGEST_HEADERS,
            http=Connection,
            lifespan="off",
            log_config=None,
            log_level="error",  # whoever sends junk does not fill the log
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_WITHIN,
            ws="none",
        )
        self._certificate: Certificate | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the certificate at hand, if anything is."""
        return self._certificate.problem if self._certificate is not None else None

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._socket is None:
            raise WebError("the server has not been started")
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._tls[0] is not None else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def start(self) -> None:
        """Return when it listens. Raises WebError: the address is taken, the certificate cannot be read."""
        cert, key = self._tls
        try:
            self._certificate = Certificate(cert, key) if cert is not None else None
        except OSError as error:
            files = " and ".join(str(file) for file in self._tls if file is not None)
            raise WebError(f"cannot serve TLS with {files}: {error.strerror or error}") from error
        self._socket = self._bind()
        self._server = _Server(self._config, self._clock, self._most, self._certificate)
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="web server")
        listening = asyncio.create_task(self._server.listening.wait(), name="web server listens")
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            listening.cancel()
            await self._task

    async def stop(self) -> None:
        """Stop listening at once, let answers under way end within a second."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await asyncio.wait({self._task})

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family)
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise WebError(f"cannot listen on {self._host}:{self._port}: {why}") from error
