# mypy: disable-error-code="import-not-found"
"""Traceloop's own MCP server (opentelemetry-mcp) looks for traces. Argument: JSON with url, key, trace_id."""

import asyncio
import json
import sys
from typing import Any

from opentelemetry_mcp.backends.traceloop import TraceloopBackend
from opentelemetry_mcp.models import TraceData


async def patiently(backend: TraceloopBackend, trace_id: str) -> TraceData:
    """A trace that was just sent: what is accepted is not yet indexed."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await backend.get_trace(trace_id)
            except ValueError:
                await asyncio.sleep(0.2)


async def look(given: dict[str, str]) -> dict[str, Any]:
    """By id; and for a trace that is not there."""
    backend = TraceloopBackend(given["url"], given["key"])
    trace = await patiently(backend, given["trace_id"])
    try:
        await backend.get_trace("0" * 31 + "1")
        absent = "found"
    except ValueError as error:
        absent = str(error)
    await backend.close()
    return {
        "trace_id": trace.trace_id,
        "names": [span.operation_name for span in trace.spans],
        "absent": absent,
    }


print(json.dumps(asyncio.run(look(json.loads(sys.argv[1])))))
