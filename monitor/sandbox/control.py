"""The sandbox's own API: look at its state, break and mend it, change its dialect. For people and for tests in other languages."""

import re
from collections.abc import Mapping
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.core.model import Seconds
from monitor.sandbox.dialect import SWITCHES
from monitor.sandbox.faults import FAULTS
from monitor.sandbox.serving import json_object, routed
from monitor.sandbox.traffic import ALLOWED, change_traffic
from monitor.sandbox.world import RequestSeen, World

_USUAL_REQUESTS = 200
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


class Controls(Protocol):
    """What the control API may do to the sandbox."""

    @property
    def world(self) -> World:
        """The state."""
        ...

    def state(self) -> Mapping[str, object]:
        """A summary."""
        ...

    def configuration(self) -> Mapping[str, object]:
        """The configuration of a monitor that watches this sandbox."""
        ...

    async def break_(self, name: str, seconds: Seconds | None = None) -> None:
        """Set a fault."""
        ...

    async def fix(self, name: str | None = None) -> None:
        """Clear a fault, or all."""
        ...

    async def reset(self) -> None:
        """Begin anew."""
        ...


def control_app(controls: Controls) -> Starlette:
    """The ASGI application."""
    api = _Control(controls)
    return routed(
        [
            Route("/", api.help),
            Route("/state", api.state),
            Route("/configuration", api.configuration),
            Route("/faults", api.list_faults, methods=["GET"]),
            Route("/faults", api.clear_faults, methods=["DELETE"]),
            Route("/faults/{name}", api.set_fault, methods=["POST", "PUT"]),
            Route("/faults/{name}", api.clear_fault, methods=["DELETE"]),
            Route("/dialect", api.show_dialect, methods=["GET"]),
            Route("/dialect", api.change_dialect, methods=["POST"]),
            Route("/traffic", api.show_traffic, methods=["GET"]),
            Route("/traffic", api.change_traffic, methods=["POST"]),
            Route("/messages", api.messages, methods=["GET"]),
            Route("/traces", api.traces, methods=["GET"]),
            Route("/requests", api.requests, methods=["GET"]),
            Route("/reset", api.reset, methods=["POST"]),
        ]
    )


class _Control:
    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def help(self, _request: Request) -> Response:
        """What there is."""
        return JSONResponse(
            {
                "GET /state": "what is broken, which dialect, what was exported",
                "GET /configuration": "the configuration of a monitor that watches this sandbox",
                "GET /faults": "every fault there is",
                "POST /faults/{name}": 'set one; body {"seconds": n} replaces its delays',
                "DELETE /faults[/{name}]": "mend one, or all",
                "GET, POST /dialect": 'body {"switch": "value"}',
                "GET, POST /traffic": f'how busy others are; body {{"traffic": "20x3x8000"}}: {ALLOWED}',
                "GET /messages": "what was posted to Slack",
                "GET /traces": "what Traceloop has taken in",
                "GET /requests": "the last 200 requests of every service; ?since=SECONDS: up to 5,000 since then",
                "POST /reset": "begin anew",
            }
        )

    async def state(self, _request: Request) -> Response:
        """A summary."""
        return JSONResponse(self._controls.state())

    async def configuration(self, _request: Request) -> Response:
        """A configuration to start with."""
        return JSONResponse(self._controls.configuration())

    async def list_faults(self, _request: Request) -> Response:
        """The registry, and what is set."""
        broken = self._controls.world.broken.names
        return JSONResponse(
            {
                name: {"about": entry.about, "named": [str(fault) for fault in entry.named], "set": name in broken}
                for name, entry in FAULTS.items()
            }
        )

    async def set_fault(self, request: Request) -> Response:
        """Break."""
        name = request.path_params["name"]
        if name not in FAULTS:
            return _refusal(404, f"there is no fault {name!r}")
        seconds = (await json_object(request) or {}).get("seconds")
        if not (
            seconds is None or (isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0)
        ):
            return _refusal(400, "seconds must be a number")
        await self._controls.break_(name, seconds)
        return await self.state(request)

    async def clear_fault(self, request: Request) -> Response:
        """Mend one."""
        name = request.path_params["name"]
        if name not in FAULTS:
            return _refusal(404, f"there is no fault {name!r}")
        await self._controls.fix(name)
        return await self.state(request)

    async def clear_faults(self, request: Request) -> Response:
        """Mend everything."""
        await self._controls.fix()
        return await self.state(request)

    async def show_dialect(self, _request: Request) -> Response:
        """Every switch with its value and what it could be."""
        words = self._controls.world.dialect.words()
        return JSONResponse(
            {
                name: {"about": switch.about, "value": words[name], "values": [str(value) for value in switch.values]}
                for name, switch in SWITCHES.items()
            }
        )

    async def change_dialect(self, request: Request) -> Response:
        """Change some switches."""
        words = {name: str(word) for name, word in (await json_object(request) or {}).items()}
        try:
            self._controls.world.speak(**words)
        except ValueError as error:
            return _refusal(400, str(error))
        return await self.show_dialect(request)

    async def show_traffic(self, _request: Request) -> Response:
        """How busy others are."""
        return JSONResponse(self._controls.world.traffic.as_json())

    async def change_traffic(self, request: Request) -> Response:
        """Make others busier or quieter."""
        world = self._controls.world
        try:
            world.traffic = change_traffic(world.traffic, await json_object(request) or {})
        except ValueError as error:
            return _refusal(400, str(error))
        return await self.show_traffic(request)

    async def messages(self, _request: Request) -> Response:
        """Slack's channels, as they read now."""
        return JSONResponse([message.as_json() for message in self._controls.world.slack.messages])

    async def traces(self, _request: Request) -> Response:
        """Traceloop's rows by trace."""
        traces = self._controls.world.traces()
        return JSONResponse({trace_id: [row.of_list() for row in rows] for trace_id, rows in traces.items()})

    async def requests(self, request: Request) -> Response:
        """The newest requests, without their headers: those hold credentials."""
        seen = list(self._controls.world.requests)
        since = request.query_params.get("since")
        if since is None:
            newest = seen[-_USUAL_REQUESTS:]
        elif _SECONDS.fullmatch(since):
            newest = [each for each in seen if each.at >= float(since)]
        else:
            return _refusal(400, "since must be Unix seconds")
        return JSONResponse([self._shown(each) for each in newest])

    def _shown(self, seen: RequestSeen) -> dict[str, object]:
        return {
            "at": seen.at,
            "host": seen.host,
            "method": seen.method,
            "path": seen.path,
            "query": self._controls.world.credentials.mask(seen.query),
            "bytes": seen.answered,
        }

    async def reset(self, request: Request) -> Response:
        """Begin anew."""
        await self._controls.reset()
        return await self.state(request)


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
