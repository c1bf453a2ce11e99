"""What one notifier is due to send: the difference between what is true and what it was notified of; and whom it calls."""

from dataclasses import replace

import pytest

from monitor.core.incident import Incident, Notified, Reason
from monitor.core.model import CheckName, Severity, UnknownReason
from monitor.core.notify import muted_until, never_passed, owes, trusted
from monitor.core.silence import Silence
from monitor.core.state import TargetState
from tests.core.build import CANARY, CONFIG, GATEWAY, HOUR, PROD, F, Story, policy
from tests.core.notified import (
    ACKED,
    BACK,
    BETTER,
    CLOSED,
    CLOSED_AGAIN,
    FOR_EVER,
    KNOWS,
    KNOWS_CLOSED,
    KNOWS_SILENCED,
    KNOWS_WARNING,
    OPEN,
    RENAMED,
    UNTIL,
    WARNED,
    WORSE,
    diagnosis,
    feed,
    notice,
    what,
)
from tests.fakes.clock import START

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


def test_which_checks_keep_every_mention_back_is_known() -> None:
    """Those that could look and have never passed, muted or not: the status says which."""
    story = Story(TWO).passes(GATEWAY)
    assert never_passed(story.state, TWO) == (CONFIG,)
    story.is_blind(CONFIG)
    assert never_passed(story.state, TWO) == ()
    story.fails(CONFIG, F.CONFIG_DRIFT, conclusive=True)
    assert never_passed(story.state, replace(TWO, max_severity=Severity.NONE)) == (CONFIG,)
    story.passes(CONFIG)
    assert never_passed(story.state, TWO) == ()


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
