"""Let a timeline happen, and write down what is told."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import assert_never

from monitor.core.inputs import Acknowledged
from monitor.core.model import Instant, TargetName
from monitor.core.silence import Silence
from monitor.sandbox import FAULTS, Sandbox
from monitor.settings import ConfigError, Problem, Settings
from monitor.settings.document import Node
from monitor.simulate.cast import Cast, Compose
from monitor.simulate.chronicle import Chronicle, Summary
from monitor.simulate.clock import VirtualClock, run
from monitor.simulate.stage import Stage
from monitor.simulate.timeline import (
    Acknowledge,
    Break,
    Doom,
    Ending,
    Hush,
    Mend,
    Reload,
    Remove,
    Restart,
    Say,
    Step,
    Timeline,
)
from monitor.simulate.words import FATES, is_of_slack

PROD = TargetName("prod")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of it."""

    start: Instant
    chronicle: Chronicle
    summary: Summary


def play(timeline: Timeline, compose: Compose | None = None) -> Played:
    """Tell a timeline by the operator's thresholds, or the built-in ones. Raises ConfigError."""
    names = _choose_targets(timeline, compose)
    for step in timeline.steps:
        if not any(fnmatchcase(name, step.target) for name in names):
            what = f"concerns none of the targets: {', '.join(names)}"
            raise ConfigError([Problem(place=step.place, path=("target",), what=what)])
    return run(_play(timeline, compose, names))


def _choose_targets(timeline: Timeline, compose: Compose | None) -> tuple[TargetName, ...]:
    if compose is None:
        return timeline.targets or (PROD,)
    known = tuple(compose(_trials(timeline)).settings.targets)
    foreign = [name for name in timeline.targets if name not in known]
    if foreign:
        what = f"the configuration has no `{foreign[0]}`; it has: {', '.join(known)}"
        raise ConfigError([Problem(place="timeline", path=("targets",), what=what)])
    return timeline.targets or known


def _trials(timeline: Timeline) -> tuple[Node, ...]:
    return () if timeline.settings is None else (timeline.settings,)


async def _play(timeline: Timeline, compose: Compose | None, names: tuple[TargetName, ...]) -> Played:
    clock = VirtualClock(timeline.start - timeline.warm_up)
    content = any(isinstance(step.deed, Break) and FAULTS[step.deed.fault].needs_content for step in timeline.steps)
    cast = Cast(names, clock, content=content)
    await cast.start()
    try:
        player = _Player(timeline, cast, compose, clock)
        return await player.play()
    finally:
        await cast.stop()


