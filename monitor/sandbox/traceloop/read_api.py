"""Traceloop's read API: the documented warehouse, and the undocumented routes that Traceloop's own MCP server uses.

https://www.traceloop.com/docs/api-reference/warehouse/get_spans and https://github.com/traceloop/opentelemetry-mcp-server.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.sandbox.dialect import TraceRoute, TraceScope, WarehouseFilters
from monitor.sandbox.faults.kinds import Twist
from monitor.sandbox.serving import json_object
from monitor.sandbox.traceloop.crowd import Crowd
from monitor.sandbox.traceloop.row_filters import (
    COLUMNS,
    WITH_TRACE_ID,
    BadFilter,
    Wanted,
    body_filters,
    query_filters,
    sort_key,
)
from monitor.sandbox.traceloop.rows import Row
from monitor.sandbox.traceloop.searches import Search, read_cursor, read_limit, read_search
from monitor.sandbox.traffic import Reach, Spot, Stream
from monitor.sandbox.world import World

_UNBOUNDED = 3_600_000
"""How many milliseconds of other people's rows a search without a beginning looks at."""
_KNOWN = frozenset(
    {
        "from_timestamp_sec",
        "to_timestamp_sec",
        "workflow",
        "span_name",
        "filters",
        "sort_order",
        "sort_by",
        "cursor",
        "limit",
    }
)

_EXACT: Mapping[str, Callable[[Row], str]] = {"workflow": lambda row: row.workflow, "span_name": lambda row: row.name}

Shape = Callable[[Row], dict[str, object]]


Ranked = tuple[int | str, Row | Spot]
"""What is sorted by, and what is sorted: a row, or one that is not made yet."""


