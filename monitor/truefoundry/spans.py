"""TrueFoundry's own trace store: `POST /api/svc/v1/spans/query`.

https://github.com/truefoundry/truefoundry-python-sdk, traces/raw_client.py. Exactly one of `tracingProjectFqn` and
`dataRoutingDestination` must be given, else 400; traffic may be routed to another destination than `default`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.core.canary import NONCE_ENTRY
from monitor.core.gateway_policies import Caller
from monitor.core.model import Instant, Seconds, TraceId
from monitor.core.trace import SpanFact
from monitor.ports import Garbled
from monitor.redaction import clamp

_PAGE = 100
_MOST_TEAMS = 100
_ACCOUNTS = ("virtualaccount", "serviceaccount")  # the newer and the older name of the same
_SKEW: Seconds = 300.0  # between our clock, the gateway's and the store's
_DAY: Seconds = 86_400.0
_UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def span_query(
    trace_id: TraceId | None, nonce: str | None, *, since: Instant, destination: str, page_token: str | None
) -> dict[str, Any]:
    """The query for one trace, by its id or else by a canary's nonce; `startTime` in ISO 8601 with milliseconds and Z."""
    start = datetime.fromtimestamp(_begin(trace_id, since) if trace_id is not None else since - _SKEW, UTC)
    by_nonce = [{"gatewayRequestMetadataKey": NONCE_ENTRY, "operator": "EQUAL", "value": nonce}]
    query: dict[str, Any] = {
        "startTime": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **({"traceIds": [trace_id]} if trace_id is not None else {"filters": by_nonce}),
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


def read_spans(body: object, trace_id: TraceId | None) -> tuple[list[SpanFact], str | None]:
    """The spans of one page, and the token of the next. Raises Garbled where absence could be read into what is not understood."""
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(data, list):
        raise Garbled("the answer of TrueFoundry's trace store has no list of spans")
    spans = [_read_row(row) for row in data]
    mine = [span for span in spans if span.trace_id == trace_id] if trace_id is not None else spans
    if len({span.trace_id for span in mine}) > 1:
        raise Garbled("TrueFoundry's trace store answers with several traces where one was asked for")
    if spans and not mine:
        raise Garbled("TrueFoundry's trace store answers with other traces than the one it was asked for")
    pagination = body.get("pagination")
    if pagination is not None and not isinstance(pagination, Mapping):
        raise Garbled("whether TrueFoundry's trace store has another page is not understood")
    token = (pagination or {}).get("nextPageToken")
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
        caller=_caller(row),
    )


def _caller(row: Mapping[str, Any]) -> Caller | None:
    """Whose request a span belongs to, in the forms in which a rule may name that account."""
    subject = row.get("createdBySubject")
    kind, slug = (
        (subject.get("subjectType"), subject.get("subjectSlug")) if isinstance(subject, Mapping) else (None, None)
    )
    if not isinstance(kind, str) or not isinstance(slug, str) or not slug:
        return None
    kinds = _ACCOUNTS if kind in _ACCOUNTS else (kind,)
    names = (slug, *(f"{each}:{slug}" for each in kinds))
    return Caller(names=tuple(clamp(name, 100) for name in names), teams=_teams(row))


def _teams(row: Mapping[str, Any]) -> tuple[str, ...] | None:
    attributes = row.get("spanAttributes")
    teams = attributes.get("tfy.request.created_by_subject_teams") if isinstance(attributes, Mapping) else None
    if not isinstance(teams, list) or len(teams) > _MOST_TEAMS or not all(isinstance(team, str) for team in teams):
        return None
    return tuple(clamp(team, 100) for team in teams)
