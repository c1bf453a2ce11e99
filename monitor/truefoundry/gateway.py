"""The AI gateway: is it there, and does it serve a request?"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any
from urllib.parse import unquote

from monitor.core.model import Seconds, Service, TraceId
from monitor.http import Answer, Http, Unread
from monitor.ports import CanaryAnswer, CanaryRequest, Clock, Garbled, Ping, Refusal
from monitor.redaction import Redactor, clamp

FEEDBACK_HEADER = "x-tfy-feedback-target-id"

_OK, _REDIRECT = 200, 300
_PING_LIMIT = 16 * 1024
_LONGEST_METADATA = 128
_MOST_TOKENS = 10**9
_MOST_MODELS = 500
_LONGEST_TARGET = 4096
_LONGEST_ERROR = 20_000  # what is built of JSON is many times larger than its text
_TRACE_ID = re.compile(r"(?!0+$)[0-9a-f]{32}")
# Newer models refuse the older name, and both together.
_TOKEN_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_ENVELOPE = ("error_origin_level", "provider", "guardrail_checks")
_GUARDRAIL_LISTS = ("input_guardrails", "output_guardrails", "llm_input_guardrails", "llm_output_guardrails")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsAnswer:
    """An answer to the question for the models. `models` None: it was not a list; `form` says what the body was instead.

    `form`: list, envelope (the gateway's own), openai, json, text, page, empty.
    """

    status: int
    models: tuple[str, ...] | None = None
    form: str = "list"
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackTarget:
    """What the header names: the trace, and where TrueFoundry's own store keeps it."""

    trace_id: TraceId
    destination: str | None = None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class TrueFoundryGateway:
    """Implements `monitor.ports.Gateway` for any OpenAI-compatible gateway that speaks as TrueFoundry's does.

    `url` is the base, with or without `/v1` and a slash at the end: what follows it is `/chat/completions`, and `path`.
    """

    http: Http
    url: str
    token: Callable[[], str]
    _: KW_ONLY
    path: str
    redactor: Redactor
    clock: Clock

    @property
    def _base(self) -> str:
        return self.url.rstrip("/")

    async def ping(self, *, timeout: Seconds) -> Ping:
        """Ask the health path, without a token."""
        answer = await self.http.request(
            Service.GATEWAY,
            "GET",
            f"{self._base}/{self.path.removeprefix('/')}",
            timeout=timeout,
            body_limit=_PING_LIMIT,
        )
        return Ping(
            status=answer.status,
            phases=answer.phases,
            certificate_expires_at=answer.certificate_expires_at,
            blocked=answer.blocked,
        )

    async def list_models(self, *, anonymous: bool, timeout: Seconds) -> ModelsAnswer:
        """Ask for the models that the token may use; `anonymous` sends no token, to see how that is refused.

        The list, `{"object": "list", "data": [{"id": …}]}`, is said to miss models that work, so it is a hint at most. Of a 401
        there is no public record, so its form is reported, not assumed. Raises Unreachable without an HTTP answer.
        """
        headers = {} if anonymous else {"Authorization": f"Bearer {self.token()}"}
        answer = await self.http.request(
            Service.GATEWAY, "GET", f"{self._base}/models", headers=headers, timeout=timeout
        )
        body = _json(answer)
        data = body.get("data") if isinstance(body, Mapping) else None
        if answer.status == _OK and isinstance(data, list):
            names = (each.get("id") for each in data[:_MOST_MODELS] if isinstance(each, Mapping))
            models = tuple(clamp(name, 100) for name in names if isinstance(name, str))
            return ModelsAnswer(status=answer.status, models=models)
        if not answer.body.strip():
            form = "empty"
        elif isinstance(body, Mapping) and "error" in body:
            form = "envelope" if body.get("status") == "failure" else "openai"
        elif isinstance(body, Mapping):
            form = "json"
        else:
            form = "page" if answer.media_type == "text/html" else "json" if body is not None else "text"
        return ModelsAnswer(status=answer.status, form=form, blocked=answer.blocked)

    async def complete(self, request: CanaryRequest) -> CanaryAnswer:
        """Send one chat completion, without a cache header and without a retry.

        Metadata values are strings of at most 128 characters: https://www.truefoundry.com/docs/ai-gateway/request-headers.
        """
        metadata = {name: value[:_LONGEST_METADATA] for name, value in request.metadata.items()}
        headers = {
            "Authorization": f"Bearer {self.token()}",
            "Content-Type": "application/json",
            "X-TFY-METADATA": json.dumps(metadata),
            "X-TFY-LOGGING-CONFIG": json.dumps({"enabled": True}),
        }
        if request.traceparent:
            headers["traceparent"] = request.traceparent
        # Parameters may add and rename, but what makes it a canary stays: its model, its prompt, one answer in one piece.
        body: dict[str, Any] = {name: value for name, value in request.parameters.items() if value is not None}
        if request.max_tokens is not None and not _TOKEN_LIMITS & request.parameters.keys():
            body["max_tokens"] = request.max_tokens
        body |= {"model": request.model, "messages": [{"role": "user", "content": request.prompt}], "stream": False}
        answer = await self.http.request(
            Service.GATEWAY,
            "POST",
            f"{self._base}/chat/completions",
            headers=headers,
            body=json.dumps(body).encode(),
            timeout=request.timeout,
        )
        return self._read(answer)

    def _read(self, answer: Answer) -> CanaryAnswer:
        """A chat completion has choices with a message. Empty text with `finish_reason: length` is an answer."""
        headers = answer.headers
        target = decode_feedback_target(headers.get(FEEDBACK_HEADER))
        body = _json(answer) if _OK <= answer.status < _REDIRECT else None
        choices = body.get("choices") if isinstance(body, Mapping) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, Mapping) else None
        completion = body if isinstance(body, Mapping) and isinstance(message, Mapping) else {}
        text = message.get("content") if isinstance(message, Mapping) else None
        # The model that served: of a virtual model it is another than the one that was asked for.
        model = headers.get("x-tfy-resolved-model") or completion.get("model")
        reason = choice.get("finish_reason") if completion and isinstance(choice, Mapping) else None
        # Which rate limits, budgets and guardrails applied; JSON, sometimes URL-encoded.
        rules = headers.get("x-tfy-applied-configurations") or headers.get("x-tfy-applied-rules")
        cached = headers.get("x-tfy-cache-status", "").strip().lower() == "hit"
        return CanaryAnswer(
            status=answer.status,
            phases=answer.phases,
            completion=bool(completion),
            text=text if isinstance(text, str) else "",
            trace_id=target.trace_id if target is not None else None,
            destination=target.destination if target is not None else None,
            model=clamp(self.redactor.redact(model), 100) if isinstance(model, str) and model else None,
            usage=_usage(completion.get("usage")),
            finish_reason=clamp(self.redactor.redact(reason), 40) if isinstance(reason, str) else None,
            cached=cached or bool(headers.get("x-tfy-cached-trace-id")),
            blocked=answer.blocked,
            edge=answer.edge_failure,
            refusal=None if completion else read_refusal(answer, self.redactor),
            retry_after=answer.retry_after(self.clock.now()),
            rules=self.redactor.show(unquote(rules), 200) if rules else None,
        )


