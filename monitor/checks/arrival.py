"""Did the traces arrive? Looks for every awaited trace and control span that is due, several at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from monitor.checks.config import Reread
from monitor.checks.lookup import Look, Lookup
from monitor.checks.verdicts import READ_API, cannot_see
from monitor.core.arrival import usual_arrival, wants_labels
from monitor.core.backend import BACKEND
from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.inputs import ElsewhereLooked, LabelsUnread, LookFailed, TraceLooked
from monitor.core.model import CheckName, Instant, Seconds
from monitor.core.pace import Attempt, awaited, controls_awaited, look_at, read_control_at
from monitor.core.trace import Route, TraceSeen
from monitor.ports import Clock, PortError, Refused, TargetStore, TooManyRows

_AT_ONCE = 4


@dataclass(slots=True, repr=False, eq=False)
class ArrivalCheck:
    """The watch over awaited traces and control spans.

    `reread` checks again what the gateway carries, once the monitor's key has been refused.
    """

    name = CheckName.ARRIVAL

    lookup: Lookup
    clock: Clock
    reread: Reread | None = None
    _attempts: dict[str, Attempt] = field(default_factory=dict, init=False)

    async def look(self, target_store: TargetStore) -> None:
        """Look for everything that is due now, and report each on its own."""
        now, gate = self.clock.now(), asyncio.Semaphore(_AT_ONCE)
        every = list(self._awaited(target_store))
        keys = {key for _, key, _ in every}
        self._attempts = {key: attempt for key, attempt in self._attempts.items() if key in keys}
        self.lookup.forget_all_but(keys)

        async def gated(key: str, work: Callable[[], Awaitable[None]]) -> None:
            async with gate:
                began = self.clock.now()
                try:
                    await work()
                finally:
                    self._attempts[key] = Attempt(tries=self._attempt(key).tries + 1, at=began)

        async with asyncio.TaskGroup() as group:
            for at, key, work in every:
                if at <= now:
                    group.create_task(gated(key, work))

    def next_due(self, target_store: TargetStore) -> Instant | None:
        """When the next awaited trace is to be looked for; None if none is awaited."""
        return min((at for at, _, _ in self._awaited(target_store)), default=None)

    def _awaited(self, target_store: TargetStore) -> Iterator[tuple[Instant, str, Callable[[], Awaitable[None]]]]:
        """When each trace is to be looked for, its key, and the look; the canaries' only where somebody judges arrivals."""
        state, policy = target_store.state, target_store.policy
        usual = usual_arrival(state.canaries)
        for canary in awaited(state, policy, self.clock.now()) if policy.enabled(CheckName.ARRIVAL) else ():
            at = look_at(canary, policy, self._attempt(canary.id), usual)
            yield at, canary.id, partial(self._look_for_canary, canary, target_store)
        for control in controls_awaited(state):
            at = read_control_at(control, policy, self._attempt(control.trace_id))
            yield at, control.trace_id, partial(self._look_for_control, control, target_store)

    def _attempt(self, key: str) -> Attempt:
        attempt, now = self._attempts.get(key, Attempt()), self.clock.now()
        if attempt.at is not None and attempt.at > now:  # the clock was set back: who waited for then would be late
            attempt = self._attempts[key] = Attempt(tries=attempt.tries, at=now)
        return attempt

    # --- canaries ---

    async def _look_for_canary(self, canary: Canary, target_store: TargetStore) -> None:
        look = self._begin(canary, target_store)
        has_arrived = canary.outcome in (Outcome.ARRIVED, Outcome.LATE)  # only what it carries is still to be read
        try:
            seen = await self.lookup.see(look)
        except PortError as error:
            await self._report_error(error, look, target_store, has_arrived=has_arrived)
            return
        if has_arrived and not seen.spans:
            await self._leave_unjudged(look, "the documented read does not show the trace", target_store)
            return
        await self._report(look, seen, target_store)
        if not seen.spans:
            await self._look_elsewhere(look, target_store)
        elif seen.route is Route.TRACE:
            await self._read_labels(canary, target_store)

    def _begin(self, canary: Canary, target_store: TargetStore) -> Look:
        return Look(canary, target_store.state, target_store.policy, self.clock.now(), self.clock.monotonic())

    async def _report(self, look: Look, seen: TraceSeen, target_store: TargetStore) -> None:
        took = self.clock.monotonic() - look.started
        await target_store.apply(TraceLooked(at=seen.at, took=took, canary_id=look.canary.id, seen=seen))

    async def _report_error(
        self, error: PortError, look: Look, target_store: TargetStore, *, has_arrived: bool
    ) -> None:
        """A look failed. Of a trace that has arrived only the labels are unread: there a refused key alone says more."""
        if has_arrived and not _refuses_key(error):
            await self._leave_unjudged(look, str(error), target_store, final=isinstance(error, TooManyRows))
            return
        result = cannot_see(error, f"read traces from {BACKEND}", asked=READ_API)
        failed = LookFailed(at=look.at, took=0.0, check=self.name, result=result, canary_id=look.canary.id)
        await self._report_failure(error, failed, look.started, target_store)

    async def _leave_unjudged(self, look: Look, why: str, target_store: TargetStore, *, final: bool = False) -> None:
        over = look.at >= look.canary.waited_since + look.policy.arrival.missing_after
        await target_store.apply(LabelsUnread(at=look.at, canary_id=look.canary.id, why=why, final=final or over))

    async def _read_labels(self, canary: Canary, target_store: TargetStore) -> None:
        """The quick route has just judged the trace complete: one documented read judges its labels and content."""
        present = target_store.state.canary(canary.id) or canary
        look = self._begin(present, target_store)
        if canary.outcome is not None or not wants_labels(present, look.policy.arrival, look.at):
            return
        try:
            seen = await self.lookup.document(look)
        except PortError as error:
            await self._report_error(error, look, target_store, has_arrived=True)
        else:
            if seen.spans:
                await self._report(look, seen, target_store)

    async def _look_elsewhere(self, look: Look, target_store: TargetStore) -> None:
        """A trace that has not come is looked for in the other environments."""
        if look.at - look.canary.waited_since < look.policy.arrival.look_closer_after:
            return
        try:
            environment = await self.lookup.see_elsewhere(replace(look, state=target_store.state))
            if environment is not None:  # that it is not here is what was seen before: look here once more
                again = self._begin(look.canary, target_store)
                seen = await self.lookup.see(again)
                if seen.spans:
                    await self._report(again, seen, target_store)
                    return
        except PortError:
            return  # of one that cannot be asked nothing is claimed
        await target_store.apply(ElsewhereLooked(at=look.at, canary_id=look.canary.id, environment=environment))

    # --- control spans ---

    async def _look_for_control(self, control: ControlSpan, target_store: TargetStore) -> None:
        began, started = self.clock.now(), self.clock.monotonic()
        try:
            looked = await self.lookup.see_control(control, target_store.state, target_store.policy, began)
        except PortError as error:
            result = cannot_see(error, f"read the test span back from {BACKEND}", asked=READ_API)
            failed = LookFailed(at=began, took=0.0, check=CheckName.CONTROL, result=result)
            await self._report_failure(error, failed, started, target_store)
        else:
            await target_store.apply(replace(looked, took=self.clock.monotonic() - started))

    # --- both ---

    async def _report_failure(
        self, error: PortError, failed: LookFailed, started: Seconds, target_store: TargetStore
    ) -> None:
        """Nothing could be seen; where our key was refused, the gateway's is read again after that."""
        refused_at = self.clock.now() if _refuses_key(error) else None
        if refused_at is not None and self.reread is not None:
            await self.reread(target_store, refused_at)
        took, refused = self.clock.monotonic() - started, refused_at is not None
        await target_store.apply(replace(failed, took=took, key_refused=refused, refused_at=refused_at, where=READ_API))


def _refuses_key(error: PortError) -> bool:
    """A 401 of the documented read; the quick route's never gets here."""
    return isinstance(error, Refused) and error.unauthorized
