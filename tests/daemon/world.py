"""`trace-monitor check` against the whole sandbox, in one process, on a fake clock."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from monitor.core.model import CheckName, Seconds, TargetName
from monitor.daemon.compose import Deps
from monitor.daemon.one_shot import Selection, one_shots, run_all
from monitor.daemon.status import describe
from monitor.http import Http, InProcess
from monitor.redaction import Redactor
from monitor.sandbox import Sandbox, Variant
from monitor.settings import Settings, parse
from tests.fakes.clock import FakeClock
from tests.scenarios.house import merge

C = CheckName
CANARY = frozenset({C.CANARY, C.ARRIVAL})
"""What `--only canary` means."""


class World:
    """A sandbox, and single passes over it."""

    def __init__(self, directory: Path, variant: Variant, more: dict[str, Any], *, content: bool) -> None:
        self.clock = FakeClock()
        self.sandbox = Sandbox(clock=self.clock, variant=variant, content=content, latency=0.3)
        self.directory = directory
        self.said: list[str] = []
        self.ended: bool | None = None
        self.took: Seconds = 0.0
        self._more = more

    @property
    def settings(self) -> Settings:
        """Of a monitor that watches this sandbox; its state file would be in the test's directory."""
        mine = {"state": {"path": str(self.directory / "state.db")}}
        configuration = merge(merge(self.sandbox.configuration(), mine), self._more)
        return parse(json.dumps(configuration), {}, self.directory).settings

    async def check(
        self,
        *only: CheckName,
        targets: tuple[str, ...] = (),
        timeout: Seconds | None = None,
        settings: Settings | None = None,
    ) -> dict[str, Any]:
        """One pass; what is seen, as an object."""
        chosen = settings or self.settings
        transport = InProcess({host: app for host, app in self.sandbox.apps.items()})  # noqa: C416 - Host is str
        passes = one_shots(
            chosen,
            Selection(targets=frozenset(map(TargetName, targets)), checks=frozenset(only) or None),
            Deps(
                clock=self.clock,
                http=Http(clock=self.clock, transport=transport, redactor=Redactor()),
                redactor=Redactor(),
            ),
            say=self.said.append,
        )
        work = asyncio.ensure_future(run_all((one.run for one in passes), clock=self.clock, timeout=timeout))
        self.took = await self.clock.run_until(work.done)
        self.ended = await work
        states = {
            str(one.target_store.state.target): (one.target_store.state, one.target_store.policy) for one in passes
        }
        return describe(states, self.clock.now())

    async def look(self, *only: CheckName, **more: Any) -> dict[str, Any]:
        """One pass over the one target."""
        described: dict[str, Any] = (await self.check(*only, **more))["targets"]["demo"]
        return described


@asynccontextmanager
async def world(
    directory: Path, variant: Variant | None = None, *, content: bool = False, **more: Any
) -> AsyncIterator[World]:
    """A healthy one; `more` is merged into the configuration."""
    built = World(directory, variant or Variant(), more, content=content)
    await built.sandbox.start()
    try:
        yield built
    finally:
        await built.sandbox.stop()


def verdicts(described: dict[str, Any]) -> dict[str, str]:
    """By check."""
    return {check: look["verdict"] for check, look in described["checks"].items()}
