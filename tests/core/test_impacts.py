"""What a diagnosis says first: what is wrong, how it shows, and what that means for the reader, for each kind of evidence."""

from dataclasses import replace

import pytest

from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.faults import LOST
from monitor.core.incident import Diagnosis, Incident
from monitor.core.inputs import Ticked
from monitor.core.model import (
    CheckName,
    Component,
    Fault,
    Severity,
    Suspicion,
    TargetName,
    UnknownReason,
    passing,
    unknown,
)
from monitor.core.path import TRIAGE
from monitor.core.refine import UNCHECKED
from monitor.core.state import Active, CheckState, LastLook, TargetState
from monitor.core.trace import LabelJudgement
from tests.core.build import (
    ARRIVAL,
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
    PROD,
    ROWS,
    F,
    Story,
    a_canary,
    a_charge,
    blind,
    policy,
    trace_id,
)
from tests.core.diagnosed import diagnosed, holding
from tests.fakes.clock import START

# --- title, detail and the time --------------------------------------------------------------------------------------


def test_the_detail_is_what_the_summary_says_beyond_the_title() -> None:
    """Nothing where the title says it all; one of old, without a title, is all detail."""
    bare = Diagnosis(fault=F.BLIND, severity=Severity.WARNING, component=Component.MONITOR, summary="It is dark.")
    assert bare.detail == "It is dark."
    assert replace(bare, title="The night", summary="The night. It is dark.").detail == "It is dark."
    assert replace(bare, title="It is dark").detail == ""
    assert replace(bare, title="Another title").detail == "It is dark."


def test_the_time_of_the_impact_is_that_of_the_first_lost_trace() -> None:
    """Where it is known; else that of the fault."""
    bare = Diagnosis(
        fault=F.BLIND, severity=Severity.WARNING, component=Component.MONITOR, summary="x", since=5.0, impact="{since}"
    )
    incident = Incident(id="x", target=TargetName("prod"), opened_at=9.0, diagnosis=bare)
    assert incident.impact(str, str) == "5.0"
    assert replace(incident, diagnosis=replace(bare, missing_since=3.0)).impact(str, str) == "3.0"


def test_while_a_fixed_cause_waits_for_traces_there_is_nothing_to_do() -> None:
    """Else the advice is the next step."""
    bare = Diagnosis(
        fault=F.BLIND, severity=Severity.WARNING, component=Component.MONITOR, summary="x", advice="Do it."
    )
    assert bare.next_step == "Do it."
    waiting = replace(bare, waiting="`config_drift` fixed 14:31 UTC, waiting for traces")
    assert waiting.next_step == "Nothing to do: the incident resolves by itself when traces arrive again."


def test_what_repeats_the_title_is_no_detail() -> None:
    """That trace export is switched off is said once."""
    found = diagnosed(holding(Suspicion(fault=F.EXPORTER_DISABLED, summary="trace export is switched off")))
    assert (found.title, found.summary, found.detail) == (
        "Trace export is switched off",
        "Trace export is switched off.",
        "",
    )


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not F.BLIND])
def test_title_and_impact_are_the_tables_where_the_evidence_says_nothing_special(fault: Fault) -> None:
    """A loss is called missing where nothing tells which hop lost it."""
    if fault in (F.TRACE_NOT_CREATED, F.EXPORT_FAILING):
        return
    found = diagnosed(holding(a_charge(fault, stops_export=fault is F.TRACE_MISSING)))
    assert (found.title, found.impact) == (ROWS[fault].title, ROWS[fault].impact)
    assert found.summary == f"{found.title}. {fault.capitalize()} it is."
    assert found.since == START


# --- what the monitor cannot check -----------------------------------------------------------------------------------


NOT_CHECKED = {
    ARRIVAL: ("see whether traces arrive", "lost traces would go unnoticed"),
    CANARY: ("send canaries", "traces have not been checked"),
    CONFIG: ("read the export configuration", "changes to it go unnoticed"),
    GATEWAY: ("see whether the gateway answers", "an outage of the gateway would go unnoticed"),
    CONTROL: ("test whether Traceloop accepts traces", "an outage of Traceloop shows only by lost traces"),
    CheckName.VOLUME: ("count the traces of real requests", "a loss among them would go unnoticed"),
}
ARRIVES = CheckState(last=LastLook(at=START, took=0.1, result=passing("the trace arrived")))


