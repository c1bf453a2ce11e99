"""Windows of Traceloop that hold more than one look may read, and reads of which a later page fails."""

import asyncio
from typing import Any

import pytest

from monitor.http.rows import ROW_LIMIT
from monitor.otlp import LOOK_BYTES
from monitor.ports import PortError, TooManyRows, Unreachable
from monitor.traceloop.read import PAGE
from tests.fakes.clock import FakeClock
from tests.fakes.remote import Remote, Reply
from tests.traceloop.test_read import MINE, NONCE, full, page, quick, reader_at, row, window


def large(first: int, count: int = PAGE, **more: Any) -> Reply:
    """A page of rows with 50 kB each, of other traces."""
    text = 'lorem ipsum, "dolor" sit amet… ' * 1600
    return page(*(row(number, input=text) for number in range(first, first + count)), **more)


async def test_a_look_ends_when_it_has_read_what_it_may() -> None:
    """And says how far it got, and what there was; nothing is concluded."""
    pages = [large(PAGE * number, total=36_000) for number in range(9)]
    with pytest.raises(
        TooManyRows, match=r"too many spans to read: \d+ of 36000 rows read \(8.0 MiB, the size limit of one look\)"
    ) as caught:
        await window(*pages)
    assert caught.value.evidence["bytes_read"] == LOOK_BYTES
    assert 100 < int(str(caught.value.evidence["rows_seen"])) < 200


async def test_what_was_found_before_the_end_is_found() -> None:
    """Behind what began well before its root there is no more of a trace; without a root, or right behind it, there may be."""
    text = "x" * 60_000
    crowd = [row(number, input=text) for number in range(200, 500)]
    spans, _ = await window(page(row(0, MINE, parent_span_id=f"{1:016x}"), row(1, MINE), *crowd))
    assert len(spans) == 2
    with pytest.raises(TooManyRows):
        await window(page(*crowd[:100], row(0, MINE, parent_span_id=f"{1:016x}"), *crowd[100:]))


async def test_a_root_right_before_the_end_of_a_look_is_no_whole_trace() -> None:
    """What began with it may be listed after it."""
    crowd = [row(number, input="x" * 90_000) for number in range(2, 99)]
    with pytest.raises(TooManyRows):
        await window(page(row(0, MINE), *crowd))


async def test_a_query_that_hangs_after_another_was_answered_is_no_crowd() -> None:
    """The search for a nonce was answered whole; that nothing more comes is the service's doing."""
    clock = FakeClock()
    named = row(0, MINE, span_attributes={"tfy.request.metadata": f'{{"probe_id": "{NONCE}"}}'})
    remote = Remote(clock, page(named, total=1), Reply(hang=True))
    asking = reader_at(remote).read_window(since=0, until=1, trace_id=None, nonce=NONCE, timeout=10)
    task = asyncio.ensure_future(asking)
    await clock.run_until(task.done)
    with pytest.raises(Unreachable) as caught:
        await task
    assert caught.value.kind == "timeout"


async def test_a_trace_that_is_larger_than_a_look_is_not_judged_by_a_part() -> None:
    """By the quick route."""
    rows = [row(number, MINE, input="x" * 60_000) for number in range(200)]
    with pytest.raises(TooManyRows, match="8 MiB"):
        await quick(Reply({"spans": rows}))


async def test_a_row_that_is_larger_than_any_of_ours_is_dropped() -> None:
    """What is in it is not known, so where nothing was found nothing is concluded."""
    huge = row(1, input="x" * (ROW_LIMIT + 1))
    assert len((await window(page(huge, row(2, MINE), total=2)))[0]) == 1
    with pytest.raises(TooManyRows, match="too large"):
        await window(page(huge, row(2), total=2))


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


@pytest.mark.parametrize("status", [429, 401, 503, 404])
async def test_a_trace_that_was_shown_whole_is_there_whatever_is_answered_after_it(status: int) -> None:
    """It is, where its root and what began well before that were: else more of it may be on the page that was refused."""
    spans, _ = await window(page(row(0, MINE), row(101), total=9999), Reply(status=status))
    assert [span.trace_id for span in spans] == [MINE]
    for part in ([row(101), row(999, MINE)], [row(0, MINE, parent_span_id=f"{1:016x}"), row(101)]):
        with pytest.raises(PortError):
            await window(page(*part, total=9999), Reply(status=status))


@pytest.mark.parametrize(
    ("trouble", "error"), [({"hang": True}, Unreachable), ({"after": 4.0}, TooManyRows), ({"after": 5.0}, TooManyRows)]
)
async def test_a_window_is_read_in_bounded_time(trouble: dict[str, Any], error: type[PortError]) -> None:
    """All pages together, not each. Where pages were answered, it is their number that takes too long."""
    clock = FakeClock()
    remote = Remote(clock, *(Reply(full(PAGE * number).body, **trouble) for number in range(9)))
    asking = reader_at(remote).read_window(since=0, until=1, trace_id=MINE, nonce="gtm-1", timeout=10)
    task = asyncio.ensure_future(asking)
    assert await clock.run_until(task.done) == 10
    with pytest.raises(error) as caught:
        await task
    assert getattr(caught.value, "kind", "timeout") == "timeout"
    assert len(remote.asked) <= 3
