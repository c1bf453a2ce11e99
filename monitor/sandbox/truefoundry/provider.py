"""The model provider behind the gateway: completes chats without thinking, and minds its parameters."""

import json
from collections.abc import Mapping

from monitor.core.model import Instant
from monitor.sandbox.credentials import REASONING_MODEL
from monitor.sandbox.truefoundry.declined import Declined, malformed, unsupported

_PARAMETERS = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "stream",
        "stream_options",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "seed",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "metadata",
        "store",
        "service_tier",
    }
)
_ANSWER = "pong"
_THINKING = 64
_USD_PER_TOKEN = 0.000_000_3


def object_to(request: Mapping[str, object]) -> Declined | None:
    """Why the gateway or its provider would not take this request."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        return malformed("messages: a non-empty array is required")
    if not all(isinstance(each, Mapping) and "role" in each and "content" in each for each in messages):
        return malformed("messages: each needs role and content")
    unknown = sorted(set(request) - _PARAMETERS)
    if unknown:
        return unsupported(unknown[0])
    if request["model"] == REASONING_MODEL and "max_tokens" in request:
        return unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    for name in ("max_tokens", "max_completion_tokens"):
        limit = request.get(name)
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            return unsupported(name, " An integer of at least 1 is required.")
    return None


def complete(request: Mapping[str, object], *, number: str, now: Instant) -> dict[str, object]:
    """A chat completion: https://platform.openai.com/docs/api-reference/chat/object."""
    model = str(request["model"])
    thinking = model == REASONING_MODEL
    limit = request.get("max_completion_tokens" if thinking else "max_tokens")
    cut = isinstance(limit, int) and limit < (_THINKING + 1 if thinking else 1)
    spent = limit if cut and isinstance(limit, int) else 1 + (_THINKING if thinking else 0)
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


def as_events(completion: Mapping[str, object]) -> str:
    """A completion as the events of a stream."""
    choices = completion["choices"]
    choice = choices[0] if isinstance(choices, list) else {}
    base = {name: completion[name] for name in ("id", "created", "model", "provider")}
    chunks = [
        {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": choice["message"]}]},
        {
            **base,
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}],
            "usage": completion["usage"],
        },
    ]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
