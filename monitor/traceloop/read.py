"""Read traces back from Traceloop, with one key; the key fixes the environment.

An environment is usually busy with everybody's traces: thousands of rows a minute, each with a prompt and an answer in it. So rows
are read while they arrive, and others than the monitor's are dropped. A read ends when it has read `LOOK_BYTES` or its time is up.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import Narrowing, Route, SpanFact
from monitor.http import Answer, Exchange, Http, JsonRows
from monitor.otlp import (
    CANARY_METADATA,
    CANARY_NONCE,
    LOOK_BYTES,
    MARKER,
    ROOT_TYPES,
    SPAN_TYPE,
    Progress,
    ReadShape,
    SpanReader,
    distinct,
    identify,
    mentions,
    names_nonce,
    shape_of,
)
from monitor.ports import Clock, Garbled, PortError, TooManyRows, Unreachable

STORE = "Traceloop"
"""How it is called where its answers are of no use."""

PAGE = 50
"""Rows of a page; the newest come first. It is also what Traceloop sends when nobody asks for a number."""

_NOBODYS_TYPE = "gateway-trace-monitor"
_OK = 200
_ROWS = ("list", "null")  # no rows may also be written as null
_TRACE = re.compile(r".*/v2/projects/default/traces/([^/]+)/spans")
_FILTERS = frozenset({"filters", "span_name", CANARY_NONCE})
_LAST_CURSORS = (None, "", "-1", "0")
_ASTRAY: Seconds = 0.1  # rows of a page were recorded to be a few milliseconds out of order

Row = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class _Pages(Progress):
    """The pages of one read: what is asked for, and how far it has come."""

    query: Mapping[str, str]
    passes: Callable[[Row], bool]  # which rows the narrowing lets pass, where it is honoured
    honoured: bool = True
    oldest: Instant | None = None  # of the spans that were shown, whoever's, when the oldest began


@dataclass(slots=True)
class _Page:
    rows: int = 0
    fresh: bool = False
    cut_off: bool = False
    oversized: bool = False
    cursor: str | None = None
    found: list[SpanFact] = field(default_factory=list)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TraceloopReader:
    """Implements `monitor.ports.TraceBackend`."""

    http: Http
    url: str
    key: Callable[[], str]
    _: KW_ONLY
    spans: SpanReader
    clock: Clock

    async def read_trace(self, trace_id: TraceId, *, nonce: str | None, timeout: Seconds) -> tuple[SpanFact, ...]:
        """The quick route: `{"spans": null}` means not there (yet). Raises any PortError."""
        spans: list[SpanFact] = []
        others = 0

        def take(row: object) -> None:
            nonlocal others
            if identify(row, STORE)[0] == trace_id.lower():
                spans.append(self.spans.fact(row, STORE, nonce))
            else:
                others += 1

        rows = JsonRows(("spans",), take)
        path = f"/v2/projects/default/traces/{quote(trace_id, safe='')}/spans"
        answer = await self._ask(path, rows, timeout=timeout, limit=LOOK_BYTES)
        if answer.cut_off or rows.oversized:
            raise TooManyRows(f"the trace is larger than the {LOOK_BYTES // 2**20} MiB that are read at once")
        if rows.form not in _ROWS:
            raise Garbled("Traceloop's answer for a trace has no list of spans")
        if others and not spans:
            raise Garbled("Traceloop answers with another trace than the one it was asked for")
        return distinct(spans)

    async def try_key(self, *, timeout: Seconds) -> None:
        """Ask the documented route for one row, whichever that is. Raises any PortError."""
        rows = JsonRows(("spans", "data"), lambda _: None)
        now = int(self.clock.now())
        query = urlencode({"from_timestamp_sec": now - 1, "to_timestamp_sec": now, "limit": 1})
        await self._ask(f"/v2/warehouse/spans?{query}", rows, timeout=timeout, limit=LOOK_BYTES)
        if rows.form not in _ROWS:
            raise Garbled("Traceloop's answer for a window does not have the documented shape")

    async def read_window(
        self,
        *,
        since: Instant,
        until: Instant,
        trace_id: TraceId | None,
        nonce: str | None,
        timeout: Seconds,
        narrowing: Narrowing = Narrowing.WINDOW,
        span_name: str | None = None,
    ) -> tuple[SpanFact, ...]:
        """The documented route, narrowed down as asked and matched here, by trace id or else by nonce.

        By nonce: all spans of the trace that the nonce is in, of those that the narrowing shows. Raises any PortError;
        Garbled also where the narrowing is not honoured, TooManyRows where not every row of the window could be read.
        """
        narrowed, passes = _narrowed(narrowing, trace_id, nonce, span_name)
        query = {
            "from_timestamp_sec": str(int(since)),
            "to_timestamp_sec": str(int(until) + 1),
            "sort_by": "timestamp",
            "sort_order": "DESC",
            "limit": str(PAGE),
            **narrowed,
        }
        look = _Pages(query=query, passes=passes, nonce=nonce, ends=self.clock.monotonic() + timeout)
        if trace_id is not None:
            wanted = trace_id.lower()
            return await self._find(look, lambda row: identify(row, STORE)[0] == wanted)
        if nonce is None:
            return ()
        named = await self._find(look, lambda row: mentions(row, nonce))
        if not named:
            return ()
        found = look.named_in_metadata or named[0].trace_id
        if narrowing is not Narrowing.WINDOW:
            return tuple(span for span in named if span.trace_id == found)
        return await self._find(look, lambda row: identify(row, STORE)[0] == found)

    async def count_traces(self, *, since: Instant, until: Instant, timeout: Seconds) -> int:
        """By the type that TrueFoundry's gateway gives to the root span of a request, and how many rows that filter would show.

        A filter that is not honoured is noticed: it shows other rows, or some of a type that nobody has. Raises any PortError.
        """
        ends = self.clock.monotonic() + timeout
        window = {"from_timestamp_sec": str(int(since)), "to_timestamp_sec": str(int(until)), "limit": "1"}

        async def count(kind: str) -> int:
            def take(row: object) -> None:
                if not isinstance(row, Mapping) or _attribute(row, SPAN_TYPE) != kind:
                    raise Garbled("Traceloop shows rows that were not asked for: it does not honour the filter")

            rows = JsonRows(("spans", "data"), take)
            path = f"/v2/warehouse/spans?{urlencode({**window, SPAN_TYPE: kind})}"
            await self._ask(path, rows, timeout=ends - self.clock.monotonic(), limit=LOOK_BYTES)
            total = rows.beside.get("total_results")
            if rows.form not in _ROWS or type(total) is not int or total < 0:
                raise Garbled("Traceloop's answer for a window does not count its rows")
            if total and not rows.rows:  # no row, no proof that the filter was honoured
                raise Garbled("Traceloop counts rows and shows none of them")
            return total

        if await count(_NOBODYS_TYPE):
            raise Garbled("Traceloop counts rows that were not asked for: it does not honour the filter")
        return sum([await count(kind) for kind in ROOT_TYPES])

    async def _find(self, look: _Pages, wanted: Callable[[Row], bool]) -> tuple[SpanFact, ...]:
        """The spans that are wanted. They lie close together in time, so the first page without more of them is the last.

        Where a page cannot be read, what was shown before it counts only if it is a whole trace: of a part nothing is concluded.
        """
        found: list[SpanFact] = []
        known: set[tuple[TraceId, str]] = set()
        cursor, look.promised, look.oldest = None, False, None
        while True:
            shown_whole = _is_whole(found, look.oldest)
            try:
                page = await self._page(look, wanted, cursor, known)
            except PortError:
                if look.honoured and shown_whole:
                    return distinct(found)
                raise
            found += page.found
            if page.oversized and not found:
                raise TooManyRows("Traceloop shows rows that are too large to be read")
            if page.cut_off and not _is_whole(found, look.oldest):
                raise look.crowded()
            if page.cut_off or (found and not page.found) or _is_last(page, look.total, len(known), found=bool(found)):
                return distinct(found)
            cursor = page.cursor
            # The cursor promises nothing, it is never empty.
            look.promised = len(known) < look.total if look.total is not None else page.rows >= PAGE

    async def _page(
        self, look: _Pages, wanted: Callable[[Row], bool], cursor: str | None, known: set[tuple[TraceId, str]]
    ) -> _Page:
        page = _Page()

        def take(row: object) -> None:
            ids = identify(row, STORE)
            page.rows += 1
            look.rows += 1
            if not isinstance(row, Mapping) or not look.passes(row):
                look.honoured = False
                raise Garbled("Traceloop shows rows that were not asked for: it does not honour the filter")
            if ids in known:
                return
            began = row.get("timestamp")
            if type(began) is int:
                look.oldest = began / 1000 if look.oldest is None else min(look.oldest, began / 1000)
            known.add(ids)
            page.fresh = True
            if wanted(row):
                page.found.append(self.spans.fact(row, STORE, look.nonce))
                if look.nonce is not None and look.named_in_metadata is None and names_nonce(row, look.nonce):
                    look.named_in_metadata = ids[0]

        rows = JsonRows(("spans", "data"), take)
        query = look.query if cursor is None else {**look.query, "cursor": cursor}
        answer = await self._ask_within(look, f"/v2/warehouse/spans?{urlencode(query)}", rows)
        page.cut_off = answer.cut_off
        if not page.cut_off and rows.form not in _ROWS:
            raise Garbled("Traceloop's answer for a window does not have the documented shape")
        page.oversized = rows.oversized > 0 and not page.cut_off
        following, count = rows.beside.get("next_cursor"), rows.beside.get("total_results")
        page.cursor = str(following) if following is not None else None
        if look.total is None and type(count) is int:
            look.total = count
        return page

    async def _ask_within(self, look: _Pages, path: str, rows: JsonRows) -> Answer:
        """Ask with what a look has left of its time and its bytes. Raises any PortError; TooManyRows where nothing is left."""
        time_left, limit = look.left(self.clock.monotonic())
        try:
            answer = await self._ask(path, rows, timeout=time_left, limit=limit)
        except Unreachable as error:
            if error.kind == "timeout" and look.promised:  # pages were answered: their number is what takes the time
                raise look.crowded() from None
            raise
        look.bytes += answer.size
        return answer

    async def _ask(self, path: str, rows: JsonRows, *, timeout: Seconds, limit: int) -> Answer:
        """Read rows while they arrive. Raises any PortError where the answer is not a 200."""
        headers = {"Authorization": f"Bearer {self.key()}", "Accept": "application/json"}
        url = f"{self.url.rstrip('/')}{path}"
        answer = await self.http.request(
            Service.TRACELOOP, "GET", url, headers=headers, timeout=timeout, body_limit=limit, take=rows.feed
        )
        if answer.status != _OK:
            raise answer.as_error("Traceloop answers", self.spans.redactor, self.clock.now())
        rows.end(answer, "Traceloop")
        return answer


def _attribute(row: Row, name: str) -> object:
    attributes = row.get("span_attributes")
    return attributes.get(name) if isinstance(attributes, Mapping) else None


def _is_whole(found: Sequence[SpanFact], oldest: Instant | None) -> bool:
    """Whether these spans are a whole trace, although not every row was shown.

    Rows are asked for by when they began, the last first, so the root comes after the rest of its trace; but the order within a
    few milliseconds is not kept (recorded). So there is no more of a trace once a span was shown that began well before its root.
    """
    roots = [span.started_at for span in found if not span.parent_id and span.started_at is not None]
    return bool(roots) and oldest is not None and oldest <= min(roots) - _ASTRAY


def _is_last(page: _Page, total: int | None, known: int, *, found: bool) -> bool:
    """Whether no more pages need be read. Raises Garbled where the end is reached, nothing was found and rows were not shown.

    The cursor is never empty, and a page may be shorter than asked for, so the end is an empty page, a cursor of -1, a page that
    shows nothing new, or as many rows as there are (recorded in https://github.com/traceloop/opentelemetry-mcp-server,
    tests/integration/cassettes). A cursor is a timestamp in milliseconds: at the borders of pages rows may be repeated or left
    out, so absence takes as many different rows as there are.
    """
    short = page.rows < PAGE
    if short and total is not None and known >= total:
        return True
    if not page.rows or page.cursor in _LAST_CURSORS or (short and not page.fresh):
        if total is not None and known < total and not found:
            raise Garbled(f"Traceloop has shown {known} of {total} rows of the window")
        return True
    if not page.fresh and not found:
        raise Garbled("Traceloop shows the same page again and again")
    return not page.fresh


def _narrowed(
    narrowing: Narrowing, trace_id: TraceId | None, nonce: str | None, span_name: str | None
) -> tuple[Mapping[str, str], Callable[[Row], bool]]:
    """The parameters of a narrowing, and which rows it lets pass where it is honoured.

    Documented: https://www.traceloop.com/docs/api-reference/warehouse/get_spans. A parameter that is not known is a filter for an
    attribute; whether `trace_id` is known to `filters` is not documented.
    """
    wanted = (trace_id or "").lower()

    def by(field_id: str, operator: str, value: str) -> Mapping[str, str]:
        return {"filters": json.dumps([{"id": field_id, "operator": operator, "value": value}])}

    match narrowing:
        case Narrowing.TRACE_ID if trace_id is not None:
            return by("trace_id", "equals", wanted), lambda row: identify(row, STORE)[0] == wanted
        case Narrowing.MARKER if trace_id is not None:
            return {MARKER: trace_id}, lambda row: mentions(row, wanted)
        case Narrowing.ATTRIBUTE | Narrowing.METADATA if nonce is not None:
            is_one = narrowing is Narrowing.ATTRIBUTE
            query = {CANARY_NONCE: nonce} if is_one else by(CANARY_METADATA, "contains", nonce)
            return query, lambda row: identify(row, STORE)[0] == wanted or mentions(row, nonce)
        case Narrowing.SPAN_NAME if span_name is not None:
            return {"span_name": span_name}, lambda row: row.get("span_name") == span_name
        case Narrowing.WINDOW:
            return {}, lambda _: True
        case _:
            raise ValueError(f"nothing to narrow a search by {narrowing} with")


# --- for `doctor`: in which shape it answers, where the public record leaves that open


def describe_read(exchange: Exchange, ours: frozenset[TraceId]) -> ReadShape | None:
    """The shape of a read; of the traces only those of `ours` are looked at. None: it was not a read, or had no answer."""
    url = urlsplit(exchange.request.url)
    query = parse_qs(url.query)
    quick = _TRACE.fullmatch(url.path)
    if exchange.answer is None or (quick is None and not url.path.endswith("/v2/warehouse/spans")):
        return None
    rows = _rows(exchange.answer, quick=quick is not None)
    return shape_of(
        Route.TRACE if quick is not None else Route.WAREHOUSE,
        quick[1] if quick is not None else query.get(MARKER, [None])[0],
        None if rows is None else [(row.get("trace_id"), row.get("span_attributes")) for row in rows],
        ours,
        filtered=bool(_FILTERS & query.keys()),
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
