"""Name the broken hop: what explains what, severities, triage, and how evidence refines a confirmed fault."""

from dataclasses import replace
from itertools import product

import pytest

from monitor.core.canary import ControlSpan, Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ENCODING, ENDPOINT, EXCLUDE, ExportConfig
from monitor.core.faults import FAULTS, ORDER
from monitor.core.incident import Diagnosis, Incident
from monitor.core.inputs import Ticked
from monitor.core.model import CheckName, Component, Fault, Instant, Severity, Suspicion, UnknownReason
from monitor.core.refine import confirmed_faults, named, triage
from monitor.core.state import Active, CheckState, Outage, Policy, TargetState
from monitor.core.streaks import debounce
from monitor.core.trace import LabelJudgement
from tests.core.build import (
    CANARY,
    HOUR,
    MINUTE,
    OFF,
    POLICY,
    PROD,
    THEIRS,
    F,
    Story,
    a_canary,
    a_charge,
    blind,
    manifest,
    policy,
    trace_id,
)
from tests.core.test_faults import EXPLAINS
from tests.fakes.clock import START

LOSSES = (F.EXPORT_FAILING, F.TRACE_NOT_CREATED, F.TRACE_MISSING)
NOW = START + 400.0


def holding(*suspicions: Suspicion, **more: object) -> TargetState:
    """A target of which all this is confirmed. A loss gets the evidence that gives it its name."""
    confirmed: dict[Fault, Active] = {}
    for suspicion in suspicions:
        fault = F.TRACE_MISSING if suspicion.fault in LOSSES else suspicion.fault
        confirmed[fault] = Active(suspicion=replace(suspicion, fault=fault), since=START, confirmed_at=START + 60)
    state = TargetState(target=PROD, check_states={CheckName.CONFIG: CheckState(confirmed=confirmed)}, **more)  # type: ignore[arg-type]
    for suspicion in suspicions:
        if suspicion.fault in LOSSES:
            state = lost(state, suspicion.fault)
    return state


def opened(state: TargetState, at: Instant) -> TargetState:
    """With an incident that has been open since then."""
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    incident = Incident(id="i1", target=PROD, opened_at=at, diagnosis=diagnosis, worst=diagnosis.severity)
    return replace(state, incidents=(incident,))


def lost(state: TargetState, name: Fault) -> TargetState:
    """The evidence of a loss of that name."""
    origin = {F.EXPORT_FAILING: True, F.TRACE_NOT_CREATED: False, F.TRACE_MISSING: None}[name]
    canary = a_canary(outcome=Outcome.MISSING, judged_at=START + 300, origin=origin)
    control = ControlSpan(trace_id=trace_id(9), sent_at=START + 61, accepted=True, shown_at=START + 65, judged=True)
    return replace(state, canaries=(canary,), controls=(control,), proofs={"own_store:": START})


def suspected(fault: Fault, *, stops: bool = True) -> Suspicion:
    """As the checks charge it; `stops` for a drift that stops the export."""
    if fault is F.CONFIG_DRIFT:
        return a_charge(fault, stops_export=stops, severity=Severity.CRITICAL if stops else Severity.WARNING)
    return a_charge(fault, stops_export=True)


def diagnosed(*suspicions: Suspicion, judge: Policy = POLICY) -> Diagnosis:
    """The diagnosis of what is confirmed."""
    diagnosis = diagnose(holding(*suspicions), judge, NOW)
    assert diagnosis is not None
    return diagnosis


# --- one fault, two faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_alone_is_named_as_it_stands_in_the_table(fault: Fault) -> None:
    """Component, severity, meaning, next step, evidence."""
    diagnosis = diagnosed(suspected(fault, stops=False))
    entry = FAULTS[fault]
    assert (diagnosis.fault, diagnosis.component, diagnosis.severity) == (fault, entry.component, entry.severity)
    assert diagnosis.summary.startswith(entry.meaning)
    assert diagnosis.advice == entry.advice
    assert diagnosis.because[0].endswith("it is")
    assert (diagnosis.explained, diagnosis.also, diagnosis.since) == ((), (), START)


