"""The object that `check --format json` prints and `GET /api/v1/status` answers."""

import json
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Outcome
from monitor.core.faults import LOSSES
from monitor.core.incident import Losses
from monitor.core.model import CheckName, Fault, Severity, UnknownReason, Verdict
from monitor.core.state import Cadence, TargetState
from monitor.daemon.status import describe, describe_incident, describe_target, severity_of_failures, verdict_of
from tests.core.build import CADENCES, OFF, PROD, F, Story, a_canary, manifest, policy
from tests.fakes.clock import START
from tests.notifiers.notices import an_incident

C = CheckName
ONE_LOOK: dict[str, Any] = {"fail_after": 1, "pass_after": 1, "blind_after": 0.0}
TARGET_KEYS = [
    "verdict",
    "fault",
    "severity",
    "component",
    "also",
    "because",
    "advice",
    "caveats",
    "summary",
    "checks",
    "trace_id",
    "arrival_seconds",
    "last_arrival_at",
]


def healthy(**changes: Any) -> Story:
    """Every check has passed."""
    story = Story(policy=policy(**{**ONE_LOOK, **changes})).config().proven()
    story.passes(C.GATEWAY).passes(C.CONTROL)
    if not story.policy.enabled(C.ARRIVAL):
        return story
    canary = story.canary()
    return story.wait(1).arrives(canary)


def described(story: Story) -> dict[str, Any]:
    """The object of its target."""
    return describe_target(story.state, story.policy, story.now)


# --- shape -----------------------------------------------------------------------------------------------------------


def test_nothing_is_left_to_do_for_what_is_fixed_and_waits() -> None:
    """Page, API and `status` say so, as the messages do."""
    story = Story().config(OFF).wait(60).config()
    waits = "Nothing to do: the incident resolves by itself when traces arrive again."
    assert describe_target(story.state, story.policy, story.now)["advice"] == waits
    assert describe_incident(story.incident)["advice"] == waits
    assert describe_incident(story.incident)["waiting"] == "`exporter_disabled` fixed 08:01 UTC, waiting for traces"


def test_a_healthy_target_has_exactly_the_documented_shape() -> None:
    """These keys and these types, and nothing else: scripts depend on them."""
    story = healthy()
    report = json.loads(json.dumps(describe({PROD: (story.state, story.policy)}, story.now)))
    assert list(report) == ["verdict", "targets"]
    target = report["targets"]["prod"]
    assert sorted(target) == sorted(TARGET_KEYS)
    assert {**target, "checks": None} == {
        "verdict": "pass",
        "fault": None,
        "severity": None,
        "component": None,
        "also": [],
        "because": [],
        "advice": "",
        "caveats": [],
        "summary": "the traces arrive",
        "checks": None,
        "trace_id": f"{1:032x}",
        "arrival_seconds": 1.0,
        "last_arrival_at": max(canary.arrived_at or 0.0 for canary in story.state.canaries),
    }
    assert list(target["checks"]) == ["config", "gateway", "canary", "arrival", "control"]
    for check in target["checks"].values():
        assert list(check) == ["verdict", "fault", "summary", "evidence", "duration_seconds"]
        assert (check["verdict"], check["fault"]) == ("pass", None)
        assert isinstance(check["duration_seconds"], float)


def test_a_failing_target_has_the_same_shape() -> None:
    """With the name, the severity, the component, why we think so, and the next step."""
    story = healthy().config(manifest({"otel_traces_exporter_config.encoding": "json"}, key="Bearer ****"))
    target = described(story)
    assert sorted(target) == sorted(TARGET_KEYS)
    assert (target["verdict"], target["fault"], target["severity"], target["component"]) == (
        "fail",
        "config_drift",
        "critical",
        "config",
    )
    assert target["because"]
    assert target["advice"]
    assert target["summary"] == "The export configuration is not as expected. Config_drift it is."
    assert target["checks"]["config"]["fault"] == "config_drift"


def test_a_check_that_has_not_looked_says_so() -> None:
    """Unknown, without a duration."""
    target = described(Story())
    assert target["checks"]["config"] == {
        "verdict": "unknown",
        "fault": None,
        "summary": "has not run yet",
        "evidence": {},
        "duration_seconds": None,
    }
    assert target["verdict"] == "unknown"
    assert target["summary"] == "not known: config, gateway, canary, arrival, control"


