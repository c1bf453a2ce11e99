"""How many requests the gateway served: by the control plane's metrics, and by the gateway's own counter."""

import json
from typing import Any

import pytest

from monitor.core.pipeline_counters import SpanCounters
from monitor.ports import Garbled, Refused, RequestCount
from monitor.truefoundry import MeteredRequests
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.truefoundry.test_control_plane import plane_at

WINDOW = {"since": START - 900.0, "until": START}


async def counted(reply: Reply) -> tuple[RequestCount, Remote]:
    """One count, answered so."""
    remote = Remote(FakeClock(), reply)
    return await plane_at(remote).count_requests(**WINDOW, timeout=5), remote


async def test_the_documented_query_is_sent_and_its_total_read() -> None:
    """https://www.truefoundry.com/docs/ai-gateway/fetch-model-metrics; requests to virtual models are counted once."""
    found, remote = await counted(Reply({"data": {"dataPoints": [{"total": 120, "countModelName": 120}]}}))
    assert found == RequestCount(since=START - 900, until=START, requests=120, by="TrueFoundry")
    (asked,) = remote.asked
    assert asked.path == "/api/svc/v1/llm-gateway/metrics/query"
    assert json.loads(asked.body) == {
        "startTs": "2027-01-15T07:45:00.000Z",
        "endTs": "2027-01-15T08:00:00.000Z",
        "datasource": "modelMetrics",
        "type": "distribution",
        "aggregations": [{"type": "count", "column": "modelName"}],
        "filters": [{"fieldName": "virtualModelName", "operator": "IS_NULL"}],
    }


@pytest.mark.parametrize(("points", "requests"), [([], 0), ([{"total": 3}, {"total": 4}], 7)])
async def test_no_rows_are_no_requests_and_several_are_added(points: list[Any], requests: int) -> None:
    """A distribution without groups has one row, or none."""
    assert (await counted(Reply({"data": {"dataPoints": points}})))[0].requests == requests


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"data": []},
        {"data": {"dataPoints": None}},
        *({"data": {"dataPoints": [point]}} for point in (None, {}, {"total": "9"}, {"total": -1}, {"total": True})),
        {"data": {"dataPoints": [{"total": 10**30}]}},
    ],
)
async def test_another_shape_is_not_read(body: Any) -> None:
    """A wrong number would accuse somebody."""
    with pytest.raises(Garbled):
        await counted(Reply(body))


async def test_a_refusal_is_one() -> None:
    """The token may not see metrics."""
    with pytest.raises(Refused):
        await counted(Reply({"message": "no"}, status=403))


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


async def test_one_reading_is_nothing_to_compare_with() -> None:
    """Nor are two, while the second is too fresh."""
    assert await metered(reading(0, 100)) is None
    assert await metered(reading(0, 100), reading(15, 170)) is None


@pytest.mark.parametrize(
    "begun_anew", [(reading(0, 100), reading(15, 30)), (reading(0, 100), reading(15, 170, started_at=2.0))]
)
async def test_a_counter_that_began_anew_is_not_compared(begun_anew: tuple[SpanCounters, SpanCounters]) -> None:
    """Another process, or the same after a restart."""
    with pytest.raises(Garbled, match="started anew"):
        await metered(*begun_anew, reading(30, 300))


async def test_readings_that_may_be_of_two_processes_are_not_compared() -> None:
    """One replica has served 1000 and the other 5000: that is no growth of 4000, of which most traces were lost."""
    with pytest.raises(Garbled, match="two processes"):
        await metered(*(reading(minutes, requests, None) for minutes, requests in ((0, 1000), (15, 5000), (30, 5100))))


async def test_a_page_without_requests_is_said_to_be_one() -> None:
    """An older gateway may not count them."""
    with pytest.raises(Garbled, match="does not count requests"):
        await metered(reading(0, None))


async def test_readings_long_ago_say_nothing_of_this_window() -> None:
    """The check was held up for an hour."""
    assert await metered(reading(0, 100), reading(15, 170), reading(90, 900)) is None
