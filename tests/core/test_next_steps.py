"""The next step is one concrete thing to do: where the evidence names the field, the key or the place, so does the step."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

import monitor.core
from monitor.core.canary import ControlSpan, Outcome
from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ENDPOINT, EXCLUDE, HEADERS, METRICS, TYPE, Filter, SameSecret, compare
from monitor.core.faults import LOSSES
from monitor.core.model import Fault, Suspicion, UnknownReason, unknown
from monitor.core.path import TRIAGE
from monitor.core.state import Active, CheckState, Policy, TargetState
from monitor.core.suspicions import drift, gone, off, step_for_rejection, step_for_silence
from monitor.core.trace import LabelJudgement
from tests.core.build import (
    CONFIG,
    GATEWAY,
    POLICY,
    PROD,
    ROWS,
    THEIRS,
    F,
    Story,
    a_canary,
    a_charge,
    expectation,
    in_words,
    manifest,
    policy,
    spans,
    trace_id,
)
from tests.fakes.clock import START

EXPECTED = expectation()
ALL_FIELDS = "in AI Gateway → Controls → Settings → OTEL Config. `trace-monitor expected` prints every field."


def holding(suspicion: Suspicion, **more: object) -> TargetState:
    """A target of which this is confirmed."""
    active = Active(suspicion=suspicion, since=START, confirmed_at=START)
    return TargetState(target=PROD, check_states={CONFIG: CheckState(confirmed={suspicion.fault: active})}, **more)  # type: ignore[arg-type]


def advised(state: TargetState, judge: Policy = POLICY) -> str:
    """The next step of what is confirmed."""
    diagnosis = diagnose(state, judge, START + 400)
    assert diagnosis is not None
    return diagnosis.advice


# --- the configuration -----------------------------------------------------------------------------------------------


def test_a_drift_names_the_field_to_set_back_and_the_value_that_it_should_have() -> None:
    """One field: no need to look at the differences first."""
    found = drift(compare(EXPECTED, manifest({ENDPOINT: "https://elsewhere.example"})))
    assert advised(holding(found)) == f"Set Endpoint back to `https://api.traceloop.com/v1/traces`, {ALL_FIELDS}"
    assert found.facts == (f"in the manifest: `{ENDPOINT}`",)


def test_of_several_fields_the_step_names_one_that_stops_the_export() -> None:
    """And how many more there are."""
    found = drift(compare(EXPECTED, manifest({EXCLUDE: None, TYPE: "grpc"})))
    assert found.step == f"Set Protocol back to `http`, and 1 more that differs, {ALL_FIELDS}"
    assert found.summary == "Protocol is `grpc`, should be `http` (and 1 more)"
    assert found.facts == (
        "Exclude request data is not set, should be `true`",
        f"in the manifest: `{TYPE}`, `{EXCLUDE}`",
    )


def test_a_key_to_set_back_is_named_by_where_it_is() -> None:
    """Neither by its value, nor by a fingerprint, which nobody can set."""
    step = in_words(drift(compare(EXPECTED, manifest(key=THEIRS))).step)
    assert (
        step
        == f"Set Headers → Authorization to `Bearer KEY`, with the Traceloop key that the monitor has, {ALL_FIELDS}"
    )
    other = f"{HEADERS}.x-tenant"
    expected = replace(EXPECTED, rules={**EXPECTED.rules, other: SameSecret("a1b2c3d4")})
    assert (
        drift(compare(expected, manifest())).step
        == f"Set Headers → X-Tenant back to the value in `expected.headers`, {ALL_FIELDS}"
    )


def test_what_nobody_expects_is_to_be_removed() -> None:
    """There is no value to set it back to; and there may be several filters, so that a filter is named in full."""
    filtered = manifest(filters=(Filter(key="tfy.span_type", values=("Embedding",)),))
    assert drift(compare(EXPECTED, filtered)).step == f"Remove the filter `tfy.span_type IN [Embedding]`, {ALL_FIELDS}"


def test_a_filter_that_is_gone_is_to_be_added_again() -> None:
    """By its key and its values: it has no name."""
    expected = replace(EXPECTED, filters=(Filter(key="tfy.span_type", values=("ChatCompletion",)),))
    assert drift(compare(expected, manifest())).step == (
        f"Add the filter `tfy.span_type IN [ChatCompletion]` again, {ALL_FIELDS}"
    )


def test_a_metrics_exporter_is_to_be_switched_off() -> None:
    """It is a switch of the form."""
    assert (
        drift(compare(EXPECTED, manifest({METRICS: "http"}))).step == f"Switch off the metrics exporter, {ALL_FIELDS}"
    )


def test_a_rotated_key_is_to_be_given_to_the_monitor() -> None:
    """To set the exporter's header back would break what works."""
    story = Story().key_tried(accepted=False).wait(1).config(manifest(key=THEIRS))
    assert story.diagnosis.advice.startswith(
        "Give the monitor the key that the exporter carries now (`traceloop.api_key`)."
    )


