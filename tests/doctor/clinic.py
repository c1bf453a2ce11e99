"""`trace-monitor doctor` against the whole sandbox, or against a recording of it, in one process, on a fake clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from monitor.core.model import Seconds, TargetName
from monitor.daemon.assembly import secrets_of
from monitor.daemon.once import run_all
from monitor.doctor.recording import Recorder
from monitor.doctor.recording.disguise import CREDENTIAL
from monitor.doctor.report import describe_visits
from monitor.doctor.seen import Seen
from monitor.doctor.visits import Equipment, build_visits
from monitor.http import Exchange, Http, InProcess, Transport
from monitor.redaction import Redactor
from monitor.sandbox import FAULTS, Sandbox, Variant, parse_variant
from monitor.settings import Settings, parse
from tests.doctor.replay import Replay
from tests.fakes.clock import FakeClock
from tests.scenarios.house import merge

Report = dict[str, Any]


class Clinic:
    """A sandbox, and visits to it."""

    def __init__(self, variant: Variant, more: dict[str, Any], *, content: bool) -> None:
        self.clock = FakeClock(threads=False)
        self.sandbox = Sandbox(clock=self.clock, variant=variant, content=content, latency=0.3)
        self.said: list[str] = []
        self.took: Seconds = 0.0
        self.seen: list[Seen] = []
        self._more = more

    @property
    def settings(self) -> Settings:
        """Of a monitor that watches this sandbox."""
        return parse(json.dumps(merge(self.sandbox.configuration(), self._more)), {}, Path.cwd()).settings

    async def visit(
        self, *, targets: tuple[str, ...] = (), timeout: Seconds | None = None, record: Path | None = None
    ) -> Report:
        """One visit; the whole report."""
        settings = self.settings
        recorder = Recorder(settings, record, clock=self.clock) if record is not None else None
        transport = InProcess({host: app for host, app in self.sandbox.apps.items()})  # noqa: C416 - Host is str
        began = self.clock.monotonic()
        report = await _visit(
            settings,
            transport,
            self.clock,
            said=self.said,
            seen=self.seen,
            recorder=recorder,
            targets=targets,
            timeout=timeout,
            redactor=Redactor(secrets_of(settings)),
        )
        self.took = self.clock.monotonic() - began
        if recorder is not None:
            recorder.conclude(report)
            recorder.close()
        return report

    async def look(self, **how: Any) -> Report:
        """One visit to the one target."""
        target: Report = (await self.visit(**how))["targets"]["demo"]
        return target


async def replay(directory: Path) -> tuple[Report, Replay]:
    """A visit to a recording; the report of its one target."""
    recording = Replay(directory)
    secrets = [*secrets_of(recording.settings), CREDENTIAL]
    report = await _visit(recording.settings, recording, recording.clock, said=[], seen=[], redactor=Redactor(secrets))
    return report["targets"]["target-1"], recording


async def _visit(
    settings: Settings,
    transport: Transport,
    clock: FakeClock,
    *,
    said: list[str],
    seen: list[Seen],
    redactor: Redactor,
    recorder: Recorder | None = None,
    targets: tuple[str, ...] = (),
    timeout: Seconds | None = None,
) -> Report:
    equipment = Equipment(
        http=Http(clock=clock, transport=transport),
        redactor=redactor,
        clock=clock,
        say=said.append,
        overhear=recorder.hear if recorder is not None else _overlook,
    )
    visits = build_visits(settings, frozenset(map(TargetName, targets)), equipment)
    work = asyncio.ensure_future(run_all(visits, clock=clock, timeout=timeout))
    await clock.run_until(work.done)
    await work
    seen += [visit.seen for visit in visits]
    return describe_visits(visit.seen for visit in visits)


def _overlook(_exchange: Exchange) -> None:
    return


@asynccontextmanager
async def clinic(dialect: str = "", *faults: str, content: bool | None = None, **more: Any) -> AsyncIterator[Clinic]:
    """A sandbox in a dialect, with something broken; `more` is merged into the configuration."""
    needs_content = any(FAULTS[fault].needs_content for fault in faults)
    built = Clinic(parse_variant(dialect), more, content=needs_content if content is None else content)
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
