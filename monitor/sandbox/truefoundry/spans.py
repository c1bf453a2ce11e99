"""The spans of one gateway request, in the observed tree: ChatCompletion, Model, POST.

https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-trace-inspection and …/fetch-request-logs-span-attributes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.core.model import Instant
from monitor.sandbox.credentials import TENANT, Subject
from monitor.sandbox.dialect import Metadata

SERVICE = "tfy-llm-gateway"
METADATA = "tfy.request.metadata"
UPSTREAM = "https://api.openai.com/v1/chat/completions"

Attribute = str | int | float | bool | Mapping[str, str] | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySpan:
    """One span as the gateway makes it; times in Unix nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    start: int
    end: int
    ok: bool
    error: str
    attributes: Mapping[str, Attribute]
    subject: Subject
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to the gateway and what became of it, before it is turned into spans.

    `completion` None: there was none, `error` says why. `reached_provider`: the provider was asked, so there is more than
    a root span. `bodies`: whether content may be kept at all.
    """

    trace_id: str
    root_id: str
    parent_id: str
    started: Instant
    ended: Instant
    model: str
    subject: Subject
    destination: str
    tags: Mapping[str, str]
    bodies: bool
    request: Mapping[str, object] = field(default_factory=dict)
    completion: Mapping[str, object] | None = None
    status: int = 200
    error: str = ""
    error_type: str = ""
    reached_provider: bool = True
    guardrails: tuple[str, ...] = ()


def make_spans(exchange: Exchange, draw_hex: Callable[[int], str]) -> tuple[GatewaySpan, ...]:
    """The spans of an exchange, root first; each begins and ends inside its parent."""
    start, end = (int(moment * 1e9) for moment in (exchange.started, exchange.ended))
    step = min(1_000_000, (end - start) // 4)
    root = _span(exchange, exchange.root_id, exchange.parent_id, f"ChatCompletion: {exchange.model}", (start, end))
    root = _with(root, {**_content(exchange, root=True), **_gen_ai(exchange), "tfy.span_type": "ChatCompletion"})
    if not exchange.reached_provider:
        return (root,)
    times = (start + step, max(start + step, end - step))
    model = _span(exchange, draw_hex(16), root.span_id, f"Model: {exchange.model}", times)
    model = _with(
        model, {**_content(exchange, root=False), **_gen_ai(exchange), **_model(exchange), "tfy.span_type": "Model"}
    )
    call = _span(
        exchange,
        draw_hex(16),
        model.span_id,
        f"POST {UPSTREAM}",
        (times[0] + step, max(times[0] + step, times[1] - step)),
    )
    network: dict[str, Attribute] = {
        "http.request.method": "POST",
        "url.full": UPSTREAM,
        "http.response.status_code": exchange.status,
    }
    return (root, model, _with(call, network, kind="Client"))


def _span(exchange: Exchange, span_id: str, parent_id: str, name: str, times: tuple[int, int]) -> GatewaySpan:
    return GatewaySpan(
        trace_id=exchange.trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind="Internal",
        start=times[0],
        end=times[1],
        ok=not exchange.error,
        error=exchange.error,
        attributes=_common(exchange),
        subject=exchange.subject,
        destination=exchange.destination,
    )


def _with(span: GatewaySpan, more: Mapping[str, Attribute], kind: str = "Internal") -> GatewaySpan:
    return replace(span, kind=kind, attributes={**span.attributes, **more})


def _common(exchange: Exchange) -> dict[str, Attribute]:
    common: dict[str, Attribute] = {
        "tfy.request.model_name": exchange.model,
        "tfy.request.created_by_subject": f"{exchange.subject.kind}:{exchange.subject.slug}",
        "tfy.request.created_by_subject_teams": ("platform",),
        METADATA: {**exchange.tags, "tfy_gateway_region": "sandbox-1"},
        "tfy.request.tenant_name": TENANT,
    }
    if exchange.error:
        common |= {"tfy.error_message": exchange.error, "tfy.error_type": exchange.error_type}
    if exchange.guardrails:
        common["tfy.triggered_guardrail_fqns"] = exchange.guardrails
    return common


def _content(exchange: Exchange, *, root: bool) -> dict[str, Attribute]:
    """Everything that holds request or response content, under every name it is known by."""
    if not exchange.bodies:
        return {}
    messages = _list(exchange.request.get("messages"))
    content: dict[str, Attribute] = {
        "tfy.input": json.dumps(dict(exchange.request)),
        "tfy.input_short_hand": str(messages[-1].get("content", "")) if messages else "",
    }
    for number, message in enumerate(messages):
        content[f"gen_ai.prompt.{number}.role"] = str(message.get("role", ""))
        content[f"gen_ai.prompt.{number}.content"] = str(message.get("content", ""))
    if root:
        content["tfy.resolved_input"] = json.dumps(messages)
    if exchange.completion is not None:
        content["tfy.output"] = json.dumps(dict(exchange.completion))
        content["gen_ai.completion.0.role"] = "assistant"
        content["gen_ai.completion.0.content"] = answer_text(exchange.completion)
    return content


def _gen_ai(exchange: Exchange) -> dict[str, Attribute]:
    named: dict[str, Attribute] = {
        "gen_ai.system": exchange.model.partition("-")[0],
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": exchange.model.rpartition("/")[2],
    }
    usage = usage_of(exchange.completion)
    if usage:
        named |= {
            "gen_ai.response.model": exchange.model.rpartition("/")[2],
            "gen_ai.usage.input_tokens": usage[0],
            "gen_ai.usage.output_tokens": usage[1],
            "gen_ai.usage.prompt_tokens": usage[0],
            "gen_ai.usage.completion_tokens": usage[1],
        }
    return named


def _model(exchange: Exchange) -> dict[str, Attribute]:
    account, _, name = exchange.model.partition("/")
    provider = account.partition("-")[0]
    usage = usage_of(exchange.completion) or (0, 0)
    return {
        "tfy.model.name": exchange.model,
        "tfy.model.fqn": f"{TENANT}:{provider}:{account}:model:{name}",
        "tfy.model.request_url": UPSTREAM,
        "tfy.model.streaming": bool(exchange.request.get("stream")),
        "tfy.model.request_type": "ChatCompletion",
        "tfy.model.metric.latency_in_ms": round((exchange.ended - exchange.started) * 1000, 3),
        "tfy.model.metric.input_tokens": usage[0],
        "tfy.model.metric.output_tokens": usage[1],
        "http.response.status_code": exchange.status,
    }


def metadata_as(form: Metadata, tags: Mapping[str, str]) -> dict[str, Attribute]:
    """A request's metadata as attributes of an exported span."""
    match form:
        case Metadata.STRING:
            return {METADATA: json.dumps(dict(tags))}
        case Metadata.MAP:
            return {METADATA: tags}
        case Metadata.FLAT:
            return {f"{METADATA}.{key}": value for key, value in tags.items()}


def usage_of(completion: Mapping[str, object] | None) -> tuple[int, int] | None:
    """Input and output tokens of a completion."""
    usage = completion.get("usage") if completion else None
    if not isinstance(usage, dict):
        return None
    return int(usage["prompt_tokens"]), int(usage["completion_tokens"])


def answer_text(completion: Mapping[str, object]) -> str:
    """The text of a completion's first choice."""
    choices = _list(completion.get("choices"))
    message = choices[0].get("message") if choices else None
    return str(message.get("content", "")) if isinstance(message, dict) else ""


def _list(value: object) -> list[Mapping[str, object]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
