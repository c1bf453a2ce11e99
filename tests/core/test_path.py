"""The path of a trace: what is said of each hop, for every fault, every answer of the triage, and where nothing is known."""

from dataclasses import replace

from monitor.core.canary import Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.drift import METRICS
from monitor.core.incident import Diagnosis, Hop, HopState, Place
from monitor.core.model import CheckName, Component, Severity, UnknownReason, failing
from monitor.core.path import hops
from monitor.core.state import TargetState
from tests.core.build import (
    ARRIVAL,
    CANARY,
    CONTROL,
    GATEWAY,
    MINUTE,
    POLICY,
    F,
    Story,
    a_charge,
)
from tests.core.paths import drifted, healthy, lossy, overdue, path, signs, switched_off

# --- nothing is wrong ------------------------------------------------------------------------------------------------


def test_a_canary_that_arrived_proves_every_hop() -> None:
    """From the gateway to Traceloop, with a word for each."""
    found = path(healthy())
    assert signs(found) == "++++"
    assert [(hop.label, hop.text) for hop in found] == [
        ("gateway", "answers"),
        ("TrueFoundry", "has the traces"),
        ("export", "delivers the traces"),
        ("Traceloop", "shows the traces"),
    ]


def test_what_was_never_checked_is_unknown() -> None:
    """Nothing verified is never healthy."""
    found = hops(TargetState(target=Story().state.target), None)
    assert signs(found) == "????"
    assert {hop.text for hop in found} == {"not checked yet"}


def test_a_test_span_alone_says_nothing_of_the_other_hops() -> None:
    """Before the first canary."""
    story = Story().proven()
    story.control_seen(story.control(), shown=True)
    assert signs(path(story)) == "???+"


def test_the_first_trace_is_awaited() -> None:
    """The gateway has answered; of the rest nothing is known yet."""
    story = Story().proven().passes(GATEWAY)
    story.canary()
    assert signs(path(story)) == "+???"


def test_what_is_stale_proves_nothing() -> None:
    """A result that is too old says nothing of the present."""
    story = healthy()
    assert signs(hops(story.state, None, stale=frozenset(CheckName))) == "????"
    assert signs(hops(story.state, None, stale=frozenset({CONTROL}))) == "++++"
    assert signs(hops(story.state, None, stale=frozenset({ARRIVAL}))) == "+??+"
    assert signs(hops(story.state, None, stale=frozenset({GATEWAY}))) == "++++"


def test_a_gateway_that_has_just_failed_a_check_is_not_known_to_answer() -> None:
    """One failure settles nothing; what arrived before it still has."""
    assert signs(path(healthy().fails(GATEWAY, F.GATEWAY_UNREACHABLE))) == "?+++"


def test_one_refused_canary_accuses_nobody() -> None:
    """The gateway answers its health path; there is no fresh trace."""
    story = healthy()
    story.canary(failing(a_charge(F.RATE_LIMITED)), accepted=False, trace_id=None, id_source=None)
    assert signs(path(story)) == "+??+"


def test_a_trace_that_is_overdue_is_no_proof() -> None:
    """Also while the one before it has arrived."""
    story = healthy()
    overdue = story.canary()
    story.wait(180).see(overdue)
    assert signs(path(story)) == "+??+"
    story.origin(overdue, found=True)
    assert signs(path(story)) == "++?+"


def test_one_loss_accuses_nobody() -> None:
    """Not before it is confirmed; but TrueFoundry has the trace."""
    assert signs(path(lossy(origin=True, control=True, times=1))) == "++?+"
    assert signs(path(lossy(origin=False, control=True, times=1))) == "+??+"


def test_a_test_span_that_failed_once_makes_traceloop_unknown() -> None:
    """Although the newest trace is there."""
    story = healthy()
    story.control(failing(a_charge(F.INGEST_FAILING)))
    assert signs(path(story)) == "+++?"


def test_no_canary_for_a_spent_budget_is_unknown() -> None:
    """What arrived hours ago proves nothing."""
    assert signs(path(healthy().is_blind(CANARY, UnknownReason.BUDGET_SPENT))) == "+??+"


# --- more than one thing ---------------------------------------------------------------------------------------------


def test_two_broken_hops_are_both_marked() -> None:
    """The exporter is off, and the gateway does not answer either."""
    story = switched_off().fails(GATEWAY, F.GATEWAY_UNREACHABLE).wait(5).fails(GATEWAY, F.GATEWAY_UNREACHABLE)
    assert signs(path(story)) == "x?x+"


def test_a_cause_that_is_in_force_outranks_what_arrived_before_it() -> None:
    """The exporter is off since a moment: the newest trace arrived before that."""
    found = path(switched_off())
    assert found[2] == Hop(place=Place.EXPORT, state=HopState.BROKEN, text="is switched off")


