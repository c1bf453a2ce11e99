"""What other people's traces look like: ten requests that take turns, of their own models, services and monitors.

Some are as like ours as can be: the same model through the same gateway, another team's canaries, and the control spans of another
monitor with the same Traceloop key. None has an id or a nonce of ours. They are made when somebody looks at them.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from monitor.core.model import Instant
from monitor.sandbox.completions import Declined
from monitor.sandbox.configurations import RequestInfo
from monitor.sandbox.credentials import ENVIRONMENT, EXPORTED_ATTRIBUTE, MODEL, Subject
from monitor.sandbox.rows import Row, as_text, attribute_name
from monitor.sandbox.spans import (
    METADATA,
    SERVICE,
    Attribute,
    Chat,
    GatewaySpan,
    Outcome,
    TraceContext,
    exported,
    make_spans,
)
from monitor.sandbox.traffic import NO_TRAFFIC, Position, Stream, Window
from monitor.sandbox.world import World

CONTROL_NAME = "gateway-trace-monitor.control"
CONTROL_MARKER = "gateway_trace_monitor.control"
CONTROL_SERVICE = "gateway-trace-monitor"
OPENING = "Please answer in two sentences."
"""How every content begins. Nothing more of it is there while a search is decided, so nothing more can be searched for."""

_GATEWAY_CONTENT = ("tfy.input", "gen_ai.prompt.0.content", "tfy.output", "gen_ai.completion.0.content")
_HTTP_CONTENT = ("http.request.body", "http.response.body")
_CHAT_CONTENT = ("gen_ai.prompt.0.content", "gen_ai.prompt.1.content", "gen_ai.completion.0.content")
_WORKFLOW_CONTENT = ("traceloop.entity.input", "traceloop.entity.output")
_NEIGHBOURS = 3
_AROUND_ATTRIBUTES = 650
"""What an answer of the own store says of a span besides its attributes, in bytes."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the spans at one position of a request have in common; `content` names the attributes that hold some."""

    name: str
    kind: str = "Internal"
    milliseconds: int
    attributes: Mapping[str, Attribute]
    content: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRequest:
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

    def shape(self, position: int) -> Shape:
        """What the span at a position looks like."""
        return self.shapes[min(position, len(self.shapes) - 1)]


def _gateway(
    model: str, account: str, tags: Mapping[str, str], *, canary: bool = False, error: str = ""
) -> OtherRequest:
    """A request to the gateway, with spans as the gateway makes them."""
    subject = Subject(slug=account)
    chat = Chat(
        started=0.0,
        context=TraceContext(trace_id="", span_id="", parent_id="", recorded=True),
        info=RequestInfo(model=model, subject=subject, tags=tags),
        request={},
        bodies=False,
        destination="default",
    )
    usage = {"prompt_tokens": 412, "completion_tokens": 96, "total_tokens": 508}
    outcome = Outcome(ended=0.812, completion={"usage": usage})
    if error:
        declined = Declined(status=503, message=error, kind="provider_error", body="", reached_provider=True)
        outcome = Outcome(ended=0.812, declined=declined)
    shapes = [
        Shape(
            name=span.name,
            kind=span.kind,
            milliseconds=(span.end - span.start) // 1_000_000,
            attributes=span.attributes,
            content=_GATEWAY_CONTENT if "tfy.span_type" in span.attributes else _HTTP_CONTENT,
        )
        for span in make_spans(chat, outcome, lambda _: "")
    ]
    return OtherRequest(
        service=SERVICE, scope=(SERVICE, ""), shapes=shapes, asked_by=subject, canary=canary, error=error
    )


def _application(service: str, workflow: str, system: str, model: str) -> OtherRequest:
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
    return OtherRequest(
        service=service,
        scope=(f"opentelemetry.instrumentation.{system}.v1", "0.47.1"),
        shapes=[
            Shape(name=f"{workflow}.workflow", milliseconds=2140, attributes=root, content=_WORKFLOW_CONTENT),
            Shape(name=f"{system}.chat", kind="Client", milliseconds=1630, attributes=call, content=_CHAT_CONTENT),
            Shape(name="look_up.tool", milliseconds=48, attributes=tool, content=_WORKFLOW_CONTENT),
        ],
        resource={"telemetry.sdk.language": "python", "telemetry.sdk.version": "1.38.0"},
    )


