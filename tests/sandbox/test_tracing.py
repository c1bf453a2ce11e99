"""The traces of the gateway in the sandbox: their ids, their names, their content."""

import base64
import json
from typing import Any

import pytest

from monitor.sandbox import Sandbox
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Answer, Asker

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADER = "x-tfy-feedback-target-id"
TOKENS = {"x-tfy-metadata": '{"probe": "7f3a"}'}


def target(answer: Answer) -> Any:
    """What the feedback header says, read as the default variant writes it."""
    return json.loads(base64.b64decode(answer.headers[HEADER]))


async def test_a_trace_id_is_a_uuid_of_version_7(asker: Asker, clock: FakeClock) -> None:
    """It begins with the time in milliseconds, and names the root span and its destination."""
    named = target(await asker.complete())
    trace_id = named["traceId"]
    assert len(trace_id) == 32
    assert int(trace_id[:12], 16) == int(clock.now() * 1000)
    assert trace_id[12] == "7"
    assert trace_id[16] in "89ab"
    assert named["dataRoutingDestination"] == "default"
    root = asker.sandbox.world.own_spans[0].span
    assert (root.trace_id, root.span_id) == (trace_id, named["spanId"])


@pytest.mark.parametrize("variant", ["base64", "base64-unpadded", "base64url", "base64url-unpadded", "nested"])
async def test_the_feedback_header_is_encoded_by_variant(asker: Asker, sandbox: Sandbox, variant: str) -> None:
    """Whatever the alphabet, the padding and the nesting, it says the same."""
    sandbox.world.vary(feedback=variant)
    text = (await asker.complete()).headers[HEADER]
    assert ("_" in text) is variant.startswith("base64url")
    assert text.endswith("=") is (variant in {"base64", "base64url", "nested"} and len(text.rstrip("=")) % 4 != 0)
    padded = text + "=" * (-len(text) % 4)
    named = json.loads(base64.b64decode(padded.replace("-", "+").replace("_", "/")))
    found = named["target"] if variant == "nested" else named
    assert found["traceId"] == asker.sandbox.world.own_spans[0].span.trace_id


async def test_the_feedback_header_can_be_absent(asker: Asker, sandbox: Sandbox) -> None:
    """The trace is made all the same."""
    sandbox.world.vary(feedback="absent")
    assert HEADER not in (await asker.complete()).headers
    assert len(sandbox.world.own_spans) == 3


async def test_traceparent_is_ignored_or_honoured(asker: Asker, sandbox: Sandbox) -> None:
    """Honoured, the root is the caller's child; ignored, it has no parent."""
    await asker.complete(headers={"traceparent": PARENT})
    sandbox.world.vary(traceparent="honoured")
    named = target(await asker.complete(headers={"traceparent": PARENT}))
    ignored, honoured = [kept.span for kept in sandbox.world.own_spans if kept.span.name.startswith("Chat")]
    assert (ignored.parent_id, ignored.trace_id == honoured.trace_id) == ("", False)
    assert named["traceId"] == honoured.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert honoured.parent_id == "b7ad6b7169203331"


@pytest.mark.parametrize(
    "bad",
    [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ],
)
async def test_a_bad_traceparent_is_as_none(asker: Asker, sandbox: Sandbox, bad: str) -> None:
    """A new trace begins, silently."""
    sandbox.world.vary(traceparent="honoured")
    named = target(await asker.complete(headers={"traceparent": bad}))
    assert named["traceId"] != "0af7651916cd43dd8448eb211c80319c"
    assert len(sandbox.world.own_spans) == 3


async def test_a_trace_that_is_not_sampled_is_not_recorded(asker: Asker, sandbox: Sandbox) -> None:
    """Where traceparent is honoured, so is its flag."""
    sandbox.world.vary(traceparent="honoured")
    assert (await asker.complete(headers={"traceparent": PARENT[:-2] + "00"})).status == 200
    assert not sandbox.world.own_spans


async def test_the_tree_is_root_model_and_call(asker: Asker, sandbox: Sandbox) -> None:
    """Each span lies within its parent."""
    sandbox.world.latency = 0.4
    await asker.complete()
    root, model, post = (kept.span for kept in sandbox.world.own_spans)
    assert [span.name for span in (root, model, post)] == [
        "ChatCompletion: openai-main/gpt-4o-mini",
        "Model: openai-main/gpt-4o-mini",
        "POST https://api.openai.com/v1/chat/completions",
    ]
    assert (model.parent_id, post.parent_id) == (root.span_id, model.span_id)
    assert root.start < model.start < post.start < post.end < model.end < root.end
    assert root.end - root.start == 400_000_000


