"""The look at the gateway's own counters: evidence, and no verdict."""

import pytest

from monitor.checks.evidence import HopLook
from monitor.core.inputs import HopLooked
from monitor.core.model import CheckName
from monitor.core.pipeline_counters import SpanCounters
from monitor.core.state import Cadence, TargetState
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from tests.checks.bench import PROD, Diary
from tests.core.build import policy
from tests.fakes.clock import START, FakeClock
from tests.fakes.span_metrics import FakeSpanMetrics


class Bench:
    """One look and everything around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = FakeSpanMetrics(self.clock)
        cadence = Cadence(every=3600, every_while_failing=120, deadline=15)
        self.diary = Diary(self.clock, policy(hop=cadence), TargetState(target=PROD))
        self.look = HopLook(self.metrics, self.clock)


async def test_each_reading_is_remembered() -> None:
    """No incident comes of it, whatever it shows."""
    bench = Bench()
    await bench.look.look(bench.diary)
    await bench.clock.advance(60)
    bench.metrics.failed = {"timeout": 3}
    await bench.look.look(bench.diary)
    assert bench.diary.state.hop.readings == (
        SpanCounters(at=START),
        SpanCounters(at=START + 60, failed={"timeout": 3}),
    )
    assert (bench.diary.state.incidents, bench.diary.events) == ((), [])
    assert bench.metrics.timeouts == [10, 10]


@pytest.mark.parametrize(
    "error",
    [Unreachable("no answer", kind="timeout"), Refused("403", status=403), Gone("404"), Garbled("no counters")],
)
async def test_what_cannot_be_read_is_remembered_as_such(error: PortError) -> None:
    """It raises nothing, and what was read before stays."""
    bench = Bench()
    await bench.look.look(bench.diary)
    bench.metrics.error = error
    await bench.look.look(bench.diary)
    assert bench.diary.given[-1] == HopLooked(at=START, problem=str(error))
    assert (len(bench.diary.state.hop.readings), bench.diary.state.hop.problem) == (1, str(error))


async def test_it_is_due_as_the_core_says() -> None:
    """At start, and then in an hour; also if nothing could be read."""
    bench = Bench()
    bench.metrics.error = Unreachable("down", kind="connect")
    assert bench.look.is_due(bench.diary.state, bench.diary.policy, START)
    await bench.look.look(bench.diary)
    assert not bench.look.is_due(bench.diary.state, bench.diary.policy, START + 3599)
    assert bench.look.is_due(bench.diary.state, bench.diary.policy, START + 3600)
    assert not bench.look.is_due(bench.diary.state, policy(), START + 3600)


def test_it_serves_the_canary() -> None:
    """`check --only config` does without."""
    assert Bench().look.serves == {CheckName.CANARY}
