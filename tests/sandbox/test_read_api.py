"""Traceloop's read API in the sandbox, in the recorded shapes."""

import json
from typing import Any

import pytest

from monitor.sandbox import Sandbox
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, read

TRACE_KEYS = {
    "trace_id",
    "span_id",
    "parent_span_id",
    "span_name",
    "span_kind",
    "timestamp",
    "duration",
    "span_attributes",
    "events_name",
    "events_attributes",
    "environment",
    "prompts",
    "completions",
    "input",
    "output",
}
LIST_KEYS = (TRACE_KEYS - {"events_name", "events_attributes"}) | {
    "trace_state",
    "service_name",
    "resource_attributes",
    "scope_name",
    "scope_version",
    "status_code",
    "status_message",
}


@pytest.fixture
async def traced(asker: Asker) -> Asker:
    """One trace has arrived and is visible."""
    await asker.complete(headers={"x-tfy-metadata": '{"probe": "7f3a"}'})
    await asker.clock.advance(10)
    return asker


async def found(asker: Asker, **query: Any) -> list[str]:
    """The first words of the names of the spans that the warehouse finds."""
    return [row["span_name"].partition(" ")[0] for row in (await asker.warehouse(**query))["data"]]


async def test_the_per_trace_route_has_its_own_shape(traced: Asker) -> None:
    """Exactly the recorded keys; a cost where there are tokens; neither service name nor status."""
    spans = (await traced.trace(traced.rows()[0].trace_id))["spans"]
    assert [set(span) - TRACE_KEYS for span in spans] == [{"cost_micro_usd"}, {"cost_micro_usd"}, set()]
    assert all(set(span) >= TRACE_KEYS for span in spans)
    assert all((span["prompts"], span["completions"], span["environment"]) == (None, None, "prd") for span in spans)
    assert [span["parent_span_id"] == "" for span in spans] == [True, False, False]


async def test_an_unknown_trace_is_null_and_not_404(traced: Asker) -> None:
    """Fourteen bytes, also for what is no id at all."""
    for trace_id in ("0" * 32, "invalid-trace-id-12345"):
        answer = await traced.traceloop(f"/v2/projects/default/traces/{trace_id}/spans")
        assert (answer.status, answer.body) == (200, b'{"spans":null}')


async def test_the_warehouse_has_the_documented_shape(traced: Asker) -> None:
    """A page with its size, total and cursor; service name and resource with every span."""
    page = await traced.warehouse()
    assert set(page) == {"data", "page_size", "total_results", "next_cursor"}
    assert (page["page_size"], page["total_results"]) == (3, 3)
    assert page["next_cursor"] == str(page["data"][-1]["timestamp"])
    assert all(set(row) == LIST_KEYS for row in page["data"])
    assert page["data"][0]["resource_attributes"]["deployment.environment"] == "sandbox"
    assert page["data"][0]["span_attributes"]["llm.usage.input_tokens"].isdigit()


async def test_content_stands_apart_in_lists_and_among_the_attributes_of_a_trace(clock: FakeClock) -> None:
    """Prompts and completions are moved out by the warehouse alone."""
    sandbox = Sandbox(clock=clock, content=True)
    await sandbox.start()
    asker = Asker(sandbox, clock)
    await asker.complete()
    await clock.advance(10)
    row = (await asker.warehouse())["data"][0]
    span = (await asker.trace(row["trace_id"]))["spans"][0]
    assert row["prompts"]["llm.prompts.0.content"] == span["span_attributes"]["llm.prompts.0.content"]
    assert "llm.prompts.0.content" not in row["span_attributes"]
    await sandbox.stop()


@pytest.mark.parametrize(("naming", "prefix"), [("llm", "llm."), ("gen_ai", "gen_ai."), ("tfy", None)])
async def test_attributes_are_named_by_variant(asker: Asker, sandbox: Sandbox, naming: str, prefix: str | None) -> None:
    """Renamed, as they were sent, or not sent at all."""
    sandbox.world.vary(naming=naming)
    await asker.complete()
    await asker.clock.advance(10)
    names = {key for row in (await asker.warehouse())["data"] for key in row["span_attributes"]}
    modelled = {key for key in names if key.startswith(("llm.", "gen_ai."))}
    assert all(key.startswith(prefix) for key in modelled) if prefix else not modelled
    assert bool(modelled) is bool(prefix)
    assert "tfy.span_type" in names


