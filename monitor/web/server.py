"""uvicorn, without what a daemon wants to decide itself: signals, logging, when to give up."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

_CONNECTIONS = 64
_LONGEST_HEADERS = 16 * 1024
_CLOSE_WITHIN = 1  # whole seconds: for answers that are under way


class WebError(Exception):
    """The server cannot be started. Its text is for the operator."""


class _Server(uvicorn.Server):
    """Leaves signals alone, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would take SIGTERM for itself and end the process by it
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class WebServer:
    """Serves one ASGI application on one address, over TLS if it is given a certificate."""

    def __init__(
        self, app: ASGIApp, *, host: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._tls = (tls_cert, tls_key)
        self._config = uvicorn.Config(
            app,
            access_log=False,
            h11_max_incomplete_event_size=_LONGEST_HEADERS,
            http="h11",
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
            timeout_graceful_shutdown=_CLOSE_WITHIN,
            ws="none",
        )
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

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
        try:
            self._config.load()
        except (OSError, ssl.SSLError) as error:
            files = " and ".join(str(file) for file in self._tls if file is not None)
            raise WebError(f"cannot serve TLS with {files}: {error.strerror or error}") from error
        self._socket = self._bind()
        self._server = _Server(self._config)
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
