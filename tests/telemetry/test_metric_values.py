"""What each metric says: gauges are made from the state, counters and histograms from what happens."""

import math
from dataclasses import replace

import pytest

from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.events import (
    CanaryReturned,
    Checked,
    IncidentChanged,
    Reloaded,
    RemoteAnswered,
    RunSkipped,
    TraceJudged,
)
from monitor.core.incident import NEVER, Notified, Reason
from monitor.core.model import (
    CheckName,
    Fault,
    Service,
    Severity,
    Suspicion,
    TraceId,
    Verdict,
    failing,
)
from monitor.core.silence import Silence
from monitor.core.state import Active, Budget, CheckState
from tests.core.build import a_canary
from tests.fakes.clock import START
from tests.telemetry.scraped import PROD, Scraped, a_notice, a_result, a_target, an_incident, filled


def test_a_heartbeat_shows_whether_it_fails_and_when_it_was_last_taken() -> None:
    """And nothing where there is none, or before the first."""
    page = Scraped()
    assert page.samples("heartbeat_failing") == {}
    page.view = replace(page.view, heartbeat_failing=True)
    assert page.value("heartbeat_failing") == 1
    assert page.samples("heartbeat_last_success_timestamp_seconds") == {}
    page.view = replace(page.view, heartbeat_failing=False, heartbeat_delivered_at=START + 60)
    assert page.value("heartbeat_failing") == 0
    assert page.value("heartbeat_last_success_timestamp_seconds") == START + 60


def test_the_last_result_decides_the_verdict() -> None:
    """One of three is 1; before the first result none is."""
    page = Scraped()
    assert set(page.samples("check_verdict").values()) == {0.0}
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_result(Verdict.FAIL))}))
    assert page.value("check_verdict", "config", "fail") == 1
    assert sum(page.samples("check_verdict").values()) == 1


def test_how_old_a_result_may_be_is_shown_for_every_enabled_check() -> None:
    """Three intervals and the deadline, as the page and the heartbeat judge it; nothing before there is a policy."""
    page = Scraped()
    assert page.samples("check_stale_after_seconds") == {(check.value,): 3 * 60 + 15 for check in CheckName}
    page.view = replace(page.view, policies={})
    assert page.samples("check_stale_after_seconds") == {}


def test_a_check_is_counted_and_timed() -> None:
    """By target, check and verdict."""
    page = Scraped()
    checked = Checked(
        target=PROD,
        check=CheckName.CANARY,
        at=START,
        took=0.7,
        result=failing(Suspicion(fault=Fault.PROVIDER_FAILING, summary="")),
    )
    page.listen(checked, checked)
    assert page.value("checks_total", "canary", "fail") == 2
    assert page.value("check_duration_seconds_sum", "canary") == pytest.approx(1.4)
    assert page.value("check_duration_seconds_bucket", "canary", "1.0") == 2
    assert page.value("check_duration_seconds_bucket", "canary", "0.5") == 0


def test_the_last_run_counts_from_the_start_of_the_process() -> None:
    """So `time() - x` means something at once, and a run before the restart does not make the check seem stuck."""
    page = Scraped()
    assert page.value("check_last_run_timestamp_seconds", "config") == START
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_result(Verdict.PASS, at=START - 500))}))
    assert page.value("check_last_run_timestamp_seconds", "config") == START
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_result(Verdict.PASS, at=START + 60))}))
    assert page.value("check_last_run_timestamp_seconds", "config") == START + 60


def test_the_last_pass_is_absent_until_the_first_and_survives_a_restart() -> None:
    """A pass that was never seen has no time."""
    page = Scraped()
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last_pass_at=START - 500)}))
    assert page.samples("check_last_pass_timestamp_seconds") == {("config",): START - 500}


def test_confirmed_faults_severity_and_incident_come_from_the_state() -> None:
    """Every confirmed fault is 1, explained or not; the severity is the incident's."""
    confirmed = {
        fault: Active(suspicion=Suspicion(fault=fault, summary=""), since=START, confirmed_at=START)
        for fault in (Fault.EXPORTER_DISABLED, Fault.TRACE_LATE)
    }
    page = Scraped()
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(confirmed=confirmed)}, incidents=(an_incident(),)))
    assert {labels[0] for labels, value in page.samples("fault_active").items() if value} == {
        "exporter_disabled",
        "trace_late",
    }
    assert page.value("target_severity") == 2
    assert page.value("incident_open") == 1
    page.set(a_target(incidents=(an_incident(closed_at=START + 60),)))
    assert (page.value("target_severity"), page.value("incident_open")) == (0, 0)


