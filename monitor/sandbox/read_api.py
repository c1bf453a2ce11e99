"""Traceloop's read API: the documented warehouse, and the undocumented route to one trace that Traceloop's own MCP server uses.

https://www.traceloop.com/docs/api-reference/warehouse/get_spans and https://github.com/traceloop/opentelemetry-mcp-server.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.sandbox.operators import TRACELOOP
from monitor.sandbox.other_requests import OtherTraffic
from monitor.sandbox.rows import Row
from monitor.sandbox.traffic import Position, Window
from monitor.sandbox.world import World

_UNBOUNDED = 3_600_000
"""How many milliseconds of other people's rows a search without a beginning looks at."""
_USUAL_ROWS = 50
_MOST_ROWS = 1000
_EXACT: Mapping[str, Callable[[Row], str]] = {"workflow": lambda row: row.workflow, "span_name": lambda row: row.name}
_KNOWN = {*_EXACT, "from_timestamp_sec", "to_timestamp_sec", "filters", "sort_order", "sort_by", "cursor", "limit"}

Parameters = Mapping[str, str]
Wanted = Callable[[Row], bool]
Columns = Mapping[str, Callable[[Row], str]]
COLUMNS: Columns = {
    "span_name": lambda row: row.name,
    "service.name": lambda row: row.service_name,
    "duration": lambda row: str(row.duration),
    "duration_ms": lambda row: str(row.duration),
}
"""What the documentation names; everything else is an attribute."""
WITH_TRACE_ID: Columns = {**COLUMNS, "trace_id": lambda row: row.trace_id}


class BadSearch(ValueError):
    """A search that the API refuses: 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What somebody wants to see, in the warehouse; `since` is None where no beginning was given.

    `after`: where the page begins, in the order asked for: a moment in milliseconds; 0 is the first page.
    """

    environment: str
    wanted: Sequence[Wanted]
    since: int | None
    until: int
    after: int
    descending: bool
    limit: int

    @classmethod
    def read(cls, environment: str, parameters: Parameters, wanted: Sequence[Wanted]) -> "Search":
        """Read a query. Raises BadSearch."""
        order = parameters.get("sort_order", "ASC")
        begins = parameters.get("from_timestamp_sec") not in (None, "")
        limit = _number(parameters, "limit", _USUAL_ROWS)
        if order not in ("ASC", "DESC"):
            raise BadSearch("sort_order must be ASC or DESC")
        if parameters.get("sort_by", "timestamp") != "timestamp":
            raise BadSearch("this sandbox sorts by timestamp only")
        if limit < 1:
            raise BadSearch("limit must be positive")
        return cls(
            environment=environment,
            wanted=[lambda row: row.environment == environment, *wanted],
            since=_number(parameters, "from_timestamp_sec", 0) if begins else None,
            until=_number(parameters, "to_timestamp_sec", 2**40),
            after=_number(parameters, "cursor", 0),
            descending=order == "DESC",
            limit=min(limit, _MOST_ROWS),
        )

    def wants(self, row: Row) -> bool:
        """Whether a row is among what was asked for, on whatever page."""
        within = (self.since or 0) <= row.timestamp / 1000 <= self.until
        return within and all(wants(row) for wants in self.wanted)


