"""What every gateway and every control plane promises to the checks: the real adapters and the fakes alike."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import pytest

from monitor.core.drift import ENDPOINT
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind
from monitor.core.model import TraceId
from monitor.ports import CanaryRequest, ControlPlane, Gateway, Refused, Unreachable
from tests.fakes.clock import FakeClock

T = TypeVar("T")
NEVER_MADE = TraceId("0" * 31 + "1")


class Stage(ABC):
    """A world around the port under test, on a fake clock."""

    clock: FakeClock

    async def drive(self, asking: Awaitable[T]) -> T:
        """Await, while fake time passes."""
        task = asyncio.ensure_future(asking)
        await self.clock.run_until(task.done)
        return await task


class GatewayStage(Stage):
    """A gateway, and how to break it."""

    gateway: Gateway

    @abstractmethod
    async def refuse_the_token(self) -> None:
        """From now on every completion is a 401."""

    @abstractmethod
    async def take_down(self) -> None:
        """From now on nobody listens."""

    @abstractmethod
    async def swallow(self) -> None:
        """From now on nothing is answered."""


def canary(**more: object) -> CanaryRequest:
    """A usual canary."""
    usual: dict[str, object] = {
        "prompt": "say pong (gtm-0123456789abcdef)",
        "model": "openai-main/gpt-4o-mini",
        "max_tokens": 16,
        "metadata": {"tfy_monitor": "canary"},
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "timeout": 30.0,
    }
    return CanaryRequest(**{**usual, **more})  # type: ignore[arg-type] # the names are those of the dataclass


class GatewayContract(ABC):
    """Of `monitor.ports.Gateway`."""

    @pytest.fixture
    @abstractmethod
    def stage(self) -> AsyncIterator[GatewayStage] | GatewayStage:
        """The gateway under test, and healthy."""

    async def test_a_ping_is_answered(self, stage: GatewayStage) -> None:
        """The health path says something below 300."""
        ping = await stage.drive(stage.gateway.ping(timeout=5))
        assert 200 <= ping.status < 300
        assert not ping.blocked

    async def test_a_canary_is_served(self, stage: GatewayStage) -> None:
        """A completion, its trace's id, its usage; no refusal."""
        answer = await stage.drive(stage.gateway.complete(canary()))
        assert (answer.status, answer.completion, answer.refusal, answer.cached) == (200, True, None, False)
        assert answer.trace_id is not None
        assert len(answer.trace_id) == 32
        assert answer.usage["input"] > 0
        assert answer.usage["output"] > 0
        assert answer.finish_reason == "stop"

    async def test_two_canaries_make_two_traces(self, stage: GatewayStage) -> None:
        """Each request is a trace of its own."""
        one = await stage.drive(stage.gateway.complete(canary()))
        other = await stage.drive(stage.gateway.complete(canary(prompt="say ping")))
        assert one.trace_id != other.trace_id

    async def test_a_refusal_is_an_answer(self, stage: GatewayStage) -> None:
        """A 401 is not raised: what it means is the check's to say."""
        await stage.refuse_the_token()
        answer = await stage.drive(stage.gateway.complete(canary()))
        assert (answer.status, answer.completion) == (401, False)
        assert answer.refusal is not None
        assert answer.refusal.message

    async def test_nobody_listening_is_unreachable(self, stage: GatewayStage) -> None:
        """Both questions."""
        await stage.take_down()
        with pytest.raises(Unreachable) as caught:
            await stage.drive(stage.gateway.ping(timeout=5))
        assert caught.value.kind == "connect"
        with pytest.raises(Unreachable) as caught:
            await stage.drive(stage.gateway.complete(canary()))
        assert caught.value.kind == "connect"

    async def test_silence_ends_at_the_timeout(self, stage: GatewayStage) -> None:
        """Not a second later."""
        await stage.swallow()
        began = stage.clock.monotonic()
        with pytest.raises(Unreachable) as caught:
            await stage.drive(stage.gateway.ping(timeout=5))
        assert caught.value.kind == "timeout"
        with pytest.raises(Unreachable) as caught:
            await stage.drive(stage.gateway.complete(canary(timeout=30.0)))
        assert caught.value.kind == "timeout"
        assert stage.clock.monotonic() - began == pytest.approx(35)


