"""What Traceloop's read API may answer, and that absence is never concluded from what was not seen.

Shapes as recorded in https://github.com/traceloop/opentelemetry-mcp-server (tests/integration/cassettes).
"""

import asyncio
from typing import Any

import pytest

from monitor.core.model import TraceId
from monitor.core.trace import SpanFact
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.traceloop import TraceloopReader
from monitor.traceloop.read import PAGE, PAGES
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


def reader_at(remote: Remote) -> TraceloopReader:
    """The adapter before a remote."""
    return TraceloopReader(remote.http, remote.url, lambda: KEY, redactor=Redactor([KEY]), clock=remote.clock)


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


async def test_the_quick_route_tells_less() -> None:
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
        (Reply(b"404 page not found", status=404, headers={"content-type": "text/plain"}), Gone, {"route": True}),
        (Reply({"error": "Trace not found"}, status=404), Gone, {"route": False}),
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
        page(*(row(number) for number in range(200, 398)), row(398, MINE), row(399, MINE)),
        page(row(398, MINE), row(400, MINE), *(row(number) for number in range(401, 599))),
        full(600),
        full(800),
    )
    assert [span.span_id for span in spans] == [f"{number:016x}" for number in (398, 399, 400)]
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
        (page(*(row(number) for number in range(100)), total=150), page(*(row(number) for number in range(99, 150)))),
    ],
)
async def test_absence_is_an_empty_answer_once_every_row_was_seen(replies: tuple[Reply, ...]) -> None:
    """The cursor is never empty; the end is told by the total, an empty page, -1, or nothing new."""
    spans, remote = await window(*replies)
    assert spans == ()
    assert len(remote.asked) == len(replies)


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ([full(PAGE * number) for number in range(PAGES + 1)], "more than could be read"),
        ([full(0)], "again and again"),
        ([full(0, total=500), page(row(PAGE)), page(row(PAGE))], "201 of 500 rows"),
        ([full(0, total=500), page(cursor="-1")], "200 of 500 rows"),
        ([page(row(1), {"traceId": MINE, "spanId": "x"}, total=2)], "no usable trace_id"),
        ([page("odd", total=1)], "no object"),
        ([Reply({"spans": []})], "documented shape"),
        ([Reply({"spans": None})], "documented shape"),
        ([Reply({"data": []})], "documented shape"),
        ([Reply([])], "no JSON object"),
    ],
)
async def test_absence_is_never_concluded_from_what_was_not_seen(replies: list[Reply], why: str) -> None:
    """Too many rows, a stuck cursor, pages that do not add up, another shape: Garbled."""
    with pytest.raises(Garbled, match=why):
        await window(*replies)


async def test_a_trace_that_was_found_needs_no_last_page() -> None:
    """Presence is proven by its rows, whatever comes after them."""
    spans, _ = await window(
        page(*(row(number) for number in range(PAGE - 1)), row(999, MINE), total=9999), Reply({"spans": 1})
    )
    assert len(spans) == 1


async def test_a_control_span_is_asked_for_by_its_marker() -> None:
    """By a filter on its own attribute, so that it is found among any number of others."""
    spans, remote = await window(page(row(1, MINE), total=1), nonce=None)
    assert [span.trace_id for span in spans] == [MINE]
    assert [request.query["gateway_trace_monitor.control"] for request in remote.asked] == [MINE]


async def test_the_markers_silence_is_believed_once_it_has_spoken() -> None:
    """Before, the whole window is read: a filter that is not understood would match nothing, silently."""
    remote = Remote(FakeClock(), EMPTY, page(row(1), row(2, MINE), total=2), page(row(2, MINE), total=1), EMPTY)
    reader = reader_at(remote)

    async def read() -> int:
        return len(await reader.read_window(since=0, until=1, trace_id=MINE, nonce=None, timeout=10))

    assert [await read(), await read(), await read()] == [1, 1, 0]
    assert ["gateway_trace_monitor.control" in request.query for request in remote.asked] == [True, False, True, True]


async def test_a_refused_marker_is_done_without() -> None:
    """The window as a whole is the documented way."""
    spans, _ = await window(Reply({"error": "unknown field"}, status=400), page(row(1, MINE), total=1), nonce=None)
    assert len(spans) == 1


async def test_a_nonce_finds_the_whole_trace() -> None:
    """Also its spans that do not hold the nonce, and on an earlier page."""
    named = row(201, MINE, span_attributes={"gen_ai.prompt.0.content": "say pong (gtm-42)"})
    first = page(*(row(number) for number in range(PAGE - 1)), row(200, MINE), total=PAGE + 1)
    second = page(named)
    spans, _ = await window(first, second, first, second, trace=None, nonce="gtm-42")
    assert [span.span_id for span in spans] == [f"{200:016x}", f"{201:016x}"]
    assert spans[1].content == ("gen_ai.prompt.0.content",)


async def test_no_nonce_anywhere_is_nothing() -> None:
    """It never proves absence; it only finds nothing."""
    assert (await window(page(row(1), total=1), trace=None, nonce="gtm-42"))[0] == ()


@pytest.mark.parametrize("trouble", [{"hang": True}, {"after": 4.0}])
async def test_a_window_is_read_in_bounded_time(trouble: dict[str, Any]) -> None:
    """All pages together, not each."""
    clock = FakeClock()
    remote = Remote(clock, *(Reply(full(PAGE * number).body, **trouble) for number in range(9)))
    asking = reader_at(remote).read_window(since=0, until=1, trace_id=MINE, nonce="gtm-1", timeout=10)
    task = asyncio.ensure_future(asking)
    assert await clock.run_until(task.done) == 10
    with pytest.raises(Unreachable) as caught:
        await task
    assert caught.value.kind == "timeout"
