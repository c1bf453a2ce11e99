"""Traceloop's read API.

Documented: https://www.traceloop.com/docs/api-reference/warehouse/get_spans. The quick per-trace route is the one of Traceloop's
own MCP server, https://github.com/traceloop/opentelemetry-mcp-server, where answers are recorded too.
"""

from monitor.traceloop.read import TraceloopReader, describe_read

__all__ = ["TraceloopReader", "describe_read"]
