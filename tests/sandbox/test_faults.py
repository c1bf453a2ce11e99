"""Every fault can be set, shows on the wire, and is gone when it is fixed."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from monitor.core.model import Fault
from monitor.ports import Unreachable
from monitor.sandbox import FAULTS, Host, Sandbox
from monitor.sandbox.credentials import CHANNEL
from monitor.sandbox.faults import TransportFault
from tests.fakes.clock import FakeClock
from tests.sandbox.common import AGENT, MODEL, Answer, Asker, call, chat

_IDS = re.compile(
    r"[0-9a-f]{15,}|\d{9,}(\.\d+)?|dur=[\d.]+|latency_in_ms\W+[\d.]+|chatcmpl-\w+|\d{4}-\d\d-\d\dT[\d:.]+Z"
)
_PATIENCE = 45.0
_PROBED = ("status", "retry-after", "location", "x-tfy-cache-status", "content-encoding", "content-type")

Probe = Callable[[], Awaitable[Any]]


class Prober:
    """Looks at everything that a client can see, and writes it down without ids and times."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock) -> None:
        self.asker = Asker(sandbox, clock)
        self.clock = clock
        self.credentials = sandbox.world.credentials

    async def look(self) -> dict[str, Any]:
        """One look, on a world that remembers nothing and an exporter with a fresh configuration."""
        self.asker.sandbox.world.forget()
        self.asker.sandbox.exporter.forget_configuration()
        seen: dict[str, Any] = {"health": await self.ask(Host.GATEWAY, "GET", "/health")}
        for number in range(4):
            seen[f"completion {number}"] = await self.ask(
                Host.GATEWAY, "POST", "/chat/completions", token=self.credentials.token, body=chat()
            )
        await self.clock.advance(20)
        seen |= {
            "config": await self.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-otel-config"),
            "session": await self.plane("GET", "/api/svc/v1/session"),
            "plane": await self.plane("GET", "/health"),
            "switches": [await self.plane("GET", f"/api/svc/v1/llm-gateway/config/{kind}") for kind in _SWITCHES],
            "metrics": _without_counts(await self.ask(Host.GATEWAY, "GET", "/metrics")),
            "own store": await self.plane("POST", "/api/svc/v1/spans/query", _OWN),
            "warehouse": await self.traceloop("/v2/warehouse/spans", "limit=3"),
            "rows": _without_ids(str(sorted(str(row.of_list()) for row in self.asker.rows()))),
            "page after": await self.traceloop("/v2/warehouse/spans", "cursor=9999999999999"),
            "ingest": await self.ask(Host.TRACELOOP, "POST", "/v1/traces", token=self.credentials.key, body=b""),
            "auth": await self.slack("auth.test", {}),
        }
        for number in range(4):
            seen[f"post {number}"] = await self.slack(
                "chat.postMessage", {"text": "x", "blocks": [{"type": "divider"}]}
            )
        found = self.asker.sandbox.world.slack.messages
        seen["posted"] = str(len(found))
        seen["edit"] = await self.slack("chat.update", {"ts": found[0].ts if found else "1.0", "text": "y"})
        return seen

    async def plane(self, method: str, path: str, body: Any = None) -> str:
        """The control plane."""
        return await self.ask(Host.CONTROL_PLANE, method, path, token=self.credentials.token, body=body)

    async def traceloop(self, path: str, query: str) -> str:
        """The read API."""
        return await self.ask(Host.TRACELOOP, "GET", f"{path}?{query}", token=self.credentials.key)

    async def slack(self, method: str, payload: dict[str, Any]) -> str:
        """Slack."""
        body = {"channel": CHANNEL, **payload}
        return await self.ask(Host.SLACK, "POST", f"/api/{method}", token=self.credentials.bot_token, body=body)

    async def ask(self, host: Host, method: str, path: str, *, token: str | None = None, body: Any = None) -> str:
        """One request: what came of it, and after how long."""
        began = self.clock.now()
        asked = asyncio.ensure_future(self._asked(host, method, path, token=token, body=body))
        await self.clock.run_until(asked.done)
        return f"{await asked} after {self.clock.now() - began:.0f} s"

    async def _asked(self, host: Host, method: str, path: str, *, token: str | None, body: Any) -> str:
        headers = {"user-agent": AGENT, "content-type": "application/json" if host is not Host.TRACELOOP else _OTLP}
        if token:
            headers["authorization"] = f"Bearer {token}"
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            async with self.clock.timeout(_PATIENCE):
                url = f"https://{host}{path}"
                answer = await call(self.asker.sandbox.apps[host], method, url, headers=headers, body=sent)
        except Unreachable as error:
            return error.kind
        except TimeoutError:
            return "timeout"
        return _summary(answer)


_OTLP = "application/x-protobuf"
_OWN = {"startTime": "2020-01-01T00:00:00.000Z", "dataRoutingDestination": "default"}