def test_a_confirmed_fault_has_the_name_that_the_incident_says() -> None:
    """A loss is called by the hop that lost it, also where nobody is notified of it."""
    suspicion = Suspicion(fault=Fault.TRACE_MISSING, summary="", stops_export=True)
    active = Active(suspicion=suspicion, since=START, confirmed_at=START + 300)
    lost = a_canary(outcome=Outcome.MISSING, judged_at=START + 300, origin=True)
    control = ControlSpan(
        trace_id=TraceId("c" * 32), sent_at=START + 60, accepted=True, shown_at=START + 65, judged=True
    )
    page = Scraped()
    page.set(
        a_target(
            check_states={CheckName.ARRIVAL: CheckState(confirmed={Fault.TRACE_MISSING: active})},
            canaries=(lost,),
            controls=(control,),
            proofs={"own_store:": START},
        )
    )
    assert [labels for labels, value in page.samples("fault_active").items() if value] == [("export_failing",)]


def test_incidents_are_counted_when_they_open() -> None:
    """A change of name, a reminder, a resolve are none."""
    page = Scraped()
    for reason in Reason:
        page.listen(
            IncidentChanged(
                target=PROD, at=START, id="i", reason=reason, fault=Fault.BLIND, severity=Severity.WARNING, summary=""
            )
        )
    assert page.value("incidents_total") == 1


def test_a_silence_counts_for_the_name_of_the_incident() -> None:
    """With an incident open, one of another fault is none; without, any is."""
    page = Scraped()
    other = Silence(id="s", target="pr*", fault=Fault.BLIND, ends_at=START + 60)
    page.set(a_target(), silences=(other,))
    assert page.value("silence_active") == 1
    page.set(a_target(incidents=(an_incident(),)), silences=(other,))
    assert page.value("silence_active") == 0
    page.set(a_target(incidents=(an_incident(),)), silences=(replace(other, fault=None),))
    assert page.value("silence_active") == 1
    page.clock.jump(61)
    assert page.value("silence_active") == 0


def test_differences_are_nan_while_the_configuration_is_unreadable() -> None:
    """Zero would say that nothing differs."""
    page = Scraped()
    assert math.isnan(page.value("config_differences") or 0.0)
    for verdict, expected in ((Verdict.PASS, 0), (Verdict.FAIL, 3)):
        page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_result(verdict, differences=expected))}))
        assert page.value("config_differences") == expected
    page.set(a_target(check_states={CheckName.CONFIG: CheckState(last=a_result(Verdict.UNKNOWN, differences=3))}))
    assert math.isnan(page.value("config_differences") or 0.0)


def test_the_share_of_real_requests_is_nan_unless_a_count_was_believed() -> None:
    """A count that is unknown may be of something else; what was counted stands in its evidence all the same."""
    page = Scraped()
    for verdict, expected in ((Verdict.PASS, 0.97), (Verdict.FAIL, 0.4)):
        page.set(a_target(check_states={CheckName.VOLUME: CheckState(last=a_result(verdict, ratio=expected))}))
        assert page.value("volume_ratio") == expected
    page.set(a_target(check_states={CheckName.VOLUME: CheckState(last=a_result(Verdict.UNKNOWN, ratio=0.4))}))
    assert math.isnan(page.value("volume_ratio") or 0.0)


def test_a_canary_is_timed_and_its_tokens_are_counted() -> None:
    """Duration as a histogram, the last one's phases as gauges, tokens by kind."""
    page = Scraped()
    page.set(a_target(phases={"connect": 0.01, "tls": 0.02}))
    page.listen(CanaryReturned(target=PROD, at=START, took=0.4, input_tokens=11, output_tokens=5))
    assert page.value("canary_duration_seconds_count") == 1
    assert page.samples("canary_tokens_total") == {("input",): 11, ("output",): 5}
    phases = page.samples("canary_phase_seconds")
    assert (phases["connect",], phases["tls",]) == (0.01, 0.02)
    assert math.isnan(phases["resolve",])
    assert len(phases) == 5


