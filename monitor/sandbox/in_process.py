"""The sandbox without sockets: every host is an ASGI application that is called where it stands."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message

from monitor.ports import Unreachable
from monitor.sandbox.faults.kinds import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class InProcess:
    """Makes `https://<host>` the address of each application, below `domain` if there is more than one sandbox.

    `post` knows no other addresses.
    """

    def __init__(self, domain: str = "") -> None:
        self._domain = domain
        self._apps: Mapping[Host, ASGIApp] = {}

    def name_of(self, host: Host) -> str:
        """What a host is called."""
        return f"{host}.{self._domain}" if self._domain else str(host)

    async def open(self, apps: Mapping[Host, ASGIApp]) -> Mapping[Host, str]:
        """Make the applications reachable; returns their addresses."""
        self._apps = apps
        return {host: f"https://{self.name_of(host)}" for host in apps}

    async def close(self) -> None:
        """Make them unreachable."""
        self._apps = {}

    async def listen(self, host: Host, *, listening: bool) -> None:
        """Nothing to do: who is not to be reached says so himself."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post a body. Raises ConnectionError where nobody is, or the application does not answer."""
        name = urlsplit(url).hostname
        app = next((app for host, app in self._apps.items() if self.name_of(host) == name), None)
        if app is None:
            raise ConnectionRefusedError(f"nobody listens at {name}")
        try:
            return (await call(app, "POST", url, headers=headers, body=body)).status
        except Unreachable as error:
            raise ConnectionError(str(error)) from error


async def call(
    app: ASGIApp, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Send one request to an ASGI application and collect its answer. Raises Unreachable where a fault leaves it without one."""
    parts = urlsplit(url)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": parts.scheme or "https",
        "path": unquote(parts.path) or "/",
        "raw_path": parts.path.encode() or b"/",
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [
            (b"host", parts.netloc.encode()),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()),
        ],
        "client": ("127.0.0.1", 1),
        "server": (parts.hostname, parts.port),
    }
    sent: list[Message] = []
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # this client never hangs up; who is tired of waiting cancels it
        return unread.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    found = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(
        status=start["status"], headers=found, body=b"".join(message.get("body", b"") for message in sent[1:])
    )
