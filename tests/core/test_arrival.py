"""Did a canary's trace arrive: what counts as absence, and what the looks say together."""

from dataclasses import replace

import pytest

from monitor.core.arrival import (
    PROOF_LASTS,
    absence_counts,
    judge_control,
    look_at,
    narrowing_key,
    proof_key,
    store_credential,
)
from monitor.core.canary import Canary, ControlSpan, IdSource, Outcome
from monitor.core.state import TraceIdMode
from monitor.core.trace import Narrowing, Route, SpanFact, TraceSeen
from monitor.settings.target import ArrivalCheck
from tests.core.build import POLICY, a_canary, policy, spans, trace_id
from tests.fakes.clock import START

WHOLE, PART, NONE = spans(1), spans(1)[1:], ()


def seen(facts: tuple[SpanFact, ...], after: float, route: Route = Route.TRACE) -> TraceSeen:
    """A look some seconds after the answer."""
    return TraceSeen(route=route, at=START + after, spans=facts)


def judged(*looks: TraceSeen, canary: Canary | None = None, counts: bool = True, wanted: int | None = None) -> Canary:
    """A canary after some looks."""
    known = canary if canary is not None else a_canary()
    arrival = ArrivalCheck(complete_spans=wanted)
    for look in looks:
        known = look_at(known, look, policy=policy(arrival=arrival), counts=counts)
    return known


# --- whether absence counts ------------------------------------------------------------------------------------------


def counts(
    canary: Canary,
    route: Route = Route.TRACE,
    *,
    narrowing: Narrowing | None = None,
    shown_by: Narrowing | None = None,
    proven: float | None = 0.0,
    credential: str = "ours",
    mode: TraceIdMode = TraceIdMode.AUTO,
    honours: bool | None = None,
) -> bool:
    """Whether absence by a route counts; `proven` is for how many seconds the proof is old, `shown_by` what else is proven."""
    proofs = {proof_key(route, credential): START - proven} if proven is not None else {}
    proofs |= {narrowing_key(shown_by, credential): START - proven} if shown_by and proven is not None else {}
    seen = TraceSeen(route=route, at=START, narrowing=narrowing)
    return absence_counts(
        canary, seen, policy=policy(trace_id=mode), proofs=proofs, honours_traceparent=honours, now=START
    )


def test_absence_counts_through_a_route_that_has_shown_us_a_span() -> None:
    """Within a day, with the same credential."""
    assert counts(a_canary())
    assert counts(a_canary(), Route.WAREHOUSE)
    assert counts(a_canary(), proven=PROOF_LASTS)


def test_absence_does_not_count_otherwise() -> None:
    """Never shown, too long ago, or shown to another key."""
    assert not counts(a_canary(), proven=None)
    assert not counts(a_canary(), proven=PROOF_LASTS + 1)
    assert not counts(a_canary(), credential="another")


def test_a_search_by_nonce_never_proves_absence() -> None:
    """It may fail to match what is there."""
    assert not counts(a_canary(), Route.NONCE)


def test_without_a_trace_id_nothing_is_absent() -> None:
    """Nobody knows what to look for."""
    assert not counts(a_canary(trace_id=None, id_source=None))
    assert not counts(a_canary(trace_id=None, id_source=None), Route.WAREHOUSE, narrowing=Narrowing.WINDOW)


@pytest.mark.parametrize(
    "narrowing", [each for each in Narrowing if each not in (Narrowing.WINDOW, Narrowing.SPAN_NAME)]
)
def test_the_silence_of_a_narrowed_read_counts_only_where_it_has_shown_a_span_of_ours(narrowing: Narrowing) -> None:
    """That the warehouse as a whole has shown one, or another narrowing has, proves nothing of this filter."""
    other = Narrowing.METADATA if narrowing is not Narrowing.METADATA else Narrowing.ATTRIBUTE
    assert not counts(a_canary(), Route.WAREHOUSE, narrowing=narrowing)
    assert not counts(a_canary(), Route.WAREHOUSE, narrowing=narrowing, shown_by=other)
    assert counts(a_canary(), Route.WAREHOUSE, narrowing=narrowing, shown_by=narrowing)
    assert not counts(a_canary(), Route.WAREHOUSE, narrowing=narrowing, shown_by=narrowing, proven=PROOF_LASTS + 1)


