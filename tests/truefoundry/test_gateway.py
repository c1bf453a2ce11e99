"""What is sent to the gateway, and what is understood of its answers; shapes as recorded in https://github.com/truefoundry/models."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from monitor.http import USER_AGENT
from monitor.ports import CanaryAnswer, CanaryRequest
from monitor.redaction import MASK, Redactor
from monitor.truefoundry import ModelsAnswer, TrueFoundryGateway
from tests.fakes.clock import FakeClock
from tests.fakes.remote import Remote, Reply
from tests.truefoundry.contract import canary
from tests.truefoundry.test_feedback import DOCUMENTED, TRACE

TOKEN = "tfy_secretsecret123"
COMPLETION = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "pong"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 2, "total_tokens": 23, "costInUSD": 0.0042},
}


def gateway_at(remote: Remote, base: str = "") -> TrueFoundryGateway:
    """The adapter before a remote."""
    redactor = Redactor([TOKEN])
    return TrueFoundryGateway(
        remote.http, remote.url + base, lambda: TOKEN, path="/health", redactor=redactor, clock=remote.clock
    )


async def complete(reply: Reply, request: CanaryRequest | None = None) -> CanaryAnswer:
    """One canary, answered so."""
    return await gateway_at(Remote(FakeClock(), reply)).complete(request or canary())


async def asked(request: CanaryRequest, base: str = "") -> Any:
    """What a canary sends."""
    remote = Remote(FakeClock(), Reply(COMPLETION))
    await gateway_at(remote, base).complete(request)
    return remote.asked[0]


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/chat/completions"),
        ("/", "/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/llm", "/api/llm/chat/completions"),
    ],
)
async def test_the_path_is_joined_to_any_base(base: str, path: str) -> None:
    """With or without a slash, with or without a version."""
    assert (await asked(canary(), base)).path == path


async def test_a_canary_says_what_it_is() -> None:
    """Token, tags, logging, trace context, our own name; no cache header."""
    request = await asked(canary(metadata={"probe_id": "n" * 200, "tfy_monitor": "canary"}))
    headers = request.headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == USER_AGENT
    assert json.loads(headers["x-tfy-metadata"]) == {"probe_id": "n" * 128, "tfy_monitor": "canary"}
    assert json.loads(headers["x-tfy-logging-config"]) == {"enabled": True}
    assert headers["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01"
    assert not any("cache" in name for name in headers)
    assert request.json == {
        "model": "openai-main/gpt-4o-mini",
        "messages": [{"role": "user", "content": "say pong (gtm-0123456789abcdef)"}],
        "max_tokens": 16,
        "stream": False,
    }


@pytest.mark.parametrize(
    ("more", "limits"),
    [
        ({"max_tokens": None}, {}),
        ({"parameters": {"max_completion_tokens": 64}}, {"max_completion_tokens": 64}),
        ({"parameters": {"max_tokens": 32}}, {"max_tokens": 32}),
        ({"parameters": {"max_tokens": None}}, {}),
        ({"parameters": {"temperature": 0}}, {"max_tokens": 16}),
    ],
)
async def test_the_token_limit_can_be_renamed_or_left_out(more: dict[str, Any], limits: dict[str, int]) -> None:
    """Reasoning models refuse the older name, and both together."""
    body = (await asked(canary(**more))).json
    assert {name: value for name, value in body.items() if "tokens" in name} == limits


async def test_parameters_never_make_it_another_request() -> None:
    """What identifies the canary, and that it is answered in one piece, cannot be configured away."""
    parameters = {"stream": True, "model": "other", "messages": "none", "top_p": 0.5}
    body = (await asked(canary(parameters=parameters))).json
    assert (body["stream"], body["model"], body["top_p"]) == (False, "openai-main/gpt-4o-mini", 0.5)
    assert body["messages"][0]["content"].startswith("say pong")


async def test_a_completion_is_read() -> None:
    """Trace, model, usage, rules, phases."""
    headers = {
        "x-tfy-feedback-target-id": DOCUMENTED,
        "x-tfy-resolved-model": "openai-main/gpt-4o-mini",
        "x-tfy-cache-status": "miss",
        "x-tfy-applied-configurations": '%7B"rate_limit":["per-user"]%7D',
    }
    answer = await complete(Reply(COMPLETION, headers=headers))
    assert answer.completion
    assert answer.trace_id == TRACE
    assert (answer.model, answer.finish_reason) == ("openai-main/gpt-4o-mini", "stop")
    assert answer.usage == {"input": 21, "output": 2}
    assert answer.rules == '{"rate_limit":["per-user"]}'
    assert not answer.cached
    assert answer.phases.processing is not None


async def test_what_is_shown_of_a_completion_holds_no_secret() -> None:
    """A gateway that echoes the token in place of the model, or of why it ended."""
    choice = {"message": {"role": "assistant", "content": "pong"}, "finish_reason": TOKEN}
    answer = await complete(Reply({**COMPLETION, "model": f"openai/{TOKEN}", "choices": [choice]}))
    assert (answer.model, answer.finish_reason) == (f"openai/{MASK}", MASK)


async def test_a_model_that_spent_all_on_thinking_has_answered() -> None:
    """Empty text with `finish_reason: length` is a completion."""
    choice = {"message": {"role": "assistant", "content": None}, "finish_reason": "length"}
    answer = await complete(Reply({**COMPLETION, "choices": [choice]}))
    assert (answer.completion, answer.finish_reason) == (True, "length")


@pytest.mark.parametrize("headers", [{"x-tfy-cache-status": "HIT"}, {"x-tfy-cached-trace-id": TRACE}])
async def test_a_cached_answer_is_reported(headers: dict[str, str]) -> None:
    """It made no trace of its own."""
    assert (await complete(Reply(COMPLETION, headers=headers))).cached


@pytest.mark.parametrize(
    "usage", [None, [], {"prompt_tokens": "many"}, {"prompt_tokens": -1, "completion_tokens": True}]
)
async def test_odd_usage_is_left_out(usage: Any) -> None:
    """It is money, so it is never guessed."""
    assert (await complete(Reply({**COMPLETION, "usage": usage}))).usage == {}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        b"",
        {},
        [],
        {"choices": []},
        {"choices": [{}]},
        {"choices": "x"},
        {"object": "list"},
        b"[" * 9999,
    ],
)
async def test_another_shape_is_no_completion(body: Any) -> None:
    """A 200 of a login page or of another API."""
    answer = await complete(Reply(body))
    assert (answer.status, answer.completion) == (200, False)
    assert answer.refusal is not None


async def test_cloudflare_is_distinguished_from_the_gateway() -> None:
    """Error 1010 is no permission."""
    answer = await complete(Reply(b"error code: 1010", status=403))
    assert (answer.blocked, answer.refusal is not None and answer.refusal.envelope) == (True, False)


async def test_a_ping_needs_no_token() -> None:
    """It costs nothing and proves nothing but that somebody answers."""
    remote = Remote(FakeClock(), Reply(b"OK", status=401))
    ping = await gateway_at(remote, "/api/llm/").ping(timeout=5)
    assert ping.status == 401
    assert remote.asked[0].path == "/api/llm/health"
    assert "authorization" not in remote.asked[0].headers


M = "User gateway-tester-v2 is not authorized to access model a/b or model does not exist"
HIDDEN = f"User {MASK} is not authorized to access model a/b or model does not exist"
PROVIDER = "azure-foundry error: Response content blocked"


@pytest.mark.parametrize(
    ("status", "body", "refusal"),
    [
        (
            403,
            {"status": "failure", "message": M, "error": {"message": M, "type": "AuthorizationError", "code": "403"}},
            {"message": HIDDEN, "envelope": True, "kind": "AuthorizationError"},
        ),
        (
            400,
            {
                "status": "failure",
                "message": PROVIDER,
                "error": {"message": PROVIDER, "type": "APIError", "code": "400"},
                "error_origin_level": "api_error",
                "provider": "azure-foundry",
            },
            {
                "message": PROVIDER,
                "envelope": True,
                "kind": "APIError",
                "origin": "api_error",
                "provider": "azure-foundry",
            },
        ),
        (
            500,
            {
                "status": "failure",
                "message": "anthropic error: fetch failed",
                "error": '{"message":"anthropic error: fetch failed","type":"APIError","code":"500"}',
                "error_origin_level": "api_error",
                "provider": "anthropic",
            },
            {"message": "anthropic error: fetch failed", "envelope": True, "kind": "APIError", "provider": "anthropic"},
        ),
        (
            400,
            {
                "message": "Output Guardrail checks failed",
                "error": {"type": "guardrail_checks_failed", "code": "400"},
                "guardrail_checks": {
                    "input_guardrails": [{"guardrail_integration": "g/passed", "result": "passed"}],
                    "output_guardrails": [
                        {"guardrail_integration": "g/dosage", "result": "failed", "data": {}},
                        {"guardrail_integration": "g/pii", "data": {"guardrailResponse": {"verdict": False}}},
                        {"guardrail_integration": "g/fine", "data": {"verdict": True}},
                        "odd",
                    ],
                },
            },
            {
                "kind": "guardrail_checks_failed",
                "envelope": True,
                "guardrails": ("g/dosage (output)", "g/pii (output)"),
            },
        ),
        (
            429,
            {"error": {"message": "Rate limit exceeded", "type": "rate_limit_error"}},
            {"message": "Rate limit exceeded", "envelope": False},
        ),
        (401, {"error": "Unauthorized"}, {"message": "Unauthorized", "envelope": False}),
        (503, b"no healthy upstream", {"message": "no healthy upstream", "envelope": False}),
        (502, b"", {"message": "", "envelope": False}),
        (500, ["odd"], {"envelope": False}),
        (
            400,
            {"status": "failure", "error": 5, "guardrail_checks": 7, "provider": ["x"]},
            {"envelope": True, "provider": None},
        ),
    ],
)
async def test_refusals_are_read_in_every_recorded_shape(status: int, body: Any, refusal: Mapping[str, Any]) -> None:
    """Envelope or not, `error` as object, JSON string or text; whoever asked is not named."""
    answer = await complete(Reply(body, status=status))
    assert (answer.status, answer.completion) == (status, False)
    assert answer.refusal is not None
    for name, value in refusal.items():
        assert getattr(answer.refusal, name) == value


async def test_a_refusal_never_shows_a_token() -> None:
    """Nor one that is cut in the middle."""
    message = f"bad token {TOKEN} " + "x" * 280 + TOKEN
    answer = await complete(Reply({"message": message, "error": {"type": TOKEN}, "provider": TOKEN}, status=401))
    assert "tfy_secret" not in repr(answer)


async def test_retry_after_is_handed_on() -> None:
    """Where a gateway sends one."""
    answer = await complete(Reply({}, status=429, headers={"Retry-After": "17"}))
    assert answer.retry_after == 17


# --- the list of models -----------------------------------------------------------------------------------------------


async def list_models(reply: Reply, *, anonymous: bool = False) -> tuple[ModelsAnswer, Remote]:
    """What is understood of an answer, and what was asked."""
    remote = Remote(FakeClock(), reply)
    return await gateway_at(remote).list_models(anonymous=anonymous, timeout=5), remote


async def test_models_are_listed_by_their_ids() -> None:
    """What has none is passed over."""
    answer, remote = await list_models(Reply({"object": "list", "data": [{"id": "a/b"}, {"id": 3}, "c", {"id": "d"}]}))
    assert (answer.status, answer.models, answer.form) == (200, ("a/b", "d"), "list")
    assert (remote.asked[0].path, remote.asked[0].headers["authorization"]) == ("/models", f"Bearer {TOKEN}")


async def test_none_may_be_granted() -> None:
    """An empty list is a list."""
    answer, _ = await list_models(Reply({"data": []}))
    assert answer.models == ()


async def test_who_asks_anonymously_sends_no_token() -> None:
    """So that it shows how a missing one is refused."""
    _, remote = await list_models(Reply(b"", status=401), anonymous=True)
    assert "authorization" not in remote.asked[0].headers


@pytest.mark.parametrize(
    ("reply", "form"),
    [
        (Reply({"status": "failure", "message": "no", "error": {"message": "no"}}, status=401), "envelope"),
        (Reply({"error": {"message": "no"}}, status=401), "openai"),
        (Reply({"message": "no"}, status=401), "json"),
        (Reply([1], status=200), "json"),
        (Reply(b"Unauthorized", status=401), "text"),
        (Reply(b"<p>no", status=403, headers={"content-type": "text/html; charset=utf-8"}), "page"),
        (Reply(b"", status=401), "empty"),
        (Reply(b" \n", status=200), "empty"),
    ],
)
async def test_what_is_no_list_is_reported_by_its_form(reply: Reply, form: str) -> None:
    """Of a 401 there is no public record: so its form is what is learnt."""
    answer, _ = await list_models(reply)
    assert (answer.models, answer.form, answer.status) == (None, form, reply.status)


async def test_cloudflare_is_not_the_gateway() -> None:
    """Its 1010 is marked as such."""
    answer, _ = await list_models(Reply(b"error code: 1010", status=403))
    assert answer.blocked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "Provider returned error", "code": 502}, "Provider returned error"),
        ("no healthy upstream", "no healthy upstream"),
        ('{"message": "quota exceeded"}', "quota exceeded"),
        ("[" + "true," * 500_000 + "true]", "[true,true"),
    ],
)
async def test_an_error_in_a_success_keeps_its_words(error: Any, said: str) -> None:
    """Some gateways answer 200 and put the provider's failure into the body."""
    answer = await complete(Reply({"error": error}))
    assert answer.refusal is not None
    assert (answer.completion, answer.refusal.error) == (False, True)
    assert answer.refusal.message.startswith(said)


@pytest.mark.parametrize("body", [b'{"choices": [], "logprob": NaN}', b'{"a": 1, "a": 1}'])
async def test_odd_json_is_not_called_no_completion(body: bytes) -> None:
    """It was not read; why is said."""
    answer = await complete(Reply(body))
    assert answer.refusal is not None
    assert answer.refusal.unread.startswith("status 200 with JSON that")


@pytest.mark.parametrize(
    ("status", "body", "edge"),
    [
        (520, b"<html>Web server is returning an unknown error", True),
        (530, b"error code: 1033", True),
        (524, b"<html>A timeout occurred", False),
        (502, b"<html>Bad gateway", False),
        (520, b'{"status": "failure", "error": {}, "provider": "openai"}', False),
    ],
)
async def test_cloudflares_own_pages_are_distinguished_from_what_passes_through(
    status: int, body: bytes, edge: bool
) -> None:
    """A provider's 52x comes in the gateway's envelope."""
    answer = await complete(Reply(body, status=status, headers={"cf-ray": "8a", "server": "cloudflare"}))
    assert answer.edge is edge
