"""The AI gateway: chat completions, models, health.

https://www.truefoundry.com/docs/ai-gateway/headers and …/request-headers; error answers are in `declined`, traces in `tracing`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from monitor.core.model import Instant
from monitor.sandbox.credentials import MODELS, Subject
from monitor.sandbox.dialect import Refusals
from monitor.sandbox.dialect import SpanMetrics as Shown
from monitor.sandbox.faults.kinds import Refusal, Twist
from monitor.sandbox.serving import bearer, routed
from monitor.sandbox.truefoundry.declined import Declined, decline, malformed
from monitor.sandbox.truefoundry.front import WithFrontDoor
from monitor.sandbox.truefoundry.provider import as_events, complete, object_to
from monitor.sandbox.truefoundry.settings import Asked, destination, is_logged
from monitor.sandbox.truefoundry.span_metrics import SpanMetrics
from monitor.sandbox.truefoundry.spans import Exchange, GatewaySpan, make_spans
from monitor.sandbox.truefoundry.tracing import TraceContext, begin_trace, feedback_header
from monitor.sandbox.world import World

_LONGEST_TAG = 128
_PATHS = (
    "/chat/completions",
    "/v1/chat/completions",
    "/api/inference/openai/chat/completions",
    "/api/inference/openai/v1/chat/completions",
)
Record = Callable[[tuple[GatewaySpan, ...]], None]


def gateway_app(world: World, record: Record) -> ASGIApp:
    """The ASGI application; every trace made is handed to `record`."""
    gateway = _Gateway(world, record)
    routes = [
        Route("/", _alive),
        Route("/health", _alive),
        Route("/metrics", gateway.metrics),
        *(Route(prefix + "/models", gateway.models) for prefix in ("", "/v1")),
        *(Route(path, gateway.chat, methods=["POST"]) for path in _PATHS),
    ]
    return WithFrontDoor(routed(routes))


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chat:
    """One request to complete a chat, read and found to be well-formed as far as it is needed."""

    started: Instant
    context: TraceContext
    subject: Subject
    model: str
    request: Mapping[str, object]
    tags: Mapping[str, str]
    bodies: bool
    destination: str


class _Gateway:
    def __init__(self, world: World, record: Record) -> None:
        self._world = world
        self._record = record
        self._cache: dict[str, tuple[str, dict[str, object]]] = {}
        self._metrics = SpanMetrics(world.now())

    async def models(self, request: Request) -> Response:
        """The models that the token may use."""
        subject = self._world.subject(bearer(request))
        if subject is None or self._world.broken.refusal() is Refusal.TOKEN:
            return _as_response(self._decline(Refusal.TOKEN, "", Subject(slug="unknown")))
        granted = () if self._world.broken.refusal() is Refusal.MODEL else MODELS
        owned = [
            {"id": name, "object": "model", "created": 1_760_000_000, "owned_by": name.partition("/")[0]}
            for name in granted
        ]
        return JSONResponse({"object": "list", "data": owned})

    async def metrics(self, _request: Request) -> Response:
        """Its own metrics of the first hop, as a self-hosted gateway shows them; other gateways show none."""
        shown = self._world.dialect.span_metrics
        if shown is Shown.ABSENT:
            return PlainTextResponse("Not Found", 404)
        return PlainTextResponse(self._metrics.page(shown, with_start=shown is Shown.AI_GATEWAY))

    async def chat(self, request: Request) -> Response:
        """Complete a chat, or say why not."""
        started = self._world.now()
        subject = self._world.subject(bearer(request))
        refusal = self._world.broken.refusal()
        if subject is None or refusal is Refusal.TOKEN:
            return _as_response(self._decline(Refusal.TOKEN, "", Subject(slug="unknown")))
        try:
            chat = self._read(request.headers, await request.body(), subject, started)
        except _Malformed as error:
            return _as_response(malformed(str(error)))
        declined = self._judge(chat, refusal)
        if declined is None or declined.reached_provider:
            await self._ask_provider()
        if declined is not None:
            return self._refuse(chat, declined)
        return self._answer(chat, request.headers)

    def _read(self, headers: Headers, body: bytes, subject: Subject, started: Instant) -> _Chat:
        try:
            asked = json.loads(body)
        except ValueError:
            raise _Malformed("Request body is not valid JSON") from None
        if not isinstance(asked, dict) or not isinstance(asked.get("model"), str):
            raise _Malformed("model: a text is required")
        tags = _tags(headers.get("x-tfy-metadata"))
        model = asked["model"]
        wanted = _logging(headers.get("x-tfy-logging-config"))
        request = Asked(model=model, subject=subject, tags=tags, logged=wanted)
        logged = is_logged(self._world.settings, request)
        return _Chat(
            started=started,
            context=begin_trace(self._world, headers.get("traceparent", ""), logged=logged),
            subject=subject,
            model=model,
            request=asked,
            tags=tags,
            bodies=logged,
            destination=destination(self._world.settings, request),
        )

    def _judge(self, chat: _Chat, refusal: Refusal | None) -> Declined | None:
        if refusal is not None:
            return self._decline(refusal, chat.model, chat.subject)
        if chat.model not in MODELS:
            return self._decline(Refusal.MODEL, chat.model, chat.subject)
        return object_to(chat.request)

    def _decline(self, refusal: Refusal, model: str, subject: Subject) -> Declined:
        return decline(refusal, model=model, subject=subject, bodies=self._world.dialect.error_bodies)

    async def _ask_provider(self) -> None:
        latency = self._world.broken.seconds(Twist.PROVIDER_STALLS) or self._world.latency
        if latency:
            await self._world.pause(latency)

    def _refuse(self, chat: _Chat, declined: Declined) -> Response:
        how = self._world.dialect.refusals
        if how is Refusals.TRACED:
            self._trace(chat, declined=declined)
        headers = {} if how is Refusals.UNTRACED else self._feedback(chat)
        return _as_response(declined, headers)

    def _answer(self, chat: _Chat, asked: Headers) -> Response:
        if self._world.broken.does(Twist.ANSWER_OTHER_SHAPE):
            return JSONResponse({"result": "pong", "took": 3}, headers=self._feedback(chat))
        completion, cached = self._completion(chat, asked)
        self._trace(chat, completion=completion, cached=bool(cached))
        took = (self._world.now() - chat.started) * 1000
        headers = {
            **self._feedback(chat),
            **cached,
            "x-tfy-resolved-model": chat.model,
            "x-tfy-applied-configurations": json.dumps({"ratelimit": [], "budget": [], "loadbalance": []}),
            "server-timing": f"auth;dur=0.6, guardrails;dur=0.1, model;dur={took:.1f}, logging;dur=0.2",
        }
        headers.setdefault("x-tfy-cache-status", "miss")
        if chat.request.get("stream") is True:
            return Response(as_events(completion), media_type="text/event-stream", headers=headers)
        return JSONResponse(completion, headers=headers)

    def _completion(self, chat: _Chat, asked: Headers) -> tuple[dict[str, object], dict[str, str]]:
        """The completion, and the headers that betray a cached one."""
        key = json.dumps(chat.request, sort_keys=True)
        hit = self._cache.get(key) if "x-tfy-cache-config" in asked else None
        number = self._world.clock.draw_hex(24)
        if self._world.broken.does(Twist.ANSWER_CACHED):
            hit = (self._world.clock.draw_hex(32), complete(chat.request, number=number, now=self._world.now()))
        if hit is not None:
            return hit[1], {"x-tfy-cache-status": "hit", "x-tfy-cached-trace-id": hit[0]}
        completion = complete(chat.request, number=number, now=self._world.now())
        if "x-tfy-cache-config" in asked:
            self._cache[key] = (chat.context.trace_id, completion)
        return completion, {}

    def _trace(
        self,
        chat: _Chat,
        *,
        completion: Mapping[str, object] | None = None,
        declined: Declined | None = None,
        cached: bool = False,
    ) -> None:
        if not chat.context.recorded:
            self._metrics.drop("should_trace_false")
            return
        exchange = Exchange(
            trace_id=chat.context.trace_id,
            root_id=chat.context.span_id,
            parent_id=chat.context.parent_id,
            started=chat.started,
            ended=self._world.now(),
            model=chat.model,
            subject=chat.subject,
            destination=chat.destination,
            tags=chat.tags,
            bodies=chat.bodies,
            request=chat.request,
            completion=completion,
            status=declined.status if declined else 200,
            error=declined.message if declined else "",
            error_type=declined.kind if declined else "",
            reached_provider=not cached and (declined is None or declined.reached_provider),
            guardrails=declined.guardrails if declined else (),
        )
        spans = make_spans(exchange, self._world.clock.draw_hex)
        if self._world.broken.does(Twist.LOSE_AT_COLLECTOR):
            self._metrics.lose(len(spans), "connection_refused")
            return
        self._metrics.export(len(spans))
        self._record(spans)

    def _feedback(self, chat: _Chat) -> dict[str, str]:
        return feedback_header(chat.context, chat.destination, self._world.dialect.feedback)


class _Malformed(ValueError):
    """A request that the gateway cannot read."""


def _tags(header: str | None) -> dict[str, str]:
    """`X-TFY-METADATA`: a JSON object of texts, none longer than 128 characters."""
    if header is None:
        return {}
    tags = _object(header, "X-TFY-METADATA")
    for key, value in tags.items():
        if not isinstance(value, str):
            raise _Malformed(f"X-TFY-METADATA: the value of {key} must be a string")
        if len(value) > _LONGEST_TAG:
            raise _Malformed(f"X-TFY-METADATA: the value of {key} is longer than {_LONGEST_TAG} characters")
    return {key: str(value) for key, value in tags.items()}


def _logging(header: str | None) -> bool | None:
    """`X-TFY-LOGGING-CONFIG`: `{"enabled": true}` or false."""
    if header is None:
        return None
    enabled = _object(header, "X-TFY-LOGGING-CONFIG").get("enabled", True)
    if not isinstance(enabled, bool):
        raise _Malformed("X-TFY-LOGGING-CONFIG: enabled must be a boolean")
    return enabled


def _object(header: str, name: str) -> dict[str, object]:
    try:
        value = json.loads(header)
    except ValueError:
        raise _Malformed(f"{name}: not valid JSON") from None
    if not isinstance(value, dict):
        raise _Malformed(f"{name}: not a JSON object")
    return value


def _as_response(declined: Declined, headers: Mapping[str, str] | None = None) -> Response:
    more = {**(headers or {}), **declined.headers}
    if isinstance(declined.body, str):
        return PlainTextResponse(declined.body, declined.status, more)
    return JSONResponse(declined.body, declined.status, more)
