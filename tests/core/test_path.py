"""The path of a trace: what is said of each hop, for every fault, every answer of the triage, and where nothing is known."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor.core.canary import ControlSpan, Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ENDPOINT, METRICS
from monitor.core.incident import Diagnosis, Hop, HopState, Place
from monitor.core.model import CheckName, CheckResult, Component, Fault, Severity, UnknownReason, failing, unknown
from monitor.core.path import hops
from monitor.core.refine import TRIAGE
from monitor.core.state import Cadence, TargetState
from tests.core.build import (
    ARRIVAL,
    CANARY,
    CONTROL,
    GATEWAY,
    MINUTE,
    OFF,
    POLICY,
    F,
    Story,
    a_charge,
    manifest,
    spans,
    trace_id,
)

SIGNS = {HopState.OK: "+", HopState.BROKEN: "x", HopState.UNKNOWN: "?"}


def signs(found: tuple[Hop, ...]) -> str:
    """The states of the hops, a sign each."""
    return "".join(SIGNS[hop.state] for hop in found)


def path(story: Story) -> tuple[Hop, ...]:
    """The hops as the page and the messages ask for them."""
    return hops(story.state, diagnose(story.state, story.policy, story.now))


def healthy() -> Story:
    """Every check passes, and a canary has just arrived."""
    story = Story().proven()
    story.passes(GATEWAY).config()
    story.control_seen(story.control(), shown=True)
    story.arrives(story.canary())
    return story.wait(MINUTE)


def counting_few() -> Story:
    """The canaries' traces arrive, and those of real requests do not."""
    story = healthy()
    every = Cadence(every=900.0, every_while_failing=900.0, deadline=60.0)
    story.policy = replace(story.policy, cadences={**story.policy.cadences, CheckName.VOLUME: every})
    for _ in range(2):
        story.fails(CheckName.VOLUME, F.VOLUME_LOSS).wait(MINUTE)
    return story


def refused(fault: Fault) -> Story:
    """The gateway answers the canary, and does not serve it, as often as it takes."""
    story = healthy()
    for _ in range(2):
        result = failing("broken", a_charge(fault))
        story.canary(result, accepted=False, trace_id=None, id_source=None)
        story.passes(GATEWAY).wait(MINUTE)
    return story


def lossy(*, origin: bool | None, control: bool | None, times: int = 2) -> Story:
    """Canaries get lost; what TrueFoundry's own store and a later test span say of it."""
    story = healthy()
    for _ in range(times):
        lost = story.canary()
        span = story.wait(1).control() if control is not None else trace_id(0)
        story.wait(60)
        if origin is not None:
            story.origin(lost, found=origin)
        if control:
            story.control_seen(span, shown=True)
        story.wait(180).see(lost).wait(120).see(lost)
        if control is False:
            story.control_seen(span, shown=False)
        story.passes(GATEWAY)
    return story


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
    story.canary(failing("broken", a_charge(F.RATE_LIMITED)), accepted=False, trace_id=None, id_source=None)
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
    story.control(failing("503", a_charge(F.INGEST_FAILING)))
    assert signs(path(story)) == "+++?"


def test_no_canary_for_a_spent_budget_is_unknown() -> None:
    """What arrived hours ago proves nothing."""
    assert signs(path(healthy().is_blind(CANARY, UnknownReason.BUDGET_SPENT))) == "+??+"


# --- every fault -----------------------------------------------------------------------------------------------------


def unreachable() -> Story:
    """Twice no answer; another service answers."""
    story = healthy()
    return story.fails(GATEWAY, F.GATEWAY_UNREACHABLE).wait(5).fails(GATEWAY, F.GATEWAY_UNREACHABLE)


def switched_off() -> Story:
    """The exporter is off; the newest trace arrived before that."""
    return healthy().config(OFF)


def drifted(field: str, value: str) -> Story:
    """One field differs."""
    return healthy().config(manifest({field: value}))


def elsewhere() -> Story:
    """The trace is in another environment."""
    story = healthy()
    lost = story.canary()
    story.wait(61).elsewhere(lost)
    story.wait(240).see(lost)
    return story


