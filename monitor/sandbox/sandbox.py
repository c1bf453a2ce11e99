"""The sandbox as a whole: four services, an exporter and a control API over one world."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Protocol

from starlette.types import ASGIApp

from monitor.clock import SystemClock
from monitor.core.model import Seconds
from monitor.ports import Clock
from monitor.sandbox.control import control_app
from monitor.sandbox.credentials import CHANNEL, ENVIRONMENT, EXPORTED_ATTRIBUTE, MODEL
from monitor.sandbox.dialect import Dialect
from monitor.sandbox.disturb import Disturbed
from monitor.sandbox.faults.kinds import Host
from monitor.sandbox.in_process import InProcess
from monitor.sandbox.slack.app import slack_app
from monitor.sandbox.sockets import Sockets
from monitor.sandbox.traceloop.app import traceloop_app
from monitor.sandbox.traffic import Traffic
from monitor.sandbox.truefoundry.control_plane import control_plane_app
from monitor.sandbox.truefoundry.exporter import Exporter
from monitor.sandbox.truefoundry.gateway import gateway_app
from monitor.sandbox.truefoundry.spans import GatewaySpan
from monitor.sandbox.world import NO_TRAFFIC, World

DEFAULT = Dialect()
LATENCY: Seconds = 0.35
"""How long the provider takes for a completion on real sockets."""


class Wire(Protocol):
    """How the hosts are reached: over sockets, or by calling them."""

    async def open(self, apps: Mapping[Host, ASGIApp]) -> Mapping[Host, str]:
        """Make the applications reachable; returns their addresses."""
        ...

    async def close(self) -> None:
        """Make them unreachable."""
        ...

    async def listen(self, host: Host, *, listening: bool) -> None:
        """Let somebody listen for a host, or nobody."""
        ...

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post a body and return the status; the exporter's way out. Raises OSError or ValueError."""
        ...


class Sandbox:
    """Four remote services that behave, and misbehave, as the public record says.

    `time_factor` multiplies every delay of theirs (exporter, caches, index, slowness): 0.1 makes them ten times as fast.
    `content`: whether the healthy exporter sends request and response content. `latency`: what a completion takes.
    `traffic`: how busy others are, whose traces stand beside ours.
    Everything is reached through `wire`; by default in-process, with the applications in `apps`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        dialect: Dialect = DEFAULT,
        time_factor: float = 1.0,
        wire: Wire | None = None,
        content: bool = False,
        latency: Seconds = 0.0,
        traffic: Traffic = NO_TRAFFIC,
    ) -> None:
        self._wire = wire or InProcess()
        self._born_as = dialect
        self._urls: Mapping[Host, str] = {}
        self.world = World(
            clock=clock, dialect=dialect, time_factor=time_factor, content=content, latency=latency, traffic=traffic
        )
        self.exporter = Exporter(self.world, self._wire.post)
        self.apps: Mapping[Host, ASGIApp] = MappingProxyType(self._build())

    def _build(self) -> dict[Host, ASGIApp]:
        gateway = gateway_app(self.world, self._record)
        proxied = Disturbed(gateway, self.world, Host.GATEWAY, proxied=True)
        services: dict[Host, ASGIApp] = {
            Host.CONTROL_PLANE: control_plane_app(self.world, proxied),
            Host.GATEWAY: gateway,
            Host.TRACELOOP: traceloop_app(self.world),
            Host.SLACK: slack_app(self.world),
        }
        disturbed: dict[Host, ASGIApp] = {
            host: Disturbed(service, self.world, host) for host, service in services.items()
        }
        return {**disturbed, Host.CONTROL: control_app(self)}

    def _record(self, spans: tuple[GatewaySpan, ...]) -> None:
        self.world.keep(spans)
        self.exporter.offer(spans)

    # --- start and stop

    async def start(self) -> None:
        """Open every host and begin exporting. Raises OSError for a port that is taken."""
        self._urls = await self._wire.open(self.apps)
        self.world.furnish(self.traceloop_url)
        self.exporter.start()

    async def stop(self) -> None:
        """End at once; what is under way is dropped."""
        await self.exporter.stop()
        await self._wire.close()

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
        others = {slug: {"api_key": key} for slug, key in credentials.keys.items() if slug != ENVIRONMENT}
        return {
            "targets": {
                "demo": {
                    "control_plane": {"url": self.control_plane_url, "token": credentials.token},
                    "gateway": {
                        "url": self.gateway_url,
                        "token": credentials.token,
                        "model": MODEL,
                        "metrics_url": f"{self.gateway_url}/metrics",
                    },
                    "traceloop": {
                        "url": self.traceloop_url,
                        "api_key": credentials.key,
                        "environment": ENVIRONMENT,
                        "other_environments": others,
                    },
                    "expected": {
                        "exclude_request_data": not self.world.content,
                        "resource_attributes": {name: value},
                    },
                }
            },
            "alerting": {
                "slack": {"bot_token": credentials.bot_token, "channel": CHANNEL, "api_url": self.slack_api_url}
            },
        }

    def state(self) -> dict[str, object]:
        """A summary, fit for JSON."""
        world = self.world
        return {
            "faults": list(world.broken.names),
            "dialect": world.dialect.words(),
            "traffic": world.traffic.as_json(),
            "time_factor": world.time_factor,
            "now": world.now(),
            "urls": {str(host): url for host, url in self._urls.items()},
            "exported": dict(self.exporter.outcomes),
            "traces": len(world.traces()),
            "own_store_spans": len(world.own_spans),
            "messages": len(world.slack.messages),
        }

    # --- break and mend, at run time

    async def break_(self, name: str, seconds: Seconds | None = None) -> None:
        """Set a fault; `seconds` replaces its delays. Raises KeyError for a name that is not in the registry."""
        self.world.break_(name, seconds)
        await self._open_or_close()

    async def fix(self, name: str | None = None) -> None:
        """Clear a fault, or all of them."""
        for each in self.world.broken.names if name is None else (name,):
            self.world.fix(each)
        await self._open_or_close()

    async def reset(self) -> None:
        """Begin anew: nothing broken, the first dialect, traffic and configuration, nothing remembered."""
        await self.fix()
        self.world.dialect = self._born_as
        self.world.furnish(self.traceloop_url)
        self.world.forget()
        self.exporter.forget_configuration()

    async def _open_or_close(self) -> None:
        for host in self.apps:
            await self._wire.listen(host, listening=not self.world.broken.closes_port(host))


@asynccontextmanager
async def serve(
    port_base: int | None = None,
    dialect: Dialect = DEFAULT,
    time_factor: float = 1.0,
    *,
    content: bool = False,
    clock: Clock | None = None,
    traffic: Traffic = NO_TRAFFIC,
) -> AsyncIterator[Sandbox]:
    """Run the sandbox on 127.0.0.1, from `port_base` on or on free ports, inside the running event loop.

    It prints and logs nothing and leaves signals alone. Raises OSError for a port that is taken.
    """
    sandbox = Sandbox(
        clock=clock or SystemClock(),
        dialect=dialect,
        time_factor=time_factor,
        wire=Sockets(port_base),
        content=content,
        latency=LATENCY,
        traffic=traffic,
    )
    await sandbox.start()
    try:
        yield sandbox
    finally:
        await sandbox.stop()
