"""uvicorn, without what a daemon wants to decide itself: signals, logging, connections, when to give up.

Connections are few enough to leave the checks what they need. Each has a time limit; when all are taken, the longest idle one is
closed.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.clock import SystemClock
from monitor.core.model import Seconds
from monitor.ports import Clock
from monitor.shortage import shortage

_log = logging.getLogger(__name__)

_LONGEST_HEADERS = 16 * 1024
_CLOSE_WITHIN = 1  # whole seconds: for answers that are under way
_REQUEST_WITHIN: Seconds = 10.0
# From the request until the last byte of its answer has been taken; a reload may wait for a delivery.
_ANSWER_WITHIN: Seconds = 90.0
_HANDSHAKE_WITHIN: Seconds = 3.0
_MOST_CONNECTIONS, _FEWEST_CONNECTIONS = 64, 4
_ACCEPT_AGAIN_AFTER: Seconds = 1.0


class WebError(Exception):
    """The server cannot be started. Its text is for the operator."""


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
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._port), family=family)
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise WebError(f"cannot listen on {self._host}:{self._port}: {why}") from error
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


def most_connections() -> int:
    """At once: a quarter of the descriptors that this process may have, for the checks need them more."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(_FEWEST_CONNECTIONS, min(_MOST_CONNECTIONS, allowed // 4))


class _Server(uvicorn.Server):
    """Leaves signals alone, says when it listens, and takes connections one by one.

    uvicorn's own way takes them all, and writes a traceback for each that it cannot have.
    """

    def __init__(self, config: uvicorn.Config, clock: Clock, most: int, certificate: "Certificate | None") -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._clock = clock
        self._most = most
        self._certificate = certificate
        self._accepting: list[asyncio.Task[None]] = []
        self._opening: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would take SIGTERM for itself and end the process by it
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        self._accepting = [asyncio.create_task(self._accept(each), name="accept") for each in sockets or []]
        self.started = True
        self.listening.set()

    async def on_tick(self, counter: int) -> bool:
        for connection in self._connections():
            connection.end_if_too_slow()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for task in self._opening:  # TLS handshakes under way are cancelled
            task.cancel()
        await super().shutdown(sockets)

    def _connections(self) -> "list[Connection]":
        return [each for each in self.server_state.connections if isinstance(each, Connection)]

    async def _accept(self, listener: socket.socket) -> None:
        """For as long as the task lives."""
        loop = asyncio.get_running_loop()
        listener.settimeout(0)
        lacking: str | None = None
        while True:
            await self._make_room()
            try:
                taken, _ = await loop.sock_accept(listener)
            except OSError as error:
                lacks = shortage(error)
                if lacks is None:  # the client has disconnected
                    await self._clock.sleep(0.01)
                    continue
                if lacking is None:
                    _log.error("the monitor is out of %s: no connection can be accepted", lacks)
                lacking = lacking or lacks
                await self._clock.sleep(_ACCEPT_AGAIN_AFTER)
                continue
            if lacking is not None:
                _log.warning("connections are accepted again: the monitor has %s again", lacking)
                lacking = None
            task = loop.create_task(self._open(taken), name="open a connection")
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _make_room(self) -> None:
        """Return when there is room for one more: whoever has been idle longest gives way.

        One that is closed lingers while its client does not take what was sent last: it is waited for, and holds up nobody.
        """
        leaving: Connection | None = None
        while len(self._opening) + len(self.server_state.connections) >= self._most:
            idle = [each for each in self._connections() if each.idle and not each.transport.is_closing()]
            if idle and leaving not in self.server_state.connections:
                leaving = min(idle, key=lambda each: each.since)
                leaving.transport.abort()
                await self._clock.sleep(0.0)
            else:
                await self._clock.sleep(0.05)

    async def _open(self, taken: socket.socket) -> None:
        secured = self._certificate.current() if self._certificate is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self.config, self.server_state, self.lifespan.state),
                taken,
                ssl=secured,
                ssl_handshake_timeout=_HANDSHAKE_WITHIN if secured is not None else None,
            )
        except OSError:  # no TLS, or gone again
            taken.close()


class Connection(H11Protocol):
    """One connection, which knows since when it waits for a request, or is busy with one."""

    since: Seconds = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As of asyncio.Protocol."""
        self.since = self.loop.time()
        super().connection_made(transport)

    def on_response_complete(self) -> None:
        """An answer has been sent."""
        self.since = self.loop.time()
        super().on_response_complete()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    def end_if_too_slow(self) -> None:
        """Whoever sends no request, or does not take the answer to it, is disconnected."""
        if self.loop.time() - self.since > (_REQUEST_WITHIN if self.idle else _ANSWER_WITHIN):
            self.transport.abort()


class Certificate:
    """A certificate and its key, in two files or in one; read again when they change, so that a renewed one needs no restart."""

    def __init__(self, cert: Path, key: Path | None) -> None:
        """Raises OSError (ssl.SSLError is one) if they cannot be used."""
        self._cert, self._key = cert, key
        self._stamps = self._read_stamps()
        self._context = self._load()
        self.problem: str | None = None

    def current(self) -> ssl.SSLContext:
        """What a new connection is secured with: the newest pair that could be read."""
        stamps = self._read_stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._context = self._load()
            except OSError as error:  # one of two files may be written a moment before the other
                self.problem = f"the renewed certificate cannot be used: {self._cert}: {error.strerror or error}"
                _log.warning("%s; the previous one stays in use", self.problem)
            else:
                self.problem = None
                _log.info("the renewed certificate is in use", extra={"fields": {"file": str(self._cert)}})
        return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._cert, self._key)
        return context

    def _read_stamps(self) -> list[tuple[int, int, int] | None]:
        """By which a file that was replaced or rewritten is known; None for one that is not there."""
        stamps: list[tuple[int, int, int] | None] = []
        for file in (self._cert, self._key):
            try:
                found = file.stat() if file is not None else None
            except OSError:
                found = None
            stamps.append((found.st_mtime_ns, found.st_ino, found.st_size) if found is not None else None)
        return stamps
