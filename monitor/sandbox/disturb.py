"""Stands before every service: notes each request, and acts out the trouble that a fault puts in its way."""

import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import assert_never, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.ports import Unreachable
from monitor.sandbox.faults.kinds import JSON, Disturbance, Host, How, Reply
from monitor.sandbox.world import RequestSeen, World

_UNPACKED = 64 * 1024 * 1024
_ENDLESS = 64 * 1024 * 1024
"""Where an answer without end does end, lest it outlives a client that never gives up."""
_LONGEST_DRIP = 3600

Cut = Callable[[], object]


class Disturbed:
    """An ASGI application with trouble in front of it.

    `proxied`: reached through another host's proxy, which answers 502 where nobody listens.
    """

    def __init__(self, app: ASGIApp, world: World, host: Host, *, proxied: bool = False) -> None:
        self._app = app
        self._world = world
        self._host = host
        self._proxied = proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = _path(scope)
        if self._proxied:
            await self._serve(path, scope, receive, send)
            return
        seen = _seen(self._world, self._host, scope, path)
        self._world.requests.append(seen)
        sent = 0

        async def send_counted(message: Message) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                seen.answered = sent
            await send(message)

        try:
            await self._serve(path, scope, receive, send_counted)
        finally:
            seen.answered = sent

    async def _serve(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        trouble = self._world.broken.disturbance(self._host, path)
        if trouble is None:
            await self._app(scope, receive, send)
        elif self._proxied and trouble.how in {How.REFUSE, How.RESET}:
            await _reply(Reply(status=502, body=""), send)
        else:
            await self._disturb(trouble, scope, receive, send)

    async def _disturb(self, trouble: Disturbance, scope: Scope, receive: Receive, send: Send) -> None:
        match trouble.how:
            case How.REFUSE | How.RESET | How.SILENCE | How.LOSE:
                await self._leave_unanswered(trouble.how, scope, receive)
            case How.REPLY | How.RESHAPE | How.ENDLESS | How.BOMB:
                await _answer_otherwise(trouble, send)
            case How.DRIP | How.TRUNCATE | How.GARBLE:
                await self._spoil(trouble.how, scope, receive, send)
            case How.SLOW:
                await self._world.pause(trouble.seconds)
                await self._app(scope, receive, send)
            case _:
                assert_never(trouble.how)

    async def _leave_unanswered(self, how: How, scope: Scope, receive: Receive) -> None:
        if how is How.SILENCE:
            await _gone(receive)
            return
        if how is How.LOSE:
            await self._app(scope, receive, _swallow)
        await _cut(scope, receive, "reset", "connect" if how is How.REFUSE else "reset")

    async def _spoil(self, how: How, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the right answer and hand it over in another way."""
        status, headers, body = await _whole_answer(self._app, scope, receive)
        half = body[: len(body) // 2]
        if how is How.GARBLE:
            await _start(send, status, {**headers, "content-length": str(len(half))})
            await send({"type": "http.response.body", "body": half})
            return
        await _start(send, status, headers)
        if how is How.TRUNCATE:
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _cut(scope, receive, "cut", "reset")
            return
        for number in range(min(len(body), _LONGEST_DRIP)):
            await send({"type": "http.response.body", "body": body[number : number + 1], "more_body": True})
            await self._world.pause(1.0)
        await send({"type": "http.response.body", "body": body[_LONGEST_DRIP:]})


_OTHER_SHAPE = {"status": "ok", "result": [{"items": 3}], "version": 7}


def _path(scope: Scope) -> str:
    """The path as the client sent it, without what a mount has taken off."""
    return cast("str", scope["path"]).removeprefix(cast("str", scope.get("root_path", "")))


def _seen(world: World, host: Host, scope: Scope, path: str) -> RequestSeen:
    return RequestSeen(
        at=world.now(),
        host=host,
        method=scope["method"],
        path=path,
        query=scope["query_string"].decode("ascii", "replace"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
    )


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _reply(reply: Reply, send: Send) -> None:
    body = reply.body.encode()
    headers = {"content-type": reply.content_type, "content-length": str(len(body)), **reply.headers}
    await _start(send, reply.status, headers)
    await send({"type": "http.response.body", "body": body})


async def _answer_otherwise(trouble: Disturbance, send: Send) -> None:
    match trouble.how:
        case How.ENDLESS:
            await _endless(send)
        case How.BOMB:
            await _bomb(send)
        case How.RESHAPE:
            await _reply(Reply(status=200, body=json.dumps(_OTHER_SHAPE), content_type=JSON), send)
        case _:
            await _reply(trouble.reply, send)


async def _gone(receive: Receive) -> None:
    """Wait until the client has given up."""
    while (await receive())["type"] != "http.disconnect":
        pass


_AS_IT_WOULD_SAY = {
    "connect": "no connection (Connection refused)",
    "reset": "the connection broke (Connection reset by peer)",
}


async def _cut(scope: Scope, receive: Receive, way: str, kind: str) -> None:
    """End the connection: really, where there is one (the socket server says how), else by the error it would become."""
    cut = cast("Mapping[str, Cut]", scope.get("state", {})).get(way)
    if cut is None:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        raise Unreachable(f"{host}: {_AS_IT_WOULD_SAY[kind]}", kind=kind)
    cut()
    await _gone(receive)


async def _swallow(_message: Message) -> None:
    """Send nothing."""


async def _whole_answer(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[int, dict[str, str], bytes]:
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, collect)
    start = messages[0]
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], headers, b"".join(message.get("body", b"") for message in messages[1:])


async def _endless(send: Send) -> None:
    await _start(send, 200, {"content-type": JSON})
    await send({"type": "http.response.body", "body": b'{"spans":{"data":[', "more_body": True})
    with suppress(OSError):  # the client has gone
        for _ in range(_ENDLESS // len(_FILLER)):
            await send({"type": "http.response.body", "body": _FILLER, "more_body": True})
        await send({"type": "http.response.body", "body": b"]}}"})


_FILLER = b'{"trace_id":"00000000000000000000000000000000","span_id":"0000000000000000"},' * 800


async def _bomb(send: Send) -> None:
    packed = _packed_blanks()
    headers = {"content-type": JSON, "content-encoding": "gzip", "content-length": str(len(packed))}
    await _start(send, 200, headers)
    await send({"type": "http.response.body", "body": packed})


@lru_cache(maxsize=1)
def _packed_blanks() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blanks = b" " * (1024 * 1024)
    return b"".join(packer.compress(blanks) for _ in range(_UNPACKED // len(blanks))) + packer.flush()
