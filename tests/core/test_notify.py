"""What one notifier is due to send: the difference between what is true and what it was notified of."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.incident import Diagnosis, Incident, Losses, Notice, Notified, Reason
from monitor.core.model import CheckName, Component, Fault, Severity, UnknownReason
from monitor.core.notify import (
    acknowledged,
    attempted,
    compose,
    due,
    muted_until,
    owes,
    record,
    refused,
    shown,
    trusted,
    wakes_at,
)
from monitor.core.silence import Silence
from monitor.core.state import TargetState
from tests.core.build import CANARY, CONFIG, GATEWAY, HOUR, MINUTE, POLICY, PROD, F, Story, policy
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
    return compose(
        now_is, notified, reason, silenced_until=silenced, may_mention=may_mention, labels={"team": "ml"}, now=at
    )


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


# --- the due table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now_is", "notified", "silenced", "reason"),
    [
        # nothing was notified yet
        (OPEN, None, None, Reason.OPENED),
        (WARNED, None, None, Reason.OPENED),
        (OPEN, None, UNTIL, None),
        (CLOSED, None, None, Reason.RESOLVED),
        (CLOSED, None, UNTIL, None),
        # it is as it was notified
        (OPEN, KNOWS, None, None),
        (CLOSED, KNOWS_CLOSED, None, None),
        (CLOSED, KNOWS_CLOSED, UNTIL, None),
        # it became something else
        (RENAMED, KNOWS, None, Reason.CHANGED),
        (WORSE, KNOWS_WARNING, None, Reason.CHANGED),
        (BETTER, KNOWS, None, Reason.EDITED),
        (ACKED, KNOWS, None, Reason.EDITED),
        (replace(OPEN, diagnosis=diagnosis(also=(F.BLIND,))), KNOWS, None, Reason.EDITED),
        (replace(OPEN, diagnosis=diagnosis(waiting="fixed")), KNOWS, None, Reason.EDITED),
        (replace(OPEN, diagnosis=diagnosis(because=("more",))), KNOWS, None, None),
        # it is over
        (CLOSED, KNOWS, None, Reason.RESOLVED),
        (CLOSED, KNOWS, UNTIL, Reason.RESOLVED),
        (CLOSED, KNOWS_SILENCED, UNTIL, Reason.RESOLVED),
        (CLOSED, KNOWS_SILENCED, None, Reason.RESOLVED),
        # it is back
        (OPEN, KNOWS_CLOSED, None, Reason.OPENED),
        (OPEN, KNOWS_CLOSED, UNTIL, None),
        (BACK, KNOWS, None, Reason.EDITED),
        # it came back and is over, and nobody was notified of it
        (CLOSED_AGAIN, KNOWS_CLOSED, None, Reason.RESOLVED),
        (CLOSED_AGAIN, KNOWS_CLOSED, UNTIL, None),
        (CLOSED_AGAIN, KNOWS, UNTIL, Reason.RESOLVED),
        # it is silenced
        (OPEN, KNOWS, UNTIL, Reason.EDITED),
        (RENAMED, KNOWS, UNTIL, Reason.EDITED),
        (WORSE, KNOWS_WARNING, UNTIL, Reason.EDITED),
        (OPEN, KNOWS_SILENCED, UNTIL, None),
        (OPEN, KNOWS_SILENCED, UNTIL + 1, Reason.EDITED),
        (OPEN, KNOWS_SILENCED, FOR_EVER, Reason.EDITED),
        # the silence is over, or the name is no longer silenced
        (OPEN, KNOWS_SILENCED, None, Reason.OPENED),
        (RENAMED, KNOWS_SILENCED, None, Reason.OPENED),
    ],
)
def test_what_is_due(
    now_is: Incident, notified: Notified | None, silenced: float | None, reason: Reason | None
) -> None:
    """The whole table: true, notified, silenced."""
    assert what(now_is, notified, silenced=silenced) is reason


def test_what_opened_and_closed_meanwhile_is_reported_once() -> None:
    """As one message that says both; also what had been reported before and came back meanwhile."""
    notified = feed(CLOSED, None)
    assert (notified.reason, notified.closed) == (Reason.RESOLVED, True)
    assert what(CLOSED, notified) is None
    again = feed(CLOSED_AGAIN, notified)
    assert (again.reason, again.reopened) == (Reason.RESOLVED, 1)
    assert what(CLOSED_AGAIN, again) is None


@pytest.mark.parametrize(
    ("now_is", "notified", "begins", "muted"),
    [
        (OPEN, None, START + 9, UNTIL),
        (CLOSED, None, START, UNTIL),
        (CLOSED, None, START + 1, None),
        (CLOSED_AGAIN, None, START + 90, None),
        (CLOSED_AGAIN, KNOWS_CLOSED, START + 90, UNTIL),
        (CLOSED_AGAIN, replace(KNOWS_CLOSED, reopened=1), START + 90, UNTIL),
    ],
)
def test_what_is_over_is_muted_only_if_one_silence_lasted_all_the_while(
    now_is: Incident, notified: Notified | None, begins: float, muted: float | None
) -> None:
    """All the while that was not reported: also the time before, if nobody was notified of that."""
    silences = (Silence(id="1", begins_at=begins, ends_at=UNTIL),)
    assert muted_until(now_is, notified, silences, START + 200) == muted


def test_whoever_reported_an_opening_owes_the_end() -> None:
    """A notifier that is no longer configured owes nothing any more."""
    state = TargetState(target=PROD, incidents=(replace(CLOSED, notified={"slack": KNOWS}),))
    assert owes(state, {"slack"})
    assert not owes(state, {"webhook"})
    assert not owes(TargetState(target=PROD, incidents=(replace(CLOSED, notified={"slack": KNOWS_CLOSED}),)), {"slack"})


# --- reminders and escalation ----------------------------------------------------------------------------------------


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


# --- whom it calls, and where it is shown ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now_is", "notified", "reason", "mention", "broadcast"),
    [
        (OPEN, None, Reason.OPENED, True, False),
        (OPEN, KNOWS_CLOSED, Reason.OPENED, True, True),
        (OPEN, KNOWS_SILENCED, Reason.OPENED, True, True),
        (WARNED, None, Reason.OPENED, False, False),
        (WARNED, KNOWS_WARNING, Reason.OPENED, False, False),
        (WORSE, KNOWS_WARNING, Reason.CHANGED, True, True),
        (RENAMED, KNOWS, Reason.CHANGED, False, False),
        (WARNED, KNOWS, Reason.CHANGED, False, False),
        (OPEN, KNOWS, Reason.REMINDER, False, True),
        (OPEN, KNOWS, Reason.ESCALATED, True, True),
        (ACKED, KNOWS, Reason.EDITED, False, False),
        (CLOSED, KNOWS, Reason.RESOLVED, False, True),
        (CLOSED, None, Reason.RESOLVED, False, False),
        (replace(WARNED, closed_at=START), KNOWS_WARNING, Reason.RESOLVED, False, False),
        (replace(BETTER, closed_at=START), KNOWS, Reason.RESOLVED, False, True),
    ],
)
def test_mentions_and_broadcasts(
    now_is: Incident, notified: Notified | None, reason: Reason, mention: bool, broadcast: bool
) -> None:
    """Called: opening critical, turning critical, escalation; never on resolve, never for warnings."""
    given = notice(now_is, notified, reason)
    assert (given.mention, given.broadcast) == (mention, broadcast)
    assert not notice(now_is, notified, reason, may_mention=False).mention
    assert (given.incident, given.notified, given.at, given.labels) == (now_is, notified, START, {"team": "ml"})


# --- what a notifier knows afterwards --------------------------------------------------------------------------------


def test_a_receipt_is_kept_with_what_was_reported() -> None:
    """Name, severity, when, and how often the incident had come back."""
    back = replace(OPEN, reopened=(START + 9,))
    notified = record(notice(back, None, Reason.OPENED, at=START + 10), {"ts": "7"})
    assert (notified.fault, notified.severity, notified.at, notified.receipt) == (
        F.KEY_REJECTED,
        CRITICAL,
        START + 10,
        {"ts": "7"},
    )
    assert (notified.reopened, notified.called_at, notified.closed) == (1, START + 10, False)


def test_when_somebody_was_called_is_remembered() -> None:
    """Also through what is reported without a call: another process must not call again within the minute."""
    called = record(notice(OPEN, None, Reason.OPENED, at=START + 1), {})
    assert called.mentioned_at == START + 1
    assert feed(CLOSED, called, at=START + 60).mentioned_at == START + 1
    assert record(notice(OPEN, None, Reason.OPENED, may_mention=False), {}).mentioned_at is None


def maybe(now_is: Incident, notified: Notified | None, *, silenced: float | None = None) -> Notified:
    """What it knows after it was asked to deliver what is due, and never answered."""
    reason = what(now_is, notified, silenced=silenced)
    assert reason is not None, "nothing is due"
    asked = attempted(notice(now_is, notified, reason, silenced=silenced))
    assert asked is not None
    return asked


@pytest.mark.parametrize(
    ("asked", "notified", "now_is", "reason"),
    [
        (RENAMED, KNOWS, OPEN, Reason.CHANGED),
        (RENAMED, KNOWS, RENAMED, Reason.CHANGED),
        (WORSE, KNOWS_WARNING, WARNED, Reason.CHANGED),
        (BETTER, KNOWS, OPEN, Reason.CHANGED),
        (BETTER, KNOWS, BETTER, Reason.EDITED),
        (ACKED, KNOWS, OPEN, Reason.EDITED),
        (CLOSED, KNOWS, BACK, Reason.OPENED),
        (CLOSED, KNOWS, CLOSED, Reason.RESOLVED),
        (BACK, KNOWS_CLOSED, CLOSED_AGAIN, Reason.RESOLVED),
    ],
)
def test_what_may_have_been_delivered_is_put_right(
    asked: Incident, notified: Notified, now_is: Incident, reason: Reason
) -> None:
    """Although it is again as it was reported before: whoever was notified of something else in between would believe that."""
    doubted = maybe(asked, notified)
    assert what(now_is, doubted) is reason
    assert feed(now_is, doubted).possibly is None


def test_what_may_have_been_shown_under_a_silence_is_no_news() -> None:
    """Only the message is edited once more."""
    doubted = maybe(RENAMED, KNOWS, silenced=UNTIL)
    assert doubted.possibly is None
    assert what(OPEN, doubted) is Reason.EDITED
    assert what(OPEN, doubted, silenced=UNTIL) is Reason.EDITED


def test_a_first_opening_leaves_no_doubt_to_be_remembered() -> None:
    """It is reported again, whatever became of it."""
    assert attempted(notice(OPEN, None, Reason.OPENED)) is None


def test_a_clear_refusal_is_no_doubt() -> None:
    """But a message may have been edited before it."""
    notified = refused(KNOWS)
    assert notified.possibly is None
    assert what(OPEN, notified) is Reason.EDITED


def test_an_edit_is_no_news() -> None:
    """What was reported, and when, stays; but a lower severity is known from then on."""
    notified = feed(BETTER, KNOWS, at=START + 60)
    assert (notified.reason, notified.at, notified.severity, notified.receipt) == (
        Reason.OPENED,
        START,
        WARNING,
        {"ts": "1"},
    )
    assert what(OPEN, notified) is Reason.CHANGED


def test_what_is_found_after_the_end_edits_what_was_reported() -> None:
    """Once for each change, and it is no news; a silence that lasted all the while keeps that to itself too."""
    over = incident(closed_at=START + 60, losses=Losses(sent=3, lost=3))
    notified = feed(over, feed(incident(), None))
    assert what(over, notified) is None
    found = replace(over, losses=Losses(sent=3, late=1, lost=2), recounted=True)
    assert what(found, notified) is Reason.EDITED
    assert what(found, notified, silenced=UNTIL) is None
    edited = feed(found, notified, at=START + 90)
    assert (edited.closed, edited.at, edited.reason) == (True, notified.at, Reason.RESOLVED)
    assert what(found, edited) is None
    assert what(replace(found, losses=Losses(sent=3, late=2, lost=1)), edited) is Reason.EDITED


def test_an_edit_of_what_is_over_calls_nobody() -> None:
    """Neither a mention nor a broadcast."""
    found = incident(closed_at=START + 60, losses=Losses(sent=3, late=1, lost=2), recounted=True)
    said = notice(found, feed(replace(found, recounted=False), feed(incident(), None)), Reason.EDITED)
    assert (said.mention, said.broadcast) == (False, False)


def test_an_edit_under_a_silence_keeps_the_name_that_was_reported() -> None:
    """Nobody has been notified of another one yet."""
    notified = feed(RENAMED, KNOWS, silenced=UNTIL)
    assert (notified.fault, notified.silenced) == (F.KEY_REJECTED, True)


def test_an_edit_of_what_was_never_reported_is_reported() -> None:
    """It cannot happen, and would lose nothing."""
    assert record(notice(OPEN, None, Reason.EDITED), {}).fault is F.KEY_REJECTED


def test_turning_critical_under_a_silence_is_reported_when_it_ends() -> None:
    """As opened, with a call."""
    silenced = feed(WORSE, KNOWS_WARNING, silenced=UNTIL)
    assert what(WORSE, silenced) is Reason.OPENED
    assert notice(WORSE, silenced, Reason.OPENED).mention


@pytest.mark.parametrize(
    ("now_is", "silenced"),
    [
        (CLOSED, None),
        (RENAMED, None),
        (BETTER, None),
        (ACKED, None),
        (replace(OPEN, diagnosis=diagnosis(waiting="x")), None),
        (replace(OPEN, diagnosis=diagnosis(also=(F.BLIND,))), None),
        (BACK, None),
        (OPEN, UNTIL),
        (OPEN, UNTIL + 1),
        (OPEN, FOR_EVER),
    ],
)
def test_whatever_a_root_shows_changes_what_is_shown(now_is: Incident, silenced: float | None) -> None:
    """Open or resolved, back again, name, severity, what else, what is awaited, who has it, silenced until when."""
    states = {shown(OPEN, None), shown(now_is, silenced)}
    assert len(states) == 2
    assert shown(OPEN, UNTIL) != shown(OPEN, FOR_EVER)


# --- trust -----------------------------------------------------------------------------------------------------------

TWO = policy(without=(CheckName.CANARY, CheckName.ARRIVAL, CheckName.CONTROL))


def test_nobody_is_called_before_each_enabled_check_has_passed_once() -> None:
    """A monitor that never saw the world well does not know what well is."""
    story = Story(TWO)
    assert not trusted(story.state, TWO)
    story.passes(CONFIG)
    assert not trusted(story.state, TWO)
    story.passes(GATEWAY)
    assert trusted(story.state, TWO)
    story.fails(GATEWAY, F.GATEWAY_UNREACHABLE).fails(GATEWAY, F.GATEWAY_UNREACHABLE).fails(CONFIG, F.CONFIG_DRIFT)
    assert trusted(story.state, TWO)


def test_a_check_that_has_only_been_unknown_is_left_out() -> None:
    """It may never be allowed to look; but at least one has passed."""
    story = Story(TWO).is_blind(CONFIG)
    assert not trusted(story.state, TWO)
    assert not trusted(story.is_blind(GATEWAY).state, TWO)
    assert trusted(story.passes(GATEWAY).state, TWO)


def test_a_check_that_has_failed_is_not_left_out() -> None:
    """Even if it has only been unknown since, for however long."""
    story = Story(TWO).passes(GATEWAY).fails(CONFIG, F.CONFIG_DRIFT)
    for _ in range(3):
        story.wait(HOUR).is_blind(CONFIG)
    assert not trusted(story.state, TWO)


def test_a_check_that_is_not_enabled_is_not_asked() -> None:
    """One check alone may be enough."""
    story = Story(TWO).passes(GATEWAY)
    only = policy(without=(CheckName.CONFIG, CheckName.CANARY, CheckName.ARRIVAL, CheckName.CONTROL))
    assert trusted(story.state, only)
    assert not trusted(story.state, policy(without=tuple(CheckName)))


def test_a_paused_canary_has_not_failed() -> None:
    """It could not look, on purpose."""
    judge = policy(without=(CheckName.CONFIG, CheckName.ARRIVAL, CheckName.CONTROL))
    story = Story(judge).is_blind(CANARY, UnknownReason.PAUSED).passes(GATEWAY)
    assert trusted(story.state, judge)
