"""What each kind of input does to the memory of a target, and what listeners get of it."""

from dataclasses import replace

import pytest

from monitor.core.arrival import proof_key
from monitor.core.events import CanaryReturned, Checked, FaultChanged
from monitor.core.inputs import CanaryAnswered, CanaryPlanned, ControlSent, Input, LookFailed, Observation
from monitor.core.key import key_is_refused
from monitor.core.model import CheckName, UnknownReason, Verdict, failing, passing
from monitor.core.state import DAY, Backoff
from monitor.core.trace import Route
from tests.core.build import (
    ARRIVAL,
    CANARY,
    CONTROL,
    GATEWAY,
    HOUR,
    POLICY,
    PROD,
    F,
    Story,
    a_canary,
    a_charge,
    blind,
    policy,
    received,
    spans,
    trace_id,
)
from tests.fakes.clock import START

# --- looks -----------------------------------------------------------------------------------------------------------


def test_every_look_is_reported_as_it_was() -> None:
    """Whatever is believed of it."""
    suspicion = a_charge(F.GATEWAY_UNREACHABLE)
    result = failing(suspicion, evidence={"kind": "connect"})
    story = Story().look(GATEWAY, result)
    assert story.events == [Checked(target=PROD, check=GATEWAY, at=START, took=0.1, result=result)]


def test_phases_and_certificates_are_remembered() -> None:
    """The last ones; a look without them leaves what is known."""
    story = Story()
    look = Observation(
        check=GATEWAY,
        at=START,
        took=0.1,
        result=passing("well"),
        phases={"connect": 0.2},
        certificate=("gateway", 9.0),
    )
    story.feed(look).feed(replace(look, phases={}, certificate=None))
    assert story.state.phases == {"connect": 0.2}
    story.feed(replace(look, certificate=("other", 7.0)))
    assert story.state.certificates == {"gateway": 9.0, "other": 7.0}


def test_what_is_confirmed_and_cleared_is_announced_by_its_final_name() -> None:
    """The name that the triage gives it."""
    story = Story().proven()
    lost = [story.canary(), story.canary()]
    story.wait(300)
    for canary in lost:
        story.see(canary)
    story.origin(lost[0], found=False)
    story.arrives(story.canary()).arrives(story.canary())
    changes = [(event.fault, event.confirmed) for event in story.events if isinstance(event, FaultChanged)]
    assert [change for change in changes if change[0] is not F.TRACE_LATE] == [
        (F.TRACE_MISSING, True),
        (F.TRACE_NOT_CREATED, True),
        (F.TRACE_MISSING, False),
        (F.TRACE_NOT_CREATED, False),
    ]


# --- canaries --------------------------------------------------------------------------------------------------------


