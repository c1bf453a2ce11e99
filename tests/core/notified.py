"""An incident in each of its states, and what a notifier was notified of it."""

from dataclasses import replace
from typing import Any

from monitor.core.incident import Diagnosis, Incident, Notice, Notified, Reason
from monitor.core.model import Component, Fault, Severity
from monitor.core.notify import compose, due, record
from tests.core.build import HOUR, POLICY, PROD, F
from tests.fakes.clock import START

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING
UNTIL = START + 5 * HOUR
FOR_EVER = float("inf")


def diagnosis(fault: Fault = F.KEY_REJECTED, severity: Severity = CRITICAL, **changes: Any) -> Diagnosis:
    """What is broken."""
    return Diagnosis(fault=fault, severity=severity, component=Component.TRACELOOP, summary="broken", **changes)


def incident(fault: Fault = F.KEY_REJECTED, severity: Severity = CRITICAL, **changes: Any) -> Incident:
    """An open one."""
    given = {
        "id": "prod-1",
        "target": PROD,
        "opened_at": START,
        "diagnosis": diagnosis(fault, severity),
        "worst": severity,
        "critical_since": START if severity is CRITICAL else None,
    }
    return Incident(**{**given, **changes})


def what(
    now_is: Incident, notified: Notified | None, *, at: float = START, silenced: float | None = None
) -> Reason | None:
    """Why a notifier must be sent something."""
    return due(now_is, notified, silenced_until=silenced, policy=POLICY, now=at)


def notice(
    now_is: Incident,
    notified: Notified | None,
    reason: Reason,
    *,
    at: float = START,
    silenced: float | None = None,
    may_mention: bool = True,
) -> Notice:
    """What it is notified of."""
    due_now = Notice(reason=reason, incident=now_is, at=at, notified=notified, silenced_until=silenced)
    return compose(due_now, may_mention=may_mention, labels={"team": "ml"}, now=at)


def feed(now_is: Incident, notified: Notified | None, *, at: float = START, silenced: float | None = None) -> Notified:
    """What it knows after it was notified of what is due."""
    reason = what(now_is, notified, at=at, silenced=silenced)
    assert reason is not None, "nothing is due"
    return record(notice(now_is, notified, reason, at=at, silenced=silenced), {"ts": "1"})


OPEN = incident()
WARNED = incident(F.TRACE_LATE, WARNING)
CLOSED = replace(OPEN, closed_at=START + 60)
KNOWS = feed(OPEN, None)
KNOWS_WARNING = feed(WARNED, None)
KNOWS_SILENCED = feed(OPEN, KNOWS, silenced=UNTIL)
KNOWS_CLOSED = feed(CLOSED, KNOWS)
RENAMED = replace(OPEN, diagnosis=diagnosis(F.INGEST_FAILING))
WORSE = replace(WARNED, diagnosis=diagnosis(F.TRACE_LATE, CRITICAL), critical_since=START + 60, worst=CRITICAL)
BETTER = replace(OPEN, diagnosis=diagnosis(severity=WARNING), critical_since=None)
ACKED = replace(OPEN, acked_by="ana", acked_as=(F.KEY_REJECTED, CRITICAL))
BACK = replace(OPEN, reopened=(START + 90,))
CLOSED_AGAIN = replace(BACK, closed_at=START + 120)
