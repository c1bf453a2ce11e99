"""What the gateway's answer to a canary means, status by status."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.canary import judge_answer, needs_a_ping
from monitor.core.model import Fault, UnknownReason
from monitor.ports import CanaryAnswer, Refusal
from tests.checks.bench import says

UNREAD = Refusal(message="{", unread="status 200 with JSON that holds NaN, which JSON does not have")
SAYS_NO = Refusal(message="Provider returned error", error=True, kind="upstream")
BARE = Refusal(message="no healthy upstream")
OWN = Refusal(message="User •••• is not authorized", envelope=True, kind="AuthorizationError")
PROVIDERS = Refusal(message="openai error", envelope=True, kind="APIError", origin="api_error", provider="openai")
GUARDRAIL = Refusal(
    message="Output Guardrail checks failed",
    envelope=True,
    kind="guardrail_checks_failed",
    guardrails=("g/pii (output)",),
)

F = Fault


@pytest.mark.parametrize(
    ("answer", "gateway_answers", "said"),
    [
        # a completion
        ({"status": 200, "completion": True}, None, ("pass", None)),
        ({"status": 201, "completion": True}, None, ("pass", None)),
        ({"status": 200, "completion": True, "finish_reason": "length"}, None, ("pass", None)),
        # 2xx, and yet not served
        ({"status": 200, "completion": False}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 204, "completion": False}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 200, "completion": False, "refusal": SAYS_NO}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 200, "completion": False, "refusal": UNREAD}, None, ("unknown", UnknownReason.GARBLED)),
        # Cloudflare's own page: it cannot reach the gateway, whatever the health path said a moment later
        ({"status": 522, "refusal": BARE, "edge": True}, True, ("fail", F.GATEWAY_UNREACHABLE)),
        ({"status": 530, "refusal": BARE, "edge": True}, None, ("fail", F.GATEWAY_UNREACHABLE)),
        ({"status": 524, "refusal": BARE}, True, ("fail", F.PROVIDER_FAILING)),
        ({"status": 200, "completion": True, "cached": True}, None, ("fail", F.CANARY_REJECTED)),
        # a redirect is never followed
        ({"status": 302}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 307, "refusal": BARE}, None, ("fail", F.CANARY_REJECTED)),
        # the request is at fault
        ({"status": 400, "refusal": GUARDRAIL}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 400, "refusal": PROVIDERS}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 400, "refusal": BARE}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 403, "refusal": OWN}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 404, "refusal": PROVIDERS}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 404, "refusal": BARE}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 405}, None, ("fail", F.CANARY_REJECTED)),
        ({"status": 422, "refusal": OWN}, None, ("fail", F.CANARY_REJECTED)),
        # the token: ours, or the one that the gateway holds for its provider
        ({"status": 401}, None, ("fail", F.GATEWAY_REFUSED)),
        ({"status": 401, "refusal": BARE}, None, ("fail", F.GATEWAY_REFUSED)),
        ({"status": 401, "refusal": OWN}, None, ("fail", F.GATEWAY_REFUSED)),
        ({"status": 401, "refusal": PROVIDERS}, None, ("fail", F.PROVIDER_FAILING)),
        ({"status": 401, "refusal": replace(PROVIDERS, origin="auth")}, None, ("fail", F.GATEWAY_REFUSED)),
        ({"status": 401, "refusal": replace(PROVIDERS, provider=None)}, None, ("fail", F.GATEWAY_REFUSED)),
        # limits
        ({"status": 429}, None, ("fail", F.RATE_LIMITED)),
        ({"status": 429, "refusal": PROVIDERS}, None, ("fail", F.RATE_LIMITED)),
        # too slow behind a gateway that still answers
        ({"status": 408}, None, ("fail", F.PROVIDER_FAILING)),
        # 5xx: whose?
        ({"status": 500, "refusal": PROVIDERS}, None, ("fail", F.PROVIDER_FAILING)),
        ({"status": 502, "refusal": OWN}, False, ("fail", F.PROVIDER_FAILING)),
        ({"status": 503, "refusal": BARE}, True, ("fail", F.PROVIDER_FAILING)),
        ({"status": 502}, True, ("fail", F.PROVIDER_FAILING)),
        ({"status": 502, "refusal": BARE}, False, ("fail", F.GATEWAY_UNREACHABLE)),
        ({"status": 504}, False, ("fail", F.GATEWAY_UNREACHABLE)),
        ({"status": 503, "refusal": BARE}, None, ("unknown", UnknownReason.BLOCKED)),
        # something in front of the gateway
        ({"status": 403, "blocked": True}, None, ("unknown", UnknownReason.BLOCKED)),
        ({"status": 429, "blocked": True}, None, ("unknown", UnknownReason.BLOCKED)),
        ({"status": 503, "blocked": True}, False, ("unknown", UnknownReason.BLOCKED)),
    ],
)
def test_every_answer_has_one_meaning(
    answer: dict[str, Any], gateway_answers: bool | None, said: tuple[Any, ...]
) -> None:
    """By status, envelope, provider, and whether the gateway answers its health path."""
    assert says(judge_answer(CanaryAnswer(**answer), gateway_answers=gateway_answers)) == said


@pytest.mark.parametrize(
    ("answer", "needed"),
    [
        ({"status": 503}, True),
        ({"status": 503, "refusal": BARE}, True),
        ({"status": 500, "refusal": PROVIDERS}, False),
        ({"status": 503, "blocked": True}, False),
        ({"status": 429}, False),
        ({"status": 200, "completion": True}, False),
    ],
)
def test_the_health_path_is_asked_only_where_it_decides(answer: dict[str, Any], *, needed: bool) -> None:
    """A 5xx in the gateway's envelope shows by itself that the gateway is there."""
    assert needs_a_ping(CanaryAnswer(**answer)) is needed