def test_what_is_waited_for_is_named() -> None:
    """A trace that has not arrived, a test span that has not been read back."""
    story = Story()
    story.canary()
    story.control()
    checks = described(story)["checks"]
    assert checks["arrival"]["summary"] == "the trace has not arrived yet"
    assert checks["control"]["summary"] == "a test span was accepted and has not been read back yet"


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        (C.GATEWAY, F.GATEWAY_UNREACHABLE),
        (C.CANARY, F.GATEWAY_REFUSED),
        (C.CANARY, F.RATE_LIMITED),
        (C.CANARY, F.CANARY_REJECTED),
        (C.CANARY, F.PROVIDER_FAILING),
    ],
)
def test_without_a_canary_no_trace_can_arrive(check: CheckName, fault: Fault) -> None:
    """Only of `arrival` is that the reason."""
    story = Story(policy=policy(**ONE_LOOK)).fails(check, fault)
    checks = described(story)["checks"]
    assert checks["arrival"]["summary"] == "no trace could be created"
    assert checks["control"]["summary"] == "has not run yet"


def test_an_unknown_look_says_why() -> None:
    """The reason is evidence: a word of a closed list."""
    story = healthy().is_blind(C.CONFIG, UnknownReason.REFUSED)
    config = described(story)["checks"]["config"]
    assert (config["verdict"], config["fault"], config["evidence"]) == ("unknown", "blind", {"reason": "refused"})


def test_disabled_checks_are_not_there() -> None:
    """Nobody looks, nobody says anything."""
    story = healthy(without=(C.CONFIG, C.CONTROL))
    assert set(described(story)["checks"]) == {"gateway", "canary", "arrival"}


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [F.BLIND, F.CHECK_FAILED])
def test_what_is_wrong_with_the_monitor_itself_is_unknown(fault: Fault) -> None:
    """A target fails only by a fault of the gateway's, its provider's, or Traceloop's."""
    story = healthy()
    reason = UnknownReason.UNREACHABLE if fault is F.BLIND else UnknownReason.CRASHED
    story.is_blind(C.CONFIG, reason)
    assert set(story.state.confirmed) == {fault}
    target = described(story)
    assert (target["verdict"], target["fault"], target["severity"]) == ("unknown", fault.value, "warning")


def test_a_confirmed_fault_outranks_a_blind_check() -> None:
    """It fails, whatever else cannot be seen."""
    story = healthy().is_blind(C.CONFIG).fails(C.GATEWAY, F.GATEWAY_UNREACHABLE)
    target = described(story)
    assert (target["verdict"], target["fault"]) == ("fail", "gateway_unreachable")


def test_a_failure_that_is_not_settled_is_unknown() -> None:
    """In the daemon one look is not enough."""
    story = healthy(fail_after=2).fails(C.GATEWAY, F.GATEWAY_UNREACHABLE)
    assert verdict_of(story.state, story.policy) is Verdict.UNKNOWN
    assert described(story)["checks"]["gateway"]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [(UnknownReason.NOTHING_TO_JUDGE, Verdict.PASS), (UnknownReason.UNPROVEN, Verdict.UNKNOWN)],
)
def test_a_quiet_night_makes_nothing_unknown_that_the_canaries_prove(reason: UnknownReason, verdict: Verdict) -> None:
    """Of the volume check alone: a count that cannot be believed is another matter."""
    cadences = {**CADENCES, C.VOLUME: Cadence(every=900.0, every_while_failing=900.0, deadline=60.0)}
    story = healthy(cadences=cadences, blind_after=3600.0).is_blind(C.VOLUME, reason)
    assert verdict_of(story.state, story.policy) is verdict


def test_a_check_that_is_switched_off_is_not_missed() -> None:
    """Only what is enabled counts."""
    story = Story(policy=policy(without=tuple(set(C) - {C.GATEWAY}))).passes(C.GATEWAY)
    assert verdict_of(story.state, story.policy) is Verdict.PASS
    assert described(story)["summary"] == "healthy, as far as gateway can see"


def test_where_nothing_is_looked_at_nothing_is_known() -> None:
    """No check, no pass."""
    assert verdict_of(TargetState(target=PROD), policy(cadences={})) is Verdict.UNKNOWN


def test_a_fault_whose_severity_is_none_still_fails() -> None:
    """By `alerting.severity: none` nobody is notified of it; the object names it all the same."""
    story = healthy(severity={F.PROVIDER_FAILING: Severity.NONE}).fails(C.CANARY, F.PROVIDER_FAILING)
    assert story.state.incident is None
    target = described(story)
    assert sorted(target) == sorted(TARGET_KEYS)
    assert (target["verdict"], target["fault"], target["severity"]) == ("fail", "provider_failing", "none")
    assert target["summary"] == "The model provider is failing"
    assert target["because"][-1] == "its severity is set to none: nobody is notified"