def labelled(**changes: object) -> Story:
    """Whole traces arrive, and carry something else than expected."""
    story = healthy()
    for _ in range(2):
        canary = story.canary()
        number = int(canary[1:])
        seen = spans(number, **changes)  # type: ignore[arg-type]
        story.arrives(canary, seen).wait(MINUTE)
    return story


def without_content() -> Story:
    """Content is expected, and is not there."""
    story = healthy()
    story.policy = replace(story.policy, labels=replace(story.policy.labels, content=True))
    for _ in range(2):
        canary = story.canary()
        story.arrives(canary, spans(int(canary[1:]), content=())).wait(MINUTE)
    return story


def in_part() -> Story:
    """The root is never there."""
    story = healthy()
    for _ in range(2):
        canary = story.canary()
        part = spans(int(canary[1:]))[1:]
        story.wait(60).see(canary, part).wait(120).see(canary, part).wait(120).see(canary, part)
        story.passes(GATEWAY)
    return story


def overdue(*, origin: bool | None = None, control: bool = False) -> Story:
    """Twice not there in time."""
    story = healthy()
    sent = [story.canary(), story.wait(30).canary()]
    span = story.control() if control else None
    story.wait(40)
    for canary in sent:
        if origin is not None:
            story.origin(canary, found=origin)
    if span is not None:
        story.control_seen(span, shown=True)
    story.wait(150)
    for canary in sent:
        story.see(canary)
    return story.passes(GATEWAY)


def key_refused() -> Story:
    """Traceloop answers 401 to a test span, twice."""
    story = healthy()
    for _ in range(2):
        story.control(failing("401", a_charge(F.KEY_REJECTED)), key_refused=True)
        story.wait(MINUTE)
    return story


def ingest_failing() -> Story:
    """Traceloop answers 503 to a test span, twice."""
    story = healthy()
    for _ in range(2):
        story.control(failing("503", a_charge(F.INGEST_FAILING)))
        story.wait(MINUTE)
    return story


def crashing() -> Story:
    """The look for traces raises."""
    story = healthy()
    for _ in range(2):
        story.canary()
        story.wait(5).cannot_see(None, crash()).wait(MINUTE)
    return story


def crash() -> CheckResult:
    """What the guard makes of an error that nobody expected."""
    return unknown("it crashed", UnknownReason.CRASHED)


def unable_to_look() -> Story:
    """The read API refuses everything for a quarter of an hour."""
    story = healthy()
    for _ in range(16):
        story.cannot_see(story.canary()).wait(MINUTE)
    return story.passes(GATEWAY)


