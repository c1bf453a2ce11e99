"""Traceloop behind its Kong and Cloudflare: one host for the OTLP ingest and the read API.

Headers, the 401 and the 404 are those of recorded answers of api.traceloop.com
(https://github.com/traceloop/openllmetry-js, `packages/traceloop-sdk/recordings`).
"""

from collections.abc import Awaitable, Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.sandbox.serving import bearer, routed
from monitor.sandbox.traceloop.ingest import Ingest
from monitor.sandbox.traceloop.read_api import ReadApi
from monitor.sandbox.world import World

Serve = Callable[[Request, str], Awaitable[Response]]


def traceloop_app(world: World) -> ASGIApp:
    """The ASGI application."""
    ingest, read = Ingest(world), ReadApi(world)

    def guarded(serve: Serve) -> Callable[[Request], Awaitable[Response]]:
        """Let in who has a key; the key decides the environment."""

        async def endpoint(request: Request) -> Response:
            environment = world.environment_of(bearer(request))
            if environment is None:
                return JSONResponse({"error": "Unauthorized"}, status_code=401)
            return await serve(request, environment)

        return endpoint

    project = "/v2/projects/default"
    table: tuple[tuple[str, str, Serve], ...] = (
        ("POST", "/v1/traces", ingest.traces),
        ("POST", "/v1/metrics", ingest.others),
        ("POST", "/v1/logs", ingest.others),
        ("GET", "/v1/traceloop/prompts", _prompts),
        ("GET", "/v1/traceloop/pii/tracing-allow-list", _allow_list),
        ("GET", "/v2/warehouse/spans", read.warehouse),
        ("GET", f"{project}/traces/{{trace_id}}/spans", read.trace),
        ("GET", f"{project}/spans/workflow-names", read.workflow_names),
        ("POST", f"{project}/spans", read.search_spans),
        ("POST", f"{project}/traces/root-spans", read.search_roots),
    )
    routes = [Route(path, guarded(serve), methods=[method]) for method, path, serve in table]
    unknown = {404: _not_found, 405: _not_found}
    return _WithProxies(routed(routes, unknown), world)


async def _prompts(_request: Request, environment: str) -> Response:
    """What the SDK polls: https://github.com/traceloop/openllmetry, `traceloop/sdk/fetcher.py`."""
    return JSONResponse({"prompts": [], "environment": environment})


async def _allow_list(_request: Request, _environment: str) -> Response:
    return JSONResponse({"associationPropertyAllowList": []})


async def _not_found(_request: Request, _error: Exception) -> Response:
    """An unknown route, or a known one with another method: what Go's gin says."""
    return Response("404 page not found", 404, media_type="text/plain")


class _WithProxies:
    """Adds what Kong and Cloudflare add to every answer."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["server"] = "cloudflare"
                headers["cf-ray"] = f"{self._world.clock.draw_hex(16)}-SBX"
                headers["cf-cache-status"] = "DYNAMIC"
                headers["via"] = "1.1 kong/3.9.1"
                headers["x-kong-request-id"] = self._world.clock.draw_hex(32)
                headers["x-kong-proxy-latency"] = "1"
                headers["x-kong-upstream-latency"] = "7"
                headers["strict-transport-security"] = "max-age=7776000; includeSubDomains"
            await send(message)

        await self._app(scope, receive, send_marked)
