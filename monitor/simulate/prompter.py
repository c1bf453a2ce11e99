"""Tells checks what to find: a check that has been told so reports that, at its own cadence, instead of looking."""

from dataclasses import dataclass, field, replace

from monitor.core.cadence import bar_canary
from monitor.core.canary import Canary, ControlSpan
from monitor.core.inputs import CanaryAnswered, CanaryPlanned, ControlSent, Observation
from monitor.core.model import CheckName, Fault, Finding, TargetName, TraceId
from monitor.daemon.compose import Deps, Parts, Publish, assemble
from monitor.ports import Check, Clock, Journal
from monitor.settings import Settings, Target
from monitor.simulate.timeline import Say


@dataclass(slots=True)
class Prompter:
    """Knows what each check of each target has been told to find."""

    clock: Clock
    _said: dict[tuple[TargetName, CheckName], Say] = field(default_factory=dict)

    def prompt(self, target: TargetName, say: Say) -> None:
        """From now on a check finds this."""
        self._said[target, say.check] = say

    def next(self, target: TargetName, check: CheckName) -> Finding | None:
        """What a check is to find now; None: it looks by itself."""
        say = self._said.get((target, check))
        if say is None or say.looks == 0:
            return None
        if say.looks is not None:
            self._said[target, check] = replace(say, looks=say.looks - 1)
        return say.finding

    def assemble(
        self, name: TargetName, target: Target, settings: Settings, deps: Deps, *, key: bytes, publish: Publish
    ) -> Parts:
        """The real checks of a target, each behind one that listens to the prompter."""
        parts = assemble(name, target, settings, deps, key=key, publish=publish)
        return replace(parts, checks={each: Prompted(check, name, self) for each, check in parts.checks.items()})


class Prompted:
    """Implements `monitor.ports.Check`."""

    def __init__(self, check: Check, target: TargetName, prompter: Prompter) -> None:
        self.name = check.name
        self._check = check
        self._target = target
        self._prompter = prompter

    async def look(self, journal: Journal) -> None:
        """Report what was prompted, as the real check would; else look."""
        clock = self._prompter.clock
        canary = self.name is CheckName.CANARY
        if canary and bar_canary(journal.state, journal.policy, clock.now()) is not None:
            await self._check.look(journal)
            return
        finding = self._prompter.next(self._target, self.name)
        if finding is None:
            await self._check.look(journal)
        elif canary:
            await _send_canary(journal, finding, clock)
        elif self.name is CheckName.CONTROL:
            await _send_control(journal, finding, clock)
        else:
            await journal.absorb(Observation(check=self.name, at=clock.now(), took=0.0, finding=finding))


async def _send_canary(journal: Journal, finding: Finding, clock: Clock) -> None:
    """A canary that is not served: it is paid for, and its trace is not awaited."""
    now, trace_id = clock.now(), TraceId(clock.draw_hex(32))
    canary = Canary(id=trace_id[:16], sent_at=now, sent_id=trace_id, span_id=clock.draw_hex(16), nonce="scripted")
    await journal.absorb(CanaryPlanned(at=now, canary=canary), durable=True)
    limited = finding.fault is Fault.RATE_LIMITED
    answered = CanaryAnswered(at=now, took=0.0, canary=canary, finding=finding, rate_limited=limited)
    await journal.absorb(answered, durable=True)


async def _send_control(journal: Journal, finding: Finding, clock: Clock) -> None:
    """A control span that Traceloop does not take."""
    now = clock.now()
    control = ControlSpan(trace_id=TraceId(clock.draw_hex(32)), sent_at=now, accepted=False)
    refused = finding.fault is Fault.KEY_REJECTED
    await journal.absorb(ControlSent(at=now, took=0.0, control=control, finding=finding, key_refused=refused))
