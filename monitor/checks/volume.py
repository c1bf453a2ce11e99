"""Do the traces of real requests arrive, too? Two counts of one window: requests served, traces stored. No canary, no cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.checks.verdicts import READ_API, cannot_see
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, CheckResult, Instant, Seconds, UnknownReason, unknown
from monitor.core.pipeline_counters import SpanCounters, request_growth, still_needed
from monitor.core.state import VolumePolicy
from monitor.core.volume import Volume, judge_volume, nothing_to_count, too_few_requests, window
from monitor.ports import (
    Clock,
    Garbled,
    PortError,
    RequestCount,
    RequestCounter,
    SpanMetrics,
    TargetStore,
    TraceBackend,
)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class VolumeCheck:
    """Counts the newest window that is over. `counters` are asked in turn, until one answers."""

    name = CheckName.VOLUME

    counters: Sequence[RequestCounter]
    backend: TraceBackend
    clock: Clock
    policy: VolumePolicy
    timeout: Seconds

    async def look(self, target_store: TargetStore) -> None:
        """Count both and report."""
        began, started = self.clock.now(), self.clock.monotonic()
        result = await self._result(target_store)
        took = self.clock.monotonic() - started
        await target_store.apply(Observation(check=self.name, at=began, took=took, result=result))

    async def _result(self, target_store: TargetStore) -> CheckResult:
        since, until = window(self.policy, self.clock.now())
        try:
            served = await self._requests(since, until)
        except PortError as error:
            return cannot_see(error, "count requests", asked="the source of request counts", permission="tenant-admin")
        if served is None:
            text = "requests were counted for the first time, and a second count is needed"
            return unknown(text, UnknownReason.NOTHING_TO_JUDGE)
        nothing = nothing_to_count(target_store.state, target_store.policy, served.since, served.until)
        nothing = nothing or too_few_requests(served.requests, served.by, self.policy)
        if nothing is not None:
            return nothing
        try:
            traces = await self.backend.count_traces(since=served.since, until=served.until, timeout=self.timeout)
        except PortError as error:
            return cannot_see(error, "count traces", asked=READ_API)
        seen = Volume(
            since=served.since, until=served.until, requests=served.requests, counted_by=served.by, traces=traces
        )
        return judge_volume(seen, target_store.state, self.policy)

    async def _requests(self, since: Instant, until: Instant) -> RequestCount | None:
        """By the first who answers; what the last one raises is raised."""
        for counter in self.counters[:-1]:
            try:
                return await counter.count_requests(since=since, until=until, timeout=self.timeout)
            except PortError:
                continue
        return await self.counters[-1].count_requests(since=since, until=until, timeout=self.timeout)


@dataclass(slots=True, repr=False, eq=False)
class MeteredRequests:
    """Implements `monitor.ports.RequestCounter` by the gateway's own counter: what it has grown by from one reading to the next.

    So a window begins and ends with a reading: the newest that is over, and the one before it.
    """

    metrics: SpanMetrics
    _readings: tuple[SpanCounters, ...] = field(default=(), init=False)

    async def count_requests(self, *, since: Instant, until: Instant, timeout: Seconds) -> RequestCount | None:
        """Read, and compare two readings; None where there are none yet. Raises any PortError; Garbled after a restart."""
        reading = await self.metrics.read(timeout=timeout)
        if reading.requests is None:
            raise Garbled("the gateway's metrics page does not count requests")
        growth = request_growth(self._readings, since, until)
        self._readings = (*still_needed(self._readings, until), reading)
        match growth:
            case None:
                return None
            case str(why):
                raise Garbled(why)
        return RequestCount(
            since=growth.since, until=growth.until, requests=growth.requests, by="the gateway's own metrics page"
        )
