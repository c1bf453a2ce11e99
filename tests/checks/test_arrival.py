"""Looking for traces: when, until when, and what is reported of each."""

import asyncio
from dataclasses import replace

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.config import ConfigCheck
from monitor.connectivity import Certificates
from monitor.core.arrival import proof_key
from monitor.core.canary import Canary, Outcome
from monitor.core.config_memory import ConfigSeen
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ExportConfig
from monitor.core.inputs import TraceLooked
from monitor.core.model import CheckName, Fault, Severity, TraceId
from monitor.core.trace import Narrowing
from monitor.ports import Garbled, Refused, Unreachable
from monitor.settings import target
from tests.checks.arrival import NONCE, TRACE, WAREHOUSE, Bench
from tests.core.build import POLICY, THEIRS, Story, a_canary, manifest, policy, spans, trace_id
from tests.fakes.clock import START
from tests.fakes.control_plane import FakeControlPlane

# --- a trace that comes ----------------------------------------------------------------------------------------------


async def test_the_quick_route_polls_and_the_documented_one_judges() -> None:
    """Once the quick route says complete twice, one documented read judges labels and content, in the same look."""
    bench = Bench(a_canary())
    bench.backend.honours = frozenset({Narrowing.WINDOW})
    bench.shows()
    await bench.after(1)
    await bench.after(2)
    assert bench.looked == [(TRACE, 3), (TRACE, 3), (WAREHOUSE, 3)]
    assert (bench.canary.outcome, bench.canary.arrival_seconds) == (Outcome.ARRIVED, 1.0)
    assert bench.canary.labels is not None
    assert bench.check.next_due(bench.diary) is None
    assert bench.diary.state.check_state(CheckName.ARRIVAL).ever_passed


async def test_nothing_yet_is_not_absence() -> None:
    """`{"spans": null}` is looked for again, sooner than the deadline."""
    bench = await Bench(a_canary()).after(1)
    assert bench.looked == [(TRACE, 0)]
    assert (bench.canary.outcome, bench.confirmed) == (None, set())
    assert bench.check.next_due(bench.diary) == START + 3


async def test_a_trace_in_the_making_is_looked_at_until_it_rests() -> None:
    """More spans than at the last look: one look more."""
    bench = Bench(a_canary())
    bench.backend.store(*spans(1, 1), at=START)
    await bench.after(1)
    bench.backend.store(*spans(1, 3)[1:], at=START)
    await bench.after(2)
    assert bench.canary.outcome is None
    await bench.after(2)
    assert bench.canary.outcome is Outcome.ARRIVED


async def test_labels_that_cannot_be_read_are_asked_for_again() -> None:
    """A failing documented read says nothing of the arrival: the trace is there, and what it carries is judged later."""
    bench = Bench(a_canary(1), a_canary(2))
    bench.shows(1)
    bench.shows(2)
    bench.backend.window_error = Unreachable("Traceloop answers HTTP 503", kind="status", status=503)
    await bench.after(1)
    await bench.after(2)
    assert [canary.outcome for canary in bench.diary.state.canaries] == [Outcome.ARRIVED, Outcome.ARRIVED]
    assert bench.failed == []
    assert [(given.canary_id, given.final) for given in bench.unread] == [("c1", False), ("c2", False)]
    assert bench.canary.labels is None
    bench.backend.window_error = None
    await bench.after(5)
    assert bench.canary.labels is not None


async def test_a_key_that_the_documented_read_refuses_is_reported() -> None:
    """Also where the quick route has just shown the trace. Conclusive, because the gateway's header is read again after it."""
    bench, _ = _refuses_the_key(manifest())
    await bench.after(1)
    await bench.after(2)
    assert [given.key_refused for given in bench.failed] == [True]
    assert bench.confirmed == {Fault.KEY_REJECTED}


async def test_an_ordinary_rotation_is_not_a_refused_key_of_the_gateway() -> None:
    """The new key went into the gateway and the old one was revoked since the configuration was read: ours is outdated."""
    bench, control_plane = _refuses_the_key(manifest())
    await bench.after(1)
    control_plane.config = ConfigSeen(config=manifest(key=THEIRS))
    await bench.after(2)
    assert control_plane.reads == 1
    diagnosis = diagnose(bench.diary.state, POLICY, bench.clock.now())
    assert diagnosis is not None
    assert (diagnosis.fault, diagnosis.severity) == (Fault.CONFIG_DRIFT, Severity.WARNING)
    assert diagnosis.title == "The Traceloop key was probably rotated, and the monitor has the old one"