def test_an_exporter_that_is_off_while_traces_arrive_breaks_nothing() -> None:
    """There is another way; the configuration's word is outranked."""
    story = switched_off().wait(POLICY.arrival.settle)
    for _ in range(3):
        story.arrives(story.canary()).wait(MINUTE).passes(GATEWAY)
    found = path(story)
    assert signs(found) == "++++"
    assert found[2].text == "is switched off, yet traces arrive"


def test_a_fixed_cause_waits_for_traces() -> None:
    """Until one that was sent since has arrived; then the path is ok, also before the incident resolves."""
    story = switched_off().wait(MINUTE).config()
    assert story.diagnosis.waiting is not None
    found = path(story)
    assert signs(found) == "+??+"
    assert found[2].text == "fixed, waiting for traces"
    story.arrives(story.canary())
    assert story.diagnosis.waiting is not None
    assert signs(path(story)) == "++++"


def test_a_harmless_drift_says_nothing_while_nothing_arrives() -> None:
    """It neither breaks the export nor proves it."""
    story = drifted(METRICS, "https://elsewhere").is_blind(ARRIVAL)
    assert signs(path(story)) == "+??+"


def test_an_intermittent_loss_is_no_total_one() -> None:
    """Some of the traces arrive."""
    story = lossy(origin=True, control=True)
    active = story.state.confirmed[F.TRACE_MISSING]
    some = replace(active, suspicion=replace(active.suspicion, stops_export=False))
    check_state = replace(story.state.check_state(ARRIVAL), confirmed={F.TRACE_MISSING: some})
    story.state = story.state.with_check_state(ARRIVAL, check_state)
    assert path(story)[2].text == "loses some of the traces"


def test_traces_that_wait_between_two_healthy_ends_wait_in_the_export() -> None:
    """TrueFoundry has them, and Traceloop shows a test span that was sent later."""
    found = path(overdue(origin=True, control=True))
    assert signs(found) == "++x+"
    assert found[2].text == "delivers late"
    assert signs(path(overdue(origin=True))) == "++??"
    assert signs(path(overdue(control=True))) == "+??+"


def test_an_explained_loss_keeps_its_cause_as_the_broken_hop() -> None:
    """The traces that get lost meanwhile say only whether TrueFoundry has them."""
    story = switched_off()
    for origin in (True, True):
        lost = story.canary()
        story.wait(60).origin(lost, found=origin).wait(240).see(lost).passes(GATEWAY)
    diagnosis = diagnose(story.state, story.policy, story.now)
    assert diagnosis is not None
    assert F.EXPORTER_DISABLED is diagnosis.fault
    assert signs(path(story)) == "++x+"
    assert path(story)[2].text == "is switched off"


def test_a_trace_that_came_after_it_was_given_up_is_proof() -> None:
    """Found by a later look."""
    story = lossy(origin=True, control=True, times=1)
    lost = story.state.canaries[-1]
    recovered = replace(lost, recovered_at=story.now)
    story.state = replace(story.state, canaries=(*story.state.canaries[:-1], recovered))
    assert signs(path(story)) == "++++"


def test_a_resolved_incident_asks_without_a_diagnosis() -> None:
    """What it was called by says nothing of the present."""
    story = healthy()
    assert signs(hops(story.state, None)) == "++++"


def test_losses_that_are_excused_compare_with_no_test_span() -> None:
    """What something explains accuses nobody."""
    story = lossy(origin=None, control=True)
    canaries = tuple(replace(one, excused=one.outcome is Outcome.MISSING) for one in story.state.canaries)
    story.state = replace(story.state, canaries=canaries)
    assert signs(path(story)) == "+???"


def test_a_loss_named_without_being_confirmed_is_reported_by_its_name() -> None:
    """A message may be older than the state: it says what its diagnosis says."""
    diagnosis = Diagnosis(
        fault=F.EXPORT_FAILING, severity=Severity.CRITICAL, component=Component.EXPORT, summary="lost"
    )
    assert signs(hops(healthy().state, diagnosis)) == "++x+"
    for fault in (F.TRACE_NOT_CREATED, F.TRACE_MISSING, F.TRACE_LATE):
        assert HopState.UNKNOWN in {hop.state for hop in hops(healthy().state, replace(diagnosis, fault=fault))}


def test_the_own_store_counts_only_for_what_was_sent_since_the_last_arrival() -> None:
    """That it had an older trace says nothing of the newest."""
    story = healthy()
    story.origin(story.state.canaries[0].id, found=True)
    lost = story.canary()
    story.wait(300).see(lost)
    assert signs(path(story)) == "+??+"
    assert story.known(lost).outcome is Outcome.MISSING
