"""Other people's traces beside ours: as many as asked for, without any of them being kept."""

import json
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from monitor.sandbox import Sandbox, Traffic, Variant, parse_traffic
from monitor.sandbox.other_requests import OTHER_REQUESTS
from monitor.sandbox.spans import iso
from monitor.sandbox.traffic import Position
from tests.fakes.clock import START, FakeClock
from tests.sandbox.common import MODEL, Asker, read

NOW = int(START)
NONCE = "gtm-0123456789abcdef"
BUSY = Traffic(200, 3, 8_000)
QUIET = Traffic(10, 3, 2_000)


async def busy(
    clock: FakeClock, traffic: Traffic = QUIET, *, content: bool = False, latency: float = 0.4, **switches: Any
) -> Asker:
    """A started sandbox among others."""
    variant = Variant().vary(switches)
    sandbox = Sandbox(clock=clock, variant=variant, latency=latency, content=content, traffic=traffic)
    await sandbox.start()
    return Asker(sandbox, clock)


async def total(asker: Asker, **query: Any) -> int:
    """How many rows the warehouse says there are."""
    return int((await asker.warehouse(**{"limit": 1, **query}))["total_results"])


async def every_row(asker: Asker, **query: Any) -> list[dict[str, Any]]:
    """Page after page, until one is empty."""
    rows: list[dict[str, Any]] = []
    cursor = "0"
    while cursor != "-1":
        page = await asker.warehouse(cursor=cursor, **query)
        rows += page["data"]
        cursor = page["next_cursor"]
    return rows


# --- how many, and when


async def test_the_warehouse_counts_a_second(clock: FakeClock) -> None:
    """Both ends belong to a window: so does the span that begins with the next second."""
    asker = await busy(clock, BUSY)
    assert await total(asker, from_timestamp_sec=NOW - 100, to_timestamp_sec=NOW - 99) == 601
    assert await total(asker, from_timestamp_sec=NOW - 100, to_timestamp_sec=NOW - 90) == 6001


@pytest.mark.parametrize("rate", [0.3, 1, 7.5, 200, 1999.9])
def test_times_can_be_traced_back_to_requests(rate: float) -> None:
    """A request is within a window exactly if it began in it, at any rate."""
    traffic = Traffic(rate)
    found = traffic.requests(NOW * 1000, NOW * 1000 + 9_999)
    assert len(found) == pytest.approx(rate * 10, abs=1)
    for request, inside in (
        (found[0] - 1, False),
        (found[0], True),
        (found[-1], True),
        (found[-1] + 1, False),
    ):
        assert (0 <= traffic.began(Position(request, 0)) - NOW * 1000 <= 9_999) is inside
        assert traffic.began(Position(request, 2)) == traffic.began(Position(request, 0)) + 2


# --- who they are


def test_ids_are_those_of_their_request_and_of_no_other() -> None:
    """All different, and in the right form."""
    spots = [Position(request, place) for request in range(360_000_000_000, 360_000_000_200) for place in range(3)]
    names = [
        *(BUSY.trace_id(Position(request, 0)) for request in {spot.request for spot in spots}),
        *(BUSY.span_id(spot) for spot in spots),
        *(BUSY.nonce(request) for request in {spot.request for spot in spots}),
    ]
    assert len(set(names)) == len(names)
    assert {re.sub(r"[0-9a-f]+$", "", name) for name in names} == {"", "gtm-"}
    assert {len(name) for name in names} == {16, 20, 32}


async def test_what_they_send_is_of_many_kinds(clock: FakeClock) -> None:
    """Other models and services, spans without a model, and what is as like ours as can be."""
    rows = await every_row(await busy(clock, content=True), from_timestamp_sec=NOW - 12, to_timestamp_sec=NOW - 10)
    assert {f"ChatCompletion: {MODEL}", "gateway-trace-monitor.control"} <= {row["span_name"] for row in rows}
    assert len({row["service_name"] for row in rows}) >= 5
    assert len({row["span_attributes"].get("llm.request.model") for row in rows}) >= 5
    plain = [row for row in rows if not row["prompts"] and "http.route" in row["span_attributes"]]
    assert plain
    assert {row["environment"] for row in rows} == {"prd"}
    roots = [row["trace_id"] for row in rows if not row["parent_span_id"]]
    assert len(roots) == len(set(roots)) == len({row["trace_id"] for row in rows})


