"""What Phoenix may answer, and that absence is never concluded from what was not seen.

Shapes as release 20.26.1 was seen to answer, and as its /openapi.json describes them.
"""

import asyncio
import json
from typing import Any

import pytest

from monitor.checks.documented import DocumentedRead, Wanted
from monitor.core.canary import NONCE_ENTRY
from monitor.core.model import TraceId
from monitor.core.trace import Narrowing, SpanFact
from monitor.http.rows import ROW_LIMIT
from monitor.otlp import LOOK_BYTES, SpanReader
from monitor.phoenix import PhoenixReader
from monitor.phoenix.read import PAGE
from monitor.ports import Garbled, NotYetThere, PortError, Refused, TooManyRows, Unreachable
from monitor.redaction import Redactor
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply

KEY = "phoenix-0123456789abcdef"
MINE, OTHER = TraceId("a" * 32), TraceId("b" * 32)
NONCE = "gtm-0123456789abcdef"
PROMPT = "Please answer with the single word that comes after this one"
HTML = Reply(b"<!DOCTYPE html>\n<html><title>Phoenix</title></html>", headers={"content-type": "text/html"})


def row(number: int, trace: str = OTHER, **more: Any) -> dict[str, Any]:
    """A span as Phoenix shows it."""
    return {
        "id": f"U3Bhbjo{number}",
        "name": "ChatCompletion: m",
        "context": {"trace_id": trace, "span_id": f"{number:016x}"},
        "span_kind": "LLM",
        "parent_id": None,
        "start_time": "2026-11-29T11:21:17.944058+00:00",
        "end_time": "2026-11-29T11:21:17.976535+00:00",
        "status_code": "OK",
        "status_message": "",
        "attributes": {},
        "events": [],
        **more,
    }


def page(*rows: Any, cursor: str | None = None) -> Reply:
    """A page; after the last one there is no cursor."""
    return Reply({"data": list(rows), "next_cursor": cursor})


def full(first: int, cursor: str) -> Reply:
    """A page as long as was asked for, of other traces, and another one after it."""
    return page(*(row(number) for number in range(first, first + PAGE)), cursor=cursor)


async def read(
    *replies: Reply,
    key: str | None = KEY,
    texts: tuple[str, ...] = (),
    trace_id: TraceId | None = MINE,
    nonce: str | None = None,
    narrowing: Narrowing = Narrowing.TRACE_ID,
    span_name: str | None = None,
) -> tuple[tuple[SpanFact, ...], Remote]:
    """What one read shows, and whom it asked for what."""
    clock = FakeClock()
    remote = Remote(clock, *replies)
    reader = PhoenixReader(
        remote.http,
        f"{remote.url}/",
        "a project",
        (lambda: key) if key is not None else None,
        spans=SpanReader(Redactor([KEY]), texts_of=lambda _: texts),
        clock=clock,
    )
    asking = reader.read_window(
        since=START,
        until=START + 5,
        trace_id=trace_id,
        nonce=nonce,
        timeout=10,
        narrowing=narrowing,
        span_name=span_name,
    )
    return await asking, remote


async def refused(*replies: Reply, **how: Any) -> PortError:
    """The error of a read."""
    with pytest.raises(PortError) as caught:
        await read(*replies, **how)
    return caught.value


# --- what is asked


async def test_a_trace_is_asked_for_by_its_id_with_the_key() -> None:
    """In the project, whose name is escaped, and without a window: clocks do not matter."""
    found, remote = await read(page(row(1, MINE), row(2, MINE, parent_id=f"{1:016x}")))
    (asked,) = remote.asked
    assert asked.path == "/v1/projects/a project/spans"
    assert asked.query == {"trace_id": MINE, "limit": str(PAGE)}
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert [(span.span_id, span.parent_id) for span in found] == [(f"{1:016x}", ""), (f"{2:016x}", f"{1:016x}")]
    assert found[0].started_at == pytest.approx(1795951277.944)


async def test_without_authentication_no_key_is_sent() -> None:
    """Not even an empty one."""
    _, remote = await read(page(), key=None)
    assert "authorization" not in remote.asked[0].headers


@pytest.mark.parametrize(
    ("narrowing", "query"),
    [
        (Narrowing.MARKER, {"attribute": f'gateway_trace_monitor.control:"{MINE}"'}),
        (Narrowing.ATTRIBUTE, {"attribute": f'tfy.request.metadata.{NONCE_ENTRY}:"{NONCE}"'}),
        (Narrowing.SPAN_NAME, {"name": "ChatCompletion: m"}),
        (Narrowing.WINDOW, {}),
    ],
)
async def test_a_window_is_narrowed_down_by_what_phoenix_documents(narrowing: Narrowing, query: dict[str, str]) -> None:
    """Values as JSON, else one of digits alone would be a number; the window's end is exclusive."""
    _, remote = await read(page(), nonce=NONCE, narrowing=narrowing, span_name="ChatCompletion: m")
    window = {"start_time": "2027-01-15T08:00:00+00:00", "end_time": "2027-01-15T08:00:06+00:00", "limit": str(PAGE)}
    assert remote.asked[0].query == window | query


