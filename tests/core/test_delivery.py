"""What is tried first, and when what failed is tried again."""

from dataclasses import replace

import pytest

from monitor.core.delivery import AFTER_PERMANENT, LONGEST_WAIT, Retries, becomes_due, everything_due, skipped
from monitor.core.incident import NEVER, Incident, Notice, Reason
from monitor.core.silence import Silence
from monitor.core.state import Policy, TargetState
from tests.core.build import POLICY, PROD
from tests.core.notified import feed, incident
from tests.fakes.clock import START

FIRST = Notice(reason=Reason.OPENED, incident=replace(incident(), id="first"), at=START)
SECOND = Notice(reason=Reason.OPENED, incident=replace(incident(), id="second", opened_at=START + 1), at=START)
BOTH = [SECOND, FIRST]


def test_the_oldest_goes_first_and_what_failed_last() -> None:
    """What failed once comes behind what never did."""
    assert Retries().next(BOTH, 0.0) is FIRST
    failed = Retries().failed("first", "no answer", now=0.0)
    assert failed.next(BOTH, 0.0) is SECOND
    assert failed.next([FIRST], 0.0) is FIRST
    assert failed.failed("second", "no answer", now=0.0).next(BOTH, 0.0) is FIRST


def test_each_wait_is_twice_the_last_one() -> None:
    """Up to fifteen seconds; a delivery begins anew, and who asks for more gets more."""
    retries, waits = Retries(), []
    for _ in range(6):
        retries = retries.failed("first", "no answer", now=100.0)
        waits.append(retries.left_alone_until - 100.0)
    assert waits == [1, 2, 4, 8, LONGEST_WAIT, LONGEST_WAIT]
    assert retries.delivered("first") == Retries(left_alone_until=retries.left_alone_until)
    assert retries.failed("first", "429", retry_after=40.0, now=100.0).left_alone_until == 140.0


def test_what_is_refused_permanently_holds_back_nothing_else() -> None:
    """It is tried again slowly, or at once when somebody asks; what is no longer due is forgotten."""
    refused = Retries().failed("first", "no such channel", permanent=True, place="#gone", now=100.0)
    assert refused.left_alone_until == Retries().left_alone_until
    assert refused.next(BOTH, 100.0) is SECOND
    assert refused.next([FIRST], 99.0 + AFTER_PERMANENT) is None
    assert refused.next([FIRST], 100.0 + AFTER_PERMANENT) is FIRST
    assert refused.at_once(101.0).next([FIRST], 101.0) is FIRST
    assert refused.of({"second"}).failures == {}


@pytest.mark.parametrize("permanent", [True, False])
def test_failures_of_an_incident_are_counted(permanent: bool) -> None:
    """The newest stands last, with its own words."""
    retries = Retries()
    for incident_id, error in (("first", "a"), ("second", "b"), ("first", "c")):
        retries = retries.failed(incident_id, error, permanent=permanent, now=0.0)
    assert [(known, each.error, each.count) for known, each in retries.failures.items()] == [
        ("second", "b", 1),
        ("first", "c", 2),
    ]


# --- what is due


def targets(*incidents: Incident) -> list[tuple[TargetState, Policy]]:
    """One target with these incidents."""
    return [(TargetState(target=PROD, incidents=incidents), POLICY)]


def closed(name: str, *, ago: float, **more: object) -> Incident:
    """An incident that was over so long before START."""
    return replace(incident(), id=name, opened_at=START - ago - 60, closed_at=START - ago, **more)  # type: ignore[arg-type]


def test_an_incident_that_a_notifier_does_not_know_is_due() -> None:
    """Not once it knows of it; and a silence makes it not due."""
    (found,) = everything_due(targets(incident()), "slack", (), START)
    assert (found.incident.id, found.notified, found.reason) == (incident().id, None, Reason.OPENED)
    known = replace(incident(), notified={"slack": feed(incident(), None)})
    assert everything_due(targets(known), "slack", (), START) == []
    silence = Silence(id="s", target="*", ends_at=START + 60)
    assert everything_due(targets(incident()), "slack", (silence,), START) == []


def test_what_is_due_by_time_is_known_beforehand() -> None:
    """The reminder of a critical incident; nothing of one that a notifier does not know."""
    known = replace(incident(), notified={"slack": feed(incident(), None)})
    ((_, at),) = becomes_due(targets(known), "slack", (), START)
    assert at > START
    assert list(becomes_due(targets(incident()), "slack", (), START)) == []


def test_under_a_silence_nothing_becomes_due_before_its_end() -> None:
    """Or whoever waits for it would be woken at once, and again, as long as the silence lasts."""
    known = replace(incident(), notified={"slack": feed(incident(), None)})
    ((_, at),) = becomes_due(targets(known), "slack", (), START)
    silence = Silence(id="s", target="*", ends_at=at + 600)
    for now in (START, at, at + 300):
        assert [when for _, when in becomes_due(targets(known), "slack", (silence,), now)] == [at + 600]
    assert [when for _, when in becomes_due(targets(known), "slack", (silence,), at + 600)] == [at]


def test_what_was_long_over_when_a_notifier_is_new_is_skipped() -> None:
    """What ended within the last four hours is not, nor anything where the notifier is known already."""
    old, fresh = closed("old", ago=5 * 3600.0), closed("fresh", ago=3600.0)
    (found,) = skipped(targets(old, fresh), "slack", (), since=START, now=START)
    assert (found.incident.id, found.silenced, found.notified.at, found.notified.closed) == ("old", False, NEVER, True)
    known = replace(fresh, notified={"slack": feed(fresh, None)})
    assert list(skipped(targets(old, known), "slack", (), since=START, now=START)) == []


def test_what_one_silence_covered_is_skipped() -> None:
    """From its opening to its end; what the notifier knew before is kept."""
    silence = Silence(id="s", target="*", begins_at=START - 7200, ends_at=START + 60)
    before = replace(feed(incident(), None), closed=True)
    back = closed("back", ago=60.0, reopened=(START - 100,), notified={"slack": before})
    (found,) = skipped(targets(back), "slack", (silence,), since=START, now=START)
    assert (found.silenced, found.notified.at, found.notified.receipt) == (True, before.at, before.receipt)
