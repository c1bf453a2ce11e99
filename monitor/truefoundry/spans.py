"""TrueFoundry's own trace store: `POST /api/svc/v1/spans/query`.

https://github.com/truefoundry/truefoundry-python-sdk, traces/raw_client.py. Exactly one of `tracingProjectFqn` and
`dataRoutingDestination` must be given, else 400; traffic may be routed to another destination than `default`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.trace import SpanFact
from monitor.ports import Garbled
from monitor.redaction import clamp

_PAGE = 100
_SKEW: Seconds = 300.0  # between our clock, the gateway's and the store's
_DAY: Seconds = 86_400.0
_UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def span_query(trace_id: TraceId, *, since: Instant, destination: str, page_token: str | None) -> dict[str, Any]:
    """The query for one trace; `startTime` in ISO 8601 with milliseconds and Z."""
    start = datetime.fromtimestamp(_begin(trace_id, since), UTC)
    query: dict[str, Any] = {
        "startTime": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "traceIds": [trace_id],
        "dataRoutingDestination": destination,
        "limit": _PAGE,
        "sortDirection": "asc",
    }
    return query if page_token is None else {**query, "pageToken": page_token}


def _begin(trace_id: TraceId, since: Instant) -> Instant:
    """Where to search from: some minutes before `since`, and before the moment that the gateway wrote into its own id.

    The gateway's ids are UUIDv7 without dashes, which begin with milliseconds (https://www.rfc-editor.org/rfc/rfc9562#section-5.7).
    """
    made = int(trace_id[:12], 16) / 1000 if _UUID7.fullmatch(trace_id) else since
    return min(since, max(made, since - _DAY)) - _SKEW


def read_spans(body: object, trace_id: TraceId) -> tuple[list[SpanFact], str | None]:
    """The spans of one page, and the token of the next. Raises Garbled where absence could be read into what is not understood."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(data, list):
        raise Garbled("the answer of TrueFoundry's trace store has no list of spans")
    spans = [_read_row(row) for row in data]
    mine = [span for span in spans if span.trace_id == trace_id]
    if spans and not mine:
        raise Garbled("TrueFoundry's trace store answers with other traces than the one it was asked for")
    pagination = body.get("pagination")
    token = pagination.get("nextPageToken") if isinstance(pagination, Mapping) else None
    return mine, str(token) if token else None


def _read_row(row: object) -> SpanFact:
    if not isinstance(row, Mapping) or not row.get("spanId") or not row.get("traceId"):
        raise Garbled("a row of TrueFoundry's trace store has no ids")
    return SpanFact(
        trace_id=TraceId(str(row["traceId"]).replace("-", "").lower()),
        span_id=str(row["spanId"]).lower(),
        parent_id=str(row.get("parentSpanId") or "").lower(),
        name=clamp(str(row.get("spanName") or ""), 200),
        service_name=row.get("serviceName") if isinstance(row.get("serviceName"), str) else None,
    )
