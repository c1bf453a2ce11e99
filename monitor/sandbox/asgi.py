"""What the applications of the sandbox share, and the transport faults in front of them."""

import json
import re
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from monitor.core.model import Instant, Seconds
from monitor.ports import Unreachable
from monitor.sandbox.faults import CLOUDFLARE_1010, JSON, ActiveFaults, Host, Reply, TransportFault

_BARE_LIBRARY = re.compile(r"(python-urllib|python-httpx|python-requests)(/|$)", re.IGNORECASE)
_UNPACKED = 64 * 1024 * 1024
_ENDLESS = 16 * 1024 * 1024
"""Where an answer without end does end: beyond any limit of a client, lest it outlives one that never gives up."""
_LONGEST_DRIP = 3600
_OTHER_SHAPE = {"status": "ok", "result": [{"items": 3}], "version": 7}
_FILLER = b'{"trace_id":"00000000000000000000000000000000","span_id":"0000000000000000"},' * 800
_BROKEN_CONNECTION = {
    "connect": "connection refused",
    "reset": "the connection broke (Connection reset by peer)",
}


def routed(routes: Sequence[BaseRoute], handlers: Mapping[int, ExceptionHandler] | None = None) -> Starlette:
    """An application that serves these routes and nothing near them: a slash more is another path, not a redirect."""
    app = Starlette(routes=routes, exception_handlers=dict(handlers or {}))
    app.router.redirect_slashes = False
    return app


def bearer(request: Request) -> str:
    """The bearer token of a request; empty if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def json_object(request: Request) -> dict[str, object] | None:
    """The body of a request if it is a JSON object."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def behind_cloudflare(app: ASGIApp) -> ASGIApp:
    """Turns away the user agents of bare libraries, and none: 403 and `error code: 1010`, which is no permission."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        agent = Headers(scope=scope).get("user-agent", "").strip()
        welcome = agent and not _BARE_LIBRARY.match(agent)
        await (app if welcome else _response(CLOUDFLARE_1010))(scope, receive, send)

    return guarded


@dataclass(slots=True, kw_only=True)
class RequestSeen:
    """One request as a service received it. Header names are lower-case; of a body nothing is kept.

    `answered`: the bytes of the answer's body, as far as it was sent; 0 until it is complete.
    """

    at: Instant
    host: Host
    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    answered: int = 0


def with_request_log(app: ASGIApp, host: Host, requests: deque[RequestSeen], now: Callable[[], Instant]) -> ASGIApp:
    """Remembers each request, and how much of an answer was sent."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # no request, and no answer that could be counted
            await app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("ascii", "replace")
        seen = RequestSeen(at=now(), host=host, method=scope["method"], path=_path(scope), query=query, headers=headers)
        requests.append(seen)
        sent = 0

        async def send_counted(message: Message) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                seen.answered = sent
            await send(message)

        try:
            await app(scope, receive, send_counted)
        finally:
            seen.answered = sent

    return serve


class WithTransportFaults:
    """An ASGI application with the set transport faults in front of it.

    `proxied`: reached through another host's proxy, which answers 502 where nobody listens.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: Host,
        faults: ActiveFaults,
        pause: Callable[[Seconds], Awaitable[None]],
        *,
        proxied: bool = False,
    ) -> None:
        self._app = app
        self._host = host
        self._faults = faults
        self._pause = pause
        self._proxied = proxied

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        fault = self._faults.transport_fault(self._host, _path(scope))
        if fault is not None and scope["type"] == "websocket":  # whatever is wrong, it does not come about
            await send({"type": "websocket.close", "code": 1011})
            return
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.how in {"refuse", "reset"} and self._proxied:
            await _response(Reply(status=502))(scope, receive, send)
        elif fault.how in {"refuse", "reset", "lose", "silence"}:
            await self._leave_unanswered(fault, scope, receive)
        elif fault.how in {"slow", "drip", "truncate", "garble"}:
            await self._spoil(fault, scope, receive, send)
        else:
            await _answer_otherwise(fault, scope, receive, send)

    async def _leave_unanswered(self, fault: TransportFault, scope: Scope, receive: Receive) -> None:
        if fault.how == "silence":
            await _until_gone(receive)
            return
        if fault.how == "lose":
            await _whole_answer(self._app, scope, receive)
        await _end_connection(scope, receive, "reset", kind="connect" if fault.how == "refuse" else "reset")

    async def _spoil(self, fault: TransportFault, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the right answer and hand it over in another way."""
        if fault.how == "slow":
            await self._pause(fault.seconds)
            await self._app(scope, receive, send)
            return
        status, headers, body = await _whole_answer(self._app, scope, receive)
        half = body[: len(body) // 2]
        if fault.how == "garble":
            whole = {name: value for name, value in headers.items() if name != "content-length"}
            await Response(half, status, whole)(scope, receive, send)
            return
        await _start(send, status, headers)
        if fault.how == "truncate":
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _end_connection(scope, receive, "cut")
            return
        for number in range(min(len(body), _LONGEST_DRIP)):
            await send({"type": "http.response.body", "body": body[number : number + 1], "more_body": True})
            await self._pause(1.0)
        await send({"type": "http.response.body", "body": body[_LONGEST_DRIP:]})


def _path(scope: Scope) -> str:
    """The path as the client sent it, without what a mount has taken off."""
    return cast("str", scope["path"]).removeprefix(cast("str", scope.get("root_path", "")))


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)


async def _answer_otherwise(fault: TransportFault, scope: Scope, receive: Receive, send: Send) -> None:
    match fault.how:
        case "endless":
            await _endless(send)
            return
        case "bomb":
            answer = Response(_packed_blanks(), headers={"content-encoding": "gzip"}, media_type=JSON)
        case "reshape":
            answer = JSONResponse(_OTHER_SHAPE)
        case _:
            answer = _response(fault.reply)
    await answer(scope, receive, send)


async def _until_gone(receive: Receive) -> None:
    """Wait until the client has given up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end_connection(scope: Scope, receive: Receive, way: str, *, kind: str = "reset") -> None:
    """Really, where there is a connection (the socket server says how); else by the error that it would become."""
    end: Callable[[], object] | None = scope.get("state", {}).get(way)
    if end is None:
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        raise Unreachable(f"{_BROKEN_CONNECTION[kind]} ({host})", kind=kind)  # worded as `monitor.http.wire` words it
    end()
    await _until_gone(receive)


async def _whole_answer(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[int, dict[str, str], bytes]:
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, collect)
    start: Any = messages[0]
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], headers, b"".join(message.get("body", b"") for message in messages[1:])


async def _endless(send: Send) -> None:
    await _start(send, 200, {"content-type": JSON})
    await send({"type": "http.response.body", "body": b'{"spans":{"data":[', "more_body": True})
    with suppress(OSError):  # the client has gone
        for _ in range(_ENDLESS // len(_FILLER)):
            await send({"type": "http.response.body", "body": _FILLER, "more_body": True})
        await send({"type": "http.response.body", "body": b"]}}"})


@lru_cache(maxsize=1)
def _packed_blanks() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blanks = b" " * (1024 * 1024)
    return b"".join(packer.compress(blanks) for _ in range(_UNPACKED // len(blanks))) + packer.flush()