def _web(service: str, route: str, statement: str) -> OtherRequest:
    """A service that knows nothing of language models."""
    request: dict[str, Attribute] = {
        "http.request.method": "GET",
        "http.route": route,
        "http.response.status_code": 200,
        "url.scheme": "https",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
    }
    query: dict[str, Attribute] = {"db.system": "postgresql", "db.statement": statement}
    return OtherRequest(
        service=service,
        scope=("io.opentelemetry.http", "2.9.0"),
        shapes=[
            Shape(name=f"GET {route}", kind="Server", milliseconds=37, attributes=request, content=_HTTP_CONTENT),
            Shape(name="SELECT", kind="Client", milliseconds=4, attributes=query, content=("db.response.rows",)),
        ],
        resource={"telemetry.sdk.language": "java", "k8s.namespace.name": "shop"},
    )


def _monitor() -> OtherRequest:
    """The control spans of another monitor."""
    target: dict[str, Attribute] = {"gateway_trace_monitor.target": "other-team"}
    shape = Shape(name=CONTROL_NAME, milliseconds=1, attributes=target, content=("description",))
    return OtherRequest(service=CONTROL_SERVICE, scope=(CONTROL_SERVICE, "1.0.0"), shapes=[shape], control=True)


OTHER_REQUESTS: Sequence[OtherRequest] = (
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


_BY_OUR_GATEWAY = tuple(number for number, kind in enumerate(OTHER_REQUESTS) if kind.asked_by is not None)
_SAMPLED_OUT = frozenset(_BY_OUR_GATEWAY[1:])
"""The requests that nobody exports while the gateway samples."""


class OtherTraffic:
    """The spans of other people in TrueFoundry's own store and in Traceloop; `seen`: whether whoever asks may see them."""

    def __init__(self, world: World, *, seen: bool = True) -> None:
        self._traffic = world.traffic if seen else NO_TRAFFIC
        self._world = world
        self._now = world.now()

    # --- the spans themselves, without more content than its opening

    def span(self, place: Position) -> GatewaySpan:
        """Each span is the child of the one before it; a control span stands alone."""
        kind = _kind_of(place)
        shape = kind.shape(place.position)
        root = place if kind.control else Position(place.request, 0)
        parent = "" if place == root else self._traffic.span_id(Position(place.request, place.position - 1))
        trace_id = self._traffic.trace_id(root)
        start = self._traffic.began(place) * 1_000_000
        attributes = {**shape.attributes, **dict.fromkeys(shape.content, OPENING)}
        tags = attributes.get(METADATA)
        if kind.canary and isinstance(tags, Mapping):
            attributes[METADATA] = {**tags, "probe_id": self._traffic.nonce(place.request)}
        if kind.control:
            attributes[CONTROL_MARKER] = trace_id
        return GatewaySpan(
            trace_id=trace_id,
            span_id=self._traffic.span_id(place),
            parent_id=parent,
            name=shape.name,
            kind=shape.kind,
            start=start,
            end=start + shape.milliseconds * 1_000_000,
            error=kind.error,
            attributes=attributes,
            subject=kind.asked_by or Subject(slug=kind.service),
        )

    # --- TrueFoundry's own store: what went through the gateway

    def spans_matching(self, wanted: Sequence[Callable[[GatewaySpan], bool]]) -> Stream[GatewaySpan]:
        """Those that a query wants."""
        return self._stream(self.span, wanted, of_gateway=True)

    def kept_between(self, start: Instant, end: Instant) -> Window:
        """A window, as far as the own store shows it already."""

        def window(position: int) -> tuple[int, int]:
            latest = min(end, self._now - self._world.own_store_lag(position))
            return math.ceil(round(start * 1000, 3)), math.floor(round(latest * 1000, 3))

        return window

    def whole_span(self, span: GatewaySpan, place: Position) -> GatewaySpan:
        """The same with as much content as was asked for; what is named `gen_ai.*` is not kept there."""
        kept = {key: value for key, value in span.attributes.items() if not key.startswith("gen_ai.")}
        names = [key for key in _content_of(place) if key in kept]
        content = _filled(names, self._traffic.span_bytes - _json_size(kept) - _AROUND_ATTRIBUTES, place)
        return replace(span, attributes={**span.attributes, **content})

    # --- Traceloop: everything, in the environment of the exporter's key

    def rows_matching(self, wanted: Sequence[Callable[[Row], bool]]) -> Stream[Row]:
        """Those that a search wants."""
        sampled = self._world.faults.does("sample_others")
        return self._stream(self.row, wanted, left_out=_SAMPLED_OUT if sampled else frozenset())

    def requests_between(self, since: Instant, until: Instant) -> int:
        """How many requests of others our gateway served."""
        every = self._traffic.requests(math.ceil(since * 1000), math.floor(until * 1000))
        turns = len(OTHER_REQUESTS)
        return sum(
            len(range(every.start + (kind - every.start) % turns, every.stop, turns)) for kind in _BY_OUR_GATEWAY
        )

    def latest_listed(self) -> int:
        """Which rows the warehouse shows already: those that began until this Unix millisecond."""
        return int((self._now - self._world.index_lags()[1]) * 1000)

    def row(self, place: Position) -> Row:
        """A row that has no more content than its opening."""
        span, kind, variant = self.span(place), _kind_of(place), self._world.variant
        sent = span.attributes if kind.asked_by is None else exported(span.attributes, variant)
        visible, listed = self._world.index_lags()
        began = span.start // 1_000_000
        return Row(
            environment=ENVIRONMENT,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_id=span.parent_id,
            name=span.name,
            kind=f"SPAN_KIND_{span.kind.upper()}",
            service_name=kind.service,
            resource={"service.name": kind.service, EXPORTED_ATTRIBUTE[0]: "production", **kind.resource},
            scope=kind.scope,
            attributes={attribute_name(key, variant): as_text(value) for key, value in sent.items()},
            timestamp=began,
            duration=kind.shape(place.position).milliseconds,
            status="STATUS_CODE_ERROR" if span.error else "STATUS_CODE_OK",
            status_message=span.error,
            visible_at=began / 1000 + visible,
            listed_at=began / 1000 + listed,
        )

    def whole_row(self, row: Row, place: Position) -> Row:
        """The same with as much content as was asked for."""
        named = [attribute_name(key, self._world.variant) for key in _content_of(place)]
        names = [key for key in named if key in row.attributes]
        content = _filled(names, self._traffic.span_bytes - _json_size(row.of_list()), place)
        return replace(row, attributes={**row.attributes, **content})

    def as_it_comes(self, page: Sequence[Row]) -> list[Row]:
        """The page as it might come: neighbours within a few milliseconds stand the wrong way round here and there."""
        rows = list(page)
        place = 1
        while place < len(rows) and self._traffic.requests_per_second:
            one, other = rows[place - 1], rows[place]
            near = abs(one.timestamp - other.timestamp) <= _NEIGHBOURS
            if near and int(one.span_id[-1:] or "0", 16) % 2:
                rows[place - 1], rows[place] = other, one
                place += 1
            place += 1
        return rows

    def _stream(
        self,
        build: Callable[[Position], T],
        wanted: Sequence[Callable[[T], bool]],
        *,
        of_gateway: bool = False,
        left_out: frozenset[int] = frozenset(),
    ) -> Stream[T]:
        samples = [
            Position(number, position)
            for number, kind in enumerate(OTHER_REQUESTS)
            if (kind.asked_by is not None or not of_gateway) and number not in left_out
            for position in range(self._traffic.spans)
        ]
        return Stream(self._traffic, build, samples=samples, turns=len(OTHER_REQUESTS), wanted=wanted)


def _kind_of(place: Position) -> OtherRequest:
    return OTHER_REQUESTS[place.request % len(OTHER_REQUESTS)]


def _content_of(place: Position) -> Sequence[str]:
    return _kind_of(place).shape(place.position).content


def _json_size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


# --- content


_BOOK = (
    "Summarise the order and list what is missing, one item per line.\n"
    'The customer wrote: "It arrived late, wet, and in the wrong colour."\n'
    "Die Lieferung nach Zürich verzögert sich um zwei Tage, schöne Grüße aus München.\n"
    "Prices, taxes and fees: 12,50 €; 3,20 €; and a naïve estimate of 40 %.\n"
    "- size: 42, colour: blue, weight: 1.25 kg\n\n"
    "お問い合わせありがとうございます。東京の倉庫から発送します。\n"
    "Use the tool `look_up` with {'sku': 'A-1042', 'limit': 5} before you answer.\n"
    "If nothing fits, say so; never invent a delivery date, a price, or a \\path\\to\\a\\file.\n"
)
_BYTES_A_LETTER = (_json_size(_BOOK) - 2) / len(_BOOK)


def _filled(names: Sequence[str], size: int, place: Position) -> dict[str, str]:
    """Texts for some attributes that make an answer in JSON longer by so many bytes, about; another for each request."""
    letters = int(max(0, size) / max(1, len(names)) / _BYTES_A_LETTER)
    pages = _BOOK * (letters // len(_BOOK) + 2)
    starts = [(place.request * 7919 + place.position * 257 + number * 31) % len(_BOOK) for number in range(len(names))]
    return {name: OPENING + pages[start : start + letters] for name, start in zip(names, starts, strict=True)}
