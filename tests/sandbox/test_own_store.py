"""TrueFoundry's own trace store in the sandbox: `spans/query`."""

from typing import Any

import pytest

from monitor.sandbox import Host, Sandbox
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, chat, read

PATH = "/api/svc/v1/spans/query"


async def names(asker: Asker, **query: Any) -> list[str]:
    """The names of the spans found, as far as the first word."""
    answer = await asker.own_spans(**query)
    assert answer.status == 200, answer.body
    return [span["spanName"].partition(" ")[0].rstrip(":") for span in read(answer)["data"]]


async def test_a_trace_is_kept_in_its_documented_shape(asker: Asker) -> None:
    """Three spans, root with an empty parent, `Ok`, gen_ai.* stripped, metadata as a map."""
    await asker.complete(headers={"x-tfy-metadata": '{"probe": "7f3a"}'})
    spans = read(await asker.own_spans(sortDirection="asc"))["data"]
    assert {(span["serviceName"], span["statusCode"]) for span in spans} == {("tfy-llm-gateway", "Ok")}
    root = next(span for span in spans if span["parentSpanId"] == "")
    assert root["spanAttributes"]["tfy.request.metadata"]["probe"] == "7f3a"
    assert root["spanAttributes"]["tfy.span_type"] == "ChatCompletion"
    assert not [key for span in spans for key in span["spanAttributes"] if key.startswith("gen_ai.")]
    assert root["createdBySubject"]["subjectSlug"] == "trace-monitor"


FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "field": ({"spanFieldName": "spanName", "operator": "STRING_STARTS_WITH", "value": "Model"}, ["Model"]),
    "attribute": (
        {"spanAttributeKey": "tfy.span_type", "operator": "EQUAL", "value": "ChatCompletion"},
        ["ChatCompletion"],
    ),
    "metadata": (
        {"gatewayRequestMetadataKey": "probe", "operator": "IN", "value": ["7f3a"]},
        ["ChatCompletion", "Model", "POST"],
    ),
    "metadata of others": ({"gatewayRequestMetadataKey": "probe", "operator": "EQUAL", "value": "other"}, []),
    "status": ({"spanFieldName": "spanStatusCode", "operator": "NOT_EQUAL", "value": "Ok"}, []),
    "number": (
        {"spanAttributeKey": "http.response.status_code", "operator": "LESS_THAN", "value": 300},
        ["Model", "POST"],
    ),
    "range": (
        {"spanAttributeKey": "http.response.status_code", "operator": "BETWEEN", "value": [200, 299]},
        ["Model", "POST"],
    ),
    "present": ({"spanAttributeKey": "tfy.model.name", "operator": "PRESENT"}, ["Model"]),
    "null": ({"spanAttributeKey": "tfy.span_type", "operator": "IS_NULL"}, ["POST"]),
    "array": (
        {
            "spanAttributeKey": "tfy.request.created_by_subject_teams",
            "operator": "ARRAY_HAS_ANY",
            "value": ["platform"],
        },
        ["ChatCompletion", "Model", "POST"],
    ),
    "gen_ai is gone": ({"spanAttributeKey": "gen_ai.system", "operator": "PRESENT"}, []),
}


@pytest.mark.parametrize(("rule", "found"), FILTERS.values(), ids=FILTERS)
async def test_filters_find(asker: Asker, rule: dict[str, Any], found: list[str]) -> None:
    """By field, attribute or metadata."""
    await asker.complete(headers={"x-tfy-metadata": '{"probe": "7f3a"}'})
    assert sorted(await names(asker, filters=[rule])) == found


async def test_lists_and_windows_find(asker: Asker, clock: FakeClock) -> None:
    """By trace, parent and account; only inside the window."""
    await asker.complete()
    trace_id = read(await asker.own_spans())["data"][0]["traceId"]
    assert len(await names(asker, traceIds=[trace_id])) == 3
    assert await names(asker, traceIds=[trace_id], parentSpanIds=[""]) == ["ChatCompletion"]
    assert await names(asker, traceIds=["0" * 32]) == []
    assert await names(asker, createdBySubjectSlugs=["somebody-else"]) == []
    assert (
        len(await names(asker, tracingProjectFqn="sandbox:tracing-project:tfy-default", dataRoutingDestination=None))
        == 3
    )
    assert await names(asker, dataRoutingDestination="elsewhere") == []
    await clock.advance(10)
    assert await names(asker, startTime="2027-01-15T08:00:05Z") == []
    assert await names(asker, endTime="2027-01-15T07:59:59.999Z") == []


