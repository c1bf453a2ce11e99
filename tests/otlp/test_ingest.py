"""What is sent to the OTLP endpoint, what its answers mean, and when it is asked again (https://opentelemetry.io/docs/specs/otlp/)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from monitor.core.model import TraceId
from monitor.http import Http
from monitor.otlp import OtlpIngest
from monitor.ports import ControlRequest, IngestAnswer, Unreachable
from monitor.redaction import Redactor
from tests.fakes.breakable import Breakable
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply

KEY = "tl_0123456789abcdef0123456789abcdef"
EXPECTED = {
    "Authorization": f"Bearer {KEY}",
    "X-Team": "ml",
    "content-type": "application/json",
    "CONTENT-ENCODING": "gzip",
}
SPAN = ControlRequest(
    trace_id=TraceId("a" * 32),
    span_id="b" * 16,
    at=START,
    service_name="gateway-trace-monitor",
    attributes={"target": "prod"},
)
PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json; charset=utf-8"}


def ingest_at(remote: Remote, http: Http | None = None) -> OtlpIngest:
    """The adapter before a remote."""
    redactor = Redactor([KEY])
    endpoint = f"{remote.url}/v1/traces"
    return OtlpIngest(http or remote.http, endpoint, lambda: EXPECTED, redactor=redactor, clock=remote.clock)


async def send(*replies: Reply, timeout: float = 20.0) -> tuple[IngestAnswer, Remote, float]:
    """Send the span; the answer, what was asked, and how long it took."""
    clock = FakeClock()
    remote = Remote(clock, *replies)
    task = asyncio.ensure_future(ingest_at(remote).send(SPAN, timeout=timeout))
    took = await clock.run_until(task.done)
    return await task, remote, took


async def test_one_span_is_sent_as_the_exporter_would() -> None:
    """Protobuf, the expected headers, our own resource; the content type is that of our body."""
    _, remote, _ = await send(Reply())
    request = remote.asked[0]
    assert (request.method, request.path) == ("POST", "/v1/traces")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-team"] == "ml"
    described = {name: value for name, value in request.headers.items() if name.startswith("content-")}
    assert described == {"content-type": "application/x-protobuf", "content-length": str(len(request.body))}
    message = ExportTraceServiceRequest.FromString(request.body)
    (resource_spans,) = message.resource_spans
    (pair,) = resource_spans.resource.attributes
    assert (pair.key, pair.value.string_value) == ("service.name", "gateway-trace-monitor")
    (span,) = resource_spans.scope_spans[0].spans
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id) == ("a" * 32, "b" * 16, b"")
    assert span.start_time_unix_nano == int(START * 1e9)
    assert span.end_time_unix_nano > span.start_time_unix_nano
    attributes = {pair.key: pair.value.string_value for pair in span.attributes}
    assert attributes == {"target": "prod", "gateway_trace_monitor.control": "a" * 32}


def partial(rejected: int, message: str) -> bytes:
    """A partial success."""
    return ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    ).SerializeToString()


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b""), {"status": 200, "rejected": 0, "message": ""}),
        (Reply(b"", status=202), {"status": 202, "rejected": 0}),
        (Reply(b"", headers=PROTOBUF), {"status": 200, "rejected": 0}),
        (Reply({}), {"status": 200, "rejected": 0}),
        (Reply(b"OK", headers={"content-type": "text/plain"}), {"status": 200, "rejected": 0}),
        (Reply(partial(1, "no room"), headers=PROTOBUF), {"rejected": 1, "message": "no room"}),
        (Reply(partial(0, "slow down"), headers=PROTOBUF), {"rejected": 0, "message": "slow down"}),
        (Reply({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}), {"rejected": 1, "message": "no"}),
        (Reply({"partialSuccess": {"rejectedSpans": 1}}), {"rejected": 1}),
        (Reply({"partialSuccess": {"rejectedSpans": "x"}}), {"rejected": 0}),
        (Reply({"partialSuccess": {"rejectedSpans": -1}}), {"rejected": 0}),
        (Reply({"partialSuccess": {"rejectedSpans": True}}), {"rejected": 0}),
        (Reply({"partialSuccess": {"rejectedSpans": 1.5}}), {"rejected": 0}),
        (Reply({"partialSuccess": {"rejectedSpans": 10**400}}), {"rejected": 0}),
        (Reply({"partialSuccess": {"rejectedSpans": None, "errorMessage": 5}}), {"rejected": 0, "message": ""}),
        (Reply(partial(-1, ""), headers=PROTOBUF), {"rejected": 0}),
        (Reply({"partialSuccess": 7}), {"rejected": 0}),
        (Reply(b"\xff\xff\xff", headers=PROTOBUF), {"status": 200, "rejected": 0}),
        (Reply(b"{", headers=JSON), {"status": 200, "rejected": 0}),
        (Reply({"error": "Unauthorized"}, status=401), {"status": 401, "message": "Unauthorized", "blocked": False}),
        (Reply(b"error code: 1010", status=403), {"status": 403, "blocked": True}),
        (
            Reply(Status(code=3, message="bad span").SerializeToString(), status=400, headers=PROTOBUF),
            {"status": 400, "message": "bad span"},
        ),
        (Reply(b"\xff\xff", status=400, headers=PROTOBUF), {"status": 400, "message": ""}),
        (Reply(b"404 page not found", status=404), {"status": 404, "message": "404 page not found"}),
        (Reply(b"", status=405), {"status": 405}),
        (Reply({"message": "unsupported"}, status=415), {"status": 415, "message": "unsupported"}),
        (Reply({}, status=413), {"status": 413}),
        (Reply({}, status=408), {"status": 408}),
        (Reply({}, status=500), {"status": 500}),
        (Reply(b"", status=308, headers={"location": "https://elsewhere.example"}), {"status": 308}),
    ],
)
async def test_every_answer_is_reported_as_it_is(reply: Reply, said: Mapping[str, Any]) -> None:
    """Success, partial success, refusals in every form; nothing of these is asked again, no redirect is followed."""
    answer, remote, took = await send(reply)
    assert {name: getattr(answer, name) for name in said} == said
    assert (len(remote.asked), took) == (1, 0)


async def test_what_it_says_is_fit_to_be_shown() -> None:
    """The key is not quoted; where to look for the request is."""
    answer, _, _ = await send(Reply({"error": f"bad key {KEY}"}, status=401, headers={"cf-ray": "8f"}))
    assert answer.message == "bad key ••••"
    assert answer.evidence == {"cf-ray": "8f"}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_may_be_asked_again_is_asked_again(status: int) -> None:
    """After one second, then two; the span is the same each time, so a duplicate is harmless."""
    answer, remote, took = await send(Reply({}, status=status), Reply({}, status=status), Reply())
    assert (answer.status, took) == (200, 3)
    assert len({request.body for request in remote.asked}) == 1


@pytest.mark.parametrize("status", [429, 503])
async def test_patience_ends_with_the_timeout(status: int) -> None:
    """The last answer is reported as it is, in time."""
    answer, remote, took = await send(Reply({}, status=status), timeout=20)
    assert (answer.status, took) == (status, 7)
    assert len(remote.asked) == 4


async def test_retry_after_is_honoured_if_there_is_time() -> None:
    """Five seconds are waited, an hour is reported."""
    answer, _, took = await send(Reply({}, status=429, headers={"Retry-After": "5"}), Reply())
    assert (answer.status, took) == (200, 5)
    answer, remote, took = await send(Reply({}, status=429, headers={"Retry-After": "3600"}))
    assert (answer.status, answer.retry_after, took) == (429, 3600, 0)
    assert len(remote.asked) == 1


async def test_a_block_is_not_asked_again() -> None:
    """Cloudflare does not change its mind within seconds."""
    answer, remote, _ = await send(Reply(b"error code: 1015", status=429))
    assert answer.blocked
    assert len(remote.asked) == 1


@pytest.mark.parametrize(("kind", "took"), [("connect", 0), ("dns", 0), ("tls", 0), ("reset", 7), ("timeout", 20)])
async def test_a_connection_that_is_lost_is_tried_again_and_then_reported(kind: str, took: float) -> None:
    """One that is refused is reported at once."""
    clock = FakeClock()
    remote = Remote(clock, Reply())
    transport: Breakable = remote.transport
    transport.take_down("remote.example", kind)
    task = asyncio.ensure_future(ingest_at(remote).send(SPAN, timeout=20))
    assert await clock.run_until(task.done) == took
    with pytest.raises(Unreachable) as caught:
        await task
    assert caught.value.kind == kind


# --- without a span ---------------------------------------------------------------------------------------------------


async def test_json_is_tried_without_a_span() -> None:
    """An empty request, with the expected headers, in JSON: it costs nothing."""
    remote = Remote(FakeClock(), Reply({"error": "unsupported content type"}, status=415))
    answer = await ingest_at(remote).try_json(timeout=5)
    (asked,) = remote.asked
    assert (asked.json, asked.headers["content-type"]) == ({"resourceSpans": []}, "application/json")
    assert (asked.headers["authorization"], asked.headers["x-team"]) == (f"Bearer {KEY}", "ml")
    assert (answer.status, answer.message) == (415, "unsupported content type")
