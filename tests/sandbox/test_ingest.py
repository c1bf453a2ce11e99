"""Traceloop's ingest in the sandbox."""

import gzip
import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from monitor.sandbox import Host, Sandbox
from monitor.sandbox import traceloop as ingest
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Answer, Asker, read

PROTOBUF = "application/x-protobuf"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
VALUES: dict[str, tuple[AnyValue, str]] = {
    "a.string": (AnyValue(string_value="x"), "x"),
    "an.int": (AnyValue(int_value=237), "237"),
    "a.double": (AnyValue(double_value=1.0), "1.000000"),
    "a.bool": (AnyValue(bool_value=False), "false"),
    "an.array": (AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])), '["1"]'),
    "a.map": (
        AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=True))])),
        '{"k":"true"}',
    ),
    "some.bytes": (AnyValue(bytes_value=b"\x01"), "AQ=="),
    "nothing": (AnyValue(), ""),
}


def request(service: str | None = "probe", *, at: float = 1_800_000_000.0) -> ExportTraceServiceRequest:
    """One span with an attribute of every kind."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    if service:
        resource.resource.attributes.add(key="service.name").value.string_value = service
    span = resource.scope_spans.add().spans.add(
        trace_id=bytes.fromhex(TRACE_ID),
        span_id=bytes.fromhex("b7ad6b7169203331"),
        name="control",
        start_time_unix_nano=int(at * 1e9),
        end_time_unix_nano=int(at * 1e9) + 2_500_000,
    )
    span.events.add(name="exception")
    span.attributes.extend(KeyValue(key=key, value=value) for key, (value, _) in VALUES.items())
    return message


async def post(
    asker: Asker, body: bytes, content_type: str = PROTOBUF, *, path: str = "/v1/traces", **headers: str
) -> Answer:
    """One delivery with the production key."""
    named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await asker.ask(Host.TRACELOOP, "POST", path, token=asker.credentials.key, body=body, headers=named)


async def test_protobuf_is_taken_in_and_shown_by_both_routes(asker: Asker, clock: FakeClock) -> None:
    """After the index has caught up; every value is a string."""
    assert (await post(asker, request().SerializeToString())).status == 200
    assert await asker.trace(TRACE_ID) == {"spans": None}
    assert (await asker.warehouse())["data"] == []
    await clock.advance(2)
    [span] = (await asker.trace(TRACE_ID))["spans"]
    [row] = (await asker.warehouse())["data"]
    assert span["span_attributes"] == row["span_attributes"] == {key: text for key, (_, text) in VALUES.items()}
    assert (row["service_name"], row["duration"], row["timestamp"]) == ("probe", 2, 1_800_000_000_000)
    assert (row["status_code"], row["span_kind"]) == ("STATUS_CODE_UNSET", "SPAN_KIND_UNSPECIFIED")
    assert span["events_name"] == ["exception"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity"])
async def test_compressed_or_not(asker: Asker, encoding: str) -> None:
    """As the header says."""
    body = request().SerializeToString()
    sent = body if encoding == "identity" else gzip.compress(body)
    assert (await post(asker, sent, content_encoding=encoding)).status == 200
    assert len(asker.rows()) == 1


async def test_a_nameless_service_is_unknown(asker: Asker) -> None:
    """As Traceloop shows it."""
    await post(asker, request(None).SerializeToString())
    assert asker.rows()[0].service_name == "unknown_service"


BAD: dict[str, tuple[bytes, str, dict[str, str], int]] = {
    "no OTLP": (b"\xff\xff", PROTOBUF, {}, 400),
    "no gzip": (b"plain", PROTOBUF, {"content_encoding": "gzip"}, 400),
    "half a gzip": (gzip.compress(b"x" * 1000)[:-9], PROTOBUF, {"content_encoding": "gzip"}, 400),
    "another compression": (b"x", PROTOBUF, {"content_encoding": "zstd"}, 415),
    "json": (b"{}", "application/json", {}, 415),
    "no content type": (b"", "", {}, 415),
}


@pytest.mark.parametrize(("body", "content_type", "headers", "status"), BAD.values(), ids=BAD)
async def test_bad_deliveries_are_refused(
    asker: Asker, body: bytes, content_type: str, headers: dict[str, str], status: int
) -> None:
    """With an error in Traceloop's own form."""
    answer = await post(asker, body, content_type, **headers)
    assert answer.status == status
    assert read(answer)["error"]


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_has_a_limit_before_and_after_unpacking(asker: Asker, packed: bool) -> None:
    """413, whatever would have been in it."""
    body = b"\x00" * (ingest.MOST_BYTES + 1)
    answer = await post(
        asker, gzip.compress(body, 1) if packed else body, **({"content_encoding": "gzip"} if packed else {})
    )
    assert answer.status == 413