async def test_where_the_configuration_cannot_be_read_again_a_refused_key_takes_repetition() -> None:
    """What was read before the refusal proves nothing of the key that the gateway has now."""
    bench, control_plane = _refuses_the_key(manifest())
    control_plane.error = Unreachable("no answer", kind="timeout")
    await bench.after(1)
    await bench.after(2)
    assert bench.confirmed == set()
    await bench.after(4)
    await bench.after(10)
    assert bench.confirmed == {Fault.KEY_REJECTED}
    suspicion = bench.diary.state.confirmed[Fault.KEY_REJECTED].suspicion
    assert suspicion.facts == (
        "the exporter carried the same key when it was last read, which was before the rejection",
    )


async def test_several_refusals_at_once_read_the_configuration_once() -> None:
    """It is new enough for each of them."""
    bench, control_plane = _refuses_the_key(manifest(), a_canary(1), a_canary(2), a_canary(3))
    await bench.after(1)
    await bench.after(2)
    assert [given.key_refused for given in bench.failed] == [True, True, True]
    assert control_plane.reads == 1


def _refuses_the_key(config: ExportConfig, *canaries: Canary) -> tuple[Bench, FakeControlPlane]:
    """The documented read answers 401; before that, the configuration was read once, with our key in it."""
    awaited = canaries or (a_canary(),)
    bench = Bench(*awaited, config=Story().config(config).state.config)
    for number in range(len(awaited)):
        bench.shows(number + 1)
    bench.backend.window_error = Refused("401", status=401)
    control_plane = FakeControlPlane(ConfigSeen(config=config))
    check = ConfigCheck(control_plane, bench.backend, bench.clock, Certificates())
    bench.check = ArrivalCheck(bench.check.lookup, bench.clock, check.reread)
    return bench, control_plane


# --- deadlines -------------------------------------------------------------------------------------------------------


async def test_looks_happen_exactly_at_the_deadlines() -> None:
    """Whatever the back-off: at the three moments of the policy. A quick route that is proven needs no second opinion.

    But at each of them the nonce is searched for: before anything is concluded, the id that the gateway named is doubted.
    """
    bench = Bench(a_canary(), proofs={proof_key(TRACE, POLICY.credential): START})
    moments = []
    while bench.clock.now() < START + 300:
        due = bench.check.next_due(bench.diary)
        assert due is not None
        await bench.after(due - bench.clock.now())
        moments.append(due - START)
    assert {60.0, 180.0, 300.0} <= set(moments)
    assert moments[:4] == [1.0, 3.0, 7.0, 12.0]
    assert {trace for _, _, trace in bench.backend.window_reads} == {None}
    assert len(bench.backend.window_reads) == 3 * 4  # two filters, the window, and the window once more, wider
    assert bench.canary.outcome is Outcome.MISSING


async def test_absence_counts_only_by_a_proven_route() -> None:
    """Without a positive control a trace that is not shown is unknown."""
    bench = Bench(a_canary())
    await bench.after(300)
    assert bench.canary.outcome is Outcome.UNKNOWN
    assert bench.diary.state.check_state(CheckName.ARRIVAL).last is not None


async def test_the_documented_route_has_the_last_word_at_a_deadline() -> None:
    """What the quick one does not show may be there."""
    bench = Bench(a_canary())
    bench.backend.quick_shows = lambda _: ()
    bench.shows()
    await bench.after(180)
    assert bench.looked == [(WAREHOUSE, 3)]


async def test_a_part_that_the_quick_route_shows_accuses_nobody_alone() -> None:
    """It is undocumented: before a part is called one, the documented route is asked, and gone on with if it shows more."""
    bench = Bench(a_canary())
    bench.shows()
    bench.backend.quick_shows = lambda whole: whole[1:]
    await bench.after(59)
    await bench.after(1)
    await bench.after(2)
    assert bench.looked == [(TRACE, 2), (WAREHOUSE, 3), (WAREHOUSE, 3)]
    assert (bench.canary.outcome, bench.confirmed) == (Outcome.ARRIVED, set())


async def test_a_tree_of_too_few_spans_is_a_part_as_well() -> None:
    """`complete_spans` says how many a whole trace has, whatever it looks like."""
    bench = Bench(a_canary(), policy=policy(arrival=target.ArrivalCheck(complete_spans=3)))
    bench.shows()
    bench.backend.quick_shows = lambda whole: whole[:2]
    await bench.after(60)
    assert bench.looked == [(WAREHOUSE, 3)]


