"""The sandbox as a whole: four services and an exporter over one world, and the API by which it is looked at, broken and fixed."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from monitor.clock import SystemClock
from monitor.core.model import Seconds
from monitor.http import InProcess, Network
from monitor.ports import Clock
from monitor.redaction import Redactor
from monitor.sandbox.asgi import WithTransportFaults, json_object, routed, with_request_log
from monitor.sandbox.control_plane import control_plane_app
from monitor.sandbox.credentials import CHANNEL, ENVIRONMENT, EXPORTED_ATTRIBUTE, MODEL, ON_CALL, PROJECT, BackendKind
from monitor.sandbox.exporter import Exporter
from monitor.sandbox.fault_table import FAULTS
from monitor.sandbox.faults import Host
from monitor.sandbox.gateway import gateway_app
from monitor.sandbox.phoenix import phoenix_app
from monitor.sandbox.ports import LOOPBACK, Ports
from monitor.sandbox.slack import CheckMessage, SlackApi, check_size
from monitor.sandbox.slack_socket import NotPressed
from monitor.sandbox.spans import GatewaySpan
from monitor.sandbox.traceloop import traceloop_app
from monitor.sandbox.traffic import ALLOWED, NO_TRAFFIC, NOT_IN_PHOENIX, Traffic, change_traffic
from monitor.sandbox.variants import SWITCHES, Variant
from monitor.sandbox.world import World

DEFAULT = Variant()
LATENCY: Seconds = 0.35
"""How long the provider takes for a completion on real sockets."""
_USUAL_REQUESTS = 200
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


class Sandbox:
    """Four remote services that behave, and misbehave, as the public record says.

    `time_factor` multiplies every delay of theirs (exporter, caches, index, slowness): 0.1 makes them ten times as fast.
    `content`: whether the healthy exporter sends request and response content. `latency`: what a completion takes.
    `traffic`: how busy others are, whose traces are beside the monitor's. `check_message`: for what Slack refuses a message.
    `backend`: what stands at the host `traceloop`.
    The applications in `apps` are at `https://<host>`, or below `domain`, for whoever asks them in this process; with `ports`,
    they are on sockets.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        variant: Variant = DEFAULT,
        time_factor: float = 1.0,
        content: bool = False,
        latency: Seconds = 0.0,
        traffic: Traffic = NO_TRAFFIC,
        check_message: CheckMessage = check_size,
        domain: str = "",
        ports: Ports | None = None,
        backend: BackendKind = BackendKind.TRACELOOP,
    ) -> None:
        self._ports = ports
        self._first_variant = variant
        self.world = World(
            clock=clock,
            variant=variant,
            time_factor=time_factor,
            content=content,
            latency=latency,
            traffic=traffic,
            check_message=check_message,
            backend=backend,
        )
        self.apps = self._build()
        names = {host: f"{host}.{domain}" if domain else str(host) for host in self.apps}
        self._urls: Mapping[Host, str] = {host: f"https://{name}" for host, name in names.items()}
        self.exporter = Exporter(
            self.world,
            InProcess({names[host]: app for host, app in self.apps.items()})
            if ports is None
            else Network(redactor=Redactor(), proxy="", deny_link_local=False),
        )

    def _build(self) -> Mapping[Host, ASGIApp]:
        world = self.world

        def faulty(app: ASGIApp, host: Host, *, proxied: bool = False) -> ASGIApp:
            return WithTransportFaults(app, host, world.faults, world.pause, proxied=proxied)

        gateway = gateway_app(world, self._record)
        services: dict[Host, ASGIApp] = {
            Host.CONTROL_PLANE: control_plane_app(world, faulty(gateway, Host.GATEWAY, proxied=True)),
            Host.GATEWAY: gateway,
            Host.TRACELOOP: traceloop_app(world) if world.backend is BackendKind.TRACELOOP else phoenix_app(world),
            Host.SLACK: SlackApi(world.slack, world.faults, world.clock, world.time_factor).app(),
        }
        served = {
            host: with_request_log(faulty(app, host), host, world.requests, world.now) for host, app in services.items()
        }
        return {**served, Host.CONTROL: control_app(self)}

    def _record(self, spans: tuple[GatewaySpan, ...]) -> None:
        self.world.keep(spans)
        self.exporter.offer(spans)

    # --- start and stop

    async def start(self) -> None:
        """Open every host and begin exporting. Raises OSError for a port that is taken."""
        if self._ports is not None:
            self._urls = await self._ports.open(self.apps)
        self.world.configure(self.traceloop_url)
        self.exporter.start()

    async def stop(self) -> None:
        """End at once; what is under way is dropped."""
        await self.exporter.stop()
        if self._ports is not None:
            await self._ports.close()

    # --- where everything is to be found

    @property
    def control_plane_url(self) -> str:
        """TrueFoundry's control plane."""
        return self._urls[Host.CONTROL_PLANE]

    @property
    def gateway_url(self) -> str:
        """The gateway; the same one is at {control_plane_url}/api/llm."""
        return self._urls[Host.GATEWAY]

    @property
    def traceloop_url(self) -> str:
        """Traceloop's ingest and read API."""
        return self._urls[Host.TRACELOOP]

    @property
    def slack_api_url(self) -> str:
        """Slack's Web API, with a slash at the end."""
        return f"{self._urls[Host.SLACK]}/api/"

    @property
    def slack_webhook_url(self) -> str:
        """An incoming webhook."""
        return f"{self._urls[Host.SLACK]}{self.world.credentials.webhook_path}"

    @property
    def control_url(self) -> str:
        """The sandbox's own API."""
        return self._urls[Host.CONTROL]

    def configuration(self) -> dict[str, object]:
        """The configuration of a monitor with one target, `demo`, that watches this sandbox."""
        credentials = self.world.credentials
        name, value = EXPORTED_ATTRIBUTE
        demo = {
            "control_plane": {"url": self.control_plane_url, "token": credentials.token},
            "gateway": {
                "url": self.gateway_url,
                "token": credentials.token,
                "model": MODEL,
                "metrics_url": f"{self.gateway_url}/metrics",
            },
            **self._backend(),
            "expected": {"exclude_request_data": not self.world.content, "resource_attributes": {name: value}},
        }
        slack = {"bot_token": credentials.bot_token, "channel": CHANNEL, "api_url": self.slack_api_url}
        return {"targets": {"demo": demo}, "alerting": {"slack": slack}}

    def _backend(self) -> dict[str, object]:
        """The section of the backend."""
        kind, url, keys = self.world.backend, self.traceloop_url, self.world.credentials.keys
        if kind is not BackendKind.TRACELOOP:
            key = {"api_key": keys[ENVIRONMENT]} if kind.authenticates else {}
            return {"phoenix": {"url": url, "project": PROJECT, **key}}
        others = {slug: {"api_key": key} for slug, key in keys.items() if slug != ENVIRONMENT}
        own = {"url": url, "api_key": keys[ENVIRONMENT], "environment": ENVIRONMENT}
        return {"traceloop": {**own, "other_environments": others}}

    def buttons(self) -> dict[str, object]:
        """More of `alerting.slack`: its messages have buttons, which the person on call may press."""
        return {"app_token": self.world.credentials.app_token, "buttons": {"users": [ON_CALL]}}

    def state(self) -> dict[str, object]:
        """A summary, fit for JSON."""
        world = self.world
        return {
            "faults": list(world.faults.names),
            "dialect": world.variant.words(),
            "traffic": world.traffic.as_json(),
            "time_factor": world.time_factor,
            "now": world.now(),
            "urls": {str(host): url for host, url in self._urls.items()},
            "exported": dict(self.exporter.outcomes),
            "traces": len(world.traces()),
            "own_store_spans": len(world.own_spans),
            "messages": len(world.slack.messages),
        }

    # --- break and fix, at run time

    async def break_(self, name: str, seconds: Seconds | None = None) -> None:
        """Set a fault; `seconds` replaces its delays. Raises KeyError for a name that is not in the table."""
        self.world.faults.set(name, FAULTS[name].patches, seconds)
        self.world.configurations.touch(FAULTS[name].configurations)
        await self._open_or_close()

    async def fix(self, name: str | None = None) -> None:
        """Clear a fault, or all of them."""
        for each in self.world.faults.names if name is None else (name,):
            if self.world.faults.clear(each):
                self.world.configurations.touch(FAULTS[each].configurations)
        await self._open_or_close()

    async def reset(self) -> None:
        """Begin anew: nothing broken, the first variant, traffic and configuration, nothing remembered."""
        await self.fix()
        self.world.variant = self._first_variant
        self.world.configure(self.traceloop_url)
        self.world.forget()
        self.exporter.forget_configuration()

    async def _open_or_close(self) -> None:
        if self._ports is not None:
            for host in self.apps:
                await self._ports.listen(host, listening=not self.world.faults.closes_port(host))