async def test_other_monitors_never_use_our_names(clock: FakeClock) -> None:
    """Their canaries have nonces of their own, their control spans name themselves."""
    asker = await busy(clock, Traffic(20, 3, 2_000))
    await asker.complete(headers={"x-tfy-metadata": json.dumps({"tfy_monitor": "canary", "probe_id": NONCE})})
    await clock.advance(10)
    rows = await every_row(asker, limit=500, from_timestamp_sec=NOW - 20)
    ours = {row.trace_id for row in asker.rows()}
    canaries = [json.loads(text) for row in rows if (text := row["span_attributes"].get("tfy.request.metadata"))]
    nonces = Counter(tags["probe_id"] for tags in canaries if tags.get("tfy_monitor") == "canary")
    assert nonces.pop(NONCE) == 3
    assert len(nonces) > 40
    assert all(re.fullmatch(r"gtm-[0-9a-f]{16}", nonce) for nonce in nonces)
    controls = [row for row in rows if row["span_name"] == "gateway-trace-monitor.control"]
    assert len(controls) > 120
    assert {(row["service_name"], row["parent_span_id"]) for row in controls} == {("gateway-trace-monitor", "")}
    marks = {row["span_attributes"]["gateway_trace_monitor.control"] for row in controls}
    assert marks == {row["trace_id"] for row in controls}
    assert not marks & ours
    assert len(marks) == len(controls)


async def test_the_same_moment_shows_the_same_rows() -> None:
    """In every process, without a memory."""
    pages = [
        await (await busy(FakeClock(seed=seed), BUSY)).warehouse(
            from_timestamp_sec=NOW - 60, limit=200, sort_order="DESC"
        )
        for seed in (1, 2)
    ]
    assert pages[0] == pages[1]
    assert pages[0]["page_size"] == 200


@pytest.mark.parametrize(
    ("size", "naming"),
    [
        (2_000, "tfy"),
        (8_000, "llm"),
        *(
            pytest.param(size, naming, marks=pytest.mark.thorough)
            for size in (2_000, 50_000, 200_000)
            for naming in ("llm", "gen_ai", "tfy")
        ),
    ],
)
async def test_rows_are_as_large_as_asked_for(clock: FakeClock, size: int, naming: str) -> None:
    """Each kind of them, give or take a fifth; with quotes, line ends, commas and letters of other languages."""
    asker = await busy(clock, Traffic(10, 4, size), naming=naming)
    rows = (await asker.warehouse(from_timestamp_sec=NOW - 20, limit=len(OTHER_REQUESTS) * 4))["data"]
    sizes = [len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) for row in rows]
    assert len(sizes) == len(OTHER_REQUESTS) * 4
    assert 0.8 * size <= min(sizes) <= max(sizes) <= 1.2 * size
    text = json.dumps(rows, ensure_ascii=False)
    assert size < 8_000 or all(part in text for part in ('\\"', "\\n", ", ", "ü", "東京"))


# --- what is shown of it


async def test_they_are_seen_in_the_environment_of_the_key_alone(clock: FakeClock) -> None:
    """Production is busy; development and staging are not."""
    asker = await busy(clock)
    assert await total(asker) == 3600 * 30 + 1
    for environment in ("dev", "stg"):
        assert await total(asker, environment=environment) == 0


async def test_they_are_seen_when_they_are_indexed(clock: FakeClock) -> None:
    """A minute after they began where that is how long it takes, and ten seconds more where the warehouse is behind."""
    slow: tuple[tuple[dict[str, Any], int], ...] = (
        ({"index_lag": "60s"}, 60),
        ({"index_lag": "2s", "warehouse": "behind"}, 12),
    )
    for switches, lag in slow:
        asker = await busy(clock, **switches)
        newest = (await asker.warehouse(limit=1, sort_order="DESC"))["data"][0]
        assert newest["timestamp"] == (NOW - lag) * 1000
        assert await total(asker, from_timestamp_sec=NOW - lag + 1) == 0


