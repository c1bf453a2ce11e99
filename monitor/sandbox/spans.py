"""The trace of one gateway request: its ids, and its spans in the observed tree of ChatCompletion, Model and POST.

https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-trace-inspection and …/fetch-request-logs-span-attributes.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from monitor.core.model import Instant
from monitor.ports import Clock
from monitor.sandbox.completions import Declined
from monitor.sandbox.configurations import RequestInfo
from monitor.sandbox.credentials import TENANT, Subject
from monitor.sandbox.variants import Variant

SERVICE = "tfy-llm-gateway"
METADATA = "tfy.request.metadata"
UPSTREAM = "https://api.openai.com/v1/chat/completions"

Attribute = str | int | float | bool | Mapping[str, str] | Sequence[str]
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""https://www.w3.org/TR/trace-context/#traceparent-header; anything else must be ignored."""


def iso(moment: Instant) -> str:
    """ISO 8601 in UTC with milliseconds and Z, as TrueFoundry writes it."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- ids


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """The ids of a request's root span, and whether it is recorded at all."""

    trace_id: str
    span_id: str
    parent_id: str
    recorded: bool


def begin_trace(clock: Clock, variant: Variant, traceparent: str, *, recorded: bool) -> TraceContext:
    """A trace of its own, or the caller's where the variant honours `traceparent`."""
    given = _TRACEPARENT.fullmatch(traceparent.strip()) if variant.traceparent == "honoured" else None
    if given is not None and int(given[1], 16) and int(given[2], 16):
        return TraceContext(
            trace_id=given[1],
            span_id=clock.draw_hex(16),
            parent_id=given[2],
            recorded=recorded and bool(int(given[3], 16) & 1),  # flag 01: sampled
        )
    # A UUID of version 7 without dashes: it begins with the time in milliseconds (RFC 9562, section 5.7).
    milliseconds, variant_digit = int(clock.now() * 1000), 8 + int(clock.draw_hex(2), 16) % 4
    trace_id = f"{milliseconds:012x}7{clock.draw_hex(3)}{variant_digit:x}{clock.draw_hex(15)}"
    return TraceContext(trace_id=trace_id, span_id=clock.draw_hex(16), parent_id="", recorded=recorded)


def feedback_header(context: TraceContext, destination: str, variant: Variant) -> dict[str, str]:
    """`x-tfy-feedback-target-id`: https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces."""
    how = variant.feedback
    if how == "absent":
        return {}
    target: dict[str, object] = {
        "spanId": context.span_id,
        "traceId": context.trace_id,
        "dataRoutingDestination": destination,
    }
    if how.startswith("base64url"):
        target["region"] = "???>>>"  # nothing else in it would show which alphabet it is
    text = json.dumps({"target": target} if how == "nested" else target, separators=(",", ":")).encode()
    encoded = (base64.urlsafe_b64encode(text) if how.startswith("base64url") else base64.b64encode(text)).decode()
    return {"x-tfy-feedback-target-id": encoded.rstrip("=") if how.endswith("unpadded") else encoded}


# --- spans


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySpan:
    """One span as the gateway makes it; times in Unix nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str = "Internal"
    start: int
    end: int
    error: str = ""
    attributes: Mapping[str, Attribute]
    subject: Subject
    destination: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """One request to complete a chat, found to be well-formed as far as it is needed. `bodies`: whether content may be kept."""

    started: Instant
    context: TraceContext
    info: RequestInfo
    request: Mapping[str, object]
    bodies: bool
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request: a completion, perhaps from the cache, or why there is none."""

    ended: Instant
    completion: Mapping[str, object] = field(default_factory=dict)
    declined: Declined | None = None
    cached: bool = False

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.declined.status if self.declined else 200


