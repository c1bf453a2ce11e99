"""When a notifier is due to remind of an incident, and when to escalate it."""

from dataclasses import replace

import pytest

from monitor.core.incident import Incident, Notified, Reason
from monitor.core.model import Fault, Severity
from monitor.core.notify import acknowledged, due, shown, wakes_at
from tests.core.build import HOUR, MINUTE, POLICY, F, policy
from tests.core.notified import (
    ACKED,
    BETTER,
    CLOSED,
    CRITICAL,
    KNOWS,
    KNOWS_CLOSED,
    KNOWS_SILENCED,
    KNOWS_WARNING,
    OPEN,
    RENAMED,
    WARNED,
    WARNING,
    WORSE,
    diagnosis,
    feed,
    incident,
    what,
)
from tests.fakes.clock import START


def reminded(times: int) -> tuple[float, Notified]:
    """When the next reminder is due, in hours after the opening, and what is known then."""
    notified = replace(KNOWS, escalated=True)
    for _ in range(times):
        notified = feed(OPEN, notified, at=notified.at + 25 * HOUR)
        assert notified.reason is Reason.REMINDER
    wakes = wakes_at(OPEN, notified, POLICY)
    assert wakes is not None
    return (wakes - notified.at) / HOUR, notified


@pytest.mark.parametrize(("times", "hours"), [(0, 4), (1, 8), (2, 24), (3, 24), (9, 24)])
def test_reminders_come_ever_more_rarely_and_the_last_interval_repeats(times: int, hours: float) -> None:
    """4, 8, 24 hours."""
    wait, notified = reminded(times)
    assert wait == hours
    assert notified.reminders == times
    moment = notified.at + hours * HOUR
    assert what(OPEN, notified, at=moment - 1) is None
    assert what(OPEN, notified, at=moment) is Reason.REMINDER


def test_a_reminder_counts_from_what_was_reported_last() -> None:
    """A change is news enough."""
    changed = feed(RENAMED, replace(KNOWS, escalated=True), at=START + 3 * HOUR)
    assert wakes_at(RENAMED, changed, POLICY) == START + 7 * HOUR


def test_critical_incidents_escalate_once() -> None:
    """Half an hour after turning critical; a change between does not put it off."""
    assert what(OPEN, KNOWS, at=START + 30 * MINUTE - 1) is None
    assert what(OPEN, KNOWS, at=START + 30 * MINUTE) is Reason.ESCALATED
    changed = feed(RENAMED, KNOWS, at=START + 29 * MINUTE)
    escalated = feed(RENAMED, changed, at=START + 30 * MINUTE)
    assert (escalated.reason, escalated.escalated) == (Reason.ESCALATED, True)
    assert what(RENAMED, escalated, at=START + 4 * HOUR) is None
    assert what(RENAMED, escalated, at=START + 4.5 * HOUR) is Reason.REMINDER


def test_what_is_fixed_and_waits_calls_nobody_more() -> None:
    """It is still reminded of, for it is not proven; and it escalates if the fix turns out to be none."""
    notified = feed(OPEN, None)
    waiting = replace(OPEN, diagnosis=diagnosis(waiting="fixed, waiting for traces"))
    notified = feed(waiting, notified, at=START + 60)
    assert what(waiting, notified, at=START + HOUR) is None
    assert wakes_at(waiting, notified, POLICY) == START + 4 * HOUR
    assert what(waiting, notified, at=START + 5 * HOUR) is Reason.REMINDER
    notified = feed(OPEN, replace(notified, shown=shown(OPEN, None)), at=START + HOUR)
    assert notified.escalated


def test_escalation_counts_from_turning_critical() -> None:
    """Not from the opening as a warning."""
    notified = feed(WORSE, KNOWS_WARNING, at=START + 61)
    assert notified.called_at == START + 61
    assert what(WORSE, notified, at=START + 30 * MINUTE + 59) is None
    assert what(WORSE, notified, at=START + 30 * MINUTE + 60) is Reason.ESCALATED