def _json(answer: Answer) -> object:
    try:
        return answer.json()
    except Garbled:
        return None


def _usage(usage: object) -> dict[str, int]:
    """Tokens by either of OpenAI's names; what is not a sensible number is left out."""
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


# --- why a request was not served ------------------------------------------------------------------------------------


def read_refusal(answer: Answer, redactor: Redactor) -> Refusal:
    """The refusal in an error answer; text that is not an envelope is kept as its message, redacted and clamped.

    The envelope is `{status, message, error, error_origin_level, provider}`; `error` is an object or a JSON string, and a
    guardrail's refusal lists passed checks beside failed ones (recorded in https://github.com/truefoundry/models and
    https://github.com/promptfoo/promptfoo, test/providers/truefoundry.test.ts).
    """
    body, unread = None, ""
    try:
        body = answer.json()
    except Unread as error:
        unread = str(error)
    except Garbled:
        pass
    if not isinstance(body, Mapping):
        return Refusal(message=redactor.show(answer.text(2000), 200), unread=unread)

    def word(value: object) -> str | None:
        return redactor.show(value, 60) if isinstance(value, str) and value else None

    given = body.get("error")
    if isinstance(given, str):
        try:
            given = json.loads(given) if len(given) <= _LONGEST_ERROR else {"message": given}
        except (ValueError, RecursionError):
            given = {"message": given}
    details = given if isinstance(given, Mapping) else {}
    return Refusal(
        message=redactor.show(str(body.get("message") or details.get("message") or ""), 300),
        envelope=(body.get("status") == "failure" and "error" in body) or any(body.get(name) for name in _ENVELOPE),
        error=bool(body.get("error")) or isinstance(body.get("message"), str),
        kind=word(details.get("type")),
        origin=word(body.get("error_origin_level")),
        provider=word(body.get("provider")),
        guardrails=tuple(_failed_guardrails(body.get("guardrail_checks"), redactor))[:5],
    )