def _weight(suspicion: Suspicion) -> tuple[Severity, set[Fault]]:
    if suspicion.fault is F.CONFIG_DRIFT:
        return (Severity.CRITICAL, EXPLAINS[F.CONFIG_DRIFT]) if suspicion.stops_export else (Severity.WARNING, set())
    return FAULTS[suspicion.fault].severity, EXPLAINS.get(suspicion.fault, set())


@pytest.mark.parametrize("fault", list(Fault)[:-1])
def test_of_every_pair_the_most_severe_unexplained_names_the_incident(fault: Fault) -> None:
    """Ties by the order of the table; what is explained stands below, what is not is also broken."""
    others = [other for other in list(Fault)[ORDER[fault] + 1 :] if not {fault, other} <= set(LOSSES)]
    for other, stops in product(others, (True, False)):
        one, two = suspected(fault, stops=stops), suspected(other, stops=stops)
        (severity_1, explains_1), (severity_2, explains_2) = _weight(one), _weight(two)
        diagnosis = diagnosed(two, one)
        notified = (diagnosis.fault, diagnosis.explained, diagnosis.also)
        assert diagnosis.severity is max(severity_1, severity_2)
        if other in explains_1 or fault in explains_2:
            cause, consequence = (fault, other) if other in explains_1 else (other, fault)
            assert notified == (cause, (consequence,), ())
        else:
            first, second = (fault, other) if severity_1 >= severity_2 else (other, fault)
            assert notified == (first, (), (second,))


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not F.BLIND])
def test_a_confirmed_fault_outranks_blind_whatever_its_severity(fault: Fault) -> None:
    """What was seen names the incident; that we cannot look is also broken, and as bad as the operator says."""
    judge = policy(severity={F.BLIND: Severity.CRITICAL, fault: Severity.WARNING})
    diagnosis = diagnosed(suspected(F.BLIND), suspected(fault), judge=judge)
    assert (diagnosis.fault, diagnosis.also, diagnosis.severity) == (fault, (F.BLIND,), Severity.CRITICAL)


def test_consequences_are_explained_through_each_other_but_told_once() -> None:
    """The key explains the failing ingest and the loss; the loss explains the late traces."""
    diagnosis = diagnosed(*map(suspected, (F.TRACE_LATE, F.TRACE_MISSING, F.INGEST_FAILING, F.KEY_REJECTED)))
    assert diagnosis.fault is F.KEY_REJECTED
    assert diagnosis.explained == (F.INGEST_FAILING, F.TRACE_MISSING, F.TRACE_LATE)
    assert diagnosis.also == ()


@pytest.mark.parametrize(
    ("reason", "also"),
    [(UnknownReason.UNPROVEN, ()), (UnknownReason.UNREACHABLE, (F.BLIND,)), (UnknownReason.REFUSED, (F.BLIND,))],
)
def test_what_never_showed_a_trace_is_no_second_fault_while_none_can_arrive(
    reason: UnknownReason, also: tuple[Fault, ...]
) -> None:
    """No wonder that nothing was seen. That nothing can be asked is another matter."""
    story = Story(policy(blind_after=0.0, fail_after=1)).is_blind(CheckName.ARRIVAL, reason)
    assert story.name == F.BLIND
    story.fails(CheckName.CONTROL, F.INGEST_FAILING, stops_export=True)
    assert (story.name, story.diagnosis.also) == (F.INGEST_FAILING, also)
    assert (F.BLIND in story.diagnosis.explained) is not bool(also)


def test_a_fault_that_keeps_no_trace_from_arriving_explains_no_blindness() -> None:
    """A gateway that refuses the token is one thing, a route that shows nothing another."""
    story = Story(policy(blind_after=0.0, fail_after=1)).is_blind(CheckName.ARRIVAL, UnknownReason.UNPROVEN)
    story.fails(CheckName.CANARY, F.GATEWAY_REFUSED)
    assert (story.name, story.diagnosis.also) == (F.GATEWAY_REFUSED, (F.BLIND,))


