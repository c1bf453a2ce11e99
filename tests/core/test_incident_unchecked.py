"""Incidents whose check has been switched off: they end, and nobody says that what was wrong is fixed."""

import pytest

from monitor.core.model import CheckName
from tests.core.build import CONFIG, GATEWAY, OFF, F, Story, policy
from tests.core.test_incident_lifecycle import DOWN, broken, fix_it
from tests.fakes.clock import START


def switch_off(story: Story, *checks: CheckName) -> Story:
    """Switch checks off by a reload; the next input is the first that meets the new policy."""
    story.policy = policy(without=checks)
    return story.tick()


@pytest.mark.parametrize("check", [CONFIG, GATEWAY, CheckName.CONTROL])
def test_a_check_that_is_switched_off_ends_its_incident_without_a_word_of_health(check: CheckName) -> None:
    """Nobody has seen what was wrong go: as with a target that is no longer monitored."""
    story = switch_off(Story().fails(check, F.VOLUME_LOSS, conclusive=True).wait(60), check)
    (incident,) = story.state.incidents
    assert (incident.closed_at, incident.closed_because) == (START + 60, f"no longer checked: checks.{check} is off")
    assert incident.unseen == "no longer checked"
    assert incident.impact(str, str).endswith(f"It counts as resolved: no longer checked: checks.{check} is off.")


def test_a_check_that_is_switched_off_has_not_fixed_the_cause_that_it_saw() -> None:
    """What is left bears its own name, and nothing waits for traces."""
    story = switch_off(broken().config(OFF), CONFIG)
    assert story.name is DOWN
    assert story.incident.diagnosis.waiting is None
    alone = switch_off(Story().config(OFF), CONFIG)
    assert alone.state.incidents[-1].closed_because == "no longer checked: checks.config is off"
    assert alone.state.recovery is None


def test_a_name_that_is_left_because_its_check_is_off_was_not_fixed() -> None:
    """The change says so in the timeline, from which the message has it."""
    story = switch_off(broken().fails(CheckName.CONTROL, F.VOLUME_LOSS, conclusive=True), GATEWAY)
    assert story.name is F.VOLUME_LOSS
    assert story.incident.timeline[-1].text == "no longer checked: checks.gateway is off"


def test_a_recovery_that_nobody_watches_any_more_is_not_proven() -> None:
    """Traces are awaited, and canaries are switched off."""
    story = Story(policy()).proven().config(OFF).wait(60).config()
    assert story.incident.diagnosis.waiting is not None
    story.canary()
    switch_off(story, CheckName.CANARY, CheckName.ARRIVAL)
    assert story.state.incidents[-1].closed_because.startswith("no longer checked: checks.canary")


def test_a_check_that_believed_nothing_ends_no_incident() -> None:
    """What resolves it is what was seen."""
    story = broken().passes(CheckName.CONTROL)
    story.policy = policy(without=(CheckName.CONTROL,))
    assert fix_it(story).state.incidents[-1].closed_because == ""


def test_a_check_that_is_switched_off_believes_nothing_any_more() -> None:
    """Its incident is resolved with the next thing that happens."""
    story = broken()
    story.policy = policy(without=(CheckName.GATEWAY,))
    assert story.tick().name is None
    assert story.passes(GATEWAY).state.check_states.keys().isdisjoint({GATEWAY})
