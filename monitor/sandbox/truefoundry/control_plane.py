"""TrueFoundry's control plane: settings, session, its own trace store, and the gateway behind its proxy.

Paths and shapes are those of https://github.com/truefoundry/truefoundry-python-sdk and of the proxy's configuration in
https://github.com/truefoundry/infra-charts; what is shown where a configuration is missing depends on the dialect.
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from monitor.sandbox.credentials import ADMIN, TENANT, Subject
from monitor.sandbox.dialect import HeaderValues, Off, OtherSettings, OwnStore
from monitor.sandbox.faults.kinds import GLOBAL, LOGGING, OTEL, ROUTING, Manifest, Twist
from monitor.sandbox.serving import bearer, json_object, routed
from monitor.sandbox.truefoundry.crowd import OwnCrowd
from monitor.sandbox.truefoundry.front import WithFrontDoor
from monitor.sandbox.truefoundry.manifests import problem_of
from monitor.sandbox.truefoundry.own_store import BadQuery, query_spans
from monitor.sandbox.truefoundry.settings import EXPORTER, TYPES, Kept
from monitor.sandbox.truefoundry.stamps import iso
from monitor.sandbox.world import World

_MASK = "********"
_OTHERS = frozenset({LOGGING, GLOBAL, ROUTING})


def control_plane_app(world: World, gateway: ASGIApp) -> ASGIApp:
    """The ASGI application; `gateway` is what its proxy shows under /api/llm."""
    plane = _ControlPlane(world)
    config = "/api/svc/v1/llm-gateway/config/{kind}"
    routes = [
        Route("/health", _health),
        Route("/api/svc/v1/session", plane.session),
        Route("/api/svc/v1/tenant-id", _tenant),
        Route(config, plane.read, methods=["GET"]),
        Route(config, plane.delete, methods=["DELETE"]),
        Route("/api/svc/v1/apply", plane.apply, methods=["PUT"]),
        Route("/api/svc/v1/spans/query", plane.find_spans, methods=["POST"]),
        Mount("/api/llm", app=gateway),
    ]
    return WithFrontDoor(routed(routes))


async def _health(_request: Request) -> Response:
    """A static answer of the proxy: it proves only the proxy."""
    return PlainTextResponse("OK!")


async def _tenant(_request: Request) -> Response:
    return JSONResponse({"tenant_name": TENANT})


class _ControlPlane:
    def __init__(self, world: World) -> None:
        self._world = world

    async def session(self, request: Request) -> Response:
        """200 whatever the token: only a user with a tenant is a session."""
        subject = self._subject(request)
        user = {"id": subject.id, "tenantName": TENANT, **subject.as_json()} if subject else None
        return JSONResponse({"user": user, "env": {"TENANT_NAME": TENANT, "LLM_GATEWAY_URL": "/api/llm"}})

    async def read(self, request: Request) -> Response:
        """Show one configuration."""
        subject = self._subject(request)
        kind = request.path_params["kind"]
        if subject is None:
            return _error(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        if not subject.may_read_settings or self._world.broken.does(Twist.FORBID_SETTINGS):
            return _error(HTTPStatus.FORBIDDEN, "You do not have permission to list gateway controls")
        if kind not in TYPES:
            return _error(HTTPStatus.BAD_REQUEST, f"Invalid gateway config type: {kind}")
        if kind in _OTHERS and self._world.dialect.other_settings is OtherSettings.FORBIDDEN:
            return _error(HTTPStatus.FORBIDDEN, f"You do not have permission to read {kind}")
        kept = self._world.settings.read(kind)
        off = self._world.dialect.off
        nothing = kept is None or (kind == OTEL and kept.manifest.get(EXPORTER) is None)
        if nothing and off is Off.NULL_BODY:
            return JSONResponse(None)
        if kept is None or (nothing and off is Off.NOT_FOUND):
            return _error(HTTPStatus.NOT_FOUND, f"Gateway config of type {kind} not found")
        return JSONResponse(self._logging() if kind == LOGGING else self._envelope(kind, kept))

    def _logging(self) -> object:
        """Logging configurations, of which there may be several."""
        every = self._world.settings.all(LOGGING)
        if self._world.dialect.other_settings is OtherSettings.LIST:
            return [self._envelope(LOGGING, kept) for kept in every]
        envelope = self._envelope(LOGGING, every[-1])
        if len(every) == 1:
            return envelope
        return {**envelope, "manifest": {"type": LOGGING, "rules": [kept.manifest for kept in every]}}

    async def delete(self, request: Request) -> Response:
        """Forget one configuration."""
        refused = self._may_not_write(request)
        if refused:
            return refused
        self._world.settings.delete(request.path_params["kind"])
        return JSONResponse({})

    async def apply(self, request: Request) -> Response:
        """Create or update what a manifest describes."""
        refused = self._may_not_write(request)
        if refused:
            return refused
        body = await json_object(request)
        manifest = body.get("manifest") if body else None
        if not isinstance(manifest, dict) or manifest.get("type") not in TYPES:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "manifest: an object of a known type is required")
        problem = problem_of(manifest)
        if problem:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, problem)
        kind = str(manifest["type"])
        before = self._world.settings.find(manifest)
        if body and body.get("dryRun") is not True:
            self._world.settings.apply(kind, manifest, self._subject(request) or ADMIN)
        kept = self._world.settings.find(manifest)
        return JSONResponse(
            {
                "existingManifest": before.manifest if before else None,
                "action": "UPDATE" if before else "CREATE",
                "data": self._envelope(kind, kept) if kept else None,
            }
        )

    async def find_spans(self, request: Request) -> Response:
        """Query TrueFoundry's own store."""
        subject = self._subject(request)
        if subject is None:
            return _error(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        store = self._world.dialect.own_store
        if store is OwnStore.FORBIDDEN:
            return _error(HTTPStatus.FORBIDDEN, "You do not have permission to read traces")
        body = await json_object(request)
        if body is None:
            return _error(HTTPStatus.BAD_REQUEST, "Request body must be a JSON object")
        hidden = store is OwnStore.HIDDEN or self._world.broken.does(Twist.HIDE_OWN_STORE)
        now = self._world.now()
        visible = [] if hidden else [kept.span for kept in self._world.own_spans if kept.visible_at <= now]
        own = [span for span in visible if subject.sees_all_traces or span.subject == subject]
        crowd = OwnCrowd(self._world, seen=subject.sees_all_traces and not hidden)
        try:
            return JSONResponse(query_spans(own, body, now=now, crowd=crowd))
        except BadQuery as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))

    def _subject(self, request: Request) -> Subject | None:
        if self._world.broken.does(Twist.FORGET_SESSION):
            return None
        return self._world.subject(bearer(request))

    def _may_not_write(self, request: Request) -> Response | None:
        subject = self._subject(request)
        if subject is None:
            return _error(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        if not subject.may_write_settings:
            return _error(HTTPStatus.FORBIDDEN, "You do not have permission to manage gateway controls")
        return None

    def _envelope(self, kind: str, kept: Kept) -> dict[str, object]:
        return {
            "id": f"sandbox-{kind}",
            "tenantName": TENANT,
            "type": kind,
            "manifest": self._shown(kept.manifest) if kind == OTEL else kept.manifest,
            "createdBySubject": kept.updated_by.as_json(),
            "createdAt": iso(kept.created_at),
            "updatedAt": iso(kept.updated_at),
        }

    def _shown(self, manifest: Manifest) -> Manifest:
        """The manifest as this dialect shows it."""
        exporter = manifest.get(EXPORTER)
        if not isinstance(exporter, dict):
            rest = {name: value for name, value in manifest.items() if name != EXPORTER}
            return {**rest, EXPORTER: None} if self._world.dialect.off is Off.NULL else rest
        return {**manifest, EXPORTER: _with_shown_headers(exporter, self._world.dialect.header_values)}


def _with_shown_headers(exporter: Manifest, how: HeaderValues) -> Manifest:
    headers = exporter.get("headers")
    if how is HeaderValues.LITERAL or not isinstance(headers, dict):
        return exporter
    if how is HeaderValues.ABSENT:
        return {name: value for name, value in exporter.items() if name != "headers"}
    masked = how is HeaderValues.MASKED
    shown = {name: _MASK if masked else f"tfy-secret://{TENANT}:otel:{name.lower()}" for name in headers}
    return {**exporter, "headers": shown}


def _error(status: HTTPStatus, message: str) -> Response:
    return JSONResponse({"statusCode": int(status), "message": message}, status_code=status)
