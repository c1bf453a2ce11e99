"""The table of faults is the contract's, in its order, and nothing is missing."""

from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import product
from typing import get_args

import pytest

from monitor.core import events, inputs
from monitor.core.canary import ControlSpan, IdSource, Outcome
from monitor.core.drift import Match
from monitor.core.events import Event
from monitor.core.faults import CAUSES, FAULTS, LOSSES, ORDER, SINCE
from monitor.core.incident import Reason
from monitor.core.inputs import Input
from monitor.core.model import (
    CheckName,
    CheckResult,
    Component,
    Fault,
    Phases,
    Service,
    Severity,
    UnknownReason,
    Verdict,
)
from monitor.core.path import TRIAGE
from monitor.core.pipeline_counters import CountedBy
from monitor.core.refine import named
from monitor.core.secret import Oddity, SecretKind
from monitor.core.state import Active, CheckState, Policy, State, TargetState, TraceIdMode
from monitor.core.trace import Narrowing, Route
from tests.core.build import POLICY, PROD, ROWS, a_canary, a_charge, trace_id
from tests.fakes.clock import START

F = Fault
TABLE = """
gateway_unreachable gateway critical
gateway_refused gateway warning
rate_limited gateway warning
canary_rejected gateway warning
provider_failing provider warning
exporter_disabled config critical
config_drift config warning
wrong_environment config critical
content_leaked config critical
content_missing config warning
trace_not_created gateway critical
key_rejected traceloop critical
ingest_failing traceloop critical
export_failing export critical
trace_missing export critical
volume_loss export warning
trace_incomplete export warning
trace_late export warning
trace_mislabelled export warning
check_failed monitor warning
blind monitor warning
"""

NOT_EXPORTED = {F.TRACE_MISSING, F.VOLUME_LOSS, F.TRACE_LATE, F.TRACE_INCOMPLETE, F.EXPORT_FAILING}
LATE = {F.TRACE_LATE, F.TRACE_INCOMPLETE}
EXPLAINS = {
    F.EXPORTER_DISABLED: NOT_EXPORTED,
    F.CONFIG_DRIFT: NOT_EXPORTED,
    F.WRONG_ENVIRONMENT: NOT_EXPORTED,
    F.INGEST_FAILING: NOT_EXPORTED,
    F.KEY_REJECTED: NOT_EXPORTED | {F.INGEST_FAILING},
    F.GATEWAY_UNREACHABLE: {F.CANARY_REJECTED, F.PROVIDER_FAILING},
    F.EXPORT_FAILING: LATE | {F.VOLUME_LOSS},
    F.TRACE_NOT_CREATED: LATE | {F.VOLUME_LOSS},
    F.TRACE_MISSING: LATE | {F.VOLUME_LOSS},
}


def test_every_fault_stands_in_the_table_in_its_order_with_component_and_severity() -> None:
    """Names, order, components and severities are what dashboards and scripts depend on."""
    said = [f"{fault} {entry.component} {entry.severity.word}" for fault, entry in FAULTS.items()]
    assert said == TABLE.split("\n")[1:-1]
    assert list(FAULTS) == list(Fault)


def test_ties_are_decided_by_the_order_of_the_table() -> None:
    """The most upstream fault is the first."""
    assert sorted(ORDER, key=lambda fault: ORDER[fault]) == list(Fault)


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_explains_exactly_what_the_contract_says(fault: Fault) -> None:
    """What is not listed is "also wrong"."""
    assert FAULTS[fault].explains == EXPLAINS.get(fault, set())


def test_no_fault_explains_itself_in_a_circle() -> None:
    """Else everything confirmed could be explained, and nothing would name the incident."""

    def below(fault: Fault) -> set[Fault]:
        return set(FAULTS[fault].explains).union(*(below(one) for one in FAULTS[fault].explains))

    assert not [fault for fault in Fault if fault in below(fault)]


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_has_words_for_people(fault: Fault) -> None:
    """A title and its impact, the evidence and how much of it, what the message says, and one concrete next step."""
    row = ROWS[fault]
    assert row.title
    assert row.title[0].isupper()
    assert not row.title.endswith(".")
    assert len(row.title) <= 80
    texts = (row.impact, row.when, row.settles, row.because, row.advice)
    assert all(text.endswith(".") and text[0].isupper() for text in texts)


@pytest.mark.parametrize("fault", list(Fault))
def test_every_impact_says_since_when(fault: Fault) -> None:
    """Once, and nothing else in it is to be filled in."""
    impact = ROWS[fault].impact
    assert impact.count(SINCE) == 1
    assert impact.format(since="14:02") == impact.replace(SINCE, "14:02")


