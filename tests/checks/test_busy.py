"""A busy environment: a trace of ours is found by what is cheap and has proven itself, and its absence by nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.arrival import ArrivalCheck
from monitor.checks.lookup import Look, Lookup
from monitor.core.arrival import narrowing_key, proof_key
from monitor.core.canary import Canary, ControlSpan, IdSource, Outcome
from monitor.core.inputs import ControlLooked, ElsewhereLooked, LabelsUnread, LookFailed, TraceLooked
from monitor.core.model import CheckName, Fault, Seconds, TraceId, UnknownReason
from monitor.core.state import TargetState
from monitor.core.trace import Narrowing, Route
from monitor.ports import Gone
from tests.checks.bench import PROD, Diary
from tests.core.build import MINUTE, POLICY, a_canary, spans, trace_id
from tests.fakes.backend import FakeBackend
from tests.fakes.clock import START, FakeClock

TRACE, WAREHOUSE, NONCE = Route.TRACE, Route.WAREHOUSE, Route.NONCE
N = Narrowing
HOUR = 60 * MINUTE
NAMELESS: dict[str, Any] = {"trace_id": None, "id_source": None}


def proven(*ways: Route | Narrowing, ago: Seconds = 0.0) -> dict[str, float]:
    """What has shown us a span of ours, and when."""
    keys = [
        narrowing_key(way, POLICY.credential) if isinstance(way, Narrowing) else proof_key(way, POLICY.credential)
        for way in ways
    ]
    return dict.fromkeys(keys, START - ago)


class Bench:
    """The watch over traces of an environment of which no look can read every row."""

    def __init__(self, *canaries: Canary, controls: tuple[ControlSpan, ...] = (), **state: Any) -> None:
        self.clock, self.backend, self.other = FakeClock(), FakeBackend(), FakeBackend()
        self.backend.crowded = self.other.crowded = True
        self.diary = Diary(self.clock, POLICY, TargetState(target=PROD, canaries=canaries, controls=controls, **state))
        self.check = ArrivalCheck(Lookup(self.backend, self.clock, own="prd", others={"stg": self.other}), self.clock)

    def shows(self, number: int = 1, *, nonce: str = "gtm-1", at: float = START) -> None:
        """Traceloop has a whole trace, whose root is named as the gateway names them."""
        root, *rest = spans(number)
        named = replace(root, name="ChatCompletion: openai-main/gpt", started_at=at)
        self.backend.store(named, *rest, at=at, nonce=nonce)

    async def until(self, age: Seconds) -> None:
        """Look whenever something is due, until so long after the start."""
        while (due := self.check.next_due(self.diary)) is not None and due <= START + age:
            await self.clock.advance(max(0.0, due - self.clock.now()))
            await self.check.look(self.diary)
        await self.clock.advance(max(0.0, START + age - self.clock.now()))

    @property
    def canary(self) -> Canary:
        """The newest one."""
        return self.diary.state.canaries[-1]

    @property
    def requests(self) -> int:
        """How often Traceloop was asked."""
        return len(self.backend.quick_reads) + len(self.backend.window_reads)

    def given(self, kind: type[Any]) -> list[Any]:
        """What was reported of one kind."""
        return [given for given in self.diary.given if isinstance(given, kind)]


# --- presence and absence by the cheapest route that has proven itself ------------------------------------------------


async def test_what_the_quick_route_shows_is_there_whatever_the_window_holds() -> None:
    """Labels that cannot be read are not judged: that is shown beside the arrival, and is no unknown arrival."""
    bench = Bench(a_canary())
    bench.backend.honours = frozenset({N.WINDOW})
    bench.shows()
    await bench.until(5 * MINUTE)
    assert bench.canary.outcome is Outcome.ARRIVED
    assert bench.canary.labels is None
    assert "too many spans to read" in bench.canary.not_judged
    assert bench.given(LookFailed) == []
    last = bench.diary.state.check_state(CheckName.ARRIVAL).last
    assert last is not None
    assert "too many spans" in str(last.result.evidence["not_judged"])
    assert bench.diary.state.confirmed == {}


async def test_what_cannot_be_judged_is_not_read_again_and_again() -> None:
    """One look that had to stop is enough for one canary."""
    bench = Bench(a_canary())
    bench.backend.honours = frozenset({N.WINDOW})
    bench.shows()
    await bench.until(5 * MINUTE)
    assert bench.backend.narrowings.count(N.WINDOW) == 1


async def test_a_window_that_held_too_much_is_left_alone_for_a_minute() -> None:
    """Its megabytes are not read at every look; after that it may have become quieter."""
    bench = Bench(a_canary())
    bench.backend.quick_error, bench.backend.honours = Gone("404"), frozenset({N.WINDOW})
    await bench.until(14)
    assert len(bench.given(LookFailed)) > 1
    assert bench.backend.narrowings.count(N.WINDOW) == 1
    await bench.until(2 * MINUTE)
    assert bench.backend.narrowings.count(N.WINDOW) > 1


async def test_what_a_proven_quick_route_does_not_show_is_missing() -> None:
    """Nobody needs the window for that, and that it is crowded changes nothing."""
    bench = Bench(a_canary(), proofs=proven(TRACE))
    bench.backend.honours = frozenset()
    await bench.until(5 * MINUTE)
    assert bench.canary.outcome is Outcome.MISSING
    assert bench.given(LookFailed) == []


@pytest.mark.parametrize("filter_", [N.TRACE_ID, N.ATTRIBUTE, N.METADATA])
async def test_where_the_quick_route_is_closed_a_proven_filter_does_its_work(filter_: Narrowing) -> None:
    """It shows the trace, and that it does not show one is absence."""
    shown, lost = (Bench(a_canary(), proofs=proven(WAREHOUSE, filter_)) for _ in range(2))
    shown.shows()
    for bench in (shown, lost):
        bench.backend.quick_error = Gone("404")
        bench.backend.honours = frozenset({filter_})
        await bench.until(5 * MINUTE)
    assert (shown.canary.outcome, lost.canary.outcome) == (Outcome.ARRIVED, Outcome.MISSING)
    assert set(shown.backend.narrowings) == {filter_}
    assert shown.canary.labels is not None


async def test_the_silence_of_a_filter_that_was_never_proven_never_counts() -> None:
    """Nor that of one that was proven longer ago than a day."""
    for proofs in ({}, proven(WAREHOUSE), proven(WAREHOUSE, N.METADATA, ago=25 * HOUR)):
        bench = Bench(a_canary(), proofs=proofs)
        bench.backend.quick_error = Gone("404")
        await bench.until(5 * MINUTE)
        assert bench.canary.outcome is None
        assert {given.result.unknown_reason for given in bench.given(LookFailed)} == {UnknownReason.CROWDED}


async def test_where_nothing_works_it_says_that_the_environment_is_too_busy() -> None:
    """And what to do about it."""
    bench = Bench(*(a_canary(number, sent_at=START + number, answered_at=START + number) for number in range(2)))
    bench.backend.quick_error = Gone("404")
    bench.backend.honours = frozenset({N.WINDOW})
    await bench.until(20 * MINUTE)
    blind = bench.diary.state.confirmed[Fault.BLIND]
    assert (
        "too many spans to read: 100 of 9000 rows" in blind.suspicion.summary
        or "too many rows" in blind.suspicion.summary
    )
    assert "model alias of its own" in blind.suspicion.step


# --- which filter -----------------------------------------------------------------------------------------------------


async def test_filters_are_tried_in_the_stated_order_until_one_shows_the_trace() -> None:
    """The first that does is proven, and from then on the only one that is asked."""
    bench = Bench(a_canary())
    bench.backend.honours = frozenset({N.METADATA, N.SPAN_NAME})
    bench.shows()
    await bench.until(MINUTE)
    assert bench.backend.narrowings == [N.TRACE_ID, N.ATTRIBUTE, N.METADATA]
    assert narrowing_key(N.METADATA, POLICY.credential) in bench.diary.state.proofs


async def test_the_name_of_the_root_is_learnt_from_the_quick_route() -> None:
    """Where no other filter is honoured, the documented parameter `span_name` narrows a busy window down."""
    bench = Bench(a_canary())
    bench.backend.honours = frozenset({N.SPAN_NAME})
    bench.shows()
    await bench.until(MINUTE)
    assert bench.backend.narrowings == [N.TRACE_ID, N.ATTRIBUTE, N.METADATA, N.SPAN_NAME]
    assert bench.canary.labels is not None


async def test_what_showed_nothing_of_a_trace_that_is_there_is_of_no_use_for_an_hour() -> None:
    """It costs a request each time."""
    later = {"sent_at": START + 300, "answered_at": START + 300}
    bench = Bench(a_canary(1), a_canary(2, **later))
    bench.backend.honours = frozenset({N.WINDOW})
    bench.backend.crowded = False
    bench.shows(1)
    bench.shows(2, nonce="gtm-2", at=START + 300)
    await bench.until(4 * MINUTE)
    first = list(bench.backend.narrowings)
    await bench.until(10 * MINUTE)
    assert first == [N.TRACE_ID, N.ATTRIBUTE, N.METADATA, N.SPAN_NAME, N.WINDOW]
    assert set(bench.backend.narrowings[len(first) :]) == {N.WINDOW}


async def test_a_part_that_a_filter_shows_is_completed_by_what_the_quick_route_has_shown() -> None:
    """A filter shows the spans that carry the attribute: what leaks in another one is not overlooked."""
    bench = Bench(a_canary(), proofs=proven(WAREHOUSE, N.SPAN_NAME))
    root, *rest = spans(1, content=())
    leaks = replace(rest[-1], content=("tfy.input",))
    bench.backend.store(replace(root, name="ChatCompletion: x"), rest[0], leaks, at=START, nonce="gtm-1")
    bench.backend.honours = frozenset({N.SPAN_NAME})
    await bench.until(MINUTE)
    assert bench.canary.labels is not None
    assert bench.canary.labels.leaked == ("tfy.input",)
    assert Fault.CONTENT_LEAKED in bench.diary.state.confirmed


async def test_a_filter_that_shows_a_part_confirms_no_number_of_spans() -> None:
    """Complete is what two looks show alike; of a third span that comes in between, the name of the root says nothing."""
    bench = Bench(a_canary(), proofs=proven(TRACE, WAREHOUSE, N.SPAN_NAME))
    bench.check.lookup._root_name = "ChatCompletion: openai-main/gpt"
    bench.backend.honours = frozenset({N.SPAN_NAME})
    bench.shows()
    await bench.until(1)
    first = bench.canary.spans
    bench.backend.store(replace(spans(1)[-1], span_id="e" * 16, content=("tfy.input",)), at=START)
    await bench.until(MINUTE)
    assert (bench.canary.outcome, bench.canary.spans) == (Outcome.ARRIVED, first + 1)
    assert bench.canary.labels is not None
    assert bench.canary.labels.leaked == ("tfy.input",)


async def test_a_filter_that_shows_a_part_costs_three_requests_too() -> None:
    """Two by the quick route, and one that judges: it is known by then that the filter cannot confirm."""
    proofs = proven(TRACE, WAREHOUSE, N.SPAN_NAME)
    later = {"sent_at": START + 300, "answered_at": START + 300}
    bench = Bench(a_canary(1), a_canary(2, **later), proofs=proofs)
    bench.backend.honours = frozenset({N.SPAN_NAME})
    bench.shows(1)
    bench.shows(2, nonce="gtm-2", at=START + 300)
    await bench.until(4 * MINUTE)
    before = bench.requests
    await bench.until(6 * MINUTE)
    assert (bench.canary.outcome, bench.canary.labels is not None) == (Outcome.ARRIVED, True)
    assert bench.requests - before == 3


async def test_a_trace_whose_root_is_not_found_by_name_is_looked_for_in_the_whole_window() -> None:
    """What has lost its root arrived in part; where the window cannot be read, it cannot be distinguished from a lost trace."""
    seen = {}
    for crowded in (False, True):
        bench = Bench(a_canary(), proofs=proven(WAREHOUSE, N.SPAN_NAME))
        bench.backend.quick_error = Gone("404")
        bench.backend.crowded = crowded
        bench.backend.honours = frozenset({N.SPAN_NAME, N.WINDOW})
        bench.check.lookup._root_name = "ChatCompletion: openai-main/gpt"
        bench.backend.store(*spans(1)[1:], at=START)
        await bench.until(5 * MINUTE)
        seen[crowded] = bench.canary.outcome
    assert seen == {False: Outcome.INCOMPLETE, True: None}


# --- what a canary costs ----------------------------------------------------------------------------------------------


def in_the_steady_state(number: int, took: Seconds = 5.0) -> Canary:
    """One of an hour ago, whose trace took so long."""
    sent = START - HOUR + number
    return a_canary(
        number, sent_at=sent, answered_at=sent, outcome=Outcome.ARRIVED, arrived_at=sent + took, judged_at=sent + took
    )


@pytest.mark.parametrize("quick_is_open", [True, False])
@pytest.mark.parametrize("took", [1.0, 4.5, 30.0])
async def test_a_canary_costs_three_requests_at_most_once_its_time_is_known(quick_is_open: bool, took: Seconds) -> None:
    """One a little sooner than usual, one when it is usual, and one that judges."""
    before = [in_the_steady_state(number, took) for number in range(1, 6)]
    bench = Bench(*before, a_canary(9), proofs=proven(TRACE, WAREHOUSE, N.METADATA), honours_traceparent=False)
    if not quick_is_open:
        bench.backend.quick_error = Gone("404")
        await bench.check.lookup.see(Look(a_canary(9), bench.diary.state, POLICY, START))  # which closes it for an hour
        bench.backend.quick_reads.clear()
        bench.backend.window_reads.clear()
    await bench.until(took - 0.1)
    bench.shows(9, nonce="gtm-9")
    await bench.until(MINUTE)
    assert (bench.canary.outcome, bench.canary.labels is not None) == (Outcome.ARRIVED, True)
    assert bench.requests <= 3
    arrived_after = bench.canary.arrival_seconds
    assert arrived_after is not None
    assert arrived_after <= max(took + 0.5, 3)


# --- without a trace id -----------------------------------------------------------------------------------------------


async def test_without_an_id_a_filter_for_the_nonce_finds_the_trace_and_proves_itself() -> None:
    """And then it misses the next one."""
    lost = a_canary(2, **NAMELESS, sent_at=START + 300, answered_at=START + 300)
    bench = Bench(a_canary(1, **NAMELESS), lost)
    bench.shows(7, nonce="gtm-1")
    await bench.until(4 * MINUTE)
    found = bench.diary.state.canaries[0]
    assert (found.outcome, found.trace_id, found.id_source) == (Outcome.ARRIVED, trace_id(7), IdSource.NONCE)
    await bench.until(10 * MINUTE)
    assert bench.canary.outcome is Outcome.MISSING
    assert {given.seen.route for given in bench.given(TraceLooked)} == {NONCE}


async def test_two_monitors_on_one_environment_see_their_own_canaries() -> None:
    """The other team's canary has another nonce, and its trace is none of ours."""
    bench = Bench(a_canary(1, **NAMELESS), proofs=proven(WAREHOUSE, N.METADATA))
    bench.shows(8, nonce="gtm-theirs")
    await bench.until(5 * MINUTE)
    assert (bench.canary.outcome, bench.canary.trace_id) == (Outcome.MISSING, None)


