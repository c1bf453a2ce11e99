"""What the gateway answers when it does not complete a chat, as far as records of real answers tell.

The envelope and the messages are those that TrueFoundry's own tests printed into public pull requests
(https://github.com/truefoundry/models/pull/949, /pull/817, /pull/826, /pull/934) and that promptfoo tests against
(https://github.com/promptfoo/promptfoo, `test/providers/truefoundry.test.ts`). Of 401 and 429 there is no record: the dialect
chooses the body.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from monitor.sandbox.credentials import Subject
from monitor.sandbox.dialect import ErrorBodies
from monitor.sandbox.faults.kinds import Refusal

_NONE: Mapping[str, str] = MappingProxyType({})
_GUARDRAIL = "sandbox-guardrails/no-canaries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """An answer that is no completion. `body`: JSON, or text as it is."""

    status: int
    message: str
    kind: str
    body: Mapping[str, object] | str
    headers: Mapping[str, str] = field(default_factory=dict)
    reached_provider: bool = False
    guardrails: tuple[str, ...] = ()


def decline(refusal: Refusal, *, model: str, subject: Subject, bodies: ErrorBodies) -> Declined:
    """Make the answer for a reason."""
    match refusal:
        case Refusal.TOKEN:
            return _unrecorded(401, "Unauthorized: invalid or expired API key", "AuthenticationError", bodies)
        case Refusal.RATE_LIMIT | Refusal.RATE_LIMIT_RETRY_AFTER:
            return _limited("ratelimit", "Rate limit exceeded: 30 requests per minute", refusal, bodies)
        case Refusal.BUDGET:
            return _limited("budget", "Budget exceeded: 5 USD per day", refusal, bodies)
        case Refusal.MODEL:
            text = f"User {subject.slug} is not authorized to access model {model} or model does not exist"
            return _enveloped(403, text, "AuthorizationError")
        case Refusal.GUARDRAIL_INPUT:
            return _guardrail("input")
        case Refusal.GUARDRAIL_OUTPUT:
            return _guardrail("output")
        case _:
            status, provider, text = _OF_PROVIDER[refusal]
            return _of_provider(status, provider, text, as_text=refusal is Refusal.PROVIDER_NETWORK)


def malformed(message: str) -> Declined:
    """A request that the gateway itself cannot read: 400."""
    return _enveloped(400, message, "BadRequestError")


def unsupported(parameter: str, hint: str = "") -> Declined:
    """A parameter that the provider does not take."""
    return _of_provider(400, "openai", f"openai error: 400 Unsupported parameter: '{parameter}'.{hint}")


_OF_PROVIDER: Mapping[Refusal, tuple[int, str, str]] = {
    Refusal.PARAMETER: (
        400,
        "openai",
        (
            "openai error: 400 Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        ),
    ),
    Refusal.PROVIDER_400: (
        400,
        "aws-bedrock",
        (
            "aws-bedrock error: The model returned the following errors: You have not filled out the required use-case form "
            "for this model."
        ),
    ),
    Refusal.PROVIDER_404: (
        404,
        "openrouter",
        (
            "openrouter error: No endpoints available matching your guardrail restrictions and data policy. "
            "Configure: https://openrouter.ai/settings/privacy"
        ),
    ),
    Refusal.PROVIDER_500: (500, "openai", "openai error: 500 The server had an error while processing your request."),
    Refusal.PROVIDER_502: (
        502,
        "openrouter",
        (
            'openrouter error: Provider returned error | metadata: {"raw":{"error":{"code":500,"message":"Internal error '
            'encountered.","status":"INTERNAL"}},"provider_name":"Google AI Studio","is_byok":false}'
        ),
    ),
    Refusal.PROVIDER_NETWORK: (
        500,
        "anthropic",
        "anthropic error: Message: fetch failed Cause: AggregateError Name: TypeError",
    ),
}


def _detail(status: int, message: str, kind: str) -> dict[str, str]:
    return {"message": message, "type": kind, "code": str(status)}


def _enveloped(status: int, message: str, kind: str, headers: Mapping[str, str] = _NONE) -> Declined:
    body = {"status": "failure", "message": message, "error": _detail(status, message, kind)}
    return Declined(status=status, message=message, kind=kind, body=body, headers=headers)


def _of_provider(status: int, provider: str, message: str, *, as_text: bool = False) -> Declined:
    detail = _detail(status, message, "APIError")
    body = {
        "status": "failure",
        "message": message,
        "error": json.dumps(detail, separators=(",", ":")) if as_text else detail,
        "error_origin_level": "api_error",
        "provider": provider,
    }
    return Declined(status=status, message=message, kind="APIError", body=body, reached_provider=True)


def _guardrail(side: str) -> Declined:
    message = f"{side.capitalize()} Guardrail checks failed"
    data = {"guardrailResponse": {"verdict": False, "message": "blocked by the sandbox"}}
    failed = {"guardrail_integration": _GUARDRAIL, "result": "failed", "data": data}
    passed = {"guardrail_integration": "sandbox-guardrails/politeness", "result": "passed"}
    body = {
        "message": message,
        "error": {"type": "guardrail_checks_failed", "code": "400"},
        "error_origin_level": f"guardrails_{side}",
        "guardrail_checks": {f"{side}_guardrails": [passed, failed]},
    }
    return Declined(
        status=400,
        message=message,
        kind="guardrail_checks_failed",
        body=body,
        guardrails=(_GUARDRAIL,),
        reached_provider=side == "output",
    )


def _limited(rule: str, message: str, refusal: Refusal, bodies: ErrorBodies) -> Declined:
    headers = {"x-tfy-applied-configurations": json.dumps({rule: [f"sandbox-{rule}-rule"]})}
    if refusal is Refusal.RATE_LIMIT_RETRY_AFTER:
        headers["retry-after"] = "120"
    return _unrecorded(429, message, "RateLimitError", bodies, headers)


def _unrecorded(
    status: int, message: str, kind: str, bodies: ErrorBodies, headers: Mapping[str, str] = _NONE
) -> Declined:
    envelope = _enveloped(status, message, kind, headers)
    body: Mapping[str, object] | str
    match bodies:
        case ErrorBodies.ENVELOPE:
            body = envelope.body
        case ErrorBodies.OPENAI:
            body = {"error": _detail(status, message, kind)}
        case ErrorBodies.TEXT:
            body = message
        case ErrorBodies.EMPTY:
            body = ""
    return Declined(status=status, message=message, kind=kind, body=body, headers=headers)
