"""TrueFoundry's own trace store: what is asked of it, and what its answers prove."""

import asyncio
import datetime as dt
from typing import Any

import pytest

from monitor.core.gateway_policies import Caller
from monitor.core.model import TraceId
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from monitor.redaction import MASK
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.truefoundry.test_control_plane import KEY, plane_at

TRACE = TraceId("019ab2a96d50707fa3090c1b7201d5bd")  # made 2025-11-24


def row(span: str, parent: str = "", trace: str = TRACE) -> dict[str, Any]:
    """A row of spans/query."""
    return {
        "spanId": span,
        "traceId": trace,
        "parentSpanId": parent,
        "spanName": "Model: x",
        "serviceName": "tfy-llm-gateway",
    }


async def find(*replies: Reply, trace: TraceId = TRACE, since: float = START) -> tuple[Any, Remote]:
    """Look for a trace; what was found, and what was asked."""
    remote = Remote(FakeClock(), *replies)
    spans = await plane_at(remote).find_spans(trace, since=since, destination=None, timeout=5)
    return spans, remote


async def test_spans_are_found_page_by_page_and_once_each() -> None:
    """Pages repeat spans; an absent token is the end."""
    first = Reply({"data": [row("a" * 16), row("B" * 16, "a" * 16)], "pagination": {"nextPageToken": "2"}})
    second = Reply({"data": [row("b" * 16, "a" * 16), row("c" * 16, "a" * 16)], "pagination": {"nextPageToken": ""}})
    spans, remote = await find(first, second)
    assert [span.span_id[0] for span in spans] == ["a", "b", "c"]
    assert [request.json.get("pageToken") for request in remote.asked] == [None, "2"]


async def test_a_store_that_repeats_its_page_is_left() -> None:
    """A token that leads nowhere new is no reason to ask for ever."""
    _, remote = await find(Reply({"data": [row("a" * 16)], "pagination": {"nextPageToken": "again"}}))
    assert len(remote.asked) == 2


@pytest.mark.parametrize("pagination", ["2", 2, ["2"], True])
async def test_a_page_of_which_the_next_is_not_understood_proves_no_absence(pagination: Any) -> None:
    """There may be more."""
    with pytest.raises(Garbled):
        await find(Reply({"data": [], "pagination": pagination}))


@pytest.mark.parametrize(
    ("status", "error"), [(403, Refused), (404, Gone), (422, Garbled), (503, Unreachable), (302, Garbled)]
)
async def test_a_store_that_says_no_has_shown_nothing(status: int, error: type[PortError]) -> None:
    """Not even that a trace is not there, whatever stands in the body."""
    with pytest.raises(error):
        await find(Reply({"data": [], "pagination": {}}, status))


async def test_the_query_is_as_strict_as_the_api() -> None:
    """One destination, an ISO start with milliseconds that leaves room for other clocks."""
    _, remote = await find(Reply({"data": []}), trace=TraceId("f" * 32))
    assert remote.asked[0].json == {
        "startTime": "2027-01-15T07:55:00.000Z",
        "traceIds": ["f" * 32],
        "dataRoutingDestination": "default",
        "limit": 100,
        "sortDirection": "asc",
    }


async def test_the_search_begins_before_the_moment_in_the_id() -> None:
    """A gateway whose clock is half an hour slow writes it into its ids; one that lies by years is not believed."""
    made = int((START - 1800) * 1000)
    _, remote = await find(Reply({"data": []}), trace=TraceId(f"{made:012x}707fa3090c1b7201d5bd"))
    assert remote.asked[0].json["startTime"] == "2027-01-15T07:25:00.000Z"
    _, remote = await find(Reply({"data": []}))
    assert remote.asked[0].json["startTime"] == "2027-01-14T07:55:00.000Z"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        [],
        {"data": ["odd"]},
        {"data": [{"span_id": "a", "trace_id": TRACE}]},
        {"data": [row("a" * 16, trace="f" * 32)]},
    ],
)
async def test_absence_is_never_read_into_another_shape(body: Any) -> None:
    """Rows without ids, or of other traces, say nothing about ours."""
    with pytest.raises(Garbled):
        await find(Reply(body))


