"""What every trace backend and every ingest promises to the checks: the real adapters and the fakes alike."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from typing import ClassVar, TypeVar

import pytest

from monitor.core.backend import TRACELOOP, BackendTraits
from monitor.core.canary import CONTROL_SPAN_NAME
from monitor.core.model import Instant, TraceId
from monitor.core.trace import Narrowing
from monitor.ports import ControlRequest, Garbled, Gone, Ingest, IngestAnswer, Refused, TraceBackend, Unreachable
from tests.fakes.clock import FakeClock

T = TypeVar("T")
NEVER_SENT = TraceId("0" * 31 + "1")
NONCE = "gtm-0123456789abcdef"


class Stage(ABC):
    """Both sides of a trace backend on a fake clock, and how to break them."""

    clock: FakeClock
    backend: TraceBackend
    ingest: Ingest

    async def drive(self, asking: Awaitable[T]) -> T:
        """Await, while fake time passes."""
        task = asyncio.ensure_future(asking)
        await self.clock.run_until(task.done)
        return await task

    async def close_the_quick_route(self) -> None:
        """From now on it is not there. A backend that reads by id as documented has none."""
        raise NotImplementedError

    @abstractmethod
    async def refuse_the_key(self) -> None:
        """From now on every key is unknown, to both sides."""

    @abstractmethod
    async def take_down(self) -> None:
        """From now on nobody listens."""

    @abstractmethod
    async def reject_spans(self) -> None:
        """From now on spans are taken with a partial success that rejects them."""


class BackendContract(ABC):
    """Of `monitor.ports.TraceBackend` and `Ingest`, which show each other. `traits`: what the backend declares."""

    traits: ClassVar[BackendTraits] = TRACELOOP

    @pytest.fixture
    @abstractmethod
    def stage(self) -> AsyncIterator[Stage] | Stage:
        """What is under test, and healthy."""

    async def send(self, stage: Stage, nonce: str = "") -> tuple[TraceId, Instant]:
        """Send a span; its trace and when. It is in every index a while later."""
        request = ControlRequest(
            trace_id=TraceId(stage.clock.draw_hex(32)),
            span_id=stage.clock.draw_hex(16),
            at=stage.clock.now(),
            service_name="contract",
            attributes={"nonce": nonce},
        )
        answer = await stage.drive(stage.ingest.send(request, timeout=10))
        assert (answer.status // 100, answer.rejected, answer.blocked) == (2, 0, False)
        await stage.clock.advance(300)
        return request.trace_id, request.at

    async def test_a_span_that_was_sent_is_shown_by_both_routes(self, stage: Stage) -> None:
        """The documented one shows the service's name too, where the backend keeps it; each span once."""
        trace_id, sent = await self.send(stage)
        quick = await stage.drive(stage.backend.read_trace(trace_id, nonce=None, timeout=10))
        assert [span.trace_id for span in quick] == [trace_id]
        assert quick[0].service_name is None
        window = await stage.drive(
            stage.backend.read_window(
                since=sent - 60, until=stage.clock.now(), trace_id=trace_id, nonce=None, timeout=10
            )
        )
        name = "contract" if self.traits.keeps_resource else None
        assert [(span.trace_id, span.service_name) for span in window] == [(trace_id, name)]
        assert self.traits.keeps_resource or all(span.resource is None for span in window)

    async def test_a_key_that_is_accepted_is_tried_without_an_error(self, stage: Stage) -> None:
        """Whatever is there."""
        await self.send(stage)
        await stage.drive(stage.backend.try_key(timeout=10))

    async def test_what_was_never_sent_is_not_shown(self, stage: Stage) -> None:
        """Absence is an empty answer, no error."""
        _, sent = await self.send(stage)
        assert await stage.drive(stage.backend.read_trace(NEVER_SENT, nonce=None, timeout=10)) == ()
        asking = stage.backend.read_window(
            since=sent - 60, until=stage.clock.now(), trace_id=NEVER_SENT, nonce=None, timeout=10
        )
        assert await stage.drive(asking) == ()

    async def test_a_window_shows_nothing_else(self, stage: Stage) -> None:
        """A span before it is not in it."""
        trace_id, sent = await self.send(stage)
        asking = stage.backend.read_window(
            since=sent + 60, until=stage.clock.now(), trace_id=trace_id, nonce=None, timeout=10
        )
        assert await stage.drive(asking) == ()

    async def test_a_closed_route_is_gone(self, stage: Stage) -> None:
        """And the documented one is none the worse."""
        trace_id, sent = await self.send(stage)
        if not self.traits.by_id_documented:
            await stage.close_the_quick_route()
            with pytest.raises(Gone):
                await stage.drive(stage.backend.read_trace(trace_id, nonce=None, timeout=10))
        asking = stage.backend.read_window(
            since=sent - 60, until=stage.clock.now(), trace_id=trace_id, nonce=None, timeout=10
        )
        assert len(await stage.drive(asking)) == 1

    async def test_a_refused_key_is_refused_everywhere(self, stage: Stage) -> None:
        """Reading it is an error, sending an answer."""
        await stage.refuse_the_key()
        for asking in (
            stage.backend.read_trace(NEVER_SENT, nonce=None, timeout=10),
            stage.backend.read_window(since=0, until=1, trace_id=NEVER_SENT, nonce=None, timeout=10),
            stage.backend.try_key(timeout=10),
        ):
            with pytest.raises(Refused) as caught:
                await stage.drive(asking)
            assert (caught.value.status, caught.value.blocked) == (401, False)
        assert (await self.try_to_send(stage)).status == 401

    async def test_nobody_listening_is_unreachable(self, stage: Stage) -> None:
        """Each of the three."""
        await stage.take_down()
        for asking in (
            stage.backend.read_trace(NEVER_SENT, nonce=None, timeout=10),
            stage.backend.read_window(since=0, until=1, trace_id=NEVER_SENT, nonce=None, timeout=10),
        ):
            with pytest.raises(Unreachable) as caught:
                await stage.drive(asking)
            assert caught.value.kind == "connect"
        with pytest.raises(Unreachable) as caught:
            await self.try_to_send(stage)
        assert caught.value.kind == "connect"

    async def test_a_rejected_span_is_reported_and_not_shown(self, stage: Stage) -> None:
        """2xx is not yet success: https://opentelemetry.io/docs/specs/otlp/#partial-success-1."""
        await stage.reject_spans()
        answer = await self.try_to_send(stage)
        assert answer.rejected == 1 if answer.status == 200 else answer.status >= 400
        assert answer.message

    async def test_a_span_is_found_by_every_narrowing_that_is_honoured(self, stage: Stage) -> None:
        """One that is not honoured is Garbled, or shows nothing: never somebody else's span."""
        trace_id, sent = await self.send(stage)
        await self.send(stage)
        window = {"since": sent - 60, "until": stage.clock.now(), "timeout": 10.0}
        for narrowing in (Narrowing.TRACE_ID, Narrowing.MARKER, Narrowing.SPAN_NAME, Narrowing.WINDOW):
            asking = stage.backend.read_window(
                trace_id=trace_id, nonce=None, narrowing=narrowing, span_name=CONTROL_SPAN_NAME, **window
            )
            try:
                found = await stage.drive(asking)
            except Garbled:
                continue
            assert {span.trace_id for span in found} <= {trace_id}, narrowing
            assert found or narrowing is not Narrowing.WINDOW

    async def try_to_send(self, stage: Stage) -> IngestAnswer:
        """Send a span, whatever comes of it."""
        request = ControlRequest(
            trace_id=TraceId("c" * 32), span_id="d" * 16, at=stage.clock.now(), service_name="contract"
        )
        return await stage.drive(stage.ingest.send(request, timeout=10))
