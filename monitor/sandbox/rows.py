"""A span as Traceloop keeps and returns it; the shapes are those of recorded answers of its API.

https://github.com/traceloop/opentelemetry-mcp-server (`tests/integration/cassettes`) and
https://www.traceloop.com/docs/api-reference/warehouse/get_spans.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from monitor.core.model import Instant
from monitor.sandbox.otlp import plain_value
from monitor.sandbox.variants import Variant

_RENAMED = (
    ("gen_ai.system", "llm.vendor"),
    ("gen_ai.prompt.", "llm.prompts."),
    ("gen_ai.completion.", "llm.completions."),
    ("gen_ai.", "llm."),
)
_PROMPTS = ("llm.prompts.", "gen_ai.prompt.")
_COMPLETIONS = ("llm.completions.", "gen_ai.completion.")
_ENTITY = {"traceloop.entity.input": "input", "traceloop.entity.output": "output"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One span as stored; `visible_at` is when the per-trace route shows it, `listed_at` when the warehouse does."""

    environment: str
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str = ""
    name: str
    kind: str
    service_name: str
    resource: Mapping[str, str]
    scope: tuple[str, str]
    attributes: Mapping[str, str]
    events: tuple[str, ...] = ()
    timestamp: int
    duration: int
    status: str
    status_message: str
    visible_at: Instant
    listed_at: Instant

    def of_trace(self) -> dict[str, object]:
        """The shape of the per-trace route: no service name, no status, prompts left among the attributes."""
        return {
            **self._ids(),
            "span_attributes": dict(self.attributes),
            "events_name": list(self.events),
            "events_attributes": [{} for _ in self.events],
            "prompts": None,
            "completions": None,
            "input": "",
            "output": "",
            **({"cost_micro_usd": self.total_tokens} if self.total_tokens else {}),  # a millionth of a dollar a token
        }

    def of_list(self) -> dict[str, object]:
        """The shape of the warehouse: prompts, completions, input and output moved out."""
        prompts, completions = (
            {key: value for key, value in self.attributes.items() if key.startswith(prefixes)}
            for prefixes in (_PROMPTS, _COMPLETIONS)
        )
        moved = {*prompts, *completions, *_ENTITY}
        return {
            **self._ids(),
            "trace_state": self.trace_state,
            "service_name": self.service_name,
            "resource_attributes": dict(self.resource),
            "scope_name": self.scope[0],
            "scope_version": self.scope[1],
            "span_attributes": {key: value for key, value in self.attributes.items() if key not in moved},
            "status_code": self.status,
            "status_message": self.status_message,
            "prompts": prompts,
            "completions": completions,
            **{name: self.attributes.get(key, "") for key, name in _ENTITY.items()},
        }

    def _ids(self) -> dict[str, object]:
        return {
            "environment": self.environment,
            "timestamp": self.timestamp,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_span_id": self.parent_id,
            "span_name": self.name,
            "span_kind": self.kind,
            "duration": self.duration,
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


def rows_of(
    request: ExportTraceServiceRequest, variant: Variant, *, environment: str, visible_at: Instant, listed_at: Instant
) -> Iterator[Row]:
    """Turn a delivery into rows."""
    for resource_spans in request.resource_spans:
        labels = {pair.key: as_text(plain_value(pair.value)) for pair in resource_spans.resource.attributes}
        for of_scope in resource_spans.scope_spans:
            for span in of_scope.spans:
                start = span.start_time_unix_nano // 1_000_000
                known_kind, known_status = Span.SpanKind.values(), Status.StatusCode.values()
                yield Row(
                    environment=environment,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    trace_state=span.trace_state,
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind if span.kind in known_kind else Span.SPAN_KIND_UNSPECIFIED),
                    service_name=labels.get("service.name", "unknown_service"),
                    resource=labels,
                    scope=(of_scope.scope.name, of_scope.scope.version),
                    attributes={
                        attribute_name(pair.key, variant): as_text(plain_value(pair.value)) for pair in span.attributes
                    },
                    events=tuple(event.name for event in span.events),
                    timestamp=start,
                    duration=max(0, span.end_time_unix_nano // 1_000_000 - start),
                    status=Status.StatusCode.Name(
                        span.status.code if span.status.code in known_status else Status.STATUS_CODE_UNSET
                    ),
                    status_message=span.status.message,
                    visible_at=visible_at,
                    listed_at=listed_at,
                )


def attribute_name(key: str, variant: Variant) -> str:
    """What Traceloop calls an attribute: most of what was sent as `gen_ai.*` it renames."""
    if variant.naming == "llm":
        for old, new in _RENAMED:
            if key.startswith(old):
                return new + key.removeprefix(old)
    return key


def as_text(value: object) -> str:
    """An attribute's value as Traceloop returns it: always a string, `"237"`, `"1.000000"`, `"false"`."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:f}"
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return _compact({key: as_text(each) for key, each in value.items()})
        case list() | tuple():
            return _compact([as_text(each) for each in value])
        case _:
            return str(value)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
