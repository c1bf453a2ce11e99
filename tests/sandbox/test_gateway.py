"""The gateway in the sandbox: what it completes, what it refuses and how."""

import json
from typing import Any

import pytest

from monitor.sandbox import Host, Sandbox
from monitor.sandbox.spans import iso
from tests.fakes.clock import START, FakeClock
from tests.sandbox.common import Asker, chat, read

FIXTURES = {
    "canary_rejected": (
        403,
        {
            "status": "failure",
            "message": "User trace-monitor is not authorized to access model openai-main/gpt-4o-mini or model does not exist",
            "error": {
                "message": "User trace-monitor is not authorized to access model openai-main/gpt-4o-mini "
                "or model does not exist",
                "type": "AuthorizationError",
                "code": "403",
            },
        },
    ),
    "provider_failing_network": (
        500,
        {
            "status": "failure",
            "message": "anthropic error: Message: fetch failed Cause: AggregateError Name: TypeError",
            "error": '{"message":"anthropic error: Message: fetch failed Cause: AggregateError Name: TypeError",'
            '"type":"APIError","code":"500"}',
            "error_origin_level": "api_error",
            "provider": "anthropic",
        },
    ),
}


async def test_a_completion_with_its_headers(asker: Asker) -> None:
    """The served model, usage with its cost, the trace's name, the cache's word."""
    answer = await asker.complete()
    body = read(answer)
    assert answer.status == 200
    assert body["choices"][0]["message"]["content"] == "pong"
    assert body["model"] == "gpt-4o-mini-2026-01-01"
    assert body["usage"]["costInUSD"] > 0
    assert answer.headers["x-tfy-resolved-model"] == "openai-main/gpt-4o-mini"
    assert answer.headers["x-tfy-cache-status"] == "miss"
    assert "model;dur=" in answer.headers["server-timing"]
    assert json.loads(answer.headers["x-tfy-applied-configurations"])["ratelimit"] == []


@pytest.mark.parametrize("name", FIXTURES)
async def test_recorded_error_bodies_are_given_word_for_word(asker: Asker, sandbox: Sandbox, name: str) -> None:
    """As in the public record; a network failure has `error` as a text of JSON."""
    await sandbox.break_(name)
    answer = await asker.complete()
    assert (answer.status, read(answer)) == FIXTURES[name]


@pytest.mark.parametrize(
    ("name", "status", "kind", "origin"),
    [
        ("canary_rejected_guardrail_input", 400, "guardrail_checks_failed", "guardrails_input"),
        ("canary_rejected_guardrail_output", 400, "guardrail_checks_failed", "guardrails_output"),
        ("canary_rejected_parameter", 400, "APIError", "api_error"),
        ("canary_rejected_provider_400", 400, "APIError", "api_error"),
        ("canary_rejected_model_gone", 404, "APIError", "api_error"),
        ("provider_failing", 502, "APIError", "api_error"),
        ("provider_failing_500", 500, "APIError", "api_error"),
        ("gateway_refused", 401, "AuthenticationError", None),
        ("rate_limited", 429, "RateLimitError", None),
        ("rate_limited_budget", 429, "RateLimitError", None),
    ],
)
async def test_refusals_carry_status_kind_and_origin(
    asker: Asker, sandbox: Sandbox, name: str, status: int, kind: str, origin: str | None
) -> None:
    """`code` is the status as a text, the message stands twice."""
    await sandbox.break_(name)
    answer = await asker.complete()
    body = read(answer)
    assert (answer.status, body["error"]["type"], body.get("error_origin_level")) == (status, kind, origin)
    assert body["error"]["code"] == str(status)


async def test_a_guardrail_lists_what_passed_beside_what_failed(asker: Asker, sandbox: Sandbox) -> None:
    """The direction is given by the entry that failed."""
    await sandbox.break_("canary_rejected_guardrail_output")
    checks = read(await asker.complete())["guardrail_checks"]["output_guardrails"]
    assert [check["result"] for check in checks] == ["passed", "failed"]


