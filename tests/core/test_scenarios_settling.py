"""The sentences of the contract about changes of the configuration, one story each: what is settling, and what a change explains."""

from dataclasses import replace

import pytest

from monitor.core.canary import Outcome
from monitor.core.model import Seconds
from tests.core.build import CONFIG, GATEWAY, HOUR, MINUTE, OFF, THEIRS, F, Story, manifest
from tests.core.stories import CRITICAL, DISABLED, MISSING, WARNING, healthy, starts, stops
from tests.fakes.clock import START


def test_on_to_off_is_reported_at_once_and_explains_what_follows() -> None:
    """The exporter goes on with the old configuration for minutes: those arrivals do not contradict it."""
    story = healthy()
    stops(story, at=story.now + 5 * MINUTE)
    story.config(OFF, by="bob")
    assert (story.name, story.diagnosis.severity) == (DISABLED, CRITICAL)
    story.live(30 * MINUTE)
    assert story.turns == ["opened exporter_disabled"]
    assert story.diagnosis.also == ()
    lost = next(one.sent_at for one in story.state.canaries if one.outcome is Outcome.MISSING)
    assert story.diagnosis.missing_since == lost > story.diagnosis.since
    story.state = replace(
        story.state, canaries=story.state.canaries[-3:]
    )  # as it is hours later: the first loss is forgotten
    assert story.live(10 * MINUTE).diagnosis.missing_since == lost


def test_off_to_on_waits_for_traces_and_not_for_settle() -> None:
    """Losses of the minutes in which the exporter still has the old configuration accuse nobody, then or later."""
    story = healthy()
    stops(story).config(OFF).live(10 * MINUTE).config(by="ana")
    story.live(5 * MINUTE)
    assert story.name is DISABLED
    assert story.diagnosis.waiting is not None
    starts(story).live(2 * MINUTE)
    assert story.turns == ["opened exporter_disabled", "resolved exporter_disabled"]
    assert story.live(2 * HOUR).turns == ["opened exporter_disabled", "resolved exporter_disabled"]


def test_off_and_on_within_the_cache_is_resolved_with_the_first_arrivals() -> None:
    """The exporter never noticed."""
    story = healthy().config(OFF).live(MINUTE).config().live(2 * MINUTE)
    assert story.turns == ["opened exporter_disabled", "resolved exporter_disabled"]


def test_off_but_traces_arrive_is_another_export_path_after_settle() -> None:
    """Not before."""
    story = healthy().config(OFF).live(6 * MINUTE)
    before = story.diagnosis
    story.live(2 * MINUTE)
    assert (before.severity, story.name, story.diagnosis.severity) == (CRITICAL, DISABLED, WARNING)
    assert "Traces still arrive: there must be another export path" in story.diagnosis.because
    unread = story.is_blind(CONFIG).diagnosis.because
    assert (
        "Traces still arrive: the configuration, which cannot be read any more, was fixed since, or there is another export path"
    ) in unread
    story.config(OFF)
    assert story.diagnosis.waiting is None
    stops(story).live(10 * MINUTE)
    assert story.diagnosis.severity is CRITICAL


def test_a_404_is_not_outranked_by_the_arrivals_of_before() -> None:
    """It is off after two looks, critical, although traces have arrived for an hour."""
    story = healthy().live(HOUR).config_gone()
    assert story.confirmed == set()
    story.wait(15).config_gone()
    assert (story.name, story.diagnosis.severity) == (DISABLED, CRITICAL)


def test_key_a_to_b_where_b_is_good_is_reported_and_then_outranked() -> None:
    """Another key that works: the drift is reported as critical, and a warning once traces arrive after settle."""
    story = healthy().config(manifest(key=THEIRS))
    assert (story.name, story.diagnosis.severity) == (F.CONFIG_DRIFT, CRITICAL)
    story.live(8 * MINUTE)
    assert (story.name, story.diagnosis.severity) == (F.CONFIG_DRIFT, WARNING)
    assert story.config().name is None


def test_key_a_to_b_where_b_is_masked_accuses_only_after_settle() -> None:
    """Nothing can be compared; what is lost in the first six minutes accuses nobody, what is lost later does."""
    story = healthy().config(manifest(key="tfy-secret://a:b:c"))
    changed = story.now
    stops(story).live(6 * MINUTE + 300)
    assert MISSING not in story.confirmed
    story.live(2 * MINUTE)
    assert MISSING in story.confirmed
    assert story.state.confirmed[MISSING].since >= changed + 6 * MINUTE


@pytest.mark.parametrize(("updated_before", "accuses"), [(MINUTE, False), (7 * MINUTE, True)])
def test_a_configuration_changed_shortly_before_the_start_is_still_settling(
    updated_before: Seconds, accuses: bool
) -> None:
    """Started one minute after a change: the first canaries accuse nobody."""
    story = Story().config(updated_at=START - updated_before).proven()
    stops(story).live(7 * MINUTE)
    assert (MISSING in story.confirmed) == accuses


def test_after_a_restart_a_change_is_reported_from_the_stored_look() -> None:
    """What was remembered is the look before."""
    before = healthy()
    after = Story(now=before.now + HOUR, state=before.state)
    after.config(manifest(key="tfy-secret://a:b:c"), updated_at=START - HOUR)
    assert after.state.config is not None
    assert after.state.config.changed_at == after.now


def test_losses_beside_a_harmless_drift_are_reported() -> None:
    """It explains nothing, so it excuses nothing."""
    story = healthy().fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=WARNING)
    stops(story).live(8 * MINUTE)
    assert (story.name, story.diagnosis.also) == (MISSING, (F.CONFIG_DRIFT,))


def test_one_incident_for_drift_and_the_losses_that_follow() -> None:
    """Drift at 14:02, missing from 14:03; an unexplained second fault takes over when the first is fixed."""
    story = stops(healthy()).config(OFF)
    story.live(10 * MINUTE).fails(GATEWAY, F.GATEWAY_REFUSED, conclusive=True)
    assert (story.name, story.diagnosis.also) == (DISABLED, (F.GATEWAY_REFUSED,))
    starts(story).config().live(3 * MINUTE)
    assert (story.name, story.diagnosis.also, story.diagnosis.waiting) == (F.GATEWAY_REFUSED, (), None)
    assert story.turns == ["opened exporter_disabled", "changed gateway_refused"]