def unable(since: float = START, title: str = "") -> CheckState:
    """A check that has been unable to check for too long."""
    suspicion = Suspicion(fault=F.BLIND, summary="HTTP 403", title=title)
    return CheckState(confirmed={F.BLIND: Active(suspicion=suspicion, since=since, confirmed_at=since + 60)})


@pytest.mark.parametrize("check", list(CheckName))
def test_what_cannot_be_checked_and_what_goes_unnoticed_depends_on_the_check(check: CheckName) -> None:
    """That traces still arrive is said where it is known, and is news to nobody who cannot look for them."""
    attempt, unnoticed = NOT_CHECKED[check]
    found = diagnosed(TargetState(target=PROD, check_states={check: unable()}))
    assert (found.title, found.impact) == (f"The monitor cannot {attempt}", f"Since {{since}} {unnoticed}.")
    arriving = {ARRIVAL: ARRIVES, check: unable()}
    rest = "" if check in (ARRIVAL, CANARY) else " Traces are still checked and arrive."
    found = diagnosed(TargetState(target=PROD, check_states=arriving))
    assert found.impact == f"Since {{since}} {unnoticed}.{rest}"


def test_of_several_checks_title_and_impact_are_those_of_the_same_one() -> None:
    """The one that has been unable for longest; none is said to see traces while no canary is sent."""
    titled = unable(title="The monitor cannot read the export configuration")
    states = {ARRIVAL: ARRIVES, CANARY: unable(START + 5), CONFIG: titled}
    found = diagnosed(TargetState(target=PROD, check_states=states))
    assert (found.title, found.impact) == (
        "The monitor cannot read the export configuration",
        "Since {since} changes to it go unnoticed.",
    )


def test_traces_are_not_checked_while_no_canary_is_served() -> None:
    """Behind a wall before every service the canary is unknown for minutes before that counts as blind."""
    kept_out = CheckState(last=LastLook(at=START, took=0.1, result=blind(UnknownReason.REFUSED)))
    states = {ARRIVAL: ARRIVES, CANARY: kept_out, GATEWAY: unable()}
    found = diagnosed(TargetState(target=PROD, check_states=states))
    assert found.impact == "Since {since} an outage of the gateway would go unnoticed."


def test_a_failed_arrival_is_no_arrival() -> None:
    """Nothing is said of the traces then."""
    story = Story(policy=policy(blind_after=0.0)).fails(ARRIVAL, F.TRACE_LATE).is_blind(GATEWAY)
    assert story.diagnosis.impact == "Since {since} an outage of the gateway would go unnoticed."


def test_an_attempt_that_the_check_names_is_the_title() -> None:
    """And why it failed is the detail."""
    story = Story(policy=policy(blind_after=0.0))
    why = unknown("HTTP 403", UnknownReason.REFUSED, attempted="read the export configuration")
    found = story.look(CONFIG, why).diagnosis
    assert (found.title, found.detail) == ("The monitor cannot read the export configuration", "HTTP 403.")


def test_where_no_service_answers_the_network_is_the_title() -> None:
    """Whichever check noticed it."""
    story = Story(policy=policy(blind_after=0.0)).look(GATEWAY, blind(UnknownReason.NO_WITNESS))
    assert story.diagnosis.title == "No service answers the monitor"


# --- traces ----------------------------------------------------------------------------------------------------------


def late(*canaries: Canary, **more: object) -> Diagnosis:
    """They are late since the start."""
    return diagnosed(holding(a_charge(F.TRACE_LATE), check=ARRIVAL, canaries=canaries, **more))


def test_what_has_not_come_at_all_is_overdue() -> None:
    """And counts as lost after a while."""
    found = late(a_canary(1, late=True), a_canary(2, late=True))
    assert found.summary == "Traces are overdue. The last 2 traces have not arrived within 3 min."
    assert found.because[0] == "The last 2 traces have not arrived within 3 min"
    assert found.impact == (
        "Traces have been overdue since {since}, and count as lost after 5 min. Requests are not affected."
    )
    assert found.advice == (
        "Wait: if they count as lost, the hop that lost them is named. Meanwhile check https://status.traceloop.com, and on a "
        "self-hosted gateway the queue of its collector."
    )
    assert found.because == ("The last 2 traces have not arrived within 3 min",)
    assert late(a_canary(1, late=True)).detail == "The last trace has not arrived within 3 min."


