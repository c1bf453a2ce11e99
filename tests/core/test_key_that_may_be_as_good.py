"""Another key at the exporter where a key is no place (Phoenix): as good as the monitor's, or what all traces are lost to."""

from collections.abc import Callable

import pytest

from monitor.core.backend import PHOENIX
from monitor.core.model import CheckName, Fault, Severity
from monitor.core.refine import Confirmed, confirmed_faults
from tests.core.build import CONTROL, GATEWAY, MINUTE, THEIRS, Story, expectation, manifest, policy

OURS_OR_THEIRS = policy(backend=PHOENIX, expected=expectation(key_is_place=False))
NAMED = "No trace that was sent since the exporter has this key has arrived"


def healthy() -> Story:
    """Traces arrive, the configuration is as expected, and a test span has been shown."""
    story = Story(policy=OURS_OR_THEIRS).proven()
    story.passes(GATEWAY).config()
    story.control_seen(story.control(), shown=True)
    story.live(10 * MINUTE)
    return story.config()


def other_key(story: Story) -> Story:
    """The exporter is given another key."""
    return story.wait(MINUTE).config(manifest(key=THEIRS))


def lose(story: Story, minutes: float = 20) -> Story:
    """No trace arrives any more."""
    story.exports = lambda _sent_at: None
    return story.live(minutes * MINUTE)


def drift_of(story: Story) -> Confirmed:
    """What is said of the key."""
    found = confirmed_faults(story.state, story.policy, story.now)
    return next(one for one in found if one.fault is Fault.CONFIG_DRIFT)


def test_at_first_it_is_a_warning_that_explains_late_traces_alone() -> None:
    """Whether the backend takes this key, the traces will show."""
    found = drift_of(other_key(healthy()))
    assert (found.severity, found.explains) == (Severity.WARNING, frozenset({Fault.TRACE_LATE}))
    assert NAMED not in found.because


def test_once_every_trace_since_is_lost_it_is_named_and_critical() -> None:
    """And it explains the loss, so there is one name."""
    story = lose(other_key(healthy()))
    story.control_seen(story.control(), shown=True)
    found = drift_of(story)
    assert found.severity is Severity.CRITICAL
    assert NAMED in found.because
    assert Fault.TRACE_MISSING in found.explains
    assert story.name is Fault.CONFIG_DRIFT


def ingest_fails(story: Story) -> Story:
    """The backend takes no test span either."""
    story = lose(other_key(story))
    for _ in range(2):
        story.fails(CONTROL, Fault.INGEST_FAILING).wait(MINUTE)
    return story


def lost_before(story: Story) -> Story:
    """Traces were lost before the last check that passed."""
    return lose(other_key(lose(story).config()), minutes=5)


def accepted(story: Story) -> Story:
    """Traces have arrived with that key for long enough, and then no more."""
    return lose(other_key(story).live(20 * MINUTE))


def never_made(story: Story) -> Story:
    """TrueFoundry's own store does not have them."""
    story = lose(other_key(story))
    for canary in story.state.canaries:
        if canary.accepted and canary.outcome is not None and canary.arrived_at is None:
            story.origin(canary.id, found=False)
    return story


@pytest.mark.parametrize("otherwise", [ingest_fails, lost_before, accepted, never_made])
def test_a_loss_with_another_reason_is_not_held_against_the_key(otherwise: Callable[[Story], Story]) -> None:
    """It stays a warning."""
    story = otherwise(healthy())
    assert Fault.TRACE_MISSING in story.confirmed
    assert NAMED not in drift_of(story).because
    assert CheckName.CONFIG in story.state.check_states
