"""What a chat is answered with: a completion, or why there is none, as far as records of real answers tell.

The envelope and the messages are those that TrueFoundry's own tests printed into public pull requests
(https://github.com/truefoundry/models/pull/949, /pull/817, /pull/826, /pull/934) and that promptfoo tests against
(https://github.com/promptfoo/promptfoo, `test/providers/truefoundry.test.ts`). Of 401 and 429 there is no record: the variant
chooses the body.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.responses import JSONResponse, PlainTextResponse, Response

from monitor.core.model import Instant
from monitor.sandbox.credentials import MODELS, REASONING_MODEL, Subject
from monitor.sandbox.variants import Variant

_GUARDRAIL = "sandbox-guardrails/no-canaries"
_OPENAI = (
    "model messages max_tokens max_completion_tokens temperature top_p n stop stream stream_options presence_penalty "
    "frequency_penalty logit_bias logprobs top_logprobs user seed tools tool_choice parallel_tool_calls response_format "
    "reasoning_effort metadata store service_tier"
)
_PARAMETERS = frozenset(_OPENAI.split())
_ANSWER = "pong"
_REASONING_TOKENS = 64
_USD_PER_TOKEN = 0.000_000_3


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

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """As HTTP, with further headers."""
        more = {**(headers or {}), **self.headers}
        if isinstance(self.body, str):
            return PlainTextResponse(self.body, self.status, more)
        return JSONResponse(self.body, self.status, more)


Refusal = Callable[[Variant, str, Subject], Declined]
"""The answer to a chat that is not completed, by the variant, the model that was asked and who asked."""


def bad_token(variant: Variant) -> Declined:
    """The gateway does not know the token, or no longer: 401."""
    return _unrecorded(401, "Unauthorized: invalid or expired API key", "AuthenticationError", variant)


def limited(rule: str, message: str, **headers: str) -> Refusal:
    """A limit or a budget of TrueFoundry's is used up: 429."""
    shown = {"x-tfy-applied-configurations": json.dumps({rule: [f"sandbox-{rule}-rule"]}), **headers}
    return lambda variant, *_: _unrecorded(429, message, "RateLimitError", variant, shown)


def unknown_model(_: Variant, model: str, subject: Subject) -> Declined:
    """There is no such model, or the account may not use it: 403."""
    text = f"User {subject.slug} is not authorized to access model {model} or model does not exist"
    return _enveloped(403, text, "AuthorizationError")


def guardrail(side: str) -> Refusal:
    """A guardrail blocks the `input` or the `output`: 400."""
    return lambda *_: _guardrail(side)


def of_provider(status: int, message: str, *, as_text: bool = False) -> Refusal:
    """What the provider says, passed through; the message begins with its name. `as_text`: the error is a text of JSON."""
    return lambda *_: _of_provider(status, message, as_text=as_text)


def malformed(message: str) -> Declined:
    """A request that the gateway itself cannot read: 400."""
    return _enveloped(400, message, "BadRequestError")


def refuse_invalid(request: Mapping[str, object]) -> Declined | None:
    """Why the gateway or its provider would not take this request."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return malformed("messages: a non-empty array is required")
    if not all(isinstance(each, Mapping) and "role" in each and "content" in each for each in messages):
        return malformed("messages: each needs role and content")
    unknown = sorted(set(request) - _PARAMETERS)
    if unknown:
        return _unsupported(unknown[0])
    if request["model"] == REASONING_MODEL and "max_tokens" in request:
        return _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    for name in ("max_tokens", "max_completion_tokens"):
        limit = request.get(name)
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            return _unsupported(name, " An integer of at least 1 is required.")
    return None


def _unsupported(parameter: str, hint: str = "") -> Declined:
    return _of_provider(400, f"openai error: 400 Unsupported parameter: '{parameter}'.{hint}")


def _detail(status: int, message: str, kind: str) -> dict[str, str]:
    return {"message": message, "type": kind, "code": str(status)}


def _enveloped(status: int, message: str, kind: str) -> Declined:
    body = {"status": "failure", "message": message, "error": _detail(status, message, kind)}
    return Declined(status=status, message=message, kind=kind, body=body)


def _of_provider(status: int, message: str, *, as_text: bool = False) -> Declined:
    detail = _detail(status, message, "APIError")
    body = {
        "status": "failure",
        "message": message,
        "error": json.dumps(detail, separators=(",", ":")) if as_text else detail,
        "error_origin_level": "api_error",
        "provider": message.partition(" ")[0],
    }
    return Declined(status=status, message=message, kind="APIError", body=body, reached_provider=True)


def _guardrail(side: str) -> Declined:
    message, kind = f"{side.capitalize()} Guardrail checks failed", "guardrail_checks_failed"
    data = {"guardrailResponse": {"verdict": False, "message": "blocked by the sandbox"}}
    failed = {"guardrail_integration": _GUARDRAIL, "result": "failed", "data": data}
    passed = {"guardrail_integration": "sandbox-guardrails/politeness", "result": "passed"}
    body = {
        "message": message,
        "error": {"type": kind, "code": "400"},
        "error_origin_level": f"guardrails_{side}",
        "guardrail_checks": {f"{side}_guardrails": [passed, failed]},
    }
    reached = side == "output"
    return Declined(
        status=400, message=message, kind=kind, body=body, guardrails=(_GUARDRAIL,), reached_provider=reached
    )


def _unrecorded(
    status: int, message: str, kind: str, variant: Variant, headers: Mapping[str, str] | None = None
) -> Declined:
    bodies: Mapping[str, Mapping[str, object] | str] = {
        "envelope": _enveloped(status, message, kind).body,
        "openai": {"error": _detail(status, message, kind)},
        "text": message,
        "empty": "",
    }
    body = bodies[variant.error_bodies]
    return Declined(status=status, message=message, kind=kind, body=body, headers=headers or {})


# --- completions


def complete(request: Mapping[str, object], *, number: str, now: Instant) -> dict[str, object]:
    """A chat completion: https://platform.openai.com/docs/api-reference/chat/object."""
    model = str(request["model"])
    needed = 1 + (_REASONING_TOKENS if model == REASONING_MODEL else 0)
    limit = request.get("max_completion_tokens" if model == REASONING_MODEL else "max_tokens")
    cut = isinstance(limit, int) and limit < needed
    spent = limit if isinstance(limit, int) and cut else needed
    asked = 7 + len(json.dumps(request["messages"])) // 4
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(now),
        "model": f"{model.rpartition('/')[2]}-2026-01-01",
        "provider": model.partition("-")[0],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "" if cut else _ANSWER},
                "finish_reason": "length" if cut else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": spent,
            "total_tokens": asked + spent,
            "costInUSD": round((asked + 4 * spent) * _USD_PER_TOKEN, 9),
        },
    }


def models(*, granted: bool) -> dict[str, object]:
    """The models that a token may use."""
    owned = [
        {"id": name, "object": "model", "created": 1_760_000_000, "owned_by": name.partition("/")[0]}
        for name in (MODELS if granted else ())
    ]
    return {"object": "list", "data": owned}
