"""What Traceloop's read API may answer, and that absence is never concluded from what was not seen.

Shapes as recorded in https://github.com/traceloop/opentelemetry-mcp-server (tests/integration/cassettes).
"""

from typing import Any

import pytest

from monitor.core.model import TraceId
from monitor.core.trace import Narrowing, SpanFact
from monitor.otlp import SpanReader
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.traceloop import TraceloopReader
from monitor.traceloop.read import PAGE
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply

KEY = "tl_0123456789abcdef0123456789abcdef"
MINE = TraceId("a" * 32)
OTHER = TraceId("b" * 32)


def row(number: int, trace: str = OTHER, **more: Any) -> dict[str, Any]:
    """A row of the warehouse."""
    return {
        "environment": "prd",
        "timestamp": 1_800_000_000_000 - number,
        "trace_id": trace,
        "span_id": f"{number:016x}",
        "parent_span_id": "",
        "span_name": "Agent Workflow",
        "service_name": "tfy-llm-gateway",
        "resource_attributes": {"service.name": "tfy-llm-gateway"},
        "span_attributes": {},
        "prompts": {},
        "completions": {},
        "input": "",
        "output": "",
        **more,
    }


def page(*rows: Any, total: Any = None, cursor: Any = "1762766206999") -> Reply:
    """A page of the warehouse; its cursor is never empty, as recorded."""
    spans: dict[str, Any] = {"data": list(rows), "page_size": len(rows), "next_cursor": cursor}
    return Reply({"spans": spans if total is None else {**spans, "total_results": total}})


def full(first: int, **more: Any) -> Reply:
    """A page as long as was asked for, of other traces."""
    return page(*(row(number) for number in range(first, first + PAGE)), **more)


EMPTY = page(total=0, cursor="-1")
ODD = Reply({"spans": 1})


def reader_at(remote: Remote) -> TraceloopReader:
    """The adapter before a remote."""
    return TraceloopReader(remote.http, remote.url, lambda: KEY, spans=SpanReader(Redactor([KEY])), clock=remote.clock)


async def window(
    *replies: Reply, trace: TraceId | None = MINE, nonce: str | None = "gtm-1"
) -> tuple[tuple[SpanFact, ...], Remote]:
    """Read a window; what was found, and what was asked."""
    remote = Remote(FakeClock(), *replies)
    spans = await reader_at(remote).read_window(
        since=START - 120.5, until=START + 0.5, trace_id=trace, nonce=nonce, timeout=10
    )
    return spans, remote


async def quick(reply: Reply, trace: TraceId = MINE) -> tuple[SpanFact, ...]:
    """Read a trace by the quick route."""
    return await reader_at(Remote(FakeClock(), reply)).read_trace(trace, nonce=None, timeout=10)


# --- the quick route


@pytest.mark.parametrize("body", [{"spans": None}, {"spans": []}])
async def test_null_is_not_there_yet(body: Any) -> None:
    """200 with null is the recorded answer for an unknown trace."""
    assert await quick(Reply(body)) == ()


async def test_the_quick_route_shows_less() -> None:
    """Neither service name nor resource; each span once."""
    shown = {key: value for key, value in row(1, MINE).items() if key not in {"service_name", "resource_attributes"}}
    spans = await quick(
        Reply({"spans": [shown, shown, {**shown, "span_id": "C" * 16, "parent_span_id": "0" * 15 + "1"}]})
    )
    assert [(span.span_id, span.parent_id) for span in spans] == [("0" * 15 + "1", ""), ("c" * 16, "0" * 15 + "1")]
    assert {(span.service_name, span.resource, span.environment) for span in spans} == {(None, None, "prd")}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"error": "odd"},
        {"spans": {}},
        {"spans": "x"},
        {"spans": ["x"]},
        {"spans": [{"traceId": MINE}]},
        {"spans": [row(1)]},
    ],
)
async def test_another_shape_of_the_quick_route_is_no_absence(body: Any) -> None:
    """Nor are spans of another trace."""
    with pytest.raises(Garbled):
        await quick(Reply(body))


