"""A remote service of a few lines: plays answers back in order, and remembers what it was asked."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from monitor.http import Http
from monitor.ports import Clock
from monitor.redaction import Redactor
from tests.fakes.breakable import Breakable


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer: a body of bytes is sent as it is, anything else as JSON. `hang`: none at all."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    after: float = 0.0


class Remote:
    """An ASGI app at `https://remote.example`; the last reply repeats."""

    url = "https://remote.example"

    def __init__(self, clock: Clock, *replies: Reply) -> None:
        self.clock = clock
        self.replies = list(replies) or [Reply()]
        self.asked: list[Asked] = []
        self.outcomes: list[str] = []
        self.transport = Breakable({"remote.example": self._serve})
        self.http = Http(
            clock=clock,
            transport=self.transport,
            on_answer=lambda _, outcome: self.outcomes.append(outcome),
            redactor=Redactor(),
        )

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        self.asked.append(Asked(scope["method"], scope["path"], query, headers, message["body"]))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.hang:
            await asyncio.Event().wait()
        await self.clock.sleep(reply.after)
        raw = isinstance(reply.body, bytes)
        sent = {**({} if raw else {"content-type": "application/json"}), **reply.headers}
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        await send({"type": "http.response.body", "body": reply.body if raw else json.dumps(reply.body).encode()})
