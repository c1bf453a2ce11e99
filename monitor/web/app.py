"""The routes, who may use them, and the headers that every answer has."""

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.ports import Clock
from monitor.web.api import ERRORS, Handlers
from monitor.web.auth import Guard, Handler, Token
from monitor.web.operations import Operations, Views
from monitor.web.style import content_security_policy


def make_app(views: Views, operations: Operations, *, clock: Clock, read_token: Token, admin_token: Token) -> ASGIApp:
    """The whole web, as an ASGI application. The tokens are asked for at each request; None: not configured."""
    do = Handlers(views, operations, clock)
    guard = Guard(read_token=read_token, admin_token=admin_token)
    read, change = guard.reading, guard.changing
    app = Starlette(
        routes=[
            Route("/", read(do.page)),
            Route("/metrics", read(do.metrics)),
            Route("/healthz", do.healthy),
            Route("/readyz", do.ready),
            Route("/runbooks/{fault}", read(do.runbook)),
            Route("/api/v1/status", read(do.status)),
            Route("/api/v1/incidents", read(do.incidents)),
            Route("/api/v1/incidents/{id}/ack", change(do.acknowledge), methods=["POST"]),
            Route("/api/v1/checks/{target}/run", change(do.run_checks), methods=["POST"]),
            _several("/api/v1/silences", GET=read(do.silences), POST=change(do.add_silence)),
            _several("/api/v1/silences/{id}", GET=read(do.silence), DELETE=change(do.expire_silence)),
            Route("/-/reload", change(do.reload), methods=["POST"]),
        ],
        exception_handlers=ERRORS,
    )
    app.router.redirect_slashes = False
    return _Headers(app)


def _several(path: str, **handlers: Handler) -> Route:
    """One route for several methods, so that a wrong one is told of them all."""

    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return Route(path, dispatch, methods=list(handlers))


class _Headers:
    """Puts on every answer what keeps browsers from doing harm with it, or from keeping it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_security_headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _security_headers() -> dict[str, str]:
    return {
        "cache-control": "no-store",
        "content-security-policy": content_security_policy(),
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