class ReadApi:
    """The `/v2/*` routes, each for the environment of the key."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def trace(self, request: Request, environment: str) -> Response:
        """All spans of a trace; `{"spans":null}` for one that is not there."""
        match self._world.dialect.trace_route:
            case TraceRoute.UNAUTHORIZED:
                return JSONResponse({"error": "Unauthorized"}, 401)
            case TraceRoute.NOT_FOUND:
                return Response("404 page not found", 404, media_type="text/plain")
            case TraceRoute.OPEN:
                pass
        now = self._world.now()
        everywhere = self._world.dialect.trace_scope is TraceScope.PROJECT
        found = [
            row.of_trace()
            for row in self._family(request.path_params["trace_id"])
            if row.visible_at <= now and (everywhere or row.environment == environment)
        ]
        return JSONResponse({"spans": found or None})

    async def warehouse(self, request: Request, environment: str) -> Response:
        """Search by query parameters: each that is not known is an attribute to match, in most dialects."""
        parameters = dict(request.query_params)
        try:
            search = read_search(environment, parameters, self._asked(parameters))
            page = self._page(search, Row.of_list)
        except BadFilter as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"spans": page})

    async def search_spans(self, request: Request, environment: str) -> Response:
        """Search by a body of filters."""
        return await self._search(request, environment, "spans", roots=False)

    async def search_roots(self, request: Request, environment: str) -> Response:
        """The same among spans without a parent."""
        return await self._search(request, environment, "root_spans", roots=True)

    async def workflow_names(self, request: Request, environment: str) -> Response:
        """The names of the workflows of a time window, in milliseconds."""
        try:
            start, end = (int(request.query_params.get(name, "")) for name in ("start_time", "end_time"))
        except ValueError:
            return JSONResponse({"error": "start_time and end_time are required"}, 400)
        search = read_search(environment, {}, [lambda row: bool(row.workflow)])
        names = {row.workflow for row in self._found(search) if start <= row.timestamp <= end}
        crowd = Crowd(self._world)
        reached = _everywhere(start, min(end, crowd.latest(self._world.now())))
        walks = self._others(crowd, search).walks(reached, descending=False)
        names |= {crowd.bare(kind).workflow for kind, walk in walks if next(walk, None)}
        return JSONResponse(sorted(names))

    def _asked(self, parameters: Mapping[str, str]) -> list[Wanted]:
        """What the parameters of the warehouse ask for, as far as it listens. Raises BadFilter."""
        how = self._world.dialect.filters
        if how is WarehouseFilters.IGNORED:
            return []
        unknown = {name: value for name, value in parameters.items() if name not in _KNOWN}
        if how is WarehouseFilters.REFUSED and (unknown or parameters.get("filters")):
            raise BadFilter(f"unknown query parameter {next(iter(unknown), 'filters')!r}")
        columns = WITH_TRACE_ID if how is WarehouseFilters.TRACE_ID else COLUMNS
        wanted = query_filters(unknown, columns=columns)
        wanted += body_filters(_json_list(parameters.get("filters")), key="id", columns=columns)
        if how is WarehouseFilters.SILENT and wanted:
            return [lambda _: False]
        exact = {name: value for name, value in parameters.items() if name in _EXACT}
        return [lambda row: _is(row, exact), *wanted]

    async def _search(self, request: Request, environment: str, name: str, *, roots: bool) -> Response:
        body = await json_object(request)
        if body is None:
            return JSONResponse({"error": "invalid request body"}, 400)
        try:
            wanted = body_filters(_list(body.get("filters")), key="field")
            slugs = _list(body.get("environments"))
            wanted.append(lambda row: not roots or not row.parent_id)
            wanted.append(lambda row: not slugs or row.environment in slugs)
            page = self._page(read_search(environment, body, wanted), self._of_root if roots else Row.of_list)
        except BadFilter as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({name: page})

    def _of_root(self, row: Row) -> dict[str, object]:
        family = self._family(row.trace_id)
        return {
            **row.of_list(),
            "total_tokens": sum(each.total_tokens for each in family),
            "span_count": len(family),
        }

    def _family(self, trace_id: str) -> list[Row]:
        """All rows of a trace, visible or not."""
        return [row for row in self._world.rows if row.trace_id == trace_id] or Crowd(self._world).trace(trace_id)

    def _found(self, search: Search) -> list[Row]:
        """What a search finds of that which was really sent."""
        now = self._world.now()
        return [
            row for row in self._world.rows if search.holds(row, now) and all(wants(row) for wants in search.wanted)
        ]

    def _others(self, crowd: Crowd, search: Search) -> Stream[Row]:
        """What it finds of other people's."""
        there: Wanted = lambda row: row.environment == search.environment  # noqa: E731
        return crowd.matching([there, *search.wanted], str(search.parameters))

    def _page(self, search: Search, shape: Shape) -> dict[str, object]:
        """One page. The cursor is the last row's timestamp in milliseconds, and never empty: `-1` after the last page."""
        cursor = read_cursor(search.parameters, ignored=self._world.broken.does(Twist.IGNORE_CURSOR))
        limit = read_limit(search.parameters)
        sort_by = str(search.parameters.get("sort_by") or "timestamp")
        key = sort_key(sort_by)
        rows = self._found(search)
        ordered = sorted(rows, key=lambda row: (key(row), row.span_id), reverse=cursor.descending)
        ours = [(key(row), row) for row in ordered if cursor.follows(row.timestamp)]

        crowd = Crowd(self._world)
        others = self._others(crowd, search)
        until = min(search.until * 1000, crowd.latest(self._world.now()))
        since = until - _UNBOUNDED if search.since is None else search.since * 1000
        walks = others.walks(_everywhere(*cursor.bound(since, until)), descending=cursor.descending)
        theirs = [_ranked(crowd, walk, sort_by, key(crowd.bare(kind))) for kind, walk in walks]

        found = merge(ours, *theirs, key=lambda ranked: ranked[0], reverse=cursor.descending)
        page = [crowd.whole(each) if isinstance(each, Spot) else each for _, each in islice(found, limit)]
        if sort_by == "timestamp":
            page = crowd.stirred(page)
        return {
            "data": [shape(row) for row in page],
            "page_size": len(page),
            "total_results": len(rows) + others.count(_everywhere(since, until)),
            "next_cursor": str(page[-1].timestamp) if page else "-1",
        }


def _ranked(crowd: Crowd, walk: Iterable[Spot], sort_by: str, usual: int | str) -> Iterator[Ranked]:
    return ((crowd.rank(spot, sort_by, usual), spot) for spot in walk)


def _everywhere(since: int, until: int) -> Reach:
    """The same window for every span of a request."""
    return lambda _: (since, until)


def _is(row: Row, exact: Mapping[str, str]) -> bool:
    return all(_EXACT[name](row) == value for name, value in exact.items())


def _json_list(text: object) -> list[object]:
    try:
        return _list(json.loads(str(text))) if text else []
    except ValueError:
        raise BadFilter("filters must be JSON") from None


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadFilter("an array is required")
    return value
