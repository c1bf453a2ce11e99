"""Messages for Slack over the life of an incident: what the root and the thread say at each step."""

from dataclasses import replace

import pytest

from monitor.core.incident import (
    NO_LONGER_MONITORED,
)
from monitor.core.model import Fault, Severity
from monitor.notifiers.slack.render import post, reply, root
from tests.notifiers import notices
from tests.notifiers.notices import KINDS, notified_of
from tests.notifiers.slack.rendered import FRAME, first_line, shown


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("opened", "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
        (
            "again",
            "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · again, third time in 20 min",
        ),
        (
            "changed",
            (
                "⚠️ *warning* · *prod* · `exporter_disabled` fixed after 12 min; still: "
                "*The model provider is failing* (`provider_failing`)"
            ),
        ),
        (
            "turned_critical",
            "🚨 *critical* · *prod* · *The export configuration is not as expected* (`config_drift`) turned critical",
        ),
        (
            "reminder",
            "⏰ reminder: still *critical* after 4 h 1 min · *prod* · *Trace export is switched off* (`exporter_disabled`)",
        ),
        (
            "escalated",
            (
                "🚨 escalated: *critical* for 30 min, nobody has acknowledged · *prod* · "
                "*Trace export is switched off* (`exporter_disabled`)"
            ),
        ),
        ("resolved", "✅ *resolved* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
        ("missed", "✅ *resolved* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
    ],
)
def test_the_thread_says_what_has_happened(kind: str, line: str) -> None:
    """In its first line."""
    assert first_line(reply(KINDS[kind](), FRAME)) == line


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (
            "again",
            "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · again, third time in 20 min",
        ),
        ("changed", "⚠️ *warning* · *prod* · *The model provider is failing* (`provider_failing`)"),
        ("reminder", "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
        (
            "acknowledged",
            "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · acknowledged by ana",
        ),
        ("silenced", "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · silenced"),
        (
            "waiting",
            "🛠️ *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · fixed, waiting for traces",
        ),
        ("resolved", "✅ *resolved* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
    ],
)
def test_the_root_shows_the_present_state(kind: str, line: str) -> None:
    """In its first line, so that the channel shows it without opening the thread."""
    assert first_line(root(KINDS[kind](), FRAME)) == line


def test_acknowledged_says_who_and_when_and_offers_no_ack() -> None:
    """What has been done need not be done again."""
    said = shown(root(notices.acknowledged(), FRAME))
    assert "Acknowledged by ana, <!date^1800000120^" in said
    assert "trace-monitor ack" not in said
    assert "trace-monitor silence" in said


def test_an_acknowledgement_ends_when_it_gets_worse() -> None:
    """Then nobody has it as it is now."""
    notice = notices.acknowledged()
    worse = replace(notice, incident=replace(notice.incident, acked_as=(Fault.CONFIG_DRIFT, Severity.WARNING)))
    assert "cknowledged" not in shown(root(worse, FRAME))


def test_silenced_says_until_when_and_offers_no_silence() -> None:
    """An endless silence has no date."""
    said = shown(root(notices.silenced(), FRAME))
    assert "🔕 Silenced until <!date^1800007200^" in said
    assert "silence add" not in said
    assert "🔕 Silenced.\n" in shown(root(replace(notices.silenced(), silenced_until=float("inf")), FRAME)) + "\n"


def test_a_reminder_of_what_waits_does_not_call_it_broken() -> None:
    """It is fixed, and not proven."""
    waits = replace(notices.reminder(), incident=notices.waiting().incident)
    assert "reminder: *critical*, fixed, still waiting for traces after 4 h" in shown(reply(waits, FRAME))


def test_fixed_and_waiting_says_by_whom_and_that_nothing_is_left_to_do() -> None:
    """The usual advice would send somebody to fix what is fixed."""
    said = shown(root(notices.waiting(), FRAME))
    assert "🛠️ `exporter_disabled` fixed 08:12 UTC by ana, waiting for traces." in said
    assert "Nothing to do: the incident resolves by itself when traces arrive again." in said
    assert "Switch on" not in said
    assert "```" not in said


def test_resolved_says_how_long_why_and_what_was_lost() -> None:
    """In the root and in the thread; the evidence stays in the root."""
    for message in (root(notices.resolved(), FRAME), reply(notices.resolved(), FRAME)):
        said = shown(message)
        assert "resolved" in said
        assert "after 16 min" in said
        assert "From <!date^1799999940^" in said
        assert "to <!date^1800000900^" in said
        assert "Resolved: `exporter_disabled` fixed 08:12 UTC by ana." in said
        assert "9 canaries: 4 arrived in time, 3 arrived late (after up to 6 min 52 s), 2 lost." in said
        assert "Next step" not in said
        assert "```" not in said
    assert "*What was seen*" in shown(root(notices.resolved(), FRAME))
    assert "*What was seen*" not in shown(reply(notices.resolved(), FRAME))


def test_of_a_removed_target_nobody_says_that_it_is_healthy() -> None:
    """Nobody looks any more; the word `resolved` stands in what is left of the message, too, for whoever filters by it."""
    resolved = notices.resolved()
    removed = replace(resolved, incident=replace(resolved.incident, closed_because=NO_LONGER_MONITORED))
    for message in (root(removed, FRAME), reply(removed, FRAME), post(removed, FRAME)):
        first = shown(message).partition("\n")[0]
        assert (
            first
            == "⏹️ *no longer monitored* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"
        )
        assert "✅" not in shown(message)
        assert "Resolved:" not in shown(message)
        assert "It counts as resolved: the target is not checked any more." in shown(message)
        assert "resolved" in message.text
        assert "resolved" in message.short


def test_who_missed_it_all_is_shown_how_it_went() -> None:
    """An incident that opened and closed meanwhile is one message that says both."""
    said = shown(post(notices.missed(), FRAME))
    assert "2027-01-15 08:00 UTC>: `trace_late` (warning) opened" in said
    assert "2027-01-15 08:15 UTC>: `exporter_disabled` (critical) resolved" in said


def test_who_was_notified_is_shown_only_the_names_in_their_order() -> None:
    """The thread has the rest; the last name alone may be the least of what was wrong."""
    missed = notices.missed()
    said = shown(root(replace(missed, notified=notified_of(missed.incident)), FRAME))
    assert "\nFirst `trace_late` (warning), then `exporter_disabled` (critical).\n" in said
    assert "`trace_late` (warning) opened" not in said


@pytest.mark.parametrize(
    ("also", "explained", "words"),
    [
        (
            (Fault.EXPORTER_DISABLED,),
            (),
            "*The model provider is failing* (`provider_failing`); `exporter_disabled` is still wrong too",
        ),
        ((), (Fault.EXPORTER_DISABLED,), "*The model provider is failing* (`provider_failing`): more is known"),
        ((), (), "`exporter_disabled` fixed after 12 min; still: *The model provider is failing* (`provider_failing`)"),
    ],
)
def test_fixed_is_only_what_is_gone(also: tuple[Fault, ...], explained: tuple[Fault, ...], words: str) -> None:
    """A name that was outranked or explained is no good news."""
    notice = notices.changed()
    diagnosis = replace(notice.incident.diagnosis, also=also, explained=explained)
    said = reply(replace(notice, incident=replace(notice.incident, diagnosis=diagnosis)), FRAME)
    assert first_line(said).endswith(words)


def test_a_fresh_post_in_the_middle_says_the_news_and_everything_else() -> None:
    """It takes over from a root that is gone, or stands alone where nothing can be edited."""
    said = shown(post(notices.reminder(), FRAME))
    assert said.startswith("⏰ reminder")
    assert "Next step" in said


def test_notified_of_is_what_the_notices_are_made_with() -> None:
    """A guard for the fixtures: the notices of a known incident carry what was reported."""
    assert notices.reminder().notified == notified_of(notices.reminder().incident)