def test_severity_is_the_highest_confirmed_also_of_what_is_explained() -> None:
    """A warning that explains something critical is as bad as that."""
    judge = policy(severity={F.KEY_REJECTED: Severity.WARNING})
    diagnosis = diagnosed(suspected(F.KEY_REJECTED), suspected(F.INGEST_FAILING), judge=judge)
    assert (diagnosis.fault, diagnosis.severity) == (F.KEY_REJECTED, Severity.CRITICAL)


# --- the operator's word on severity ---------------------------------------------------------------------------------


def test_severities_are_overridden_per_fault() -> None:
    """Up, down, or not at all."""
    judge = policy(severity={F.RATE_LIMITED: Severity.CRITICAL, F.GATEWAY_UNREACHABLE: Severity.NONE})
    assert diagnosed(suspected(F.RATE_LIMITED), judge=judge).severity is Severity.CRITICAL
    assert diagnose(holding(suspected(F.GATEWAY_UNREACHABLE)), judge, NOW) is None


def test_what_is_muted_explains_nothing() -> None:
    """Else the losses behind it would be told to nobody."""
    judge = policy(severity={F.KEY_REJECTED: Severity.NONE})
    diagnosis = diagnosed(suspected(F.KEY_REJECTED), suspected(F.TRACE_MISSING), judge=judge)
    assert (diagnosis.fault, diagnosis.explained) == (F.TRACE_MISSING, ())


def test_a_loss_is_overridden_by_the_name_that_it_gets() -> None:
    """The triage comes first."""
    judge = policy(severity={F.EXPORT_FAILING: Severity.WARNING})
    assert diagnosed(suspected(F.EXPORT_FAILING), judge=judge).severity is Severity.WARNING
    assert diagnosed(suspected(F.TRACE_MISSING), judge=judge).severity is Severity.CRITICAL


@pytest.mark.parametrize("ceiling", list(Severity))
def test_a_target_has_a_ceiling(ceiling: Severity) -> None:
    """`max_severity`, also over an override."""
    judge = policy(max_severity=ceiling, severity={F.BLIND: Severity.CRITICAL})
    for fault in Fault:
        diagnosis = diagnose(holding(suspected(fault)), judge, NOW)
        assert (diagnosis.severity if diagnosis else Severity.NONE) <= ceiling


# --- the triage ------------------------------------------------------------------------------------------------------


def control(**changes: object) -> ControlSpan:
    """One that was sent after the lost canary, accepted and shown."""
    given = {"trace_id": trace_id(9), "sent_at": START + 61, "accepted": True, "shown_at": START + 65, "judged": True}
    return ControlSpan(**{**given, **changes})  # type: ignore[arg-type]


SHOWN = control()
NOT_SHOWN = control(shown_at=None)
REFUSED = control(shown_at=None, accepted=False)
AWAITED = control(shown_at=None, judged=False)
UNKNOWN = control(shown_at=None, accepted=None)
EARLIER = control(sent_at=START - 1)
OWN = "TrueFoundry's own store"
WELL, ILL, UNSURE = "Traceloop itself is well", "Traceloop does not show a span", "whether Traceloop takes in spans"


