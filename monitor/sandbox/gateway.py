"""The AI gateway: chat completions, models, health, and its own metrics of the spans that it makes.

https://www.truefoundry.com/docs/ai-gateway/headers and …/request-headers. The metrics are as a self-hosted gateway shows them at
/metrics, with the names and labels of the dashboard in https://github.com/truefoundry/infra-charts,
`charts/tfy-grafana/dashboards/llm-gateway-metrics.json`; they count the hop to TrueFoundry's collector, of nothing behind it.
"""

import json
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from monitor.core.model import Instant
from monitor.sandbox.asgi import bearer, behind_cloudflare, routed
from monitor.sandbox.completions import Declined, bad_token, complete, malformed, models, refuse_invalid, unknown_model
from monitor.sandbox.configurations import RequestInfo
from monitor.sandbox.credentials import MODELS, Subject
from monitor.sandbox.other_requests import OtherTraffic
from monitor.sandbox.spans import Chat, GatewaySpan, Outcome, begin_trace, feedback_header, make_spans
from monitor.sandbox.world import World

_LONGEST_TAG = 128
Record = Callable[[tuple[GatewaySpan, ...]], None]


def gateway_app(world: World, record: Record) -> ASGIApp:
    """The ASGI application; every trace made is handed to `record`."""
    gateway = _Gateway(world, record)
    routes = [
        Route("/", _alive),
        Route("/health", _alive),
        Route("/metrics", gateway.metrics),
        *(Route(prefix + "/models", gateway.models) for prefix in ("", "/v1")),
        *(Route(prefix + "/chat/completions", gateway.chat, methods=["POST"]) for prefix in ("", "/v1")),
    ]
    return behind_cloudflare(routed(routes))


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


