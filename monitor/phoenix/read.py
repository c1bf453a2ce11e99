"""Read traces back from Phoenix: `GET /v1/projects/{project}/spans`, documented, by trace id or by a window of time.

Rows are read while they arrive, and others than the monitor's are dropped, because a project holds everybody's traces, each with a
prompt and an answer in it. A read ends when it has read `LOOK_BYTES` or its time is up.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from monitor.core.model import Instant, Seconds, Service, TraceId
from monitor.core.trace import Narrowing, Route, SpanFact
from monitor.http import Answer, Exchange, Http, JsonRows
from monitor.otlp import (
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
from monitor.ports import Clock, Garbled, NotYetThere, TooManyRows, Unreachable

STORE = "Phoenix"
PAGE = 100
"""Rows of a page, which is also what Phoenix sends when nobody asks for a number; the last inserted come first."""

Row = Mapping[str, Any]
Query = Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Pages(Progress):
    spans: int = 0  # different ones: at the border of pages some are shown twice
    found: list[SpanFact] = field(default_factory=list)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class PhoenixReader:
    """Implements `monitor.ports.TraceBackend`. `key` None: Phoenix runs without authentication, and none is sent."""

    http: Http
    url: str
    project: str
    key: Callable[[], str] | None
    _: KW_ONLY
    spans: SpanReader
    clock: Clock

    async def read_trace(self, trace_id: TraceId, *, nonce: str | None, timeout: Seconds) -> tuple[SpanFact, ...]:
        """The spans of a trace; empty: not there (yet). Raises any PortError; a 401 means the key."""
        return await self._by_id(_Pages(nonce=nonce, ends=self.clock.monotonic() + timeout), trace_id)

    async def try_key(self, *, timeout: Seconds) -> None:
        """Ask for one row, whichever that is; a project that is not there yet has been asked for too. Raises any PortError."""
        try:
            await self._ask({"limit": "1"}, lambda _: None, timeout=timeout, limit=LOOK_BYTES)
        except NotYetThere:
            return

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
        """Narrowed down as asked and matched here, by trace id or else by nonce. By trace id it needs no window.

        By nonce: the whole trace that the nonce is in. Raises any PortError; Garbled also where the narrowing is not honoured,
        TooManyRows where not every row of the window could be read.
        """
        look = _Pages(nonce=nonce, ends=self.clock.monotonic() + timeout)
        if narrowing is Narrowing.TRACE_ID and trace_id is not None:
            return await self._by_id(look, trace_id)
        narrowed, passes = _narrowed(narrowing, trace_id, nonce, span_name)
        query = {"start_time": _moment(since), "end_time": _moment(until + 1.0), **narrowed}
        if trace_id is not None:
            wanted = trace_id.lower()
            return await self._read(look, query, passes, lambda row: identify(row, STORE)[0] == wanted)
        if nonce is None:
            return ()
        named = await self._read(look, query, passes, lambda row: mentions(row, nonce), whole=False)
        if not named:
            return ()
        # Counted anew: what the search has read says nothing of how much there is of one trace.
        return await self._by_id(_Pages(nonce=nonce, ends=look.ends), look.named_in_metadata or named[0].trace_id)

    async def count_traces(self, *, since: Instant, until: Instant, timeout: Seconds) -> int:
        """By the type of the root span. Phoenix counts nothing, so the rows are read; TooManyRows where that is more than a look."""
        look = _Pages(nonce=None, ends=self.clock.monotonic() + timeout)
        window = {"start_time": _moment(since), "end_time": _moment(until)}
        for kind in ROOT_TYPES:
            passes = partial(_is_of, kind)
            await self._read(look, {**window, **_attribute(SPAN_TYPE, kind)}, passes, lambda _: False)
        return look.spans

    async def _by_id(self, look: _Pages, trace_id: TraceId) -> tuple[SpanFact, ...]:
        wanted = trace_id.lower()

        def is_asked_for(row: Row) -> bool:
            return identify(row, STORE)[0] == wanted

        return await self._read(look, {"trace_id": wanted}, is_asked_for, is_asked_for)

    async def _read(
        self,
        look: _Pages,
        query: Query,
        passes: Callable[[Row], bool],
        wanted: Callable[[Row], bool],
        *,
        whole: bool = True,
    ) -> tuple[SpanFact, ...]:
        """The rows that are wanted, of all pages. `passes`: which rows the query lets pass, where it is honoured.

        `whole`: they are the trace. Spans are listed by when they were stored, the last first, and are exported as they end: so
        the root, which ends last, may well be the first to be shown, and no part of a trace tells that it is all of it. An error
        of a page is an error of the read, then, and an answer that was cut off is too much.
        """
        known: set[tuple[TraceId, str]] = set()
        cursor: str | None = None
        while True:
            before = len(known), len(look.found)
            answer, cursor = await self._page(look, query, cursor, known, passes, wanted)
            if answer.cut_off and (whole or not look.found):
                raise look.crowded()
            # The spans of a trace lie close together, so the first page without more of them is the last.
            if answer.cut_off or cursor is None or (look.found and len(look.found) == before[1]):
                return distinct(look.found)
            if len(known) == before[0]:
                raise Garbled("Phoenix shows the same page again and again")

    async def _page(
        self,
        look: _Pages,
        query: Query,
        cursor: str | None,
        known: set[tuple[TraceId, str]],
        passes: Callable[[Row], bool],
        wanted: Callable[[Row], bool],
    ) -> tuple[Answer, str | None]:
        """One page, and where the next one begins; None: it is the last."""

        def take(given: object) -> None:
            row = as_row(given)
            ids = identify(row, STORE)
            look.rows += 1
            if not passes(row):
                raise Garbled("Phoenix shows rows that were not asked for: it does not honour the filter")
            if ids not in known and wanted(row):
                look.found.append(self.spans.fact(row, STORE, look.nonce))
                if look.nonce is not None and look.named_in_metadata is None and names_nonce(row, look.nonce):
                    look.named_in_metadata = ids[0]
            look.spans += ids not in known
            known.add(ids)

        asked = {**query, "limit": str(PAGE), **({"cursor": cursor} if cursor is not None else {})}
        look.promised = cursor is not None
        left, limit = look.left(self.clock.monotonic())
        try:
            answer, rows = await self._ask(asked, take, timeout=left, limit=limit)
        except Unreachable as error:
            if error.kind == "timeout" and look.promised:  # pages were answered: their number is what takes the time
                raise look.crowded() from None
            raise
        look.bytes += answer.size
        if rows.oversized and not look.found:
            raise TooManyRows("Phoenix shows rows that are too large to be read")
        following = rows.beside.get("next_cursor")
        return answer, str(following) if following is not None and not answer.cut_off else None

    async def _ask(
        self, query: Query, take: Callable[[object], None], *, timeout: Seconds, limit: int
    ) -> tuple[Answer, JsonRows]:
        """Read rows while they arrive. Raises any PortError where the answer is not a list of rows."""
        rows = JsonRows(("data",), take)

        def feed(piece: bytes) -> None:
            if rows.rows == 0 and rows.form == "missing" and piece.lstrip().startswith(b"<"):
                raise Garbled("a web page, as Phoenix shows it where it has no such route; check `phoenix.url`")
            rows.feed(piece)

        headers = {"Accept": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key()}"
        url = f"{self.url.rstrip('/')}/v1/projects/{quote(self.project, safe='')}/spans?{urlencode(query)}"
        answer = await self.http.request(
            Service.PHOENIX, "GET", url, headers=headers, timeout=timeout, body_limit=limit, take=feed
        )
        if answer.status == HTTPStatus.NOT_FOUND and answer.text().startswith("Project with"):
            what = f"Phoenix has no project `{self.project}` (yet): it is created by its first span"
            raise NotYetThere(what)
        if answer.status != HTTPStatus.OK:
            raise answer.as_error("Phoenix answers", self.spans.redactor, self.clock.now())
        rows.end(answer, "Phoenix")
        if rows.form != "list" and not answer.cut_off:
            raise Garbled("Phoenix's answer has no list of spans", status=answer.status, evidence=answer.trail)
        return answer, rows


def as_row(given: object) -> Row:
    """A row of Phoenix in the form in which `monitor.otlp` reads rows. It shows no resource, and values keep their types."""
    if not isinstance(given, Mapping):
        raise Garbled("a row of Phoenix's answer is not an object")
    context = given.get("context")
    ids = context if isinstance(context, Mapping) else {}
    return {
        "trace_id": ids.get("trace_id"),
        "span_id": ids.get("span_id"),
        "parent_span_id": given.get("parent_id"),
        "span_name": given.get("name"),
        "timestamp": _milliseconds(given.get("start_time")),
        "span_attributes": given.get("attributes"),
        "events": given.get("events"),
        "status_message": given.get("status_message") or "",
    }


def _narrowed(
    narrowing: Narrowing, trace_id: TraceId | None, nonce: str | None, span_name: str | None
) -> tuple[Query, Callable[[Row], bool]]:
    """The parameters of a narrowing, and which rows it lets pass where it is honoured. Raises Garbled where there is none."""
    match narrowing:
        case Narrowing.MARKER if trace_id is not None:
            return _attribute(MARKER, trace_id), lambda row: mentions(row, trace_id.lower())
        case Narrowing.ATTRIBUTE if nonce is not None:
            return _attribute(CANARY_NONCE, nonce), lambda row: mentions(row, nonce)
        case Narrowing.SPAN_NAME if span_name is not None:
            return {"name": span_name}, lambda row: row.get("span_name") == span_name
        case Narrowing.WINDOW:
            return {}, lambda _: True
        case _:
            raise Garbled("Phoenix has no filter for a part of an attribute's value")


def _is_of(kind: str, row: Row) -> bool:
    attributes = row.get("span_attributes")
    return isinstance(attributes, Mapping) and attributes.get(SPAN_TYPE) == kind


def _attribute(name: str, value: str) -> Query:
    """The value as JSON: a text of digits alone would be taken for a number."""
    return {"attribute": f"{name}:{json.dumps(value)}"}


def _moment(at: Instant) -> str:
    return datetime.fromtimestamp(max(at, 0.0), UTC).isoformat()


def _milliseconds(stamp: object) -> int | None:
    """When a span began, as Unix milliseconds; Phoenix writes it as ISO 8601 with its offset."""
    try:
        return int(datetime.fromisoformat(stamp).timestamp() * 1000) if isinstance(stamp, str) else None
    except (ValueError, OverflowError):
        return None


def describe_read(exchange: Exchange, ours: frozenset[TraceId]) -> ReadShape | None:
    """The shape of a read; of the traces only those of `ours` are looked at. None: it was not a read, or had no answer."""
    url = urlsplit(exchange.request.url)
    if exchange.answer is None or not (url.path.endswith("/spans") and "/v1/projects/" in url.path):
        return None
    query = parse_qs(url.query)
    try:
        body = exchange.answer.json() if exchange.answer.status == HTTPStatus.OK else None
    except Garbled:
        body = None
    data = body.get("data") if isinstance(body, Mapping) else None
    shown = None
    if isinstance(data, list):
        rows = [row for row in data if isinstance(row, Mapping) and isinstance(row.get("context"), Mapping)]
        shown = [(row["context"].get("trace_id"), row.get("attributes")) for row in rows]
    asked = query.get("trace_id", [None])[0]
    return shape_of(Route.WAREHOUSE, asked, shown, ours, filtered=bool({"attribute", "name"} & query.keys()))
