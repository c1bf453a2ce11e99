"""One pass of everything: look once, wait for the traces, say what is true. No debouncing, no memory left behind."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.canary import CanaryCheck
from monitor.core.cadence import awaited, controls_awaited
from monitor.core.events import Checked, Event
from monitor.core.key import key_is_refused
from monitor.core.model import CheckName, Fault, Seconds, TargetName
from monitor.ports import Check, Clock, Journal, SideLook
from monitor.runner import TargetJournal, look_aside, run_check

_LONGEST_PAUSE: Seconds = 1.0
_SAY_EVERY: Seconds = 10.0
_BEYOND: Seconds = 30.0  # a look at the deadline may take a while, and one that saw the whole trace is repeated

Say = Callable[[str], None]


class SinglePass:
    """One target, looked at once."""

    def __init__(
        self,
        journal: TargetJournal,
        checks: Mapping[CheckName, Check],
        arrival: ArrivalCheck | None,
        aside: Sequence[SideLook],
        *,
        clock: Clock,
        say: Say,
    ) -> None:
        self.journal = journal
        self._checks = checks
        self.arrival = arrival
        self._aside = aside
        self._clock = clock
        self._say = say

    async def run(self) -> None:
        """Look with every check at once, then wait for what is awaited.

        The control span goes last: it proves something of a trace only if it was sent after the canary.
        """
        last = self._checks.get(CheckName.CONTROL)
        others = [self._look(check) for check in self._checks.values() if check is not last]
        await asyncio.gather(*others, self._look_aside())
        if last is not None:
            await self._look(last)
        await self._wait()
        config = self._checks.get(CheckName.CONFIG)
        if config is not None and Fault.CONFIG_DRIFT in self.journal.state.confirmed:
            await self._look(config)  # what has arrived may refute what the control plane shows of a header

    async def _look(self, check: Check) -> None:
        # The budget is the daemon's: a person who asks for a check gets a canary.
        if isinstance(check, CanaryCheck):
            await run_check(_Unbarred(check), self.journal, self._clock)
        else:
            await run_check(check, self.journal, self._clock)

    async def _wait(self) -> None:
        if self.arrival is None:
            return
        began, said, waited = self._clock.monotonic(), 0.0, 0.0
        patience = self.journal.policy.arrival.missing_after + _BEYOND
        while self._is_waiting():
            if self._is_refused():  # nothing is shown to a key that Traceloop refuses, however long one waits
                self._say(
                    f"{self._target}: Traceloop refuses the key that the traces are read with, not waiting for them"
                )
                return
            if waited >= patience:  # every look has failed: what is not known by now is unknown
                self._say(f"{self._target}: nothing could be seen in {waited:.0f} s, not waiting any longer")
                return
            await self._clock.sleep(self._pause(self.arrival))
            if self._is_due(self.arrival):
                await run_check(self.arrival, self.journal, self._clock)
            await self._look_aside()
            waited = self._clock.monotonic() - began
            if waited - said >= _SAY_EVERY:
                said = waited
                self._say(f"{self._target}: waiting for traces, {waited:.0f} s so far")

    def _pause(self, arrival: ArrivalCheck) -> Seconds:
        """Until the next look, but never so long that a waiting person hears nothing."""
        due = arrival.next_due(self.journal)
        return _LONGEST_PAUSE if due is None else min(_LONGEST_PAUSE, max(0.0, due - self._clock.now()))

    def _is_due(self, arrival: ArrivalCheck) -> bool:
        due = arrival.next_due(self.journal)
        return due is not None and due <= self._clock.now()

    @property
    def _target(self) -> str:
        return self.journal.state.target

    def _is_waiting(self) -> bool:
        state, now = self.journal.state, self._clock.now()
        return bool(awaited(state, self.journal.policy, now)) or bool(controls_awaited(state))

    def _is_refused(self) -> bool:
        """Whether the key is refused, and `arrival`, if it looks at all, has said so."""
        state = self.journal.state
        looked = not self.journal.policy.enabled(CheckName.ARRIVAL) or state.trend(CheckName.ARRIVAL).last is not None
        return key_is_refused(state) and looked

    async def _look_aside(self) -> None:
        await look_aside(self._aside, self.journal, self._clock)


class _Unbarred:
    """A canary that is sent whatever the budget says."""

    name = CheckName.CANARY

    def __init__(self, check: CanaryCheck) -> None:
        self._check = check

    async def look(self, journal: Journal) -> None:
        """Send it."""
        await self._check.send(journal)


def progress(say: Say) -> Callable[[Event], None]:
    """A listener that tells a waiting person what has been seen so far; a second look that says the same is no news."""
    said: dict[tuple[TargetName, CheckName], str] = {}

    def listen(event: Event) -> None:
        if not isinstance(event, Checked):
            return
        line = f"{event.target}: {event.check} {event.verdict}: {event.summary}"
        if said.get((event.target, event.check)) != line:
            said[event.target, event.check] = line
            say(line)

    return listen


class Runs(Protocol):
    """Something that looks at one target and ends."""

    async def run(self) -> None:
        """Look."""
        ...


async def run_all(passes: Iterable[Runs], *, clock: Clock, timeout: Seconds | None) -> bool:
    """Run several targets side by side; False if `timeout` (seconds) ended it before they were done."""
    work = asyncio.gather(*(one.run() for one in passes))
    if timeout is None:
        await work
        return True
    try:
        async with clock.timeout(timeout):
            await work
    except TimeoutError:
        return False
    return True
