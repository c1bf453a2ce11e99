"""What a trace must look like to count as arrived, and what its spans say of themselves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.trace import (
    Labels,
    Route,
    SpanFact,
    TraceSeen,
    compare_with_answer,
    is_same_environment,
    judge_completeness,
    judge_labels,
)
from tests.core.build import quick, spans, trace_id

EXPECTED = Labels(service_name="tfy-llm-gateway", resource_attributes={"environment": "production"}, content=False)


def seen(*facts: SpanFact, route: Route = Route.WAREHOUSE) -> TraceSeen:
    """One look."""
    return TraceSeen(route=route, at=0.0, spans=facts)


def span(name: str, parent: str = "", **more: Any) -> SpanFact:
    """One span."""
    return SpanFact(trace_id=trace_id(1), span_id=name, parent_id=parent, **more)


ROOT, MODEL, CALL = span("root"), span("model", "root"), span("call", "model")


@pytest.mark.parametrize(
    ("facts", "wanted", "why"),
    [
        ((), None, "no span has arrived"),
        ((ROOT,), None, ""),
        ((ROOT, MODEL, CALL), 3, ""),
        ((CALL, MODEL, ROOT), None, ""),
        ((MODEL, CALL), None, "the root span is missing"),
        ((ROOT, CALL), None, "1 parent span is missing"),
        ((ROOT, CALL, span("other", "lost")), None, "2 parent spans are missing"),
        ((ROOT, MODEL), 3, "2 of 3 spans have arrived"),
        ((ROOT, ROOT, ROOT), 3, "1 of 3 spans have arrived"),
        ((span("gateway", "ours"), span("model", "gateway")), None, ""),
        ((span("gateway", "theirs"),), None, "the root span is missing"),
    ],
)
def test_a_trace_is_whole_with_its_root_no_dangling_parent_and_enough_spans(
    facts: tuple[SpanFact, ...], wanted: int | None, why: str
) -> None:
    """The span that we sent in `traceparent` counts as present although nobody exports it; duplicates count once."""
    shape = judge_completeness(seen(*facts), own_parent="ours", wanted=wanted)
    assert (shape.complete, shape.why) == (not why, why)


def test_the_root_may_hang_below_our_own_span_beside_a_dangling_one() -> None:
    """Our own parent is never missing, others are."""
    shape = judge_completeness(seen(span("gateway", "ours"), span("x", "lost")), own_parent="ours", wanted=None)
    assert shape.why == "1 parent span is missing"


@quick
@given(st.permutations(spans(1, 6)), st.lists(st.integers(0, 5), max_size=6))
def test_neither_order_nor_repetition_changes_the_judgement(order: list[SpanFact], again: list[int]) -> None:
    """Pages overlap and exporters retry."""
    repeated = [*order, *(order[place] for place in again)]
    assert judge_completeness(seen(*repeated), own_parent="", wanted=6).complete


def test_labels_as_expected_are_good_news() -> None:
    """Nothing to report."""
    judged = judge_labels(
        seen(span("s", service_name="tfy-llm-gateway", resource={"environment": "production"})), EXPECTED
    )
    assert (judged.mislabelled, judged.leaked, judged.content_missing) == ((), (), False)


def test_another_service_name_is_reported() -> None:
    """With both names."""
    judged = judge_labels(seen(span("s", service_name="litellm"), span("t", service_name="tfy-llm-gateway")), EXPECTED)
    assert judged.mislabelled == ("the service name is `litellm`, should be `tfy-llm-gateway`",)


@pytest.mark.parametrize(
    ("resource", "notified"),
    [
        ({"environment": "staging"}, "the resource attribute `environment` is `staging`, should be `production`"),
        ({}, "the resource attribute `environment` is not set, should be `production`"),
        ({"environment": "production", "more": "x"}, None),
        (None, None),
    ],
)
def test_a_required_resource_attribute_is_compared(resource: dict[str, str] | None, notified: str | None) -> None:
    """What the route does not show is not held against anybody."""
    assert judge_labels(seen(span("s", resource=resource)), EXPECTED).mislabelled == ((notified,) if notified else ())


@pytest.mark.parametrize(
    ("expected", "content", "leaked", "missing"),
    [
        (False, ("tfy.input", "tfy.output"), ("tfy.input", "tfy.output"), False),
        (False, (), (), False),
        (False, None, (), False),
        (True, ("tfy.input",), (), False),
        (True, (), (), True),
        (True, None, (), False),
        (None, ("tfy.input",), (), False),
        (None, (), (), False),
    ],
)
def test_content_is_present_or_absent_as_agreed(
    expected: bool | None, content: tuple[str, ...] | None, leaked: tuple[str, ...], missing: bool
) -> None:
    """Names of attributes only; a route that does not show content proves nothing."""
    judged = judge_labels(seen(span("s", content=content)), Labels(service_name="x", content=expected))
    assert (judged.leaked, judged.content_missing) == (leaked, missing)


@pytest.mark.parametrize("logged", [{"unproven": ("tfy.input",)}, {"redacted": True}])
def test_what_is_not_proven_or_was_redacted_neither_leaks_nor_lacks(logged: dict[str, Any]) -> None:
    """It was logged as agreed where content is expected; where it is not, it is at most shown beside the verdict."""
    there = seen(span("s", content=(), **logged))
    assert not judge_labels(there, Labels(service_name="x", content=True)).content_missing
    judged = judge_labels(there, Labels(service_name="x", content=False))
    assert judged.leaked == ()
    assert judged.evidence.get("may_carry_content") == ("tfy.input" if "unproven" in logged else None)


def test_one_span_with_content_is_content() -> None:
    """Only one of them need hold it."""
    judged = judge_labels(
        seen(span("s", content=()), span("t", content=("b",))), Labels(service_name="x", content=True)
    )
    assert not judged.content_missing


def test_a_credential_is_a_leak_whatever_was_agreed() -> None:
    """Nobody wants one in a trace."""
    judged = judge_labels(seen(span("s", credentials=("Authorization",))), Labels(service_name="x", content=None))
    assert (judged.leaked, judged.credential_alone) == (("Authorization",), True)


@pytest.mark.parametrize(("content", "alone"), [((), True), (("tfy.input",), False)])
def test_a_credential_beside_content_that_is_to_stay_out_is_not_alone(content: tuple[str, ...], alone: bool) -> None:
    """Then the content is what the leak is called by."""
    shown = seen(span("s", content=content, credentials=("Authorization",)))
    judged = judge_labels(shown, Labels(service_name="x", content=False))
    assert (judged.leaked, judged.credential_alone) == (("Authorization", *content), alone)


@pytest.mark.parametrize(
    ("shown", "other"),
    [
        (("stg", "stg"), "stg"),
        (("stg", None), "stg"),
        (("prd", "stg"), None),
        (("Production", None), None),
        ((None, None), None),
    ],
)
def test_the_environment_that_our_key_shows_is_the_expected_one(
    shown: tuple[str | None, ...], other: str | None
) -> None:
    """One span that is where it should be is enough, and what the route does not show is held against nobody."""
    facts = [span(f"s{place}", environment=each) for place, each in enumerate(shown)]
    assert judge_labels(seen(*facts), EXPECTED, environment="prd").environment == other
    assert judge_labels(seen(*facts), EXPECTED).environment is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("prd", "prd", True),
        ("prd", "production", True),
        ("PROD", "Production", True),
        ("stg", "Staging", True),
        ("dev", "development", True),
        ("eu-production", "EU Production", True),
        ("prd", "stg", False),
        ("prd", "prd-eu", False),
        ("eu-production", "prd", False),
    ],
)
def test_an_environment_has_a_slug_and_a_label(one: str, other: str, same: bool) -> None:
    """Recorded answers hold the slug, Traceloop's own example the label."""
    assert is_same_environment(one, other) is same
    assert is_same_environment(other, one) is same


