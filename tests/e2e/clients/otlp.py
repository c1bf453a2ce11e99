# mypy: disable-error-code="import-not-found,import-untyped"
"""The OpenTelemetry SDK exports one span, plain and compressed. Argument: JSON with endpoint, key."""

import json
import sys

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

given = json.loads(sys.argv[1])


class Remembering(SpanExporter):  # type: ignore[misc]  # the SDK is not installed where types are checked
    """Hands spans on and keeps what came of it: the SDK itself only logs it."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self.exporter = exporter
        self.results: list[str] = []

    def export(self, spans: object) -> SpanExportResult:
        """Export."""
        result = self.exporter.export(spans)
        self.results.append(result.name)
        return result


def export(key: str, compression: Compression) -> dict[str, object]:
    """One span with one key; its trace id and what the exporter thought."""
    exporter = Remembering(
        OTLPSpanExporter(
            endpoint=given["endpoint"], headers={"Authorization": f"Bearer {key}"}, compression=compression, timeout=5
        )
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "e2e-otlp"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("e2e").start_as_current_span("one span") as span:
        trace_id = format(span.get_span_context().trace_id, "032x")
    provider.shutdown()
    return {"trace_id": trace_id, "results": exporter.results}


print(
    json.dumps(
        {
            "plain": export(given["key"], Compression.NoCompression),
            "gzip": export(given["key"], Compression.Gzip),
            "wrong_key": export("tl_nobody", Compression.NoCompression),
        }
    )
)