# --- both


@pytest.mark.parametrize(
    ("reply", "error", "checks"),
    [
        (Reply({"error": "Unauthorized"}, status=401), Refused, {"status": 401, "blocked": False}),
        (Reply({"error": "Forbidden"}, status=403), Refused, {"status": 403, "blocked": False}),
        (Reply(b"error code: 1010", status=403), Refused, {"status": 403, "blocked": True}),
        (Reply({}, status=429, headers={"retry-after": "30"}), Refused, {"retry_after": 30.0}),
        (Reply(b"404 page not found", status=404, headers={"content-type": "text/plain"}), Gone, {"status": 404}),
        (Reply({"error": "Trace not found"}, status=404), Gone, {"status": 404}),
        (Reply({"error": "x"}, status=500), Unreachable, {"kind": "status", "status": 500}),
        (Reply(b"error code: 522", status=522), Unreachable, {"kind": "status", "status": 522}),
        (Reply({"error": "bad"}, status=400), Garbled, {"status": 400}),
        (Reply(b"", status=308, headers={"location": "https://elsewhere.example"}), Garbled, {"status": 308}),
        (Reply(b"<html>"), Garbled, {"status": 200}),
        (Reply(b'{"spans": '), Garbled, {"status": 200}),
    ],
)
async def test_statuses_mean_the_same_on_both_routes(
    reply: Reply, error: type[PortError], checks: dict[str, Any]
) -> None:
    """Refused, gone, down, not understood."""
    for reading in (quick(reply), window(reply)):
        with pytest.raises(error) as caught:
            await reading
        assert {name: getattr(caught.value, name) for name in checks} == checks


async def test_an_error_leaves_a_trail() -> None:
    """By which headers the request is found at the other side, and in its own words; the key is not quoted."""
    headers = {"cf-ray": "8f-FRA", "x-kong-request-id": "abc"}
    with pytest.raises(Refused, match="HTTP 401: key •••• is unknown") as caught:
        await quick(Reply({"error": f"key {KEY} is unknown"}, status=401, headers=headers))
    assert caught.value.evidence == headers


async def test_the_key_is_sent_in_its_header_only() -> None:
    """Never in the URL."""
    remote = Remote(FakeClock(), EMPTY)
    await reader_at(remote).read_window(since=0, until=1, trace_id=MINE, nonce=None, timeout=10)
    assert remote.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(remote.asked[0].query)


# --- the documented route


async def test_only_documented_parameters_are_sent() -> None:
    """An unknown one would be an attribute filter that matches nothing, silently."""
    _, remote = await window(page(row(1), total=2), page(row(2)))
    assert [request.path for request in remote.asked] == ["/v2/warehouse/spans"] * 2
    first = {
        "from_timestamp_sec": str(int(START) - 121),
        "to_timestamp_sec": str(int(START) + 1),
        "sort_by": "timestamp",
        "sort_order": "DESC",
        "limit": str(PAGE),
    }
    assert remote.asked[0].query == first
    assert remote.asked[1].query == {**first, "cursor": "1762766206999"}


async def test_a_trace_is_found_on_any_page() -> None:
    """Among the rows of others; and the search goes on until a page has no more of it."""
    spans, remote = await window(
        full(0, total=900),
        page(*(row(number) for number in range(50, 98)), row(98, MINE), row(99, MINE)),
        page(row(98, MINE), row(100, MINE), *(row(number) for number in range(101, 149))),
        full(150),
        full(200),
    )
    assert [span.span_id for span in spans] == [f"{number:016x}" for number in (98, 99, 100)]
    assert len(remote.asked) == 4