@asynccontextmanager
async def serve(
    port_base: int | None = None,
    variant: Variant = DEFAULT,
    time_factor: float = 1.0,
    *,
    content: bool = False,
    traffic: Traffic = NO_TRAFFIC,
    check_message: CheckMessage = check_size,
    backend: BackendKind = BackendKind.TRACELOOP,
    name: str = LOOPBACK,
) -> AsyncIterator[Sandbox]:
    """Run the sandbox on loopback, or where `name` leads to, from `port_base` on or on free ports, in the running event loop.

    It prints and logs nothing and leaves signals alone. Raises OSError for a port that is taken, or a name of another machine.
    """
    sandbox = Sandbox(
        clock=SystemClock(),
        variant=variant,
        time_factor=time_factor,
        content=content,
        latency=LATENCY,
        traffic=traffic,
        check_message=check_message,
        ports=Ports(port_base, name),
        backend=backend,
    )
    await sandbox.start()
    try:
        yield sandbox
    finally:
        await sandbox.stop()


# --- the control API, for people and for tests in other languages

Handler = Callable[[Request], Awaitable[Response]]

_PRESS = '{"action": "acknowledge" | "silence-1h" | "check-now", "user", "name", "ts"}'
_REQUESTS = "the last 200 requests of every service; ?since=SECONDS: up to 5,000 since then"