def test_not_to_find_its_root_by_name_says_nothing_of_the_rest_of_a_trace() -> None:
    """A trace that has lost its root is no lost trace."""
    assert not counts(a_canary(), Route.WAREHOUSE, narrowing=Narrowing.SPAN_NAME, shown_by=Narrowing.SPAN_NAME)


@pytest.mark.parametrize("narrowing", [Narrowing.ATTRIBUTE, Narrowing.METADATA])
def test_a_proven_filter_for_the_nonce_proves_absence_also_without_an_id(narrowing: Narrowing) -> None:
    """It has found the trace of another canary by the same attribute."""
    nameless = a_canary(trace_id=None, id_source=None)
    assert counts(nameless, Route.NONCE, narrowing=narrowing, shown_by=narrowing)
    assert not counts(nameless, Route.NONCE, narrowing=narrowing)


@pytest.mark.parametrize(
    ("mode", "honours", "counted"),
    [
        (TraceIdMode.AUTO, None, False),
        (TraceIdMode.AUTO, False, False),
        (TraceIdMode.AUTO, True, True),
        (TraceIdMode.TRACEPARENT, None, True),
        (TraceIdMode.TRACEPARENT, False, True),
    ],
)
def test_an_id_of_our_own_making_counts_if_the_operator_says_so(
    mode: TraceIdMode, honours: bool | None, counted: bool
) -> None:
    """By the operator, or by this gateway, which has honoured one before."""
    ours = a_canary(id_source=IdSource.TRACEPARENT)
    assert counts(ours, mode=mode, honours=honours) == counted


@pytest.mark.parametrize("source", [IdSource.FEEDBACK, IdSource.NONCE])
def test_an_id_that_the_gateway_chose_counts(source: IdSource) -> None:
    """Whether it said so or was found by it."""
    assert counts(a_canary(id_source=source))


# --- what the looks say together -------------------------------------------------------------------------------------


def test_a_trace_has_arrived_when_two_looks_show_the_same_whole() -> None:
    """Dated by the first of them."""
    once = judged(seen(WHOLE, 5))
    assert (once.outcome, once.arrived_at, once.seen_at) == (None, None, START + 5)
    twice = judged(seen(WHOLE, 5), seen(WHOLE, 7))
    assert (twice.outcome, twice.arrived_at, twice.arrival_seconds) == (Outcome.ARRIVED, START + 5, 5.0)
    assert (twice.spans, twice.last_look_at, twice.judged_at) == (3, START + 7, START + 7)


def test_a_trace_that_is_seen_before_the_answer_took_no_time() -> None:
    """Clocks are set back now and then; no arrival takes less than nothing."""
    assert a_canary(arrived_at=START - 2).arrival_seconds == 0.0
    assert a_canary(arrived_at=START + 2, answered_at=None).arrival_seconds is None


def test_when_a_trace_arrived_is_not_known_where_nobody_could_look_for_a_while() -> None:
    """It may have come right after the last look that saw nothing; a look soon after one that saw nothing dates it."""
    dated = judged(seen(NONE, 100), seen(WHOLE, 160), seen(WHOLE, 162))
    assert dated.outcome is Outcome.ARRIVED
    assert dated.arrival_seconds == pytest.approx(160)
    undated = judged(seen(NONE, 10), seen(WHOLE, 160), seen(WHOLE, 162))
    assert (undated.outcome, undated.arrival_seconds) == (Outcome.ARRIVED, None)
    assert judged(seen(WHOLE, 120), seen(WHOLE, 122)).arrival_seconds is None


def test_a_trace_that_grows_has_not_arrived_yet() -> None:
    """The count must be stable."""
    growing = judged(seen(spans(1, 2), 5), seen(spans(1, 3), 7))
    assert growing.outcome is None
    assert judged(seen(spans(1, 3), 9), canary=growing).arrived_at == START + 7


def test_a_trace_that_shrinks_or_loses_its_root_has_not_arrived_yet() -> None:
    """What looked whole must still look whole."""
    assert judged(seen(WHOLE, 5), seen(PART, 7), seen(WHOLE, 9)).outcome is None


def test_two_routes_do_not_confirm_each_other() -> None:
    """One may lag behind the other; but the documented one, where it shows as many, has shown it all."""
    assert judged(seen(WHOLE, 5, Route.WAREHOUSE), seen(WHOLE, 7)).outcome is None
    assert judged(seen(WHOLE, 5), seen(WHOLE[:2], 7, Route.WAREHOUSE)).outcome is None
    assert judged(seen(WHOLE, 5), seen(WHOLE, 7, Route.WAREHOUSE)).outcome is Outcome.ARRIVED


