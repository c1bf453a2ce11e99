"""One pass of everything (`trace-monitor check`): look once, wait for the traces, say what is true.

No debouncing. What the daemon remembers is read, nothing is written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.canary import CanaryCheck
from monitor.checks.evidence import CountersLook
from monitor.core.events import Checked, Event
from monitor.core.key import key_is_refused
from monitor.core.model import CheckName, Fault, Seconds, TargetName
from monitor.core.pace import awaited, controls_awaited
from monitor.core.present import bring_to_present
from monitor.core.state import Policy, TargetState
from monitor.daemon.compose import Deps, Parts, assemble
from monitor.daemon.policy import at_once, policy_of
from monitor.ports import Check, Clock, TargetStore
from monitor.runner import LiveTargetStore, look_aside, run_check
from monitor.settings import Settings
from monitor.store.snapshot import load_snapshot

_LONGEST_PAUSE: Seconds = 1.0
_PROGRESS_EVERY: Seconds = 10.0
_BEYOND: Seconds = 30.0  # a look at the deadline may take a while, and one that saw the whole trace is repeated
_KEY_DIGITS = 64

Print = Callable[[str], None]
"""Progress, for a person who waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a person asked for; nothing chosen means everything."""

    targets: frozenset[TargetName] = frozenset()
    checks: frozenset[CheckName] | None = None

    def wants_target(self, name: TargetName) -> bool:
        """Whether to look at a target."""
        return not self.targets or name in self.targets

    def wants_check(self, name: CheckName) -> bool:
        """Whether to run a check."""
        return self.checks is None or name in self.checks


def one_shots(settings: Settings, selection: Selection, deps: Deps, *, say: Print) -> list["OneShot"]:
    """One pass for each selected target."""
    snapshot = load_snapshot(Path(settings.state.path))
    key = snapshot.fingerprint_key or bytes.fromhex(deps.clock.draw_hex(_KEY_DIGITS))
    if snapshot.problem is not None:
        say(f"continuing without the state file: {snapshot.problem}")
    passes = []
    for name, target in settings.targets.items():
        if selection.wants_target(name):
            policy = policy_of(target, at_once(settings.alerting), key)
            parts = assemble(name, target, settings, deps, key=key, publish=lambda _event: None)
            known = bring_to_present(snapshot.state.targets.get(name, TargetState(target=name)), deps.clock.now())
            passes.append(OneShot(known, policy, parts, selection, deps.clock, say=say))
    return passes


class OneShot:
    """One target, looked at once; `known` is what the daemon remembers of it."""

    def __init__(
        self, known: TargetState, policy: Policy, parts: Parts, selection: Selection, clock: Clock, *, say: Print
    ) -> None:
        awaits = selection.wants_check(CheckName.ARRIVAL) or selection.wants_check(CheckName.CONTROL)
        self.arrival = parts.arrival if awaits else None
        self._checks = {name: check for name, check in parts.checks.items() if selection.wants_check(name)}
        self._aside = tuple(look for look in parts.aside if any(map(selection.wants_check, look.serves)))
        self._clock = clock
        self._say = say
        cadences = {name: cadence for name, cadence in policy.cadences.items() if selection.wants_check(name)}
        self.target_store = LiveTargetStore(
            # Proven routes and the last configuration carry over; what was believed of the checks does not.
            TargetState(
                target=known.target,
                proofs=known.proofs,
                config=known.config,
                honours_traceparent=known.honours_traceparent,
                caller=known.caller,
            ),
            replace(policy, cadences=cadences),
            clock=clock,
            save=_keep_nothing,
            publish=progress(say),
            changed=lambda _state: None,
        )

    async def run(self) -> None:
        """Look with every check at once, then wait for what is awaited.

        The control span goes last: it proves something of a trace only if it was sent after the canary.
        """
        last = self._checks.get(CheckName.CONTROL)
        others = [self._look(check) for check in self._checks.values() if check is not last]
        await asyncio.gather(*others, self._look_aside())
        if last is not None:
            await self._look(last)
        if self.arrival is not None:
            await self._wait(self.arrival)
        if self.target_store.state.confirmed:
            # Counters say something only beside an earlier reading: the first was made before the canary.
            counters = [look for look in self._aside if isinstance(look, CountersLook)]
            await asyncio.gather(*(look.look(self.target_store) for look in counters))
        config = self._checks.get(CheckName.CONFIG)
        if config is not None and Fault.CONFIG_DRIFT in self.target_store.state.confirmed:
            await self._look(config)  # what has arrived may refute what the control plane shows of a header

    async def _look(self, check: Check) -> None:
        # The budget is the daemon's: a person who asks for a check gets a canary.
        beyond_budget = _BeyondBudget(check) if isinstance(check, CanaryCheck) else check
        await run_check(beyond_budget, self.target_store, self._clock)

    async def _look_aside(self) -> None:
        await look_aside(self._aside, self.target_store, self._clock)

    async def _wait(self, arrival: ArrivalCheck) -> None:
        target, policy = self.target_store.state.target, self.target_store.policy
        began, printed, waited = self._clock.monotonic(), 0.0, 0.0
        while awaited(self.target_store.state, policy, self._clock.now()) or controls_awaited(self.target_store.state):
            looked = (
                not policy.enabled(CheckName.ARRIVAL) or self.target_store.state.check_state(CheckName.ARRIVAL).last
            )
            if looked and key_is_refused(self.target_store.state):
                # Nothing is shown to a key that the backend refuses, however long one waits.
                backend = policy.backend.name
                self._say(f"{target}: {backend} rejects the key, so no trace can arrive: not waiting any longer")
                return
            if waited >= policy.arrival.missing_after + _BEYOND:  # every look has failed: now it is unknown
                self._say(f"{target}: no answer was usable for {waited:.0f} s: not waiting any longer")
                return
            due = arrival.next_due(self.target_store)
            until_due = due - self._clock.now() if due is not None else _LONGEST_PAUSE
            await self._clock.sleep(min(_LONGEST_PAUSE, max(0.0, until_due)))
            due = arrival.next_due(self.target_store)
            if due is not None and due <= self._clock.now():
                await run_check(arrival, self.target_store, self._clock)
            await self._look_aside()
            waited = self._clock.monotonic() - began
            if waited - printed >= _PROGRESS_EVERY:
                printed = waited
                self._say(f"{target}: waiting for traces, {waited:.0f} s so far")


class _BeyondBudget:
    """A canary that is sent whatever the budget says."""

    name = CheckName.CANARY

    def __init__(self, check: CanaryCheck) -> None:
        self._check = check

    async def look(self, target_store: TargetStore) -> None:
        """Send it."""
        await self._check.send(target_store)


async def _keep_nothing(_state: TargetState) -> None:
    return


def progress(say: Print) -> Callable[[Event], None]:
    """A listener that prints what has been seen so far; a second look that says the same is no news."""
    printed: dict[tuple[TargetName, CheckName], str] = {}

    def listen(event: Event) -> None:
        if not isinstance(event, Checked):
            return
        line = f"{event.target}: {event.check} {event.result.verdict}: {event.result.summary}"
        if printed.get((event.target, event.check)) != line:
            printed[event.target, event.check] = line
            say(line)

    return listen


async def run_all(runs: Iterable[Callable[[], Awaitable[None]]], *, clock: Clock, timeout: Seconds | None) -> bool:
    """Run several targets side by side; False if `timeout` (seconds) ended it before they were done."""
    work = asyncio.gather(*(run() for run in runs))
    if timeout is None:
        await work
        return True
    try:
        async with clock.timeout(timeout):
            await work
    except TimeoutError:
        return False
    return True
