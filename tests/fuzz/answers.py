"""An answer as it crosses the wire, and the place between a service and the daemon where it is changed."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.scenarios.house import Between

_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A whole answer; header names are lower-case."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def unpacked(self) -> bytes:
        """The body as it was before it was packed; raises ValueError."""
        match self.headers.get("content-encoding", "").strip().lower():
            case "" | "identity":
                return self.body
            case "gzip":
                try:
                    return zlib.decompressobj(31).decompress(self.body, _LIMIT)
                except zlib.error as error:
                    raise ValueError("not packed") from error
            case other:
                raise ValueError(f"packed by {other}")

    def json(self) -> Any:
        """The only thing that the body says; raises ValueError where it says nothing, or two things."""
        return strict_json(self.unpacked())

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def strict_json(body: bytes) -> Any:
    """The only thing that a body says; raises ValueError where it says nothing, or two things.

    https://www.rfc-editor.org/rfc/rfc8259 knows no NaN, and calls what is read out of a repeated name unpredictable.
    """

    def refuse(name: str) -> Any:
        raise ValueError(name)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name stands twice in one object")
        return dict(pairs)

    try:
        return json.loads(body, parse_constant=refuse, object_pairs_hook=once)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def changing(concerns: Callable[[str, str], bool], change: Callable[[Received], Received]) -> Between:
    """Stand between: what `concerns` (method and path) names is served, and its answer changed on its way back."""

    async def between(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not concerns(scope["method"], scope["path"]):
            await app(scope, receive, send)
            return
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await app(scope, receive, collect)
        head, *rest = messages
        received = Received(
            status=head["status"],
            headers={name.decode().lower(): value.decode("latin-1") for name, value in head["headers"]},
            body=b"".join(message.get("body", b"") for message in rest),
        )
        changed = change(received)
        headers = {name: value for name, value in changed.headers.items() if name != "content-length"}
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": changed.status, "headers": raw})
        await send({"type": "http.response.body", "body": changed.body})

    return between
