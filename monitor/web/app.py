"""The web as one ASGI application: its routes, how an error is answered, and the headers that every answer has."""

import base64
import hashlib

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.ports import Clock
from monitor.web.api import Api
from monitor.web.auth import Guard, Token
from monitor.web.pages import Pages
from monitor.web.payloads import as_json
from monitor.web.texts import STYLE
from monitor.web.views import Operations, Rejected, Unknown, Views

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# Nothing may be loaded, run or framed, and forms go to this site alone; only this very style sheet applies. Nothing is kept, and no
# other site learns where somebody came from; a form of ours must say it, so that it is told from a foreign one.
_SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def make_app(views: Views, operations: Operations, *, clock: Clock, read_token: Token, admin_token: Token) -> ASGIApp:
    """The whole web. The tokens are asked for at each request; None: not configured."""
    api = Api(views=views, operations=operations, clock=clock)
    guard = Guard(read_token=read_token, admin_token=admin_token)
    pages = Pages(views=views, operations=operations, clock=clock, guard=guard)
    app = Starlette(
        routes=[*pages.routes(), *api.routes(guard)],
        exception_handlers=dict.fromkeys((HTTPException, Unknown, Rejected, Exception), _answer),
    )
    app.router.redirect_slashes = False

    async def with_security_headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        await app(scope, receive, send_with_headers)

    return with_security_headers


async def _answer(_request: Request, error: Exception) -> Response:
    """An error as JSON. Of a bug of ours the log has the traceback, the answer has nothing of it."""
    match error:
        case HTTPException():
            response = as_json({"error": error.detail}, error.status_code)
            response.headers.update(error.headers or {})
            return response
        case Unknown():
            return as_json({"error": str(error)}, 404)
        case Rejected():
            return as_json({"error": str(error)}, 422)
        case _:
            return as_json({"error": "internal error"}, 500)
