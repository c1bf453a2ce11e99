"""What a diagnosis says first: what is wrong, how it shows, and what that means for the reader, for each kind of evidence."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.diagnosis import diagnose
from monitor.core.drift import (
    ATTRIBUTES,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    FILTERS,
    HEADERS,
    TYPE,
    Comparison,
    Difference,
    ExportConfig,
    compare,
)
from monitor.core.faults import FAULTS, LOST, NOT_EXPORTED_FROM
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
from monitor.core.refine import GIVE_US_THE_KEY, TRIAGE, UNCHECKED
from monitor.core.state import Active, CheckState, LastLook, Policy, TargetState
from monitor.core.suspicions import drift
from monitor.core.trace import LabelJudgement
from tests.core.build import (
    ARRIVAL,
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
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
    expectation,
    manifest,
    policy,
    trace_id,
)
from tests.fakes.clock import START

NOW = START + 400.0
ARRIVED = {"outcome": Outcome.ARRIVED, "arrived_at": START + HOUR}
LATER = {"sent_at": START + HOUR, "answered_at": START + HOUR}


def holding(*suspicions: Suspicion, check: CheckName = CONFIG, **more: object) -> TargetState:
    """A target of which all this is confirmed since the start."""
    confirmed = {one.fault: Active(suspicion=one, since=START, confirmed_at=START + 60) for one in suspicions}
    return TargetState(target=PROD, check_states={check: CheckState(confirmed=confirmed)}, **more)  # type: ignore[arg-type]


def drifted(config: ExportConfig, **more: Any) -> TargetState:
    """The configuration differs since the start, as the check of the configuration says it."""
    memory = ConfigMemory(seen=ConfigSeen(config=config), changed_at=START, credential=POLICY.credential)
    return holding(drift(compare(expectation(), config)), config=memory, **more)


def diagnosed(state: TargetState, judge: Policy = POLICY) -> Diagnosis:
    """There must be something wrong."""
    found = diagnose(state, judge, NOW + HOUR)
    assert found is not None
    return found


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
    assert (found.title, found.impact) == (FAULTS[fault].title, FAULTS[fault].impact)
    assert found.summary == f"{found.title}. {fault.capitalize()} it is."
    assert found.since == START


# --- the configuration -----------------------------------------------------------------------------------------------


def test_an_export_that_is_stopped_says_since_when_traces_are_lost_once_one_is() -> None:
    """Before that only that none is exported."""
    off = holding(a_charge(F.EXPORTER_DISABLED, stops_export=True))
    assert diagnosed(off).impact == NOT_EXPORTED_FROM
    lost = a_canary(sent_at=START + 30, outcome=Outcome.MISSING)
    found = diagnosed(replace(off, canaries=(lost,)))
    assert (found.impact, found.missing_since) == (LOST, START + 30)


@pytest.mark.parametrize(
    ("config", "title"),
    [
        (manifest({ENDPOINT: "https://x.example"}), "Trace export points at the wrong URL"),
        (manifest({ENCODING: "json"}), "Trace export uses the wrong encoding"),
        (manifest(key=None), "Trace export sends no Authorization header"),
        (manifest(key="tl_ours"), "Trace export sends the wrong Authorization header"),
    ],
)
def test_a_drift_is_called_by_the_field_that_differs(config: ExportConfig, title: str) -> None:
    """What stops the export says so."""
    found = diagnosed(drifted(config))
    assert (found.title, found.impact) == (title, NOT_EXPORTED_FROM)


@pytest.mark.parametrize(
    ("path", "expected", "actual", "title"),
    [
        (f"{ATTRIBUTES}.team", "ml", "absent", "Trace export adds the wrong resource attributes"),
        (f"{HEADERS}.x-team", "absent", "masked", "Trace export sends an unexpected header"),
        (f"{HEADERS}.x-team", "fingerprint 00000000", "absent", "Trace export sends a wrong header"),
        (FILTERS, "absent", "x IN [y]", "Trace export has other filters than expected"),
        (TYPE, "http", "grpc", "Trace export uses the wrong protocol"),
    ],
)
def test_every_kind_of_field_has_a_title(path: str, expected: str, actual: str, title: str) -> None:
    """Also where nothing stops; the path in the manifest is among the facts."""
    found = drift(Comparison(differences=(Difference(path=path, expected=expected, actual=actual),)))
    assert (found.title, found.facts) == (title, (f"in the manifest: `{path}`",))


def test_another_key_takes_traces_somewhere_else() -> None:
    """Where, nobody knows yet: neither where they go nor that they are lost is claimed."""
    found = diagnosed(drifted(manifest(key=THEIRS)))
    assert found.title == "The exporter uses a different Traceloop key than the monitor"
    assert found.impact == (
        "Traces do not arrive in the expected environment from {since} on: Traceloop files them by the key. "
        "Requests are not affected."
    )


def test_another_key_names_the_environment_that_has_the_traces() -> None:
    """Once one of them is found there; one that went astray before says nothing of this key."""
    astray = a_canary(sent_at=START + 30, outcome=Outcome.MISSING, elsewhere="stg")
    found = diagnosed(drifted(manifest(key=THEIRS), canaries=(astray,)))
    assert found.title == "The exporter uses a different Traceloop key than the monitor: traces go to `stg`"
    assert found.impact == "Traces have gone to `stg` since {since} and are not lost. Requests are not affected."
    assert found.missing_since == START + 30
    before = replace(astray, sent_at=START - 1)
    assert diagnosed(drifted(manifest(key=THEIRS), canaries=(before,))).title == (
        "The exporter uses a different Traceloop key than the monitor"
    )


def test_a_key_that_was_probably_rotated_leaves_the_monitor_unable_to_check() -> None:
    """Its own key is refused: whether traces arrive is not known."""
    found = diagnosed(drifted(manifest(key=THEIRS), key_refused_at=START + 1))
    assert found.title == "The Traceloop key was probably rotated, and the monitor has the old one"
    assert found.impact == (
        "The monitor cannot read traces with its key, so whether they arrive has not been checked since {since}."
    )
    assert "Traceloop refuses the monitor's own key" in found.because
    assert found.advice == GIVE_US_THE_KEY


def test_a_key_that_the_monitor_was_given_since_is_not_called_the_old_one() -> None:
    """The next check of the configuration compares with it."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest(key=THEIRS)), changed_at=START, credential="before")
    found = diagnosed(replace(drifted(manifest(key=THEIRS)), config=memory))
    assert (found.severity, found.title) == (
        Severity.WARNING,
        "The monitor has a new Traceloop key, which has not been compared yet",
    )
    assert found.impact == (
        "The next check of the configuration shows whether the exporter has the same key. Requests are not affected."
    )
    assert (
        found.advice
        == "Wait for the next check of the export configuration: it compares the exporter's key with the new one."
    )