async def test_a_whole_trace_needs_no_second_opinion() -> None:
    """Not even at a deadline: the quick route is enough to say that it has come."""
    bench = Bench(a_canary())
    bench.shows()
    await bench.after(60)
    assert (bench.looked, bench.backend.window_reads) == ([(TRACE, 3)], [])


async def test_a_part_is_a_part_where_the_documented_route_shows_no_more() -> None:
    """The root never came."""
    bench = Bench(a_canary())
    bench.backend.store(*spans(1)[1:], at=START)
    await bench.after(180)
    await bench.after(120)
    assert bench.looked == [(TRACE, 2), (TRACE, 2)]
    assert bench.canary.outcome is Outcome.INCOMPLETE


async def test_an_id_that_the_gateway_named_wrongly_loses_no_trace() -> None:
    """It is called opaque, and may come to mean something else: the nonce finds the trace, in time."""
    bench = Bench(a_canary(trace_id=trace_id(9)), proofs={proof_key(TRACE, POLICY.credential): START})
    bench.shows(1, nonce=bench.canary.nonce)
    await bench.after(30)
    await bench.after(30)
    await bench.after(2)
    assert bench.looked == [(TRACE, 0), (NONCE, 3), (NONCE, 3)]
    assert (bench.canary.outcome, bench.canary.trace_id) == (Outcome.ARRIVED, trace_id(1))


async def test_a_search_that_fails_leaves_an_absence_as_it_is() -> None:
    """It could only have found something."""
    bench = Bench(a_canary(), proofs={proof_key(TRACE, POLICY.credential): START})
    bench.backend.search_error = Garbled("the window has more rows than could be read")
    await bench.after(300)
    assert bench.failed == []
    assert bench.canary.outcome is Outcome.MISSING


async def test_a_lost_trace_is_asked_for_again_when_traces_arrive() -> None:
    """What comes late after all is recovered."""
    lost = a_canary(1, outcome=Outcome.MISSING, judged_at=START + 300, last_look_at=START + 300)
    late = a_canary(
        2,
        sent_at=START + 310,
        answered_at=START + 310,
        outcome=Outcome.ARRIVED,
        judged_at=START + 315,
        arrived_at=START + 312,
    )
    bench = Bench(lost, replace(late, labels=None))
    bench.shows(1)
    bench.shows(2)
    await bench.after(320)
    assert bench.canary.recovered_at == START + 320


# --- several at once -------------------------------------------------------------------------------------------------


async def test_several_traces_are_awaited_at_once() -> None:
    """One that cannot be read disturbs no other; no more than four questions at a time."""
    bench = Bench(*(a_canary(number) for number in range(1, 10)))
    for number in range(1, 10):
        bench.shows(number)
    under_way: list[TraceId] = []
    most: list[int] = []

    async def slow(asked: TraceId) -> None:
        under_way.append(asked)
        most.append(len(under_way))
        await bench.clock.sleep(1.0)
        under_way.remove(asked)
        if asked == trace_id(3):
            raise Unreachable("no answer", kind="timeout")

    bench.backend.before_quick = slow
    await bench.clock.advance(1)
    task = asyncio.ensure_future(bench.check.look(bench.diary))
    assert (await bench.clock.run_until(task.done), max(most)) == (3.0, 4)
    assert len(bench.looked) == 8
    assert [given.canary_id for given in bench.failed] == ["c3"]


async def test_what_was_looked_for_a_moment_ago_is_not_looked_for_again() -> None:
    """Each has a rhythm of its own."""
    bench = Bench(a_canary(1), a_canary(2, sent_at=START + 2, answered_at=START + 2))
    await bench.after(1)
    await bench.after(0.5)
    assert bench.backend.quick_reads == [trace_id(1)]
    await bench.after(1.5)
    assert bench.backend.quick_reads == [trace_id(1), trace_id(1), trace_id(2)]


async def test_where_nothing_is_awaited_nothing_is_asked() -> None:
    """And nothing is due."""
    bench = await Bench().after(60)
    assert (bench.backend.quick_reads, bench.backend.window_reads, bench.diary.given) == ([], [], [])
    assert bench.check.next_due(bench.diary) is None


async def test_a_look_is_measured_by_a_clock_that_never_jumps() -> None:
    """A wall clock set back while it is under way makes no negative duration."""
    bench = Bench(a_canary())

    async def slow(_: TraceId) -> None:
        bench.clock.jump(-3600)
        await bench.clock.sleep(1.0)

    bench.backend.before_quick = slow
    await bench.clock.advance(1)
    task = asyncio.ensure_future(bench.check.look(bench.diary))
    await bench.clock.run_until(task.done)
    assert bench.diary.only(TraceLooked).took == 1.0
