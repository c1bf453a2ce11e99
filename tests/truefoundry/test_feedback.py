"""The trace id in `x-tfy-feedback-target-id`, however it is written."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import TraceId
from monitor.truefoundry.gateway import FeedbackTarget, decode_feedback_target, describe_feedback_target

# The sample of https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces.
DOCUMENTED = "eyJzcGFuSWQiOiJhMmQ2Yjg4MmFhMTViZTU1IiwidHJhY2VJZCI6IjAxOWFiMmE5NmQ1MDcwN2ZhMzA5MGMxYjcyMDFkNWJkIn0="
TRACE = "019ab2a96d50707fa3090c1b7201d5bd"


def encode(content: Any) -> str:
    """As the gateway does."""
    return base64.b64encode(json.dumps(content).encode()).decode()


def test_the_documented_sample_is_decoded() -> None:
    """Its trace id, and no destination."""
    target = decode_feedback_target(DOCUMENTED)
    assert target is not None
    assert (target.trace_id, target.destination) == (TRACE, None)


@pytest.mark.parametrize(
    "header",
    [
        DOCUMENTED.rstrip("="),
        f" {DOCUMENTED} ",
        quote(DOCUMENTED, safe=""),
        base64.urlsafe_b64encode(json.dumps({"region": "???>>>", "traceId": TRACE}).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps({"region": "???>>>", "traceId": TRACE}).encode()).decode().rstrip("="),
        encode({"target": {"traceId": TRACE}}),
        encode({"traceId": TRACE.upper()}),
        encode({"traceId": "019ab2a9-6d50-707f-a309-0c1b7201d5bd"}),
    ],
)
def test_every_way_of_writing_it_is_understood(header: str) -> None:
    """Either alphabet, padded or not, escaped, nested, upper-case, with dashes."""
    target = decode_feedback_target(header)
    assert target is not None
    assert target.trace_id == TRACE


def test_the_destination_is_read() -> None:
    """Where TrueFoundry's own store keeps the trace."""
    target = decode_feedback_target(encode({"traceId": TRACE, "dataRoutingDestination": "eu-bucket"}))
    assert target is not None
    assert target.destination == "eu-bucket"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "opaque",
        "e30=",
        encode([]),
        encode({"traceId": "short"}),
        encode({"traceId": "0" * 32}),
        encode({"traceId": 5}),
        encode({"traceId": {"deep": TRACE}}),
        encode({"target": TRACE}),
        base64.b64encode(b"[" * 3000).decode(),
        base64.b64encode(b"\xff\xfe{}").decode(),
        DOCUMENTED * 100,
        "é",
    ],
)
def test_what_is_not_understood_is_no_trace_id(header: str | None) -> None:
    """Garbage, another shape, an impossible id: never an exception, never a wrong id."""
    assert decode_feedback_target(header) is None


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_junk_is_tolerated(header: str) -> None:
    """Whatever stands there."""
    decode_feedback_target(header)


@given(
    st.dictionaries(
        st.sampled_from(["traceId", "target", "dataRoutingDestination"]),
        st.none() | st.text() | st.integers() | st.booleans(),
    )
)
def test_odd_contents_are_tolerated(content: Mapping[str, Any]) -> None:
    """The right keys with the wrong values."""
    target = decode_feedback_target(encode(content))
    assert target is None or len(target.trace_id) == 32


_URL_SAFE = base64.urlsafe_b64encode(json.dumps({"region": "???>>>", "traceId": TRACE}).encode()).decode()


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (None, "absent"),
        ("", "absent"),
        ("nonsense", "unreadable"),
        (DOCUMENTED, "base64"),
        (quote(DOCUMENTED, safe=""), "base64"),
        (DOCUMENTED.rstrip("="), "base64, without padding"),
        (_URL_SAFE, "base64url"),
        (_URL_SAFE.rstrip("="), "base64url, without padding"),
        (encode({"target": {"traceId": TRACE}}), "base64, nested under target"),
    ],
)
def test_the_form_of_the_header_is_reported(header: str | None, form: str) -> None:
    """Which of them a gateway uses is not documented."""
    assert describe_feedback_target(header) == form


@pytest.mark.parametrize("destination", [5, True, ["default"], {"name": "default"}, "", None])
def test_a_destination_of_another_type_is_none(destination: object) -> None:
    """The trace is known all the same."""
    target = decode_feedback_target(encode({"traceId": TRACE, "dataRoutingDestination": destination}))
    assert target == FeedbackTarget(trace_id=TraceId(TRACE))