@pytest.mark.parametrize(
    ("name", "spans"), [("canary_rejected", 1), ("canary_rejected_guardrail_input", 1), ("provider_failing", 3)]
)
@pytest.mark.parametrize(
    ("variant", "header", "traced"), [("traced", True, True), ("named-only", True, False), ("untraced", False, False)]
)
async def test_a_refusal_is_traced_by_variant(
    asker: Asker, sandbox: Sandbox, name: str, spans: int, variant: str, header: bool, traced: bool
) -> None:
    """As far as it got: a refusal of the gateway's own has no Model span."""
    sandbox.world.vary(refusals=variant)
    await sandbox.break_(name)
    answer = await asker.complete()
    assert (HEADER in answer.headers) is header
    kept = [each.span for each in sandbox.world.own_spans]
    assert len(kept) == (spans if traced else 0)
    assert all(span.error for span in kept)


async def test_a_bad_token_leaves_no_trace(asker: Asker, sandbox: Sandbox) -> None:
    """Whatever the variant."""
    await sandbox.break_("gateway_refused")
    assert HEADER not in (await asker.complete()).headers
    assert not sandbox.world.own_spans


async def test_a_trace_that_is_not_made_is_named_all_the_same(asker: Asker, sandbox: Sandbox) -> None:
    """The answer is as ever; neither store has the trace."""
    await sandbox.break_("trace_not_created")
    assert target(await asker.complete())["traceId"]
    await asker.clock.advance(60)
    assert not sandbox.world.own_spans
    assert not asker.rows()


@pytest.mark.parametrize(
    ("settings", "header", "bodies"),
    [
        ({}, None, True),
        ({}, '{"enabled": true}', True),
        ({}, '{"enabled": false}', False),
        ({"gateway-global-settings": {"logging_settings": {"type": "always"}}}, '{"enabled": false}', True),
        ({"gateway-global-settings": {"logging_settings": {"type": "never"}}}, '{"enabled": true}', False),
        (
            {
                "gateway-global-settings": {
                    "logging_settings": {"type": "header_controlled", "log_body_by_default": False}
                }
            },
            None,
            False,
        ),
        ({"gateway-logging-config": {"log": False}}, '{"enabled": true}', False),
        ({"gateway-logging-config": {"log": False, "when": {"models": {"in": ["other/model"]}}}}, None, True),
        ({"gateway-logging-config": {"log": False, "when": {"models": {"in": ["*"]}}}}, None, False),
        ({"gateway-logging-config": {"log": False, "when": {"subjects": {"not_in": ["trace-monitor"]}}}}, None, True),
        ({"gateway-logging-config": {"log": False, "when": {"metadata": {"probe": "7f3a"}}}}, None, False),
        ({"gateway-logging-config": {"log": True}}, None, True),
    ],
)
async def test_bodies_are_logged_as_the_settings_say(
    asker: Asker, sandbox: Sandbox, settings: dict[str, Any], header: str | None, bodies: bool
) -> None:
    """The global mode decides, then a rule that says no wins; the spans are there in any case."""
    for kind, manifest in settings.items():
        sandbox.world.configurations.apply({"type": kind, **manifest})
    await asker.complete(headers={**TOKENS, **({"x-tfy-logging-config": header} if header else {})})
    root = sandbox.world.own_spans[0].span
    assert ("tfy.input" in root.attributes) is bodies
    assert len(sandbox.world.own_spans) == 3


@pytest.mark.parametrize("name", ["trace_not_created_logging_off", "trace_not_created_logging_never"])
async def test_what_is_not_logged_may_leave_no_trace_at_all(asker: Asker, sandbox: Sandbox, name: str) -> None:
    """By the fault, or by the variant; other requests are traced as ever, and an account may be named with its kind."""
    await sandbox.break_(name)
    await asker.complete()
    assert not sandbox.world.own_spans
    await sandbox.fix()
    await sandbox.break_("content_missing_logging_off")
    await asker.complete()
    assert "tfy.input" not in sandbox.world.own_spans[0].span.attributes
    sandbox.world.vary(logging_off="traces")
    await asker.complete()
    assert len(sandbox.world.own_spans) == 3
    await sandbox.fix()
    await sandbox.break_("logging_off_for_others")
    await asker.complete()
    assert len(sandbox.world.own_spans) == 6
    await asker.complete(model="openai-main/gpt-4o")
    assert len(sandbox.world.own_spans) == 6