class _Player:
    def __init__(self, timeline: Timeline, cast: Cast, compose: Compose | None, clock: VirtualClock) -> None:
        self._timeline = timeline
        self._cast = cast
        self._clock = clock
        self._chronicle = Chronicle()
        self._stage = Stage(cast, clock, self._chronicle)
        self._settings, self._later = _settings_in_order(timeline, cast, compose)
        self._restarts: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._silences = 0

    async def play(self) -> Played:
        """From the beginning to the end."""
        await self._stage.open(self._settings)
        try:
            for step in self._timeline.steps:
                await self._wait_until(self._timeline.start + step.at)
                self._chronicle.note(self._clock.now(), _said(step))
                await self._do(step)
            await self._wait_until(self._timeline.start + self._timeline.until)
            summary = self._chronicle.summarize(self._open())
        finally:
            for task in self._restarts:
                task.cancel()
            await self._stage.close()
        return Played(start=self._timeline.start, chronicle=self._chronicle, summary=summary)

    async def _wait_until(self, moment: Instant) -> None:
        await self._clock.sleep(moment - self._clock.now())

    def _open(self) -> tuple[str, ...]:
        found = [journal.state.incident for journal in self._stage.daemon.journals]
        return tuple(f"{each.target} {each.diagnosis.fault}" for each in found if each is not None)

    # --- what happens

    async def _do(self, step: Step) -> None:  # noqa: C901, PLR0912 - one line per kind of deed
        match step.deed:
            case Break(fault=fault, seconds=seconds):
                for sandbox in self._concerned(step, fault):
                    await sandbox.break_(fault, seconds)
            case Mend(fault=fault):
                for sandbox in self._concerned(step, fault):
                    await sandbox.mend(fault)
            case Doom(fate=fate):
                await self._doom(step, fate)
            case Say():
                for name in self._targets(step):
                    self._stage.prompter.prompt(name, step.deed)
            case Restart():
                task = asyncio.create_task(self._restart(step.deed), name="restart")
                self._restarts.add(task)
            case Reload() | Remove():
                self._settings = next(self._later)
                if self._stage.running:
                    await self._stage.apply(self._settings)
            case Hush():
                await self._hush(step, step.deed)
            case Acknowledge(by=by):
                await self._acknowledge(step, by)
            case _:
                assert_never(step.deed)

    def _targets(self, step: Step) -> list[TargetName]:
        return [name for name in self._cast.sandboxes if fnmatchcase(name, step.target)]

    def _concerned(self, step: Step, fault: str) -> list[Sandbox]:
        if is_of_slack(fault):
            return [self._cast.slack]
        return [self._cast.sandboxes[name] for name in self._targets(step)]

    async def _doom(self, step: Step, fate: str) -> None:
        for name in self._targets(step):
            for fault in FATES.values():
                await self._cast.sandboxes[name].mend(fault)
            if fate in FATES:
                await self._cast.sandboxes[name].break_(FATES[fate])

    async def _restart(self, deed: Restart) -> None:
        async with self._one_at_a_time:
            match deed.ending:
                case Ending.STOPPED:
                    await self._stage.stop()
                case Ending.KILLED:
                    await self._stage.kill()
                case Ending.KILLED_AFTER_SENDING:
                    self._stage.let_it_die_after_sending()
                    await self._stage.sent.wait()
                    await self._stage.kill()
                    self._chronicle.note(
                        self._clock.now(), "the daemon is killed: what it has just said is not written down"
                    )
            await self._clock.sleep(deed.down)
            await self._stage.start(self._settings)
            self._chronicle.note(self._clock.now(), "the daemon is started again")

    async def _hush(self, step: Step, deed: Hush) -> None:
        if not self._stage.running:
            self._chronicle.note(self._clock.now(), "the daemon is down: nobody takes the silence")
            return
        now, daemon = self._clock.now(), self._stage.daemon
        self._silences += 1
        silence = Silence(
            id=f"added-{self._silences}",
            target=step.target,
            fault=deed.fault,
            begins_at=now,
            ends_at=now + deed.seconds,
            comment=deed.comment,
            author=deed.author,
        )
        await daemon.set_silences((*daemon.added_silences, silence))

    async def _acknowledge(self, step: Step, by: str) -> None:
        taken = False
        for journal in self._stage.daemon.journals if self._stage.running else ():
            incident = journal.state.incident
            if incident is not None and fnmatchcase(incident.target, step.target):
                given = Acknowledged(at=self._clock.now(), incident_id=incident.id, by=by)
                await journal.absorb(given, durable=True)
                taken = True
        if not taken:
            self._chronicle.note(self._clock.now(), "nothing is open that could be acknowledged")


def _said(step: Step) -> str:
    return step.words if step.target == "*" else f"{step.target}: {step.words}"


def _settings_in_order(timeline: Timeline, cast: Cast, compose: Compose | None) -> tuple[Settings, Iterator[Settings]]:
    """The settings at the beginning and after each change, all of them valid. Raises ConfigError."""
    over = _trials(timeline)
    removed: list[str] = []
    first = cast.settings(compose, over)
    later: list[Settings] = []
    for step in timeline.steps:
        if isinstance(step.deed, Reload):
            over = (step.deed.settings, *over)
        elif isinstance(step.deed, Remove):
            removed.append(step.target)
        else:
            continue
        later.append(_without(cast.settings(compose, over), removed))
    return first, iter(later)


def _without(settings: Settings, removed: list[str]) -> Settings:
    left = {
        name: target
        for name, target in settings.targets.items()
        if not any(fnmatchcase(name, pattern) for pattern in removed)
    }
    return settings.model_copy(update={"targets": left})