def test_model_and_usage_are_evidence() -> None:
    """Shown, never a fault: the first span that has one wins."""
    judged = judge_labels(
        seen(
            span("s"),
            span("t", model="gpt", usage={"input": 7}, service_name="svc"),
            span("u", model="other", usage={"input": 9, "output": 3}),
        ),
        EXPECTED,
    )
    assert judged.evidence == {"spans": 3, "model": "gpt", "service_name": "svc", "input_tokens": 7, "output_tokens": 3}


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resources", "expected", "configured"),
    [
        ([{"environment": "production", "more": "x"}], EXPECTED, True),
        ([{"environment": "production"}, {"environment": "production"}, None], EXPECTED, True),
        ([{"environment": "production"}, {}], EXPECTED, False),
        ([{"environment": "staging"}], EXPECTED, False),
        ([None], EXPECTED, None),
        ([{"environment": "production"}], Labels(service_name="x"), None),
    ],
)
def test_resource_attributes_show_that_a_trace_went_by_the_configured_exporter(
    resources: list[dict[str, str] | None], expected: Labels, configured: bool | None
) -> None:
    """Every span that shows its resource must carry them; another service name is another matter."""
    facts = [span(f"s{n}", resource=resource, service_name="other") for n, resource in enumerate(resources)]
    judged = judge_labels(seen(*facts), expected)
    assert judged.configured is configured
    way = "the configured exporter, which adds environment"
    assert judged.evidence.get("export_path") == (way if configured else None)


@pytest.mark.parametrize(
    ("traced", "answered", "said"),
    [
        ({"model": "gpt-4o-mini"}, "gpt-4o-mini", "model gpt-4o-mini as answered"),
        ({"model": "gpt-4o-mini-2024-07-18"}, "openai-main/gpt-4o-mini", "model gpt-4o-mini-2024-07-18 as answered"),
        ({"model": "claude-sonnet@20250514"}, "Claude-Sonnet", "model claude-sonnet@20250514 as answered"),
        ({"model": "gpt-4o"}, "gpt-4o-mini", "model gpt-4o (the answer said gpt-4o-mini)"),
        ({"model": "gpt-4o"}, None, None),
        ({}, "gpt-4o", None),
        (
            {"input_tokens": 39, "output_tokens": 2},
            None,
            "input_tokens 39 (the answer said 41), output_tokens 2 as answered",
        ),
        ({"input_tokens": 0}, None, "input_tokens 0 (the answer said 41)"),
    ],
)
def test_model_and_tokens_are_compared_with_the_answer(
    traced: dict[str, Any], answered: str | None, said: str | None
) -> None:
    """Where both show it: as evidence, which nothing depends on. A provider before the name, and a date behind it, say nothing."""
    compared = compare_with_answer({"spans": 3, **traced}, model=answered, usage={"input": 41, "output": 2})
    assert compared.get("beside_the_answer") == said
    assert {**compared, "beside_the_answer": None} == {"spans": 3, **traced, "beside_the_answer": None}