@pytest.mark.parametrize(
    ("origin", "controls", "name", "said"),
    [
        (True, (SHOWN,), F.EXPORT_FAILING, WELL),
        (True, (NOT_SHOWN,), F.TRACE_MISSING, ILL),
        (True, (REFUSED,), F.TRACE_MISSING, ILL),
        (True, (REFUSED, SHOWN), F.EXPORT_FAILING, WELL),
        (True, (AWAITED,), F.TRACE_MISSING, UNSURE),
        (True, (UNKNOWN,), F.TRACE_MISSING, UNSURE),
        (True, (EARLIER,), F.TRACE_MISSING, UNSURE),
        (True, (control(sent_at=START),), F.TRACE_MISSING, UNSURE),
        (True, (), F.TRACE_MISSING, UNSURE),
        (False, (SHOWN,), F.TRACE_NOT_CREATED, WELL),
        (False, (NOT_SHOWN,), F.TRACE_NOT_CREATED, ILL),
        (False, (), F.TRACE_NOT_CREATED, UNSURE),
        (None, (SHOWN,), F.TRACE_MISSING, WELL),
        (None, (NOT_SHOWN,), F.TRACE_MISSING, ILL),
        (None, (), F.TRACE_MISSING, UNSURE),
    ],
)
def test_the_four_way_triage(origin: bool | None, controls: tuple[ControlSpan, ...], name: Fault, said: str) -> None:
    """A control span proves something only if it was sent after the canary that it is compared with."""
    state = holding(suspected(F.TRACE_MISSING))
    canaries = tuple(replace(canary, origin=origin) for canary in state.canaries)
    state = replace(state, canaries=canaries, controls=controls)
    assert set(named(state, POLICY, NOW)) == {name}
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    assert diagnosis.fault is name
    assert any(sentence.startswith(said) for sentence in diagnosis.because)
    assert any(sentence.startswith(OWN) for sentence in diagnosis.because)


def test_an_empty_answer_of_a_store_that_never_showed_us_anything_proves_nothing() -> None:
    """Nor does one whose proof is older than a day."""
    state = holding(suspected(F.TRACE_NOT_CREATED))
    for proofs in ({}, {"own_store:": NOW - 86_401}, {"trace:ours": NOW}):
        unproven = replace(state, proofs=proofs)
        assert set(named(unproven, POLICY, NOW)) == {F.TRACE_MISSING}
        (one,) = confirmed_faults(unproven, POLICY, NOW)
        assert any("it has shown us none within a day: that proves nothing" in line for line in one.because)


def test_one_trace_in_the_own_store_is_enough() -> None:
    """The gateway makes traces, even if it lost one."""
    first = a_canary(1, outcome=Outcome.MISSING, origin=False)
    second = a_canary(2, outcome=Outcome.MISSING, origin=True)
    state = replace(holding(suspected(F.TRACE_NOT_CREATED)), canaries=(first, second))
    assert set(named(state, POLICY, NOW)) == {F.EXPORT_FAILING}


def test_only_the_losses_of_this_outage_are_compared() -> None:
    """Neither an older one nor an arrival."""
    state = holding(suspected(F.EXPORT_FAILING))
    (canary,) = state.canaries
    for other in (replace(canary, sent_at=START - 1), replace(canary, outcome=Outcome.ARRIVED)):
        found = triage(state.confirmed[F.TRACE_MISSING], replace(state, canaries=(other,)), NOW)
        assert found.place.fault is F.TRACE_MISSING
        assert found.says == (
            "TrueFoundry's own store could not be asked",
            "whether Traceloop takes in spans is not known",
        )


def test_a_control_span_sent_after_one_of_the_losses_is_proof() -> None:
    """It need not have been sent after the newest of them."""
    state = holding(suspected(F.EXPORT_FAILING))
    (first,) = state.canaries
    second = replace(first, id="c2", sent_at=SHOWN.sent_at + 60)
    state = replace(state, canaries=(first, second), controls=(SHOWN,))
    assert set(named(state, POLICY, NOW)) == {F.EXPORT_FAILING}


def test_the_newest_control_span_speaks() -> None:
    """Traceloop was well when the first trace got lost, and is not any more: then the export is not accused."""
    state = holding(suspected(F.EXPORT_FAILING))
    newer = control(sent_at=START + 100, shown_at=None, accepted=False)
    asked = replace(state, controls=(SHOWN, newer, replace(newer, sent_at=START + 110, accepted=True, judged=False)))
    assert triage(state.confirmed[F.TRACE_MISSING], asked, NOW).control is False
    well_again = replace(asked, controls=(*asked.controls, control(sent_at=START + 120, shown_at=START + 122)))
    assert triage(state.confirmed[F.TRACE_MISSING], well_again, NOW).control is True


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_where_the_configuration_cannot_be_read_the_exporter_comes_first(name: Fault) -> None:
    """It may be off: nobody is sent to the support before. But an exporter that is off keeps no trace from being made."""
    state = holding(suspected(name))
    check_state = state.check_state(CheckName.CONFIG)
    unread = debounce(
        check_state, blind(), at=NOW, took=0.1, cadence=POLICY.cadences[CheckName.CONFIG], policy=POLICY, now=NOW
    )
    diagnosis = diagnose(replace(state, check_states={CheckName.CONFIG: unread}), POLICY, NOW)
    assert diagnosis is not None
    comes_first = name is not F.TRACE_NOT_CREATED
    assert diagnosis.fault is name
    assert diagnosis.advice.startswith("Look at the exporter first (") == comes_first
    assert any("could not be read" in line for line in diagnosis.because) == comes_first