def test_whoever_is_notified_late_is_not_called_twice_in_one_breath() -> None:
    """After an outage of the notifier, or a silence, the time counts from then."""
    late = feed(OPEN, None, at=START + 40 * MINUTE)
    assert what(OPEN, late, at=START + 40 * MINUTE) is None
    assert what(OPEN, late, at=START + 70 * MINUTE) is Reason.ESCALATED
    after_silence = feed(OPEN, KNOWS_SILENCED, at=START + 40 * MINUTE)
    assert (after_silence.reason, after_silence.silenced) == (Reason.OPENED, False)
    assert what(OPEN, after_silence, at=START + 69 * MINUTE) is None


def test_turning_critical_again_begins_anew() -> None:
    """It is reported like an opening: reminders and escalation too."""
    calm = feed(BETTER, replace(KNOWS, escalated=True, reminders=3), at=START + HOUR)
    assert (calm.reason, calm.escalated, calm.reminders, calm.at) == (Reason.OPENED, True, 3, START)
    again = replace(OPEN, critical_since=START + 2 * HOUR)
    notified = feed(again, calm, at=START + 2 * HOUR)
    assert (notified.reason, notified.escalated, notified.reminders) == (Reason.CHANGED, False, 0)
    assert what(again, notified, at=START + 2.5 * HOUR) is Reason.ESCALATED


@pytest.mark.parametrize(
    ("now_is", "notified"),
    [
        (WARNED, KNOWS_WARNING),
        (ACKED, feed(ACKED, None)),
        (
            replace(OPEN, diagnosis=diagnosis(permanent=True)),
            feed(replace(OPEN, diagnosis=diagnosis(permanent=True)), None),
        ),
        (CLOSED, KNOWS_CLOSED),
    ],
    ids=["a warning", "acknowledged", "permanent", "over"],
)
def test_nobody_is_reminded_of_what_is_no_hurry(now_is: Incident, notified: Notified) -> None:
    """Neither of a warning, nor of what somebody has, nor of what only a human can fix, nor of what is over."""
    assert what(now_is, notified, at=START + 100 * HOUR) is None
    assert wakes_at(now_is, notified, POLICY) is None


def test_without_reminders_there_is_only_the_escalation() -> None:
    """`remind_every: []`."""
    judge = policy(remind_every=())
    assert wakes_at(OPEN, KNOWS, judge) == START + 30 * MINUTE
    assert wakes_at(OPEN, replace(KNOWS, escalated=True), judge) is None
    assert due(OPEN, replace(KNOWS, escalated=True), silenced_until=None, policy=judge, now=START + 99 * HOUR) is None


def test_the_worker_wakes_for_whatever_comes_first() -> None:
    """Reminder or escalation."""
    assert wakes_at(OPEN, KNOWS, POLICY) == START + 30 * MINUTE
    assert wakes_at(OPEN, KNOWS, policy(escalate_after=9 * HOUR)) == START + 4 * HOUR
    unknown_since = replace(OPEN, critical_since=None)
    assert wakes_at(unknown_since, replace(KNOWS, called_at=None), POLICY) == START + 30 * MINUTE


@pytest.mark.parametrize(
    ("fault", "severity", "holds"),
    [
        (F.KEY_REJECTED, WARNING, True),
        (F.TRACE_LATE, WARNING, False),
        (F.KEY_REJECTED, CRITICAL, False),
        (F.INGEST_FAILING, WARNING, False),
    ],
)
def test_an_acknowledgement_ends_when_name_or_severity_get_worse(fault: Fault, severity: Severity, holds: bool) -> None:
    """Somebody has it, as it was then."""
    now_is = incident(fault, severity, acked_by="ana", acked_as=(F.KEY_REJECTED, WARNING))
    assert acknowledged(now_is) == holds
    assert not acknowledged(incident())
