"""The AI gateway: is it there, and does it serve a request?"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from monitor.core.model import Seconds, Service
from monitor.http import Answer, Http
from monitor.ports import CanaryAnswer, CanaryRequest, Clock, Garbled, Ping
from monitor.redaction import Redactor, clamp
from monitor.truefoundry.feedback import HEADER, decode_feedback_target
from monitor.truefoundry.models import ModelsAnswer, read_models
from monitor.truefoundry.refusal import read_refusal

_OK, _REDIRECT = 200, 300
_PING_LIMIT = 16 * 1024
_LONGEST_METADATA = 128
_MOST_TOKENS = 10**9
# Newer models refuse the older name, and both together.
_TOKEN_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


class TrueFoundryGateway:
    """Implements `monitor.ports.Gateway` for any OpenAI-compatible gateway that speaks as TrueFoundry's does.

    `url` is the base, with or without `/v1` and a slash at the end: what follows it is `/chat/completions`, and `path`.
    """

    def __init__(
        self, http: Http, url: str, token: Callable[[], str], *, path: str, redactor: Redactor, clock: Clock
    ) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._token = token
        self._path = path if path.startswith("/") else f"/{path}"
        self._redactor = redactor
        self._clock = clock

    async def ping(self, *, timeout: Seconds) -> Ping:
        """Ask the health path, without a token."""
        answer = await self._http.request(
            Service.GATEWAY, "GET", f"{self._url}{self._path}", timeout=timeout, body_limit=_PING_LIMIT
        )
        return Ping(
            status=answer.status,
            phases=answer.phases,
            certificate_expires_at=answer.certificate_expires_at,
            blocked=answer.blocked,
        )

    async def list_models(self, *, anonymous: bool, timeout: Seconds) -> ModelsAnswer:
        """Ask for the models that the token may use; `anonymous` sends no token, to see how that is refused.

        The list is said to miss models that work, so it is a hint at most. Raises Unreachable without an HTTP answer.
        """
        headers = {} if anonymous else {"Authorization": f"Bearer {self._token()}"}
        answer = await self._http.request(
            Service.GATEWAY, "GET", f"{self._url}/models", headers=headers, timeout=timeout
        )
        return read_models(answer)

    async def complete(self, request: CanaryRequest) -> CanaryAnswer:
        """Send one chat completion, without a cache header and without a retry."""
        answer = await self._http.request(
            Service.GATEWAY,
            "POST",
            f"{self._url}/chat/completions",
            headers=self._headers(request),
            body=json.dumps(_body(request)).encode(),
            timeout=request.timeout,
        )
        return self._read(answer)

    def _headers(self, request: CanaryRequest) -> dict[str, str]:
        """Metadata values are strings of at most 128 characters: https://www.truefoundry.com/docs/ai-gateway/request-headers."""
        metadata = {name: value[:_LONGEST_METADATA] for name, value in request.metadata.items()}
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "Content-Type": "application/json",
            "X-TFY-METADATA": json.dumps(metadata),
            "X-TFY-LOGGING-CONFIG": json.dumps({"enabled": True}),
        }
        return {**headers, "traceparent": request.traceparent} if request.traceparent else headers

    def _read(self, answer: Answer) -> CanaryAnswer:
        target = decode_feedback_target(answer.headers.get(HEADER))
        body = _completion(answer)
        return CanaryAnswer(
            status=answer.status,
            phases=answer.phases,
            completion=body is not None,
            text=_text(body),
            trace_id=target.trace_id if target is not None else None,
            destination=target.destination if target is not None else None,
            model=_model(answer, body),
            usage=_usage(body),
            finish_reason=_finish_reason(body),
            cached=_is_cached(answer),
            blocked=answer.blocked,
            edge=answer.edge_failure,
            refusal=None if body is not None else read_refusal(answer, self._redactor),
            retry_after=answer.retry_after(self._clock.now()),
            rules=self._rules(answer),
        )

    def _rules(self, answer: Answer) -> str | None:
        """Which rate limits, budgets and guardrails applied; JSON, sometimes URL-encoded."""
        value = answer.headers.get("x-tfy-applied-configurations") or answer.headers.get("x-tfy-applied-rules")
        return self._redactor.show(unquote(value), 200) if value else None


def _body(request: CanaryRequest) -> dict[str, Any]:
    """Parameters may add and rename, but what makes it a canary stays: its model, its prompt, one answer in one piece."""
    body: dict[str, Any] = {name: value for name, value in request.parameters.items() if value is not None}
    if request.max_tokens is not None and not _TOKEN_LIMITS & request.parameters.keys():
        body["max_tokens"] = request.max_tokens
    messages = [{"role": "user", "content": request.prompt}]
    return {**body, "model": request.model, "messages": messages, "stream": False}


def _completion(answer: Answer) -> Mapping[str, Any] | None:
    """The body if it is a chat completion: choices with a message. Empty text with `finish_reason: length` is an answer."""
    if not _OK <= answer.status < _REDIRECT:
        return None
    try:
        body = answer.json()
    except Garbled:
        return None
    if not isinstance(body, Mapping):
        return None
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return body if isinstance(first, Mapping) and isinstance(first.get("message"), Mapping) else None


def _model(answer: Answer, body: Mapping[str, Any] | None) -> str | None:
    """The model that served: of a virtual model it is another than the one that was asked for."""
    named = answer.headers.get("x-tfy-resolved-model") or (body or {}).get("model")
    return clamp(named, 100) if isinstance(named, str) and named else None


def _usage(body: Mapping[str, Any] | None) -> dict[str, int]:
    """Tokens by either of OpenAI's names; what is no sensible number is left out."""
    usage = (body or {}).get("usage")
    if not isinstance(usage, Mapping):
        return {}
    named = {
        "input": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output": usage.get("completion_tokens", usage.get("output_tokens")),
    }
    return {
        kind: int(count)
        for kind, count in named.items()
        if isinstance(count, int | float) and not isinstance(count, bool) and 0 <= count < _MOST_TOKENS
    }


def _finish_reason(body: Mapping[str, Any] | None) -> str | None:
    choices = (body or {}).get("choices")
    reason = choices[0].get("finish_reason") if isinstance(choices, list) and choices else None
    return clamp(reason, 40) if isinstance(reason, str) else None


def _text(body: Mapping[str, Any] | None) -> str:
    """What the model said, as far as it is text."""
    message = body["choices"][0]["message"] if body is not None else {}
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _is_cached(answer: Answer) -> bool:
    status = answer.headers.get("x-tfy-cache-status", "").strip().lower()
    return status == "hit" or bool(answer.headers.get("x-tfy-cached-trace-id"))