def test_a_configuration_that_is_gone_is_to_be_created_again() -> None:
    """There is nothing to switch on."""
    assert advised(holding(gone("404"))).startswith(
        "Create it again in AI Gateway → Controls → Settings → OTEL Config."
    )
    assert advised(holding(off())) == f"Switch on the traces exporter {ALL_FIELDS}"


# --- Traceloop -------------------------------------------------------------------------------------------------------


def test_a_refused_key_says_whose_key_it_is() -> None:
    """Known to be the gateway's too, or to be looked up first."""
    known = Story().config().cannot_see(None, key_refused=True)
    assert "both hold the refused one" in known.diagnosis.advice
    masked = Story().config(manifest(key="****")).cannot_see(None, key_refused=True).cannot_see(None, key_refused=True)
    assert "If the exporter has the new one, give it to the monitor (`traceloop.api_key`)" in masked.diagnosis.advice


def test_a_wrong_environment_is_named_with_the_right_one() -> None:
    """As far as both are known."""
    known = Story(policy=policy(environment="prd"))
    known.elsewhere(known.canary())
    assert known.diagnosis.advice == (
        "Put the key of `prd` into the exporter's Authorization header: it holds the key of `stg`."
    )
    assert known.diagnosis.title == "Traces go to `stg` instead of `prd`"
    unknown = Story()
    unknown.elsewhere(unknown.canary())
    assert unknown.diagnosis.advice == ROWS[F.WRONG_ENVIRONMENT].advice
    ours = Story(policy=policy(environment="dev"))
    canary = ours.canary()
    ours.arrives(canary, tuple(replace(span, environment="stg") for span in spans(1)))
    assert ours.diagnosis.advice == (
        "Put a key of `dev` into the exporter's Authorization header and into the monitor; or, if `stg` is right, "
        "set `traceloop.environment` to it."
    )
    assert "The monitor's own key shows it there, so it is a key of `stg` too" in ours.diagnosis.because
    forgotten = holding(a_charge(F.WRONG_ENVIRONMENT))
    assert advised(forgotten, policy(environment="prd")) == ROWS[F.WRONG_ENVIRONMENT].advice


# --- the gateway -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "step"),
    [
        ({"status": 200, "cached": True}, "Exempt the canary from the gateway's cache"),
        (
            {"status": 400, "guardrails": ("a/b", "c")},
            "Exempt the canary's account from the guardrail a/b, c, or change",
        ),
        ({"status": 200}, "Check `gateway.url`: what answers there is no gateway that serves chat completions."),
        ({"status": 302}, "Check `gateway.url`: what answers there redirects, as a login page or a proxy does."),
        (
            {"status": 400},
            "Change `checks.canary` (`parameters`, `max_tokens`, `prompt`) as the gateway's answer says.",
        ),
        ({"status": 403}, "Grant the model `m` to the canary's account, or change `gateway.model`."),
        ({"status": 404}, "Grant the model `m` to the canary's account, or change `gateway.model`."),
    ],
)
def test_a_rejected_canary_says_what_to_grant_or_exempt(shown: dict[str, object], step: str) -> None:
    """The model, the guardrail, the cache, the address, the parameters."""
    assert step_for_rejection(model="m", **shown).startswith(step)  # type: ignore[arg-type]


def test_a_rejection_that_shows_nothing_special_has_no_step_of_its_own() -> None:
    """The table's says what to check."""
    assert step_for_rejection(status=409, model="m") == ""
    assert step_for_rejection(status=403, model="") == ""


@pytest.mark.parametrize("kind", ["dns", "tls", "connect", "timeout"])
def test_a_gateway_that_gives_no_answer_says_where_the_request_ended(kind: str) -> None:
    """Name, certificate, network, or what is behind it."""
    steps = {step_for_silence(other) for other in ("dns", "tls", "connect", "timeout")}
    assert len(steps) == 4
    assert step_for_silence(kind).endswith(".")
    assert step_for_silence("protocol") == ""


# --- traces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answers", "place"), TRIAGE.items(), ids=str)
def test_a_loss_has_the_step_of_its_place(answers: tuple[bool | None, bool | None], place: object) -> None:
    """Where the two answers name a better one than the table."""
    own, shown = answers
    canary = a_canary(outcome=Outcome.MISSING, judged_at=START + 300, origin=own)
    control = ControlSpan(
        trace_id=trace_id(9), sent_at=START + 61, accepted=True, shown_at=START + 65 if shown else None, judged=True
    )
    state = holding(
        a_charge(F.TRACE_MISSING),
        canaries=(canary,),
        controls=() if shown is None else (control,),
        proofs={"own_store:": START},
    )
    found = TRIAGE[answers]
    assert found is place
    assert advised(state) == (in_words(found.step) or ROWS[found.fault].advice)


# --- content that leaks ----------------------------------------------------------------------------------------------