@pytest.mark.parametrize("name", ["traceId", "spanId", "parentSpanId"])
@pytest.mark.parametrize("text", [KEY, "<script>", "a" * 65, "\u202e", ["a"], {"a": 1}])
async def test_what_is_no_id_is_never_taken_for_one(name: str, text: Any) -> None:
    """A trace found by its nonce gives the canary its id, which is kept and shown everywhere."""
    with pytest.raises(Garbled, match="no usable ids") as caught:
        await plane_at(Remote(FakeClock(), Reply({"data": [{**row("a" * 16, "b" * 16), name: text}]}))).find_spans(
            None, since=START, destination=None, timeout=5, nonce="gtm-1"
        )
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("together", [True, False])
async def test_a_nonce_that_finds_several_traces_finds_none(together: bool) -> None:
    """On one page or on two: the filter is not honoured, and whose trace ours is cannot be told."""
    one, other = row("a" * 16, trace="a" * 32), row("b" * 16, trace="b" * 32)
    pages = [Reply({"data": [one], "pagination": {"nextPageToken": "2"}}), Reply({"data": [other]})]
    remote = Remote(FakeClock(), *([Reply({"data": [one, other]})] if together else pages))
    with pytest.raises(Garbled, match="several traces"):
        await plane_at(remote).find_spans(None, since=START, destination=None, timeout=5, nonce="gtm-1")


async def test_all_pages_together_take_as_long_as_one_may() -> None:
    """As by every other read."""
    clock = FakeClock()
    remote = Remote(clock, Reply({"data": [], "pagination": {"nextPageToken": "2"}}, after=2.0))
    asking = plane_at(remote).find_spans(TRACE, since=START, destination=None, timeout=5)
    task = asyncio.ensure_future(asking)
    assert await clock.run_until(task.done) == 5
    with pytest.raises(Unreachable):
        await task


async def test_nothing_is_an_answer_of_the_store() -> None:
    """An empty list."""
    assert (await find(Reply({"data": [], "pagination": {}})))[0] == ()


async def test_an_empty_page_need_not_be_the_last() -> None:
    """Absence is proven by the last page only, and not at all where the end is never reached."""
    empty = Reply({"data": [], "pagination": {"nextPageToken": "2"}})
    spans, remote = await find(empty, Reply({"data": [row("a" * 16)]}))
    assert [span.span_id for span in spans] == ["a" * 16]
    assert [request.json.get("pageToken") for request in remote.asked] == [None, "2"]
    with pytest.raises(Garbled):
        await find(empty)


ACCOUNT = {"subjectId": "1", "subjectType": "virtualaccount", "subjectSlug": "monitor"}


@pytest.mark.parametrize(
    ("more", "caller"),
    [
        (
            {"createdBySubject": ACCOUNT},
            Caller(names=("monitor", "virtualaccount:monitor", "serviceaccount:monitor")),
        ),
        (
            {
                "createdBySubject": {"subjectType": "user", "subjectSlug": "ada@example.com"},
                "spanAttributes": {"tfy.request.created_by_subject_teams": ["ml", "ops"]},
            },
            Caller(names=("ada@example.com", "user:ada@example.com"), teams=("ml", "ops")),
        ),
        (
            {"createdBySubject": ACCOUNT, "spanAttributes": {"tfy.request.created_by_subject_teams": "ml"}},
            Caller(names=("monitor", "virtualaccount:monitor", "serviceaccount:monitor")),
        ),
        ({"createdBySubject": {"subjectType": "user"}}, None),
        ({"createdBySubject": "ada"}, None),
        ({}, None),
    ],
)
async def test_whose_request_it_was_is_read(more: dict[str, Any], caller: Caller | None) -> None:
    """In the forms in which a rule may name the account; teams only where they are a list."""
    spans, _ = await find(Reply({"data": [{**row("a" * 16), **more}]}))
    assert spans[0].caller == caller


async def test_whose_request_it_was_holds_no_secret() -> None:
    """An account or a team named after the key: it is kept in the state, and compared with rules that are read likewise."""
    subject, teams = {**ACCOUNT, "subjectSlug": f"by-{KEY}"}, {"tfy.request.created_by_subject_teams": [KEY]}
    spans, _ = await find(Reply({"data": [{**row("a" * 16), "createdBySubject": subject, "spanAttributes": teams}]}))
    names = (f"by-{MASK}", f"virtualaccount:by-{MASK}", f"serviceaccount:by-{MASK}")
    assert spans[0].caller == Caller(names=names, teams=(MASK,))


def test_the_date_of_the_fake_clock() -> None:
    """What the dates above are counted from."""
    assert dt.datetime.fromtimestamp(START, dt.UTC).isoformat() == "2027-01-15T08:00:00+00:00"