async def test_a_part_of_a_value_is_no_filter_of_phoenix() -> None:
    """It is said without asking."""
    assert isinstance(await refused(page(), nonce=NONCE, narrowing=Narrowing.METADATA), Garbled)


# --- what is there


async def test_the_pages_are_read_to_their_end() -> None:
    """By the cursor; what is repeated counts once."""
    found, remote = await read(full(1, "c1"), page(row(901, MINE), row(901, MINE), row(1)), narrowing=Narrowing.WINDOW)
    assert [span.span_id for span in found] == [f"{901:016x}"]
    assert [asked.query.get("cursor") for asked in remote.asked] == [None, "c1"]


async def test_absence_is_an_empty_list() -> None:
    """With 200."""
    assert (await read(page()))[0] == ()


async def test_the_spans_are_found_by_the_nonce_and_then_by_the_id() -> None:
    """The trace whose metadata hold it, not another one that quotes it."""
    quotes = row(1, OTHER, attributes={"gen_ai.prompt.0.content": f"judge this: {NONCE}"})
    mine = row(2, MINE, attributes={f"tfy.request.metadata.{NONCE_ENTRY}": NONCE})
    found, remote = await read(
        page(quotes, mine),
        page(mine, row(3, MINE)),
        trace_id=None,
        nonce=NONCE,
        narrowing=Narrowing.WINDOW,
    )
    assert {span.trace_id for span in found} == {MINE}
    assert len(found) == 2
    assert remote.asked[1].query["trace_id"] == MINE


# --- what is judged of a span


async def test_neither_service_name_nor_resource_can_be_told() -> None:
    """Phoenix drops the resource, so nothing is said of it, rather than that it is empty."""
    ((span,), _) = await read(page(row(1, MINE)))
    assert (span.service_name, span.resource, span.environment) == (None, None, None)


async def test_a_value_that_phoenix_derives_is_no_content() -> None:
    """`output.value` is made of other attributes, and names the model alone."""
    derived = {"output.value": '{"model": "gpt-4o-mini"}', "output.mime_type": "application/json"}
    metadata = {f"tfy.request.metadata.{NONCE_ENTRY}": NONCE, "llm.model_name": "gpt-4o-mini"}
    ((span,), _) = await read(page(row(1, MINE, attributes=derived | metadata)), nonce=NONCE, texts=(PROMPT,))
    assert (span.content, span.unproven) == ((), ())


async def test_the_prompt_in_a_value_is_content_whatever_the_attribute_is_called() -> None:
    """Also in one that Phoenix derived."""
    carried = {"input.value": f'{{"messages": [{{"content": "{PROMPT}"}}]}}', "llm.model_name": "m"}
    ((span,), _) = await read(page(row(1, MINE, attributes=carried)), nonce=NONCE, texts=(PROMPT,))
    assert span.content == ("input.value",)


# --- what is no answer


async def test_a_web_page_is_no_answer_although_its_status_is_200() -> None:
    """Phoenix shows it for every path that it does not have: a wrong address must not pass for an empty project."""
    error = await refused(HTML)
    assert isinstance(error, Garbled)
    assert str(error).startswith(
        "status 200 with text/html: a web page, as Phoenix shows it where it has no such route"
    )
    assert "`phoenix.url`" in str(error)


async def test_a_project_without_a_span_does_not_exist_yet() -> None:
    """It is created by its first span: no fault, and no absence either."""
    error = await refused(Reply(b"Project with name a project not found", status=404))
    assert isinstance(error, NotYetThere)
    assert str(error) == "Phoenix has no project `a project` (yet): it is created by its first span"


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"spans": []}),
        Reply({"data": None}),
        Reply({"data": [1]}),
        Reply({"data": [{"context": {}}]}),
        Reply(b'{"data": ['),
        Reply(b""),
        Reply(b"Invalid cursor", status=422),
    ],
)
async def test_what_is_not_understood_is_garbled(reply: Reply) -> None:
    """Nothing is concluded from it."""
    assert type(await refused(reply)) is Garbled


async def test_a_refused_key_is_refused() -> None:
    """By the documented read, so that it means the key."""
    error = await refused(Reply(b"Invalid token", status=401))
    assert isinstance(error, Refused)
    assert error.unauthorized


async def test_a_failing_service_is_unreachable() -> None:
    """With its status."""
    error = await refused(Reply(b"", status=503))
    assert isinstance(error, Unreachable)
    assert error.status == 503


@pytest.mark.parametrize("narrowing", [Narrowing.TRACE_ID, Narrowing.MARKER])
async def test_a_filter_that_is_not_honoured_is_noticed(narrowing: Narrowing) -> None:
    """An older release ignores a parameter that it does not know, and shows everything."""
    assert "does not honour the filter" in str(await refused(page(row(1)), narrowing=narrowing))


async def test_the_same_page_again_and_again_proves_nothing() -> None:
    """The cursor does not lead on."""
    assert "again and again" in str(await refused(full(1, "c"), full(1, "c"), narrowing=Narrowing.WINDOW))


