"""The connections of the web server: few enough to leave the checks what they need, none for ever, and the idle give way."""

import asyncio
import logging
import resource
import socket
from collections.abc import Callable
from ssl import SSLContext

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.core.model import Seconds
from monitor.ports import Clock
from monitor.shortage import shortage

_log = logging.getLogger(__name__)

IDLE: Seconds = 10.0
"""How long a request may take to arrive."""

# Handling one, until the last byte of its answer has been taken; a reload may wait for a delivery.
_BUSY: Seconds = 90.0
_HANDSHAKE: Seconds = 3.0
_MOST, _FEWEST = 64, 4
_AGAIN_AFTER: Seconds = 1.0


def most_connections() -> int:
    """At once: a quarter of the descriptors that this process may have, for the checks need them more."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if allowed == resource.RLIM_INFINITY else max(_FEWEST, min(_MOST, allowed // 4))


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

    def expire(self, now: Seconds) -> None:
        """End it if it takes too long."""
        if now - self.since > (IDLE if self.idle else _BUSY):
            self.transport.abort()


class Accepting:
    """Takes connections one by one. The server's own way takes them all, and writes a traceback for each that it cannot have."""

    def __init__(
        self, server: uvicorn.Server, clock: Clock, most: int, certificate: Callable[[], SSLContext | None]
    ) -> None:
        self._server = server
        self._clock = clock
        self._most = most
        self._certificate = certificate
        self._opening: set[asyncio.Task[None]] = set()
        self._lacking: str | None = None

    async def run(self, listener: socket.socket) -> None:
        """For as long as the task lives."""
        loop = asyncio.get_running_loop()
        listener.settimeout(0)
        while True:
            await self._make_room()
            try:
                taken, _ = await loop.sock_accept(listener)
            except OSError as error:
                await self._suffer(error)
                continue
            if self._lacking is not None:
                _log.warning("connections are accepted again: the monitor has %s again", self._lacking)
                self._lacking = None
            task = loop.create_task(self._open(taken), name="open a connection")
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def stop_opening(self) -> None:
        """Whoever is still shaking hands comes too late."""
        for task in self._opening:
            task.cancel()

    def expire(self) -> None:
        """End what takes too long."""
        now = asyncio.get_running_loop().time()
        for connection in list(self._server.server_state.connections):
            if isinstance(connection, Connection):
                connection.expire(now)

    async def _make_room(self) -> None:
        """Return when there is room for one more: whoever has been idle longest gives way."""
        while len(self._opening) + len(self._server.server_state.connections) >= self._most:
            mine = [each for each in self._server.server_state.connections if isinstance(each, Connection)]
            closing = [each for each in mine if each.transport.is_closing()]
            idle = [each for each in mine if each.idle and each not in closing]
            if idle and not closing:
                min(idle, key=lambda each: each.since).transport.abort()
            await self._clock.sleep(0.0 if idle or closing else 0.05)

    async def _suffer(self, error: OSError) -> None:
        lacking = shortage(error)
        if lacking is None:  # who wanted to come has gone again
            await self._clock.sleep(0.01)
            return
        if self._lacking is None:
            _log.error("the monitor is out of %s: no connection can be accepted", lacking)
            self._lacking = lacking
        await self._clock.sleep(_AGAIN_AFTER)

    async def _open(self, taken: socket.socket) -> None:
        server, certificate = self._server, self._certificate()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(server.config, server.server_state, server.lifespan.state),
                taken,
                ssl=certificate,
                ssl_handshake_timeout=_HANDSHAKE if certificate is not None else None,
            )
        except OSError:  # no TLS, or gone again
            taken.close()