def test_a_loss_that_something_explains_still_tells_whether_the_gateway_made_the_trace() -> None:
    """It accuses neither the export nor Traceloop: with a control span it is not compared."""
    state = holding(suspected(F.EXPORT_FAILING))
    explained = replace(state, canaries=tuple(replace(canary, excused=True) for canary in state.canaries))
    found = triage(state.confirmed[F.TRACE_MISSING], explained, NOW)
    assert (found.own_store, found.control, found.place.fault) == (True, None, F.TRACE_MISSING)


@pytest.mark.parametrize(
    ("origins", "fault"),
    [
        ((True, False), F.EXPORT_FAILING),
        ((True, False, False), F.TRACE_NOT_CREATED),
        ((False, False, True), F.EXPORT_FAILING),
        ((False, None, None), F.TRACE_NOT_CREATED),
    ],
)
def test_the_newest_two_answers_of_the_own_store_name_a_loss(origins: tuple[bool | None, ...], fault: Fault) -> None:
    """What lost the traces may change while they are lost; where the store could not be asked it says nothing new."""
    state = holding(suspected(F.EXPORT_FAILING))
    losses = tuple(
        a_canary(number, sent_at=START + number, outcome=Outcome.MISSING, origin=origin)
        for number, origin in enumerate(origins)
    )
    assert set(named(replace(state, canaries=losses), POLICY, NOW)) == {fault}


# --- the configuration's word ----------------------------------------------------------------------------------------


def configured(
    config: ExportConfig, *, changed_at: float | None = START, by: str | None = None, outcomes: str = ""
) -> TargetState:
    """A configuration that was read, and canaries a minute apart, sent from settle after its change on."""
    suspicion = suspected(F.EXPORTER_DISABLED if config.off else F.CONFIG_DRIFT)
    memory = ConfigMemory(seen=ConfigSeen(config=config, updated_at=changed_at, updated_by=by), changed_at=changed_at)
    kinds = {"A": Outcome.ARRIVED, "M": Outcome.MISSING, "?": Outcome.UNKNOWN}
    canaries = tuple(
        a_canary(place, sent_at=START + 360 + 60 * place, outcome=kinds[letter])
        for place, letter in enumerate(outcomes)
    )
    return holding(suspicion, config=memory, canaries=canaries)


def refined(state: TargetState, judge: Policy = POLICY) -> tuple[Severity, bool]:
    """The severity of the one confirmed fault, and whether it explains losses."""
    (one,) = confirmed_faults(state, judge, START + 2000)
    return one.severity, F.TRACE_MISSING in one.explains


ELSEWHERE = manifest({ENDPOINT: "https://elsewhere.example/v1/traces"})
SAYS_SO = (Severity.CRITICAL, True)
OUTRANKED = (Severity.WARNING, False)


@pytest.mark.parametrize("config", [OFF, ELSEWHERE], ids=["off", "drift"])
@pytest.mark.parametrize(
    ("outcomes", "weight"),
    [
        ("", SAYS_SO),
        ("A", SAYS_SO),
        ("AA", OUTRANKED),
        ("MAA", OUTRANKED),
        ("AAM", OUTRANKED),
        ("AAMM", SAYS_SO),
        ("AAMMA", SAYS_SO),
        ("AA?", OUTRANKED),
        ("MM", SAYS_SO),
    ],
)
def test_after_settle_what_arrives_outranks_what_the_configuration_says(
    config: ExportConfig, outcomes: str, weight: tuple[Severity, bool]
) -> None:
    """Two arrivals say so, two losses after them deny it: exporter off but traces arrive is another export path."""
    state = configured(config, outcomes=outcomes)
    assert refined(state) == weight
    said = "traces arrive all the same: there must be another export path"
    assert (said in confirmed_faults(state, POLICY, NOW)[0].because) == (weight == OUTRANKED)


