"""Send a test span past the gateway, by OTLP/HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

The OpenTelemetry SDK's exporter is not used: it takes a redirect and a partial success for success. What the endpoint says is
read here, and retried only as the specification allows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from monitor.core.canary import CONTROL_SPAN_NAME
from monitor.core.model import Seconds, Service
from monitor.http import Answer, Http
from monitor.otlp.rows import MARKER
from monitor.ports import Clock, ControlRequest, Garbled, IngestAnswer, Unreachable
from monitor.redaction import Redactor
from monitor.version import VERSION

_RETRYABLE = frozenset({429, 502, 503, 504})
_FIRST_WAIT: Seconds = 1.0
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_OK, _REDIRECT = 200, 300
_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class OtlpIngest:
    """Implements `monitor.ports.Ingest`; `headers` are the expected ones, the key among them."""

    http: Http
    endpoint: str
    headers: Callable[[], Mapping[str, str]]
    _: KW_ONLY
    redactor: Redactor
    clock: Clock

    async def send(self, request: ControlRequest, *, timeout: Seconds) -> IngestAnswer:
        """Post one span. Duplicates by a retry are harmless: spans are counted by id. Raises Unreachable."""
        body = encode(request)
        deadline = self.clock.monotonic() + timeout
        wait = _FIRST_WAIT
        while True:
            left = deadline - self.clock.monotonic()
            pause = wait
            try:
                answer = await self._post(body, left)
            except Unreachable as error:
                if error.kind != "reset" or left <= 2 * pause:
                    raise
            else:
                pause = max(wait, answer.retry_after(self.clock.now()) or 0.0)
                if answer.status not in _RETRYABLE or answer.blocked or left <= 2 * pause:
                    return self._read(answer)
            await self.clock.sleep(pause)
            wait *= 2

    async def try_json(self, *, timeout: Seconds) -> IngestAnswer:
        """Post nothing at all, in JSON, to learn whether JSON is taken: it costs no span. Raises Unreachable."""
        return self._read(await self._post(b'{"resourceSpans":[]}', timeout, content_type=_JSON))

    async def _post(self, body: bytes, timeout: Seconds, content_type: str = _PROTOBUF) -> Answer:
        """With the expected headers, but for those that describe a body: this one is the monitor's."""
        headers = {name: value for name, value in self.headers().items() if not name.lower().startswith("content-")}
        headers["Content-Type"] = content_type
        return await self.http.request(
            Service.OTLP, "POST", self.endpoint, headers=headers, body=body, timeout=timeout, body_limit=_LIMIT
        )

    def _read(self, answer: Answer) -> IngestAnswer:
        accepted = _OK <= answer.status < _REDIRECT
        rejected, message = _partial_success(answer) if accepted else (0, _error_text(answer))
        return IngestAnswer(
            status=answer.status,
            rejected=rejected,
            message=self.redactor.show(message, 200),
            blocked=answer.blocked,
            retry_after=answer.retry_after(self.clock.now()),
            evidence=answer.trail,
        )


def encode(request: ControlRequest) -> bytes:
    """One span as an ExportTraceServiceRequest; a millisecond long, because a span has a length."""

    def pair(name: str, value: str) -> KeyValue:
        return KeyValue(key=name, value=AnyValue(string_value=value))

    start = int(request.at * 1e9)
    span = Span(
        trace_id=bytes.fromhex(request.trace_id),
        span_id=bytes.fromhex(request.span_id),
        name=CONTROL_SPAN_NAME,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 1_000_000,
        attributes=[pair(name, value) for name, value in {**request.attributes, MARKER: request.trace_id}.items()],
    )
    scope = ScopeSpans(scope=InstrumentationScope(name="gateway-trace-monitor", version=VERSION), spans=[span])
    resource = Resource(attributes=[pair("service.name", request.service_name)])
    spans = ResourceSpans(resource=resource, scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[spans]).SerializeToString()


def count_rejected(answer: Answer) -> int:
    """How many spans an answer of the ingest says it has rejected."""
    return _partial_success(answer)[0]


def describe_acceptance(answer: Answer) -> str | None:
    """The body with which a span is accepted: empty, protobuf, json, text; None where it was not accepted."""
    if not _OK <= answer.status < _REDIRECT:
        return None
    match answer.media_type:
        case "application/x-protobuf":
            return "protobuf"
        case "application/json":
            return "json"
        case _:
            return "text" if answer.body.strip() else "empty"


def _partial_success(answer: Answer) -> tuple[int, str]:
    """Rejected spans and the message, where the content type says that there may be some; anything else is plain success.

    JSON writes a 64-bit number as a text (https://protobuf.dev/programming-guides/json/).
    """
    try:
        if answer.media_type == _PROTOBUF:
            said = ExportTraceServiceResponse.FromString(answer.body).partial_success
            return max(0, said.rejected_spans), said.error_message
        body = answer.json() if answer.media_type == _JSON else None
    except (DecodeError, Garbled):
        return 0, ""
    partial = body.get("partialSuccess") if isinstance(body, Mapping) else None
    if not isinstance(partial, Mapping):
        return 0, ""
    count, message = partial.get("rejectedSpans"), partial.get("errorMessage")
    digits = str(count) if isinstance(count, str | int) and not isinstance(count, bool) else ""
    rejected = int(digits) if re.fullmatch(r"[0-9]{1,19}", digits) else 0
    return rejected, message if isinstance(message, str) else ""


def _error_text(answer: Answer) -> str:
    """A google.rpc.Status by the specification, JSON or text by whatever is in front."""
    if answer.media_type == _PROTOBUF:
        try:
            return str(Status.FromString(answer.body).message)
        except DecodeError:
            return ""
    return answer.complaint