@pytest.mark.parametrize(
    "replies",
    [
        (EMPTY,),
        (page(row(1), total=1),),
        (page(row(1)), page(row(1))),
        (page(row(1)), page(cursor="-1")),
        (page(row(1), cursor="-1"),),
        (page(row(1), cursor=""),),
        (page(row(1), cursor=None),),
        (full(0, total=PAGE + 1), page(row(PAGE - 1), row(PAGE))),
        (full(0, total=PAGE), EMPTY),
        (page(*(row(number) for number in range(40)), total=60), page(*(row(number) for number in range(39, 60)))),
    ],
)
async def test_absence_is_an_empty_answer_once_every_row_was_seen(replies: tuple[Reply, ...]) -> None:
    """The cursor is never empty; the end is marked by the total, an empty page, -1, or nothing new."""
    spans, remote = await window(*replies)
    assert spans == ()
    assert len(remote.asked) == len(replies)


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ([full(0)], "again and again"),
        ([full(0, total=500), page(row(PAGE)), page(row(PAGE))], f"{PAGE + 1} of 500 rows"),
        ([full(0, total=500), page(cursor="-1")], f"{PAGE} of 500 rows"),
        ([page(row(1), {"traceId": MINE, "spanId": "x"}, total=2)], "no usable trace_id"),
        ([page("odd", total=1)], "not an object"),
        ([Reply({"spans": []})], "documented shape"),
        ([Reply({"spans": None})], "documented shape"),
        ([Reply({"data": []})], "documented shape"),
        ([Reply([])], "documented shape"),
    ],
)
async def test_absence_is_never_concluded_from_what_was_not_seen(replies: list[Reply], why: str) -> None:
    """Too many rows, a stuck cursor, pages that do not add up, another shape: Garbled."""
    with pytest.raises(Garbled, match=why):
        await window(*replies)


@pytest.mark.parametrize("total", [{}, {"total_results": 0}])
async def test_null_is_a_window_without_rows(total: dict[str, int]) -> None:
    """As the quick route writes it; where rows are counted, they are missed."""
    assert (await window(Reply({"spans": {"data": None, **total}})))[0] == ()
    await reader_at(Remote(FakeClock(), Reply({"spans": {"data": None}}))).try_key(timeout=5)
    with pytest.raises(Garbled, match="0 of 3 rows"):
        await window(Reply({"spans": {"data": None, "total_results": 3}}))


async def test_a_trace_that_was_found_needs_no_last_page() -> None:
    """It is whole where what began well before its root was shown, whatever comes after that."""
    spans, _ = await window(page(row(0, MINE), *(row(number) for number in range(200, 249)), total=9999), ODD)
    assert len(spans) == 1


async def test_a_part_of_a_trace_before_a_page_that_is_not_understood_is_no_trace() -> None:
    """The order within some milliseconds is not kept: a span that began with its root may be listed after it."""
    others = [row(number) for number in range(2, PAGE + 1)]
    with pytest.raises(Garbled):
        await window(page(row(0, MINE), *others, total=9999), ODD)
    with pytest.raises(Garbled):
        await window(page(row(0, MINE, parent_span_id=f"{1:016x}"), *others, total=9999), ODD)


async def test_what_a_page_shows_before_it_breaks_off_completes_no_trace() -> None:
    """Spans of ours may be among its rows."""
    first = page(row(0, MINE), *(row(number) for number in range(2, PAGE + 1)), total=9999)
    child = row(PAGE + 1, MINE, parent_span_id=f"{0:016x}")
    with pytest.raises(Garbled):
        await window(first, page(child, row(900), "odd", total=9999))


async def test_a_filter_that_lets_others_pass_on_a_later_page_is_not_honoured_either() -> None:
    """Although ours was shown whole before: else its silence would be believed of the next one, for a day."""
    named = [row(number, span_name="Agent Workflow") for number in range(200, 249)]
    with pytest.raises(Garbled, match="does not honour"):
        await narrowed(Narrowing.SPAN_NAME, page(ours(), *named, total=99), page(row(300, span_name="POST"), total=99))