def _summary(answer: Answer) -> str:
    headers = {name: answer.headers.get(name) for name in _PROBED}
    return _without_ids(f"{answer.status} {headers} {len(answer.body) // 100_000} {answer.body[:50_000]!r}")


_SWITCHES = ("gateway-logging-config", "gateway-global-settings", "gateway-data-routing-config")


def _without_counts(text: str) -> str:
    """Metrics only grow: what is of interest is whether they are shown."""
    return text.partition(" ")[0]


def _without_ids(text: str) -> str:
    return _IDS.sub("#", re.sub(r'"(updatedAt|createdBySubject)":("[^"]*"|\{[^}]*\})', "", text))


async def looking(*, content: bool) -> Prober:
    """A prober on a sandbox of its own."""
    clock = FakeClock()
    sandbox = Sandbox(clock=clock, content=content, latency=0.4)
    await sandbox.start()
    return Prober(sandbox, clock)


@pytest.fixture(scope="module")
def healthy() -> dict[bool, dict[str, Any]]:
    """What a healthy sandbox looks like, without and with content: filled at the first look."""
    return {}


SEEN_ALONE = [name for name in FAULTS if name != "traffic_sampled"]  # which shows in other people's traffic alone
SAMPLE = frozenset(SEEN_ALONE[::8])


@pytest.mark.parametrize(
    "name", [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.thorough) for name in SEEN_ALONE]
)
async def test_a_fault_shows_and_goes(name: str, healthy: dict[bool, dict[str, Any]]) -> None:
    """Broken, something is otherwise than in a healthy sandbox; fixed, nothing is."""
    content = FAULTS[name].needs_content
    prober = await looking(content=content)
    if content not in healthy:
        healthy[content] = await prober.look()
    sandbox = prober.asker.sandbox
    await sandbox.break_(name)
    assert sandbox.world.faults.names == (name,)
    broken = await prober.look()
    differing = {what for what, seen in broken.items() if seen != healthy[content][what]}
    assert differing
    await sandbox.fix(name)
    await prober.clock.advance(700)  # what was under way has ended
    assert await prober.look() == healthy[content]
    await sandbox.stop()


def test_every_fault_is_described() -> None:
    """In one line, with something to do, and named after what a monitor should say where it begins with that."""
    for name, entry in FAULTS.items():
        assert entry.patches
        assert 10 < len(entry.about) < 100
        assert "\n" not in entry.about
        meant = [fault for fault in Fault if name == fault or name.startswith(f"{fault}_")]
        assert not meant or entry.named[0] == max(meant, key=len)


def test_every_fault_that_a_service_can_have_is_in_the_table() -> None:
    """Under its own name; a check that crashes is nobody's service, and `traffic_sampled` needs traffic and a check that is off."""
    assert {str(fault) for fault in Fault} - set(FAULTS) == {Fault.CHECK_FAILED, Fault.VOLUME_LOSS}


def test_whoever_redirects_says_where_to() -> None:
    """A redirect without a Location is none."""
    replies = [patch.reply for fault in FAULTS.values() for patch in fault.patches if isinstance(patch, TransportFault)]
    redirects = [reply for reply in replies if 300 <= reply.status < 400]
    assert len(redirects) == 2
    assert all("location" in reply.headers for reply in redirects)


async def test_faults_add_up_and_the_newest_has_the_first_word(asker: Asker, sandbox: Sandbox) -> None:
    """Each is fixed on its own."""
    await sandbox.break_("canary_rejected")
    await sandbox.break_("provider_failing")
    await sandbox.break_("config_drift")
    await sandbox.break_("config_drift_encoding")
    assert (await asker.complete()).status == 502
    exporter = (await asker.config())["manifest"]["otel_traces_exporter_config"]
    assert (exporter["endpoint"], exporter["encoding"]) == ("https://traceloop", "json")
    await sandbox.fix("provider_failing")
    assert (await asker.complete()).status == 403
    await sandbox.fix("provider_failing")
    assert sandbox.world.faults.names == ("canary_rejected", "config_drift", "config_drift_encoding")
    await sandbox.fix()
    assert (await asker.complete(model=MODEL)).status == 200
    assert (await asker.config())["manifest"]["otel_traces_exporter_config"]["encoding"] == "proto"


async def test_an_exporter_that_is_off_stays_off_whatever_else_is_changed(asker: Asker, sandbox: Sandbox) -> None:
    """In either order."""
    for names in (("exporter_disabled", "config_drift"), ("config_drift", "exporter_disabled")):
        for name in names:
            await sandbox.break_(name)
        assert "otel_traces_exporter_config" not in (await asker.config())["manifest"]
        await sandbox.fix()


async def test_a_name_that_is_not_there_is_an_error(sandbox: Sandbox) -> None:
    """And breaks nothing."""
    with pytest.raises(KeyError):
        await sandbox.break_("gateway_on_fire")
    assert sandbox.world.faults.names == ()
