"""The adapter of Phoenix keeps the contract of trace backends, against the sandbox's Phoenix, with authentication and without."""

from collections.abc import AsyncIterator
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from monitor.core.backend import PHOENIX, BackendTraits
from monitor.http import Http
from monitor.otlp import OtlpIngest, SpanReader
from monitor.phoenix import PhoenixReader
from monitor.redaction import Redactor
from monitor.sandbox import BackendKind, Sandbox
from tests.fakes.breakable import Breakable
from tests.fakes.clock import FakeClock
from tests.otlp.contract import NEVER_SENT, NONCE, BackendContract, Stage

PROJECT = "gateway"


class _Stage(Stage):
    def __init__(self, sandbox: Sandbox, transport: Breakable, clock: FakeClock) -> None:
        self.clock = clock
        self._sandbox = sandbox
        self._transport = transport
        world, url, redactor = sandbox.world, sandbox.traceloop_url, Redactor()
        http = Http(clock=clock, transport=transport, redactor=redactor)
        headers = world.backend.headers(world.credentials.key)
        key = (lambda: world.credentials.key) if world.backend.authenticates else None
        self.backend = PhoenixReader(http, url, PROJECT, key, spans=SpanReader(redactor), clock=clock)
        self.ingest = OtlpIngest(http, f"{url}/v1/traces", lambda: headers, redactor=redactor, clock=clock)

    async def refuse_the_key(self) -> None:
        await self._sandbox.break_("key_rejected")

    async def take_down(self) -> None:
        self._transport.take_down(urlsplit(self._sandbox.traceloop_url).netloc)

    async def reject_spans(self) -> None:
        await self._sandbox.break_("ingest_failing_rejects")


async def staged(kind: BackendKind) -> AsyncIterator[_Stage]:
    """The adapters before the sandbox."""
    clock = FakeClock()
    sandbox = Sandbox(clock=clock, backend=kind)
    await sandbox.start()
    transport = Breakable({str(host): app for host, app in sandbox.apps.items()})
    yield _Stage(sandbox, transport, clock)
    await sandbox.stop()


class TestPhoenix(BackendContract):
    """With authentication."""

    traits: ClassVar[BackendTraits] = PHOENIX

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        """Before the sandbox."""
        async for each in staged(BackendKind.PHOENIX):
            yield each

    async def test_a_span_is_found_by_what_stands_in_it(self, stage: Stage) -> None:
        """Where the trace id is not known, its nonce finds the whole trace."""
        trace_id, sent = await self.send(stage, nonce=NONCE)
        asking = stage.backend.read_window(
            since=sent - 60, until=stage.clock.now(), trace_id=None, nonce=NONCE, timeout=10
        )
        assert [span.trace_id for span in await stage.drive(asking)] == [trace_id]


class TestOpenPhoenix(BackendContract):
    """Without authentication: nobody can be refused."""

    traits: ClassVar[BackendTraits] = PHOENIX

    @pytest.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        """Before the sandbox."""
        async for each in staged(BackendKind.OPEN_PHOENIX):
            yield each

    async def test_a_refused_key_is_refused_everywhere(self, stage: Stage) -> None:
        """There is no key, so none can be refused."""
        await self.send(stage)
        await stage.refuse_the_key()
        assert await stage.drive(stage.backend.read_trace(NEVER_SENT, nonce=None, timeout=10)) == ()
        assert (await self.try_to_send(stage)).status == 200
