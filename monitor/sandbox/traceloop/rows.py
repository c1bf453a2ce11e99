"""A span as Traceloop keeps and returns it; the shapes are those of recorded answers of its API.

https://github.com/traceloop/opentelemetry-mcp-server (`tests/integration/cassettes`) and
https://www.traceloop.com/docs/api-reference/warehouse/get_spans.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from monitor.core.model import Instant
from monitor.sandbox.dialect import Naming
from monitor.sandbox.otlp import as_text

_RENAMED = (
    ("gen_ai.system", "llm.vendor"),
    ("gen_ai.prompt.", "llm.prompts."),
    ("gen_ai.completion.", "llm.completions."),
    ("gen_ai.", "llm."),
)
_PROMPTS = ("llm.prompts.", "gen_ai.prompt.")
_COMPLETIONS = ("llm.completions.", "gen_ai.completion.")
_ENTITY = {"traceloop.entity.input": "input", "traceloop.entity.output": "output"}
_MICRO_USD_PER_TOKEN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One span as stored; `visible_at` is when the per-trace route shows it, `listed_at` when the warehouse does."""

    environment: str
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    name: str
    kind: str
    service_name: str
    resource: Mapping[str, str]
    scope: tuple[str, str]
    attributes: Mapping[str, str]
    events: tuple[str, ...]
    timestamp: int
    duration: int
    status: str
    status_message: str
    visible_at: Instant
    listed_at: Instant

    def of_trace(self) -> dict[str, object]:
        """The shape of the per-trace route: no service name, no status, prompts left among the attributes."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent_id,
            "span_name": self.name,
            "span_kind": self.kind,
            "timestamp": self.timestamp,
            "duration": self.duration,
            "span_attributes": dict(self.attributes),
            "events_name": list(self.events),
            "events_attributes": [{} for _ in self.events],
            "environment": self.environment,
            "prompts": None,
            "completions": None,
            "input": "",
            "output": "",
            **({"cost_micro_usd": self.total_tokens * _MICRO_USD_PER_TOKEN} if self.total_tokens else {}),
        }

    def of_list(self) -> dict[str, object]:
        """The shape of the warehouse and of the searches: prompts, completions, input and output moved out."""
        moved = {key for key in self.attributes if key in _ENTITY or key.startswith(_PROMPTS + _COMPLETIONS)}
        return {
            "environment": self.environment,
            "timestamp": self.timestamp,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent_id,
            "trace_state": self.trace_state,
            "span_name": self.name,
            "span_kind": self.kind,
            "service_name": self.service_name,
            "resource_attributes": dict(self.resource),
            "scope_name": self.scope[0],
            "scope_version": self.scope[1],
            "span_attributes": {key: value for key, value in self.attributes.items() if key not in moved},
            "duration": self.duration,
            "status_code": self.status,
            "status_message": self.status_message,
            "prompts": self._under(_PROMPTS),
            "completions": self._under(_COMPLETIONS),
            **{name: self.attributes.get(key, "") for key, name in _ENTITY.items()},
        }

    @property
    def total_tokens(self) -> int:
        """Tokens of the model's call, whatever their names."""
        for prefix in ("llm.usage.", "gen_ai.usage."):
            counts = [self.attributes.get(f"{prefix}{kind}", "") for kind in ("input_tokens", "output_tokens")]
            if all(count.isdigit() for count in counts):
                return sum(map(int, counts))
        return 0

    @property
    def workflow(self) -> str:
        """The workflow's name, empty if there is none."""
        return self.attributes.get("traceloop.workflow.name", "")

    def _under(self, prefixes: tuple[str, ...]) -> dict[str, str]:
        return {key: value for key, value in self.attributes.items() if key.startswith(prefixes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What is the same for all rows of one delivery."""

    environment: str
    naming: Naming
    visible_at: Instant
    listed_at: Instant


def rows_of(request: ExportTraceServiceRequest, reception: Reception) -> Iterator[Row]:
    """Turn a delivery into rows."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _row(resource_spans.resource, scope_spans, span, reception)


def _row(resource: Resource, scope: ScopeSpans, span: Span, reception: Reception) -> Row:
    labels = _texts(resource.attributes)
    attributes = _texts(span.attributes)
    if reception.naming is Naming.LLM:
        attributes = {renamed(key): value for key, value in attributes.items()}
    start = span.start_time_unix_nano // 1_000_000
    return Row(
        environment=reception.environment,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        trace_state=span.trace_state,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind) if span.kind in Span.SpanKind.values() else "SPAN_KIND_UNSPECIFIED",
        service_name=labels.get("service.name", "unknown_service"),
        resource=labels,
        scope=(scope.scope.name, scope.scope.version),
        attributes=attributes,
        events=tuple(event.name for event in span.events),
        timestamp=start,
        duration=max(0, span.end_time_unix_nano // 1_000_000 - start),
        status=_status(span.status),
        status_message=span.status.message,
        visible_at=reception.visible_at,
        listed_at=reception.listed_at,
    )


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {pair.key: as_text(pair.value) for pair in attributes}


def _status(status: Status) -> str:
    known = status.code in Status.StatusCode.values()
    return Status.StatusCode.Name(status.code) if known else "STATUS_CODE_UNSET"


def renamed(key: str) -> str:
    """What Traceloop calls an attribute that was sent as `gen_ai.*`."""
    for old, new in _RENAMED:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
