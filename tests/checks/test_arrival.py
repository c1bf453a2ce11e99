"""Looking for traces and control spans: by which route, when, and what is reported of each."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.config import ConfigCheck
from monitor.checks.lookup import Lookup
from monitor.connectivity import Certificates
from monitor.core.arrival import proof_key
from monitor.core.canary import Canary, ControlSpan, IdSource, Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ConfigSeen, ExportConfig
from monitor.core.inputs import ControlLooked, ElsewhereLooked, LabelsUnread, LookFailed, TraceLooked
from monitor.core.model import CheckName, Fault, Seconds, Severity, TraceId, UnknownReason
from monitor.core.state import Policy, TargetState
from monitor.core.trace import Narrowing, Route, SpanFact
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from tests.checks.bench import PROD, Diary, says
from tests.core.build import HOUR, POLICY, THEIRS, Story, a_canary, manifest, policy, spans, trace_id
from tests.fakes.backend import FakeBackend
from tests.fakes.clock import START, FakeClock
from tests.fakes.control_plane import FakeControlPlane

TRACE, WAREHOUSE, NONCE = Route.TRACE, Route.WAREHOUSE, Route.NONCE
GUESS: dict[str, Any] = {"trace_id": trace_id(1), "sent_id": trace_id(1), "id_source": IdSource.TRACEPARENT}
CLOSED = [Refused("401", status=401), Refused("403", status=403), Gone("404")]
CONTROL = ControlSpan(trace_id=TraceId("c0" * 16), sent_at=START, accepted=True)


class Bench:
    """The watch over traces and everything around it. Time is moved by `after`, then it looks."""

    def __init__(
        self,
        *canaries: Canary,
        policy: Policy = POLICY,
        controls: tuple[ControlSpan, ...] = (),
        environment: str | None = "prd",
        **state: Any,
    ) -> None:
        self.clock, self.backend = FakeClock(), FakeBackend()
        self.others = {"stg": FakeBackend(), "dev": FakeBackend()}
        remembered = TargetState(target=PROD, canaries=canaries, controls=controls, **state)
        self.diary = Diary(self.clock, policy, remembered)
        self.check = ArrivalCheck(Lookup(self.backend, self.clock, own=environment, others=self.others), self.clock)

    async def after(self, seconds: Seconds) -> "Bench":
        """Let time pass, then look."""
        await self.clock.advance(seconds)
        await self.check.look(self.diary)
        return self

    def shows(self, number: int = 1, *, nonce: str | None = None, **fields: Any) -> None:
        """Traceloop has a whole trace."""
        found = [replace(span, **fields) for span in spans(number)]
        self.backend.store(*found, at=START, nonce=nonce)

    @property
    def looked(self) -> list[tuple[Route, int]]:
        """Every look that succeeded: its route, and how many spans it saw."""
        return [
            (given.seen.route, len(given.seen.spans)) for given in self.diary.given if isinstance(given, TraceLooked)
        ]

    @property
    def failed(self) -> list[LookFailed]:
        """Every look that did not."""
        return [given for given in self.diary.given if isinstance(given, LookFailed)]

    @property
    def unread(self) -> list[LabelsUnread]:
        """Every read for labels that showed none."""
        return [given for given in self.diary.given if isinstance(given, LabelsUnread)]

    @property
    def canary(self) -> Canary:
        """The first one."""
        return self.diary.state.canaries[0]

    @property
    def confirmed(self) -> set[Fault]:
        """What is believed."""
        return set(self.diary.state.confirmed)


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
    assert any("give the monitor the new key" in line for line in diagnosis.because)


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
        "the gateway's exporter carried the same key when it was read last, which was before that",
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
    bench = Bench(a_canary(), policy=replace(POLICY, arrival=replace(POLICY.arrival, complete_spans=3)))
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


# --- other environments ----------------------------------------------------------------------------------------------


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


# --- control spans ---------------------------------------------------------------------------------------------------


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
    assert "this route has never shown us a span of our own" in suspicion.facts


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