LEAKS = "Prompts and answers are stored in Traceloop from {since} on, although they must not be."


def test_content_that_is_not_excluded_leaks_and_no_trace_is_lost() -> None:
    """Critical, and nobody reads that the export stops."""
    found = diagnosed(drifted(manifest({EXCLUDE: None})))
    assert (found.severity, found.impact) == (Severity.CRITICAL, LEAKS)
    assert found.title == "Exclude request data is not set as expected"


def test_content_leaks_although_another_field_should_have_stopped_the_export() -> None:
    """Traces arrive all the same, with content."""
    config = manifest({EXCLUDE: None, ENDPOINT: "https://x.example"})
    assert diagnosed(drifted(config)).impact == NOT_EXPORTED_FROM
    arrived = tuple(a_canary(number, **LATER, **ARRIVED) for number in (1, 2))
    assert diagnosed(drifted(config, canaries=arrived)).impact == LEAKS


def test_an_exporter_that_is_off_while_traces_arrive_loses_none() -> None:
    """Since when is no matter: nothing is lost."""
    arrived = tuple(a_canary(number, **LATER, **ARRIVED) for number in (1, 2))
    memory = ConfigMemory(seen=ConfigSeen(config=OFF), changed_at=START)
    state = holding(a_charge(F.EXPORTER_DISABLED, stops_export=True), config=memory, canaries=arrived)
    found = diagnosed(state)
    assert found.severity is Severity.WARNING
    assert found.impact == "Traces still arrive, and requests are not affected."
    assert "Traces still arrive: there must be another export path" in found.because


