"""By which route a trace is looked for, and what a route that fails, or an id that is a guess, leaves known."""

import pytest

from monitor.core.arrival import proof_key
from monitor.core.canary import IdSource, Outcome
from monitor.core.model import Fault, UnknownReason
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from tests.checks.arrival import CLOSED, GUESS, NONCE, TRACE, WAREHOUSE, Bench
from tests.checks.bench import says
from tests.core.build import HOUR, POLICY, a_canary, trace_id
from tests.fakes.clock import START

# --- routes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", CLOSED)
async def test_a_closed_quick_route_only_closes_itself(error: PortError) -> None:
    """401, 403 and 404 of the undocumented route say nothing about the key, nor about any trace."""
    bench = Bench(a_canary())
    bench.shows()
    bench.backend.quick_error = error
    await bench.after(1)
    await bench.after(2)
    assert bench.looked == [(WAREHOUSE, 3), (WAREHOUSE, 3)]
    assert bench.failed == []
    assert (bench.canary.outcome, bench.confirmed) == (Outcome.ARRIVED, set())
    assert len(bench.backend.quick_reads) == 1


async def test_a_closed_route_is_tried_again_after_an_hour() -> None:
    """It may have been opened; a wall clock that is set back does not keep it closed."""
    bench = Bench(a_canary(1), a_canary(2, sent_at=START + HOUR + 10, answered_at=START + HOUR + 10))
    bench.backend.quick_error = Gone("404")
    await bench.after(1)
    bench.backend.quick_error = None
    bench.clock.jump(12)
    await bench.after(HOUR)
    assert trace_id(2) in bench.backend.quick_reads


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Refused("1010", status=403, blocked=True), UnknownReason.BLOCKED),
        (Refused("429", status=429, retry_after=30), UnknownReason.REFUSED),
        (Unreachable("no answer", kind="timeout"), UnknownReason.UNREACHABLE),
        (Garbled("HTML"), UnknownReason.GARBLED),
    ],
)
async def test_a_quick_read_that_fails_is_unknown(error: PortError, reason: UnknownReason) -> None:
    """It closes nothing, misses nothing, and no key is blamed."""
    bench = Bench(a_canary())
    bench.backend.quick_error = error
    await bench.after(1)
    assert [(says(given.result), given.key_refused) for given in bench.failed] == [(("unknown", reason), False)]
    bench.backend.quick_error = None
    bench.shows()
    await bench.after(2)
    assert bench.looked == [(TRACE, 3)]


async def test_failing_reads_never_make_a_trace_missing() -> None:
    """A canary is missing only by a look that succeeded after its deadline."""
    bench = Bench(a_canary())
    bench.backend.quick_error = Unreachable("no answer", kind="timeout")
    bench.backend.window_error = Unreachable("no answer", kind="timeout")
    for _ in range(12):
        await bench.after(60)
    assert bench.canary.outcome is None
    assert Fault.TRACE_MISSING not in bench.confirmed


async def test_a_documented_401_is_the_keys() -> None:
    """Where the quick route is closed, the documented one says it at once."""
    bench = Bench(a_canary())
    bench.backend.quick_error = Gone("404")
    bench.backend.window_error = Refused("401", status=401)
    await bench.after(1)
    assert [given.key_refused for given in bench.failed] == [True]


@pytest.mark.parametrize(
    "error",
    [Refused("challenge", status=401, blocked=True), Refused("403", status=403), Refused("429", status=429)],
    ids=["challenge", "403", "429"],
)
async def test_anything_but_a_401_refuses_no_key(error: Refused) -> None:
    """Cloudflare's 401 is not Traceloop's word, and a permission that is missing or a limit is no key that is wrong."""
    bench = Bench(a_canary())
    bench.backend.quick_error = Gone("404")
    bench.backend.window_error = error
    await bench.after(1)
    assert [given.key_refused for given in bench.failed] == [False]


async def test_a_window_is_that_of_the_canary() -> None:
    """From a little before it was sent until a little after its answer, but not beyond now: clocks differ."""
    bench = Bench(a_canary(answered_at=START + 3), policy=POLICY)
    bench.backend.quick_error = Gone("404")
    await bench.after(5)
    assert {(since, until) for since, until, _ in bench.backend.window_reads} == {(START - 5, START + 6)}
    await bench.after(10)
    assert {(since, until) for since, until, _ in bench.backend.window_reads[-2:]} == {(START - 5, START + 8)}


# --- when the id is a guess, or none ---------------------------------------------------------------------------------


async def test_without_an_id_the_nonce_is_searched_for() -> None:
    """What it finds brings the id along; the same way is gone on with, since two routes do not confirm each other."""
    bench = Bench(a_canary(trace_id=None, id_source=None))
    await bench.after(1)
    assert bench.looked == [(NONCE, 0)]
    bench.shows(7, nonce="gtm-1")
    await bench.after(2)
    assert (bench.canary.trace_id, bench.canary.id_source) == (trace_id(7), IdSource.NONCE)
    await bench.after(2)
    assert bench.looked[1:] == [(NONCE, 3), (NONCE, 3)]
    assert bench.canary.outcome is Outcome.ARRIVED
    assert bench.canary.labels is not None


async def test_the_nonce_search_alone_proves_no_absence() -> None:
    """At the deadline it is unknown, whatever was proven before."""
    proofs = {proof_key(route, POLICY.credential): START for route in (TRACE, WAREHOUSE)}
    bench = Bench(a_canary(trace_id=None, id_source=None), proofs=proofs)
    await bench.after(300)
    assert (bench.canary.outcome, bench.confirmed) == (Outcome.UNKNOWN, set())


async def test_an_id_of_ours_is_only_a_guess_until_one_was_honoured() -> None:
    """A quick route that shows nothing by it is asked for the nonce as well."""
    bench = Bench(a_canary(**GUESS))
    await bench.after(1)
    assert bench.looked == [(TRACE, 0)]
    assert {wanted for _, _, wanted in bench.backend.window_reads} == {None}
    bench.shows(9, nonce="gtm-1")
    await bench.after(2)
    assert bench.canary.trace_id == trace_id(9)
    assert bench.diary.state.honours_traceparent is False


async def test_an_id_of_ours_is_doubted_where_the_quick_route_is_closed_too() -> None:
    """The documented read is asked for the nonce first: else the trace would never be found."""
    bench = Bench(a_canary(**GUESS))
    bench.backend.quick_error = Refused("no", status=401)
    bench.shows(9, nonce="gtm-1")
    await bench.after(1)
    assert bench.backend.window_reads[0][2] is None
    assert bench.canary.trace_id == trace_id(9)
    assert bench.diary.state.honours_traceparent is False


async def test_an_honoured_id_needs_no_search() -> None:
    """This gateway has taken one of ours before."""
    bench = await Bench(a_canary(**GUESS), honours_traceparent=True).after(1)
    assert bench.backend.window_reads == []
