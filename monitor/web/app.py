"""The web as one ASGI application: its routes, how an error is answered, and the headers that every answer has."""

import base64
import hashlib

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.ports import Clock
from monitor.web.api import Api
from monitor.web.auth import Guard, Token
from monitor.web.page import problem_page
from monitor.web.pages import Pages
from monitor.web.payloads import as_problem
from monitor.web.texts import STYLE
from monitor.web.views import Operations, Views

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_PAGES = ("/targets/", "/incidents/", "/runbooks/", "/silences")
# Nothing may be loaded, run or framed, and forms go to this site alone; only this very style sheet applies. Nothing is kept, and no
# other site learns where somebody came from; a form of ours must say it, so that a foreign one is recognised.
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
        exception_handlers=dict.fromkeys((HTTPException, Exception), _answer),
    )
    app.router.redirect_slashes = False

    async def with_security_headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_SECURITY_HEADERS)
            await send(message)

        await app(scope, receive, send_with_headers)

    return with_security_headers


async def _answer(request: Request, error: Exception) -> Response:
    """An error: a page for a browser that wanted one, else JSON. Of a bug the log has the traceback, the answer nothing."""
    headers: dict[str, str] = {}
    status, detail = 500, "internal error"
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, dict(error.headers or {})
    if request.url.path.startswith(_PAGES) and "text/html" in request.headers.get("accept", ""):
        root = "../" * (request.url.path.count("/") - 1)
        response: Response = HTMLResponse(problem_page(status, detail, root=root), status_code=status)
    else:
        response = as_problem(status, detail)
    response.headers.update(headers)
    return response
