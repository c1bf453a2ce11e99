"""What a look for a trace does to the memory of a target: at Traceloop, in other environments, in the own store."""

from dataclasses import replace

import pytest

from monitor.core.arrival import proof_key
from monitor.core.canary import IdSource, Outcome
from monitor.core.events import Checked, TraceJudged
from monitor.core.model import UnknownReason, Verdict
from monitor.core.trace import Route, SpanFact
from tests.core.build import ARRIVAL, POLICY, PROD, F, Story, policy, received, spans, trace_id
from tests.fakes.clock import START

# --- looks for traces ------------------------------------------------------------------------------------------------


def test_a_look_for_an_unknown_canary_changes_nothing() -> None:
    """It was forgotten meanwhile."""
    story = Story().see("c9", spans(1))
    assert (story.state.proofs, story.events) == ({}, [])


def test_a_span_of_ours_proves_its_route() -> None:
    """Per credential; a search by nonce proves the documented read, which it is made of."""
    for route, proven in (
        (Route.TRACE, {Route.TRACE}),
        (Route.WAREHOUSE, {Route.WAREHOUSE}),
        (Route.NONCE, {Route.WAREHOUSE, Route.NONCE}),
    ):
        story = Story()
        story.see(story.canary(), spans(1), route)
        assert story.state.proofs == {proof_key(one, "ours"): START for one in proven}
        assert Story().see("c1", (), route).state.proofs == {}


def test_a_search_by_nonce_brings_the_trace_id_along() -> None:
    """And shows whether the gateway honours our traceparent."""
    for found, source, honours in (
        (trace_id(77), IdSource.NONCE, False),
        (trace_id(10_001), IdSource.TRACEPARENT, True),
    ):
        story = Story()
        canary = story.canary(trace_id=trace_id(10_001), id_source=IdSource.TRACEPARENT)
        story.see(canary, (SpanFact(trace_id=found, span_id="s"),), Route.NONCE)
        known = story.known(canary)
        assert (known.trace_id, known.id_source, story.state.honours_traceparent) == (found, source, honours)


def test_a_search_that_finds_nothing_leaves_what_is_known() -> None:
    """And proves nothing."""
    story = Story()
    canary = story.canary()
    story.see(canary, (), Route.NONCE)
    assert story.known(canary).id_source is IdSource.FEEDBACK
    assert story.state.honours_traceparent is None


def test_an_arrival_is_announced_once_with_its_seconds() -> None:
    """And is a look of the check `arrival`; looks that say "not yet" are none."""
    story = Story().wait(1)
    canary = story.canary()
    story.wait(1).see(canary)
    assert received(story, TraceJudged) == []
    story.wait(2).arrives(canary)
    (judged,) = (event for event in story.events if isinstance(event, TraceJudged))
    assert judged == TraceJudged(
        target=PROD,
        at=story.now,
        trace_id=trace_id(1),
        outcome=Outcome.ARRIVED,
        arrival_seconds=3.0,
    )
    assert (story.known(canary).outcome, story.known(canary).spans) == (Outcome.ARRIVED, 3)
    looks = [event for event in story.events if isinstance(event, Checked) and event.check is ARRIVAL]
    assert [look.result.verdict for look in looks] == [Verdict.PASS, Verdict.PASS]
    assert looks[0].result.summary == "the trace arrived after 3.0 s: 3 spans"
    assert looks[1].result.evidence["service_name"] == "tfy-llm-gateway"
    assert story.state.check_state(ARRIVAL).ever_passed


@pytest.mark.parametrize(
    ("after", "accepted", "proven", "facts", "verdict", "fault", "reason"),
    [
        (180, True, True, (), Verdict.FAIL, F.TRACE_LATE, None),
        (300, True, True, (), Verdict.FAIL, F.TRACE_MISSING, None),
        (300, True, True, spans(1)[1:], Verdict.FAIL, F.TRACE_INCOMPLETE, None),
        (300, True, False, (), Verdict.UNKNOWN, None, UnknownReason.UNPROVEN),
        (300, False, True, (), Verdict.UNKNOWN, None, UnknownReason.NOTHING_TO_JUDGE),
    ],
)
def test_each_judgement_is_reported(
    after: float, accepted: bool, proven: bool, facts: tuple[SpanFact, ...], verdict: Verdict, fault: F | None,
    reason: UnknownReason | None,
) -> None:  # fmt: skip
    """What one trace alone says; the series decides what is believed."""
    story = Story().proven() if proven else Story()
    canary = story.canary(accepted=accepted)
    story.wait(after).see(canary, facts)
    look = story.events[-1] if not story.confirmed else next(e for e in story.events if isinstance(e, Checked))
    assert isinstance(look, Checked)
    assert (look.check, look.result.verdict, look.result.fault, look.result.unknown_reason) == (
        ARRIVAL,
        verdict,
        fault,
        reason,
    )
    assert not story.state.check_state(ARRIVAL).ever_passed
    assert story.confirmed == set()


