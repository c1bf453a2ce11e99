"""How many requests have a trace in Traceloop: by the type of the root span, and only where that filter is honoured."""

from typing import Any

import pytest

from monitor.otlp import ROOT_TYPES, SPAN_TYPE
from monitor.ports import Garbled, Refused
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.traceloop.test_read import EMPTY, page, reader_at, row


def of(kind: str, total: Any) -> Reply:
    """A page of one row of a type, and how many there are."""
    return page(row(1, span_attributes={SPAN_TYPE: kind}), total=total)


async def count(*replies: Reply) -> tuple[int, Remote]:
    """One count, answered so."""
    remote = Remote(FakeClock(), *replies)
    return await reader_at(remote).count_traces(since=START - 900, until=START, timeout=10), remote


async def test_the_root_spans_of_every_type_are_added() -> None:
    """After it was seen that a type which nobody has is not there."""
    found, remote = await count(EMPTY, of("ChatCompletion", 120), EMPTY, of("Embedding", 5), EMPTY)
    assert found == 125
    assert [asked.query[SPAN_TYPE] for asked in remote.asked] == ["gateway-trace-monitor", *ROOT_TYPES]
    assert {asked.query["limit"] for asked in remote.asked} == {"1"}


@pytest.mark.parametrize(
    "replies",
    [
        [page(row(1), total=9000)],  # rows without the type
        [of("ChatCompletion", 9000)],
        [page(total=9000)],
        [EMPTY, of("Model", 9000)],
        [EMPTY, page(row(1, span_attributes={SPAN_TYPE: "ChatCompletion"}))],  # no total
        [EMPTY, of("ChatCompletion", "many")],
        [EMPTY, of("ChatCompletion", -1)],
        [EMPTY, Reply({"spans": {"data": None, "total_results": 7}})],  # no row, no proof of the filter
        [Reply({"spans": None})],
        [Reply([])],
    ],
)
async def test_a_count_that_may_be_another_is_none(replies: list[Reply]) -> None:
    """A filter that is not honoured counts everything, or something else."""
    with pytest.raises(Garbled):
        await count(*replies)


async def test_a_count_without_a_row_proves_nothing_of_its_filter() -> None:
    """Unless it is zero: no rows may also be written as null."""
    nothing = Reply({"spans": {"data": None, "total_results": 0}})
    assert (await count(nothing))[0] == 0
    with pytest.raises(Garbled, match="shows none of them"):
        await count(nothing, Reply({"spans": {"data": None, "total_results": 7}}), nothing)


async def test_a_refused_key_is_said() -> None:
    """Like every documented read."""
    with pytest.raises(Refused):
        await count(Reply({"error": "Unauthorized"}, status=401))
