"""Traceloop behind its Kong and Cloudflare: one host for the OTLP ingest and the read API, as far as the monitor asks for it.

Headers, the 401 and the 404 are those of recorded answers of api.traceloop.com
(https://github.com/traceloop/openllmetry-js, `packages/traceloop-sdk/recordings`). The ingest is as
https://opentelemetry.io/docs/specs/otlp/#otlphttp says, but for errors: those are in Traceloop's own form, `{"error": …}`.
"""

import zlib
from collections.abc import Awaitable, Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.sandbox.asgi import bearer, routed
from monitor.sandbox.otlp import JSON, PROTOBUF, Undecodable, decode_request
from monitor.sandbox.read_api import ReadApi
from monitor.sandbox.rows import rows_of
from monitor.sandbox.world import World

MOST_BYTES = 20 * 1024 * 1024
"""The limit that the specification recommends, here for the body as sent and as unpacked."""

Serve = Callable[[Request, str], Awaitable[Response]]


def traceloop_app(world: World) -> ASGIApp:
    """The ASGI application."""
    ingest, read = _Ingest(world), ReadApi(world)

    def guarded(serve: Serve) -> Callable[[Request], Awaitable[Response]]:
        """Let in who has a key; the key decides the environment."""

        async def endpoint(request: Request) -> Response:
            environment = world.environment_of(bearer(request))
            if environment is None:
                return JSONResponse({"error": "Unauthorized"}, status_code=401)
            return await serve(request, environment)

        return endpoint

    table: tuple[tuple[str, str, Serve], ...] = (
        ("POST", "/v1/traces", ingest.traces),
        ("GET", "/v2/warehouse/spans", read.warehouse),
        ("GET", "/v2/projects/default/traces/{trace_id}/spans", read.trace),
    )
    routes = [Route(path, guarded(serve), methods=[method]) for method, path, serve in table]
    return _behind_proxies(routed(routes, {404: _not_found, 405: _not_found}), world)


async def _not_found(_request: Request, _error: Exception) -> Response:
    """An unknown route, or a known one with another method: what Go's gin says."""
    return Response("404 page not found", 404, media_type="text/plain")


def _behind_proxies(app: ASGIApp, world: World) -> ASGIApp:
    """Adds what Kong and Cloudflare add to every answer."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["server"] = "cloudflare"
                headers["cf-ray"] = f"{world.clock.draw_hex(16)}-SBX"
                headers["cf-cache-status"] = "DYNAMIC"
                headers["via"] = "1.1 kong/3.9.1"
                headers["x-kong-request-id"] = world.clock.draw_hex(32)
                headers["x-kong-proxy-latency"] = "1"
                headers["x-kong-upstream-latency"] = "7"
                headers["strict-transport-security"] = "max-age=7776000; includeSubDomains"
            await send(message)

        await app(scope, receive, send_marked)

    return serve


class RefusedBody(Exception):
    """A body that is not taken: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.answer = JSONResponse({"error": reason}, status)


class _Ingest:
    """The route that takes something in."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def traces(self, request: Request, environment: str) -> Response:
        """Take in spans; 200 means queued."""
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        accepted = {PROTOBUF} | ({JSON} if self._world.variant.json_ingest == "accepted" else set())
        if content_type not in accepted:
            return JSONResponse({"error": f"unsupported content type {content_type[:60]!r}"}, 415)
        try:
            message = decode_request(await body_of(request), content_type)
        except RefusedBody as error:
            return error.answer
        except Undecodable:
            return JSONResponse({"error": "failed to decode request body"}, 400)
        if self._world.faults.does("reject_spans"):
            spans = sum(len(scope.spans) for resource in message.resource_spans for scope in resource.scope_spans)
            return self._answer(content_type, rejected=spans)
        if not self._world.faults.does("swallow_spans"):
            now, (visible, listed) = self._world.now(), self._world.index_lags()
            self._world.rows.extend(
                rows_of(
                    message,
                    self._world.variant,
                    environment=environment,
                    visible_at=now + visible,
                    listed_at=now + listed,
                )
            )
        return self._answer(content_type)

    def _answer(self, content_type: str, *, rejected: int = 0) -> Response:
        """A success in this variant; where spans are rejected, one that says so."""
        how = self._world.variant.ingest_answer
        if rejected and how == "empty":
            how = "json" if content_type == JSON else "protobuf"
        reason = "rejected by the sandbox" if rejected else ""
        match how:
            case "empty":
                return Response(status_code=200)
            case "json":
                partial = {"rejectedSpans": str(rejected), "errorMessage": reason} if rejected else {}
                return JSONResponse({"partialSuccess": partial})
            case "protobuf":
                message = ExportTraceServiceResponse()
                if rejected:
                    partial_success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=reason)
                    message.partial_success.CopyFrom(partial_success)
                return Response(message.SerializeToString(), media_type=PROTOBUF)


async def body_of(request: Request) -> bytes:
    """The unpacked body, never more than the limit in memory."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"gzip", "identity"}:
        raise RefusedBody(415, f"unsupported content encoding {encoding[:60]!r}")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise RefusedBody(413, "request body too large")
    except ClientDisconnect:
        raise RefusedBody(400, "request body incomplete") from None
    if encoding == "identity":
        return bytes(body)
    unpacker = zlib.decompressobj(31)
    try:
        unpacked = unpacker.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        raise RefusedBody(400, "request body is not gzip") from None
    if len(unpacked) > MOST_BYTES:
        raise RefusedBody(413, "request body too large")
    if not unpacker.eof:
        raise RefusedBody(400, "request body incomplete")
    return unpacked