BAD: dict[str, dict[str, Any]] = {
    "neither place": {"dataRoutingDestination": None},
    "both places": {"tracingProjectFqn": "sandbox:tracing-project:tfy-default"},
    "no start": {"startTime": None},
    "start without a zone": {"startTime": "2027-01-15T08:00:00"},
    "unknown key": {"traceId": "x"},
    "trace ids no list": {"traceIds": "x"},
    "limit too large": {"limit": 100_000},
    "limit no number": {"limit": "50"},
    "unknown direction": {"sortDirection": "up"},
    "direction no text": {"sortDirection": ["asc"]},
    "foreign token": {"pageToken": "3"},
    "token of something else": {"pageToken": "cGFnZTox"},
    "filters no list": {"filters": {}},
    "filter no object": {"filters": ["spanName"]},
    "filter of nothing": {"filters": [{"operator": "EQUAL", "value": "x"}]},
    "filter of two things": {"filters": [{"spanFieldName": "spanName", "spanAttributeKey": "x", "operator": "EQUAL"}]},
    "unknown field": {"filters": [{"spanFieldName": "serviceName", "operator": "EQUAL", "value": "x"}]},
    "unknown operator": {"filters": [{"spanFieldName": "spanName", "operator": "eq", "value": "x"}]},
}


@pytest.mark.parametrize("query", BAD.values(), ids=BAD)
async def test_bad_queries_are_refused(asker: Asker, query: dict[str, Any]) -> None:
    """400 and a message that says what."""
    answer = await asker.own_spans(**query)
    assert answer.status == 400
    assert read(answer)["message"]


async def test_a_query_must_be_an_object_of_somebody_known(asker: Asker) -> None:
    """400 for junk, 401 for a stranger."""
    assert (await asker.plane("POST", PATH, body=b"{")).status == 400
    assert (await asker.plane("POST", PATH, body={}, token="tfy_nobody")).status == 401


async def test_pages_follow_their_token(asker: Asker) -> None:
    """Newest first unless asked otherwise; the last page has no token."""
    await asker.complete()
    found: list[str] = []
    token: str | None = None
    pages = 0
    while pages == 0 or token:
        answer = read(await asker.own_spans(limit=2, **({"pageToken": token} if token else {})))
        found += [span["spanId"] for span in answer["data"]]
        token = answer["pagination"].get("nextPageToken")
        pages += 1
    assert pages == 2
    assert len(set(found)) == len(found) == 3
    newest_first = [span["spanId"] for span in read(await asker.own_spans())["data"]]
    assert found == newest_first


async def test_an_account_sees_its_own_traces(asker: Asker) -> None:
    """Another account sees none of them, an administrator sees all."""
    await asker.complete()
    await asker.ask(Host.GATEWAY, "POST", "/chat/completions", token=asker.credentials.other_token, body=chat())
    query = {"startTime": "2020-01-01T00:00:00.000Z", "dataRoutingDestination": "default"}
    seen = [
        len(read(await asker.plane("POST", PATH, body=query, token=token))["data"])
        for token in (asker.credentials.token, asker.credentials.other_token, asker.credentials.admin_token)
    ]
    assert seen == [3, 3, 6]


async def test_the_store_lags_or_refuses_by_variant(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """Nothing, then the root, then everything; 403; or nothing for ever."""
    sandbox.world.vary(own_store="lagging")
    await asker.complete()
    assert await names(asker) == []
    await clock.advance(15)
    assert await names(asker) == ["ChatCompletion"]
    await clock.advance(15)
    assert len(await names(asker)) == 3
    sandbox.world.vary(own_store="hidden")
    assert await names(asker) == []
    sandbox.world.vary(own_store="forbidden")
    assert (await asker.own_spans()).status == 403


async def test_routing_sends_a_trace_to_another_destination(asker: Asker, sandbox: Sandbox) -> None:
    """By metadata or by account; the feedback id names it."""
    routing = {"type": "gateway-data-routing-config"}
    rule = {"name": "eu-bucket", "when": [{"field": "metadata", "key": "team", "operator": "IN", "value": ["ml"]}]}
    sandbox.world.configurations.apply({**routing, "destinations": [rule], "default": {}})
    await asker.complete(headers={"x-tfy-metadata": '{"team": "ml"}'})
    await asker.complete()
    assert len(await names(asker, dataRoutingDestination="eu-bucket")) == 3
    assert len(await names(asker)) == 3
    mine = {"name": "mine", "when": [{"field": "created_by", "operator": "IN", "value": ["trace-monitor"]}]}
    off = {**mine, "name": "off", "enabled": False}
    sandbox.world.configurations.apply({**routing, "destinations": [off, mine]})
    await asker.complete()
    assert len(await names(asker, dataRoutingDestination="mine")) == 3
