"""Traceloop's OTLP/HTTP ingest: authorised by the key, bounded before and after unpacking, indexed after a while.

https://opentelemetry.io/docs/specs/otlp/#otlphttp; errors are in Traceloop's own form, `{"error": …}`, not `google.rpc.Status`.
"""

import zlib

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from monitor.sandbox.dialect import IngestAnswer, JsonIngest
from monitor.sandbox.faults.kinds import Twist
from monitor.sandbox.otlp import JSON, PROTOBUF, Undecodable, decode_request
from monitor.sandbox.traceloop.rows import Reception, rows_of
from monitor.sandbox.world import World

MOST_BYTES = 20 * 1024 * 1024
"""The limit that the specification recommends, here for the body as sent and as unpacked."""


class _Refused(Exception):
    """A body that is not taken: status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Ingest:
    """The `/v1/*` routes."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def traces(self, request: Request, environment: str) -> Response:
        """Take in spans; 200 means queued."""
        try:
            content_type = self._content_type(request)
            message = decode_request(await _body(request), content_type)
        except _Refused as error:
            return JSONResponse({"error": str(error)}, error.status)
        except Undecodable:
            return JSONResponse({"error": "failed to decode request body"}, 400)
        if self._world.broken.does(Twist.REJECT_SPANS):
            return self._answer(content_type, rejected=_count(message))
        if not self._world.broken.does(Twist.SWALLOW_SPANS):
            visible, listed = self._world.visible_from()
            reception = Reception(
                environment=environment, naming=self._world.dialect.naming, visible_at=visible, listed_at=listed
            )
            self._world.rows.extend(rows_of(message, reception))
        return self._answer(content_type)

    async def others(self, request: Request, _environment: str) -> Response:
        """Take in metrics or logs, which are not kept."""
        try:
            await _body(request)
        except _Refused as error:
            return JSONResponse({"error": str(error)}, error.status)
        return self._answer(PROTOBUF)

    def _content_type(self, request: Request) -> str:
        name = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        accepted = {PROTOBUF} | ({JSON} if self._world.dialect.json_ingest is JsonIngest.ACCEPTED else set())
        if name not in accepted:
            raise _Refused(415, f"unsupported content type {name[:60]!r}")
        return name

    def _answer(self, content_type: str, *, rejected: int = 0) -> Response:
        """A success in this dialect; where spans are rejected, one that says so."""
        how = self._world.dialect.ingest_answer
        if rejected and how is IngestAnswer.EMPTY:
            how = IngestAnswer.JSON if content_type == JSON else IngestAnswer.PROTOBUF
        reason = "rejected by the sandbox" if rejected else ""
        match how:
            case IngestAnswer.EMPTY:
                return Response(status_code=200)
            case IngestAnswer.JSON:
                partial = {"rejectedSpans": str(rejected), "errorMessage": reason} if rejected else {}
                return JSONResponse({"partialSuccess": partial})
            case IngestAnswer.PROTOBUF:
                message = ExportTraceServiceResponse()
                if rejected:
                    partial_success = ExportTracePartialSuccess(rejected_spans=rejected, error_message=reason)
                    message.partial_success.CopyFrom(partial_success)
                return Response(message.SerializeToString(), media_type=PROTOBUF)


def _count(message: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for resource in message.resource_spans for scope in resource.scope_spans)


async def _body(request: Request) -> bytes:
    """The unpacked body, never more than the limit in memory."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"gzip", "identity"}:
        raise _Refused(415, f"unsupported content encoding {encoding[:60]!r}")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise _Refused(413, "request body too large")
    except ClientDisconnect:
        raise _Refused(400, "request body incomplete") from None
    return _unpacked(bytes(body)) if encoding == "gzip" else bytes(body)


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        unpacked = unpacker.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        raise _Refused(400, "request body is not gzip") from None
    if len(unpacked) > MOST_BYTES:
        raise _Refused(413, "request body too large")
    if not unpacker.eof:
        raise _Refused(400, "request body incomplete")
    return unpacked