class _Gateway:
    def __init__(self, world: World, record: Record) -> None:
        self._world = world
        self._record = record

    async def models(self, request: Request) -> Response:
        refusal = self._world.faults.refusal()
        if self._subject(request) is None:
            return bad_token(self._world.variant).response()
        return JSONResponse(models(granted=refusal is not unknown_model))

    async def metrics(self, _request: Request) -> Response:
        shown = self._world.variant.span_metrics
        if shown == "absent":
            return PlainTextResponse("Not Found", 404)
        others = OtherTraffic(self._world)
        requests = len(self._world.served) + others.requests_between(
            self._world.span_metrics.started_at, self._world.now()
        )
        lines = self._world.span_metrics.lines(shown, requests, with_start=shown == "ai_gateway")
        return PlainTextResponse("".join(f"{line}\n" for line in lines))

    async def chat(self, request: Request) -> Response:
        """Complete a chat, or say why not."""
        world, started = self._world, self._world.now()
        subject = self._subject(request)
        if subject is None:
            return bad_token(world.variant).response()
        refusal = world.faults.refusal()
        try:
            chat = self._read(request.headers, await request.body(), subject, started)
        except _MalformedError as error:
            return malformed(str(error)).response()
        if refusal is None and chat.info.model not in MODELS:
            refusal = unknown_model
        if refusal is not None:
            declined: Declined | None = refusal(world.variant, chat.info.model, subject)
        else:
            declined = refuse_invalid(chat.request)
        if declined is None or declined.reached_provider:
            latency = world.faults.seconds("provider_stalls") or world.latency
            if latency:
                await world.pause(latency)
        world.served.append(world.now())
        if declined is None:
            return self._answer(chat)
        if world.variant.refusals == "traced":
            self._trace(chat, Outcome(ended=world.now(), declined=declined))
        return declined.response({} if world.variant.refusals == "untraced" else self._feedback(chat))

    def _subject(self, request: Request) -> Subject | None:
        revoked = self._world.faults.does("revoke_token")
        return None if revoked else self._world.credentials.subjects().get(bearer(request))

    def _read(self, headers: Headers, body: bytes, subject: Subject, started: Instant) -> Chat:
        world = self._world
        try:
            request = json.loads(body)
        except ValueError:
            raise _MalformedError("Request body is not valid JSON") from None
        if not isinstance(request, dict) or not isinstance(request.get("model"), str):
            raise _MalformedError("model: a text is required")
        tags = _tags(headers.get("x-tfy-metadata"))
        logged = _logging(headers.get("x-tfy-logging-config"))
        info = RequestInfo(model=request["model"], subject=subject, tags=tags, logged=logged)
        bodies = world.configurations.is_logged(info)
        strict = world.variant.logging_off == "traces" or world.faults.does("trace_what_is_logged")
        recorded = not world.faults.does("make_no_trace") and (bodies or not strict)
        return Chat(
            started=started,
            context=begin_trace(world.clock, world.variant, headers.get("traceparent", ""), recorded=recorded),
            info=info,
            request=request,
            bodies=bodies,
            destination=world.configurations.destination(info),
        )

    def _answer(self, chat: Chat) -> Response:
        if self._world.faults.does("answer_other_shape"):
            return JSONResponse({"result": "pong", "took": 3}, headers=self._feedback(chat))
        world, now = self._world, self._world.now()
        completion = complete(chat.request, number=world.clock.draw_hex(24), now=now)
        cached = {"x-tfy-cache-status": "miss"}
        if world.faults.does("answer_cached"):
            cached = {"x-tfy-cache-status": "hit", "x-tfy-cached-trace-id": world.clock.draw_hex(32)}
        self._trace(chat, Outcome(ended=now, completion=completion, cached="x-tfy-cached-trace-id" in cached))
        took = (now - chat.started) * 1000
        shown = {
            **self._feedback(chat),
            **cached,
            "x-tfy-resolved-model": chat.info.model,
            "x-tfy-applied-configurations": json.dumps({"ratelimit": [], "budget": [], "loadbalance": []}),
            "server-timing": f"auth;dur=0.6, guardrails;dur=0.1, model;dur={took:.1f}, logging;dur=0.2",
        }
        return JSONResponse(completion, headers=shown)

    def _trace(self, chat: Chat, outcome: Outcome) -> None:
        if not chat.context.recorded:
            self._world.span_metrics.drops["should_trace_false"] += 1
            return
        spans = make_spans(chat, outcome, self._world.clock.draw_hex)
        if self._world.faults.does("lose_at_collector"):
            self._world.span_metrics.exported["failed", "connection_refused"] += len(spans)
            return
        self._world.span_metrics.exported["success", ""] += len(spans)
        self._record(spans)

    def _feedback(self, chat: Chat) -> dict[str, str]:
        return feedback_header(chat.context, chat.destination, self._world.variant)


class _MalformedError(ValueError):
    """A request that the gateway cannot read."""


def _tags(header: str | None) -> dict[str, str]:
    """`X-TFY-METADATA`: a JSON object of texts, none longer than 128 characters."""
    tags = {} if header is None else _object(header, "X-TFY-METADATA")
    for key, value in tags.items():
        if not isinstance(value, str):
            raise _MalformedError(f"X-TFY-METADATA: the value of {key} must be a string")
        if len(value) > _LONGEST_TAG:
            raise _MalformedError(f"X-TFY-METADATA: the value of {key} is longer than {_LONGEST_TAG} characters")
    return {key: str(value) for key, value in tags.items()}


def _logging(header: str | None) -> bool | None:
    """`X-TFY-LOGGING-CONFIG`: `{"enabled": true}` or false."""
    if header is None:
        return None
    enabled = _object(header, "X-TFY-LOGGING-CONFIG").get("enabled", True)
    if not isinstance(enabled, bool):
        raise _MalformedError("X-TFY-LOGGING-CONFIG: enabled must be a boolean")
    return enabled


def _object(header: str, name: str) -> dict[str, object]:
    try:
        value = json.loads(header)
    except ValueError:
        raise _MalformedError(f"{name}: not valid JSON") from None
    if not isinstance(value, dict):
        raise _MalformedError(f"{name}: not a JSON object")
    return value
