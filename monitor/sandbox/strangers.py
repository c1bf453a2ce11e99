"""What other people's traces look like: ten requests that take turns, of their own models, services and monitors.

Some are as like ours as can be: the same model through the same gateway, another team's canaries, and the control spans of another
monitor with the same Traceloop key. None has an id or a nonce of ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from monitor.sandbox.credentials import MODEL, Subject
from monitor.sandbox.traffic import Spot, Traffic
from monitor.sandbox.truefoundry.spans import METADATA, SERVICE, Attribute, Exchange, GatewaySpan, make_spans

CONTROL_NAME = "gateway-trace-monitor.control"
CONTROL_MARKER = "gateway_trace_monitor.control"
CONTROL_SERVICE = "gateway-trace-monitor"
OPENING = "Please answer in two sentences."
"""How every content begins. Nothing more of it is there while a search is decided, so nothing more can be searched for."""

_GATEWAY_CONTENT = ("tfy.input", "gen_ai.prompt.0.content", "tfy.output", "gen_ai.completion.0.content")
_HTTP_CONTENT = ("http.request.body", "http.response.body")
_CHAT_CONTENT = ("gen_ai.prompt.0.content", "gen_ai.prompt.1.content", "gen_ai.completion.0.content")
_WORKFLOW_CONTENT = ("traceloop.entity.input", "traceloop.entity.output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the spans at one place of a request have in common; `content` names the attributes that hold some."""

    name: str
    kind: str = "Internal"
    milliseconds: int
    attributes: Mapping[str, Attribute]
    content: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """One kind of request.

    `asked_by`: who asked our gateway, None for what never went through it. `canary`: whether there is a nonce among its metadata.
    `control`: each of its spans is a trace of its own, and marked as a control span. A request with more spans than there are
    `shapes` has more of the last.
    """

    service: str
    scope: tuple[str, str]
    shapes: Sequence[Shape]
    asked_by: Subject | None = None
    canary: bool = False
    control: bool = False
    error: str = ""
    resource: Mapping[str, str] = field(default_factory=dict)

    def shape(self, place: int) -> Shape:
        """What the span at a place looks like."""
        return self.shapes[min(place, len(self.shapes) - 1)]


def _gateway(model: str, account: str, tags: Mapping[str, str], *, canary: bool = False, error: str = "") -> Stranger:
    """A request to the gateway, with spans as the gateway makes them."""
    subject = Subject(slug=account)
    usage = {"prompt_tokens": 412, "completion_tokens": 96, "total_tokens": 508}
    exchange = Exchange(
        trace_id="",
        root_id="",
        parent_id="",
        started=0.0,
        ended=0.812,
        model=model,
        subject=subject,
        destination="default",
        tags=tags,
        bodies=False,
        completion=None if error else {"usage": usage},
        status=503 if error else 200,
        error=error,
        error_type="provider_error" if error else "",
    )
    return Stranger(
        service=SERVICE,
        scope=(SERVICE, ""),
        shapes=[_shape_of(span) for span in make_spans(exchange, lambda _: "")],
        asked_by=subject,
        canary=canary,
        error=error,
    )


def _shape_of(span: GatewaySpan) -> Shape:
    return Shape(
        name=span.name,
        kind=span.kind,
        milliseconds=(span.end - span.start) // 1_000_000,
        attributes=span.attributes,
        content=_GATEWAY_CONTENT if "tfy.span_type" in span.attributes else _HTTP_CONTENT,
    )


def _application(service: str, workflow: str, system: str, model: str) -> Stranger:
    """An application that sends what Traceloop's own SDK makes of its calls."""
    common: dict[str, Attribute] = {
        "traceloop.workflow.name": workflow,
        "traceloop.association.properties.tier": "gold",
    }
    call: dict[str, Attribute] = {
        **common,
        "gen_ai.system": system,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.usage.input_tokens": 1830,
        "gen_ai.usage.output_tokens": 240,
        "llm.request.type": "chat",
    }
    tool: dict[str, Attribute] = {**common, "traceloop.span.kind": "tool", "traceloop.entity.name": "look_up"}
    root: dict[str, Attribute] = {**common, "traceloop.span.kind": "workflow", "traceloop.entity.name": workflow}
    return Stranger(
        service=service,
        scope=(f"opentelemetry.instrumentation.{system}.v1", "0.47.1"),
        shapes=[
            Shape(name=f"{workflow}.workflow", milliseconds=2140, attributes=root, content=_WORKFLOW_CONTENT),
            Shape(name=f"{system}.chat", kind="Client", milliseconds=1630, attributes=call, content=_CHAT_CONTENT),
            Shape(name="look_up.tool", milliseconds=48, attributes=tool, content=_WORKFLOW_CONTENT),
        ],
        resource={"telemetry.sdk.language": "python", "telemetry.sdk.version": "1.38.0"},
    )