async def test_without_a_beginning_the_last_hour_is_searched(clock: FakeClock) -> None:
    """From its end backwards, wherever that is."""
    asker = await busy(clock, Traffic(1, 1))
    assert await total(asker) == 3601
    assert await total(asker, to_timestamp_sec=NOW - 86_400) == 3601
    assert await total(asker, from_timestamp_sec=NOW - 7202) == 7201


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("limit", [*(pytest.param(limit, marks=pytest.mark.thorough) for limit in (1, 2)), 7, 50])
async def test_pages_add_up(clock: FakeClock, order: str, limit: int) -> None:
    """Every row of the window, ours among them, and as many as were announced; a border may show one twice."""
    asker = await busy(clock)
    await clock.advance(0.05)  # between two of theirs
    await asker.complete()
    await clock.advance(10)
    query: dict[str, Any] = {"from_timestamp_sec": NOW - 3, "to_timestamp_sec": NOW + 2, "sort_order": order}
    rows = await every_row(asker, limit=limit, **query)
    found = {row["span_id"] for row in rows}
    assert len(found) == await total(asker, **query) == 5 * 30 + 1 + 3
    assert {row.span_id for row in asker.rows()} <= found


async def test_what_shares_a_millisecond_is_skipped_at_a_border(clock: FakeClock) -> None:
    """As ever: the cursor is a time. The three spans of an instant answer, cut by a page, are not shown whole."""
    asker = await busy(clock, latency=0.0)
    await asker.complete()
    await clock.advance(10)
    assert len({row.timestamp for row in asker.rows()}) == 1
    window = {"from_timestamp_sec": NOW - 1, "to_timestamp_sec": NOW, "sort_order": "DESC"}
    found = {row["span_id"] for row in await every_row(asker, limit=2, **window)}
    assert len({row.span_id for row in asker.rows()} & found) < 3


async def test_pages_are_in_order_but_for_neighbours(clock: FakeClock) -> None:
    """Here and there two rows within three milliseconds stand the wrong way round, in the same places each time."""
    asker = await busy(clock, BUSY)
    page = (await asker.warehouse(from_timestamp_sec=NOW - 60, limit=500, sort_order="DESC"))["data"]
    steps = [one["timestamp"] - other["timestamp"] for one, other in pairwise(page)]
    assert -3 <= min(steps) < 0
    assert sum(step < 0 for step in steps) > 50
    asker.sandbox.world.traffic = Traffic()
    await asker.complete()
    await clock.advance(10)
    ours = [row["timestamp"] for row in (await asker.warehouse())["data"]]
    assert ours == sorted(ours)


async def test_a_cursor_that_is_ignored_shows_the_first_page_again(clock: FakeClock) -> None:
    """Also where others' rows are on it."""
    asker = await busy(clock)
    await asker.sandbox.break_("read_api_pages")
    first = await asker.warehouse(limit=5, from_timestamp_sec=NOW - 60)
    assert await asker.warehouse(limit=5, from_timestamp_sec=NOW - 60, cursor=first["next_cursor"]) == first


# --- TrueFoundry's own store


async def own(asker: Asker, *, admin: bool = True, **query: Any) -> Any:
    """The own store as an administrator sees it, or as we do."""
    token = asker.credentials.admin_token if admin else asker.credentials.token
    body = {"startTime": iso(NOW - 10), "dataRoutingDestination": "default", **query}
    return read(await asker.plane("POST", "/api/svc/v1/spans/query", body=body, token=token))


OWN = 51 * 3 + 1 + 3
"""In ten seconds and a fifth: half of the requests go through the gateway, and the last has begun its first span."""


async def test_the_own_store_is_busy_for_those_who_may_see_it(clock: FakeClock) -> None:
    """What went through the gateway, and who asked for it; we see our own spans alone."""
    asker = await busy(clock)
    await asker.complete()
    spans = (await own(asker, limit=1000))["data"]
    accounts = Counter(span["createdBySubject"]["subjectSlug"] for span in spans)
    assert accounts["trace-monitor"] == 3
    assert set(accounts) == {"trace-monitor", "checkout", "other-monitor", "support", "research", "search"}
    assert {span["statusCode"] for span in spans} == {"Ok", "Error"}
    assert len((await own(asker, admin=False))["data"]) == 3


async def test_the_own_store_holds_each_of_them_once(clock: FakeClock) -> None:
    """Page after page, newest first or last, with ours among them."""
    asker = await busy(clock)
    await clock.advance(0.05)
    await asker.complete()
    for direction in ("asc", "desc"):
        query: dict[str, Any] = {"endTime": iso(NOW + 0.2), "sortDirection": direction, "limit": 7}
        spans: list[dict[str, Any]] = []
        token: str | None = None
        while not spans or token:
            page = await own(asker, **query)
            spans += page["data"]
            token = query["pageToken"] = page["pagination"].get("nextPageToken")
        moments = [span["timestamp"] for span in spans]
        assert moments == sorted(moments, reverse=direction == "desc")
        assert len({span["spanId"] for span in spans}) == len(spans) == OWN
        assert sum(span["createdBySubject"]["subjectSlug"] == "trace-monitor" for span in spans) == 3


