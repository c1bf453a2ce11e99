import logging
from collections.abc import Mapping
from dataclasses import replace

import pytest

from monitor.core.canary import Outcome
from monitor.core.events import (
    CanaryReturned,
    Checked,
    Event,
    FaultChanged,
    IncidentAcknowledged,
    IncidentChanged,
    KeyJudged,
    NoticeHandled,
    Reloaded,
    RemoteAnswered,
    RunSkipped,
    TraceJudged,
)
from monitor.core.incident import Reason
from monitor.core.model import Blindness, CheckName, Fault, Scalar, Service, Severity, TargetName, Verdict
from monitor.telemetry.logging import EventLog

PROD = TargetName("prod")


def a_look(
    verdict: Verdict, *, check: CheckName = CheckName.CONFIG, evidence: Mapping[str, Scalar] | None = None
) -> Checked:
    """One look."""
    return Checked(
        target=PROD,
        check=check,
        at=1.0,
        took=0.5,
        verdict=verdict,
        summary=f"it says {verdict}",
        evidence=evidence or {},
    )


def a_notice(outcome: str, detail: str = "") -> NoticeHandled:
    """One attempt to tell Slack."""
    return NoticeHandled(notifier="slack", target=PROD, at=1.0, reason=Reason.OPENED, outcome=outcome, detail=detail)


EVENTS: list[tuple[Event, str, str]] = [
    (a_look(Verdict.FAIL), "INFO", "checked"),
    (CanaryReturned(target=PROD, at=1.0, took=0.5, phases={"tls": 0.1}, input_tokens=3), "DEBUG", "canary_returned"),
    (
        TraceJudged(target=PROD, at=1.0, trace_id="ab", outcome=Outcome.ARRIVED, arrival_seconds=8.0),
        "DEBUG",
        "trace_judged",
    ),
    (TraceJudged(target=PROD, at=1.0, trace_id="ab", outcome=Outcome.MISSING), "INFO", "trace_judged"),
    (FaultChanged(target=PROD, at=1.0, fault=Fault.BLIND, confirmed=True, summary="s"), "WARNING", "fault_confirmed"),
    (FaultChanged(target=PROD, at=1.0, fault=Fault.BLIND, confirmed=False, summary="s"), "INFO", "fault_cleared"),
    (
        IncidentChanged(
            target=PROD, at=1.0, id="i", reason=Reason.OPENED, fault=Fault.BLIND, severity=Severity.WARNING, summary="s"
        ),
        "WARNING",
        "incident_changed",
    ),
    (
        IncidentChanged(
            target=PROD,
            at=1.0,
            id="i",
            reason=Reason.RESOLVED,
            fault=Fault.BLIND,
            severity=Severity.WARNING,
            summary="s",
        ),
        "INFO",
        "incident_changed",
    ),
    (IncidentAcknowledged(target=PROD, at=1.0, id="i", by="ada"), "INFO", "incident_acknowledged"),
    (KeyJudged(target=PROD, at=1.0, refused=True), "WARNING", "key_judged"),
    (KeyJudged(target=PROD, at=1.0, refused=False), "INFO", "key_judged"),
    (a_notice("sent"), "INFO", "notice_handled"),
    (a_notice("suppressed"), "INFO", "notice_handled"),
    (a_notice("failed", "channel_not_found"), "WARNING", "notice_handled"),
    (RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="2xx"), "DEBUG", "remote_answered"),
    (RunSkipped(name="config:prod", reason="overlap"), "WARNING", "run_skipped"),
    (Reloaded(at=1.0, successful=True), "INFO", "reloaded"),
    (Reloaded(at=1.0, successful=False, detail="line 3"), "ERROR", "reloaded"),
]


def heard(caplog: pytest.LogCaptureFixture, *events: Event) -> list[tuple[str, Mapping[str, object]]]:
    """The level and the fields of every line."""
    log = EventLog()
    with caplog.at_level(logging.DEBUG):
        for event in events:
            log.listen(event)
    return [(record.levelname, vars(record)["fields"]) for record in caplog.records]


@pytest.mark.parametrize(("event", "level", "name"), EVENTS, ids=[f"{level}-{name}" for _, level, name in EVENTS])
def test_each_event_is_one_line(caplog: pytest.LogCaptureFixture, event: Event, level: str, name: str) -> None:
    """With a constant name to filter by, at the level at which somebody wants to read it."""
    ((said, fields),) = heard(caplog, event)
    assert (said, fields["event"]) == (level, name)


def test_what_is_over_is_not_said_as_if_it_were_so(caplog: pytest.LogCaptureFixture) -> None:
    """A resolve and a fault that is cleared do not say the fault's own sentence as news; a resolve says why it is one."""
    over = IncidentChanged(
        target=PROD,
        at=1.0,
        id="i",
        reason=Reason.RESOLVED,
        fault=Fault.BLIND,
        severity=Severity.WARNING,
        summary="the exporter is off",
    )
    cleared = FaultChanged(target=PROD, at=1.0, fault=Fault.BLIND, confirmed=False, summary="the exporter is off")
    heard(caplog, over, replace(over, because="mended 08:00 UTC by ana"), cleared)
    assert [record.getMessage() for record in caplog.records] == [
        "resolved; it was: the exporter is off",
        "resolved (mended 08:00 UTC by ana); it was: the exporter is off",
        "cleared: the exporter is off",
    ]


def test_every_kind_of_event_is_in_the_table() -> None:
    """A new event gets a line and a test."""
    assert {type(event) for event, _, _ in EVENTS} == set(Event.__args__)


def test_a_look_says_everything_that_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """One canonical line: whom, which check, what, how long, and the evidence."""
    event = Checked(
        target=PROD,
        check=CheckName.CONFIG,
        at=1.0,
        took=0.5,
        verdict=Verdict.UNKNOWN,
        summary="403",
        fault=Fault.BLIND,
        blindness=Blindness.REFUSED,
        evidence={"status": 403},
    )
    ((_, fields),) = heard(caplog, event)
    assert fields == {
        "event": "checked",
        "target": "prod",
        "check": "config",
        "verdict": "unknown",
        "took": 0.5,
        "fault": "blind",
        "reason": "refused",
        "status": 403,
    }
    assert caplog.messages == ["403"]


def test_a_check_is_told_once_when_it_breaks_and_once_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """Every other look is for those who debug; two checks do not hide each other."""
    looks = [a_look(verdict) for verdict in (Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.PASS)]
    lines = heard(caplog, *looks, a_look(Verdict.PASS, check=CheckName.CONTROL))
    assert [level for level, _ in lines] == ["INFO", "DEBUG", "INFO", "DEBUG", "INFO", "INFO"]


def test_a_notifier_that_keeps_failing_is_told_once_until_it_fails_differently(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Slack that is down for an hour is one warning, another reason is another, and so is the next outage."""
    down, refused = a_notice("failed", "no route"), a_notice("failed", "invalid_auth")
    lines = heard(caplog, down, down, refused, refused, a_notice("sent"), refused)
    assert [level for level, _ in lines] == ["WARNING", "DEBUG", "WARNING", "DEBUG", "INFO", "WARNING"]


def test_targets_with_channels_of_their_own_are_not_told_of_in_turn(caplog: pytest.LogCaptureFixture) -> None:
    """Each is told of once, although the other fails differently in between."""
    mine = a_notice("failed", "channel_not_found of C0A")
    other = replace(mine, target=TargetName("other"), detail="is_archived of C0B")
    assert [level for level, _ in heard(caplog, mine, other, mine, other)] == ["WARNING", "WARNING", "DEBUG", "DEBUG"]
