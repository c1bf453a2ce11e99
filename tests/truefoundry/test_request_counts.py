"""How many requests the gateway served, by the control plane's metrics."""

import json
from typing import Any

import pytest

from monitor.ports import Garbled, Refused, RequestCount
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
