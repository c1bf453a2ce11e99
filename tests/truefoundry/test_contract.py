"""The fakes and the real adapters keep the same contracts; the real ones against the sandbox, which is as strict as the facts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from monitor.core.drift import ENDPOINT, ConfigSeen, ExportConfig
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind, GatewayRule
from monitor.core.model import TraceId
from monitor.core.trace import SpanFact
from monitor.http import Http, InProcess
from monitor.ports import ControlPlane, Gateway, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.sandbox import Sandbox, Variant
from monitor.truefoundry import TrueFoundryControlPlane, TrueFoundryGateway
from tests.fakes.clock import FakeClock
from tests.fakes.control_plane import FakeControlPlane
from tests.fakes.gateway import FakeGateway
from tests.truefoundry.contract import (
    ControlPlaneContract,
    ControlPlaneStage,
    GatewayContract,
    GatewayStage,
    canary,
)


@asynccontextmanager
async def sandboxed(clock: FakeClock, variant: Variant) -> AsyncIterator[tuple[Sandbox, Http]]:
    """The sandbox in this process, and the way to it."""
    sandbox = Sandbox(clock=clock, variant=variant)
    await sandbox.start()
    try:
        yield (
            sandbox,
            Http(
                clock=clock,
                transport=InProcess({str(host): app for host, app in sandbox.apps.items()}),
                redactor=Redactor(),
            ),
        )
    finally:
        await sandbox.stop()


class _FakeGatewayStage(GatewayStage):
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.gateway: Gateway = FakeGateway(self.clock)

    @property
    def _fake(self) -> FakeGateway:
        assert isinstance(self.gateway, FakeGateway)
        return self.gateway

    async def refuse_the_token(self) -> None:
        self._fake.refusing = 401

    async def take_down(self) -> None:
        self._fake.down = "connect"

    async def swallow(self) -> None:
        self._fake.down = "timeout"


class TestFakeGateway(GatewayContract):
    """The one that the tests of the checks use."""

    @pytest.fixture
    def stage(self) -> GatewayStage:
        """A fake gateway."""
        return _FakeGatewayStage()


class _RealGatewayStage(GatewayStage):
    def __init__(self, sandbox: Sandbox, http: Http, clock: FakeClock) -> None:
        self.clock = clock
        self._sandbox = sandbox
        self.gateway: Gateway = TrueFoundryGateway(
            http,
            sandbox.gateway_url,
            lambda: sandbox.world.credentials.token,
            path="/health",
            redactor=Redactor(),
            clock=clock,
        )

    async def refuse_the_token(self) -> None:
        await self._sandbox.break_("gateway_refused")

    async def take_down(self) -> None:
        await self._sandbox.break_("gateway_unreachable")

    async def swallow(self) -> None:
        await self._sandbox.break_("gateway_unreachable_black_hole")


class TestTrueFoundryGateway(GatewayContract):
    """The real one."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[GatewayStage]:
        """The adapter before the sandbox."""
        clock = FakeClock()
        async with sandboxed(clock, Variant()) as (sandbox, http):
            yield _RealGatewayStage(sandbox, http, clock)


class _FakeControlPlaneStage(ControlPlaneStage):
    def __init__(self) -> None:
        self.clock = FakeClock()
        config = ExportConfig(fields={ENDPOINT: "https://api.traceloop.com/v1/traces"})
        self.control_plane: ControlPlane = FakeControlPlane(ConfigSeen(config=config))

    @property
    def _fake(self) -> FakeControlPlane:
        assert isinstance(self.control_plane, FakeControlPlane)
        return self.control_plane

    async def remove_the_configuration(self) -> None:
        self._fake.config = None

    async def switch_logging_off(self) -> None:
        rule = GatewayRule(name="quiet", off=True)
        self._fake.gateway_policies[GatewayPolicyKind.LOGGING] = GatewayPolicy(
            kind=GatewayPolicyKind.LOGGING, rules=(rule,)
        )

    async def sign_out(self) -> None:
        self._fake.knows_us = False

    async def forbid(self) -> None:
        self._fake.error = Refused("no", status=403)

    async def take_down(self) -> None:
        self._fake.error = Unreachable("down", kind="connect")

    async def make_a_trace(self) -> TraceId:
        trace_id = TraceId(self.clock.draw_hex(32))
        root = SpanFact(trace_id=trace_id, span_id="a" * 16)
        self._fake.spans += [root, SpanFact(trace_id=trace_id, span_id="b" * 16, parent_id=root.span_id)]
        return trace_id


class TestFakeControlPlane(ControlPlaneContract):
    """The one that the tests of the checks use."""

    @pytest.fixture
    def stage(self) -> ControlPlaneStage:
        """A fake control plane."""
        return _FakeControlPlaneStage()


class _RealControlPlaneStage(ControlPlaneStage):
    def __init__(self, sandbox: Sandbox, http: Http, clock: FakeClock) -> None:
        self.clock = clock
        self._sandbox = sandbox
        self._http = http
        credentials = sandbox.world.credentials
        self.control_plane: ControlPlane = TrueFoundryControlPlane(
            http,
            sandbox.control_plane_url,
            lambda: credentials.token,
            expected_headers=lambda: {"Authorization": f"Bearer {credentials.key}"},
            fingerprint_key=b"key",
            redactor=Redactor(),
            clock=clock,
        )

    async def remove_the_configuration(self) -> None:
        await self._sandbox.break_("exporter_disabled")

    async def switch_logging_off(self) -> None:
        rule = {"type": GatewayPolicyKind.LOGGING.value, "name": "quiet", "log": False}
        self._sandbox.world.configurations.apply(rule)

    async def sign_out(self) -> None:
        await self._sandbox.break_("control_plane_signed_out")

    async def forbid(self) -> None:
        await self._sandbox.break_("control_plane_forbidden")

    async def take_down(self) -> None:
        await self._sandbox.break_("control_plane_unreachable")

    async def make_a_trace(self) -> TraceId:
        gateway = _RealGatewayStage(self._sandbox, self._http, self.clock).gateway
        answer = await self.drive(gateway.complete(canary()))
        assert answer.trace_id is not None
        await self.clock.advance(30)
        return answer.trace_id


class TestTrueFoundryControlPlane(ControlPlaneContract):
    """The real one."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[ControlPlaneStage]:
        """The adapter before a sandbox that says 404 where there is no configuration."""
        clock = FakeClock()
        async with sandboxed(clock, Variant(off="404")) as (sandbox, http):
            yield _RealControlPlaneStage(sandbox, http, clock)
