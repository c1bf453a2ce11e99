"""Run one check under guard: report → apply → commit → publish. A check cannot raise, it can only report."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from monitor.core.engine import apply
from monitor.core.events import Event, changes
from monitor.core.inputs import Input, Observation
from monitor.core.model import Instant, Seconds, TargetName, UnknownReason, unknown
from monitor.core.state import Policy, TargetState
from monitor.ports import Check, Clock, SideLook
from monitor.shortage import shortage

_log = logging.getLogger(__name__)

_GRACE: Seconds = 25.0
"""How much longer than its own deadline a check may take: for the connectivity probe, the ping, the memory."""

_LATE: Seconds = 5.0

Save = Callable[[TargetState], Awaitable[None]]
Record = Callable[[TargetName, Input, Instant], None]


def _record_nothing(_target: TargetName, _given: Input, _at: Instant) -> None:
    return


class LiveTargetStore:
    """The memory of one target: changed by inputs alone, which are recorded; committed in order, published to listeners."""

    def __init__(
        self,
        state: TargetState,
        policy: Policy,
        *,
        clock: Clock,
        save: Save,
        publish: Callable[[Event], None],
        changed: Callable[[TargetState], None],
        record: Record = _record_nothing,
    ) -> None:
        self._state = state
        self.policy = policy
        self._clock = clock
        self._save = save
        self._publish = publish
        self._changed = changed
        self._record = record

    @property
    def state(self) -> TargetState:
        """What is remembered now."""
        return self._state

    async def apply(self, given: Input, *, durable: bool = False) -> None:
        """Apply an input. Between reading and swapping nothing is awaited, so no lock is needed."""
        before, now = self._state, self._clock.now()
        self._state = apply(before, given, self.policy, now)
        self._record(before.target, given, now)
        for event in changes(before, self._state, given, self.policy, now):
            self._publish(event)
        self._changed(self._state)
        if durable:
            await self.commit()

    async def commit(self) -> None:
        """Return when the present state cannot be forgotten any more."""
        await self._save(self._state)


async def run_check(check: Check, target_store: LiveTargetStore, clock: Clock) -> None:
    """Let a check look; whatever goes wrong inside becomes `unknown`."""
    began, started = clock.now(), clock.monotonic()
    limit = _deadline(check, target_store.policy) + _GRACE
    try:
        async with clock.timeout(limit):
            await check.look(target_store)
    except TimeoutError:
        late = (
            clock.monotonic() - started - limit
        )  # the monitor's own timer rang too late: it was not the check that did not run
        what = f"the check `{check.name}` did not end within {limit:.0f} s"
        result = (
            unknown(f"{what}; meanwhile the monitor itself did not run for {late:.0f} s", UnknownReason.STARVED)
            if late >= _LATE
            else unknown(what, UnknownReason.TIMEOUT)
        )
    except Exception as error:  # noqa: BLE001 - the one guard: a bug in a check must not end the daemon
        if lacking := shortage(error):
            result = unknown(
                f"the monitor is out of {lacking}: the check `{check.name}` did not run", UnknownReason.SHORTAGE
            )
        else:
            _log.exception("check %s of %s crashed", check.name, target_store.state.target)
            result = unknown(f"the check `{check.name}` crashed: {type(error).__name__}", UnknownReason.CRASHED)
    else:
        return
    took = clock.monotonic() - started
    await target_store.apply(Observation(check=check.name, at=began, took=took, result=result))


async def look_aside(looks: Sequence[SideLook], target_store: LiveTargetStore, clock: Clock) -> None:
    """Let everything look that is due beside the checks, side by side: none keeps another waiting, nor from looking."""
    due = [look for look in looks if look.is_due(target_store.state, target_store.policy, clock.now())]
    async with asyncio.TaskGroup() as group:
        for look in due:
            group.create_task(_look_guarded(look, target_store))


async def _look_guarded(look: SideLook, target_store: LiveTargetStore) -> None:
    try:
        await look.look(target_store)
    except Exception:  # noqa: BLE001 - evidence is missing then, and nothing else: no check, and no command, ends for it
        _log.exception("%s crashed for %s", type(look).__name__, target_store.state.target)


def _deadline(check: Check, policy: Policy) -> Seconds:
    """How long one look may take. Control spans are also read back where `arrival` is switched off and has no cadence."""
    cadence = policy.cadences.get(check.name)
    return cadence.deadline if cadence is not None else policy.arrival.missing_after
