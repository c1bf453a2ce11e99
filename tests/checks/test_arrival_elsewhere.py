"""A trace that does not come is looked for in the other environments."""

from dataclasses import replace

import pytest

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.lookup import Lookup
from monitor.core.arrival import proof_key
from monitor.core.canary import Outcome
from monitor.core.inputs import ElsewhereLooked
from monitor.core.model import Fault, TraceId
from monitor.ports import PortError, Refused, Unreachable
from tests.checks.arrival import CLOSED, TRACE, WAREHOUSE, Bench
from tests.core.build import POLICY, a_canary, spans
from tests.fakes.clock import START


async def test_before_a_trace_is_called_misrouted_it_is_looked_for_here_once_more() -> None:
    """That it is not here was seen before it was found there: it may have come to both."""
    bench = Bench(a_canary(), proofs={proof_key(TRACE, POLICY.credential): START})

    async def arrives_here_too(_: TraceId) -> None:
        bench.shows()

    bench.others["stg"].store(*spans(1), at=START)
    bench.others["stg"].before_quick = arrives_here_too
    await bench.after(60)
    assert bench.looked == [(TRACE, 0), (TRACE, 3)]
    assert (bench.canary.elsewhere, bench.confirmed) == (None, set())


async def test_a_trace_that_does_not_come_is_looked_for_elsewhere() -> None:
    """From `look_closer_after` on, in each other environment; the first that shows it is named."""
    bench = Bench(a_canary())
    bench.others["dev"].store(*spans(1), at=START)
    await bench.after(59)
    assert bench.others["stg"].quick_reads == []
    await bench.after(15)
    assert bench.diary.only(ElsewhereLooked).environment == "dev"
    assert bench.confirmed == {Fault.WRONG_ENVIRONMENT}


async def test_an_environment_that_cannot_be_asked_hides_nothing() -> None:
    """Nothing is claimed of it, and the next one is asked."""
    bench = Bench(a_canary())
    bench.others["stg"].quick_error = Unreachable("no answer", kind="timeout")
    bench.others["dev"].store(*spans(1), at=START)
    await bench.after(61)
    assert bench.diary.only(ElsewhereLooked).environment == "dev"
    bench.others["dev"].quick_error = Refused("429", status=429)
    await bench.after(15)
    assert bench.failed == []


async def test_a_trace_that_is_nowhere_is_said_to_be_so_once_every_environment_was_asked() -> None:
    """Where one of them could not be asked it may be there."""
    bench = Bench(a_canary())
    bench.others["stg"].quick_error = Unreachable("no answer", kind="timeout")
    await bench.after(61)
    assert not bench.canary.nowhere
    bench.others["stg"].quick_error = None
    await bench.after(15)
    assert bench.diary.only(ElsewhereLooked).environment is None
    assert (bench.canary.nowhere, bench.canary.elsewhere, bench.confirmed) == (True, None, set())
    bench.others["stg"].store(*spans(1), at=START)
    await bench.after(15)
    assert (bench.canary.nowhere, bench.canary.elsewhere) == (False, "stg")


@pytest.mark.parametrize("error", CLOSED)
async def test_where_the_quick_route_is_closed_the_documented_one_finds_it_elsewhere(error: PortError) -> None:
    """The key of the other environment may read it."""
    bench = Bench(a_canary())
    bench.others["stg"].quick_error = error
    bench.others["stg"].store(*spans(1), at=START)
    await bench.after(61)
    assert bench.diary.only(ElsewhereLooked).environment == "stg"


async def test_a_route_that_shows_every_environment_puts_no_trace_elsewhere() -> None:
    """What the other environment's key shows of ours, a moment after we saw nothing, is still in ours."""
    bench = Bench(a_canary())
    bench.others["stg"].store(*(replace(span, environment="prd") for span in spans(1)), at=START)
    await bench.after(61)
    assert bench.confirmed == set()


async def test_a_stray_that_our_own_key_shows_has_not_arrived() -> None:
    """Where the per-trace route shows every environment, the documented one decides what is in ours."""
    bench = Bench(a_canary())
    stray = [replace(span, environment="stg") for span in spans(1)]
    bench.backend.quick_shows = lambda ours: (*ours, *stray)
    bench.others["stg"].store(*stray, at=START)
    await bench.after(1)
    assert bench.looked == [(WAREHOUSE, 0)]
    await bench.after(60)
    assert (bench.canary.outcome, bench.confirmed) == (None, {Fault.WRONG_ENVIRONMENT})


async def test_the_per_trace_route_alone_can_say_where_a_trace_went() -> None:
    """It shows a whole project: no key of the other environment is needed. Where it cannot be asked, the others are."""
    bench = Bench(a_canary())
    stray = tuple(replace(span, environment="eu-production") for span in spans(1))
    bench.backend.quick_shows = lambda _: stray
    bench.check = ArrivalCheck(Lookup(bench.backend, bench.clock, own="prd", others={}), bench.clock)
    await bench.after(61)
    assert bench.diary.only(ElsewhereLooked).environment == "eu-production"
    assert bench.confirmed == {Fault.WRONG_ENVIRONMENT}


async def test_a_slug_that_is_spelt_otherwise_hides_no_arrival() -> None:
    """Traceloop's documentation says `production` where its recorded answers say `prd`."""
    bench = Bench(a_canary())
    bench.shows(environment="production")
    await bench.after(1)
    await bench.after(2)
    assert bench.looked == [(TRACE, 3), (TRACE, 3), (WAREHOUSE, 3)]
    assert (bench.canary.outcome, bench.confirmed) == (Outcome.ARRIVED, set())