def test_an_answer_of_reasoning_alone_is_an_answer() -> None:
    """A reasoning model may spend every token on thinking: empty text, and `finish_reason: length`."""
    answer = CanaryAnswer(
        status=200, completion=True, finish_reason="length", model="o4-mini", usage={"input": 20, "output": 16}
    )
    result = judge_answer(answer, gateway_answers=None)
    assert result.summary == "the gateway served the canary (model o4-mini)"
    assert result.evidence == {
        "status": 200,
        "trace_id": None,
        "model": "o4-mini",
        "finish_reason": "length",
        "input_tokens": 20,
        "output_tokens": 16,
    }


def test_a_refusal_is_reported_with_everything_that_helps() -> None:
    """What the gateway said, which guardrail, whose error, and which rules applied."""
    answer = CanaryAnswer(status=400, refusal=GUARDRAIL, rules='{"budget": "canaries"}')
    suspicion = judge_answer(answer, gateway_answers=None).suspicions[0]
    assert suspicion.summary == "HTTP 400: Output Guardrail checks failed"
    assert suspicion.facts == (
        "guardrail: `g/pii (output)`",
        "error type: `guardrail_checks_failed`",
        'rules applied: `{"budget": "canaries"}`',
    )


def test_whose_error_it_is_stands_beside_it() -> None:
    """The provider by name."""
    suspicion = judge_answer(CanaryAnswer(status=500, refusal=PROVIDERS), gateway_answers=None).suspicions[0]
    assert suspicion.facts == ("error type: `APIError`", "provider: `openai`")


def test_an_answer_without_words_is_reported_by_its_status() -> None:
    """There is nothing to quote."""
    assert judge_answer(CanaryAnswer(status=401), gateway_answers=None).summary == "HTTP 401"


def test_no_answer_of_the_gateway_is_conclusive() -> None:
    """A 403 was seen passing: every refusal settles by repetition only."""
    for status in (302, 400, 401, 403, 404, 408, 429, 500):
        suspicions = judge_answer(CanaryAnswer(status=status), gateway_answers=True).suspicions
        assert not any(suspicion.conclusive or suspicion.stops_export for suspicion in suspicions)


def test_a_success_that_is_an_error_says_whose_words_it_has() -> None:
    """The error's message and type; nothing of `gateway.url`, which is right."""
    result = judge_answer(CanaryAnswer(status=200, refusal=SAYS_NO), gateway_answers=None)
    suspicion = result.suspicions[0]
    assert suspicion.summary == "HTTP 200 with an error instead of a chat completion: Provider returned error"
    assert suspicion.facts == ("error type: `upstream`",)
    assert "gateway.url" not in suspicion.step


def test_what_was_not_read_is_said_in_its_own_words() -> None:
    """Not that there is no completion: nobody knows."""
    result = judge_answer(CanaryAnswer(status=200, refusal=UNREAD), gateway_answers=None)
    assert "JSON that holds NaN" in result.summary


def test_cloudflares_own_page_is_not_the_providers() -> None:
    """It says that Cloudflare cannot reach the gateway."""
    result = judge_answer(CanaryAnswer(status=521, refusal=BARE, edge=True), gateway_answers=True)
    assert result.summary == "Cloudflare cannot reach the gateway behind it (HTTP 521)"
    assert not needs_a_ping(CanaryAnswer(status=521, refusal=BARE, edge=True))


def test_an_answer_from_the_cache_is_called_that() -> None:
    """The gateway does not reject the canary: it does not ask anybody."""
    answer = CanaryAnswer(status=200, completion=True, cached=True)
    assert (
        judge_answer(answer, gateway_answers=None).suspicions[0].title
        == "The gateway answers the canary from its cache"
    )
    assert judge_answer(CanaryAnswer(status=200), gateway_answers=None).suspicions[0].title == ""
