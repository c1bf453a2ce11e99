"""`trace-monitor doctor` against the whole sandbox, in one process, on a fake clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from monitor.core.model import Seconds
from monitor.daemon.compose import Deps, secrets_of
from monitor.daemon.one_shot import run_all
from monitor.doctor.probe import Probe
from monitor.doctor.recording import Recorder
from monitor.doctor.report import describe_probes
from monitor.doctor.snapshot import Snapshot
from monitor.http import Http, InProcess
from monitor.redaction import Redactor
from monitor.sandbox import FAULTS, BackendKind, Sandbox, Variant, parse_variant
from monitor.settings import Settings, parse
from tests.fakes.clock import FakeClock
from tests.scenarios.house import merge

Report = dict[str, Any]


class Harness:
    """A sandbox, and a doctor that asks it."""

    def __init__(self, variant: Variant, more: dict[str, Any], *, content: bool, backend: BackendKind) -> None:
        self.clock = FakeClock(threads=False)
        self.sandbox = Sandbox(clock=self.clock, variant=variant, content=content, latency=0.3, backend=backend)
        self.more = more
        self.said: list[str] = []
        self.took: Seconds = 0.0
        self.seen: list[Snapshot] = []

    @property
    def settings(self) -> Settings:
        """Of a monitor that watches this sandbox."""
        return parse(json.dumps(merge(self.sandbox.configuration(), self.more)), {}, Path.cwd()).settings

    async def report(
        self, *, targets: tuple[str, ...] = (), timeout: Seconds | None = None, record: Path | None = None
    ) -> Report:
        """Ask once; the whole report."""
        settings, clock = self.settings, self.clock
        recorder = Recorder(settings, record, clock=clock) if record is not None else None
        transport = InProcess({host: app for host, app in self.sandbox.apps.items()})  # noqa: C416 - Host is str
        http = Http(clock=clock, transport=transport, redactor=Redactor())
        deps = Deps(clock=clock, http=http, redactor=Redactor(secrets_of(settings)))
        listen = recorder.record if recorder is not None else None
        wanted = [name for name in settings.targets if name in targets or not targets]
        probes = [Probe(name, settings, deps, say=self.said.append, on_exchange=listen) for name in wanted]
        began = clock.monotonic()
        work = asyncio.ensure_future(run_all((probe.run for probe in probes), clock=clock, timeout=timeout))
        await clock.run_until(work.done)
        await work
        self.took = clock.monotonic() - began
        self.seen += [probe.snapshot for probe in probes]
        report = describe_probes(probe.snapshot for probe in probes)
        if recorder is not None:
            recorder.close(report)
        return report

    async def target(self, **how: Any) -> Report:
        """Ask once; the part of the report that is about the one target."""
        target: Report = (await self.report(**how))["targets"]["demo"]
        return target


@asynccontextmanager
async def harness(
    variant: str = "",
    *faults: str,
    content: bool | None = None,
    backend: BackendKind = BackendKind.TRACELOOP,
    **more: Any,
) -> AsyncIterator[Harness]:
    """A sandbox in a variant, with something broken; `more` is merged into the configuration."""
    needs_content = any(FAULTS[fault].needs_content for fault in faults)
    built = Harness(
        parse_variant(variant), more, content=needs_content if content is None else content, backend=backend
    )
    await built.sandbox.start()
    try:
        for fault in faults:
            await built.sandbox.break_(fault)
        yield built
    finally:
        await built.sandbox.stop()


def answers(target: Report) -> dict[str, tuple[str, str]]:
    """Answer and verdict of each question."""
    return {slug: (each["answer"], each["verdict"]) for slug, each in target["questions"].items()}
