"""The sandbox on real sockets, on 127.0.0.1 by default: one port for every host, which can be closed and opened again.

Uvicorn's protocol is used without its server, which would install signal handlers, log, and take its time to stop.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal

from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from monitor.sandbox.faults import Host

LOOPBACK = "127.0.0.1"
_BACKLOG = 128
_RESET = struct.pack("ii", 1, 0)  # linger for zero seconds: closing sends a reset
_SILENT = logging.Logger("sandbox", logging.CRITICAL + 1)  # noqa: LOG001 - belongs to no hierarchy: it says nothing


class _Connection(H11Protocol):
    """One connection; it logs nothing, and the application may end it as a broken network would."""

    def __init__(self, config: Config, server_state: ServerState) -> None:
        super().__init__(config, server_state, {})
        self.logger = _SILENT
        self.access_log = False
        self.app_state = {"cut": self._cut, "reset": self.reset}

    def reset(self) -> None:
        """End it with a reset."""
        found = self.transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _cut(self) -> None:
        """End it after what was sent."""
        self.transport.close()


class _Port:
    """One application on one port. While it does not listen the port stays reserved, and connections are refused."""

    def __init__(self, app: ASGIApp, address: str, number: int) -> None:
        ws: Literal["wsproto", "none"] = "wsproto" if find_spec("wsproto") else "none"  # of the extra [slack-socket]
        self._config = Config(app, log_config=None, lifespan="off", ws=ws, http="h11", timeout_keep_alive=30)
        self._config.load()
        self._state = ServerState()
        self._address = address
        self._held = _bound(address, number)
        self.number: int = self._held.getsockname()[1]
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # inherited by its connections
            self._server = await loop.create_server(
                lambda: _Connection(self._config, self._state), sock=self._held, backlog=_BACKLOG
            )

    def refuse(self) -> None:
        """Take none, and end those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._reset_connections()
            self._held = _bound(self._address, self.number)

    async def close(self) -> None:
        """Let go of everything at once."""
        if self._server is not None:
            self._server.close()
        self._held.close()
        self._reset_connections()
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset_connections(self) -> None:
        for connection in list(self._state.connections):
            if isinstance(connection, _Connection):
                connection.reset()
            else:  # what began as one and is a WebSocket now
                connection.transport.abort()


class Ports:
    """A port for every host: `base` and those after it, or whichever are free.

    `name` is what others call this machine: the sockets listen on the one address that it stands for, and on no other.
    """

    def __init__(self, base: int | None = None, name: str = LOOPBACK) -> None:
        self._base = base
        self._name = name
        self._ports: dict[Host, _Port] = {}

    async def open(self, apps: Mapping[Host, ASGIApp]) -> Mapping[Host, str]:
        """Make the applications reachable; returns their addresses.

        Raises OSError for a port that is taken, or a name of another machine.
        """
        address = await _address_of(self._name)
        try:
            for place, (host, app) in enumerate(apps.items()):
                self._ports[host] = _Port(app, address, self._base + place if self._base else 0)
            for port in self._ports.values():
                await port.listen()
        except OSError:
            await self.close()
            raise
        return {host: f"http://{self._name}:{port.number}" for host, port in self._ports.items()}

    async def close(self) -> None:
        """Make them unreachable."""
        for port in self._ports.values():
            await port.close()
        self._ports.clear()

    async def listen(self, host: Host, *, listening: bool) -> None:
        """Let somebody listen for a host, or nobody."""
        port = self._ports[host]
        if listening:
            await port.listen()
        else:
            port.refuse()


async def _address_of(name: str) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def _bound(address: str, number: int) -> socket.socket:
    """A socket that holds a port, for itself alone, and does not listen yet."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((address, number))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError:
        held.close()
        raise
    held.setblocking(False)  # noqa: FBT003 - the name of the method says it
    return held