class ReadApi:
    """The `/v2/*` routes, each for the environment of the key."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def trace(self, request: Request, environment: str) -> Response:
        """All spans of a trace, which is never one of other people's; `{"spans":null}` for one that is not there."""
        match self._world.variant.trace_route:
            case "401":
                return JSONResponse({"error": "Unauthorized"}, 401)
            case "404":
                return Response("404 page not found", 404, media_type="text/plain")
            case "open":
                pass
        now = self._world.now()
        everywhere = self._world.variant.trace_scope == "project"
        found = [
            row.of_trace()
            for row in self._world.rows
            if row.trace_id == request.path_params["trace_id"]
            and row.visible_at <= now
            and (everywhere or row.environment == environment)
        ]
        return JSONResponse({"spans": found or None})

    async def warehouse(self, request: Request, environment: str) -> Response:
        """Search by query parameters: each that is not known is an attribute to match, in most variants."""
        parameters = dict(request.query_params)
        try:
            search = Search.read(environment, parameters, self._asked(parameters))
        except BadSearch as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"spans": self._page(search)})

    def _asked(self, parameters: Mapping[str, str]) -> list[Wanted]:
        """What the parameters of the warehouse ask for, as far as it listens. Raises BadSearch."""
        how = self._world.variant.filters
        if how == "ignored":
            return []
        unknown = {name: value for name, value in parameters.items() if name not in _KNOWN}
        if how == "refused" and (unknown or parameters.get("filters")):
            raise BadSearch(f"unknown query parameter {next(iter(unknown), 'filters')!r}")
        columns = WITH_TRACE_ID if how == "trace-id" else COLUMNS
        try:
            rules = json.loads(parameters.get("filters") or "[]")
        except ValueError:
            raise BadSearch("filters must be JSON") from None
        wanted = [_wanted(columns, name, "equals", value) for name, value in unknown.items()]
        wanted += _filters(_list(rules), columns)
        if how == "silent" and wanted:
            return [lambda _: False]
        exact = [(column, parameters[name]) for name, column in _EXACT.items() if name in parameters]
        return [lambda row: all(column(row) == value for column, value in exact), *wanted]

    def _found(self, search: Search) -> list[Row]:
        """What a search finds of that which was really sent."""
        now = self._world.now()
        return [row for row in self._world.rows if row.listed_at <= now and search.wants(row)]

    def _page(self, search: Search) -> dict[str, object]:
        """One page. The cursor is the last row's timestamp in milliseconds, and never empty: `-1` after the last page."""
        descending = search.descending
        after = 0 if self._world.faults.does("ignore_cursor") else search.after
        rows = self._found(search)
        ordered = sorted(rows, key=lambda row: (row.timestamp, row.span_id), reverse=descending)
        ours: Iterator[tuple[Row, Position | None]] = (
            (row, None)
            for row in ordered
            if after <= 0 or (row.timestamp < after if descending else row.timestamp > after)
        )

        others = OtherTraffic(self._world)
        stream = others.rows_matching(search.wanted)
        until = min(search.until * 1000, others.latest_listed())
        since = until - _UNBOUNDED if search.since is None else search.since * 1000
        left = (since, until)
        if after > 0:
            left = (since, min(until, after - 1)) if descending else (max(since, after + 1), until)

        theirs = stream.walks(_everywhere(*left), descending=descending)
        found = merge(ours, *theirs, key=lambda pair: pair[0].timestamp, reverse=descending)
        first = islice(found, search.limit)
        page = others.as_it_comes([row if place is None else others.whole_row(row, place) for row, place in first])
        return {
            "data": [row.of_list() for row in page],
            "page_size": len(page),
            "total_results": len(rows) + stream.count(_everywhere(since, until)),
            "next_cursor": str(page[-1].timestamp) if page else "-1",
        }


def _everywhere(since: int, until: int) -> Window:
    """The same window for every span of a request."""
    return lambda _: (since, until)


def _number(parameters: Parameters, name: str, default: int) -> int:
    value = parameters.get(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise BadSearch(f"{name} must be an integer") from None


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadSearch("an array is required")
    return value


def _filters(rules: Sequence[object], columns: Columns) -> list[Wanted]:
    """Filters as objects, whose field is called `id`. Raises BadSearch."""
    found: list[Wanted] = []
    for rule in rules:
        if not isinstance(rule, Mapping) or not isinstance(rule.get("id"), str):
            raise BadSearch("each filter needs id, operator and value")
        found.append(_wanted(columns, str(rule["id"]), str(rule.get("operator")), rule.get("value")))
    return found


def _wanted(columns: Columns, field: str, operator: str, value: object) -> Wanted:
    decide = TRACELOOP.get(operator)
    if decide is None:
        raise BadSearch(f"operator must be one of {', '.join(TRACELOOP)}")
    column, attribute = columns.get(field), field.removeprefix("span_attributes.")
    return lambda row: decide(column(row) if column else row.attributes.get(attribute), value)
