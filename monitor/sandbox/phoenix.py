"""Arize Phoenix: the OTLP ingest and the read API at one address, as release 20.26.1 was seen to answer.

https://github.com/Arize-ai/phoenix (`src/phoenix/server/api/routers/v1`). It is as strict: only protobuf is taken in, resource
attributes are dropped, values keep their types and objects come back flattened, and a path that it does not have is answered with
its web page.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from monitor.core.model import Instant
from monitor.sandbox.asgi import bearer, routed
from monitor.sandbox.otlp import PROTOBUF, Undecodable, decode_request, plain_value
from monitor.sandbox.traceloop import RefusedBody, body_of
from monitor.sandbox.world import PhoenixSpan, World

_DEFAULT_PROJECT = "default"
_PAGE = "<!DOCTYPE html>\n<html><head><title>Phoenix</title></head><body></body></html>"
_MOST_ROWS = 1000


def phoenix_app(world: World) -> ASGIApp:
    """The ASGI application."""
    phoenix = _Phoenix(world)
    routes = [
        Route("/v1/traces", phoenix.take, methods=["POST"]),
        Route("/v1/projects/{project}/spans", phoenix.spans, methods=["GET"]),
        Route("/{anything:path}", _page, methods=["GET"]),
    ]
    return routed(routes)


async def _page(_request: Request) -> Response:
    return HTMLResponse(_PAGE)


class _Phoenix:
    def __init__(self, world: World) -> None:
        self._world = world

    def _refuses(self, request: Request) -> bool:
        """Whether there is authentication, and this is no key of it."""
        return self._world.backend.authenticates and self._world.environment_of(bearer(request)) is None

    async def take(self, request: Request) -> Response:
        """Take in spans; 200 means queued."""
        if self._refuses(request):
            return PlainTextResponse("Invalid token", 401)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != PROTOBUF:
            return PlainTextResponse(f"Unsupported content type: {content_type[:60]}", 415)
        try:
            message = decode_request(await body_of(request), PROTOBUF)
        except RefusedBody as refused:
            return refused.answer
        except Undecodable:
            return PlainTextResponse("Request body is invalid ExportTraceServiceRequest", 422)
        if self._world.faults.does("reject_spans"):
            return PlainTextResponse("Span ingestion queue is at capacity", 503)
        if not self._world.faults.does("swallow_spans"):
            visible_at = self._world.now() + self._world.index_lags()[0]
            self._world.phoenix_spans.extend(_stored(message, request.headers.get("x-project-name"), visible_at))
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type=PROTOBUF)

    async def spans(self, request: Request) -> Response:
        """Spans of a project, the last stored first, narrowed down by the parameters that are known; others are ignored."""
        if self._refuses(request):
            return PlainTextResponse("Invalid token", 401)
        project, now = request.path_params["project"], self._world.now()
        if project != _DEFAULT_PROJECT and not any(span.project == project for span in self._world.phoenix_spans):
            return PlainTextResponse(f"Project with name {project} not found", 404)
        try:
            wanted = _Wanted(request)
        except ValueError as error:
            return PlainTextResponse(str(error), 422)
        start = 2**62 if self._world.faults.does("ignore_cursor") else wanted.cursor
        numbered = list(enumerate(span for span in self._world.phoenix_spans if span.project == project))
        found = (
            (number, span)
            for number, span in reversed(numbered)
            if number <= start and span.visible_at <= now and wanted.admits(span)
        )
        page = list(islice(found, wanted.limit + 1))
        cursor = str(page[-1][0]) if len(page) > wanted.limit else None
        return JSONResponse({"data": [dict(span.row) for _, span in page[: wanted.limit]], "next_cursor": cursor})


class _Wanted:
    """The parameters of a read. Raises ValueError for what Phoenix does not take."""

    def __init__(self, request: Request) -> None:
        query = request.query_params
        self._traces, self._names = query.getlist("trace_id"), query.getlist("name")
        self._attributes = [each.partition(":") for each in query.getlist("attribute")]
        bounds = (query.get("start_time"), query.get("end_time"))
        self._since, self._until = (datetime.fromisoformat(each).timestamp() if each else None for each in bounds)
        self.limit = int(query.get("limit", 100))
        self.cursor = int(query.get("cursor", 2**62))
        if not 0 < self.limit <= _MOST_ROWS or any(not (name and value) for name, _, value in self._attributes):
            raise ValueError("invalid query parameter")

    def admits(self, span: PhoenixSpan) -> bool:
        """Whether a span is one of those that were asked for."""
        attributes = span.row["attributes"]
        named = attributes if isinstance(attributes, Mapping) else {}
        return (
            (not self._traces or span.trace_id in self._traces)
            and (not self._names or span.row["name"] in self._names)
            and (self._since is None or span.start >= self._since)
            and (self._until is None or span.start < self._until)
            and all(named.get(name) == _literal(value) for name, _, value in self._attributes)
        )


def _literal(text: str) -> object:
    """A value as Phoenix reads it: JSON, else as it stands."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _stored(message: ExportTraceServiceRequest, header: str | None, visible_at: Instant) -> Iterator[PhoenixSpan]:
    """Turn a delivery into spans: the header names their project, else the resource does, which is dropped."""
    delivered: list[tuple[str, Span]] = []
    for resource_spans in message.resource_spans:
        named = [pair for pair in resource_spans.resource.attributes if pair.key == "openinference.project.name"]
        project = header or (named[0].value.string_value if named else _DEFAULT_PROJECT)
        delivered += [(project, span) for scope in resource_spans.scope_spans for span in scope.spans]
    # A batch exporter delivers spans as they end, so a trace's root is stored last, and listed first. The sandbox's delivers the root
    # first; of spans that end at once the children end before it.
    delivered.reverse()
    for project, span in sorted(delivered, key=lambda pair: pair[1].end_time_unix_nano):
        attributes = dict(_flat({pair.key: _read(pair.key, plain_value(pair.value)) for pair in span.attributes}, ""))
        model = attributes.get("gen_ai.response.model")
        derived = {} if model is None else {"llm.model_name": model, "output.value": json.dumps({"model": model})}
        start, end = span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9
        row: dict[str, object] = {
            "id": span.span_id.hex(),
            "name": span.name,
            "context": {"trace_id": span.trace_id.hex(), "span_id": span.span_id.hex()},
            "span_kind": "UNKNOWN",
            "parent_id": span.parent_span_id.hex() or None,
            "start_time": datetime.fromtimestamp(start, UTC).isoformat(),
            "end_time": datetime.fromtimestamp(end, UTC).isoformat(),
            "status_code": "OK",
            "status_message": span.status.message,
            "attributes": {**derived, **attributes},
            "events": [],
        }
        yield PhoenixSpan(project=project, start=start, row=row, trace_id=span.trace_id.hex(), visible_at=visible_at)


def _read(name: str, value: object) -> object:
    """Metadata that came as a text of JSON is taken apart: `src/phoenix/trace/attributes.py`."""
    return _literal(value) if isinstance(value, str) and name.endswith("metadata") else value


def _flat(value: object, name: str) -> Iterator[tuple[str, object]]:
    """One attribute for each entry of an object, and for each of those in it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
