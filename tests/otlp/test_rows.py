"""What is said of a span, and what is not: names of content and credentials, never the content."""

import json
import time
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.trace import SpanFact
from monitor.otlp import LOOK_BYTES, Progress, mentions, read_row
from monitor.ports import Garbled
from monitor.redaction import MASK, Redactor

NONCE = "gtm-0123456789abcdef"
KEY = "tl_0123456789abcdef0123456789abcdef"
PROMPT = f"This is a health check of the gateway. Answer with the single word: pong.\n({NONCE})"
ANSWER = "Certainly: the gateway of your company is as well as can be."


def fact(attributes: Any = None, nonce: str | None = NONCE, **more: Any) -> SpanFact:
    """The fact of one row."""
    row = {"trace_id": "A" * 32, "span_id": "b" * 16, "span_attributes": attributes or {}, **more}
    return read_row(row, "Traceloop", nonce=nonce, redactor=Redactor([KEY]), texts=(PROMPT, ANSWER))


@pytest.mark.parametrize(
    "name",
    [
        "tfy.input",
        "tfy.output",
        "tfy.input_short_hand",
        "tfy.resolved_input",
        "gen_ai.prompt",
        "gen_ai.prompt.0.content",
        "gen_ai.completion.0.content",
        "llm.prompts.0.content",
        "llm.completions.0.content",
        "llm.completions.0.tool_calls.0.arguments",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.content.prompt",
        "input.value",
        "output.value",
        "traceloop.entity.input",
        "traceloop.entity.output",
    ],
)
def test_what_is_named_like_content_and_holds_nothing_of_ours_is_not_proven(name: str) -> None:
    """By every name that this gateway, Traceloop or OpenTelemetry gives content: the name alone proves nothing."""
    shown = fact({name: "Why is the sky blue?"})
    assert (shown.content, shown.unproven) == ((), (name,))
    assert fact({name: PROMPT}).content == (name,)


ENCODED = {
    "whole": PROMPT,
    "the nonce alone": NONCE,
    "cut off": PROMPT[:40],
    "the end of it": PROMPT[-60:-25],
    "the answer": ANSWER,
    "a part of the answer": f"…{ANSWER[9:45]}…",
    "in capitals": PROMPT.upper(),
    "in JSON": json.dumps({"messages": [{"role": "user", "content": PROMPT}]}),
    "in JSON in JSON": json.dumps({"body": json.dumps({"content": PROMPT[:50]})}),
    "percent-encoded": quote(PROMPT),
    "percent-encoded in small letters": quote(PROMPT, safe="").lower(),
    "as a form": quote_plus(PROMPT[:40]),
    "in hexadecimal": PROMPT.encode().hex().upper(),
    **{f"in base64 after {lead}": b64encode(b"x" * lead + PROMPT[:50].encode()).decode() for lead in range(3)},
    **{f"in base64 for URLs after {lead}": urlsafe_b64encode(b"x" * lead + NONCE.encode()).decode() for lead in range(3)},
}  # fmt: skip


@pytest.mark.parametrize("value", ENCODED.values(), ids=ENCODED.keys())
def test_what_was_asked_or_answered_proves_content_in_every_form(value: str) -> None:
    """Whole or in part, plain or encoded, under whatever name, in attributes, events and fields."""
    assert fact({"vendor.new.name": value}).content == ("vendor.new.name",)
    assert fact(resource_attributes={"vendor.new.name": value}).content == ("vendor.new.name",)
    assert fact(events=[{"attributes": {"vendor.new.name": value}}]).content == ("vendor.new.name",)
    assert fact(span_events=[{"name": value}]).content == ("span_events",)
    assert fact(status_message=value).content == ("status_message",)
    assert fact(prompts={"0": {"content": value}}).content == ("prompts",)


@pytest.mark.parametrize(
    "fields",
    [
        {"output": {"model": "gpt-4o-mini"}},
        {"output": '{"model": "gpt-4o-mini"}'},
        {"output": "gpt-4o-mini", "span_attributes": {"gen_ai.response.model": "openai-main/gpt-4o-mini"}},
        {"output": " "},
        {"completions": {"0": {"role": "assistant", "finish_reason": "stop"}}},
        {"prompts": {"0": {"role": "user"}}},
        {"prompts": [{"role": "user", "content": ""}]},
        {"span_attributes": {"gen_ai.prompt.0.content": "\t\n", "input.value": '""', "tfy.output": "assistant"}},
        {"span_attributes": {"gen_ai.usage.prompt_tokens": "12", "tfy.output": None}},
    ],
)
def test_a_role_a_model_or_an_empty_value_is_no_content(fields: dict[str, Any]) -> None:
    """A store derives such values from others: nothing of a request or an answer is in them."""
    shown = fact(**fields)
    assert (shown.content, shown.unproven, shown.redacted) == ((), (), False)