def test_fewer_spans_than_wanted_have_not_arrived() -> None:
    """`complete_spans`."""
    looks = (seen(WHOLE, 5), seen(WHOLE, 7))
    assert judged(*looks, wanted=4).outcome is None
    assert judged(*looks, wanted=4).incomplete == "3 of 4 spans have arrived"
    assert judged(*looks, wanted=3).outcome is Outcome.ARRIVED


def test_a_trace_that_is_not_whole_at_late_after_is_late() -> None:
    """Neither one second before nor by a look that does not count."""
    assert not judged(seen(NONE, 179)).late
    assert judged(seen(NONE, 180)).late
    assert judged(seen(PART, 180), counts=False).late
    assert not judged(seen(NONE, 180), counts=False).late
    assert judged(seen(NONE, 180)).outcome is None


def test_a_trace_that_looks_whole_at_late_after_is_in_time() -> None:
    """It was there."""
    exact = judged(seen(WHOLE, 180), seen(WHOLE, 182))
    assert (exact.late, exact.outcome) == (False, Outcome.ARRIVED)


def test_a_late_arrival_is_late() -> None:
    """Looked for in vain when it was due, or later, and then found; also by a route that had proven nothing until then."""
    found = (seen(WHOLE, 190), seen(WHOLE, 192))
    assert judged(seen(NONE, 180), *found).outcome is Outcome.LATE
    assert judged(seen(NONE, 181), *found).late
    assert judged(seen(NONE, 180), *found, counts=False).outcome is Outcome.LATE


def test_a_trace_that_nobody_could_look_for_when_it_was_due_is_not_late() -> None:
    """After a restart, or while Traceloop's answers cannot be read: it may have been there all the time."""
    assert judged(seen(WHOLE, 900), seen(WHOLE, 902)).outcome is Outcome.ARRIVED
    assert judged(seen(NONE, 179), seen(WHOLE, 900), seen(WHOLE, 902)).outcome is Outcome.ARRIVED
    assert not judged(seen(WHOLE, 170), seen(PART, 175), seen(WHOLE, 181), seen(WHOLE, 183)).late


def test_a_trace_is_missing_only_by_a_look_that_succeeded_at_its_deadline() -> None:
    """Neither one second before nor by a route that proves nothing."""
    assert judged(seen(NONE, 299)).outcome is None
    assert judged(seen(NONE, 300)).outcome is Outcome.MISSING
    assert judged(seen(NONE, 300), counts=False).outcome is Outcome.UNKNOWN
    assert judged(seen(NONE, 300)).arrival_seconds is None


def test_a_part_at_the_deadline_is_incomplete() -> None:
    """Presence needs no proof of the route."""
    partial = judged(seen(PART, 300), counts=False)
    assert (partial.outcome, partial.incomplete) == (Outcome.INCOMPLETE, "the root span is missing")


def test_a_whole_seen_first_at_the_deadline_gets_one_look_more() -> None:
    """That one decides."""
    first = judged(seen(WHOLE, 300))
    assert first.outcome is None
    assert judged(seen(WHOLE, 302), canary=first).outcome is Outcome.ARRIVED
    assert judged(seen(NONE, 299), seen(WHOLE, 300), seen(WHOLE, 302)).outcome is Outcome.LATE
    assert judged(seen(PART, 302), canary=first).outcome is Outcome.INCOMPLETE
    assert judged(seen(spans(1, 4), 302), canary=first).outcome is None


def test_nothing_is_held_against_the_trace_of_a_refused_request() -> None:
    """Its arrival proves the export; its absence, or that of a part, proves nothing."""
    refused = a_canary(accepted=False)
    assert judged(seen(NONE, 180), canary=refused).late is False
    assert judged(seen(NONE, 300), canary=refused).outcome is Outcome.UNKNOWN
    assert judged(seen(PART, 300), canary=refused).outcome is Outcome.UNKNOWN
    root = spans(1, 1)
    assert judged(seen(root, 5), seen(root, 7), canary=refused, wanted=3).outcome is Outcome.ARRIVED