@pytest.mark.parametrize("fault", [each for each in Fault if each not in LOSSES - {F.TRACE_MISSING}])
def test_only_a_loss_is_named_by_the_triage(fault: Fault) -> None:
    """Every other fault keeps its name, whatever the own store and the control span say."""
    active = Active(suspicion=a_charge(fault), since=START, confirmed_at=START)
    for (own, shown), place in TRIAGE.items():
        control = ControlSpan(
            trace_id=trace_id(9), sent_at=START + 1, accepted=shown, shown_at=START + 2 if shown else None, judged=True
        )
        state = TargetState(
            target=PROD,
            check_states={CheckName.ARRIVAL: CheckState(confirmed={fault: active})},
            canaries=(a_canary(outcome=Outcome.MISSING, origin=own),),
            controls=(control,),
            proofs={"own_store:": START},
        )
        assert named(state, POLICY, START + 400) == {place.fault if fault is F.TRACE_MISSING else fault: active}


def test_the_triage_has_a_place_for_every_pair_of_answers() -> None:
    """Yes, no and not known, of the own store and of the control span; and each names a loss."""
    assert set(TRIAGE) == set(product((True, False, None), repeat=2))
    assert {place.fault for place in TRIAGE.values()} == LOSSES


def test_what_explains_missing_traces_is_a_cause() -> None:
    """When it is fixed its incident waits for traces; what prevents traces from being made explains none that is lost."""
    assert set(CAUSES) == {fault for fault, explained in EXPLAINS.items() if F.TRACE_MISSING in explained}
    prevents = {fault for fault, rule in FAULTS.items() if rule.prevents_traces}
    assert prevents == {
        F.GATEWAY_UNREACHABLE, F.GATEWAY_REFUSED, F.RATE_LIMITED, F.CANARY_REJECTED, F.PROVIDER_FAILING,
    }  # fmt: skip


def test_the_severity_of_two_faults_depends() -> None:
    """In words as the runbooks and the documentation have it."""
    said = {fault: rule.severity_text for fault, rule in FAULTS.items() if rule.severity_text != rule.severity.word}
    assert said == {
        F.CONFIG_DRIFT: "critical if it stops the export, else warning",
        F.VOLUME_LOSS: "critical if less than half arrives, else warning",
    }


def test_severities_are_ordered_and_have_words() -> None:
    """0 healthy, 1 warning, 2 critical is also what the metric says."""
    assert [(severity.value, severity.word) for severity in Severity] == [(0, "none"), (1, "warning"), (2, "critical")]


ENUMS: dict[type[Enum], str] = {
    CheckName: "config gateway canary arrival control volume",
    Verdict: "pass fail unknown",
    Component: "gateway provider config traceloop phoenix export monitor",
    Outcome: "arrived late incomplete missing unknown recovered",
    Reason: "opened changed reminder escalated edited resolved test",
    Route: "trace warehouse nonce own_store",
    Narrowing: "trace_id marker attribute metadata span_name window",
    IdSource: "feedback traceparent nonce",
    SecretKind: "literal masked reference hidden absent",
    CountedBy: "gateway collector",
    TraceIdMode: "auto feedback traceparent",
    Service: "control_plane gateway collector traceloop phoenix otlp slack alertmanager webhook heartbeat daemon",
    UnknownReason: "unreachable refused garbled crowded no_witness blocked proxy starved unproven budget_spent paused timeout "
    "shortage crashed nothing_to_judge",
}


@pytest.mark.parametrize("kind", list(ENUMS), ids=lambda kind: kind.__name__)
def test_every_enum_is_closed(kind: type[Enum]) -> None:
    """A word more or less is a decision: here, in metrics, in dashboards, in stored state."""
    assert [member.value for member in kind] == ENUMS[kind].split()


def test_every_oddity_and_match_is_known() -> None:
    """What can be wrong with the form of a key, and how two values can compare."""
    assert [oddity.name for oddity in Oddity] == [
        "NO_BEARER", "OTHER_SCHEME", "QUOTED", "PLACEHOLDER", "BLANKS", "EMPTY", "PERCENT_ENCODED", "OTHER_FORM",
    ]  # fmt: skip
    assert [match.name for match in Match] == ["EQUAL", "DIFFERS", "NOT_COMPARABLE"]


def test_every_input_and_every_event_is_listed() -> None:
    """A value that no union lists would be applied, or published, by nobody."""
    for module, union in ((inputs, Input), (events, Event)):
        own = {kind for kind in vars(module).values() if is_dataclass(kind) and kind.__module__ == module.__name__}
        assert own == set(get_args(union))


@pytest.mark.parametrize("kind", [*get_args(Input), *get_args(Event), CheckResult, Policy, State, TargetState])
def test_values_are_frozen_slotted_and_named(kind: type) -> None:
    """Nothing in core is mutated, and nothing is passed by position."""
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert all(field.kw_only for field in fields(kind))
    assert hasattr(kind, "__slots__")


def test_phases_that_did_not_happen_are_left_out() -> None:
    """In the order in which they happen."""
    assert Phases(transfer=0.1, resolve=0.0).items() == (("resolve", 0.0), ("transfer", 0.1))
