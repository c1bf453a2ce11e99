"""The life of an incident: opened, renamed, resolved, reopened, acknowledged, remembered."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Outcome
from monitor.core.events import IncidentAcknowledged
from monitor.core.incident import REMEMBERED_INCIDENTS, Incident, Notified, Reason
from monitor.core.incident_lifecycle import TRANSITIONS, Phase, Trigger
from monitor.core.inputs import Acknowledged, Input, NoticeDelivered, Removed
from monitor.core.model import Fault, Severity
from monitor.core.notify import acknowledged
from tests.core.build import (
    CONFIG,
    GATEWAY,
    HOUR,
    MINUTE,
    OFF,
    PROD,
    F,
    Story,
    a_canary,
    policy,
)
from tests.fakes.clock import START

DOWN, REFUSED, REJECTED = F.GATEWAY_UNREACHABLE, F.GATEWAY_REFUSED, F.KEY_REJECTED


def broken(fault: Fault = DOWN, **changes: Any) -> Story:
    """A fault that is confirmed."""
    return break_it(Story(policy(**changes)), fault)


def break_it(story: Story, fault: Fault = DOWN) -> Story:
    """Something breaks."""
    return story.fails(GATEWAY, fault, conclusive=True)


def fix_it(story: Story) -> Story:
    """It is fixed."""
    return story.passes(GATEWAY, conclusive=True)


# --- opened ----------------------------------------------------------------------------------------------------------


def test_an_incident_opens_when_a_fault_is_confirmed() -> None:
    """With an id that is derived from target and time."""
    story = broken()
    incident = story.incident
    assert incident.id == "prod-20270115-080000"
    assert (incident.opened_at, incident.began_at, incident.critical_since) == (START, START, START)
    assert (incident.worst, incident.open, incident.target) == (Severity.CRITICAL, True, PROD)
    assert [entry.text for entry in incident.timeline] == ["opened"]
    assert story.turns == ["opened gateway_unreachable"]


def test_a_warning_has_not_turned_critical() -> None:
    """Escalation counts from turning critical."""
    assert broken(REFUSED).incident.critical_since is None


def test_an_incident_begins_with_the_first_evidence() -> None:
    """A little before it is opened."""
    story = Story().fails(GATEWAY, DOWN).wait(5).fails(GATEWAY, DOWN)
    assert (story.incident.began_at, story.incident.opened_at) == (START, START + 5)


def test_evidence_from_the_future_does_not_date_an_incident() -> None:
    """A clock that was set back."""
    story = Story().fails(GATEWAY, DOWN).wait(-100).fails(GATEWAY, DOWN)
    assert story.incident.began_at == START - 100


def test_there_is_one_incident_per_target() -> None:
    """Open while any fault of it is confirmed."""
    story = broken(REFUSED).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True)
    assert len(story.state.incidents) == 1
    assert story.diagnosis.also == (F.CONFIG_DRIFT,)
    fix_it(story).passes(CONFIG, conclusive=True)
    assert story.state.incident is None
    assert story.turns == ["opened gateway_refused", "changed config_drift", "resolved config_drift"]


def test_two_incidents_of_one_second_have_two_ids() -> None:
    """Else a receipt of one would be taken for that of the other."""
    story = fix_it(broken(reopen_within=0.0))
    break_it(story, REFUSED)
    fix_it(story)
    break_it(story)
    assert [incident.id[len("prod-20270115-080000") :] for incident in story.state.incidents] == ["", "-2", "-3"]


# --- changed ---------------------------------------------------------------------------------------------------------


def test_a_worse_fault_takes_over_the_name() -> None:
    """What was wrong before is listed as also wrong."""
    story = broken(REFUSED).wait(60).config(OFF)
    incident = story.incident
    assert (story.name, story.diagnosis.also) == (F.EXPORTER_DISABLED, (REFUSED,))
    assert (incident.critical_since, incident.worst) == (START + 60, Severity.CRITICAL)
    assert incident.timeline[-1].text == "exporter_disabled besides gateway_refused"
    assert story.turns[-1] == "changed exporter_disabled"


def test_a_severity_that_falls_is_a_change_too() -> None:
    """Listeners show the present severity; what it was at worst is remembered."""
    story = broken(REFUSED).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.CRITICAL)
    worst = story.incident
    story.wait(60).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True)
    assert (worst.critical_since, story.name) == (START, REFUSED)
    assert (story.incident.critical_since is None, story.incident.worst) == (True, Severity.CRITICAL)
    story.wait(60).fails(GATEWAY, REFUSED, conclusive=True, severity=Severity.CRITICAL)
    assert story.incident.timeline[-1].text == "now critical"
    assert story.incident.critical_since == START + 120
    assert len(story.turns) == 4


def test_new_words_are_no_change() -> None:
    """The same evidence may be seen again every few seconds."""
    story = broken().fails(GATEWAY, DOWN, conclusive=True, facts=("more",))
    assert story.diagnosis.because[-1] == "More"
    assert len(story.turns) == len(story.incident.timeline) == 1
    assert story.fails(GATEWAY, DOWN, conclusive=True, facts=("more",)).turns == story.turns


def test_the_window_goes_back_to_the_earliest_evidence_of_any_name() -> None:
    """A rename does not forget when it began."""
    story = Story().wait(HOUR).config(OFF)
    story.fails(GATEWAY, DOWN)
    story.wait(5).fails(GATEWAY, DOWN)
    assert story.name is DOWN
    assert story.incident.began_at == START + HOUR
    suspected = Story().fails(GATEWAY, DOWN).wait(5).config(OFF)
    assert suspected.incident.began_at == START + 5
    assert suspected.wait(5).fails(GATEWAY, DOWN).name is DOWN
    assert suspected.incident.began_at == START


def test_the_timeline_is_bounded() -> None:
    """A flapping name does not fill the memory."""
    story = broken(REFUSED)
    for _ in range(40):
        story.config(OFF).config()
    assert len(story.incident.timeline) == 40


# --- resolved, reopened ----------------------------------------------------------------------------------------------


def test_an_incident_is_resolved_when_nothing_is_confirmed() -> None:
    """Once."""
    story = fix_it(broken().wait(60))
    (incident,) = story.state.incidents
    assert (incident.closed_at, incident.closed_because) == (START + 60, "")
    assert incident.timeline[-1].text == "resolved"
    assert fix_it(story).turns == ["opened gateway_unreachable", "resolved gateway_unreachable"]


def test_the_same_fault_soon_after_reopens() -> None:
    """Same incident, "again"; what was acknowledged was the time before."""
    story = broken().feed(Acknowledged(at=START, incident_id="prod-20270115-080000", by="ana"))
    assert story.incident.acked_by == "ana"
    break_it(fix_it(story.wait(60)).wait(29 * MINUTE))
    (incident,) = story.state.incidents
    assert incident.open
    assert (incident.reopened, incident.opened_at, incident.critical_since) == ((story.now,), START, story.now)
    assert (incident.acked_by, incident.acked_at, incident.acked_as, incident.losses) == (None, None, None, None)
    assert incident.timeline[-1].text == "opened again"


def test_an_acknowledgement_outlasts_that_the_hop_of_a_loss_is_found_out() -> None:
    """It is the same loss; what ended an acknowledgement has ended it for good."""
    story = Story().proven()
    lost = [story.canary(), story.wait(60).canary()]
    story.wait(300)
    for canary in lost:
        story.see(canary)
    assert story.name is F.TRACE_MISSING
    story.feed(Acknowledged(at=story.now, incident_id=story.incident.id, by="ana"))
    story.origin(lost[-1], found=False)
    assert (story.name, acknowledged(story.incident)) == (F.TRACE_NOT_CREATED, True)
    story.fails(GATEWAY, DOWN, conclusive=True)
    assert not acknowledged(story.incident)
    assert (story.incident.acked_by, story.incident.acked_as) == (None, None)


@pytest.mark.parametrize(
    ("reopen_within", "after", "fault"), [(1800.0, 30 * MINUTE, DOWN), (1800.0, 60.0, REFUSED), (0.0, 0.0, DOWN)]
)
def test_later_or_another_fault_is_a_new_incident(reopen_within: float, after: float, fault: Fault) -> None:
    """`reopen_within: 0s` never reopens."""
    story = fix_it(broken(reopen_within=reopen_within).wait(60)).wait(after)
    break_it(story, fault)
    assert len(story.state.incidents) == 2
    assert story.incident.reopened == ()


def test_the_first_name_of_an_incident_reopens_it_too() -> None:
    """What comes back is seen by the same signs as the first time, and named better later."""
    story = break_it(broken(REFUSED).wait(60), DOWN)
    assert story.name is DOWN
    first = story.incident.id
    break_it(fix_it(story.wait(60)).wait(60), REFUSED)
    assert (story.incident.id, len(story.incident.reopened)) == (first, 1)


def test_a_clock_that_is_set_back_reopens_nothing_where_that_is_switched_off() -> None:
    """`reopen_within: 0s`, although the last one was resolved in the future."""
    story = fix_it(broken(reopen_within=0.0).wait(60)).wait(-30)
    break_it(story)
    assert len(story.state.incidents) == 2


def test_of_several_the_one_that_was_resolved_last_reopens() -> None:
    """Although another name stood between."""
    story = fix_it(broken().wait(60)).wait(60)
    fix_it(break_it(story, REFUSED).wait(60)).wait(60)
    break_it(story)
    assert [incident.open for incident in story.state.incidents] == [False, True]
    assert story.incident.opened_at == START


def test_a_gap_does_not_reopen() -> None:
    """It had no time to be an incident."""
    story = Story(now=START + 600)
    lost = [a_canary(n, sent_at=START + 60 * n, outcome=Outcome.MISSING, judged_at=START + 400) for n in (1, 2)]
    arrived = a_canary(3, sent_at=START + 180, outcome=Outcome.ARRIVED, judged_at=START + 190)
    story.state = replace(story.state, canaries=(*lost, arrived))
    story.tick()
    later = [a_canary(n, sent_at=START + 60 * n, outcome=Outcome.MISSING, judged_at=START + 600) for n in (4, 5)]
    story.state = replace(story.state, canaries=(*story.state.canaries, *later))
    story.tick()
    assert story.name is F.TRACE_MISSING
    assert story.incident.reopened == ()
    assert len(story.state.incidents) == 2


def test_a_reopened_incident_keeps_its_worst() -> None:
    """Who was called then is notified of the resolve."""
    story = fix_it(broken(severity={DOWN: Severity.CRITICAL}).wait(60))
    story.policy = policy(severity={DOWN: Severity.WARNING})
    break_it(story)
    assert (story.diagnosis.severity, story.incident.worst, story.incident.critical_since) == (
        Severity.WARNING, Severity.CRITICAL, None,
    )  # fmt: skip


# --- acknowledged, notified, removed ---------------------------------------------------------------------------------


def notified(story: Story, *, closed: bool, notifier: str = "slack") -> Input:
    """A notifier has been brought up to date."""
    incident = story.state.incidents[-1]
    return NoticeDelivered(
        at=story.now,
        incident_id=incident.id,
        notifier=notifier,
        notified=Notified(reason=Reason.OPENED, fault=DOWN, severity=Severity.CRITICAL, at=story.now, closed=closed),
    )


def test_what_a_notifier_was_notified_of_is_remembered_by_incident_and_notifier() -> None:
    """The others stay as they are."""
    story = fix_it(broken(reopen_within=0.0).wait(60))
    break_it(story)
    story.feed(notified(story, closed=False)).feed(notified(story, closed=True, notifier="webhook"))
    first, second = story.state.incidents
    assert first.notified == {}
    assert {name: known.closed for name, known in second.notified.items()} == {"slack": False, "webhook": True}


def test_only_what_is_open_can_be_acknowledged() -> None:
    """With name and severity as they are."""
    story = broken()
    name = story.incident.id
    story.feed(Acknowledged(at=START + 1, incident_id="another", by="bob"))
    assert not story.incident.acked_by
    story.feed(Acknowledged(at=START + 1, incident_id=name, by="ana"))
    assert (story.incident.acked_by, story.incident.acked_at) == ("ana", START + 1)
    assert story.incident.acked_as == (DOWN, Severity.CRITICAL)
    fix_it(story).feed(Acknowledged(at=START + 2, incident_id=name, by="bob"))
    assert story.state.incidents[-1].acked_by == "ana"
    taken = [event for event in story.events if isinstance(event, IncidentAcknowledged)]
    assert taken == [IncidentAcknowledged(target=story.state.target, at=START + 1, id=name, by="ana")]


def test_a_removed_target_closes_its_incident_and_believes_nothing_more() -> None:
    """It is no longer monitored; only its notifications are still remembered."""
    story = broken().wait(60).feed(Removed(at=START + 60))
    (incident,) = story.state.incidents
    assert (incident.closed_at, incident.closed_because) == (START + 60, "no longer monitored")
    assert story.state.removed_at == START + 60
    assert story.turns[-1] == "resolved gateway_unreachable"
    before = story.state
    assert break_it(story, REFUSED).state is before
    story.feed(notified(story, closed=True))
    assert story.state.incidents[-1].notified["slack"].closed


def test_what_comes_back_counts_time_and_canaries_from_its_return() -> None:
    """Both of the same span: those of before were reported when it ended first."""
    story = broken()
    story.canary()
    fix_it(story.wait(60))
    before = story.state.incidents[-1]
    assert before.losses is not None
    assert (before.losses.sent, before.lasted(story.now)) == (1, 60)
    fix_it(break_it(story.wait(10 * MINUTE)).wait(5))
    (incident,) = story.state.incidents
    assert incident.losses is not None
    assert (len(incident.reopened), incident.losses.sent, incident.lasted(story.now)) == (1, 0, 5)
    assert incident.lasts_since == incident.window_began_at


def test_a_removed_target_without_an_incident_has_nothing_to_say() -> None:
    """It is only gone."""
    story = Story().feed(Removed(at=START))
    assert (story.state.removed_at, story.events) == (START, [])


# --- what is remembered ----------------------------------------------------------------------------------------------


def flap(story: Story, times: int) -> Story:
    """A fault comes and goes."""
    for _ in range(times):
        fix_it(break_it(story.wait(60)).wait(60))
    return story


def test_the_newest_incidents_are_remembered() -> None:
    """A flapping target does not fill the memory."""
    story = flap(Story(policy(reopen_within=0.0)), REMEMBERED_INCIDENTS + 5)
    assert len(story.state.incidents) == REMEMBERED_INCIDENTS
    opened = [incident.opened_at for incident in story.state.incidents]
    assert opened == sorted(opened)
    assert opened[0] == START + 60 + 5 * 120


def test_an_incident_is_never_forgotten_while_a_notifier_was_not_notified_of_its_end() -> None:
    """No resolve of an incident that somebody was notified of is ever lost."""
    story = break_it(Story(policy(reopen_within=0.0)))
    not_notified = story.incident.id
    story.feed(notified(story, closed=False))
    flap(fix_it(story.wait(30)), REMEMBERED_INCIDENTS + 5)
    assert story.state.incidents[0].id == not_notified
    assert len(story.state.incidents) == REMEMBERED_INCIDENTS + 1


def test_a_reopened_incident_is_never_forgotten_while_a_notifier_was_not_notified_of_its_end() -> None:
    """It had been notified of the end before."""
    story = fix_it(broken().wait(60))
    not_notified = story.state.incidents[0].id
    story.feed(notified(story, closed=True))
    fix_it(break_it(story.wait(60)).wait(60))
    story.policy = policy(reopen_within=0.0)
    flap(story, REMEMBERED_INCIDENTS + 5)
    assert story.state.incidents[0].id == not_notified


def test_the_open_incident_is_the_last() -> None:
    """Also one that was opened long ago and reopened."""
    story = fix_it(broken(reopen_within=HOUR).wait(60))
    fix_it(break_it(story.wait(60), REFUSED).wait(60))
    break_it(story.wait(60))
    assert isinstance(story.state.incident, Incident)
    assert story.incident.opened_at == START


# --- the table -------------------------------------------------------------------------------------------------------


def test_every_phase_has_its_transitions_and_every_trigger_its_use() -> None:
    """Nothing is ever taken out of an incident's life, and only what was resolved can be opened again."""
    assert set(TRANSITIONS) == set(Phase)
    assert {trigger for moves in TRANSITIONS.values() for trigger in moves} == set(Trigger)
    assert Phase.NONE not in {
        after for before, moves in TRANSITIONS.items() for after in moves.values() if before.value != "none"
    }
    assert set(TRANSITIONS[Phase.OPEN]) == set(TRANSITIONS[Phase.RECOVERING])
    assert dict(TRANSITIONS[Phase.RESOLVED]) == {Trigger.AGAIN: Phase.OPEN}