async def test_limits_name_their_rule_and_seldom_say_when_to_come_back(asker: Asker, sandbox: Sandbox) -> None:
    """Retry-After is there in one fault alone."""
    await sandbox.break_("rate_limited")
    bare = await asker.complete()
    await sandbox.break_("rate_limited_retry_after")
    patient = await asker.complete()
    await sandbox.break_("rate_limited_budget")
    budget = await asker.complete()
    assert "retry-after" not in bare.headers
    assert patient.headers["retry-after"] == "120"
    assert json.loads(bare.headers["x-tfy-applied-configurations"]) == {"ratelimit": ["sandbox-ratelimit-rule"]}
    assert json.loads(budget.headers["x-tfy-applied-configurations"]) == {"budget": ["sandbox-budget-rule"]}


@pytest.mark.parametrize(
    ("variant", "body"),
    [
        (
            "openai",
            {
                "error": {
                    "message": "Rate limit exceeded: 30 requests per minute",
                    "type": "RateLimitError",
                    "code": "429",
                }
            },
        ),
        ("text", b"Rate limit exceeded: 30 requests per minute"),
        ("empty", b""),
    ],
)
async def test_bodies_without_a_record_are_given_by_variant(
    asker: Asker, sandbox: Sandbox, variant: str, body: Any
) -> None:
    """The status alone can be relied upon."""
    sandbox.world.vary(error_bodies=variant)
    await sandbox.break_("rate_limited")
    answer = await asker.complete()
    assert answer.status == 429
    assert (read(answer) if isinstance(body, dict) else answer.body) == body