@pytest.mark.parametrize(
    "mark",
    ["<redacted>", "[REDACTED]", "***", "••••", "redacted-by-litellm", "(sensitive value)", "__MASKED__", "[content removed]",
     {"role": "user", "content": "[REDACTED]"}],
)  # fmt: skip
def test_a_mark_of_redaction_is_no_content_but_shows_that_it_was_logged(mark: Any) -> None:
    """Somebody took it out on its way."""
    for fields in ({"input": mark}, {"span_attributes": {"tfy.output": mark}}, {"prompts": {"0": mark}}):
        shown = fact(**fields)
        assert (shown.content, shown.unproven, shown.redacted) == ((), (), True)


def test_a_short_answer_and_single_words_prove_nothing() -> None:
    """They may stand anywhere: "pong" in a host's name, a model's name in any attribute."""
    row = {
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "span_attributes": {"host": "pong", "model": "openai-main/gpt-4o-mini-2024"},
    }
    texts = ("Who is openai-main/gpt-4o-mini-2024, please?", "pong", "openai-main/gpt-4o-mini-2024")
    assert read_row(row, "Traceloop", nonce=NONCE, redactor=Redactor(), texts=texts).content == ()


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.prompt.0.role": "user", "llm.completions.0.finish_reason": "stop"},
        {"gen_ai.usage.prompt_tokens": "12", "gen_ai.request.model": "x"},
        {"tfy.input": "", "tfy.output": "null", "gen_ai.prompt": "{}", "gen_ai.completion": "[]"},
        {"tfy.request.metadata": f'{{"probe_id": "{NONCE}"}}'},
        {"tfy.request.metadata": {"probe_id": NONCE}},
        {"tfy.request.metadata.probe_id": NONCE},
        {"metadata.requester_metadata": f"{{'headers': '{NONCE}'}}"},
        {"http.request.headers": json.dumps({"x-tfy-metadata": json.dumps({"probe_id": NONCE})})},
        {"vendor.request": str({"tfy_monitor": "canary", "probe_id": NONCE})},
        {"traceloop.association.properties.probe_id": NONCE},
        {"vendor.cut_off": str({"probe_id": NONCE})[:-5]},
        {"baggage": quote(json.dumps({"probe_id": NONCE}))},
        {},
    ],
)
def test_what_surrounds_content_is_none(attributes: dict[str, Any]) -> None:
    """Roles, counts, empty values, and the canary's own metadata, which carries the nonce by design."""
    assert fact(attributes).content == ()


@pytest.mark.parametrize("field", ["input", "output", "prompts", "completions"])
def test_content_stands_in_fields_of_its_own_too(field: str) -> None:
    """Traceloop moves it there on the documented route."""
    value: Any = {"llm.prompts.0.content": PROMPT} if field in {"prompts", "completions"} else PROMPT
    assert fact(**{field: value}).content == (field,)


@pytest.mark.parametrize("field", ["input", "output", "prompts", "completions"])
@pytest.mark.parametrize("value", [None, "", {}, [], {"llm.prompts.0.role": "user"}])
def test_empty_fields_are_no_content(field: str, value: Any) -> None:
    """Null on the one route, empty on the other, or nothing but who spoke."""
    assert fact(**{field: value}).content == ()


