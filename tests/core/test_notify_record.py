"""What a notifier is recorded to have been notified of, also after an attempt that may have been delivered, and after an edit."""

from dataclasses import replace

import pytest

from monitor.core.incident import Incident, Losses, Notified, Reason
from monitor.core.notify import attempted, record, refused, shown
from tests.core.build import F
from tests.core.notified import (
    ACKED,
    BACK,
    BETTER,
    CLOSED,
    CLOSED_AGAIN,
    CRITICAL,
    FOR_EVER,
    KNOWS,
    KNOWS_CLOSED,
    KNOWS_WARNING,
    OPEN,
    RENAMED,
    UNTIL,
    WARNED,
    WARNING,
    WORSE,
    diagnosis,
    feed,
    incident,
    notice,
    what,
)
from tests.fakes.clock import START


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