class ControlPlaneStage(Stage):
    """A control plane, and how to break it."""

    control_plane: ControlPlane

    @abstractmethod
    async def remove_the_configuration(self) -> None:
        """From now on there is none."""

    @abstractmethod
    async def switch_logging_off(self) -> None:
        """From now on a logging rule says so, for every request."""

    @abstractmethod
    async def sign_out(self) -> None:
        """From now on the token is nobody's."""

    @abstractmethod
    async def forbid(self) -> None:
        """From now on the configuration may not be read."""

    @abstractmethod
    async def take_down(self) -> None:
        """From now on nobody listens."""

    @abstractmethod
    async def make_a_trace(self) -> TraceId:
        """A trace that the own store shows."""


class ControlPlaneContract(ABC):
    """Of `monitor.ports.ControlPlane`."""

    @pytest.fixture
    @abstractmethod
    def stage(self) -> AsyncIterator[ControlPlaneStage] | ControlPlaneStage:
        """The control plane under test, and healthy."""

    async def test_the_configuration_is_read(self, stage: ControlPlaneStage) -> None:
        """A manifest with an exporter that is on."""
        answer = await stage.drive(stage.control_plane.read_export_config(timeout=5))
        assert answer.form == "manifest"
        assert answer.seen is not None
        assert not answer.seen.config.off
        assert str(answer.seen.config.fields[ENDPOINT]).endswith("/v1/traces")

    async def test_none_at_all_is_an_answer(self, stage: ControlPlaneStage) -> None:
        """404 is not raised: it may mean that somebody has deleted it."""
        await stage.remove_the_configuration()
        answer = await stage.drive(stage.control_plane.read_export_config(timeout=5))
        assert (answer.seen, answer.form) == (None, "404")

    @pytest.mark.parametrize("kind", GatewayPolicyKind)
    async def test_another_configuration_that_does_not_exist_is_an_answer(
        self, stage: ControlPlaneStage, kind: GatewayPolicyKind
    ) -> None:
        """Nobody has switched anything."""
        answer = await stage.drive(stage.control_plane.read_gateway_policy(kind, timeout=5))
        assert answer == GatewayPolicy(kind=kind, form="404")

    async def test_a_logging_rule_is_read(self, stage: ControlPlaneStage) -> None:
        """What it is called, that it is off, and for what."""
        await stage.switch_logging_off()
        answer = await stage.drive(stage.control_plane.read_gateway_policy(GatewayPolicyKind.LOGGING, timeout=5))
        assert answer.form == "manifest"
        assert [(rule.name, rule.off, rule.scope) for rule in answer.rules] == [("quiet", True, "everything")]

    async def test_a_session_proves_the_token(self, stage: ControlPlaneStage) -> None:
        """A bare 200 does not."""
        assert await stage.drive(stage.control_plane.token_works(timeout=5))
        await stage.sign_out()
        assert not await stage.drive(stage.control_plane.token_works(timeout=5))

    async def test_a_forbidden_configuration_is_refused(self, stage: ControlPlaneStage) -> None:
        """It is hidden from us, which is not the same as nothing."""
        await stage.forbid()
        plane = stage.control_plane
        for asking in (
            plane.read_export_config(timeout=5),
            plane.read_gateway_policy(GatewayPolicyKind.LOGGING, timeout=5),
        ):
            with pytest.raises(Refused) as caught:
                await stage.drive(asking)
            assert (caught.value.status, caught.value.blocked) == (403, False)

    async def test_nobody_listening_is_unreachable(self, stage: ControlPlaneStage) -> None:
        """Every question."""
        trace_id = await stage.make_a_trace()
        await stage.take_down()
        plane = stage.control_plane
        for asking in (
            plane.read_export_config(timeout=5),
            plane.read_gateway_policy(GatewayPolicyKind.GLOBAL, timeout=5),
            plane.token_works(timeout=5),
            plane.find_spans(trace_id, since=stage.clock.now(), destination=None, timeout=5),
        ):
            with pytest.raises(Unreachable) as caught:
                await stage.drive(asking)
            assert caught.value.kind == "connect"

    @pytest.mark.parametrize("destination", [None, "default"])
    async def test_the_own_store_shows_a_trace(self, stage: ControlPlaneStage, destination: str | None) -> None:
        """With a root, each span once; and nothing of one that was never made."""
        began = stage.clock.now()
        trace_id = await stage.make_a_trace()
        spans = await stage.drive(
            stage.control_plane.find_spans(trace_id, since=began, destination=destination, timeout=5)
        )
        assert {span.trace_id for span in spans} == {trace_id}
        assert [span.parent_id for span in spans].count("") == 1
        assert len({span.span_id for span in spans}) == len(spans)
        nothing = stage.control_plane.find_spans(NEVER_MADE, since=began, destination=destination, timeout=5)
        assert await stage.drive(nothing) == ()