def test_lateness_is_reported_once() -> None:
    """Further looks that say the same say nothing."""
    story = Story().proven()
    canary = story.canary()
    story.wait(180).see(canary).wait(15).see(canary)
    assert len([event for event in received(story, Checked) if event.check is ARRIVAL]) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"service": "litellm"}, [F.TRACE_MISLABELLED]),
        ({"content": ("tfy.input",)}, [F.CONTENT_LEAKED]),
        ({"service": "litellm", "content": ("tfy.input",)}, [F.CONTENT_LEAKED, F.TRACE_MISLABELLED]),
    ],
)
def test_bad_labels_are_reported(changes: dict[str, object], faults: list[F]) -> None:
    """By the look that judged them."""
    story = Story()
    canary = story.canary()
    story.arrives(canary, spans(1, **changes))  # type: ignore[arg-type]
    last = [event for event in story.events if isinstance(event, Checked)][-1]
    assert last.result.fault is faults[0]
    assert story.known(canary).labels is not None


def test_missing_content_is_reported() -> None:
    """Where it is expected."""
    story = Story(policy(labels=replace(POLICY.labels, content=True)))
    story.arrives(story.canary(), spans(1, content=()))
    assert [event for event in story.events if isinstance(event, Checked)][-1].result.fault is F.CONTENT_MISSING


def test_a_lost_trace_that_is_found_is_recovered_besides() -> None:
    """Counted once more, and no look of any verdict."""
    story = Story().proven()
    canary = story.canary()
    story.wait(300).see(canary).wait(600).see(canary, spans(1))
    outcomes = [event.outcome for event in story.events if isinstance(event, TraceJudged)]
    assert outcomes == [Outcome.MISSING, Outcome.RECOVERED]


def test_a_look_that_fails_for_too_long_gives_up() -> None:
    """The fate stays unknown, and is announced."""
    story = Story()
    canary = story.canary()
    story.wait(300).cannot_see(canary)
    assert received(story, TraceJudged) == []
    story.wait(3600).cannot_see(canary)
    assert [event.outcome for event in story.events if isinstance(event, TraceJudged)] == [Outcome.UNKNOWN]


def test_a_look_that_fails_for_a_canary_that_is_forgotten_is_still_a_look() -> None:
    """It could not see."""
    story = Story().cannot_see("c9")
    last = story.state.check_state(ARRIVAL).last
    assert last is not None
    assert last.result.verdict is Verdict.UNKNOWN


# --- other environments, the own store -------------------------------------------------------------------------------


def test_where_a_trace_was_found_is_remembered_of_its_canary() -> None:
    """And of no other."""
    story = Story()
    one, two = story.canary(), story.canary()
    story.elsewhere(one).origin(two, found=True)
    assert [(canary.elsewhere, canary.origin) for canary in story.state.canaries] == [("stg", None), (None, True)]


def test_what_other_environments_say_of_a_canary_that_is_forgotten_changes_nothing() -> None:
    """A look may end after its canary has left the window."""
    story = Story()
    story.canary()
    before = story.state
    assert story.elsewhere("gone").state == before


def test_the_own_store_proves_itself_by_showing_a_trace() -> None:
    """An empty answer proves nothing, and whatever is said of a canary that is forgotten says nothing of others."""
    story = Story()
    canary = story.canary()
    story.origin(canary, found=False)
    assert (story.state.proofs, story.known(canary).origin, story.state.origin_looked_at) == ({}, False, START)
    story.origin(canary, found=True)
    assert story.state.proofs == {proof_key(Route.OWN_STORE, ""): START}
    story.wait(60).origin("gone", found=False)
    assert (story.known(canary).origin, story.state.origin_looked_at) == (True, START + 60)
