"""The documented read of Traceloop among other people's traces: what filters find, and what it costs."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from monitor.sandbox import Traffic
from monitor.sandbox.other_requests import OTHER_REQUESTS
from monitor.sandbox.spans import UPSTREAM
from monitor.sandbox.traffic import Position
from tests.fakes.clock import FakeClock
from tests.sandbox.common import MODEL, Answer, read
from tests.sandbox.test_traffic import BUSY, NONCE, NOW, busy, every_row, total


@dataclass(frozen=True)
class Counted(Traffic):
    """Traffic that counts how many rows are made of it, for an answer or to be looked at: each needs the id of its trace."""

    made: list[Position] = field(default_factory=list)

    def trace_id(self, root: Position) -> str:
        """The id, and a stroke."""
        self.made.append(root)
        return super().trace_id(root)


def rule(field: str, operator: str, value: object = None) -> str:
    """A filter of the warehouse."""
    return json.dumps([{"id": field, "operator": operator, "value": value}])


WINDOW = {"from_timestamp_sec": NOW - 30, "to_timestamp_sec": NOW - 11}
FILTERS: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 571),
    "span name": ({"span_name": f"ChatCompletion: {MODEL}"}, 39),
    "workflow": ({"workflow": "checkout"}, 57),
    "attribute": ({"traceloop.span.kind": "tool"}, 38),
    "service": ({"filters": rule("service.name", "equals", "tfy-llm-gateway")}, 286),
    "no model": ({"filters": rule("http.route", "exists")}, 38),
    "any canary": ({"filters": rule("tfy.request.metadata", "contains", '"tfy_monitor": "canary"')}, 57),
    "any nonce": ({"filters": rule("tfy.request.metadata", "contains", "gtm-")}, 57),
    "not ours": ({"filters": rule("gateway_trace_monitor.control", "not_equals", "0" * 32)}, 571),
    "a typo": ({"tarce_id": "x"}, 0),
}


@pytest.mark.parametrize(("query", "count"), FILTERS.values(), ids=FILTERS)
async def test_filters_narrow_the_window(clock: FakeClock, query: dict[str, Any], count: int) -> None:
    """As many rows come as are announced, and of no other kind; a border may show one twice."""
    asker = await busy(clock)
    rows = await every_row(asker, limit=1000, **WINDOW, **query)
    assert len({row["span_id"] for row in rows}) == await total(asker, **WINDOW, **query) == count
    if "span_name" in query:
        assert {row["span_name"] for row in rows} == {query["span_name"]}


@pytest.mark.parametrize("metadata", ["string", "map", "flat"])
async def test_ours_is_found_among_theirs_by_its_nonce(clock: FakeClock, metadata: str) -> None:
    """In whatever form the metadata come; the others' canaries are not it."""
    asker = await busy(clock, BUSY, metadata=metadata)
    await asker.complete(headers={"x-tfy-metadata": json.dumps({"tfy_monitor": "canary", "probe_id": NONCE})})
    await clock.advance(10)
    field, operator = (
        ("tfy.request.metadata.probe_id", "equals") if metadata == "flat" else ("tfy.request.metadata", "contains")
    )
    page = await asker.warehouse(from_timestamp_sec=NOW - 300, filters=rule(field, operator, NONCE))
    assert {row["trace_id"] for row in page["data"]} == {row.trace_id for row in asker.rows()}
    assert page["total_results"] == len(page["data"]) == 3


# --- the switch `filters`


ASKED: dict[str, dict[str, Any]] = {
    "attribute": {"tfy.span_type": "Model", "tfy.request.model_name": MODEL},
    "filter": {"filters": rule("tfy.request.metadata", "contains", NONCE)},
    "trace id": {"trace_id": "OURS"},
    "filter by trace id": {"filters": rule("trace_id", "equals", "OURS")},
    "span name": {"span_name": f"POST {UPSTREAM}"},
}
ALL, BAD = 4 * 30 + 1 + 3, None
FOUND: dict[str, list[int | None]] = {
    "attributes": [9, 3, 0, 0, 21],
    "trace-id": [9, 3, 3, 3, 21],
    "ignored": [ALL, ALL, ALL, ALL, ALL],
    "silent": [0, 0, 0, 0, 21],
    "refused": [BAD, BAD, BAD, BAD, 21],
}


@pytest.mark.parametrize(("how", "found"), FOUND.items(), ids=FOUND)
async def test_the_warehouse_filters_as_its_variant_says(clock: FakeClock, how: str, found: list[int | None]) -> None:
    """Our trace among four seconds of others'."""
    asker = await busy(clock, filters=how)
    await asker.complete(headers={"x-tfy-metadata": json.dumps({"probe_id": NONCE})})
    await clock.advance(10)
    trace_id = asker.rows()[0].trace_id
    window: dict[str, Any] = {"from_timestamp_sec": NOW - 2, "to_timestamp_sec": NOW + 2, "limit": 1000}
    assert await total(asker, **window) == ALL
    for query, count in zip(ASKED.values(), found, strict=True):
        asked = {name: value.replace("OURS", trace_id) for name, value in query.items()}
        answer = await asker.traceloop("/v2/warehouse/spans", **window, **asked)
        assert rows_of(answer) == count


def rows_of(answer: Answer) -> int | None:
    """How many rows an answer has; None where it is a refusal."""
    if answer.status == 400:
        assert read(answer)["error"]
        return None
    page = read(answer)["spans"]
    assert len(page["data"]) == page["total_results"]
    return int(page["total_results"])


# --- the price of it


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_a_page_costs_a_page_however_busy_it_is(clock: FakeClock, order: str) -> None:
    """Fifty rows of the sixty thousand requests of five minutes: those are made, and a few of each kind to look at."""
    traffic = Counted(200, 3, 50_000)
    asker = await busy(clock, traffic)
    looked_at = 2 * len(OTHER_REQUESTS) * 3
    page = await asker.warehouse(from_timestamp_sec=NOW - 300, limit=50, sort_order=order)
    assert (page["page_size"], page["total_results"]) == (50, 298 * 600 + 1)
    assert 50 <= len(traffic.made) <= 50 + looked_at
    traffic.made.clear()
    nobody = rule("tfy.request.metadata", "contains", NONCE)
    assert await total(asker, from_timestamp_sec=NOW - 86_400, filters=nobody) == 0
    assert len(traffic.made) <= looked_at