def make_spans(chat: Chat, outcome: Outcome, draw_hex: Callable[[int], str]) -> tuple[GatewaySpan, ...]:
    """The spans of a request, root first, each beginning and ending inside its parent; the root alone where no provider was asked."""
    start, end = (int(moment * 1e9) for moment in (chat.started, outcome.ended))
    step = min(1_000_000, (end - start) // 4)
    common, content, model_name = _common(chat, outcome), _content(chat, outcome), chat.info.model
    root = GatewaySpan(
        trace_id=chat.context.trace_id,
        span_id=chat.context.span_id,
        parent_id=chat.context.parent_id,
        name=f"ChatCompletion: {model_name}",
        start=start,
        end=end,
        error=outcome.declined.message if outcome.declined else "",
        attributes={**common, **content, **_gen_ai(chat, outcome), "tfy.span_type": "ChatCompletion"},
        subject=chat.info.subject,
        destination=chat.destination,
    )
    if outcome.cached or (outcome.declined and not outcome.declined.reached_provider):
        return (root,)
    content.pop("tfy.resolved_input", None)  # the root alone has it
    model = replace(
        root,
        span_id=draw_hex(16),
        parent_id=root.span_id,
        name=f"Model: {model_name}",
        start=start + step,
        end=max(start + step, end - step),
        attributes={
            **common,
            **content,
            **_gen_ai(chat, outcome),
            **_model(chat, outcome),
            "tfy.span_type": "Model",
        },
    )
    call = replace(
        root,
        span_id=draw_hex(16),
        parent_id=model.span_id,
        name=f"POST {UPSTREAM}",
        kind="Client",
        start=model.start + step,
        end=max(model.start + step, model.end - step),
        attributes={
            **common,
            "http.request.method": "POST",
            "url.full": UPSTREAM,
            "http.response.status_code": outcome.status,
        },
    )
    return (root, model, call)


def _common(chat: Chat, outcome: Outcome) -> dict[str, Attribute]:
    subject = chat.info.subject
    common: dict[str, Attribute] = {
        "tfy.request.model_name": chat.info.model,
        "tfy.request.created_by_subject": f"{subject.kind}:{subject.slug}",
        "tfy.request.created_by_subject_teams": ("platform",),
        METADATA: {**chat.info.tags, "tfy_gateway_region": "sandbox-1"},
        "tfy.request.tenant_name": TENANT,
    }
    if outcome.declined:
        common |= {"tfy.error_message": outcome.declined.message, "tfy.error_type": outcome.declined.kind}
        if outcome.declined.guardrails:
            common["tfy.triggered_guardrail_fqns"] = outcome.declined.guardrails
    return common


def _content(chat: Chat, outcome: Outcome) -> dict[str, Attribute]:
    """Everything that holds request or response content, under every name it is known by."""
    if not chat.bodies:
        return {}
    messages = _objects(chat.request.get("messages"))
    content: dict[str, Attribute] = {
        "tfy.input": json.dumps(dict(chat.request)),
        "tfy.input_short_hand": str(messages[-1].get("content", "")) if messages else "",
        "tfy.resolved_input": json.dumps(messages),
    }
    for number, message in enumerate(messages):
        content[f"gen_ai.prompt.{number}.role"] = str(message.get("role", ""))
        content[f"gen_ai.prompt.{number}.content"] = str(message.get("content", ""))
    for choice in _objects(outcome.completion.get("choices"))[:1]:
        answered = choice.get("message")
        content["tfy.output"] = json.dumps(dict(outcome.completion))
        content["gen_ai.completion.0.role"] = "assistant"
        content["gen_ai.completion.0.content"] = str(answered["content"]) if isinstance(answered, dict) else ""
    return content


def _gen_ai(chat: Chat, outcome: Outcome) -> dict[str, Attribute]:
    name = chat.info.model.rpartition("/")[2]
    named: dict[str, Attribute] = {
        "gen_ai.system": chat.info.model.partition("-")[0],
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": name,
    }
    usage = _usage(outcome)
    if usage:
        named["gen_ai.response.model"] = name
        named |= dict(zip(("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"), usage, strict=True))
        named |= dict(zip(("gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"), usage, strict=True))
    return named


def _model(chat: Chat, outcome: Outcome) -> dict[str, Attribute]:
    account, _, name = chat.info.model.partition("/")
    tokens_in, tokens_out = _usage(outcome) or (0, 0)
    return {
        "tfy.model.name": chat.info.model,
        "tfy.model.fqn": f"{TENANT}:{account.partition('-')[0]}:{account}:model:{name}",
        "tfy.model.request_url": UPSTREAM,
        "tfy.model.streaming": bool(chat.request.get("stream")),
        "tfy.model.request_type": "ChatCompletion",
        "tfy.model.metric.latency_in_ms": round((outcome.ended - chat.started) * 1000, 3),
        "tfy.model.metric.input_tokens": tokens_in,
        "tfy.model.metric.output_tokens": tokens_out,
        "http.response.status_code": outcome.status,
    }


def _usage(outcome: Outcome) -> tuple[int, int] | None:
    usage = outcome.completion.get("usage")
    return (int(usage["prompt_tokens"]), int(usage["completion_tokens"])) if isinstance(usage, dict) else None


def _objects(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def exported(attributes: Mapping[str, Attribute], variant: Variant) -> dict[str, Attribute]:
    """The attributes of a span as they leave the gateway: metadata in the form, and names as far as, the variant has them."""
    kept = {
        key: value
        for key, value in attributes.items()
        if key != METADATA and not (variant.naming == "tfy" and key.startswith("gen_ai."))
    }
    tags = attributes.get(METADATA)
    if not isinstance(tags, Mapping):
        return kept
    match variant.metadata:
        case "string":
            return kept | {METADATA: json.dumps(dict(tags))}
        case "map":
            return kept | {METADATA: tags}
        case "flat":
            return kept | {f"{METADATA}.{key}": value for key, value in tags.items()}
