"""Control spans are read back."""

import pytest

from monitor.core.arrival import proof_key
from monitor.core.inputs import ControlLooked
from monitor.core.model import CheckName, Fault
from monitor.core.trace import SpanFact
from monitor.ports import Garbled, PortError, Refused, Unreachable
from tests.checks.arrival import CLOSED, CONTROL, TRACE, WAREHOUSE, Bench
from tests.core.build import POLICY, a_canary, policy
from tests.fakes.clock import START


async def test_a_control_span_is_read_back_by_the_quick_route() -> None:
    """Shown is a pass, and proves the route."""
    bench = Bench(controls=(CONTROL,))
    bench.backend.store(SpanFact(trace_id=CONTROL.trace_id, span_id="a"), at=START)
    await bench.after(1)
    looked = bench.diary.only(ControlLooked)
    assert (looked.route, looked.shown) == (TRACE, True)
    assert bench.diary.state.check_state(CheckName.CONTROL).passes == 1
    assert proof_key(TRACE, POLICY.credential) in bench.diary.state.proofs
    assert bench.check.next_due(bench.diary) is None


async def test_what_the_quick_route_does_not_show_the_documented_one_may() -> None:
    """It has the last word, when the control span is overdue."""
    bench = Bench(controls=(CONTROL,))
    bench.backend.quick_shows = lambda _: ()
    bench.backend.store(SpanFact(trace_id=CONTROL.trace_id, span_id="a"), at=START)
    await bench.after(300)
    looked = bench.diary.only(ControlLooked)
    assert (looked.route, looked.shown) == (WAREHOUSE, True)


@pytest.mark.parametrize("error", CLOSED)
async def test_a_closed_quick_route_leaves_the_control_to_the_documented_one(error: PortError) -> None:
    """And says nothing about the key."""
    bench = Bench(controls=(CONTROL,))
    bench.backend.quick_error = error
    await bench.after(1)
    assert (bench.diary.only(ControlLooked).route, bench.failed) == (WAREHOUSE, [])


async def test_not_shown_counts_from_missing_after_on_by_the_documented_route() -> None:
    """A read that succeeded then, and does not show it: Traceloop accepts and never shows."""
    bench = Bench(controls=(CONTROL,), policy=policy(fail_after=1))
    await bench.after(299)
    assert bench.diary.state.check_state(CheckName.CONTROL).last is None
    quick = len(bench.backend.quick_reads)
    await bench.after(1)
    assert len(bench.backend.quick_reads) == quick
    assert bench.confirmed == {Fault.INGEST_FAILING}
    suspicion = bench.diary.state.confirmed[Fault.INGEST_FAILING].suspicion
    assert "this route has never shown a test span, so it may also be the read that fails" in suspicion.facts


@pytest.mark.parametrize(
    "error", [Unreachable("503", kind="status", status=503), Garbled("HTML"), Refused("429", status=429)]
)
async def test_a_control_that_cannot_be_read_back_is_unknown(error: PortError) -> None:
    """Reads that fail or are garbled accuse nobody, however late it is."""
    bench = Bench(controls=(CONTROL,), policy=policy(fail_after=1))
    bench.backend.window_error = error
    await bench.after(600)
    assert [(given.check, given.result.verdict.value) for given in bench.failed] == [(CheckName.CONTROL, "unknown")]
    assert bench.confirmed == set()


async def test_a_control_read_that_refuses_the_key_says_so() -> None:
    """A 401 of the documented route."""
    bench = Bench(controls=(CONTROL,))
    bench.backend.window_error = Refused("401", status=401)
    bench.backend.quick_error = Refused("401", status=401)
    await bench.after(1)
    assert [(given.check, given.key_refused) for given in bench.failed] == [(CheckName.CONTROL, True)]


async def test_control_spans_are_read_back_where_nobody_judges_arrivals() -> None:
    """With `arrival` switched off canaries are left alone."""
    bench = Bench(a_canary(), controls=(CONTROL,), policy=policy(without=(CheckName.ARRIVAL,)))
    await bench.after(1)
    assert bench.looked == []
    assert bench.diary.only(ControlLooked).shown is False
    assert bench.check.next_due(bench.diary) == START + 3
