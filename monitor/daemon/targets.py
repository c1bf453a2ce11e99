"""One target at work: its checks on the schedule, hurried along when its state asks for it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from monitor.checks.arrival import ArrivalCheck
from monitor.core.model import CheckName, Instant, Seconds, UnknownReason
from monitor.core.pace import due_at, why_not_send
from monitor.core.state import TargetState
from monitor.ports import Check, Clock, SideLook
from monitor.runner import LiveTargetStore, look_aside, run_check
from monitor.schedule import GridSchedule, spread

_WATCH_EVERY: Seconds = 15.0
_SLACK: Seconds = 0.5
_ASIDE = "evidence"  # the job of what looks beside the checks


class TargetWatch:
    """Runs the checks of one target when they are due."""

    def __init__(
        self,
        target_store: LiveTargetStore,
        checks: Mapping[CheckName, Check],
        arrival: ArrivalCheck | None,
        aside: Sequence[SideLook],
        *,
        schedule: GridSchedule,
        clock: Clock,
        follow: Callable[[], None],
    ) -> None:
        """`follow` is called before each look, to judge by the secrets that it is going to use."""
        self.target_store = target_store
        self._checks = checks
        self._arrival = arrival
        self._aside = aside
        self._schedule = schedule
        self._clock = clock
        self._follow = follow
        self._running: set[CheckName] = set()
        self._ahead: dict[CheckName, Seconds] = {}  # the wall clock before the monotonic one, when a check ran last
        self._was_paused = False
        self._resuming = False
        self._looks_aside = False

    def begin(self) -> None:
        """Put every check on the grid; each looks for the first time at once."""
        for check in self._checks.values():
            cadence = self.target_store.policy.cadences[check.name]
            name = self._job(check.name)
            self._schedule.every(name, cadence.every, partial(self._run, check), offset=spread(name, cadence.every))
        if self._arrival is not None:
            self._schedule.every(self._job(CheckName.ARRIVAL), _WATCH_EVERY, self._watch, first=1.0)
        if self._aside:
            self._schedule.every(self._job(_ASIDE), _WATCH_EVERY, self._look_aside, first=1.0)

    def jobs(self) -> tuple[str, ...]:
        """The names of its jobs."""
        names = [self._job(check) for check in self._checks]
        names += [self._job(CheckName.ARRIVAL)] if self._arrival is not None else []
        return (*names, self._job(_ASIDE)) if self._aside else tuple(names)

    def next_runs(self) -> Mapping[CheckName, Seconds]:
        """How long until each check runs next, but for `arrival`, which waits for canaries."""
        waits = {check: self._schedule.due_in(self._job(check)) for check in self._checks}
        return {check: wait for check, wait in waits.items() if wait is not None}

    def replan(self, state: TargetState) -> None:
        """The state has changed: hurry what is due sooner than its grid says."""
        now, policy = self._clock.now(), self.target_store.policy
        for check in (each for each in self._checks if each not in self._running):
            then = now - self._set_since(check)
            due = due_at(check, state, policy, then)
            if due - then < policy.cadences[check].every - _SLACK:
                self._schedule.soon(self._job(check), max(0.0, due - then))
        self._resume_canary(state, now)
        self._plan_watch()
        self._plan_aside(state, now)

    def _set_since(self, check: CheckName) -> Seconds:
        """By how much the wall clock has been set ahead since the check ran: nothing is due any sooner for that."""
        ahead = self._clock.now() - self._clock.monotonic()
        return round(ahead - self._ahead.get(check, ahead), 3)

    def _resume_canary(self, state: TargetState, now: Instant) -> None:
        """The first pass of the gateway after a pause sends a canary at once."""
        if CheckName.CANARY not in self._checks:
            return
        not_sent = why_not_send(state, self.target_store.policy, now)
        paused = not_sent is not None and not_sent.unknown_reason is UnknownReason.PAUSED and not_sent.until is None
        if self._was_paused and not paused:
            self._resuming = True
            self._schedule.soon(self._job(CheckName.CANARY))
        self._was_paused = paused

    def _plan_watch(self) -> None:
        if self._arrival is None:
            return
        due = self._arrival.next_due(self.target_store)
        if due is not None:
            self._schedule.soon(self._job(CheckName.ARRIVAL), max(0.0, due - self._clock.now()))

    def _plan_aside(self, state: TargetState, now: Instant) -> None:
        """What is due beside the checks is not waited for: it must be known before somebody is notified."""
        if not self._looks_aside and any(look.is_due(state, self.target_store.policy, now) for look in self._aside):
            self._schedule.soon(self._job(_ASIDE))

    def _job(self, what: str) -> str:
        return f"{self.target_store.state.target}:{what}"

    async def _run(self, check: Check) -> None:
        if self._too_soon(check.name):
            return
        self._follow()
        self._ahead[check.name] = self._clock.now() - self._clock.monotonic()
        self._running.add(check.name)
        try:
            await run_check(check, self.target_store, self._clock)
        finally:
            self._running.discard(check.name)
        self.replan(self.target_store.state)

    def _too_soon(self, check: CheckName) -> bool:
        """Whether a run asked for earlier has done the work of this one; what costs money is never done twice.

        A canary in the future was sent before the clock was set back: it says nothing of when.
        """
        last = self.target_store.state.canaries[-1].sent_at if self.target_store.state.canaries else None
        if check is not CheckName.CANARY or last is None:
            return False
        if self._resuming:
            self._resuming = False
            return False
        fast = self.target_store.policy.cadences[check].every_while_failing
        return 0 <= self._clock.now() - last < fast - _SLACK

    async def _watch(self) -> None:
        """Look for what is awaited."""
        self._follow()
        if self._arrival is not None:
            await run_check(self._arrival, self.target_store, self._clock)
            self._plan_watch()
            self._plan_aside(self.target_store.state, self._clock.now())

    async def _look_aside(self) -> None:
        """Look beside the checks, where that is due; a slow answer there delays no look for a trace."""
        self._follow()
        self._looks_aside = True
        try:
            await look_aside(self._aside, self.target_store, self._clock)
        finally:
            self._looks_aside = False