EVERY_FAULT = [
    (F.GATEWAY_UNREACHABLE, unreachable, "x??+", {Place.GATEWAY: "does not answer"}),
    (F.GATEWAY_REFUSED, lambda: refused(F.GATEWAY_REFUSED), "+??+", {Place.EXPORT: "no trace to follow"}),
    (
        F.RATE_LIMITED,
        lambda: refused(F.RATE_LIMITED),
        "+??+",
        {Place.GATEWAY: "answers, but limits the canary's requests"},
    ),
    (
        F.CANARY_REJECTED,
        lambda: refused(F.CANARY_REJECTED),
        "+??+",
        {Place.GATEWAY: "answers, but does not serve the canary"},
    ),
    (
        F.PROVIDER_FAILING,
        lambda: refused(F.PROVIDER_FAILING),
        "+??+",
        {Place.GATEWAY: "answers, but its model provider fails"},
    ),
    (F.EXPORTER_DISABLED, switched_off, "++x+", {Place.EXPORT: "is switched off"}),
    (
        F.CONFIG_DRIFT,
        lambda: drifted(ENDPOINT, "https://api.traceloop.com"),
        "++x+",
        {Place.EXPORT: "is misconfigured"},
    ),
    (
        F.CONFIG_DRIFT,
        lambda: drifted(METRICS, "https://elsewhere"),
        "++++",
        {Place.EXPORT: "delivers the traces, but is configured differently"},
    ),
    (
        F.WRONG_ENVIRONMENT,
        elsewhere,
        "++x+",
        {Place.EXPORT: "delivers to the environment stg", Place.TRACELOOP: "shows the traces in the environment stg"},
    ),
    (
        F.CONTENT_LEAKED,
        lambda: labelled(content=("gen_ai.prompt",)),
        "++++",
        {Place.EXPORT: "delivers the traces, but they carry what they must not"},
    ),
    (F.CONTENT_MISSING, without_content, "++++", {Place.EXPORT: "delivers the traces, but without their content"}),
    (
        F.TRACE_NOT_CREATED,
        lambda: lossy(origin=False, control=True),
        "x??+",
        {Place.GATEWAY: "answers, but creates no trace"},
    ),
    (F.KEY_REJECTED, key_refused, "++?x", {Place.TRACELOOP: "rejects the key"}),
    (F.INGEST_FAILING, ingest_failing, "++?x", {Place.TRACELOOP: "does not accept a test span"}),
    (F.EXPORT_FAILING, lambda: lossy(origin=True, control=True), "++x+", {Place.EXPORT: "does not deliver"}),
    (F.TRACE_MISSING, lambda: lossy(origin=None, control=None), "+???", {Place.TRACELOOP: "not known"}),
    (
        F.VOLUME_LOSS,
        counting_few,
        "++x+",
        {Place.EXPORT: "delivers the canaries' traces, but not those of all requests"},
    ),
    (F.TRACE_INCOMPLETE, in_part, "+???", {Place.EXPORT: "may drop parts of the traces"}),
    (F.TRACE_LATE, overdue, "+???", {Place.EXPORT: "not known"}),
    (
        F.TRACE_MISLABELLED,
        lambda: labelled(service="unknown_service"),
        "++++",
        {Place.EXPORT: "delivers the traces, but with wrong labels"},
    ),
    (F.CHECK_FAILED, crashing, "+??+", {Place.EXPORT: "not known"}),
    (F.BLIND, unable_to_look, "+??+", {Place.TRUEFOUNDRY: "not known"}),
]


@pytest.mark.parametrize(("fault", "happened", "wanted", "texts"), EVERY_FAULT)
def test_every_fault_marks_what_it_breaks_and_no_more(
    fault: Fault, happened: Callable[[], Story], wanted: str, texts: dict[Place, str]
) -> None:
    """The named hop is broken, what is proven is ok, and the rest is unknown."""
    story = happened()
    assert story.name is fault
    found = path(story)
    assert signs(found) == wanted
    assert {hop.place: hop.text for hop in found if hop.place in texts} == texts


def test_no_fault_is_left_out() -> None:
    """A new one must say where it breaks the path."""
    assert {fault for fault, *_ in EVERY_FAULT} == set(Fault)


@pytest.mark.parametrize("answers", sorted(TRIAGE, key=str))
def test_the_path_says_what_the_triage_says(answers: tuple[bool | None, bool | None]) -> None:
    """For each pair of answers of the own store and the test span."""
    origin, control = answers
    wanted = {
        (True, True): "++x+",
        (True, False): "++??",
        (True, None): "++??",
        (False, True): "x??+",
        (False, False): "x???",
        (False, None): "x???",
        (None, True): "+??+",
        (None, False): "+???",
        (None, None): "+???",
    }
    story = lossy(origin=origin, control=None)
    shown = {True: story.now, False: None, None: None}[control]
    if control is not None:
        span = ControlSpan(trace_id=trace_id(9), sent_at=story.now - 200, accepted=True, shown_at=shown, judged=True)
        story.state = replace(story.state, controls=(*story.state.controls, span))
    assert TRIAGE[answers].fault is diagnose_name(story)
    assert signs(path(story)) == wanted[answers]


def diagnose_name(story: Story) -> Fault:
    """What the target's fault is called."""
    diagnosis = diagnose(story.state, story.policy, story.now)
    assert diagnosis is not None
    return diagnosis.fault


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