@pytest.mark.parametrize(
    ("notified", "said"),
    [
        (
            (True,),
            "they carry the resource attributes that this exporter is meant to add: it, or its twin, still exports",
        ),
        (
            (True, False),
            "they lack the resource attributes that this exporter is meant to add: they come by another way",
        ),
        ((False, None), None),
        ((), None),
    ],
)
def test_what_arrives_all_the_same_says_by_which_way(notified: tuple[bool | None, ...], said: str | None) -> None:
    """By the resource attributes of the newest trace that was read; where none are expected nothing is said."""
    state = configured(OFF, outcomes="AAA")
    labels = [LabelJudgement(configured=way) for way in notified]
    labelled = (
        *(replace(c, labels=each) for c, each in zip(state.canaries, labels, strict=False)),
        *state.canaries[len(notified) :],
    )
    because = confirmed_faults(replace(state, canaries=labelled), POLICY, NOW)[0].because
    assert [line for line in because if line.startswith("they ")] == ([said] if said else [])


def test_before_settle_nothing_outranks_the_configuration() -> None:
    """The exporter may still use the one before."""
    assert refined(configured(OFF, outcomes="AA", changed_at=START + 1)) == SAYS_SO
    assert refined(configured(OFF, outcomes="AA", changed_at=START)) == OUTRANKED


def test_a_configuration_without_a_date_is_outranked_by_any_arrival() -> None:
    """Nothing says that it is new."""
    assert refined(configured(OFF, outcomes="AA", changed_at=None)) == OUTRANKED


def test_a_configuration_that_is_gone_is_outranked_only_by_what_was_sent_after_it_went() -> None:
    """A 404 has no date, and what was read before says nothing of it: the arrivals of before prove nothing now."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest(), updated_by="ana"), changed_at=START - 9000)
    arrived = tuple(a_canary(n, sent_at=START + 60 * n, outcome=Outcome.ARRIVED) for n in range(20))
    for known in (memory, None):
        gone = holding(suspected(F.EXPORTER_DISABLED), config=known, canaries=arrived[:6])
        assert refined(gone) == SAYS_SO
        assert not any("ana" in sentence for sentence in confirmed_faults(gone, POLICY, NOW)[0].because)
        assert refined(replace(gone, canaries=arrived)) == OUTRANKED


def test_a_harmless_drift_is_not_weighed_against_arrivals() -> None:
    """It does not say that traces stop."""
    state = configured(ELSEWHERE, outcomes="AA")
    harmless = suspected(F.CONFIG_DRIFT, stops=False)
    state = replace(state, check_states=holding(harmless).check_states)
    assert refined(state) == (Severity.WARNING, False)
    assert "traces arrive" not in " ".join(confirmed_faults(state, POLICY, NOW)[0].because)


def test_content_that_may_leak_stays_critical_although_traces_arrive() -> None:
    """Another export path is no comfort."""
    leaking = manifest({ENDPOINT: "https://elsewhere.example", EXCLUDE: False})
    assert refined(configured(leaking, outcomes="AA")) == (Severity.CRITICAL, False)


def test_a_rotated_key_is_a_warning_that_says_what_to_do() -> None:
    """The gateway carries another key and ours is refused: the monitor's copy is the outdated one."""
    state = replace(configured(manifest(key=THEIRS)), key_refused_at=NOW)
    assert refined(state) == (Severity.WARNING, False)
    (one,) = confirmed_faults(state, POLICY, NOW)
    assert "it was probably rotated, give the monitor the new key" in " ".join(one.because)


