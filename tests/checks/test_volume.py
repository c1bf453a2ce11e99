"""Counting a window: who is asked, in which order, and what it means when nobody can count."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.volume import MeteredRequests, VolumeCheck
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, Fault, Instant, Seconds, UnknownReason
from monitor.core.pipeline_counters import SpanCounters
from monitor.core.state import Cadence, Outage, TargetState
from monitor.ports import Garbled, PortError, Refused, RequestCount, Unreachable
from monitor.settings.target import VolumeCheck as Settings
from tests.checks.bench import PROD, Diary, says
from tests.core.build import POLICY
from tests.fakes.backend import FakeBackend
from tests.fakes.clock import START, FakeClock

MINE = CheckName.VOLUME
WATCHED = replace(POLICY, cadences={MINE: Cadence(every=900.0, every_while_failing=900.0, deadline=60.0)})


class Counter:
    """Implements `monitor.ports.RequestCounter`: says what a test wants, and keeps what it was asked."""

    def __init__(self, says: int | PortError | None, by: str = "TrueFoundry") -> None:
        self.says, self.by = says, by
        self.asked: list[tuple[Instant, Instant]] = []

    async def count_requests(self, *, since: Instant, until: Instant, timeout: Seconds) -> RequestCount | None:
        """As set."""
        del timeout
        self.asked.append((since, until))
        if isinstance(self.says, PortError):
            raise self.says
        return None if self.says is None else RequestCount(since=since, until=until, requests=self.says, by=self.by)


async def look(counters: Sequence[Counter], traces: int | PortError, state: TargetState | None = None) -> Observation:
    """One look, and what it reports."""
    clock, backend = FakeClock(), FakeBackend()
    backend.counts = traces
    diary = Diary(clock, WATCHED, state)
    await VolumeCheck(counters, backend, clock, Settings(enabled=True), 30.0).look(diary)
    return diary.only(Observation)


async def test_the_window_that_is_over_is_counted_twice() -> None:
    """Requests first, then traces."""
    counter = Counter(200)
    seen = await look([counter], 190)
    assert counter.asked == [(START - 1500, START - 600)]
    assert says(seen.result) == ("pass", None)
    assert seen.result.summary == "190 of 200 requests (95%) have a trace in {backend}"
    assert seen.check is MINE


async def test_a_loss_says_who_counted_what() -> None:
    """With the time, so that it can be looked up."""
    seen = await look([Counter(200)], 20)
    assert says(seen.result) == ("fail", Fault.VOLUME_LOSS)
    (suspicion,) = seen.result.suspicions
    assert suspicion.facts == ("TrueFoundry counts 200 requests from 2027-01-15 07:35 UTC to 2027-01-15 07:50 UTC",)


async def test_who_cannot_count_is_followed_by_the_next() -> None:
    """The control plane first, the gateway's own metrics where that cannot be asked."""
    seen = await look([Counter(Refused("no", status=403)), Counter(100, by="the gateway's own metrics page")], 99)
    assert says(seen.result) == ("pass", None)


@pytest.mark.parametrize(
    ("counters", "traces", "reason"),
    [
        ([Refused("HTTP 403", status=403)], 0, UnknownReason.REFUSED),
        ([Unreachable("nobody answers", kind="timeout")], 0, UnknownReason.UNREACHABLE),
        ([Garbled("no data points"), Unreachable("nobody answers", kind="dns")], 0, UnknownReason.UNREACHABLE),
        ([None], 0, UnknownReason.NOTHING_TO_JUDGE),
        ([10], 0, UnknownReason.NOTHING_TO_JUDGE),
        ([100], Garbled("does not honour the filter"), UnknownReason.GARBLED),
        ([100], Unreachable("nobody answers", kind="connect"), UnknownReason.UNREACHABLE),
        ([100], 0, UnknownReason.UNPROVEN),
    ],
)
async def test_what_cannot_be_counted_is_unknown(counters: list[Any], traces: Any, reason: UnknownReason) -> None:
    """It accuses nobody."""
    seen = await look([Counter(each) for each in counters], traces)
    assert says(seen.result) == ("unknown", reason)


async def test_a_permission_that_is_missing_is_named() -> None:
    """Only a tenant admin's virtual account sees everybody's requests."""
    seen = await look([Counter(Refused("HTTP 403", status=403))], 0)
    assert seen.result.permanent
    assert seen.result.step == "Grant the monitor's virtual account `tenant-admin`."


async def test_the_traces_of_a_known_outage_are_not_even_counted() -> None:
    """They belong to its incident."""
    state = TargetState(target=PROD, outages=(Outage(fault=Fault.EXPORTER_DISABLED, began_at=START - 1200),))
    seen = await look([Counter(100)], Garbled("nobody asks"), state)
    assert says(seen.result) == ("unknown", UnknownReason.NOTHING_TO_JUDGE)


class Readings:
    """The gateway's metrics, as they are read one after the other."""

    def __init__(self, *readings: SpanCounters) -> None:
        self._left = list(readings)

    async def read(self, *, timeout: float) -> SpanCounters:
        """The next one."""
        del timeout
        return self._left.pop(0)


def reading(minutes: int, requests: int | None, started_at: float | None = 1.0) -> SpanCounters:
    """What was read so many minutes after the beginning."""
    return SpanCounters(at=START + 60 * minutes, requests=requests, started_at=started_at)


async def metered(*readings: SpanCounters) -> RequestCount | None:
    """What is said after the last of them, each made a quarter of an hour after the other."""
    metered, found = MeteredRequests(Readings(*readings)), None
    for each in readings:
        until = each.at - 600
        found = await metered.count_requests(since=until - 900, until=until, timeout=5)
    return found


async def test_the_growth_between_two_readings_that_are_over_is_counted() -> None:
    """The newest reading is too fresh: its traces may still come."""
    found = await metered(reading(0, 100), reading(15, 170), reading(30, 250))
    assert found == RequestCount(since=START, until=START + 900, requests=70, by="the gateway's own metrics page")


async def test_two_readings_that_cannot_be_compared_are_no_count() -> None:
    """After a restart."""
    with pytest.raises(Garbled, match="the gateway restarted between two readings"):
        await metered(reading(0, 100), reading(15, 30), reading(30, 300))


async def test_a_page_without_requests_is_said_to_be_one() -> None:
    """An older gateway may not count them."""
    with pytest.raises(Garbled, match="does not count requests"):
        await metered(reading(0, None))
