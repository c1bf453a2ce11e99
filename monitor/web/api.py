"""The handlers of the API, of health, and of the pages: each asks, and answers what it was told."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from monitor.core.model import Fault, TargetName
from monitor.core.silence import Silence
from monitor.ports import Clock
from monitor.web.bodies import as_json, only, read_object, text_of
from monitor.web.operations import Operations, Rejected, Unknown, Views
from monitor.web.page import status_page
from monitor.web.runbooks import runbook_page
from monitor.web.silences import covered, describe_silence, parse_silence

_ID_DIGITS = 8
_LONGEST_NAME = 100


class Handlers:
    """Every route's function."""

    def __init__(self, views: Views, operations: Operations, clock: Clock) -> None:
        self._views = views
        self._operations = operations
        self._clock = clock

    # --- health

    async def healthy(self, _request: Request) -> Response:
        """Whether the loop and the schedule turn."""
        well = self._views.healthy()
        return PlainTextResponse("ok\n" if well else "the schedule does not turn\n", status_code=200 if well else 503)

    async def ready(self, _request: Request) -> Response:
        """Whether everything is in place and nothing is being taken down; no remote service is asked."""
        conditions = dict(self._views.ready())
        met = all(conditions.values())
        return as_json({"ready": met, "conditions": conditions}, 200 if met else 503)

    # --- to read

    async def page(self, _request: Request) -> Response:
        """The status page."""
        return HTMLResponse(
            status_page(
                self._views.report(),
                self._views.state(),
                troubles=self._views.troubles(),
                version=self._views.version,
                now=self._clock.now(),
            )
        )

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        body, content_type = await self._views.metrics(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def runbook(self, request: Request) -> Response:
        """The runbook of one fault."""
        try:
            fault = Fault(request.path_params["fault"])
        except ValueError:
            raise HTTPException(404, "there is no runbook of that name") from None
        return HTMLResponse(runbook_page(fault))

    async def status(self, _request: Request) -> Response:
        """What is true now."""
        return as_json(self._views.report())

    async def incidents(self, request: Request) -> Response:
        """The incidents remembered, newest first."""
        wanted = request.query_params.get("open", "false").lower()
        if wanted not in {"true", "false", "1", "0"}:
            raise HTTPException(400, "`open` must be true or false")
        return as_json({"incidents": self._views.incidents(open_only=wanted in {"true", "1"})})

    async def silences(self, _request: Request) -> Response:
        """All silences, those of the configuration too."""
        now = self._clock.now()
        return as_json({"silences": [describe_silence(silence, now) for silence in self._views.state().silences]})

    async def silence(self, request: Request) -> Response:
        """One of them."""
        return as_json(describe_silence(self._find_silence(request), self._clock.now()))

    # --- to change

    async def add_silence(self, request: Request) -> Response:
        """A new one, and which targets it covers."""
        body = await read_object(request, self._clock)
        now = self._clock.now()
        silence = parse_silence(body, identifier=self._clock.draw_hex(_ID_DIGITS), now=now)
        covers = covered(silence, self._views.report()["targets"])
        await self._operations.add_silence(silence)
        return as_json({**describe_silence(silence, now), "covers": covers}, 201)

    async def expire_silence(self, request: Request) -> Response:
        """End one."""
        silence = self._find_silence(request)
        await self._operations.expire_silence(silence.id)
        return as_json({"expired": silence.id})

    async def acknowledge(self, request: Request) -> Response:
        """Somebody has it."""
        body = await read_object(request, self._clock)
        only(body, "by")
        by = text_of(body, "by", limit=_LONGEST_NAME, default="").strip() or "the API"
        incident_id = request.path_params["id"]
        await self._operations.acknowledge(incident_id, by)
        return as_json({"acknowledged": incident_id, "by": by})

    async def run_checks(self, request: Request) -> Response:
        """Look now."""
        target = TargetName(request.path_params["target"])
        checks = await self._operations.run_checks(target)
        return as_json({"target": target, "checks": [check.value for check in checks]}, 202)

    async def reload(self, _request: Request) -> Response:
        """Read the configuration again."""
        await self._operations.reload()
        return as_json({"reloaded": True})

    def _find_silence(self, request: Request) -> Silence:
        wanted = request.path_params["id"]
        for silence in self._views.state().silences:
            if silence.id == wanted:
                return silence
        raise Unknown("there is no silence of that id")


async def on_http_error(_request: Request, error: Exception) -> Response:
    """What a handler refused, as JSON."""
    if not isinstance(error, HTTPException):
        raise error
    response = as_json({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def on_unknown(_request: Request, error: Exception) -> Response:
    """There is nothing of that name."""
    return as_json({"error": str(error)}, 404)


async def on_rejected(_request: Request, error: Exception) -> Response:
    """It cannot be done as things stand."""
    return as_json({"error": str(error)}, 422)


async def on_bug(_request: Request, _error: Exception) -> Response:
    """A bug of ours: the log has the traceback, the answer has nothing of it."""
    return as_json({"error": "internal error"}, 500)


ERRORS = {HTTPException: on_http_error, Unknown: on_unknown, Rejected: on_rejected, Exception: on_bug}
