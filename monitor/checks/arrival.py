"""Did the traces arrive? Looks for every awaited trace and control span that is due, several at once."""

import asyncio
from collections.abc import Coroutine, Mapping

from monitor.checks.blindness import READ_API, cannot_see
from monitor.checks.config import Reread
from monitor.checks.lookup import Environments, Lookup
from monitor.core.arrival import usual_arrival, wants_labels
from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.inputs import ControlLooked, ElsewhereLooked, LabelsUnread, LookFailed, TraceLooked
from monitor.core.model import CheckName, Instant, Seconds
from monitor.core.pace import Attempt, awaited, controls_awaited, look_at, read_control_at
from monitor.core.trace import Route, TraceSeen
from monitor.ports import Clock, Crowded, Journal, PortError, Refused, TraceBackend

_AT_ONCE = 4
_NOT_SHOWN = "the documented read does not show the trace"


class ArrivalCheck:
    """The watch over awaited traces and control spans.

    `environment` is the slug of the key's own environment, `elsewhere` are the others that a misrouted trace is looked for in;
    `reread` looks again at what the gateway carries, once our key has been refused.
    """

    name = CheckName.ARRIVAL

    def __init__(
        self,
        backend: TraceBackend,
        clock: Clock,
        elsewhere: Mapping[str, TraceBackend] | None = None,
        environment: str | None = None,
        reread: Reread | None = None,
    ) -> None:
        self._clock = clock
        self._reread = reread
        self.lookup = Lookup(backend, clock, Environments(own=environment, others=elsewhere or {}))
        self._attempts: dict[str, Attempt] = {}

    async def look(self, journal: Journal) -> None:
        """Look for everything that is due now, and report each on its own."""
        now = self._clock.now()
        canaries = _canaries_awaited(journal, now)
        controls = controls_awaited(journal.state)
        self._forget_all_but({canary.id for canary in canaries} | {str(control.trace_id) for control in controls})
        usual = usual_arrival(journal.state.canaries)
        due = [
            self._look_for_canary(canary, journal)
            for canary in canaries
            if look_at(canary, journal.policy, self._attempt(canary.id), usual) <= now
        ] + [
            self._look_for_control(control, journal)
            for control in controls
            if read_control_at(control, journal.policy, self._attempt(control.trace_id)) <= now
        ]
        gate = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for work in due:
                group.create_task(_gated(gate, work))

    def next_due(self, journal: Journal) -> Instant | None:
        """When the next awaited trace is to be looked for; None if none is awaited."""
        now, usual = self._clock.now(), usual_arrival(journal.state.canaries)
        moments = [
            look_at(canary, journal.policy, self._attempt(canary.id), usual)
            for canary in _canaries_awaited(journal, now)
        ]
        moments += [
            read_control_at(control, journal.policy, self._attempt(control.trace_id))
            for control in controls_awaited(journal.state)
        ]
        return min(moments, default=None)

    # --- canaries ---

    async def _look_for_canary(self, canary: Canary, journal: Journal) -> None:
        began, started = self._clock.now(), self._clock.monotonic()
        try:
            seen = await self.lookup.see(canary, journal.state, journal.policy, began)
        except PortError as error:
            if _waits_for_labels(canary):
                await self._report_unjudged(error, canary, began, started, journal)
            else:
                await self._report_failure(error, canary, began, started, journal)
        else:
            if _waits_for_labels(canary) and not seen.spans:
                await self._leave_unjudged(canary, _NOT_SHOWN, began, journal)
                return
            await self._report(canary, seen, started, journal)
            if not seen.spans:
                await self._look_elsewhere(canary, journal, began)
            elif seen.route is Route.TRACE:
                await self._read_labels(canary, journal)
        finally:
            self._tried(canary.id, began)

    async def _report(self, canary: Canary, seen: TraceSeen, started: Seconds, journal: Journal) -> None:
        took = self._clock.monotonic() - started
        await journal.absorb(TraceLooked(at=seen.at, took=took, canary_id=canary.id, seen=seen))

    async def _read_labels(self, canary: Canary, journal: Journal) -> None:
        """The quick route has just judged the trace complete: one documented read judges its labels and content."""
        began, started = self._clock.now(), self._clock.monotonic()
        present = next((known for known in journal.state.canaries if known.id == canary.id), canary)
        if canary.outcome is not None or not wants_labels(present, journal.policy.arrival, began):
            return
        try:
            seen = await self.lookup.document(present, journal.state, journal.policy, began)
        except PortError as error:
            await self._report_unjudged(error, present, began, started, journal)
        else:
            if seen.spans:
                await self._report(present, seen, started, journal)

    async def _report_unjudged(
        self, error: PortError, canary: Canary, began: Instant, started: Seconds, journal: Journal
    ) -> None:
        """A trace that has arrived, and whose labels cannot be read: only a refused key says more than that."""
        if _refuses_key(error):
            await self._report_failure(error, canary, began, started, journal)
        else:
            await self._leave_unjudged(canary, str(error), began, journal, final=isinstance(error, Crowded))

    async def _leave_unjudged(
        self, canary: Canary, why: str, began: Instant, journal: Journal, *, final: bool = False
    ) -> None:
        over = began >= canary.waited_since + journal.policy.arrival.missing_after
        await journal.absorb(LabelsUnread(at=began, canary_id=canary.id, why=why, final=final or over))

    async def _look_elsewhere(self, canary: Canary, journal: Journal, began: Instant) -> None:
        """A trace that has not come is looked for in the other environments."""
        early = began - canary.waited_since < journal.policy.arrival.look_closer_after
        if early:
            return
        started = self._clock.monotonic()
        try:
            environment = await self.lookup.see_elsewhere(canary, journal.state, journal.policy, began)
            if environment is not None:  # that it is not here is what was seen before: look here once more
                again = await self.lookup.see(canary, journal.state, journal.policy, self._clock.now())
                if again.spans:
                    await self._report(canary, again, started, journal)
                    return
        except PortError:
            return  # of one that cannot be asked nothing is claimed
        await journal.absorb(ElsewhereLooked(at=began, canary_id=canary.id, environment=environment))

    async def _report_failure(
        self, error: PortError, canary: Canary, began: Instant, started: Seconds, journal: Journal
    ) -> None:
        refused_at = await self._refused_at(error, journal)
        await journal.absorb(
            LookFailed(
                at=began,
                took=self._clock.monotonic() - started,
                check=CheckName.ARRIVAL,
                finding=cannot_see(error, "read traces from Traceloop", asked=READ_API),
                canary_id=canary.id,
                key_refused=refused_at is not None,
                refused_at=refused_at,
                where=READ_API,
            )
        )

    # --- control spans ---

    async def _look_for_control(self, control: ControlSpan, journal: Journal) -> None:
        began, started = self._clock.now(), self._clock.monotonic()
        try:
            sight = await self.lookup.see_control(control, journal.state, journal.policy, began)
        except PortError as error:
            refused_at = await self._refused_at(error, journal)
            await journal.absorb(
                LookFailed(
                    at=began,
                    took=self._clock.monotonic() - started,
                    check=CheckName.CONTROL,
                    finding=cannot_see(error, "read our own span back from Traceloop", asked=READ_API),
                    key_refused=refused_at is not None,
                    refused_at=refused_at,
                    where=READ_API,
                )
            )
        else:
            took = self._clock.monotonic() - started
            await journal.absorb(
                ControlLooked(
                    at=began,
                    took=took,
                    trace_id=control.trace_id,
                    route=sight.route,
                    shown=sight.shown,
                    narrowings=sight.narrowings,
                )
            )
        finally:
            self._tried(control.trace_id, began)

    async def _refused_at(self, error: PortError, journal: Journal) -> Instant | None:
        """When our key was refused, and after that the gateway's was read again; None where something else went wrong."""
        if not _refuses_key(error):
            return None
        at = self._clock.now()
        if self._reread is not None:
            await self._reread(journal, at)
        return at

    # --- attempts ---

    def _attempt(self, key: str) -> Attempt:
        attempt, now = self._attempts.get(key, Attempt()), self._clock.now()
        if attempt.at is not None and attempt.at > now:  # the clock was set back: who waited for then would be late
            attempt = self._attempts[key] = Attempt(tries=attempt.tries, at=now)
        return attempt

    def _tried(self, key: str, at: Instant) -> None:
        self._attempts[key] = Attempt(tries=self._attempt(key).tries + 1, at=at)

    def _forget_all_but(self, keys: set[str]) -> None:
        self._attempts = {key: attempt for key, attempt in self._attempts.items() if key in keys}
        self.lookup.forget_all_but(keys)


def _canaries_awaited(journal: Journal, now: Instant) -> tuple[Canary, ...]:
    """None where nobody judges arrivals: then only control spans are looked for."""
    return awaited(journal.state, journal.policy, now) if journal.policy.enabled(CheckName.ARRIVAL) else ()


async def _gated(gate: asyncio.Semaphore, work: Coroutine[None, None, None]) -> None:
    async with gate:
        await work


def _waits_for_labels(canary: Canary) -> bool:
    """Whether its trace has arrived, and only what it carries is still to be read."""
    return canary.outcome in (Outcome.ARRIVED, Outcome.LATE)


def _refuses_key(error: PortError) -> bool:
    """A 401 of the documented read; the quick route's never gets here."""
    return isinstance(error, Refused) and error.unauthorized