def test_a_canary_is_recorded_and_paid_for_before_it_is_sent() -> None:
    """A restart in between loses nothing, and it never becomes a missing trace."""
    story = Story().proven()
    planned = a_canary(1, answered_at=None, accepted=False, trace_id=None)
    story.feed(CanaryPlanned(at=START, canary=planned))
    assert (story.state.canaries, story.state.budget.sent, story.state.budget.day) == ((planned,), 1, int(START // DAY))
    assert not story.state.canaries[0].pending
    assert story.wait(9000).tick().confirmed == set()


def test_an_answer_is_paid_for_by_its_usage() -> None:
    """And announced with its tokens and phases."""
    story = Story()
    canary = a_canary(1, usage={"input": 7, "output": 3})
    story.feed(CanaryPlanned(at=START, canary=canary))
    story.feed(CanaryAnswered(at=START, took=0.5, canary=canary, result=passing("served"), phases={"connect": 0.1}))
    assert story.state.budget.tokens == 10
    assert story.state.phases == {"connect": 0.1}
    assert story.events[0] == CanaryReturned(
        target=PROD, at=START, took=0.5, phases={"connect": 0.1}, input_tokens=7, output_tokens=3
    )


def test_a_canary_without_an_answer_has_not_returned() -> None:
    """It is a look all the same."""
    story = Story()
    story.feed(CanaryAnswered(at=START, took=9, canary=a_canary(1, answered_at=None), result=blind()))
    assert received(story, CanaryReturned) == []
    assert len(received(story, Checked)) == 1


def limited(story: Story, retry_after: float | None = None) -> float:
    """A 429; for how long no canary is sent."""
    story.feed(
        CanaryAnswered(
            at=story.now, took=0.1, canary=a_canary(1), result=blind(), rate_limited=True, retry_after=retry_after
        )
    )
    assert story.state.backoff is not None
    return story.state.backoff.until - story.now


def test_after_a_429_the_cadence_doubles_up_to_half_an_hour() -> None:
    """10, 20, 30, 30 minutes; the next answer of another kind ends it."""
    story = Story()
    assert [limited(story) for _ in range(4)] == [600, 1200, 1800, 1800]
    story.canary()
    assert story.state.backoff is None
    assert limited(story) == 600


def test_after_a_429_retry_after_is_followed() -> None:
    """Longer or shorter, but never for more than half an hour without another look; the doubling goes on behind it."""
    story = Story()
    assert [limited(story, 7), limited(story, 1700), limited(story, 43200), limited(story)] == [7, 1700, 1800, 1800]


@pytest.mark.parametrize(("seconds", "settles"), [(None, False), (1800.0, False), (1801.0, True), (43200.0, True)])
def test_a_429_that_asks_for_hours_settles_at_once(seconds: float | None, *, settles: bool) -> None:
    """Nobody waits twelve hours for the second one."""
    story = Story()
    story.feed(
        CanaryAnswered(
            at=story.now,
            took=0.1,
            canary=a_canary(1),
            result=failing(a_charge(F.RATE_LIMITED)),
            rate_limited=True,
            retry_after=seconds,
        )
    )
    assert story.confirmed == ({F.RATE_LIMITED} if settles else set())


# --- control spans ---------------------------------------------------------------------------------------------------


def test_an_accepted_control_span_has_no_verdict_yet() -> None:
    """That waits for the read; but our key was accepted."""
    story = Story()
    story.control()
    assert story.state.check_state(CONTROL).last is None
    assert story.state.key_accepted_at == START


def test_a_control_span_that_is_shown_passes_and_proves_its_route() -> None:
    """By whichever route."""
    for route in (Route.TRACE, Route.WAREHOUSE):
        story = Story()
        control = story.control()
        story.wait(4).control_seen(control, shown=True, route=route)
        last = story.state.check_state(CONTROL).last
        assert last is not None
        assert (last.result.verdict, last.result.summary) == (Verdict.PASS, "a test span arrived after 4.0 s")
        assert proof_key(route, "ours") in story.state.proofs


def test_a_control_span_is_not_shown_only_by_the_documented_read_at_its_deadline() -> None:
    """Neither sooner nor by the quick route; and then it is a failure."""
    story = Story()
    control = story.control()
    story.wait(299).control_seen(control, shown=False).wait(1).control_seen(control, shown=False, route=Route.TRACE)
    assert story.state.check_state(CONTROL).last is None
    story.control_seen(control, shown=False)
    last = story.state.check_state(CONTROL).last
    assert last is not None
    assert (last.result.verdict, last.result.fault) == (Verdict.FAIL, F.INGEST_FAILING)
    assert story.confirmed == set()


def test_a_test_span_that_nobody_could_look_for_in_time_proves_nothing() -> None:
    """The monitor was stopped for a day, and the backend keeps spans no longer: it is forgotten, not held against anybody."""
    for shown, confirmed in ((False, None), (True, Verdict.PASS)):
        story = Story().proven()
        first, second = story.control(), story.wait(60).control()
        story.wait(26 * HOUR).control_seen(first, shown=shown).control_seen(second, shown=shown)
        last = story.state.check_state(CONTROL).last
        assert (last.result.verdict if last is not None else None) is confirmed
        assert story.confirmed == set()
        assert len(story.state.controls) == (2 if shown else 0)
    unchecked = Story(policy(without=(CONTROL,)))
    control = unchecked.control()
    unchecked.wait(300).control_seen(control, shown=False)
    assert not unchecked.state.controls[-1].judged


def test_a_test_span_that_a_collector_took_says_nothing_of_the_key() -> None:
    """It does not ask for one."""
    for by_collector in (False, True):
        story = Story(replace(POLICY, test_span_by_collector=by_collector))
        story.wait(1).key_tried(accepted=False).wait(1).control()
        assert key_is_refused(story.state) is by_collector


@pytest.mark.parametrize("ever", [True, False])
def test_a_route_that_never_showed_us_a_span_says_so(ever: bool) -> None:
    """It needs no earlier proof, but the reader should know; a proof of long ago is one."""
    story = Story().proven() if ever else Story()
    story.wait(100_000)
    for _ in range(2):
        control = story.control()
        story.wait(300).control_seen(control, shown=False)
    assert story.confirmed == {F.INGEST_FAILING}
    never = "This route has never shown a test span, so it may also be the read that fails"
    assert (never in story.diagnosis.because) == (not ever)


def test_a_control_span_is_judged_once() -> None:
    """A later read of a judged one, or of one that is forgotten, says nothing."""
    story = Story()
    control = story.control()
    story.control_seen(control, shown=True)
    events = len(story.events)
    story.wait(400).control_seen(control, shown=False).control_seen(trace_id(1), shown=False)
    assert len(story.events) == events


@pytest.mark.parametrize(
    ("result", "accepted"),
    [
        (failing(a_charge(F.INGEST_FAILING)), False),
        (blind(UnknownReason.REFUSED), None),
        (blind(UnknownReason.BLOCKED), None),
    ],
)
def test_a_control_span_that_was_not_taken_is_known_as_such_unless_nobody_knows(
    result: object, accepted: bool | None
) -> None:
    """A 429 or a page of something in front is no refusal by Traceloop."""
    story = Story()
    story.control(result)  # type: ignore[arg-type]
    assert story.state.controls[0].accepted is accepted


def test_the_newest_control_spans_are_remembered() -> None:
    """Ten of them."""
    story = Story()
    sent = [story.control() for _ in range(12)]
    assert [control.trace_id for control in story.state.controls] == sent[2:]


def test_the_certificate_of_the_ingest_is_remembered() -> None:
    """For its metric."""
    story = Story()
    span = story.control()
    known = next(one for one in story.state.controls if one.trace_id == span)
    story.feed(ControlSent(at=START, took=0.1, control=known, result=None, certificate=("traceloop", 9.0)))
    assert story.state.certificates == {"traceloop": 9.0}


# --- checks that are switched off ------------------------------------------------------------------------------------


NOTHING = policy(without=tuple(CheckName))


def every_input() -> list[Input]:
    """One of each kind that a check may still report after it was switched off."""
    canary = a_canary(1)
    return [
        Observation(check=GATEWAY, at=START, took=0.1, result=passing("well")),
        CanaryPlanned(at=START, canary=canary),
        CanaryAnswered(at=START, took=0.1, canary=canary, result=blind(), rate_limited=True),
        LookFailed(at=START, took=0.1, check=ARRIVAL, result=blind(), canary_id=canary.id, key_refused=True),
    ]


def test_what_a_check_reports_after_it_was_switched_off_is_nobodys() -> None:
    """It neither crashes nor is believed."""
    story = Story(NOTHING)
    for given in every_input():
        story.feed(given)
    story.see("c1", spans(1)).elsewhere("c1").origin("c1", found=True).key_tried(accepted=False).tick()
    control = story.control()
    story.control_seen(control, shown=True)
    story.control(failing(a_charge(F.INGEST_FAILING)))
    assert story.state.check_states == {}
    assert story.state.backoff is None
    assert received(story, Checked) == []
    assert story.known("c1").outcome is None


def test_a_hold_outlives_what_is_not_an_answer() -> None:
    """Only an answer of another kind ends it."""
    story = Story()
    limited(story)
    held = story.state.backoff
    assert isinstance(held, Backoff)
    story.is_blind(CANARY, UnknownReason.PAUSED).tick()
    assert story.state.backoff == held