def test_what_is_overdue_says_which_hops_are_known_to_work() -> None:
    """As the path shows them: a hop is not marked broken without a word."""
    span = ControlSpan(trace_id=trace_id(9), sent_at=START + 200, accepted=True, shown_at=START + 205, judged=True)
    found = late(a_canary(1, late=True, origin=True), controls=(span,))
    assert found.because[1:] == (
        "TrueFoundry's own store has the trace, so the gateway created it",
        "Traceloop shows a test span that was sent later, so it accepts traces",
    )
    assert [hop.state.value for hop in found.hops] == ["unknown", "ok", "broken", "ok"]


@pytest.mark.parametrize(
    "came", [{"outcome": Outcome.LATE, "arrived_at": START + 200}, {"seen_at": START + 200}], ids=["whole", "in part"]
)
def test_what_came_after_all_is_late(came: dict[str, object]) -> None:
    """One of them is enough: the export works."""
    found = late(a_canary(1, late=True), a_canary(2, late=True, **came))
    assert (found.title, found.impact) == (
        "Traces arrive late",
        "Traces have arrived since {since}, but late. Requests are not affected.",
    )


INTERMITTENT = {
    F.TRACE_NOT_CREATED: "The gateway does not create every trace",
    F.EXPORT_FAILING: "Some traces are lost between TrueFoundry and Traceloop",
    F.TRACE_MISSING: "Some traces do not arrive in Traceloop",
}


@pytest.mark.parametrize("answers", TRIAGE, ids=str)
@pytest.mark.parametrize("all_of_them", [True, False], ids=["all", "some"])
def test_an_intermittent_loss_says_that_others_arrive(
    answers: tuple[bool | None, bool | None], *, all_of_them: bool
) -> None:
    """Whichever hop lost them; and only where both ends are known to be healthy that is said."""
    own, shown = answers
    control = ControlSpan(
        trace_id=trace_id(9), sent_at=START + 61, accepted=True, shown_at=START + 65 if shown else None, judged=True
    )
    state = holding(
        a_charge(F.TRACE_MISSING, stops_export=all_of_them),
        canaries=(a_canary(outcome=Outcome.MISSING, judged_at=START + 300, origin=own),),
        controls=() if shown is None else (control,),
        proofs={"own_store:": START},
    )
    found, fault = diagnosed(state), TRIAGE[answers].fault
    title = ROWS[fault].title if all_of_them else INTERMITTENT[fault]
    some = "Some traces have been lost since {since}. Requests are not affected."
    assert (found.fault, found.title, found.impact) == (fault, title, LOST if all_of_them else some)
    both = ". Both ends are healthy" if fault is F.EXPORT_FAILING else ""
    assert found.detail == f"Trace_missing it is{both}."


def test_a_wrong_environment_is_named_in_title_and_impact() -> None:
    """With the one that is expected, where both are known."""
    story = Story(policy=policy(environment="prd"))
    story.elsewhere(story.canary())
    assert (story.diagnosis.title, story.diagnosis.impact) == (
        "Traces go to `stg` instead of `prd`",
        "Traces have gone to `stg` since {since} and are not lost. Requests are not affected.",
    )


# --- the traces that are named ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "labels"),
    [
        (F.WRONG_ENVIRONMENT, LabelJudgement(environment="stg")),
        (F.CONTENT_LEAKED, LabelJudgement(leaked=("tfy.input",))),
        (F.CONTENT_MISSING, LabelJudgement(content_missing=True)),
        (F.TRACE_MISLABELLED, LabelJudgement(mislabelled=("the service name is `x`, should be `y`",))),
    ],
)
def test_the_newest_three_traces_that_show_the_fault_are_named(fault: Fault, labels: LabelJudgement) -> None:
    """And none that does not, although it has arrived as well."""
    story = Story()
    for _ in range(5):
        story.arrives(story.canary())
    good = story.state.canaries[2]
    judged = tuple(one if one is good else replace(one, labels=labels) for one in story.state.canaries)
    story.state = replace(story.state, canaries=judged)
    story.feed(Ticked(at=story.now))
    assert story.name is fault
    assert story.diagnosis.trace_ids == tuple(trace_id(number) for number in (2, 4, 5))


def test_a_trace_that_was_found_elsewhere_before_its_deadline_is_named() -> None:
    """It is not missing yet, and shows where traces go."""
    story = Story()
    story.elsewhere(story.canary())
    assert (story.name, story.diagnosis.trace_ids) == (F.WRONG_ENVIRONMENT, (trace_id(1),))


def test_every_check_says_what_goes_unnoticed_while_it_is_blind() -> None:
    """One that is missing here would end the daemon when it is blind for the first time."""
    assert set(UNCHECKED) == set(CheckName)
