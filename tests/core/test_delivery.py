"""What is tried first, and when what failed is tried again."""

from dataclasses import replace

import pytest

from monitor.core.delivery import AFTER_PERMANENT, LONGEST_WAIT, Due, Retries
from monitor.core.incident import Reason
from tests.core.test_notify import incident
from tests.fakes.clock import START

FIRST = Due(replace(incident(), id="first"), None, Reason.OPENED, None)
SECOND = Due(replace(incident(), id="second", opened_at=START + 1), None, Reason.OPENED, None)
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
