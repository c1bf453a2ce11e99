"""TrueFoundry's own trace store: `POST /api/svc/v1/spans/query`, as strict as its SDK's types.

https://github.com/truefoundry/truefoundry-python-sdk (`traces/raw_client.py`, `types/span_field_filter.py` and others).
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice

from monitor.core.model import Instant
from monitor.sandbox.credentials import TENANT
from monitor.sandbox.traffic import Spot
from monitor.sandbox.truefoundry.crowd import OwnCrowd
from monitor.sandbox.truefoundry.operators import OPERATORS
from monitor.sandbox.truefoundry.spans import METADATA, SERVICE, Attribute, GatewaySpan
from monitor.sandbox.truefoundry.stamps import iso_of_ns

_PROJECT = f"{TENANT}:tracing-project:tfy-default"
_KEYS = frozenset(
    {
        "startTime",
        "endTime",
        "traceIds",
        "spanIds",
        "parentSpanIds",
        "createdBySubjectTypes",
        "createdBySubjectSlugs",
        "applicationNames",
        "limit",
        "sortDirection",
        "pageToken",
        "tracingProjectFqn",
        "dataRoutingDestination",
        "filters",
        "includeFeedbacks",
    }
)
_MOST_ROWS = 1000
_USUAL_ROWS = 200


class BadQuery(ValueError):
    """A query that the store refuses: 400."""


Lookup = Callable[[GatewaySpan], object]

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
    "spanStatusCode": lambda span: "Ok" if span.ok else "Error",
    "tag": lambda _: None,
    "scopeName": lambda _: SERVICE,
    "environment": lambda _: None,
    "feedbacks": lambda _: None,
}


def query_spans(
    spans: Sequence[GatewaySpan], query: Mapping[str, object], *, now: Instant, crowd: OwnCrowd
) -> dict[str, object]:
    """Answer a query over the spans that the caller may see; `crowd` are those of traffic. Raises BadQuery."""
    unknown = sorted(set(query) - _KEYS)
    if unknown:
        raise BadQuery(f"property {unknown[0]} should not exist")
    start, end = _window(query, now)
    selects = [_place(query), *_lists(query), *_filters(query)]
    found = [span for span in spans if start <= span.start / 1e9 <= end and all(select(span) for select in selects)]
    descending = _descending(query)
    limit, offset = _limit(query), _offset(query)
    found.sort(key=_rank, reverse=descending)
    walks: list[Iterable[Ranked]] = [((_rank(span), span) for span in found)]
    others = crowd.matching(selects, str(query)).walks(crowd.reach(start, end), descending=descending)
    walks += (_ranked(crowd, walk) for _, walk in others)
    ordered = merge(*walks, key=lambda ranked: ranked[0], reverse=descending)
    shown = [each for _, each in islice(ordered, offset, offset + limit + 1)]
    more = len(shown) > limit
    page = [crowd.whole(each) if isinstance(each, Spot) else each for each in shown[:limit]]
    return {
        "data": [_as_json(span) for span in page],
        "pagination": {"limit": limit, **({"nextPageToken": _token(offset + limit)} if more else {})},
    }


Ranked = tuple[tuple[int, str], GatewaySpan | Spot]
"""What is sorted by, and what is sorted: a span, or one that is not made yet."""


def _rank(span: GatewaySpan) -> tuple[int, str]:
    return span.start, span.span_id


def _ranked(crowd: OwnCrowd, walk: Iterable[Spot]) -> Iterator[Ranked]:
    return ((crowd.rank(spot), spot) for spot in walk)


Select = Callable[[GatewaySpan], bool]


def _window(query: Mapping[str, object], now: Instant) -> tuple[Instant, Instant]:
    start = _moment(query.get("startTime"), "startTime")
    end = now if query.get("endTime") is None else _moment(query["endTime"], "endTime")
    return start, end


def _moment(value: object, name: str) -> Instant:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadQuery(f"{name} must be a valid ISO 8601 date string") from None
    if moment.tzinfo is None:
        raise BadQuery(f"{name} must be a valid ISO 8601 date string")
    return moment.timestamp()


def _place(query: Mapping[str, object]) -> Select:
    project, destination = query.get("tracingProjectFqn"), query.get("dataRoutingDestination")
    if (project is None) == (destination is None):
        raise BadQuery("exactly one of tracingProjectFqn and dataRoutingDestination is required")
    wanted = "default" if project == _PROJECT else destination
    return lambda span: span.destination == wanted


def _lists(query: Mapping[str, object]) -> list[Select]:
    lookups: Mapping[str, str] = {
        "traceIds": "traceId",
        "spanIds": "spanId",
        "parentSpanIds": "parentSpanId",
        "createdBySubjectTypes": "createdBySubjectType",
        "createdBySubjectSlugs": "createdBySubjectSlug",
        "applicationNames": "applicationName",
    }
    return [
        _among(_FIELDS[field], _texts(query[name], name))
        for name, field in lookups.items()
        if query.get(name) is not None
    ]


def _among(lookup: Lookup, values: Sequence[str]) -> Select:
    return lambda span: lookup(span) in values


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadQuery(f"each value in {name} must be a string")
    return value


def _descending(query: Mapping[str, object]) -> bool:
    direction = query.get("sortDirection", "desc")
    if direction not in {"asc", "desc"}:
        raise BadQuery("sortDirection must be one of asc, desc")
    return direction == "desc"


def _limit(query: Mapping[str, object]) -> int:
    limit = query.get("limit", _USUAL_ROWS)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _MOST_ROWS:
        raise BadQuery(f"limit must be an integer between 1 and {_MOST_ROWS}")
    return limit


def _token(offset: int) -> str:
    return base64.b64encode(f"offset:{offset}".encode()).decode()


def _offset(query: Mapping[str, object]) -> int:
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


def _filters(query: Mapping[str, object]) -> list[Select]:
    filters = query.get("filters")
    if filters is None:
        return []
    if not isinstance(filters, list):
        raise BadQuery("filters must be an array")
    return [_filter(each, f"filters.{number}") for number, each in enumerate(filters)]


def _filter(rule: object, where: str) -> Select:
    if not isinstance(rule, Mapping):
        raise BadQuery(f"{where} must be an object")
    named = [key for key in ("spanFieldName", "spanAttributeKey", "gatewayRequestMetadataKey") if key in rule]
    if len(named) != 1:
        raise BadQuery(f"{where} must name exactly one of spanFieldName, spanAttributeKey, gatewayRequestMetadataKey")
    operator = OPERATORS.get(str(rule.get("operator")))
    if operator is None:
        raise BadQuery(f"{where}.operator must be one of {', '.join(OPERATORS)}")
    lookup = _lookup(named[0], str(rule[named[0]]), where)
    wanted = rule.get("value")
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
        "timestamp": iso_of_ns(span.start),
        "durationNs": span.end - span.start,
        "statusCode": "Ok" if span.ok else "Error",
        "statusMessage": span.error,
        "spanAttributes": _kept(span.attributes),
        "events": [],
        "createdBySubject": span.subject.as_json(),
        "feedbacks": [],
    }
