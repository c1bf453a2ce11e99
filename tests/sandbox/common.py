"""How the sandbox's tests ask its services: in-process, on the fake clock, as a well-mannered client."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import httpx
from starlette.types import ASGIApp

from monitor.ports import Unreachable
from monitor.sandbox import Host, Sandbox
from monitor.sandbox.rows import Row
from tests.fakes.clock import FakeClock

MODEL = "openai-main/gpt-4o-mini"
AGENT = "gateway-trace-monitor/test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def call(
    app: ASGIApp, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Send one request to an application and collect its answer. Raises Unreachable where a fault leaves it without one."""
    request = httpx.Request(method, url, headers=headers, content=body)
    response = await httpx.ASGITransport(cast("Any", app)).handle_async_request(request)
    pieces = [piece async for piece in cast("httpx.AsyncByteStream", response.stream)]
    return Answer(status=response.status_code, headers=dict(response.headers), body=b"".join(pieces))


def chat(**more: Any) -> dict[str, Any]:
    """The body of a small chat completion."""
    return {"model": MODEL, "messages": [{"role": "user", "content": "say pong 7f3a"}], "max_tokens": 16, **more}


class Asker:
    """Asks one sandbox; what it gets is an `Answer`, and `json` reads it."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.credentials = sandbox.world.credentials

    async def ask(
        self,
        host: Host,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One request; `body` is sent as JSON unless it is bytes. Time goes on until there is an answer."""
        named = {"user-agent": AGENT, **(headers or {})}
        if token is not None:
            named["authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None and not isinstance(body, bytes):
            named.setdefault("content-type", "application/json")
        url = f"https://{host}{path}" + (f"?{urlencode(query)}" if query else "")
        asked = asyncio.ensure_future(call(self.sandbox.apps[host], method, url, headers=named, body=data))
        await self.clock.run_until(asked.done)
        return await asked

    async def complete(self, *, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """One chat completion with the monitor's token."""
        return await self.ask(
            Host.GATEWAY,
            "POST",
            "/chat/completions",
            token=self.credentials.token,
            body=chat(**more),
            headers=headers,
        )

    async def plane(self, method: str, path: str, *, body: Any = None, token: str | None = None) -> Answer:
        """The control plane with the monitor's token, or another."""
        return await self.ask(
            Host.CONTROL_PLANE, method, path, body=body, token=self.credentials.token if token is None else token
        )

    async def config(self) -> Any:
        """The exporter's configuration as the control plane shows it."""
        return read(await self.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-otel-config"))

    async def own_spans(self, **more: Any) -> Answer:
        """TrueFoundry's own store."""
        query = {"startTime": "2020-01-01T00:00:00.000Z", "dataRoutingDestination": "default", **more}
        return await self.plane("POST", "/api/svc/v1/spans/query", body=query)

    async def traceloop(self, path: str, *, environment: str = "prd", **query: Any) -> Answer:
        """Traceloop's read API with the key of an environment."""
        return await self.ask(
            Host.TRACELOOP, "GET", path, token=self.credentials.keys[environment], query=query or None
        )

    async def ask_as(self, key: str, path: str) -> Answer:
        """Traceloop with another key."""
        return await self.ask(Host.TRACELOOP, "GET", path, token=key)

    async def warehouse(self, *, environment: str = "prd", **query: Any) -> Any:
        """The documented search."""
        return read(await self.traceloop("/v2/warehouse/spans", environment=environment, **query))["spans"]

    async def trace(self, trace_id: str, *, environment: str = "prd") -> Any:
        """The per-trace route."""
        return read(await self.traceloop(f"/v2/projects/default/traces/{trace_id}/spans", environment=environment))

    async def slack(self, method: str, **payload: Any) -> Any:
        """A method of Slack's Web API with the bot's token."""
        return read(
            await self.ask(Host.SLACK, "POST", f"/api/{method}", token=self.credentials.bot_token, body=payload)
        )

    async def control(self, method: str, path: str, body: Any = None) -> Answer:
        """The sandbox's own API."""
        return await self.ask(Host.CONTROL, method, path, body=body)

    def rows(self) -> list[Row]:
        """Everything that Traceloop has taken in."""
        return list(self.sandbox.world.rows)

    def exported(self) -> dict[str, int]:
        """What became of the exporter's spans."""
        return dict(self.sandbox.exporter.outcomes)

    async def fails(self, host: Host, method: str, path: str, *, token: str | None = None) -> str:
        """How a request fails that gets no answer."""
        try:
            answer = await self.ask(host, method, path, token=token)
        except Unreachable as error:
            return error.kind
        raise AssertionError(f"it was answered with {answer.status}")


def read(answer: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.body)