async def test_the_own_store_is_asked_by_metadata(clock: FakeClock) -> None:
    """Our canary is found among others' by its nonce; and all of theirs by what they have in common."""
    asker = await busy(clock, BUSY)
    await asker.complete(headers={"x-tfy-metadata": json.dumps({"tfy_monitor": "canary", "probe_id": NONCE})})
    by_nonce = {"gatewayRequestMetadataKey": "probe_id", "operator": "EQUAL", "value": NONCE}
    spans = (await own(asker, filters=[by_nonce]))["data"]
    assert len(spans) == 3
    assert {span["createdBySubject"]["subjectSlug"] for span in spans} == {"trace-monitor"}
    by_kind = {"gatewayRequestMetadataKey": "tfy_monitor", "operator": "EQUAL", "value": "canary"}
    canaries = (await own(asker, filters=[by_kind], limit=1000))["data"]
    assert len({span["traceId"] for span in canaries}) > 200


async def test_the_own_store_is_asked_by_trace_ids(clock: FakeClock) -> None:
    """Nothing else comes than the traces that were named."""
    asker = await busy(clock, BUSY)
    await asker.complete()
    trace_id = asker.sandbox.world.own_spans[0].span.trace_id
    assert {span["traceId"] for span in (await own(asker, traceIds=[trace_id]))["data"]} == {trace_id}
    assert (await own(asker, traceIds=["0" * 32]))["data"] == []


async def test_the_own_store_shows_them_as_late_as_ours(clock: FakeClock) -> None:
    """Roots after a quarter of a minute, the rest after half; and nothing where it is hidden."""
    asker = await busy(clock, own_store="lagging")
    spans = (await own(asker, startTime=iso(NOW - 60), limit=1000))["data"]
    newest = {
        root: max(span["timestamp"] for span in spans if (not span["parentSpanId"]) is root) for root in (True, False)
    }
    assert newest == {True: iso(NOW - 15), False: iso(NOW - 30.198)}
    asker.sandbox.world.vary(own_store="hidden")
    assert (await own(asker))["data"] == []


async def test_spans_of_the_own_store_are_as_large_as_asked_for(clock: FakeClock) -> None:
    """Give or take a fifth, with their content under the names that are kept."""
    spans = (await own(await busy(clock, Traffic(10, 3, 20_000))))["data"]
    sizes = [len(json.dumps(span, ensure_ascii=False, separators=(",", ":")).encode()) for span in spans]
    assert 16_000 <= min(sizes) <= max(sizes) <= 24_000
    assert not [name for span in spans for name in span["spanAttributes"] if name.startswith("gen_ai.")]


# --- setting it


@pytest.mark.parametrize(
    ("text", "traffic"),
    [
        ("0", Traffic()),
        (" 20 ", Traffic(20, 3, 8_000)),
        ("0.5x4", Traffic(0.5, 4, 8_000)),
        ("20x1x50000", Traffic(20, 1, 50_000)),
    ],
)
def test_traffic_is_read_from_a_word(text: str, traffic: Traffic) -> None:
    """Requests a second, then spans, then bytes."""
    assert parse_traffic(text) == traffic
    assert parse_traffic(str(traffic)) == traffic


@pytest.mark.parametrize(
    "text",
    ["", "many", "-1", "20y3", "20x", "20x3x8000x1", "2001", "20x0", "20x21", "20x3x999", "20x3x1000001", "1e3", "nan"],
)
def test_what_cannot_be_is_explained(text: str) -> None:
    """With what is allowed."""
    with pytest.raises(
        ValueError, match=r"traffic cannot be '.*'; it is requests a second \(0 to 2000\), or .* 20x3x8000"
    ):
        parse_traffic(text)


@pytest.mark.parametrize("made_of", [(True, 3, 8_000), (20, 2.5, 8_000), (20, 3, "8000"), (float("nan"), 3, 8_000)])
def test_numbers_that_are_none_are_refused(made_of: tuple[Any, Any, Any]) -> None:
    """Also from Python and from JSON."""
    with pytest.raises(ValueError, match="traffic cannot be"):
        Traffic(*made_of)