def control_app(sandbox: Sandbox) -> ASGIApp:
    """The ASGI application."""
    api = _Control(sandbox)
    table: tuple[tuple[str, str, Handler, str], ...] = (
        ("GET", "/state", api.state, "what is broken, which dialect, what was exported"),
        ("GET", "/configuration", api.configuration, "the configuration of a monitor that watches this sandbox"),
        ("GET", "/faults", api.list_faults, "every fault there is"),
        ("POST, PUT", "/faults/{name}", api.break_, 'set one; body {"seconds": n} replaces its delays'),
        ("DELETE", "/faults", api.fix, "fix all"),
        ("DELETE", "/faults/{name}", api.fix, "fix one"),
        ("GET, POST", "/dialect", api.variant, 'body {"switch": "value"}'),
        ("GET, POST", "/traffic", api.traffic, f'how busy others are; body {{"traffic": "20x3x8000"}}: {ALLOWED}'),
        ("GET", "/messages", api.messages, "what was posted to Slack"),
        ("POST", "/press", api.press, f"press a button in Slack; body {_PRESS}"),
        ("GET", "/answers", api.answers, "what those who pressed were answered"),
        ("GET", "/traces", api.traces, "what Traceloop has taken in"),
        ("GET", "/requests", api.requests, _REQUESTS),
        ("POST", "/reset", api.reset, "begin anew"),
    )
    said = JSONResponse({f"{methods} {path}": about for methods, path, _, about in table})

    async def root(_request: Request) -> Response:
        return said

    routes = [Route(path, serve, methods=methods.split(", ")) for methods, path, serve, _ in table]
    return routed([Route("/", root), *routes])