def test_the_nonce_proves_content_under_any_name() -> None:
    """Only the prompt carries it."""
    assert fact({"vendor.new.name": f"please say ({NONCE})", "vendor.other": "x"}).content == ("vendor.new.name",)
    assert fact({"vendor.new.name": f"please say ({NONCE})"}, nonce=None).content == ()


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("resource_attributes", "Authorization", "Bearer abc123def"),
        ("resource_attributes", "authorization", "anyth1ng-at-all"),
        ("resource_attributes", "proxy-authorization", "anyth1ng-at-all"),
        ("span_attributes", "http.request.header.authorization", ["Bearer abc123def"]),
        ("span_attributes", "http.request.header.cookie", "session=abc123"),
        ("span_attributes", "vendor.refresh_token", "anyth1ng"),
        ("span_attributes", "vendor.private-key", "anyth1ng"),
        ("span_attributes", "http.request.header.x-api-key", "anyth1ng"),
        ("span_attributes", "openai.api_key", "anyth1ng"),
        ("span_attributes", "vendor.note", f"the key is {KEY}"),
        ("span_attributes", "url.full", "https://api.example/v1?key=AIzaSyA"),
        ("span_attributes", "db.connection", "postgres://u:p@host/db"),
        ("span_attributes", "vendor.long", "so ... and so " + "sk-abcdef123456"),
    ],
)
def test_credentials_are_named(where: str, name: str, value: Any) -> None:
    """By a value we know, by what a credential looks like, by the attribute's name where the value can be a key."""
    fields: dict[str, Any] = {where: {name: value}}
    shown = fact(**fields)
    assert shown.credentials == (name,)
    assert str(value) not in repr(shown)


@pytest.mark.parametrize(
    "value", ["true", "12", "default", "not-present", "virtual account", "none", "a" * 10, "0123456789abcdef" * 4, "["]
)
def test_a_name_of_a_credential_proves_none(value: str) -> None:
    """A word, a count, a flag, the hash that LiteLLM shows instead of a key: none of them opens anything."""
    assert fact({"metadata.user_api_key": value, "vendor.session_token": value}).credentials == ()


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "tfycreatedbysubject": "virtualaccount:trace-monitor",
            "tfytenantname": "acme",
            "tfy.request.tenant_name": "acme",
            "tfyproject": "acme:tracing-project:tfy-default",
            "tfyservicename": "tfy-llm-gateway",
            "istfyllmgateway": "true",
        },
        {
            "gen_ai.usage.total_tokens": "41",
            "llm.request.max_tokens": "16",
            "tfy.request.created_by_subject": "user:ada",
        },
    ],
)
def test_whose_request_it_was_is_no_credential(attributes: dict[str, str]) -> None:
    """What TrueFoundry's collector puts on the resource besides, and counts of tokens."""
    assert fact(attributes, resource_attributes=attributes).credentials == ()


def test_content_and_credentials_of_events_are_found() -> None:
    """An older convention put content there; what is no list of events is passed over."""
    event = {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": "why?", "note": f"({NONCE})", "key": KEY}}
    for field in ("events", "span_events"):
        fields: dict[str, Any] = {field: [event, "odd", {"attributes": None}]}
        shown = fact(**fields)
        assert (shown.content, shown.unproven) == (("note",), ("gen_ai.prompt",))
        assert shown.credentials == ("key",)
    assert fact(events={"a": 1}).content == ()
    assert fact(events=[{"attributes": {"gen_ai.prompt": ""}}]).content == ()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "********",
        "<redacted>",
        '["[REDACTED]"]',
        "Bearer __REDACTED__",
        "ENC(a1b2c3d4)",
        "tfy-secret://acme:g:k",
        "Bearer ****",
    ],
)
def test_what_was_masked_on_its_way_is_no_credential(value: str) -> None:
    """Somebody took care already."""
    assert fact(resource_attributes={"Authorization": value}).credentials == ()


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.input_tokens": "21", "gen_ai.usage.output_tokens": "2", "gen_ai.response.model": "m"},
        {"gen_ai.usage.prompt_tokens": "21", "gen_ai.usage.completion_tokens": "2", "gen_ai.request.model": "m"},
        {"llm.usage.prompt_tokens": "21", "llm.usage.completion_tokens": "2", "llm.response.model": "m"},
        {"tfy.model.metric.input_tokens": "21.0", "tfy.model.metric.output_tokens": 2, "tfy.model.name": "m"},
    ],
)
def test_usage_and_model_are_read_under_every_name(attributes: dict[str, Any]) -> None:
    """Values come back as strings."""
    shown = fact(attributes)
    assert (shown.usage, shown.model) == ({"input": 21, "output": 2}, "m")


@pytest.mark.parametrize("count", ["many", "", "nan", "inf", "1e999"])
def test_a_count_that_is_none_is_left_out(count: str) -> None:
    """It is evidence, never a guess."""
    assert fact({"gen_ai.usage.input_tokens": count}).usage == {}