# --- clocks -----------------------------------------------------------------------------------------------------------


async def test_how_far_clocks_differ_is_learnt_from_spans_that_were_seen() -> None:
    """A gateway whose clock is 40 s ahead: the window of the next canary lies where its spans do."""
    later = {"sent_at": START + 300, "answered_at": START + 301}
    bench = Bench(a_canary(1), a_canary(2, **later), proofs=proven(TRACE, WAREHOUSE, N.TRACE_ID))
    bench.shows(1, at=START + 40)
    await bench.until(MINUTE)
    bench.backend.quick_error = Gone("404")
    await bench.until(5 * MINUTE + 5)
    since, until, _ = bench.backend.window_reads[-1]
    assert since <= START + 340 <= until
    assert until - since <= 15


async def test_what_was_not_found_is_looked_for_in_a_wider_window_before_it_is_missing() -> None:
    """Clocks may differ by more than is usual; but only at the moments on which something depends."""
    bench = Bench(a_canary(), proofs=proven(WAREHOUSE, N.TRACE_ID))
    bench.backend.quick_error = Gone("404")
    await bench.until(MINUTE)
    widths = [until - since for since, until, wanted in bench.backend.window_reads if wanted is not None]
    assert widths[0] <= 12
    assert [width > 120 for width in widths] == [False] * (len(widths) - 1) + [True]