@pytest.mark.parametrize("token", [None, "tl_nobody"])
async def test_a_bad_key_is_unauthorized(asker: Asker, token: str | None) -> None:
    """As recorded of the real one: JSON of 24 bytes."""
    answer = await asker.ask(Host.TRACELOOP, "POST", "/v1/traces", token=token, body=b"")
    assert (answer.status, answer.body) == (401, b'{"error":"Unauthorized"}')
    assert answer.headers["content-length"] == "24"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("POST", "/v1/trace"), ("GET", "/v1/traces"), ("POST", "/v1/traces/")]
)
async def test_unknown_routes_are_go_s_404(asker: Asker, method: str, path: str) -> None:
    """Plain text, also for a known path with another method, and before the key is looked at."""
    answer = await asker.ask(Host.TRACELOOP, method, path)
    assert (answer.status, answer.body) == (404, b"404 page not found")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_answers_bear_the_marks_of_the_proxies(asker: Asker) -> None:
    """Cloudflare's and Kong's; those that were recorded."""
    headers = (await asker.traceloop("/v2/warehouse/spans")).headers
    assert (headers["server"], headers["via"]) == ("cloudflare", "1.1 kong/3.9.1")
    assert {"cf-ray", "x-kong-request-id", "x-kong-upstream-latency", "strict-transport-security"} <= set(headers)


@pytest.mark.parametrize(
    ("variant", "body", "content_type"),
    [("empty", b"", None), ("protobuf", b"", PROTOBUF), ("json", b'{"partialSuccess":{}}', "application/json")],
)
async def test_a_success_is_answered_by_variant(
    asker: Asker, sandbox: Sandbox, variant: str, body: bytes, content_type: str | None
) -> None:
    """200 in each."""
    sandbox.world.vary(ingest_answer=variant)
    answer = await post(asker, request().SerializeToString())
    assert (answer.status, answer.body, answer.headers.get("content-type")) == (200, body, content_type)


@pytest.mark.parametrize("variant", ["empty", "protobuf", "json"])
async def test_rejected_spans_are_counted_in_the_answer(asker: Asker, sandbox: Sandbox, variant: str) -> None:
    """A partial success in whichever encoding, and nothing kept."""
    sandbox.world.vary(ingest_answer=variant)
    await sandbox.break_("ingest_failing_rejects")
    answer = await post(asker, request().SerializeToString())
    if variant == "json":
        assert read(answer)["partialSuccess"]["rejectedSpans"] == "1"
    else:
        assert ExportTraceServiceResponse.FromString(answer.body).partial_success.rejected_spans == 1
    assert answer.status == 200
    assert not asker.rows()


def as_json(trace_id: str = TRACE_ID) -> dict[str, Any]:
    """A delivery in OTLP's JSON."""
    span = {
        "traceId": trace_id,
        "spanId": "b7ad6b7169203331",
        "name": "control",
        "startTimeUnixNano": "1800000000000000000",
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


async def test_json_is_taken_by_variant_with_ids_in_hexadecimal(asker: Asker, sandbox: Sandbox) -> None:
    """Ids in base64 are refused: they would become other ids."""
    sandbox.world.vary(json_ingest="accepted")
    assert (await post(asker, json.dumps(as_json()).encode(), "application/json; charset=utf-8")).status == 200
    assert asker.rows()[0].trace_id == TRACE_ID
    assert (await post(asker, json.dumps(as_json("Cvdlgw==")).encode(), "application/json")).status == 400
    assert (await post(asker, b"[", "application/json")).status == 400


async def test_an_exporter_set_to_json_works_where_json_is_taken(asker: Asker, sandbox: Sandbox) -> None:
    """The same three spans."""
    sandbox.world.vary(json_ingest="accepted")
    await sandbox.break_("config_drift_encoding")
    await asker.complete()
    await asker.clock.advance(5)
    assert {row.trace_id for row in asker.rows()} == {sandbox.world.own_spans[0].span.trace_id}
    assert len(asker.rows()) == 3


@pytest.mark.parametrize(
    ("lag", "warehouse", "by_trace", "by_search"),
    [("0s", "together", 0, 0), ("60s", "together", 60, 60), ("160s", "behind", 160, 170)],
)
async def test_the_index_lags_by_variant(
    asker: Asker, sandbox: Sandbox, clock: FakeClock, lag: str, warehouse: str, by_trace: float, by_search: float
) -> None:
    """The warehouse perhaps more than the per-trace route."""
    sandbox.world.vary(index_lag=lag, warehouse=warehouse)
    began = clock.now()
    await post(asker, request().SerializeToString())
    seen: dict[str, float] = {}
    while len(seen) < 2:
        if (await asker.trace(TRACE_ID))["spans"]:
            seen.setdefault("trace", clock.now() - began)
        if (await asker.warehouse())["data"]:
            seen.setdefault("warehouse", clock.now() - began)
        await clock.advance(10)
    assert seen == {"trace": by_trace, "warehouse": by_search}


async def test_a_rotated_key_takes_over(asker: Asker, sandbox: Sandbox) -> None:
    """The old one is refused, the new one is of the same environment."""
    await sandbox.break_("config_drift_rotation")
    assert (await post(asker, request().SerializeToString())).status == 401
    body = request().SerializeToString()
    answer = await asker.ask(
        Host.TRACELOOP,
        "POST",
        "/v1/traces",
        token=asker.credentials.rotated_key,
        body=body,
        headers={"content-type": PROTOBUF},
    )
    assert answer.status == 200
    assert asker.rows()[0].environment == "prd"