def test_content_that_leaks_although_it_is_excluded_is_not_mended_by_excluding_it() -> None:
    """What is set already is no next step; where it is not set, or the evidence has a step of its own, nothing changes."""
    leak = a_charge(F.CONTENT_LEAKED)

    def step(*, value: bool | None, suspicion: Suspicion = leak) -> str:
        config = manifest({EXCLUDE: value}) if value is not None else None
        memory = ConfigMemory(seen=ConfigSeen(config=config)) if config is not None else None
        return advised(holding(suspicion, config=memory))

    assert step(value=True).startswith("`exclude_request_data` is already true and does not cover these attributes")
    for other in (step(value=False), step(value=None)):
        assert other.startswith("Set `exclude_request_data: true` on the traces exporter")
    assert step(value=True, suspicion=replace(leak, step="Revoke it.")) == "Revoke it."


def test_content_that_leaked_before_it_was_excluded_is_waited_for() -> None:
    """The gateway may use its old settings for some minutes: nobody is told to switch the exporter off meanwhile."""
    memory = ConfigMemory(seen=ConfigSeen(config=manifest({EXCLUDE: True})), changed_at=START)
    leaking = LabelJudgement(leaked=("prompt",))
    for sent, said in ((200, "is true now: wait for the next traces"), (400, "is already true and does not cover")):
        canary = a_canary(1, labels=leaking, sent_at=START + sent)
        state = holding(a_charge(F.CONTENT_LEAKED), config=memory, canaries=(canary,))
        assert said in advised(state)
    assert "wait for the next traces" in advised(holding(a_charge(F.CONTENT_LEAKED), config=memory))


# --- the monitor -----------------------------------------------------------------------------------------------------

WORDS = {
    UnknownReason.NO_WITNESS: "the monitor's own network",
    UnknownReason.BLOCKED: "Allow the monitor's requests at what is in front of the service",
    UnknownReason.UNREACHABLE: "the network from the monitor to that service",
    UnknownReason.SHORTAGE: "what it is out of",
    UnknownReason.REFUSED: "Give the monitor a valid credential",
    UnknownReason.GARBLED: "another form than documented",
    UnknownReason.UNPROVEN: "Check `control`: until Traceloop has shown one test span",
}


@pytest.mark.parametrize("reason", list(WORDS))
def test_a_blind_monitor_says_what_keeps_it_from_checking(reason: UnknownReason) -> None:
    """Its network, its credential, something in between, or an answer that it does not understand."""
    story = Story(policy=policy(blind_after=0.0)).is_blind(GATEWAY, reason)
    assert WORDS[reason] in story.diagnosis.advice


def test_what_only_a_person_can_fix_is_a_permission() -> None:
    """Whatever the reason is called."""
    story = Story(policy=policy(blind_after=0.0)).is_blind(CONFIG, UnknownReason.REFUSED, permanent=True)
    assert story.diagnosis.advice == "Grant the monitor's token the permission that it lacks. There are no reminders."


def test_a_check_that_knows_why_it_is_unknown_says_what_to_do() -> None:
    """A service that answers 500 is not helped by checking DNS."""
    story = Story(policy=policy(blind_after=0.0))
    story.look(GATEWAY, unknown("HTTP 500", UnknownReason.UNREACHABLE, step="It is failing. See its status page."))
    assert story.diagnosis.advice == "It is failing. See its status page."


def test_a_blind_monitor_says_what_it_cannot_check() -> None:
    """And not for how long: the command `check` takes seconds, and one unknown result is enough."""
    story = Story(policy=policy(blind_after=0.0)).is_blind(GATEWAY)
    assert story.diagnosis.summary == "The monitor cannot see whether the gateway answers. Cannot look: unreachable."


def test_a_check_that_did_not_end_left_no_traceback_to_report() -> None:
    """It crashed, or it did not end: which of both is known."""
    late, crashed = (
        Story().is_blind(GATEWAY, reason).is_blind(GATEWAY, reason)
        for reason in (UnknownReason.TIMEOUT, UnknownReason.CRASHED)
    )
    assert late.name is crashed.name is F.CHECK_FAILED
    assert "CPU" in late.diagnosis.advice
    assert "traceback" not in late.diagnosis.advice
    assert "traceback" in crashed.diagnosis.advice


# --- every fault -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [fault for fault in ROWS if fault not in LOSSES - {F.TRACE_MISSING}])
def test_what_a_check_knows_better_is_said_in_place_of_the_table(fault: Fault) -> None:
    """A suspicion may bring a step along; older ones, that were stored without, have the table's."""
    assert advised(holding(a_charge(fault, step="Do this."))) == "Do this."
    assert advised(holding(a_charge(fault))) == ROWS[fault].advice


def _said(source: str) -> list[str]:
    """Every text of a module that is a value, and not a docstring."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


@pytest.mark.parametrize("path", sorted(Path(monitor.core.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_no_sentence_points_below_where_something_else_may_stand(path: Path) -> None:
    """The same sentence is read in Slack, on the page, in a table, in JSON: what stands below it differs."""
    assert not [text for text in _said(path.read_text()) if re.search(r"\b(?:below|above)\b", text)]