class _Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._world = sandbox.world

    async def state(self, _request: Request) -> Response:
        return JSONResponse(self._sandbox.state())

    async def configuration(self, _request: Request) -> Response:
        return JSONResponse(self._sandbox.configuration())

    async def list_faults(self, _request: Request) -> Response:
        active = self._world.faults.names
        return JSONResponse(
            {
                name: {"about": fault.about, "named": [str(each) for each in fault.named], "set": name in active}
                for name, fault in FAULTS.items()
            }
        )

    async def break_(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FAULTS:
            return _error(404, f"there is no fault {name!r}")
        seconds = (await json_object(request) or {}).get("seconds")
        if not (
            seconds is None or (isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0)
        ):
            return _error(400, "seconds must be a number")
        await self._sandbox.break_(name, seconds)
        return await self.state(request)

    async def fix(self, request: Request) -> Response:
        """One, or all."""
        name = request.path_params.get("name")
        if name is not None and name not in FAULTS:
            return _error(404, f"there is no fault {name!r}")
        await self._sandbox.fix(name)
        return await self.state(request)

    async def variant(self, request: Request) -> Response:
        """Every switch with its value and what it could be; a POST changes some."""
        if request.method == "POST":
            try:
                self._world.vary(**{name: str(word) for name, word in (await json_object(request) or {}).items()})
            except ValueError as error:
                return _error(400, str(error))
        words = self._world.variant.words()
        return JSONResponse(
            {
                name: {"about": switch.about, "value": words[name], "values": list(switch.values)}
                for name, switch in SWITCHES.items()
            }
        )

    async def traffic(self, request: Request) -> Response:
        """How busy others are; a POST makes them busier or quieter."""
        if request.method == "POST":
            if self._world.backend is not BackendKind.TRACELOOP:
                return _error(400, NOT_IN_PHOENIX)
            try:
                self._world.traffic = change_traffic(self._world.traffic, await json_object(request) or {})
            except ValueError as error:
                return _error(400, str(error))
        return JSONResponse(self._world.traffic.as_json())

    async def messages(self, _request: Request) -> Response:
        """Slack's channels, as they read now."""
        return JSONResponse([message.as_json() for message in self._world.slack.messages])

    async def press(self, request: Request) -> Response:
        """A button of the message at `ts`; of the newest root without it."""
        asked = {name: str(value) for name, value in (await json_object(request) or {}).items()}
        slack, ts = self._world.slack, asked.pop("ts", None)
        message = next((each for each in reversed(slack.roots) if ts in (None, each.ts)), None)
        if message is None or not {"action"} <= set(asked) <= {"action", "user", "name"}:
            return _error(400, "there is no such message" if message is None else "give action, and user, name or ts")
        host = self._sandbox.slack_api_url.split("/")[2]
        try:
            envelope = await slack.socket_mode.press(message, host=host, **asked)
        except NotPressed as error:
            return _error(409, str(error))
        return JSONResponse({"envelope_id": envelope})

    async def answers(self, _request: Request) -> Response:
        """What Slack showed to those who pressed alone."""
        return JSONResponse(list(self._world.slack.socket_mode.answers))

    async def traces(self, _request: Request) -> Response:
        """Traceloop's rows by trace."""
        traces = self._world.traces()
        return JSONResponse({trace_id: [row.of_list() for row in rows] for trace_id, rows in traces.items()})

    async def requests(self, request: Request) -> Response:
        """The newest requests, without their headers: those hold credentials."""
        seen, since = list(self._world.requests), request.query_params.get("since")
        if since is not None and not _SECONDS.fullmatch(since):
            return _error(400, "since must be Unix seconds")
        shown = seen[-_USUAL_REQUESTS:] if since is None else [each for each in seen if each.at >= float(since)]
        return JSONResponse(
            [
                {
                    "at": each.at,
                    "host": each.host,
                    "method": each.method,
                    "path": each.path,
                    "query": self._world.credentials.mask(each.query),
                    "bytes": each.answered,
                }
                for each in shown
            ]
        )

    async def reset(self, request: Request) -> Response:
        await self._sandbox.reset()
        return await self.state(request)


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