WAREHOUSE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, ["ChatCompletion:", "Model:", "POST"]),
    "span name": ({"span_name": "Model: openai-main/gpt-4o-mini"}, ["Model:"]),
    "workflow": ({"workflow": "nightly"}, []),
    "attribute": ({"llm.vendor": "openai"}, ["ChatCompletion:", "Model:"]),
    "trace id is no parameter": ({"trace_id": "THE TRACE"}, []),
    "a typo": ({"fromtimestamp_sec": 0}, []),
    "filter": ({"filters": [{"id": "tfy.span_type", "operator": "equals", "value": "Model"}]}, ["Model:"]),
    "filter by nonce": (
        {"filters": [{"id": "tfy.request.metadata", "operator": "contains", "value": "7f3a"}]},
        ["ChatCompletion:", "Model:", "POST"],
    ),
    "filter by trace id": ({"filters": [{"id": "trace_id", "operator": "equals", "value": "THE TRACE"}]}, []),
    "filter by number": (
        {"filters": [{"id": "http.response.status_code", "operator": "less_than_or_equal", "value": 200}]},
        ["Model:", "POST"],
    ),
    "filter by list": ({"filters": [{"id": "tfy.span_type", "operator": "in", "value": ["Model", "x"]}]}, ["Model:"]),
    "filter by absence": ({"filters": [{"id": "tfy.span_type", "operator": "not_exists"}]}, ["POST"]),
    "filter by start": (
        {"filters": [{"id": "span_name", "operator": "starts_with", "value": "POST"}]},
        ["POST"],
    ),
    "not before": ({"from_timestamp_sec": 1_800_000_001}, []),
    "not after": ({"to_timestamp_sec": 1_799_999_999}, []),
    "descending": ({"sort_order": "DESC"}, ["POST", "Model:", "ChatCompletion:"]),
    "one": ({"limit": 1}, ["ChatCompletion:"]),
}


@pytest.mark.parametrize(("query", "names"), WAREHOUSE.values(), ids=WAREHOUSE)
async def test_the_warehouse_finds(asker: Asker, sandbox: Sandbox, query: dict[str, Any], names: list[str]) -> None:
    """By its known parameters; every other one is an attribute to match, so a typo finds nothing."""
    sandbox.world.latency = 0.4
    await asker.complete(headers={"x-tfy-metadata": '{"probe": "7f3a"}'})
    await asker.clock.advance(10)
    text = json.dumps(query).replace("THE TRACE", asker.rows()[0].trace_id)
    asked = {name: json.dumps(value) if name == "filters" else value for name, value in json.loads(text).items()}
    assert await found(asker, **asked) == names


BAD: dict[str, dict[str, Any]] = {
    "filters no JSON": {"filters": "["},
    "filters no list": {"filters": "{}"},
    "filter without id": {"filters": '[{"field": "x", "operator": "equals", "value": "y"}]'},
    "unknown operator": {"filters": '[{"id": "x", "operator": "EQUAL", "value": "y"}]'},
    "unknown order": {"sort_order": "newest"},
    "unknown sort": {"sort_by": "time"},
    "time no number": {"from_timestamp_sec": "2027-01-15"},
    "limit no number": {"limit": "all"},
    "limit zero": {"limit": 0},
}


@pytest.mark.parametrize("query", BAD.values(), ids=BAD)
async def test_the_warehouse_refuses(traced: Asker, query: dict[str, Any]) -> None:
    """400 with Traceloop's form of an error."""
    answer = await traced.traceloop("/v2/warehouse/spans", **query)
    assert answer.status == 400
    assert read(answer)["error"]


async def test_a_cursor_is_never_empty(asker: Asker, clock: FakeClock) -> None:
    """The last row's time even on the last page; `-1` on the empty one after it."""
    for _ in range(5):
        await asker.complete()
        await clock.advance(1)
    await clock.advance(10)
    cursors: list[str] = []
    spans: set[str] = set()
    cursor = ""
    while cursor != "-1":
        page = await asker.warehouse(limit=6, **({"cursor": cursor} if cursor else {}))
        spans |= {row["span_id"] for row in page["data"]}
        cursor = page["next_cursor"]
        cursors.append(cursor)
    assert len(cursors) == 4
    assert all(cursors)
    assert len(spans) == 15


async def test_fifty_rows_make_a_page(asker: Asker, clock: FakeClock) -> None:
    """Unless more are asked for."""
    for _ in range(20):
        await asker.complete()
    await clock.advance(10)
    assert (await asker.warehouse())["page_size"] == 50
    assert (await asker.warehouse(limit=1000))["page_size"] == 60


async def test_pages_may_repeat_for_ever(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """Whatever the cursor, the first page; whoever only stops at the end never stops."""
    await sandbox.break_("read_api_pages")
    await asker.complete()
    await clock.advance(10)
    first = await asker.warehouse(limit=1)
    assert await asker.warehouse(limit=1, cursor=first["next_cursor"]) == first


async def test_keys_are_bound_to_environments(traced: Asker) -> None:
    """Another environment's key sees nothing of this one, by neither route."""
    assert await found(traced, environment="dev") == []
    assert await traced.trace(traced.rows()[0].trace_id, environment="dev") == {"spans": None}
    assert (await traced.traceloop("/v2/warehouse/spans")).status == 200
    stranger = await traced.ask_as("tl_nobody", "/v2/warehouse/spans")
    assert (stranger.status, stranger.body) == (401, b'{"error":"Unauthorized"}')


async def test_the_per_trace_route_is_open_or_closed_by_variant(traced: Asker, sandbox: Sandbox) -> None:
    """401 in JSON, 404 as text; and it may show the whole project."""
    path = f"/v2/projects/default/traces/{traced.rows()[0].trace_id}/spans"
    sandbox.world.vary(trace_route="401")
    refused = await traced.traceloop(path)
    assert (refused.status, read(refused)) == (401, {"error": "Unauthorized"})
    sandbox.world.vary(trace_route="404")
    gone = await traced.traceloop(path)
    assert (gone.status, gone.body) == (404, b"404 page not found")
    sandbox.world.vary(trace_route="open", trace_scope="project")
    assert len((await traced.trace(traced.rows()[0].trace_id, environment="dev"))["spans"]) == 3