NONCE = "gtm-0123456789abcdef"
BY_TRACE_ID = f'[{{"id": "trace_id", "operator": "equals", "value": "{MINE}"}}]'
BY_METADATA = f'[{{"id": "tfy.request.metadata", "operator": "contains", "value": "{NONCE}"}}]'
NARROWED: dict[Narrowing, dict[str, str]] = {
    Narrowing.TRACE_ID: {"filters": BY_TRACE_ID},
    Narrowing.MARKER: {"gateway_trace_monitor.control": MINE},
    Narrowing.ATTRIBUTE: {"tfy.request.metadata.probe_id": NONCE},
    Narrowing.METADATA: {"filters": BY_METADATA},
    Narrowing.SPAN_NAME: {"span_name": "Agent Workflow"},
    Narrowing.WINDOW: {},
}


async def narrowed(narrowing: Narrowing, *replies: Reply) -> tuple[tuple[SpanFact, ...], Remote]:
    """Read a window that is narrowed down; what was found, and what was asked."""
    remote = Remote(FakeClock(), *replies)
    spans = await reader_at(remote).read_window(
        since=START,
        until=START + 1,
        trace_id=MINE,
        nonce=NONCE,
        timeout=10,
        narrowing=narrowing,
        span_name="Agent Workflow",
    )
    return spans, remote


def ours(number: int = 1) -> dict[str, Any]:
    """A row of ours, as every filter wants it."""
    marks = {"gateway_trace_monitor.control": MINE, "tfy.request.metadata": f'{{"probe_id": "{NONCE}"}}'}
    return row(number, MINE, span_attributes=marks)


@pytest.mark.parametrize("narrowing", Narrowing)
async def test_each_narrowing_is_asked_for_as_it_is_documented(narrowing: Narrowing) -> None:
    """By parameters of its own and none besides."""
    spans, remote = await narrowed(narrowing, page(ours(), total=1))
    usual = {"from_timestamp_sec", "to_timestamp_sec", "sort_by", "sort_order", "limit"}
    assert [span.trace_id for span in spans] == [MINE]
    asked = remote.asked[0].query
    assert {name: text for name, text in asked.items() if name not in usual} == NARROWED[narrowing]


FILTERS = [each for each in Narrowing if each is not Narrowing.WINDOW]


@pytest.mark.parametrize("narrowing", FILTERS)
async def test_a_filter_that_lets_others_pass_is_not_honoured(narrowing: Narrowing) -> None:
    """Then neither what it shows nor its silence means anything of it."""
    with pytest.raises(Garbled, match="does not honour"):
        await narrowed(narrowing, page(row(1, span_name="POST"), total=1))


@pytest.mark.parametrize("narrowing", FILTERS)
async def test_a_filter_that_is_refused_is_no_absence(narrowing: Narrowing) -> None:
    """400: whoever does not know a field says so."""
    with pytest.raises(Garbled):
        await narrowed(narrowing, Reply({"error": "unknown field"}, status=400))


async def test_a_span_name_is_shared_with_others() -> None:
    """Theirs are passed over."""
    spans, _ = await narrowed(Narrowing.SPAN_NAME, page(row(2), ours(), row(3), total=3))
    assert [span.span_id for span in spans] == [f"{1:016x}"]


async def test_by_its_nonce_a_trace_is_found_whose_metadata_hold_it() -> None:
    """And not the one that only quotes it, an evaluator's for one."""
    quotes = row(9, span_attributes={"evaluator.input": f"metadata: {NONCE}"})
    remote = Remote(FakeClock(), page(quotes, ours(), total=2))
    spans = await reader_at(remote).read_window(
        since=0, until=1, trace_id=None, nonce=NONCE, timeout=10, narrowing=Narrowing.METADATA
    )
    assert [span.trace_id for span in spans] == [MINE]