def test_a_loss_whose_severity_is_none_has_the_name_of_its_hop() -> None:
    """The name by which it would have been reported."""
    story = healthy(severity=dict.fromkeys({*LOSSES, F.TRACE_LATE}, Severity.NONE))
    lost = story.canary()
    story.wait(60).control_seen(story.control(), shown=True)
    story.wait(300).see(lost).origin(lost, found=True)
    assert story.state.incident is None
    target = described(story)
    assert (target["verdict"], target["fault"], target["severity"]) == ("fail", "export_failing", "none")
    assert target["summary"].startswith("Traces are lost between TrueFoundry and Traceloop")


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        (["pass", "pass"], "pass"),
        (["pass", "unknown"], "unknown"),
        (["unknown", "fail"], "fail"),
        (["fail", "pass"], "fail"),
        ([], "unknown"),
    ],
)
def test_the_worst_target_is_the_verdict_of_all(verdicts: list[str], overall: str) -> None:
    """Fail, else unknown, else pass; of no target at all (a second daemon that waits for the state file) nothing is known."""
    made = {"pass": healthy(), "unknown": Story(), "fail": healthy().fails(C.GATEWAY, F.GATEWAY_UNREACHABLE)}
    states = {str(place): (made[name].state, made[name].policy) for place, name in enumerate(verdicts)}
    assert describe(states, START + 10)["verdict"] == overall


def test_only_targets_that_fail_have_a_severity_that_counts() -> None:
    """A blind one is a warning, and no failure."""

    def target(verdict: str, severity: str | None) -> dict[str, Any]:
        return {"verdict": verdict, "severity": severity}

    assert severity_of_failures({"targets": {"a": target("unknown", "warning"), "b": target("pass", None)}}) is None
    both = {"targets": {"a": target("fail", "warning"), "b": target("fail", "critical")}}
    assert severity_of_failures(both) is Severity.CRITICAL
    muted = {"targets": {"a": target("fail", "none"), "b": target("unknown", "warning")}}
    assert severity_of_failures(muted) is Severity.NONE


def test_a_check_that_has_failed_ever_since_keeps_mentions_back_and_says_so() -> None:
    """Of a running daemon; a single look mentions nobody anyway."""
    story = Story(policy()).fails(C.CONFIG, F.CONFIG_DRIFT, conclusive=True).passes(C.GATEWAY)
    assert describe_target(story.state, story.policy, story.now, live=True)["mentions_wait_for"] == ["config"]
    assert "mentions_wait_for" not in describe_target(story.state, story.policy, story.now)
    story.passes(C.CONFIG, conclusive=True)
    assert describe_target(story.state, story.policy, story.now, live=True)["mentions_wait_for"] == []


# --- the newest trace ------------------------------------------------------------------------------------------------


def test_the_trace_shown_is_the_newest_that_is_judged() -> None:
    """One that is still awaited says nothing yet, unless there is no other."""
    judged = a_canary(1, outcome=Outcome.ARRIVED, arrived_at=START + 4.25, judged_at=START + 6)
    waiting = a_canary(2, sent_at=START + 60, answered_at=START + 61)
    unanswered = a_canary(3, sent_at=START + 70, answered_at=None)
    state = TargetState(target=PROD, canaries=(judged, waiting, unanswered))
    target = describe_target(state, policy(), START + 80)
    assert (target["trace_id"], target["arrival_seconds"]) == (judged.trace_id, 4.25)
    target = describe_target(replace(state, canaries=(waiting, unanswered)), policy(), START + 80)
    assert (target["trace_id"], target["arrival_seconds"]) == (waiting.trace_id, None)


# --- incidents -------------------------------------------------------------------------------------------------------


def test_an_incident_is_described_whole() -> None:
    """What the API and `trace-monitor incidents` show."""
    open_one = describe_incident(an_incident())
    assert (open_one["open"], open_one["closed_at"], open_one["losses"]) == (True, None, None)
    assert (open_one["fault"], open_one["severity"]) == ("exporter_disabled", "critical")
    assert json.loads(json.dumps(open_one)) == open_one
    over = describe_incident(an_incident(closed_at=START + 900, losses=Losses(sent=3, lost=1), acked_by="ana"))
    assert (over["open"], over["acknowledged_by"]) == (False, "ana")
    assert over["losses"] == "3 canaries: 2 arrived in time, 1 lost"
