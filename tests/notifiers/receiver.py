"""A receiver of JSON that keeps what it is sent and says what it is told to say."""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.notifiers.slack.scripted import Said


class Receiver:
    """`script` is consumed first, an entry for each request; then everything is taken."""

    def __init__(self) -> None:
        self.script: deque[Said] = deque()
        self.taken: list[Any] = []
        self.bodies: list[bytes] = []
        self.heads: list[Mapping[str, str]] = []
        self.paths: list[str] = []

    async def asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Serve one request in this process."""
        self.bodies.append((await receive())["body"])
        self.heads.append({name.decode(): value.decode() for name, value in scope["headers"]})
        self.paths.append(scope["path"])
        said = self.script.popleft() if self.script else Said(200, b"{}")
        if said.status == 200:
            self.taken.append(json.loads(self.bodies[-1]))
        head = [(name.encode(), value.encode()) for name, value in said.headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": head})
        await send({"type": "http.response.body", "body": said.body})