BAD_HEADERS = {
    "metadata no JSON": {"x-tfy-metadata": "probe=7f3a"},
    "metadata no object": {"x-tfy-metadata": '["probe"]'},
    "metadata with a number": {"x-tfy-metadata": '{"probe": 7}'},
    "metadata too long": {"x-tfy-metadata": json.dumps({"probe": "x" * 129})},
    "logging no JSON": {"x-tfy-logging-config": "enabled"},
    "logging no boolean": {"x-tfy-logging-config": '{"enabled": "yes"}'},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
async def test_bad_headers_are_refused(asker: Asker, headers: dict[str, str]) -> None:
    """400, and no trace."""
    assert (await asker.complete(headers=headers)).status == 400
    assert not asker.sandbox.world.own_spans


async def test_metadata_may_be_as_long_as_it_may(asker: Asker) -> None:
    """128 characters and no more."""
    assert (await asker.complete(headers={"x-tfy-metadata": json.dumps({"probe": "x" * 128})})).status == 200


BAD_BODIES: dict[str, tuple[Any, int]] = {
    "no JSON": (b"{", 400),
    "no object": ([], 400),
    "no model": ({"messages": []}, 400),
    "no messages": ({"model": "openai-main/gpt-4o-mini"}, 400),
    "messages without content": (chat(messages=[{"role": "user"}]), 400),
    "unknown parameter": (chat(max_token=16), 400),
    "max_tokens no number": (chat(max_tokens="16"), 400),
    "max_tokens zero": (chat(max_tokens=0), 400),
    "unknown model": (chat(model="openai-main/gpt-9"), 403),
    "max_tokens for a reasoning model": (chat(model="openai-main/o4-mini"), 400),
}


@pytest.mark.parametrize(("body", "status"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_bad_bodies_are_refused(asker: Asker, body: Any, status: int) -> None:
    """By the gateway, or by the provider behind it."""
    answer = await asker.ask(Host.GATEWAY, "POST", "/v1/chat/completions", token=asker.credentials.token, body=body)
    assert answer.status == status
    assert read(answer)["status"] == "failure"


async def test_a_reasoning_model_may_spend_everything_on_reasoning(asker: Asker) -> None:
    """No text, `finish_reason: length`, and it is an answer all the same."""
    body = {"model": "openai-main/o4-mini", "messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 16}
    answer = read(await asker.ask(Host.GATEWAY, "POST", "/chat/completions", token=asker.credentials.token, body=body))
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == ""
    assert answer["usage"]["completion_tokens"] == 16


async def test_models_are_those_that_the_token_may_use(asker: Asker, sandbox: Sandbox) -> None:
    """None granted is an empty list; a stranger is refused."""
    token = asker.credentials.token
    granted = read(await asker.ask(Host.GATEWAY, "GET", "/models", token=token))
    assert "openai-main/gpt-4o-mini" in [model["id"] for model in granted["data"]]
    assert (await asker.ask(Host.GATEWAY, "GET", "/models", token="tfy_nobody")).status == 401
    await sandbox.break_("canary_rejected")
    assert read(await asker.ask(Host.GATEWAY, "GET", "/models", token=token))["data"] == []


async def test_health_needs_no_token(asker: Asker) -> None:
    """Nor does the root that Kubernetes probes."""
    for path in ("/health", "/"):
        assert (await asker.ask(Host.GATEWAY, "GET", path)).status == 200


async def test_its_metrics_count_spans_kept_and_dropped(asker: Asker, sandbox: Sandbox) -> None:
    """As a self-hosted gateway shows them."""
    await asker.complete()
    await sandbox.break_("trace_not_created")
    await asker.complete()
    assert await counts(asker) == [
        f"process_start_time_seconds {START:.3f}",
        'ai_gateway_requests_total{tenant_name="sandbox"} 2',
        'ai_gateway_spans_accepted_total{tenant_name="sandbox"} 3',
        'ai_gateway_spans_exported_total{tenant_name="sandbox",outcome="success"} 3',
        'ai_gateway_span_drops_total{tenant_name="sandbox",reason="should_trace_false"} 1',
    ]


async def test_what_it_refuses_is_a_request_too(asker: Asker, sandbox: Sandbox) -> None:
    """In its own metrics, whose spans of it are counted, and in what the control plane counts."""
    await sandbox.break_("provider_failing")
    await asker.complete()
    assert 'ai_gateway_requests_total{tenant_name="sandbox"} 1' in await counts(asker)
    await asker.clock.advance(1)
    now = asker.clock.now()
    asked = {"startTs": iso(now - 60), "endTs": iso(now), "datasource": "modelMetrics", "type": "distribution"}
    counted = read(await asker.plane("POST", "/api/svc/v1/llm-gateway/metrics/query", body=asked))
    assert counted["data"]["dataPoints"] == [{"total": 1, "countModelName": 1}]


async def counts(asker: Asker) -> list[str]:
    """The lines of its metrics that hold a number."""
    lines = (await asker.ask(Host.GATEWAY, "GET", "/metrics")).body.decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


async def test_its_metrics_count_what_the_collector_does_not_take(asker: Asker, sandbox: Sandbox) -> None:
    """With the reason; neither store has the trace."""
    await sandbox.break_("trace_not_created_collector")
    await asker.complete()
    await asker.clock.advance(60)
    failed = 'ai_gateway_spans_exported_total{tenant_name="sandbox",outcome="failed",reason="connection_refused"} 3'
    assert failed in await counts(asker)
    assert not sandbox.world.own_spans
    assert not asker.rows()


async def test_older_gateways_call_their_metrics_otherwise_and_others_have_none(asker: Asker, sandbox: Sandbox) -> None:
    """They were renamed in version 0.136; TrueFoundry's cloud shows none."""
    await asker.complete()
    sandbox.world.vary(span_metrics="llm_gateway")
    assert (await counts(asker))[1] == 'llm_gateway_spans_accepted_total{tenant_name="sandbox"} 3'
    sandbox.world.vary(span_metrics="absent")
    assert (await asker.ask(Host.GATEWAY, "GET", "/metrics")).status == 404


async def test_a_stalling_provider_takes_its_time(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """The gateway itself answers at once."""
    await sandbox.break_("provider_failing_timeout")
    began = clock.now()
    assert (await asker.complete()).status == 200
    assert clock.now() - began == 120
    began = clock.now()
    await asker.ask(Host.GATEWAY, "GET", "/health")
    assert clock.now() == began


async def test_what_is_no_completion_is_answered_as_one(asker: Asker, sandbox: Sandbox) -> None:
    """200, and not a chat completion."""
    await sandbox.break_("canary_rejected_shape")
    answer = await asker.complete()
    assert answer.status == 200
    assert "choices" not in read(answer)
