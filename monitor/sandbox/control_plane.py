"""TrueFoundry's control plane: settings, session, its own trace store, and the gateway behind its proxy.

Paths and shapes are those of https://github.com/truefoundry/truefoundry-python-sdk and of the proxy's configuration in
https://github.com/truefoundry/infra-charts; what is shown where a configuration is missing depends on the variant.
"""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from monitor.sandbox.asgi import bearer, behind_cloudflare, json_object, routed
from monitor.sandbox.configurations import EXPORTER, TYPES, Configuration
from monitor.sandbox.credentials import TENANT, Subject
from monitor.sandbox.faults import GLOBAL, LOGGING, OTEL, ROUTING, Manifest
from monitor.sandbox.other_requests import OtherTraffic
from monitor.sandbox.own_store import BadQuery, query_spans
from monitor.sandbox.spans import iso
from monitor.sandbox.variants import Variant
from monitor.sandbox.world import World


def control_plane_app(world: World, gateway: ASGIApp) -> ASGIApp:
    """The ASGI application; `gateway` is what its proxy shows under /api/llm."""
    plane = _ControlPlane(world)
    routes = [
        Route("/health", _health),
        Route("/api/svc/v1/session", plane.session),
        Route("/api/svc/v1/llm-gateway/config/{kind}", plane.read, methods=["GET"]),
        Route("/api/svc/v1/spans/query", plane.find_spans, methods=["POST"]),
        Route("/api/svc/v1/llm-gateway/metrics/query", plane.count_requests, methods=["POST"]),
        Mount("/api/llm", app=gateway),
    ]
    return behind_cloudflare(routed(routes))


async def _health(_request: Request) -> Response:
    """A static answer of the proxy: it proves only the proxy."""
    return PlainTextResponse("OK!")


class _ControlPlane:
    def __init__(self, world: World) -> None:
        self._world = world

    async def session(self, request: Request) -> Response:
        """200 whatever the token: only a user with a tenant is a session."""
        subject = self._subject(request)
        user = {"id": subject.id, "tenantName": TENANT, **subject.as_json()} if subject else None
        return JSONResponse({"user": user, "env": {"TENANT_NAME": TENANT, "LLM_GATEWAY_URL": "/api/llm"}})

    async def read(self, request: Request) -> Response:
        subject, kind, variant = self._subject(request), request.path_params["kind"], self._world.variant
        if subject is None:
            return _unauthorized()
        if not subject.may_read_settings or self._world.faults.does("forbid_settings"):
            return _error(403, "You do not have permission to list gateway controls")
        if kind not in TYPES:
            return _error(400, f"Invalid gateway config type: {kind}")
        if kind in {LOGGING, GLOBAL, ROUTING} and variant.other_settings == "forbidden":
            return _error(403, f"You do not have permission to read {kind}")
        kept = self._world.configurations.read(kind)
        nothing = kept is None or (kind == OTEL and kept.manifest.get(EXPORTER) is None)
        if nothing and variant.off == "200-null":
            return JSONResponse(None)
        if kept is None or (nothing and variant.off == "404"):
            return _error(404, f"Gateway config of type {kind} not found")
        return JSONResponse(self._logging() if kind == LOGGING else _envelope(kind, kept, variant))

    def _logging(self) -> object:
        """Logging configurations, of which there may be several."""
        envelopes = [_envelope(LOGGING, kept, self._world.variant) for kept in self._world.configurations.all(LOGGING)]
        if self._world.variant.other_settings == "list":
            return envelopes
        if len(envelopes) == 1:
            return envelopes[0]
        rules = [envelope["manifest"] for envelope in envelopes]
        return {**envelopes[-1], "manifest": {"type": LOGGING, "rules": rules}}

    async def count_requests(self, request: Request) -> Response:
        """Count what the gateway served (https://www.truefoundry.com/docs/ai-gateway/fetch-model-metrics)."""
        if self._subject(request) is None:
            return _unauthorized()
        body = await json_object(request) or {}
        try:
            since, until = (datetime.fromisoformat(str(body[name])).timestamp() for name in ("startTs", "endTs"))
        except (KeyError, ValueError):
            return _error(400, "startTs and endTs must be ISO 8601 timestamps")
        if body.get("datasource") != "modelMetrics" or body.get("type") != "distribution":
            return _error(400, "datasource and type are required")
        until = min(until, self._world.now())
        ours = sum(since <= served < until for served in self._world.served)
        total = ours + OtherTraffic(self._world).requests_between(since, until)
        return JSONResponse({"data": {"dataPoints": [{"total": total, "countModelName": total}] if total else []}})

    async def find_spans(self, request: Request) -> Response:
        """Query TrueFoundry's own store."""
        subject, store = self._subject(request), self._world.variant.own_store
        if subject is None:
            return _unauthorized()
        if store == "forbidden":
            return _error(403, "You do not have permission to read traces")
        body = await json_object(request)
        if body is None:
            return _error(400, "Request body must be a JSON object")
        hidden = store == "hidden" or self._world.faults.does("hide_own_store")
        now = self._world.now()
        visible = [] if hidden else [kept.span for kept in self._world.own_spans if kept.visible_at <= now]
        own = [span for span in visible if subject.sees_all_traces or span.subject == subject]
        others = OtherTraffic(self._world, seen=subject.sees_all_traces and not hidden)
        try:
            return JSONResponse(query_spans(own, body, now=now, others=others))
        except BadQuery as error:
            return _error(400, str(error))

    def _subject(self, request: Request) -> Subject | None:
        signed_out = self._world.faults.does("forget_session")
        return None if signed_out else self._world.credentials.subjects().get(bearer(request))


def _envelope(kind: str, kept: Configuration, variant: Variant) -> dict[str, object]:
    return {
        "id": f"sandbox-{kind}",
        "tenantName": TENANT,
        "type": kind,
        "manifest": _shown(kept.manifest, variant) if kind == OTEL else kept.manifest,
        "createdBySubject": kept.updated_by.as_json(),
        "createdAt": iso(kept.created_at),
        "updatedAt": iso(kept.updated_at),
    }


def _shown(manifest: Manifest, variant: Variant) -> Manifest:
    """The exporter's manifest as this variant shows it: whether it is there, and the values of its headers."""
    exporter = manifest.get(EXPORTER)
    if not isinstance(exporter, dict):
        rest = {name: value for name, value in manifest.items() if name != EXPORTER}
        return {**rest, EXPORTER: None} if variant.off == "null" else rest
    headers = exporter.get("headers")
    if not isinstance(headers, dict):
        return manifest
    if variant.header_values == "absent":
        return {**manifest, EXPORTER: {name: value for name, value in exporter.items() if name != "headers"}}
    if variant.header_values == "masked":
        headers = dict.fromkeys(headers, "********")
    if variant.header_values == "reference":
        headers = {name: f"tfy-secret://{TENANT}:otel:{name.lower()}" for name in headers}
    return {**manifest, EXPORTER: {**exporter, "headers": headers}}


def _unauthorized() -> Response:
    return _error(401, "Unauthorized")


def _error(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status_code=status)