def test_a_key_that_was_given_to_us_since_is_compared_before_it_accuses() -> None:
    """That the new one is accepted says nothing yet of what was compared with the old one."""
    rotated = replace(configured(manifest(key=THEIRS)), key_refused_at=NOW, key_accepted_at=NOW + 1)
    assert rotated.config is not None
    state = replace(rotated, config=replace(rotated.config, credential="before"))
    assert refined(state) == (Severity.WARNING, False)
    compared = replace(rotated, config=replace(rotated.config, credential=POLICY.credential))
    assert refined(compared) == SAYS_SO


@pytest.mark.parametrize(
    "state",
    [
        configured(manifest(key=THEIRS)),
        replace(configured(manifest(key=THEIRS)), key_refused_at=NOW, key_accepted_at=NOW + 1),
        replace(configured(manifest(key="tl_theirs")), key_refused_at=NOW),
        replace(configured(OFF), key_refused_at=NOW),
    ],
    ids=["not refused", "accepted since", "no Bearer", "off"],
)
def test_otherwise_another_key_stops_the_export(state: TargetState) -> None:
    """Ours is good, so theirs is wrong; or something else is wrong besides."""
    assert refined(state) == SAYS_SO


def test_nobody_is_named_who_signed_before_a_look_that_passed() -> None:
    """The difference came after it: our own expectation may have changed, or how a value is shown."""
    story = Story().config(by="ana", updated_at=START - HOUR).wait(MINUTE)
    story.config(manifest({ENCODING: "json"}), by="ana", updated_at=START - HOUR)
    assert not any("ana" in line for line in story.diagnosis.because)
    story.config(manifest({ENCODING: "json"}), by="bob", updated_at=START + 30)
    assert story.diagnosis.because[-1] == "last changed by bob at 2027-01-15 08:00 UTC"


@pytest.mark.parametrize("fault", [F.TRACE_MISLABELLED, F.CONTENT_LEAKED, F.WRONG_ENVIRONMENT])
def test_no_reason_is_given_twice(fault: Fault) -> None:
    """The summary of a charge is its first fact, and is said once."""
    labels = LabelJudgement(
        mislabelled=("service name: expected a, found b",), leaked=("tfy.input",), environment="stg"
    )
    story = Story()
    for _ in range(2):
        story.arrives(story.canary())
    judged = tuple(replace(canary, labels=labels) for canary in story.state.canaries)
    story.state = replace(story.state, canaries=judged)
    story.feed(Ticked(at=story.now))
    (said,) = [one.because for one in confirmed_faults(story.state, story.policy, story.now) if one.fault is fault]
    assert len(said) == len(set(said))
    assert not any(line.startswith("found in ") for line in said)


def test_who_changed_the_configuration_is_said_with_the_time() -> None:
    """As far as the manifest tells."""
    assert (
        confirmed_faults(configured(OFF, by="ana"), POLICY, NOW)[0].because[-1]
        == "last changed by ana at 2027-01-15 08:00 UTC"
    )
    assert confirmed_faults(configured(OFF), POLICY, NOW)[0].because[-1] == "last changed at 2027-01-15 08:00 UTC"
    undated = confirmed_faults(configured(OFF, changed_at=None, by="ana"), POLICY, NOW)[0].because[-1]
    assert undated == "last changed by ana"
    assert confirmed_faults(configured(OFF, changed_at=None), POLICY, NOW)[0].because == ("exporter_disabled it is",)


# --- what else a diagnosis says --------------------------------------------------------------------------------------