def test_a_harmless_drift_says_that_traces_are_still_exported() -> None:
    """And since when the difference has existed."""
    found = diagnosed(drifted(manifest({"otel_metrics_exporter_config": "http https://api.traceloop.com"})))
    assert (found.title, found.impact) == ("Metrics are exported to Traceloop", FAULTS[F.CONFIG_DRIFT].impact)


# --- who changed it --------------------------------------------------------------------------------------------------


def test_who_changed_it_between_the_two_checks_that_differ_is_named() -> None:
    """With the time."""
    story = Story().config(by="ana", updated_at=START - HOUR).wait(MINUTE)
    story.config(OFF, by="bob", updated_at=START + 30)
    assert story.diagnosis.because[-1] == "Changed by bob at 2027-01-15 08:00 UTC"


@pytest.mark.parametrize("updated_at", [START - HOUR, START, None], ids=["before", "at the check", "not dated"])
def test_who_changed_it_before_a_check_that_passed_is_not_named(updated_at: float | None) -> None:
    """They have not made the difference; where no time is known that is not known either."""
    story = Story().config(by="ana", updated_at=START - HOUR).wait(MINUTE)
    story.config(OFF, by="bob", updated_at=updated_at)
    assert not any("bob" in line or "hanged" in line for line in story.diagnosis.because)


@pytest.mark.parametrize(
    ("updated_at", "by", "said"),
    [
        (START - HOUR, "bob", "Last changed by bob at 2027-01-15 07:00 UTC"),
        (None, "bob", "Last changed by bob"),
        (START - HOUR, None, "Last changed at 2027-01-15 07:00 UTC"),
        (None, None, None),
    ],
)
def test_where_no_check_has_passed_yet_it_is_the_last_change(
    updated_at: float | None, by: str | None, said: str | None
) -> None:
    """Whether it made the difference nobody can tell."""
    story = Story().config(OFF, by=by, updated_at=updated_at)
    assert [line for line in story.diagnosis.because if "hanged" in line] == ([said] if said is not None else [])


# --- Traceloop's key -------------------------------------------------------------------------------------------------


def test_a_refused_key_that_the_exporter_carries_too_loses_every_trace() -> None:
    """Known from the configuration."""
    found = Story().config().cannot_see(None, key_refused=True).diagnosis
    assert (found.title, found.impact) == ("Traceloop rejects the exporter's key", LOST)
    assert found.detail == "Traceloop's read API answers HTTP 401."
    assert "The exporter carries the same key" in found.because


def test_a_refused_key_may_be_the_monitors_alone() -> None:
    """Where the exporter's key is not shown nobody says that traces are lost."""
    story = Story().config(manifest(key="****")).cannot_see(None, key_refused=True).cannot_see(None, key_refused=True)
    found = story.diagnosis
    assert (found.title, found.impact) == (
        "Traceloop rejects the expected key",
        "If the exporter uses this key, every trace has been refused since {since}. Requests are not affected.",
    )


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


def late(*canaries: Canary) -> Diagnosis:
    """They are late since the start."""
    return diagnosed(holding(a_charge(F.TRACE_LATE), check=ARRIVAL, canaries=canaries))


def test_what_has_not_come_at_all_is_overdue() -> None:
    """And counts as lost after a while."""
    found = late(a_canary(1, late=True), a_canary(2, late=True))
    assert found.summary == "Traces are overdue. The last 2 have not arrived within 3 min."
    assert found.because[0] == "The last 2 have not arrived within 3 min"
    assert found.impact == (
        "Traces have been overdue since {since}, and count as lost after 5 min. Requests are not affected."
    )
    assert found.advice == "Check https://status.traceloop.com and the exporter's configuration."
    assert late(a_canary(1, late=True)).detail == "The last one has not arrived within 3 min."


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
    title = FAULTS[fault].title if all_of_them else INTERMITTENT[fault]
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
