"""In which shape Phoenix answers: what is dropped when answers become facts. Nothing is judged, and of the values nothing is kept."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from monitor.core.model import TraceId
from monitor.core.trace import Route
from monitor.http import Exchange
from monitor.otlp import PREFIXES, ReadShape, describe_metadata
from monitor.ports import Garbled

_OK = 200


def describe_read(exchange: Exchange, ours: frozenset[TraceId]) -> ReadShape | None:
    """The shape of a read; of the traces only those of `ours` are looked at. None: it was no read, or had no answer."""
    url = urlsplit(exchange.request.url)
    if exchange.answer is None or not (url.path.endswith("/spans") and "/v1/projects/" in url.path):
        return None
    query = parse_qs(url.query)
    try:
        body = exchange.answer.json() if exchange.answer.status == _OK else None
    except Garbled:
        body = None
    data = body.get("data") if isinstance(body, Mapping) else None
    rows = [row for row in data if isinstance(row, Mapping)] if isinstance(data, list) else []
    of_trace = [(row, context.get("trace_id")) for row in rows if isinstance(context := row.get("context"), Mapping)]
    mine = [(row, trace) for row, trace in of_trace if trace in ours]
    attributes = [found for row, _ in mine if isinstance(found := row.get("attributes"), Mapping)]
    names = {str(name) for each in attributes for name in each}
    asked = query.get("trace_id", [None])[0]
    narrowed = {"attribute", "name"} & query.keys()
    return ReadShape(
        route=Route.WAREHOUSE,
        understood=isinstance(data, list) and not (narrowed and not mine),
        asked=TraceId(asked) if asked else None,
        traces=frozenset(TraceId(str(trace)) for _, trace in mine),
        prefixes=frozenset(prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in names)),
        metadata=next((form for each in attributes if (form := describe_metadata(each))), None),
    )
