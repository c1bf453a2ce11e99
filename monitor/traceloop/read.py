"""Read traces back from Traceloop, with one key; the key fixes the environment."""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import SpanFact
from monitor.http import Answer, Http
from monitor.ports import Clock, Garbled, Gone, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.traceloop.marker import MARKER
from monitor.traceloop.rows import identify, mentions, read_row

PAGE = 200
PAGES = 25
"""So many rows are read of one window at most, one page in memory at a time; the newest come first."""

_OK, _NOT_FOUND, _SERVER_ERROR = 200, 404, 500
_REFUSALS = frozenset({401, 403, 429})
_NO_ROUTE = re.compile(r"404 page not found")
_LAST_CURSORS = (None, "", "-1", "0")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Rows that began between two moments, all or those of one marker, to be read before a moment of the monotonic clock."""

    since: Instant
    until: Instant
    deadline: Seconds
    marked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    rows: list[Row]
    cursor: str | None
    total: int | None


class TraceloopReader:
    """Implements `monitor.ports.TraceBackend`."""

    def __init__(self, http: Http, url: str, key: Callable[[], str], *, redactor: Redactor, clock: Clock) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._key = key
        self._redactor = redactor
        self._clock = clock
        self._marker_works = False  # whether the filter has shown us a span of ours: only then is its silence believed

    async def read_trace(self, trace_id: TraceId, *, nonce: str | None, timeout: Seconds) -> tuple[SpanFact, ...]:
        """The quick route: `{"spans": null}` means not there (yet). Raises any PortError."""
        path = f"/v2/projects/default/traces/{quote(trace_id, safe='')}/spans"
        body = await self._get(path, timeout=timeout)
        rows = body.get("spans", "missing")
        if rows is None:
            return ()
        if not isinstance(rows, list):
            raise Garbled("Traceloop's answer for a trace has no list of spans")
        mine = [row for row in rows if identify(row)[0] == trace_id.lower()]
        if rows and not mine:
            raise Garbled("Traceloop answers with another trace than the one it was asked for")
        return self._facts(mine, nonce)

    async def read_window(
        self, *, since: Instant, until: Instant, trace_id: TraceId | None, nonce: str | None, timeout: Seconds
    ) -> tuple[SpanFact, ...]:
        """The documented route, matched here: by trace id it cannot be asked, as far as is documented.

        Matched by trace id, or else by nonce (then all spans of the trace that the nonce stands in). Raises any PortError;
        Garbled also where nothing was found and not every row of the window was seen.
        """
        window = _Window(since=since, until=until, deadline=self._clock.monotonic() + timeout)
        if trace_id is None:
            named = await self._find(window, lambda row: nonce is not None and mentions(row, nonce))
            if not named:
                return ()
            trace_id = identify(named[0])[0]
        wanted = trace_id.lower()
        if nonce is None and (marked := await self._find_marked(window, wanted)) is not None:
            return self._facts(marked, nonce)
        return self._facts(await self._find(window, lambda row: identify(row)[0] == wanted), nonce)

    async def _find_marked(self, window: _Window, trace_id: str) -> list[Row] | None:
        """What has no nonce is a control span, which is marked. None where the marker's silence proves nothing yet."""
        try:
            found = await self._find(replace(window, marked=trace_id), lambda row: identify(row)[0] == trace_id)
        except Garbled:
            return None
        self._marker_works = self._marker_works or bool(found)
        return found if self._marker_works else None

    def _facts(self, rows: Sequence[Row], nonce: str | None) -> tuple[SpanFact, ...]:
        """One of each: retries and page borders show a span twice."""
        spans = [read_row(row, nonce=nonce, redactor=self._redactor) for row in rows]
        return tuple({span.span_id: span for span in spans}.values())

    async def _find(self, window: _Window, wanted: Callable[[Row], bool]) -> list[Row]:
        """The rows that are wanted. They lie close together in time, so the first page without more of them is the last."""
        found: list[Row] = []
        async with aclosing(self._pages(window)) as pages:
            try:
                async for rows in pages:
                    mine = [row for row in rows if wanted(row)]
                    if found and not mine:
                        break
                    found += mine
            except Garbled:
                if not found:
                    raise
        return found

    async def _pages(self, window: _Window) -> AsyncGenerator[list[Row], None]:
        """Page after page, each row once. Raises Garbled where the end is reached and rows were not shown.

        The cursor is never empty, and a page may be shorter than asked for, so the end is an empty page, a cursor of -1, a
        page that shows nothing new, or as many rows as there are (recorded in
        https://github.com/traceloop/opentelemetry-mcp-server, tests/integration/cassettes).
        """
        known: set[tuple[TraceId, str]] = set()
        cursor, total = None, None
        for _ in range(PAGES):
            page = await self._page(window, cursor)
            total = page.total if total is None else total
            fresh = [row for row in page.rows if identify(row) not in known]
            known.update(map(identify, fresh))
            yield fresh
            short = len(page.rows) < PAGE
            if short and total is not None and len(known) >= total:
                return
            if not page.rows or page.cursor in _LAST_CURSORS or (short and not fresh):
                if total is not None and len(known) < total:
                    raise Garbled(f"Traceloop has shown {len(known)} of {total} rows of the window")
                return
            if not fresh:
                raise Garbled("Traceloop shows the same page again and again")
            cursor = page.cursor
        raise Garbled(f"the window has more than {PAGE * PAGES} rows: more than could be read")

    async def _page(self, window: _Window, cursor: str | None) -> _Page:
        query = {
            "from_timestamp_sec": str(int(window.since)),
            "to_timestamp_sec": str(int(window.until) + 1),
            "sort_by": "timestamp",
            "sort_order": "DESC",
            "limit": str(PAGE),
        }
        if window.marked is not None:
            query[MARKER] = window.marked
        if cursor is not None:
            query["cursor"] = cursor
        left = window.deadline - self._clock.monotonic()
        body = await self._get(f"/v2/warehouse/spans?{urlencode(query)}", timeout=left)
        spans = body.get("spans")
        data = spans.get("data") if isinstance(spans, Mapping) else None
        if not isinstance(spans, Mapping) or not isinstance(data, list):
            raise Garbled("Traceloop's answer for a window has not the documented shape")
        following, total = spans.get("next_cursor"), spans.get("total_results")
        return _Page(
            rows=data,
            cursor=str(following) if following is not None else None,
            total=total if type(total) is int else None,
        )

    async def _get(self, path: str, *, timeout: Seconds) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {self._key()}", "Accept": "application/json"}
        answer = await self._http.request(
            Service.TRACELOOP, "GET", f"{self._url}{path}", headers=headers, timeout=timeout
        )
        if answer.status != _OK:
            self._refuse(answer)
        body = answer.json()
        if not isinstance(body, Mapping):
            raise Garbled("Traceloop's answer is no JSON object", status=answer.status, evidence=answer.trail)
        return body

    def _refuse(self, answer: Answer) -> NoReturn:
        """What another status than 200 means to a reader."""
        said = self._redactor.show(answer.complaint, 200)
        what = f"Traceloop answers HTTP {answer.status}" + (f": {said}" if said else "")
        if answer.blocked or answer.status in _REFUSALS:
            raise Refused(
                what,
                status=answer.status,
                retry_after=answer.retry_after(self._clock.now()),
                blocked=answer.blocked,
                evidence=answer.trail,
            )
        if answer.status == _NOT_FOUND:
            raise Gone(what, route=_NO_ROUTE.search(answer.text(200)) is not None)
        if answer.status >= _SERVER_ERROR:
            raise Unreachable(what, kind="status", status=answer.status, evidence=answer.trail)
        raise Garbled(what, status=answer.status, evidence=answer.trail)
