"""Traceloop: its read API, and the OTLP endpoint that the exporter is meant to post to.

Documented: https://www.traceloop.com/docs/api-reference/warehouse/get_spans. The quick per-trace route is the one of Traceloop's
own MCP server, https://github.com/traceloop/opentelemetry-mcp-server, where answers are recorded too.
"""

from monitor.traceloop.ingest import OtlpIngest, count_rejected
from monitor.traceloop.read import TraceloopReader
from monitor.traceloop.shapes import ReadShape, describe_acceptance, describe_read

__all__ = ["OtlpIngest", "ReadShape", "TraceloopReader", "count_rejected", "describe_acceptance", "describe_read"]
