"""In which shape Traceloop answers: what is not kept of an answer, and still worth knowing."""

import json
from typing import Any

import pytest

from monitor.core.model import Service, TraceId
from monitor.core.trace import Route
from monitor.http import Answer, Exchange, Request
from monitor.otlp import MARKER, ReadShape, count_rejected, describe_acceptance
from monitor.traceloop import describe_read
from tests.fakes.clock import START

OURS, THEIRS = TraceId("a" * 32), TraceId("b" * 32)
QUICK = f"https://api.traceloop.com/v2/projects/default/traces/{OURS}/spans"
WAREHOUSE = "https://api.traceloop.com/v2/warehouse/spans?limit=200"


def read(url: str, body: Any, status: int = 200) -> ReadShape | None:
    """What is learnt of a read."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    exchange = Exchange(
        service=Service.TRACELOOP,
        request=Request(method="GET", url=url),
        began_at=START,
        took=0.1,
        answer=Answer(status=status, body=raw),
    )
    return describe_read(exchange, frozenset({OURS}))


def row(trace_id: str = OURS, **attributes: Any) -> dict[str, Any]:
    """A row with some attributes."""
    return {"trace_id": trace_id, "span_id": "1" * 16, "span_attributes": attributes}


def test_the_quick_route_is_known_by_its_path() -> None:
    """With the trace that was asked for, and whether it was shown."""
    shape = read(QUICK, {"spans": [row()]})
    assert shape is not None
    assert (shape.route, shape.asked, shape.traces, shape.understood) == (Route.TRACE, OURS, frozenset({OURS}), True)


def test_an_answer_without_spans_is_understood() -> None:
    """`null` and an empty list both say that there are none."""
    for url, body in ((QUICK, {"spans": None}), (QUICK, {"spans": []}), (WAREHOUSE, {"spans": {"data": []}})):
        shape = read(url, body)
        assert shape is not None
        assert (shape.traces, shape.understood) == (frozenset(), True)


@pytest.mark.parametrize(
    ("url", "body", "status"),
    [
        (QUICK, b"<html>", 200),
        (QUICK, {"error": "Unauthorized"}, 401),
        (QUICK, {"rows": []}, 200),
        (QUICK, {"spans": "none"}, 200),
        (WAREHOUSE, {"spans": []}, 200),
        (WAREHOUSE, {"spans": {"rows": []}}, 200),
        (WAREHOUSE, [], 200),
    ],
)
def test_what_is_not_understood_says_nothing_about_absence(url: str, body: Any, status: int) -> None:
    """A page, an error, another shape."""
    shape = read(url, body, status)
    assert shape is not None
    assert not shape.understood


def test_a_marked_read_is_known_by_its_parameter() -> None:
    """It asks for one trace; a window asks for all."""
    marked, window = (
        read(f"{WAREHOUSE}&{MARKER}={OURS}", {"spans": {"data": []}}),
        read(WAREHOUSE, {"spans": {"data": []}}),
    )
    assert marked is not None
    assert window is not None
    assert (marked.asked, window.asked) == (OURS, None)


def test_only_our_own_traces_are_looked_at() -> None:
    """What others name their attributes is nobody's business."""
    shape = read(
        WAREHOUSE, {"spans": {"data": [row(THEIRS, **{"gen_ai.system": "x"}), row(**{"tfy.span_type": "Model"}), 3]}}
    )
    assert shape is not None
    assert (shape.traces, shape.prefixes) == (frozenset({OURS}), frozenset({"tfy."}))


@pytest.mark.parametrize(
    ("attributes", "form"),
    [
        ({"tfy.request.metadata": '{"a":"b"}'}, "text"),
        ({"tfy.request.metadata": {"a": "b"}}, "object"),
        ({"tfy.request.metadata.a": "b"}, "flat"),
        ({"tfy.span_type": "Model"}, None),
    ],
)
def test_the_form_of_the_metadata_is_reported(attributes: dict[str, Any], form: str | None) -> None:
    """Which of them arrives is not documented."""
    shape = read(QUICK, {"spans": [{"trace_id": OURS, "span_attributes": None}, row(**attributes)]})
    assert shape is not None
    assert shape.metadata == form


def test_other_routes_are_no_reads() -> None:
    """Nor is silence."""
    assert read("https://api.traceloop.com/v1/traces", {}) is None
    silence = Exchange(
        service=Service.TRACELOOP, request=Request(method="GET", url=QUICK), began_at=START, took=5.0, failure="timeout"
    )
    assert describe_read(silence, frozenset({OURS})) is None


@pytest.mark.parametrize(
    ("status", "media", "body", "form"),
    [
        (200, "", b"", "empty"),
        (200, "application/x-protobuf", b"", "protobuf"),
        (202, "application/json; charset=utf-8", b"{}", "json"),
        (200, "text/plain", b"ok", "text"),
        (401, "application/json", b"{}", None),
        (302, "", b"", None),
    ],
)
def test_the_body_of_an_acceptance_is_reported(status: int, media: str, body: bytes, form: str | None) -> None:
    """None where nothing was accepted."""
    assert describe_acceptance(Answer(status=status, headers={"content-type": media}, body=body)) == form


def test_rejected_spans_are_counted() -> None:
    """Those of a partial success (https://opentelemetry.io/docs/specs/otlp/#partial-success-1)."""
    partial = {"partialSuccess": {"rejectedSpans": "3"}}
    answer = Answer(status=200, headers={"content-type": "application/json"}, body=json.dumps(partial).encode())
    assert count_rejected(answer) == 3
    assert count_rejected(Answer(status=200)) == 0


@pytest.mark.parametrize("trace_id", [["a"], {"a": 1}, None, 5])
def test_an_id_of_another_form_is_none_of_ours(trace_id: Any) -> None:
    """Whatever stands there is a value that was read, and no error."""
    shape = read(QUICK, {"spans": [{"trace_id": trace_id, "span_attributes": {"gen_ai.x": 1}}]})
    assert shape is not None
    assert (shape.traces, shape.prefixes, shape.understood) == (frozenset(), frozenset(), True)