def test_the_budget_is_what_is_left_of_the_scarcer() -> None:
    """Canaries and tokens of this UTC day."""
    page = Scraped()
    today = int(START // 86_400)
    page.set(a_target(budget=Budget(day=today, sent=10, input_tokens=300, output_tokens=100)))
    assert page.value("canary_budget_remaining_ratio") == pytest.approx(0.6)
    page.clock.jump(86_400)
    assert page.value("canary_budget_remaining_ratio") == 1


def test_traces_are_counted_by_outcome_and_pending_ones_are_awaited() -> None:
    """Arrival times go into the histogram where they are known."""
    page = Scraped()
    canary = Canary(id="c", sent_at=START, sent_id=TraceId("a"), span_id="s", nonce="n")
    answered = replace(canary, answered_at=START)
    page.set(a_target(canaries=(canary, answered, answered, replace(answered, outcome=Outcome.ARRIVED))))
    assert page.value("traces_pending") == 2
    for outcome, seconds in ((Outcome.ARRIVED, 8.0), (Outcome.LATE, 200.0), (Outcome.MISSING, None)):
        page.listen(TraceJudged(target=PROD, at=START, trace_id="ab" * 16, outcome=outcome, arrival_seconds=seconds))
    assert page.value("traces_total", "late") == 1
    assert page.value("traces_total", "missing") == 1
    assert page.value("trace_arrival_seconds_count") == 2
    assert page.value("trace_arrival_seconds_bucket", "10.0") == 1


def test_expiries_are_shown_where_they_are_known() -> None:
    """Of certificates that were seen, and of tokens that say when they expire."""
    page = filled()
    assert page.samples("certificate_expiry_timestamp_seconds") == {("gateway",): START + 86_400}
    assert page.samples("token_expiry_timestamp_seconds") == {("gateway",): START + 86_400}


def test_requests_are_counted_by_service_and_outcome() -> None:
    """Outcomes are a closed list: a new word makes no new series."""
    page = Scraped()
    page.listen(
        RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="timeout"),
        RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="https://example.com/?token=1"),
    )
    assert page.value("remote_requests_total", "timeout", "gateway") == 1
    assert sum(page.samples("remote_requests_total").values()) == 1


def test_notices_are_counted_and_the_last_success_is_dated() -> None:
    """By notifier, reason and outcome; nobody unknown, no unknown outcome."""
    page = Scraped()
    page.view = replace(page.view, notices_pending={"slack": 3}, refused={"slack": ("C0GONE",), "unknown": ("C1",)})
    page.listen(a_notice("failed"), a_notice("sent"), a_notice("sent", notifier="nobody"), a_notice("perhaps"))
    assert page.value("notices_total", "slack", "failed", "opened") == 1
    assert sum(page.samples("notices_total").values()) == 2
    assert page.samples("notices_pending") == {("slack",): 3}
    assert page.samples("notices_refused") == {("slack", "C0GONE"): 1}
    assert page.value("notice_last_success_timestamp_seconds", "slack") == START + 5


def test_the_last_success_survives_a_restart() -> None:
    """It is read from what the notifier was notified of."""
    page = Scraped()
    notified = Notified(reason=Reason.OPENED, fault=Fault.BLIND, severity=Severity.WARNING, at=START - 60)
    page.set(a_target(incidents=(an_incident(slack=notified),)))
    assert page.value("notice_last_success_timestamp_seconds", "slack") == START - 60


def test_what_was_passed_over_is_no_success() -> None:
    """A silence covered it: nothing was sent, so nothing is proven."""
    page = Scraped()
    notified = Notified(reason=Reason.RESOLVED, fault=Fault.BLIND, severity=Severity.WARNING, at=NEVER, closed=True)
    page.set(a_target(incidents=(an_incident(slack=notified),)))
    assert page.samples("notice_last_success_timestamp_seconds") == {}


def test_skipped_runs_are_counted_by_reason() -> None:
    """A closed list."""
    page = Scraped()
    page.listen(RunSkipped(name="config:prod", reason="overlap"), RunSkipped(name="config:prod", reason="mood"))
    assert page.samples("scheduler_skipped_total") == {("overlap",): 1}


def test_a_refused_reload_leaves_the_time_of_the_last_good_one() -> None:
    """1 and the start of the process before the first reload."""
    page = Scraped()
    assert (page.value("reload_successful"), page.value("reload_success_timestamp_seconds")) == (1, START)
    page.listen(Reloaded(at=START + 10, successful=True), Reloaded(at=START + 20, successful=False))
    assert (page.value("reload_successful"), page.value("reload_success_timestamp_seconds")) == (0, START + 10)