# --- control spans and other environments -----------------------------------------------------------------------------

CONTROL = ControlSpan(trace_id=TraceId("c0" * 16), sent_at=START, accepted=True)


def a_control_span() -> Any:
    """As Traceloop shows it."""
    return replace(spans(1, 1)[0], trace_id=CONTROL.trace_id, name="gateway-trace-monitor.control")


async def test_a_control_span_proves_a_filter_while_it_is_there() -> None:
    """So that its absence can be proven later, in an environment of which no look can read every row."""
    bench = Bench(controls=(CONTROL,))
    bench.backend.store(a_control_span(), at=START)
    await bench.until(MINUTE)
    looked = bench.given(ControlLooked)[-1]
    assert (looked.route, looked.shown, looked.narrowings) == (TRACE, True, (N.MARKER,))
    assert proven(TRACE, WAREHOUSE, N.MARKER).keys() == bench.diary.state.proofs.keys()
    assert bench.backend.narrowings == [N.MARKER]


async def test_a_control_span_that_a_proven_filter_does_not_show_was_not_taken() -> None:
    """`ingest_failing`, however busy the environment is; without a proven filter it is not known."""
    proven_before, unproven = (
        Bench(controls=(CONTROL,), proofs=proofs) for proofs in (proven(WAREHOUSE, N.MARKER), {})
    )
    for bench in (proven_before, unproven):
        await bench.until(6 * MINUTE)
    assert proven_before.given(ControlLooked)[-1].shown is False
    assert proven_before.diary.state.controls[0].judged
    assert not unproven.diary.state.controls[0].judged
    assert unproven.given(LookFailed)[-1].result.unknown_reason is UnknownReason.CROWDED


