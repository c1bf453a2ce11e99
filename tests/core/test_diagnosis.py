"""Name what is wrong: what explains what, the operator's severities, and which traces are named."""

from dataclasses import replace
from itertools import product

import pytest

from monitor.core.canary import ControlSpan, Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.faults import CAUSES, ORDER
from monitor.core.incident import Diagnosis, Incident
from monitor.core.inputs import Ticked
from monitor.core.model import CheckName, Fault, Instant, Severity, Suspicion, UnknownReason
from monitor.core.refine import confirmed_faults
from monitor.core.state import Active, CheckState, Outage, Policy, TargetState
from monitor.core.text import capitalised
from monitor.core.trace import LabelJudgement
from tests.core.build import (
    CANARY,
    OFF,
    POLICY,
    PROD,
    ROWS,
    F,
    Story,
    a_canary,
    a_charge,
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
    """As the checks suspect it; `stops` for a drift that stops the export."""
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
    """Component, severity, title, how it shows, impact, next step, evidence."""
    diagnosis = diagnosed(suspected(fault, stops=False))
    entry = ROWS[fault]
    assert (diagnosis.fault, diagnosis.component, diagnosis.severity) == (fault, entry.component, entry.severity)
    # Of blindness it is always known which check cannot see, and an export that fails lies between two healthy ends.
    blind = fault is F.BLIND
    title = "The monitor cannot read the export configuration" if blind else entry.title
    impact = "Since {since} changes to it go unnoticed." if blind else entry.impact
    detail = capitalised(f"{fault} it is." + (" Both ends are healthy." if fault is F.EXPORT_FAILING else ""))
    assert (diagnosis.title, diagnosis.detail, diagnosis.summary) == (title, detail, f"{title}. {detail}")
    assert diagnosis.impact == impact
    assert diagnosis.advice == entry.advice
    assert diagnosis.because[0] == capitalised(f"{fault} it is")
    assert (diagnosis.explained, diagnosis.also, diagnosis.since) == ((), (), START)


def _weight(suspicion: Suspicion) -> tuple[Severity, set[Fault]]:
    if suspicion.fault is F.CONFIG_DRIFT:
        return (Severity.CRITICAL, EXPLAINS[F.CONFIG_DRIFT]) if suspicion.stops_export else (Severity.WARNING, set())
    return ROWS[suspicion.fault].severity, EXPLAINS.get(suspicion.fault, set())


@pytest.mark.parametrize("fault", list(Fault)[:-1])
def test_of_every_pair_the_most_severe_unexplained_names_the_incident(fault: Fault) -> None:
    """Ties by the order of the table; what is explained is a consequence, what is not is also wrong."""
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
    """What was seen names the incident; that the monitor cannot check is also wrong, and as bad as the operator says."""
    judge = policy(severity={F.BLIND: Severity.CRITICAL, fault: Severity.WARNING})
    diagnosis = diagnosed(suspected(F.BLIND), suspected(fault), judge=judge)
    assert (diagnosis.fault, diagnosis.also, diagnosis.severity) == (fault, (F.BLIND,), Severity.CRITICAL)


def test_consequences_are_explained_through_each_other_but_listed_once() -> None:
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
    """Else nobody would be notified of the losses behind it."""
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


@pytest.mark.parametrize("fault", [F.TRACE_MISLABELLED, F.CONTENT_LEAKED, F.WRONG_ENVIRONMENT])
def test_no_reason_is_given_twice(fault: Fault) -> None:
    """How a fault shows is the first of its reasons, and is said once."""
    labels = LabelJudgement(
        mislabelled=("the service name is `b`, should be `a`",), leaked=("tfy.input",), environment="stg"
    )
    story = Story()
    for _ in range(2):
        story.arrives(story.canary())
    judged = tuple(replace(canary, labels=labels) for canary in story.state.canaries)
    story.state = replace(story.state, canaries=judged)
    story.feed(Ticked(at=story.now))
    (said,) = [one.because for one in confirmed_faults(story.state, story.policy, story.now) if one.fault is fault]
    assert len(said) == len(set(said))
    assert sum("stg" in line for line in said) == (2 if fault is F.WRONG_ENVIRONMENT else 0)


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
        shown_by = {
            **dict.fromkeys(LOSSES, (1, 2)),  # what is late is not lost yet, and what arrived incomplete is not lost
            **dict.fromkeys(CAUSES, (2, 3, 4)),
            F.TRACE_LATE: (3,),
            F.TRACE_INCOMPLETE: (4,),
        }
        assert diagnosis.trace_ids == tuple(map(trace_id, shown_by.get(fault, ())))


def test_a_drift_that_lets_traces_through_names_none() -> None:
    """It has not lost them."""
    state = replace(holding(suspected(F.CONFIG_DRIFT, stops=False)), canaries=(a_canary(outcome=Outcome.MISSING),))
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    assert diagnosis.trace_ids == ()


@pytest.mark.parametrize("fault", [*LOSSES, F.TRACE_LATE, F.TRACE_INCOMPLETE])
def test_traces_that_another_cause_took_are_not_named(fault: Fault) -> None:
    """A loss, a delay or an incomplete trace that a known cause explains is no evidence of this."""
    other = [a_canary(n, sent_at=START + n, excused=True, late=True, outcome=Outcome.MISSING) for n in (1, 2)]
    other.append(a_canary(3, sent_at=START + 3, excused=True, outcome=Outcome.INCOMPLETE))
    outcome = {F.TRACE_LATE: None, F.TRACE_INCOMPLETE: Outcome.INCOMPLETE}.get(fault, Outcome.MISSING)
    mine = a_canary(4, sent_at=START + 4, late=True, outcome=outcome)
    diagnosis = diagnose(replace(holding(suspected(fault)), canaries=(*other, mine)), POLICY, NOW)
    assert diagnosis is not None
    assert diagnosis.trace_ids == (trace_id(4),)


@pytest.mark.parametrize("fault", LOSSES)
def test_a_loss_names_only_traces_that_are_lost(fault: Fault) -> None:
    """Of a loss under any of its names; one that is late may still arrive."""
    state = holding(suspected(fault))
    late = a_canary(2, sent_at=START + 30, late=True)
    diagnosis = diagnose(replace(state, canaries=(*state.canaries, late)), POLICY, NOW)
    assert diagnosis is not None
    assert (diagnosis.fault, diagnosis.trace_ids) == (fault, (trace_id(1),))


@pytest.mark.parametrize("incident", [True, False], ids=["open", "opening"])
def test_what_was_lost_to_an_outage_that_is_over_is_not_lost_to_the_next_one(*, incident: bool) -> None:
    """Two causes within `settle`: what was sent before the first was fixed is the first one's, whatever it is excused by."""
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
    assert story.diagnosis.because[-1] == "Cannot look: budget_spent"
    story = Story().is_blind(CANARY, UnknownReason.PAUSED).config(OFF)
    assert "paused" not in " ".join(story.diagnosis.because)
