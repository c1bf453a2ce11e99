"""Traceloop's read API: the documented warehouse, and the undocumented routes that Traceloop's own MCP server uses.

https://www.traceloop.com/docs/api-reference/warehouse/get_spans and https://github.com/traceloop/opentelemetry-mcp-server.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.sandbox.dialect import TraceRoute, TraceScope
from monitor.sandbox.faults.kinds import Twist
from monitor.sandbox.serving import json_object
from monitor.sandbox.traceloop.row_filters import BadFilter, body_filters, query_filters, sort_key
from monitor.sandbox.traceloop.rows import Row
from monitor.sandbox.world import World

_USUAL_ROWS = 50
_MOST_ROWS = 1000
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
Parameters = Mapping[str, object]


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
            for row in self._world.rows
            if row.trace_id == request.path_params["trace_id"]
            and row.visible_at <= now
            and (everywhere or row.environment == environment)
        ]
        return JSONResponse({"spans": found or None})

    async def warehouse(self, request: Request, environment: str) -> Response:
        """Search by query parameters: each that is not known is an attribute to match."""
        parameters = dict(request.query_params)
        try:
            wanted = query_filters({name: value for name, value in parameters.items() if name not in _KNOWN})
            wanted += body_filters(_json_list(parameters.get("filters")), key="id")
            exact = {name: value for name, value in parameters.items() if name in _EXACT}
            rows = [row for row in self._listed(environment, parameters) if _is(row, exact)]
            page = self._page([row for row in rows if all(each(row) for each in wanted)], parameters, Row.of_list)
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
        rows = [row for row in self._listed(environment, {}) if start <= row.timestamp <= end]
        return JSONResponse(sorted({row.workflow for row in rows if row.workflow}))

    async def _search(self, request: Request, environment: str, name: str, *, roots: bool) -> Response:
        body = await json_object(request)
        if body is None:
            return JSONResponse({"error": "invalid request body"}, 400)
        try:
            wanted = body_filters(_list(body.get("filters")), key="field")
            rows = [row for row in self._listed(environment, body) if not roots or not row.parent_id]
            slugs = _list(body.get("environments"))
            rows = [row for row in rows if not slugs or row.environment in slugs]
            page = self._page(
                [row for row in rows if all(each(row) for each in wanted)],
                body,
                self._of_root if roots else Row.of_list,
            )
        except BadFilter as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({name: page})

    def _of_root(self, row: Row) -> dict[str, object]:
        family = [each for each in self._world.rows if each.trace_id == row.trace_id]
        return {
            **row.of_list(),
            "total_tokens": sum(each.total_tokens for each in family),
            "span_count": len(family),
        }

    def _listed(self, environment: str, parameters: Parameters) -> list[Row]:
        """What is visible in this environment and time window."""
        now = self._world.now()
        start = _number(parameters, "from_timestamp_sec", 0)
        end = _number(parameters, "to_timestamp_sec", 2**40)
        return [
            row
            for row in self._world.rows
            if row.environment == environment and row.listed_at <= now and start <= row.timestamp / 1000 <= end
        ]

    def _page(self, rows: Sequence[Row], parameters: Parameters, shape: Shape) -> dict[str, object]:
        """One page. The cursor is the last row's timestamp in milliseconds, and never empty: `-1` after the last page."""
        descending = _descending(parameters)
        limit = _number(parameters, "limit", _USUAL_ROWS)
        if limit < 1:
            raise BadFilter("limit must be positive")
        cursor = _number(parameters, "cursor", 0)
        key = sort_key(parameters.get("sort_by"))
        ordered = sorted(rows, key=lambda row: (key(row), row.span_id), reverse=descending)
        if cursor > 0 and not self._world.broken.does(Twist.IGNORE_CURSOR):
            ordered = [row for row in ordered if (row.timestamp < cursor if descending else row.timestamp > cursor)]
        page = ordered[: min(limit, _MOST_ROWS)]
        return {
            "data": [shape(row) for row in page],
            "page_size": len(page),
            "total_results": len(rows),
            "next_cursor": str(page[-1].timestamp) if page else "-1",
        }


def _is(row: Row, exact: Mapping[str, str]) -> bool:
    return all(_EXACT[name](row) == value for name, value in exact.items())


def _descending(parameters: Parameters) -> bool:
    order = parameters.get("sort_order", "ASC")
    if order not in {"ASC", "DESC"}:
        raise BadFilter("sort_order must be ASC or DESC")
    return order == "DESC"


def _number(parameters: Parameters, name: str, default: int) -> int:
    value = parameters.get(name)
    if value is None or value == "":
        return default
    try:
        return int(str(value))
    except ValueError:
        raise BadFilter(f"{name} must be an integer") from None


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
