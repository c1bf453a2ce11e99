"""OTLP/HTTP as bytes, both ways and in both encodings: https://opentelemetry.io/docs/specs/otlp/."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from monitor.sandbox.spans import SERVICE, Attribute, GatewaySpan

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_KINDS = {"Internal": Span.SPAN_KIND_INTERNAL, "Client": Span.SPAN_KIND_CLIENT}


class Undecodable(ValueError):
    """Bytes that are no OTLP request."""


def encode_spans(spans: Sequence[GatewaySpan], resource: Mapping[str, str], encoding: str) -> tuple[bytes, str]:
    """Make the body of an export and name its content type; `encoding` is `json` or else protobuf."""
    scope = ScopeSpans(spans=[_span(span) for span in spans])
    scope.scope.name = SERVICE
    message = ResourceSpans(scope_spans=[scope])
    message.resource.attributes.extend(_pairs(resource))
    request = ExportTraceServiceRequest(resource_spans=[message])
    if encoding == "json":
        written = MessageToDict(request, use_integers_for_enums=True)
        return json.dumps(_with_ids(written, lambda text: base64.b64decode(text).hex())).encode(), JSON
    return request.SerializeToString(), PROTOBUF


def decode_request(body: bytes, content_type: str) -> ExportTraceServiceRequest:
    """Read the body of an export. JSON writes ids in hexadecimal, which protobuf's own JSON mapping does not.

    Raises Undecodable.
    """
    request = ExportTraceServiceRequest()
    try:
        if content_type == JSON:
            read = _with_ids(json.loads(body), lambda text: base64.b64encode(bytes.fromhex(text)).decode())
            Parse(json.dumps(read), request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, ParseError, ValueError, RecursionError) as error:
        raise Undecodable(str(error)[:200]) from error
    return request


def plain_value(value: AnyValue) -> object:
    """An attribute's value as Python has it; None where there is none."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain_value(pair.value) for pair in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)


def _span(span: GatewaySpan) -> Span:
    message = Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        status=Status(code=Status.STATUS_CODE_ERROR if span.error else Status.STATUS_CODE_OK, message=span.error),
    )
    message.attributes.extend(_pairs(span.attributes))
    return message


def _pairs(attributes: Mapping[str, Attribute]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Attribute) -> AnyValue:
    message = AnyValue()
    match value:
        case bool():
            message.bool_value = value
        case str():
            message.string_value = value
        case int():
            message.int_value = value
        case float():
            message.double_value = value
        case Mapping():
            message.kvlist_value.values.extend(_pairs(value))
        case _:
            message.array_value.values.extend(_value(each) for each in value)
    return message


def _with_ids(value: object, change: Callable[[str], str]) -> object:
    """Rewrite every id in a JSON document."""
    match value:
        case dict():
            return {
                key: change(each) if key in _IDS and isinstance(each, str) else _with_ids(each, change)
                for key, each in value.items()
            }
        case list():
            return [_with_ids(each, change) for each in value]
        case _:
            return value