def test_labels_are_read() -> None:
    """Service name, environment, resource; a secret in the resource is not kept."""
    shown = fact(
        service_name="tfy-llm-gateway",
        environment="prd",
        parent_span_id="C" * 16,
        span_name="Model: x\n" + "y" * 500,
        resource_attributes={"environment": "production", "note": KEY},
    )
    assert (shown.trace_id, shown.span_id, shown.parent_id) == ("a" * 32, "b" * 16, "c" * 16)
    assert (shown.service_name, shown.environment) == ("tfy-llm-gateway", "prd")
    assert shown.resource is not None
    assert shown.resource["environment"] == "production"
    assert KEY not in repr(shown)
    assert len(shown.name) == 200


def test_labels_and_names_hold_no_secret() -> None:
    """Whoever set up the exporter may have put the key into the wrong field."""
    labels: dict[str, Any] = {
        "span_name": KEY,
        "environment": KEY,
        "service_name": KEY,
        "resource_attributes": {"a": KEY},
    }
    shown = fact({"gen_ai.response.model": KEY, f"{KEY}.input.value": PROMPT}, **labels)
    assert (shown.environment, shown.service_name, shown.model) == (MASK, MASK, MASK)
    assert (shown.content, shown.resource) == ((f"{MASK}.input.value",), {"a": MASK})
    assert KEY not in repr(shown)


def test_the_service_name_may_stand_in_the_resource_only() -> None:
    """The field at the top is the usual place."""
    assert fact(resource_attributes={"service.name": "other"}).service_name == "other"
    assert fact().service_name is None


@pytest.mark.parametrize(
    ("trace_id", "span_id"), [(None, "b" * 16), ("a" * 32, ""), ("zz", "b" * 16), (5.5, "b"), ([], "b")]
)
def test_a_row_without_ids_is_garbled(trace_id: Any, span_id: Any) -> None:
    """Nothing can be concluded from it."""
    with pytest.raises(Garbled):
        fact(trace_id=trace_id, span_id=span_id)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(
    [
        "span_attributes",
        "resource_attributes",
        "prompts",
        "input",
        "environment",
        "service_name",
        "span_name",
    ]
)


@given(st.dictionaries(FIELDS, JSON), st.text(min_size=1, max_size=5))
def test_any_row_with_ids_is_read(fields: dict[str, Any], nonce: str) -> None:
    """Whatever stands in the other fields."""
    row = {**fields, "trace_id": "a" * 32, "span_id": "b" * 16}
    assert read_row(row, "Traceloop", nonce=nonce, redactor=Redactor(), texts=(nonce * 20,)).span_id == "b" * 16
    mentions(row, nonce)


@pytest.mark.parametrize("parent", [5, True, ["a"], {"id": "a"}, "01234567-89ab", "the root", "\ud800"])
def test_a_parent_of_another_form_is_garbled(parent: object) -> None:
    """Whether it is missing is not known, and a trace is called incomplete only by what is understood."""
    with pytest.raises(Garbled):
        read_row(
            {"trace_id": "a" * 32, "span_id": "b" * 16, "parent_span_id": parent},
            "Traceloop",
            nonce=None,
            redactor=Redactor(),
        )


@pytest.mark.parametrize(
    "name", ["metadata." * 20_000 + "\n", "access_" * 30_000, "gen_ai.prompt." * 15_000, "_" * 200_000]
)
def test_a_name_of_any_length_is_read_in_linear_time(name: str) -> None:
    """Meanwhile nothing else of the monitor runs."""
    began = time.perf_counter()
    fact({name: "a value"})
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("value", ["{" * 200_000, "${" * 100_000, "tfy_" * 50_000, "<a" * 100_000, "x{" * 100_000])
def test_a_value_of_any_length_is_read_in_linear_time(value: str) -> None:
    """Also under the name of a credential, where more is asked of it."""
    began = time.perf_counter()
    fact({"authorization": value, "gen_ai.prompt": value})
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(nonce=None, ends=0.0, rows=1), "1 row read (0.0 MiB, the time limit of one look)"),
        (Progress(nonce=None, ends=0.0, rows=1, total=1), "1 of 1 row read (0.0 MiB, the time limit of one look)"),
        (Progress(nonce=None, ends=9.0, rows=7, bytes=LOOK_BYTES), "7 rows read (8.0 MiB, the size limit of one look)"),
    ],
)
def test_a_look_that_ends_too_early_says_by_which_limit(progress: Progress, said: str) -> None:
    """And counts its rows in good English."""
    assert str(progress.crowded()) == f"too many spans to read: {said}"
