"""The routes of health checks, metrics and the API."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from monitor.core.model import TargetName
from monitor.core.silence import Silence
from monitor.ports import Clock
from monitor.web.auth import Guard, Handler
from monitor.web.openapi import document
from monitor.web.payloads import allow_only, as_json, describe_silence, read_object, text_of
from monitor.web.views import NotFound, Operations, Views, add_silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One handler per route."""

    views: Views
    operations: Operations
    clock: Clock

    def routes(self, guard: Guard) -> list[Route]:
        """Every route, each open to whom it is for."""
        read, change = guard.reading, guard.changing
        return [
            Route("/metrics", read(self._metrics)),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/api/openapi.json", read(self._openapi)),
            Route("/api/v1/status", read(self._status)),
            Route("/api/v1/incidents", read(self._incidents)),
            Route("/api/v1/incidents/{id}/ack", change(self._acknowledge), methods=["POST"]),
            Route("/api/v1/checks/{target}/run", change(self._run_checks), methods=["POST"]),
            _by_method("/api/v1/silences", GET=read(self._silences), POST=change(self._add_silence)),
            _by_method("/api/v1/silences/{id}", GET=read(self._silence), DELETE=change(self._expire_silence)),
            Route("/-/reload", change(self._reload), methods=["POST"]),
        ]

    # --- health: whether the loop and the schedule turn; whether everything is in place. No remote service is asked.

    async def _healthz(self, _request: Request) -> Response:
        if self.views.healthy():
            return PlainTextResponse("ok\n")
        return PlainTextResponse("the scheduler does not run\n", status_code=503)

    async def _readyz(self, _request: Request) -> Response:
        conditions = dict(self.views.ready())
        ready = all(conditions.values())
        return as_json({"ready": ready, "conditions": conditions}, 200 if ready else 503)

    # --- to read

    async def _metrics(self, request: Request) -> Response:
        body, content_type = await self.views.metrics(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def _openapi(self, _request: Request) -> Response:
        return as_json(document())

    async def _status(self, _request: Request) -> Response:
        return as_json(self.views.report())

    async def _incidents(self, request: Request) -> Response:
        wanted = request.query_params.get("open", "false").lower()
        if wanted not in {"true", "false", "1", "0"}:
            raise HTTPException(400, "`open` must be true or false")
        return as_json({"incidents": self.views.incidents(open_only=wanted in {"true", "1"})})

    async def _silences(self, _request: Request) -> Response:
        now = self.clock.now()
        return as_json({"silences": [describe_silence(silence, now) for silence in self.views.state().silences]})

    async def _silence(self, request: Request) -> Response:
        return as_json(describe_silence(self._find_silence(request), self.clock.now()))

    # --- to change

    async def _add_silence(self, request: Request) -> Response:
        body = await read_object(request, self.clock)
        return as_json(await add_silence(body, self.views, self.operations, self.clock), 201)

    async def _expire_silence(self, request: Request) -> Response:
        silence = self._find_silence(request)
        await self.operations.expire_silence(silence.id)
        return as_json({"expired": silence.id})

    async def _acknowledge(self, request: Request) -> Response:
        body = await read_object(request, self.clock)
        allow_only(body, "by")
        by = text_of(body, "by").strip() or "the admin token"
        incident_id = request.path_params["id"]
        await self.operations.acknowledge(incident_id, by)
        return as_json({"acknowledged": incident_id, "by": by})

    async def _run_checks(self, request: Request) -> Response:
        target = TargetName(request.path_params["target"])
        checks = await self.operations.run_checks(target)
        return as_json({"target": target, "checks": [check.value for check in checks]}, 202)

    async def _reload(self, _request: Request) -> Response:
        await self.operations.reload()
        return as_json({"reloaded": True})

    def _find_silence(self, request: Request) -> Silence:
        for silence in self.views.state().silences:
            if silence.id == request.path_params["id"]:
                return silence
        raise NotFound("there is no silence of that id")


def _by_method(path: str, **handlers: Handler) -> Route:
    """One route for several methods, so that the answer to a wrong one names them all."""

    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return Route(path, dispatch, methods=list(handlers))
