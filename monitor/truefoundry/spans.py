"""TrueFoundry's own trace store: `POST /api/svc/v1/spans/query`.

https://github.com/truefoundry/truefoundry-python-sdk, traces/raw_client.py. Exactly one of `tracingProjectFqn` and
`dataRoutingDestination` must be given, else 400; traffic may be routed to another destination than `default`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.core.model import Instant, TraceId
from monitor.core.trace import SpanFact
from monitor.ports import Garbled
from monitor.redaction import clamp

_PAGE = 100


def span_query(trace_id: TraceId, *, since: Instant, destination: str, page_token: str | None) -> dict[str, Any]:
    """The query for one trace; `startTime` in ISO 8601 with milliseconds and Z."""
    start = datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    query: dict[str, Any] = {
        "startTime": start,
        "traceIds": [trace_id],
        "dataRoutingDestination": destination,
        "limit": _PAGE,
        "sortDirection": "asc",
    }
    return query if page_token is None else {**query, "pageToken": page_token}


def read_spans(body: object, trace_id: TraceId) -> tuple[list[SpanFact], str | None]:
    """The spans of one page, and the token of the next. Raises Garbled."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(data, list):
        raise Garbled("the answer of TrueFoundry's trace store has no list of spans")
    spans = [
        SpanFact(
            trace_id=trace_id,
            span_id=str(row["spanId"]).lower(),
            parent_id=str(row.get("parentSpanId") or "").lower(),
            name=clamp(str(row.get("spanName") or ""), 200),
            service_name=row.get("serviceName") if isinstance(row.get("serviceName"), str) else None,
        )
        for row in data
        if isinstance(row, Mapping) and row.get("spanId") and str(row.get("traceId") or "").lower() == trace_id
    ]
    pagination = body.get("pagination")
    token = pagination.get("nextPageToken") if isinstance(pagination, Mapping) else None
    return spans, str(token) if token else None