async def test_a_misrouted_trace_is_found_in_a_busy_environment() -> None:
    """By a filter that this service has honoured with another key."""
    bench = Bench(a_canary(), proofs=proven(TRACE, WAREHOUSE, N.METADATA))
    bench.other.quick_error = Gone("404")
    bench.other.store(*spans(1), at=START, nonce="gtm-1")
    await bench.until(2 * MINUTE)
    assert bench.given(ElsewhereLooked)[0].environment == "stg"
    assert set(bench.other.narrowings) == {N.METADATA}


async def test_a_misrouted_trace_is_found_where_no_filter_is_honoured() -> None:
    """The whole window is read, at the moments on which something depends."""
    bench = Bench(a_canary(), proofs=proven(TRACE, WAREHOUSE))
    bench.other.quick_error = Gone("404")
    bench.other.crowded = False
    bench.other.honours = frozenset({N.WINDOW})
    bench.other.store(*spans(1), at=START, nonce="gtm-1")
    await bench.until(2 * MINUTE)
    assert bench.given(ElsewhereLooked)[-1].environment == "stg"


@pytest.mark.parametrize("proofs", [{}, proven(WAREHOUSE, N.SPAN_NAME)])
async def test_what_an_unproven_filter_does_not_show_elsewhere_may_be_there(proofs: dict[str, float]) -> None:
    """Only where the whole window could be read, or a filter is proven, is it said that no other environment has it."""
    unknown, known = Bench(a_canary(), proofs=proofs), Bench(a_canary(), proofs=proofs)
    for bench in (unknown, known):
        bench.other.quick_error = Gone("404")
        bench.check.lookup._root_name = "ChatCompletion: openai-main/gpt"
    known.other.crowded = False
    for bench in (unknown, known):
        await bench.until(6 * MINUTE)
    assert unknown.given(ElsewhereLooked) == []
    assert {given.environment for given in known.given(ElsewhereLooked)} == {None}


async def test_a_trace_that_is_late_in_the_documented_read_is_judged_when_it_is_there() -> None:
    """Until then it is not judged, which is not final."""
    bench = Bench(a_canary(), proofs=proven(TRACE, WAREHOUSE, N.METADATA))
    bench.shows()
    bench.backend.honours = frozenset()
    await bench.until(30)
    assert (bench.canary.outcome, bench.canary.labels, bench.canary.not_judged) == (Outcome.ARRIVED, None, "")
    assert {given.final for given in bench.given(LabelsUnread)} == {False}
    bench.backend.honours = frozenset({N.METADATA})
    await bench.until(MINUTE)
    assert bench.canary.labels is not None
