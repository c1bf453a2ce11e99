"""How many requests have a trace in Phoenix: it counts nothing, so the root spans are read."""

from typing import Any

import pytest

from monitor.otlp import LOOK_BYTES, ROOT_TYPES, SPAN_TYPE, SpanReader
from monitor.phoenix import PhoenixReader
from monitor.ports import Garbled, TooManyRows
from monitor.redaction import Redactor
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.phoenix.test_read import page, row

NONE = page()


def roots(first: int, count: int, kind: str = "ChatCompletion", cursor: str | None = None, **more: Any) -> Reply:
    """A page of root spans of one type."""
    return page(
        *(row(number, attributes={SPAN_TYPE: kind, **more}) for number in range(first, first + count)), cursor=cursor
    )


async def count(*replies: Reply) -> tuple[int, Remote]:
    """One count, answered so."""
    clock = FakeClock()
    remote = Remote(clock, *replies)
    reader = PhoenixReader(remote.http, remote.url, "default", None, spans=SpanReader(Redactor()), clock=clock)
    return await reader.count_traces(since=START - 900, until=START, timeout=10), remote


async def test_the_root_spans_of_every_type_are_read_to_the_end() -> None:
    """Page by page, each type by its filter."""
    found, remote = await count(roots(1, 100, cursor="next"), roots(101, 20), NONE, roots(1, 5, "Embedding"), NONE)
    assert found == 125
    asked = [each.query for each in remote.asked]
    assert [each["attribute"] for each in asked] == [f'{SPAN_TYPE}:"{kind}"' for kind in (ROOT_TYPES[0], *ROOT_TYPES)]
    assert asked[1]["cursor"] == "next"
    assert {(each["start_time"], each["end_time"]) for each in asked} == {
        ("2027-01-15T07:45:00+00:00", "2027-01-15T08:00:00+00:00")
    }


async def test_a_span_that_two_pages_show_is_one() -> None:
    """Spans that come while pages are read move the border between them."""
    found, _ = await count(roots(1, 100, cursor="next"), roots(91, 30), NONE, NONE, NONE)
    assert found == 120


async def test_other_rows_than_were_asked_for_are_no_count() -> None:
    """The filter is not honoured."""
    with pytest.raises(Garbled, match="does not honour the filter"):
        await count(roots(1, 3, "Model"))


async def test_more_than_a_look_may_read_is_no_count() -> None:
    """A window of a busy project, with all its prompts."""
    rows = roots(1, 100, cursor="more", prompt="x" * (LOOK_BYTES // 90))
    with pytest.raises(TooManyRows):
        await count(rows, rows, rows)