def test_the_newest_traces_that_went_wrong_are_named_where_the_fault_is_about_traces() -> None:
    """At most three of them."""
    bad = [a_canary(n, sent_at=START + n, outcome=Outcome.MISSING) for n in (1, 2)]
    bad += [a_canary(3, sent_at=START + 3, late=True), a_canary(4, sent_at=START + 4, outcome=Outcome.INCOMPLETE)]
    bad += [a_canary(5, sent_at=START + 5, outcome=Outcome.MISSING, trace_id=None)]
    good = [a_canary(6, sent_at=START + 6, outcome=Outcome.ARRIVED)]
    for fault in Fault:
        state = replace(holding(suspected(fault)), canaries=(*bad, *good))
        diagnosis = diagnose(state, POLICY, NOW)
        assert diagnosis is not None
        about_traces = diagnosis.component is Component.EXPORT or fault in {
            F.EXPORTER_DISABLED, F.CONFIG_DRIFT, F.WRONG_ENVIRONMENT, F.KEY_REJECTED, F.INGEST_FAILING,
        }  # fmt: skip
        assert diagnosis.trace_ids == ((trace_id(2), trace_id(3), trace_id(4)) if about_traces else ())


def test_a_drift_that_lets_traces_through_names_none() -> None:
    """It has not lost them."""
    state = replace(holding(suspected(F.CONFIG_DRIFT, stops=False)), canaries=(a_canary(outcome=Outcome.MISSING),))
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    assert diagnosis.trace_ids == ()


@pytest.mark.parametrize("fault", [*LOSSES, F.TRACE_LATE, F.TRACE_INCOMPLETE])
def test_traces_that_another_cause_took_are_not_named(fault: Fault) -> None:
    """A loss, a delay or a part that a known cause explains is no evidence of this."""
    other = [a_canary(n, sent_at=START + n, excused=True, late=True, outcome=Outcome.MISSING) for n in (1, 2)]
    other.append(a_canary(3, sent_at=START + 3, excused=True, outcome=Outcome.INCOMPLETE))
    state = replace(holding(suspected(fault)), canaries=(*other, a_canary(4, sent_at=START + 4, late=True)))
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    assert diagnosis.trace_ids == (trace_id(4),)


@pytest.mark.parametrize("incident", [True, False], ids=["open", "opening"])
def test_what_was_lost_to_an_outage_that_is_over_is_not_lost_to_the_next_one(*, incident: bool) -> None:
    """Two causes within `settle`: what was sent before the first was mended is the first one's, whatever it is excused by."""
    lost_then = a_canary(1, sent_at=START - 120, excused=True, late=True, outcome=Outcome.MISSING)
    lost_now = a_canary(2, sent_at=START - 30, excused=True, late=True, outcome=Outcome.MISSING)
    over = Outage(fault=F.KEY_REJECTED, began_at=START - 180, ended_at=START - 60)
    state = replace(holding(suspected(F.CONFIG_DRIFT)), canaries=(lost_then, lost_now))
    before = diagnose(state, POLICY, NOW)
    assert before is not None
    assert (before.trace_ids, before.missing_since) == ((trace_id(1), trace_id(2)), START - 120)
    state = replace(state, outages=(over,))
    after = diagnose(opened(state, START) if incident else state, POLICY, NOW)
    assert after is not None
    assert (after.trace_ids, after.missing_since) == ((trace_id(2),), START - 30)


def test_what_was_lost_to_an_earlier_name_of_the_incident_stays_among_its_traces() -> None:
    """Off became drift: it is one outage, and its traces have been missing since its beginning."""
    lost_then = a_canary(1, sent_at=START - 120, excused=True, outcome=Outcome.MISSING)
    incidents = opened(holding(suspected(F.EXPORTER_DISABLED)), START - 180).incidents
    was = Outage(fault=F.EXPORTER_DISABLED, began_at=START - 180, ended_at=START)
    state = replace(holding(suspected(F.CONFIG_DRIFT)), canaries=(lost_then,), outages=(was,), incidents=incidents)
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    assert (diagnosis.trace_ids, diagnosis.missing_since) == ((trace_id(1),), START - 120)


def test_a_spent_budget_is_said_in_an_open_incident() -> None:
    """So that nobody wonders why evidence is slow to come."""
    story = Story().is_blind(CANARY, UnknownReason.BUDGET_SPENT).config(OFF)
    assert story.diagnosis.because[-1] == "cannot look: budget_spent"
    story = Story().is_blind(CANARY, UnknownReason.PAUSED).config(OFF)
    assert "paused" not in " ".join(story.diagnosis.because)
