"""TrueFoundry's own trace store: `POST /api/svc/v1/spans/query`, as strict as its SDK's types.

https://github.com/truefoundry/truefoundry-python-sdk (`traces/raw_client.py`, `types/span_field_filter.py` and others).
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from itertools import islice

from monitor.core.model import Instant
from monitor.sandbox.credentials import TENANT
from monitor.sandbox.operators import OWN_STORE, Operator, is_in
from monitor.sandbox.other_requests import OtherTraffic
from monitor.sandbox.spans import METADATA, SERVICE, Attribute, GatewaySpan, iso
from monitor.sandbox.traffic import Position

_PROJECT = f"{TENANT}:tracing-project:tfy-default"
_LISTS = {
    "traceIds": "traceId",
    "spanIds": "spanId",
    "parentSpanIds": "parentSpanId",
    "createdBySubjectTypes": "createdBySubjectType",
    "createdBySubjectSlugs": "createdBySubjectSlug",
    "applicationNames": "applicationName",
}
_KEYS = {
    *_LISTS,
    "startTime",
    "endTime",
    "limit",
    "sortDirection",
    "pageToken",
    "tracingProjectFqn",
    "dataRoutingDestination",
    "filters",
    "includeFeedbacks",
}
_MOST_ROWS = 1000
_USUAL_ROWS = 200

Query = Mapping[str, object]
Lookup = Callable[[GatewaySpan], object]
Select = Callable[[GatewaySpan], bool]


class BadQuery(ValueError):
    """A query that the store refuses: 400."""


_FIELDS: Mapping[str, Lookup] = {
    "spanName": lambda span: span.name,
    "spanId": lambda span: span.span_id,
    "traceId": lambda span: span.trace_id,
    "parentSpanId": lambda span: span.parent_id,
    "applicationName": lambda _: SERVICE,
    "createdBySubjectSlug": lambda span: span.subject.slug,
    "createdBySubjectType": lambda span: span.subject.kind,
    "durationInNs": lambda span: span.end - span.start,
    "durationInMs": lambda span: (span.end - span.start) / 1e6,
    "spanStatusCode": lambda span: "Error" if span.error else "Ok",
    "tag": lambda _: None,
    "scopeName": lambda _: SERVICE,
    "environment": lambda _: None,
    "feedbacks": lambda _: None,
}


def query_spans(spans: Iterable[GatewaySpan], query: Query, *, now: Instant, others: OtherTraffic) -> dict[str, object]:
    """Answer a query over the spans that the caller may see; `others` are those of traffic. Raises BadQuery."""
    unknown = sorted(set(query) - _KEYS)
    if unknown:
        raise BadQuery(f"property {unknown[0]} should not exist")
    start = _moment(query.get("startTime"), "startTime")
    end = now if query.get("endTime") is None else _moment(query["endTime"], "endTime")
    selects = [_by_destination(query), *_by_lists(query), *_by_filters(query)]
    direction = query.get("sortDirection", "desc")
    if direction not in ("asc", "desc"):  # of JSON it may be anything, hashable or not
        raise BadQuery("sortDirection must be one of asc, desc")
    descending = direction == "desc"
    limit, offset = _limit(query), _offset(query)

    found = [span for span in spans if start <= span.start / 1e9 <= end and all(select(span) for select in selects)]
    found.sort(key=_rank, reverse=descending)
    theirs = others.spans_matching(selects).walks(others.kept_between(start, end), descending=descending)
    ours: Iterator[tuple[GatewaySpan, Position | None]] = ((span, None) for span in found)
    ordered = merge(ours, *theirs, key=lambda pair: _rank(pair[0]), reverse=descending)
    shown = list(islice(ordered, offset, offset + limit + 1))
    page = [span if place is None else others.whole_span(span, place) for span, place in shown[:limit]]
    token = base64.b64encode(f"offset:{offset + limit}".encode()).decode()
    return {
        "data": [_as_json(span) for span in page],
        "pagination": {"limit": limit, **({"nextPageToken": token} if len(shown) > limit else {})},
    }


def _rank(span: GatewaySpan) -> tuple[int, str]:
    return span.start, span.span_id


def _moment(value: object, name: str) -> Instant:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadQuery(f"{name} must be a valid ISO 8601 date string")
    return moment.timestamp()


def _limit(query: Query) -> int:
    limit = query.get("limit", _USUAL_ROWS)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _MOST_ROWS:
        raise BadQuery(f"limit must be an integer between 1 and {_MOST_ROWS}")
    return limit


def _offset(query: Query) -> int:
    token = query.get("pageToken")
    if token is None:
        return 0
    try:
        word, _, number = base64.b64decode(str(token), validate=True).decode().partition(":")
        if word == "offset":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise BadQuery("pageToken is invalid")


# --- what is wanted


def _by_destination(query: Query) -> Select:
    project, destination = query.get("tracingProjectFqn"), query.get("dataRoutingDestination")
    if (project is None) == (destination is None):
        raise BadQuery("exactly one of tracingProjectFqn and dataRoutingDestination is required")
    wanted = "default" if project == _PROJECT else destination
    return lambda span: span.destination == wanted


def _by_lists(query: Query) -> Iterator[Select]:
    for name, field in _LISTS.items():
        values = query.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise BadQuery(f"each value in {name} must be a string")
        yield _select(_FIELDS[field], is_in, values)


def _by_filters(query: Query) -> Iterator[Select]:
    filters = query.get("filters")
    if filters is None:
        return
    if not isinstance(filters, list):
        raise BadQuery("filters must be an array")
    for number, rule in enumerate(filters):
        where = f"filters.{number}"
        if not isinstance(rule, Mapping):
            raise BadQuery(f"{where} must be an object")
        named = [key for key in ("spanFieldName", "spanAttributeKey", "gatewayRequestMetadataKey") if key in rule]
        if len(named) != 1:
            raise BadQuery(
                f"{where} must name exactly one of spanFieldName, spanAttributeKey, gatewayRequestMetadataKey"
            )
        operator = OWN_STORE.get(str(rule.get("operator")))
        if operator is None:
            raise BadQuery(f"{where}.operator must be one of {', '.join(OWN_STORE)}")
        yield _select(_lookup(named[0], str(rule[named[0]]), where), operator, rule.get("value"))


def _select(lookup: Lookup, operator: Operator, wanted: object) -> Select:
    return lambda span: operator(lookup(span), wanted)


def _lookup(kind: str, key: str, where: str) -> Lookup:
    if kind == "spanFieldName":
        if key not in _FIELDS:
            raise BadQuery(f"{where}.spanFieldName must be one of {', '.join(_FIELDS)}")
        return _FIELDS[key]
    if kind == "spanAttributeKey":
        return lambda span: _kept(span.attributes).get(key)
    return lambda span: _tags(span).get(key)


def _tags(span: GatewaySpan) -> Mapping[str, str]:
    tags = span.attributes.get(METADATA)
    return tags if isinstance(tags, Mapping) else {}


# --- what is shown


def _kept(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """What the own store keeps of a span's attributes: gen_ai.* is stripped before it gets there."""
    return {key: value for key, value in attributes.items() if not key.startswith("gen_ai.")}


def _as_json(span: GatewaySpan) -> dict[str, object]:
    return {
        "spanId": span.span_id,
        "traceId": span.trace_id,
        "parentSpanId": span.parent_id,
        "serviceName": SERVICE,
        "spanName": span.name,
        "spanKind": span.kind,
        "scopeName": SERVICE,
        "scopeVersion": "",
        "timestamp": iso(span.start / 1e9),
        "durationNs": span.end - span.start,
        "statusCode": "Error" if span.error else "Ok",
        "statusMessage": span.error,
        "spanAttributes": _kept(span.attributes),
        "events": [],
        "createdBySubject": span.subject.as_json(),
        "feedbacks": [],
    }