def test_a_judged_canary_is_not_judged_again() -> None:
    """It counts once; found after it was counted missing, it is recovered besides."""
    missing = judged(seen(NONE, 300))
    found = look_at(missing, seen(WHOLE, 900), policy=POLICY, counts=True)
    assert (found.outcome, found.recovered_at, found.last_look_at) == (Outcome.MISSING, START + 900, START + 900)
    again = look_at(found, seen(WHOLE, 960), policy=POLICY, counts=True)
    assert again.recovered_at == START + 900
    still = look_at(missing, seen(NONE, 900), policy=POLICY, counts=True)
    assert (still.outcome, still.recovered_at, still.last_look_at) == (Outcome.MISSING, None, START + 900)


def test_how_often_a_lost_trace_was_asked_for_again_is_counted() -> None:
    """So that it is not asked for at every arrival of a day; while it is awaited nothing is counted."""
    missing = judged(seen(NONE, 300))
    once = look_at(missing, seen(NONE, 400), policy=POLICY, counts=True)
    twice = look_at(once, seen(NONE, 500), policy=POLICY, counts=True)
    assert [one.asked_again for one in (missing, once, twice)] == [0, 1, 2]


# --- labels ----------------------------------------------------------------------------------------------------------


def test_labels_are_judged_by_the_documented_read_once_the_trace_is_complete() -> None:
    """Not by the quick route, not before, and once."""
    arrived = judged(seen(WHOLE, 5), seen(WHOLE, 7))
    assert arrived.labels is None
    labelled = judged(seen(spans(1, service="litellm"), 9, Route.WAREHOUSE), canary=arrived)
    assert labelled.labels is not None
    assert labelled.labels.mislabelled
    assert judged(seen(WHOLE, 11, Route.WAREHOUSE), canary=labelled).labels == labelled.labels


@pytest.mark.parametrize("route", [Route.WAREHOUSE, Route.NONCE])
def test_where_only_the_documented_read_is_open_it_judges_with_the_look_that_completes(route: Route) -> None:
    """No further read is needed."""
    assert judged(seen(WHOLE, 5, route)).labels is None
    assert judged(seen(WHOLE, 5, route), seen(WHOLE, 7, route)).labels is not None


@pytest.mark.parametrize("facts", [NONE, spans(1, 2)])
def test_a_documented_read_that_lags_behind_judges_nothing(facts: tuple[SpanFact, ...]) -> None:
    """What it does not show yet cannot be mislabelled."""
    arrived = judged(seen(WHOLE, 5), seen(WHOLE, 7))
    assert judged(seen(facts, 9, Route.WAREHOUSE), canary=arrived).labels is None


def test_a_refused_request_has_no_response_to_show() -> None:
    """Content is not missing where none was made; a leak is a leak."""
    promised = policy(labels=replace(POLICY.labels, content=True))
    whole = spans(1, content=())
    for accepted in (True, False):
        canary = a_canary(accepted=accepted)
        for look in (seen(whole, 5, Route.WAREHOUSE), seen(whole, 7, Route.WAREHOUSE)):
            canary = look_at(canary, look, policy=promised, counts=True)
        assert canary.labels is not None
        assert canary.labels.content_missing == accepted


# --- control spans ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "route", "after", "is_judged"),
    [
        (True, Route.TRACE, 2, True),
        (True, Route.WAREHOUSE, 400, True),
        (False, Route.WAREHOUSE, 299, False),
        (False, Route.WAREHOUSE, 300, True),
        (False, Route.TRACE, 300, False),
    ],
)
def test_a_control_span_is_judged_when_shown_or_by_the_documented_read_at_its_deadline(
    shown: bool, route: Route, after: float, is_judged: bool
) -> None:
    """The quick route never proves that it is not there."""
    control = ControlSpan(trace_id=trace_id(9), sent_at=START, accepted=True)
    looked = judge_control(control, shown=shown, route=route, at=START + after, missing_after=300)
    assert looked.judged == is_judged
    assert (looked.shown_at, looked.route) == ((START + after, str(route)) if shown else (None, None))


def test_each_account_sees_its_own_traces_in_one_destination_at_a_time() -> None:
    """So what one has shown proves nothing of another."""
    places = [(account, place) for account in ("0a1b2c3d", "4e5f6a7b") for place in ("default", "tfy-eu")]
    assert len({store_credential(account, place) for account, place in places}) == len(places)
