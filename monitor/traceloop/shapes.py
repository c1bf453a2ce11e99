"""In which shape Traceloop answers, where the public record leaves it open: what is dropped when answers become facts.

Nothing here is judged, and of the values nothing is kept.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from monitor.core.model import TraceId
from monitor.core.trace import Route
from monitor.http import Answer, Exchange
from monitor.otlp import CANARY_NONCE, MARKER, PREFIXES, ReadShape, describe_metadata
from monitor.ports import Garbled

_TRACE = re.compile(r".*/v2/projects/default/traces/([^/]+)/spans")
_WAREHOUSE = re.compile(r".*/v2/warehouse/spans")
_FILTERS = frozenset({"filters", "span_name", CANARY_NONCE})
_OK = 200


def describe_read(exchange: Exchange, ours: frozenset[TraceId]) -> ReadShape | None:
    """The shape of a read; of the traces only those of `ours` are looked at. None: it was no read, or had no answer."""
    url = urlsplit(exchange.request.url)
    query = parse_qs(url.query)
    quick = _TRACE.fullmatch(url.path)
    if exchange.answer is None or (quick is None and not _WAREHOUSE.fullmatch(url.path)):
        return None
    asked = quick[1] if quick is not None else query.get(MARKER, [None])[0]
    every = _rows(exchange.answer, quick=quick is not None)
    rows = [row for row in every or () if row.get("trace_id") in ours]
    if not rows and _FILTERS & query.keys():
        every = None  # whether such a filter is honoured is not known, so its silence says nothing
    attributes = [found for row in rows if isinstance(found := row.get("span_attributes"), Mapping)]
    names = {str(name) for each in attributes for name in each}
    return ReadShape(
        route=Route.TRACE if quick is not None else Route.WAREHOUSE,
        understood=every is not None,
        asked=TraceId(asked) if asked else None,
        traces=frozenset(TraceId(str(row["trace_id"])) for row in rows),
        prefixes=frozenset(prefix for prefix in PREFIXES if any(name.startswith(prefix) for name in names)),
        metadata=next((form for each in attributes if (form := describe_metadata(each))), None),
    )


def _rows(answer: Answer, *, quick: bool) -> list[Mapping[str, Any]] | None:
    """The rows of a read; None where it cannot be told whether there are any."""
    try:
        body = answer.json()
    except Garbled:
        return None
    if answer.status != _OK or not isinstance(body, Mapping) or "spans" not in body:
        return None
    spans = body["spans"]
    if not quick:
        spans = spans.get("data", "none") if isinstance(spans, Mapping) else "none"
    if spans is None:
        return []
    return [row for row in spans if isinstance(row, Mapping)] if isinstance(spans, list) else None
