"""The fakes and the real adapters keep the same contract; the real ones against the sandbox, which is as strict as the facts."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from monitor.http import Http
from monitor.otlp import OtlpIngest, SpanReader
from monitor.ports import Gone, IngestAnswer, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.sandbox import Sandbox
from monitor.traceloop import TraceloopReader
from tests.fakes.backend import FakeBackend, FakeIngest
from tests.fakes.breakable import Breakable
from tests.fakes.clock import FakeClock
from tests.otlp.contract import NONCE, BackendContract, Stage


class _FakeStage(Stage):
    def __init__(self) -> None:
        self.clock = FakeClock()
        self._backend = FakeBackend()
        self._ingest = FakeIngest(self._backend)
        self.backend = self._backend
        self.ingest = self._ingest

    async def close_the_quick_route(self) -> None:
        self._backend.quick_error = Gone("not here")

    async def refuse_the_key(self) -> None:
        self._backend.quick_error = self._backend.window_error = Refused("no", status=401)
        self._ingest.answer = IngestAnswer(status=401)

    async def take_down(self) -> None:
        error = Unreachable("down", kind="connect")
        self._backend.quick_error = self._backend.window_error = self._ingest.error = error

    async def reject_spans(self) -> None:
        self._ingest.answer = IngestAnswer(status=200, rejected=1, message="no room")


class TestFakes(BackendContract):
    """Those that the tests of the checks use."""

    @pytest.fixture
    def stage(self) -> Stage:
        """In memory."""
        return _FakeStage()


class _RealStage(Stage):
    def __init__(self, sandbox: Sandbox, transport: Breakable, clock: FakeClock) -> None:
        self.clock = clock
        self._sandbox = sandbox
        self._transport = transport
        url, redactor = sandbox.traceloop_url, Redactor()
        http = Http(clock=clock, transport=transport, redactor=redactor)
        key = sandbox.world.credentials.key
        self.backend = TraceloopReader(http, url, lambda: key, spans=SpanReader(redactor), clock=clock)
        self.ingest = OtlpIngest(
            http, f"{url}/v1/traces", lambda: {"Authorization": f"Bearer {key}"}, redactor=redactor, clock=clock
        )

    async def close_the_quick_route(self) -> None:
        self._sandbox.world.vary(trace_route="404")

    async def refuse_the_key(self) -> None:
        await self._sandbox.break_("key_rejected")

    async def take_down(self) -> None:
        self._transport.take_down(urlsplit(self._sandbox.traceloop_url).netloc)

    async def reject_spans(self) -> None:
        await self._sandbox.break_("ingest_failing_rejects")


class TestTraceloop(BackendContract):
    """The real ones."""

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        """The adapters before the sandbox."""
        clock = FakeClock()
        sandbox = Sandbox(clock=clock)
        await sandbox.start()
        transport = Breakable({str(host): app for host, app in sandbox.apps.items()})
        yield _RealStage(sandbox, transport, clock)
        await sandbox.stop()

    async def test_a_span_is_found_by_what_stands_in_it(self, stage: Stage) -> None:
        """Where the trace id is not known, its nonce finds the whole trace."""
        trace_id, sent = await self.send(stage, nonce=NONCE)
        asking = stage.backend.read_window(
            since=sent - 60, until=stage.clock.now(), trace_id=None, nonce=NONCE, timeout=10
        )
        assert [span.trace_id for span in await stage.drive(asking)] == [trace_id]