def _web(service: str, route: str, statement: str) -> Stranger:
    """A service that knows nothing of language models."""
    request: dict[str, Attribute] = {
        "http.request.method": "GET",
        "http.route": route,
        "http.response.status_code": 200,
        "url.scheme": "https",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
    }
    query: dict[str, Attribute] = {"db.system": "postgresql", "db.statement": statement}
    return Stranger(
        service=service,
        scope=("io.opentelemetry.http", "2.9.0"),
        shapes=[
            Shape(name=f"GET {route}", kind="Server", milliseconds=37, attributes=request, content=_HTTP_CONTENT),
            Shape(name="SELECT", kind="Client", milliseconds=4, attributes=query, content=("db.response.rows",)),
        ],
        resource={"telemetry.sdk.language": "java", "k8s.namespace.name": "shop"},
    )


def _monitor() -> Stranger:
    """The control spans of another monitor."""
    target: dict[str, Attribute] = {"gateway_trace_monitor.target": "other-team"}
    shape = Shape(name=CONTROL_NAME, milliseconds=1, attributes=target, content=("description",))
    return Stranger(service=CONTROL_SERVICE, scope=(CONTROL_SERVICE, "1.0.0"), shapes=[shape], control=True)


STRANGERS: Sequence[Stranger] = (
    _gateway(MODEL, "checkout", {"team": "checkout", "feature": "basket"}),
    _application("checkout-agent", "checkout", "openai", "gpt-4o"),
    _gateway(MODEL, "other-monitor", {"tfy_monitor": "canary"}, canary=True),
    _web("storefront", "/api/products/{id}", "SELECT * FROM products WHERE id = $1"),
    _gateway("anthropic-main/claude-sonnet-4", "support", {"team": "support"}),
    _monitor(),
    _gateway("openai-main/gpt-4o", "research", {"team": "research"}, error="The provider is overloaded"),
    _application("support-bot", "answer_ticket", "anthropic", "claude-haiku-4"),
    _gateway("google-main/gemini-2.5-flash", "search", {"team": "search", "stage": "rerank"}),
    _web("search-indexer", "/internal/reindex", "SELECT body, title FROM documents WHERE stale"),
)


def stranger_of(spot: Spot) -> Stranger:
    """Whose request a span belongs to."""
    return STRANGERS[spot.request % len(STRANGERS)]


def samples(traffic: Traffic, *, of_gateway: bool = False) -> list[Spot]:
    """One span of each kind; `of_gateway`: of those that our gateway makes."""
    return [
        Spot(number, place)
        for number, stranger in enumerate(STRANGERS)
        if stranger.asked_by is not None or not of_gateway
        for place in range(traffic.spans)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The ids of a span; `parent_id` is empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str


def family_of(traffic: Traffic, spot: Spot) -> Family:
    """Each span is the child of the one before it; a control span has no family."""
    alone = stranger_of(spot).control
    root = spot if alone else Spot(spot.request, 0)
    parent = "" if spot == root else traffic.span_id(Spot(spot.request, spot.place - 1))
    return Family(trace_id=traffic.trace_id(root), span_id=traffic.span_id(spot), parent_id=parent)


def attributes_of(traffic: Traffic, spot: Spot, trace_id: str) -> dict[str, Attribute]:
    """The attributes of a span as it was sent, without content."""
    stranger = stranger_of(spot)
    attributes = dict(stranger.shape(spot.place).attributes)
    tags = attributes.get(METADATA)
    if stranger.canary and isinstance(tags, Mapping):
        attributes[METADATA] = {**tags, "probe_id": traffic.nonce(spot.request)}
    if stranger.control:
        attributes[CONTROL_MARKER] = trace_id
    return attributes


# --- content


def filled(names: Sequence[str], size: int, spot: Spot) -> dict[str, str]:
    """Texts for some attributes that make an answer in JSON longer by so many bytes, about; another for each request."""
    each = max(0, size) // max(1, len(names))
    return {
        name: OPENING + _text(each, spot.request * 7919 + spot.place * 257 + number * 31)
        for number, name in enumerate(names)
    }


_SENTENCES = (
    "Summarise the order and list what is missing, one item per line.\n",
    'The customer wrote: "It arrived late, wet, and in the wrong colour."\n',
    "Die Lieferung nach Zürich verzögert sich um zwei Tage, schöne Grüße aus München.\n",
    "Prices, taxes and fees: 12,50 €; 3,20 €; and a naïve estimate of 40 %.\n",
    "- size: 42, colour: blue, weight: 1.25 kg\n\n",
    "お問い合わせありがとうございます。東京の倉庫から発送します。\n",
    "Use the tool `look_up` with {'sku': 'A-1042', 'limit': 5} before you answer.\n",
    "If nothing fits, say so; never invent a delivery date, a price, or a \\path\\to\\a\\file.\n",
)


@lru_cache(maxsize=1)
def _book() -> tuple[str, float]:
    """Some 64,000 characters, and how many bytes each takes in JSON."""
    order = (number * number + number // 3 for number in range(900))
    book = "".join(_SENTENCES[number % len(_SENTENCES)] for number in order)
    escaped = sum({'"': 2, "\n": 2, "\\": 2}.get(letter, len(letter.encode())) for letter in book)
    return book, escaped / len(book)


def _text(size: int, offset: int) -> str:
    book, width = _book()
    start, letters = offset % len(book), int(size / width)
    text = book[start : start + letters]
    while len(text) < letters:
        text += book[: letters - len(text)]
    return text
