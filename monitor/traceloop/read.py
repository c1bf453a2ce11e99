"""Read traces back from Traceloop, with one key; the key fixes the environment."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import SpanFact
from monitor.http import Answer, Http
from monitor.ports import Clock, Garbled, Gone, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.traceloop.rows import mentions, read_row

PAGE = 200
PAGES = 10
"""So many rows are read of one window at most: a window is minutes long, and the newest rows come first."""

_OK, _NOT_FOUND, _SERVER_ERROR = 200, 404, 500
_REFUSALS = frozenset({401, 403, 429})
_NO_ROUTE = re.compile(r"404 page not found")
_LAST_CURSORS = (None, "", "-1", "0")


class TraceloopReader:
    """Implements `monitor.ports.TraceBackend`."""

    def __init__(self, http: Http, url: str, key: Callable[[], str], *, redactor: Redactor, clock: Clock) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._key = key
        self._redactor = redactor
        self._clock = clock

    async def read_trace(self, trace_id: TraceId, *, nonce: str | None, timeout: Seconds) -> tuple[SpanFact, ...]:
        """The quick route: `{"spans": null}` means not there (yet). Raises any PortError."""
        path = f"/v2/projects/default/traces/{quote(trace_id, safe='')}/spans"
        body = await self._get(path, timeout=timeout)
        rows = body.get("spans")
        if rows is None:
            return ()
        if not isinstance(rows, list):
            raise Garbled("Traceloop's answer for a trace has no list of spans")
        spans = [read_row(row, nonce=nonce, redactor=self._redactor) for row in rows]
        return _distinct([span for span in spans if span.trace_id == trace_id.lower()])

    async def read_window(
        self, *, since: Instant, until: Instant, trace_id: TraceId | None, nonce: str | None, timeout: Seconds
    ) -> tuple[SpanFact, ...]:
        """The documented route, newest first, matched here: an unknown query parameter would match nothing, silently.

        Matched by trace id, or else by nonce (then all spans of the trace that the nonce stands in). Raises any PortError.
        """
        limit = timeout * 2
        try:
            async with self._clock.timeout(limit):
                rows = await self._window(since, until, timeout)
        except TimeoutError:
            raise Unreachable(f"Traceloop's window was not read within {limit:g} s", kind="timeout") from None
        if trace_id is None:
            named = [row for row in rows if nonce is not None and mentions(row, nonce)]
            wanted = {str(row.get("trace_id")).lower() for row in named if isinstance(row, Mapping)}
        else:
            wanted = {trace_id.lower()}
        mine = [row for row in rows if isinstance(row, Mapping) and str(row.get("trace_id")).lower() in wanted]
        return _distinct([read_row(row, nonce=nonce, redactor=self._redactor) for row in mine])

    async def _window(self, since: Instant, until: Instant, timeout: Seconds) -> list[Any]:
        """All rows of a window. The cursor is never empty, so the end is a short, an empty or a repeated page.

        Recorded in https://github.com/traceloop/opentelemetry-mcp-server (tests/integration/cassettes).
        """
        rows: list[Any] = []
        known: set[object] = set()
        cursor: str | None = None
        for _ in range(PAGES):
            page, cursor = await self._page(since, until, cursor, timeout)
            fresh = [row for row in page if _identity(row) not in known]
            known.update(_identity(row) for row in fresh)
            rows.extend(fresh)
            if len(page) < PAGE or not fresh or cursor in _LAST_CURSORS:
                return rows
        raise Garbled(f"the window has more than {PAGE * PAGES} rows: more than could be read")

    async def _page(
        self, since: Instant, until: Instant, cursor: str | None, timeout: Seconds
    ) -> tuple[list[Any], str | None]:
        query = {
            "from_timestamp_sec": str(int(since)),
            "to_timestamp_sec": str(int(until) + 1),
            "sort_by": "timestamp",
            "sort_order": "DESC",
            "limit": str(PAGE),
        }
        if cursor is not None:
            query["cursor"] = cursor
        body = await self._get(f"/v2/warehouse/spans?{urlencode(query)}", timeout=timeout)
        spans = body.get("spans")
        data = spans.get("data") if isinstance(spans, Mapping) else None
        if not isinstance(spans, Mapping) or not isinstance(data, list):
            raise Garbled("Traceloop's answer for a window has not the documented shape")
        following = spans.get("next_cursor")
        return data, str(following) if following is not None else None

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
        said = self._redactor.show(answer.text(400), 200)
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


def _identity(row: object) -> object:
    return (row.get("trace_id"), row.get("span_id")) if isinstance(row, Mapping) else id(row)


def _distinct(spans: list[SpanFact]) -> tuple[SpanFact, ...]:
    """One of each: retries and page borders show a span twice."""
    return tuple({span.span_id: span for span in spans}.values())