def _failed_guardrails(checks: object, redactor: Redactor) -> Iterator[str]:
    """By their results; where one is missing, by the verdict that the guardrail's own server gave."""
    if not isinstance(checks, Mapping):
        return
    for name in _GUARDRAIL_LISTS:
        entries = checks.get(name)
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, Mapping):
                continue
            result, data = entry.get("result"), entry.get("data")
            if result is None:
                inner = data.get("guardrailResponse", data) if isinstance(data, Mapping) else entry
                failed = isinstance(inner, Mapping) and inner.get("verdict") is False
            else:
                failed = result is False or result in ("failed", "false")
            if failed:
                side = "input" if "input" in name else "output"
                yield f"{redactor.show(str(entry.get('guardrail_integration') or 'unnamed'), 80)} ({side})"


# --- the trace id that it names --------------------------------------------------------------------------------------


def decode_feedback_target(header: str | None) -> FeedbackTarget | None:
    """Decode the header; None if it is absent or not understood.

    Base64 of a JSON object by its documentation (https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces), but called
    opaque: so either alphabet, with or without padding, and nested under `target` or not.
    """
    content, _ = _decode_target((header or "").strip())
    trace_id = str(content.get("traceId") or content.get("trace_id") or "").replace("-", "").lower()
    if not _TRACE_ID.fullmatch(trace_id):
        return None
    destination = content.get("dataRoutingDestination")
    return FeedbackTarget(
        trace_id=TraceId(trace_id),
        destination=clamp(destination, 100) if isinstance(destination, str) and destination else None,
    )


def describe_feedback_target(header: str | None) -> str:
    """In which form the header comes: absent, unreadable, or base64, base64url, without padding, nested."""
    if not header:
        return "absent"
    if decode_feedback_target(header) is None:
        return "unreadable"
    text = unquote(header.strip())
    _, nested = _decode_target(text)
    alphabet = "base64url" if {"-", "_"} & set(text) else "base64"
    unpadded = len(text) % 4 != 0
    return f"{alphabet}{', without padding' if unpadded else ''}{', nested under target' if nested else ''}"


def _decode_target(text: str) -> tuple[Mapping[str, Any], bool]:
    """The object in the header, and whether it was nested; empty where there is none."""
    if not text or len(text) > _LONGEST_TARGET:
        return {}, False
    standard = unquote(text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        content = json.loads(base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}, False
    if not isinstance(content, Mapping):
        return {}, False
    target = content.get("target")
    return (target, True) if isinstance(target, Mapping) else (content, False)