async def test_a_project_with_too_much_in_it_is_said_to_be_busy() -> None:
    """What was not read proves no absence."""
    rows = [row(number, status_message="x" * 90_000) for number in range(100)]
    error = await refused(page(*rows, cursor="c"), narrowing=Narrowing.WINDOW)
    assert isinstance(error, TooManyRows)
    assert f"{LOOK_BYTES / 2**20:.1f} MiB, the size limit of one look" in str(error)


@pytest.mark.parametrize("status", [429, 401, 503, 422])
async def test_an_error_of_a_later_page_is_one_of_the_read_although_a_root_was_shown(status: int) -> None:
    """The root ends last and is listed first: more of its trace may be on the page that was refused."""
    shown = page(row(1), row(2, MINE), cursor="c")
    error = await refused(shown, Reply(status=status), narrowing=Narrowing.WINDOW)
    assert getattr(error, "status", None) == status


async def test_a_root_before_an_answer_breaks_off_is_no_whole_trace() -> None:
    """As Phoenix lists a tree: the last inserted first, which is the root."""
    tree = [row(3, MINE), row(2, MINE, parent_id=f"{3:016x}"), row(1, MINE, parent_id=f"{2:016x}")]
    body = json.dumps({"data": tree, "next_cursor": None}).encode()
    assert type(await refused(Reply(body[: body.rindex(b"span_kind")]))) is Garbled
    large = [{**each, "status_message": "x" * (LOOK_BYTES // 90)} for each in tree[1:]] * 99
    assert isinstance(await refused(page(tree[0], *large)), TooManyRows)


async def test_a_name_that_lets_others_pass_is_not_honoured_although_ours_was_shown_first() -> None:
    """Then the next span is not taken for lost by it: the whole window is read."""
    name = "gateway-trace-monitor.control"
    clock = FakeClock()
    ours, other = page(row(1, MINE, name=name), row(2, name="POST")), page(row(2, name="POST"))
    remote = Remote(clock, ours, ours, other)
    reader = PhoenixReader(remote.http, remote.url, "default", None, spans=SpanReader(Redactor()), clock=clock)
    wanted = Wanted(
        trace_id=MINE,
        nonce=None,
        since=START,
        until=START + 5,
        span_name=name,
        narrowings=(Narrowing.SPAN_NAME, Narrowing.WINDOW),
        proven=None,
        decides=True,
        skewed=False,
        single=True,
    )
    documented = DocumentedRead(clock)
    first = await documented.read(reader, wanted, START)
    assert (first.narrowing, len(first.spans)) == (Narrowing.WINDOW, 1)
    lost = await documented.read(reader, wanted, START + 1)
    assert (lost.narrowing, len(lost.spans)) == (Narrowing.WINDOW, 0)


NAMED = row(1, MINE, attributes={f"tfy.request.metadata.{NONCE_ENTRY}": NONCE})


async def test_a_nonce_that_was_shown_finds_its_trace_in_a_project_with_too_much_in_it() -> None:
    """Its trace is read by id, so it need not be looked for to the end; and that read may be as long as any."""
    crowd = [row(number, status_message="x" * 90_000) for number in range(2, 101)]
    found, remote = await read(
        page(NAMED, *crowd, cursor="c"), page(NAMED), trace_id=None, nonce=NONCE, narrowing=Narrowing.WINDOW
    )
    assert [span.trace_id for span in found] == [MINE]
    assert remote.asked[1].query["trace_id"] == MINE


async def test_a_query_that_hangs_after_another_was_answered_is_no_crowd() -> None:
    """The search for a nonce was answered whole; that nothing more comes is the service's doing."""
    clock = FakeClock()
    remote = Remote(clock, page(NAMED), Reply(hang=True))
    reader = PhoenixReader(remote.http, remote.url, "default", None, spans=SpanReader(Redactor()), clock=clock)
    asking = reader.read_window(since=START, until=START + 1, trace_id=None, nonce=NONCE, timeout=10)
    task = asyncio.ensure_future(asking)
    assert await clock.run_until(task.done) == 10
    with pytest.raises(Unreachable) as caught:
        await task
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("after", [4.0, 5.0])
async def test_pages_that_take_all_the_time_are_too_many(after: float) -> None:
    """Each was answered: that accuses nobody."""
    clock = FakeClock()
    remote = Remote(clock, *(Reply(full(PAGE * number, str(number)).body, after=after) for number in range(9)))
    reader = PhoenixReader(remote.http, remote.url, "default", None, spans=SpanReader(Redactor()), clock=clock)
    asking = reader.read_window(since=START, until=START + 1, trace_id=MINE, nonce=None, timeout=10)
    task = asyncio.ensure_future(asking)
    assert await clock.run_until(task.done) == 10
    with pytest.raises(TooManyRows):
        await task


async def test_rows_that_are_too_large_prove_nothing() -> None:
    """They are dropped while they are read."""
    error = await refused(page(row(1, MINE, status_message="x" * (ROW_LIMIT + 1))))
    assert isinstance(error, TooManyRows)
