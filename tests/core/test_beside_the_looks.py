"""What is applied besides verdicts: unread labels, filters that were proven, a trace found by its nonce, a lost memory."""

from dataclasses import replace

import pytest

from monitor.core.arrival import narrowing_key, proof_key, store_credential
from monitor.core.canary import IdSource
from monitor.core.hints import caveats
from monitor.core.inputs import ControlLooked, LabelsUnread, MemoryLost, OriginLooked, TraceLooked
from monitor.core.model import CheckName, Fault, Severity
from monitor.core.pace import interval
from monitor.core.state import Active, CheckState
from monitor.core.trace import Narrowing, Route, TraceSeen
from tests.core.build import POLICY, Story, a_charge, policy, spans, trace_id
from tests.fakes.clock import START

CREDENTIAL = POLICY.credential


def arrived() -> tuple[Story, str]:
    """A canary whose trace was seen twice by the quick route, and not yet read by the documented one."""
    story = Story()
    canary = story.canary()
    whole = spans(int(canary[1:]))
    return story.see(canary, whole).wait(2).see(canary, whole), canary


def test_labels_that_could_not_be_read_are_shown_beside_the_arrival() -> None:
    """Once that is final; the check passes as it did."""
    story, canary = arrived()
    story.feed(LabelsUnread(at=story.now, canary_id=canary, why="HTTP 503", final=False))
    assert story.known(canary).not_judged == ""
    story.feed(LabelsUnread(at=story.now, canary_id=canary, why="too busy", final=True))
    assert story.known(canary).not_judged == "too busy"
    last = story.state.check_state(CheckName.ARRIVAL).last
    assert last is not None
    assert (last.result.verdict.value, last.result.evidence["not_judged"]) == ("pass", "too busy")
    assert caveats(story.state, story.policy, story.now) == (
        "labels and content of the newest trace were not checked: too busy",
    )


def test_what_is_not_judged_of_another_canary_leaves_the_newest_look_alone() -> None:
    """Nor does it say anything of a canary that is not known, or was judged."""
    story, first = arrived()
    second = story.canary()
    story.arrives(second)
    before = story.state.check_state(CheckName.ARRIVAL).last
    for canary in (first, second, "nobody"):
        story.feed(LabelsUnread(at=story.now, canary_id=canary, why="too busy", final=True))
    assert story.state.check_state(CheckName.ARRIVAL).last == before
    assert (story.known(first).not_judged, story.known(second).not_judged) == ("too busy", "")


def test_a_narrowed_read_that_shows_a_trace_is_proven() -> None:
    """For this key, beside the route."""
    story = Story()
    canary = story.canary()
    seen = TraceSeen(route=Route.WAREHOUSE, at=story.now, spans=spans(1), narrowing=Narrowing.METADATA)
    story.feed(TraceLooked(at=story.now, took=0.1, canary_id=canary, seen=seen))
    assert story.state.proofs.keys() == {
        proof_key(Route.WAREHOUSE, CREDENTIAL),
        narrowing_key(Narrowing.METADATA, CREDENTIAL),
    }


def test_a_control_span_proves_what_has_shown_it() -> None:
    """The quick route, and the filter that was tried besides."""
    story = Story()
    control = story.control()
    story.feed(
        ControlLooked(
            at=story.now, took=0.1, trace_id=control, route=Route.TRACE, shown=True, narrowings=(Narrowing.MARKER,)
        )
    )
    assert story.state.proofs.keys() == {
        proof_key(Route.TRACE, CREDENTIAL),
        proof_key(Route.WAREHOUSE, CREDENTIAL),
        narrowing_key(Narrowing.MARKER, CREDENTIAL),
    }


@pytest.mark.parametrize("named", [True, False])
def test_the_own_store_brings_the_id_of_a_trace_that_has_none(named: bool) -> None:
    """Found by the nonce; that proves asking by the nonce, and nothing else."""
    story = Story()
    canary = story.canary(**({} if named else {"trace_id": None, "id_source": None}))
    story.feed(OriginLooked(at=story.now, canary_id=canary, found=True, trace_id=trace_id(9), by_nonce=True))
    known = story.known(canary)
    assert (known.trace_id, known.id_source) == (
        (trace_id(1), IdSource.FEEDBACK) if named else (trace_id(9), IdSource.NONCE)
    )
    assert story.state.proofs.keys() == {proof_key(Route.OWN_STORE, store_credential("#nonce", "default"))}


def test_a_lost_memory_is_notified_once_as_a_warning_that_is_over() -> None:
    """There is nothing to wait for."""
    story = Story().feed(MemoryLost(at=Story().now, what="the state file was damaged"))
    incident = story.state.incidents[-1]
    assert (incident.open, incident.diagnosis.fault, incident.diagnosis.summary) == (
        False,
        Fault.CHECK_FAILED,
        "The monitor lost part of its state. The state file was damaged.",
    )
    assert story.turns == ["resolved check_failed"]


def test_a_lost_memory_is_not_notified_where_the_operator_has_muted_its_fault() -> None:
    """As everything that bears this name."""
    story = Story(policy(severity={Fault.CHECK_FAILED: Severity.NONE}))
    story.feed(MemoryLost(at=story.now, what="the state file was damaged"))
    assert story.state.incidents == ()


def test_where_nobody_judges_arrivals_no_trace_hurries_anything() -> None:
    """With `arrival` switched off what is awaited is nobody's business."""
    story = Story(
        policy=replace(POLICY, cadences={c: v for c, v in POLICY.cadences.items() if c is not CheckName.ARRIVAL})
    )
    story.canary()
    story.wait(120).tick()
    assert (
        interval(CheckName.CONTROL, story.state, story.policy, story.now)
        == story.policy.cadences[CheckName.CONTROL].every
    )


def test_what_is_confirmed_of_traces_hurries_the_control_span() -> None:
    """Whether Traceloop itself is healthy tells the hops apart."""
    suspicion = a_charge(Fault.TRACE_LATE)
    late = CheckState(confirmed={Fault.TRACE_LATE: Active(suspicion=suspicion, since=START, confirmed_at=START)})
    state = replace(Story().state, check_states={CheckName.ARRIVAL: late})
    assert interval(CheckName.CONTROL, state, POLICY, START) == POLICY.cadences[CheckName.CONTROL].every_while_failing
