"""The life of an incident: opened, renamed, mended and waiting, resolved, reopened."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Outcome
from monitor.core.events import IncidentAcknowledged
from monitor.core.incident import REMEMBERED_INCIDENTS, Incident, Losses, Notified, Reason
from monitor.core.incident_canaries import count_losses
from monitor.core.incident_lifecycle import TRANSITIONS, Phase, Trigger
from monitor.core.inputs import Acknowledged, Input, NoticeDelivered, Removed
from monitor.core.model import CheckName, Fault, Seconds, Severity, UnknownReason, failing
from tests.core.build import (
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
    HOUR,
    MINUTE,
    OFF,
    PROD,
    THEIRS,
    F,
    Story,
    a_canary,
    a_charge,
    manifest,
    policy,
    trace_id,
)
from tests.fakes.clock import START

DOWN, REFUSED, REJECTED = F.GATEWAY_UNREACHABLE, F.GATEWAY_REFUSED, F.KEY_REJECTED


def broken(fault: Fault = DOWN, **changes: Any) -> Story:
    """A fault that is confirmed."""
    return break_it(Story(policy(**changes)), fault)


def break_it(story: Story, fault: Fault = DOWN) -> Story:
    """Something breaks."""
    return story.fails(GATEWAY, fault, conclusive=True)


def mend_it(story: Story) -> Story:
    """It is mended."""
    return story.passes(GATEWAY, conclusive=True)


# --- opened ----------------------------------------------------------------------------------------------------------


def test_an_incident_opens_when_a_fault_is_confirmed() -> None:
    """With an id that is derived from target and time."""
    story = broken()
    incident = story.incident
    assert incident.id == "prod-20270115-080000"
    assert (incident.opened_at, incident.began_at, incident.critical_since) == (START, START, START)
    assert (incident.worst, incident.open, incident.target) == (Severity.CRITICAL, True, PROD)
    assert [passage.text for passage in incident.timeline] == ["opened"]
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
    mend_it(story).passes(CONFIG, conclusive=True)
    assert story.state.incident is None
    assert story.turns == ["opened gateway_refused", "changed config_drift", "resolved config_drift"]


def test_two_incidents_of_one_second_have_two_ids() -> None:
    """Else a receipt of one would be taken for that of the other."""
    story = mend_it(broken(reopen_within=0.0))
    break_it(story, REFUSED)
    mend_it(story)
    break_it(story)
    assert [incident.id[len("prod-20270115-080000") :] for incident in story.state.incidents] == ["", "-2", "-3"]


# --- changed ---------------------------------------------------------------------------------------------------------


def test_a_worse_fault_takes_over_the_name() -> None:
    """What was there before is still there, below."""
    story = broken(REFUSED).wait(60).config(OFF)
    incident = story.incident
    assert (story.name, story.diagnosis.also) == (F.EXPORTER_DISABLED, (REFUSED,))
    assert (incident.critical_since, incident.worst) == (START + 60, Severity.CRITICAL)
    assert incident.timeline[-1].text == "gateway_refused became exporter_disabled"
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
    """Evidence may be told anew every few seconds."""
    story = broken().fails(GATEWAY, DOWN, conclusive=True, facts=("more",))
    assert story.diagnosis.because[-1] == "more"
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
    story = mend_it(broken().wait(60))
    (incident,) = story.state.incidents
    assert (incident.closed_at, incident.closed_because) == (START + 60, "")
    assert incident.timeline[-1].text == "resolved"
    assert mend_it(story).turns == ["opened gateway_unreachable", "resolved gateway_unreachable"]


def test_the_same_fault_soon_after_reopens() -> None:
    """Same incident, "again"; what was acknowledged was the time before."""
    story = broken().feed(Acknowledged(at=START, incident_id="prod-20270115-080000", by="ana"))
    assert story.incident.acked_by == "ana"
    break_it(mend_it(story.wait(60)).wait(29 * MINUTE))
    (incident,) = story.state.incidents
    assert incident.open
    assert (incident.reopened, incident.opened_at, incident.critical_since) == ((story.now,), START, story.now)
    assert (incident.acked_by, incident.acked_at, incident.acked_as, incident.losses) == (None, None, None, None)
    assert incident.timeline[-1].text == "opened again"


@pytest.mark.parametrize(
    ("reopen_within", "after", "fault"), [(1800.0, 30 * MINUTE, DOWN), (1800.0, 60.0, REFUSED), (0.0, 0.0, DOWN)]
)
def test_later_or_another_fault_is_a_new_incident(reopen_within: float, after: float, fault: Fault) -> None:
    """`reopen_within: 0s` never reopens."""
    story = mend_it(broken(reopen_within=reopen_within).wait(60)).wait(after)
    break_it(story, fault)
    assert len(story.state.incidents) == 2
    assert story.incident.reopened == ()


def test_the_first_name_of_an_incident_reopens_it_too() -> None:
    """What comes back is seen by the same signs as the first time, and named better later."""
    story = break_it(broken(REFUSED).wait(60), DOWN)
    assert story.name is DOWN
    first = story.incident.id
    break_it(mend_it(story.wait(60)).wait(60), REFUSED)
    assert (story.incident.id, len(story.incident.reopened)) == (first, 1)


def test_a_clock_that_is_set_back_reopens_nothing_where_that_is_switched_off() -> None:
    """`reopen_within: 0s`, although the last one was resolved in the future."""
    story = mend_it(broken(reopen_within=0.0).wait(60)).wait(-30)
    break_it(story)
    assert len(story.state.incidents) == 2


def test_of_several_the_one_that_was_resolved_last_reopens() -> None:
    """Although another name stood between."""
    story = mend_it(broken().wait(60)).wait(60)
    mend_it(break_it(story, REFUSED).wait(60)).wait(60)
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
    """Who was called then is told of the resolve."""
    story = mend_it(broken(severity={DOWN: Severity.CRITICAL}).wait(60))
    story.policy = policy(severity={DOWN: Severity.WARNING})
    break_it(story)
    assert (story.diagnosis.severity, story.incident.worst, story.incident.critical_since) == (
        Severity.WARNING, Severity.CRITICAL, None,
    )  # fmt: skip


# --- mended and waiting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signed", "by"), [(30, " by ana"), (-3600, ""), (0, "")])
def test_only_who_signed_since_the_fault_was_seen_has_mended_it(signed: Seconds, by: str) -> None:
    """Whoever changed the configuration before has not: it may be shown otherwise, or something else was changed."""
    story = Story().config(OFF, by="bob").wait(60).config(by="ana", updated_at=START + signed).wait(1)
    assert story.diagnosis.waiting == f"exporter_disabled mended 08:01 UTC{by}, waiting for traces"


def test_a_mended_cause_keeps_its_name_and_waits_for_traces() -> None:
    """Two arrivals of canaries sent after the mend resolve it, without waiting for settle."""
    story = Story().config(OFF, by="bob").wait(60).config(by="ana").wait(1)
    assert story.name is F.EXPORTER_DISABLED
    assert story.diagnosis.waiting == "exporter_disabled mended 08:01 UTC by ana, waiting for traces"
    assert story.incident.timeline[-1].text == story.diagnosis.waiting
    story.arrives(story.canary())
    assert story.name is F.EXPORTER_DISABLED
    story.arrives(story.canary())
    (incident,) = story.state.incidents
    assert (incident.open, incident.closed_because) == (False, "exporter_disabled mended 08:01 UTC by ana")
    assert incident.diagnosis.waiting is None
    assert story.state.recovery is None


def misrouted(**changes: Any) -> Story:
    """The exporter carries the key of another environment, and the traces were found there."""
    changes.setdefault("updated_at", START - HOUR)
    story = Story(policy(environment="prd")).proven().config(**changes).wait(60)
    return story.elsewhere(story.canary())


WAITS = "Nothing to do: it resolves by itself when traces arrive again."


@pytest.mark.parametrize("masked", [True, False])
def test_a_wrong_environment_that_is_put_right_waits_like_every_mended_cause(masked: bool) -> None:
    """It accuses nobody meanwhile; what the exporter still sends by its cached key belongs to it, and is not lost."""
    key = "****" if masked else THEIRS
    story = misrouted(config=manifest(key=key) if masked else None)
    if not masked:
        story.config(manifest(key=key), updated_at=story.now)
        assert (story.name, story.diagnosis.also) == (F.CONFIG_DRIFT, (F.WRONG_ENVIRONMENT,))
    story.wait(60).config(manifest(key="****") if masked else None, by="ana", updated_at=story.now - 5)
    name = F.WRONG_ENVIRONMENT if masked else F.CONFIG_DRIFT
    assert (story.name, story.diagnosis.waiting) == (name, f"{name} mended 08:02 UTC by ana, waiting for traces")
    assert (story.diagnosis.also, story.diagnosis.explained, story.diagnosis.next_step) == ((), (), WAITS)
    cached = story.wait(30).canary()
    story.wait(60).elsewhere(cached)
    assert story.diagnosis.waiting is not None
    story.wait(300).arrives(story.canary()).arrives(story.canary())
    assert story.name is None
    losses = story.state.incidents[-1].losses
    assert str(losses) == "4 canaries: 2 arrived in time, 0 late, 0 lost, 2 went to stg"
    story.see(cached)
    assert story.known(cached).outcome is Outcome.MISSING
    assert story.state.incidents[-1].losses == losses


def test_a_wrong_environment_that_is_still_used_after_settle_is_not_mended() -> None:
    """Whatever was changed: it accuses again, under the same name."""
    story = misrouted()
    story.wait(60).config(updated_at=story.now - 5)
    assert story.state.recovery is not None
    story.wait(360).elsewhere(story.canary())
    assert (story.name, story.diagnosis.waiting) == (F.WRONG_ENVIRONMENT, None)
    assert story.turns == ["opened wrong_environment"]


@pytest.mark.parametrize("updated_at", [None, START - HOUR, START + 10 * HOUR])
def test_a_configuration_that_was_not_changed_since_mends_nothing(updated_at: float | None) -> None:
    """Nor does a date that lies ahead."""
    story = misrouted()
    story.wait(60).config(updated_at=updated_at)
    assert (story.name, story.diagnosis.waiting) == (F.WRONG_ENVIRONMENT, None)


def test_what_is_put_right_stands_beside_nothing_else_that_is_broken() -> None:
    """Neither named nor counted for the severity."""
    story = misrouted()
    story.fails(GATEWAY, REFUSED, conclusive=True, severity=Severity.WARNING)
    story.wait(60).config(updated_at=story.now - 5)
    assert (story.name, story.diagnosis.severity) == (REFUSED, Severity.WARNING)
    assert (story.diagnosis.also, story.diagnosis.explained) == ((), ())


def test_arrivals_of_canaries_sent_before_the_mend_prove_nothing() -> None:
    """They used another configuration."""
    story = Story()
    before = [story.canary() for _ in range(3)]
    story.config(OFF).wait(60).config()
    for canary in before:
        story.arrives(canary)
    assert story.name is F.EXPORTER_DISABLED


def test_the_newest_canaries_must_have_arrived() -> None:
    """A loss after an arrival begins the proof anew; in the order of sending."""
    story = Story().proven().config(OFF).wait(60).config()
    one, two = story.canary(), story.wait(60).canary()
    story.arrives(one).wait(300).see(two)
    assert story.known(two).outcome is Outcome.MISSING
    story.arrives(story.canary())
    assert story.name is F.EXPORTER_DISABLED
    story.arrives(story.canary())
    assert story.name is None


def test_where_no_trace_can_be_seen_a_mend_resolves_at_once() -> None:
    """Neither without canaries nor without arrivals."""
    for without in ((CheckName.CANARY,), (CheckName.ARRIVAL,)):
        story = Story(policy(without=without)).config(OFF).wait(60).config()
        assert story.turns == ["opened exporter_disabled", "resolved exporter_disabled"]


def test_what_is_no_cause_of_losses_resolves_at_once() -> None:
    """Nothing needs to be proven."""
    story = Story().config().fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING).config()
    assert story.name is None
    assert mend_it(broken()).name is None


def test_only_who_mends_the_configuration_is_named() -> None:
    """Nobody knows who mended Traceloop."""
    story = Story().config(by="ana").fails(CONTROL, F.INGEST_FAILING, conclusive=True, stops_export=True)
    story.passes(CONTROL, conclusive=True)
    assert story.diagnosis.waiting == "ingest_failing mended 08:00 UTC, waiting for traces"


def test_a_fault_besides_takes_over_and_says_what_is_awaited() -> None:
    """Root mended, another left: that one is broken and not waited out, until it is mended too."""
    awaited = "exporter_disabled mended 08:01 UTC, waiting for traces"
    story = Story().config(OFF).wait(60).config()
    story.fails(GATEWAY, DOWN, conclusive=True)
    assert (story.name, story.diagnosis.waiting) == (DOWN, None)
    assert story.diagnosis.because[-1] == awaited
    story.passes(GATEWAY, conclusive=True)
    assert (story.name, story.diagnosis.also, story.diagnosis.waiting) == (DOWN, (), awaited)
    assert awaited not in story.diagnosis.because
    story.arrives(story.canary()).arrives(story.canary())
    assert story.name is None


def lost_then_refused() -> Story:
    """Traces were lost, and then it turned out that Traceloop takes in nothing."""
    story = Story().proven()
    lost = [story.canary(), story.wait(60).canary()]
    story.wait(300)
    for canary in lost:
        story.see(canary)
    assert story.name is F.TRACE_MISSING
    story.fails(CONTROL, F.INGEST_FAILING, conclusive=True, stops_export=True)
    assert (story.name, story.diagnosis.explained) == (F.INGEST_FAILING, (F.TRACE_MISSING, F.TRACE_LATE))
    return story


def test_the_consequences_of_what_was_mended_do_not_take_over() -> None:
    """They last until traces arrive, and stand for nothing else."""
    story = lost_then_refused().wait(60).passes(CONTROL, conclusive=True)
    assert (story.name, story.diagnosis.also, story.diagnosis.explained) == (F.INGEST_FAILING, (), ())
    assert story.diagnosis.waiting == "ingest_failing mended 08:07 UTC, waiting for traces"
    story.arrives(story.canary()).arrives(story.canary())
    assert story.turns == ["opened trace_missing", "changed ingest_failing", "resolved ingest_failing"]


def test_fresh_losses_refute_a_mend() -> None:
    """Sent settle after it: from then on the loss is news of its own, and the mend no longer speaks for it."""
    story = lost_then_refused().wait(60).passes(CONTROL, conclusive=True)
    within = [story.wait(60).canary() for _ in range(2)]
    story.wait(300)
    for canary in within:
        story.see(canary)
    assert story.name is F.INGEST_FAILING
    story.wait(60).proven()
    for count in (1, 2):
        lost = story.canary()
        story.wait(300).see(lost)
        assert story.name is (F.INGEST_FAILING if count == 1 else F.TRACE_MISSING)


def test_a_cause_that_is_only_outranked_is_not_mended() -> None:
    """The exporter is still off; traces take another way."""
    story = Story().config(OFF).wait(360)
    story.arrives(story.canary()).arrives(story.canary())
    assert story.diagnosis.severity is Severity.WARNING
    assert (story.state.recovery, story.diagnosis.waiting) == (None, None)
    assert story.config().name is None


def test_one_cause_after_another_is_no_mend() -> None:
    """The last one to go leaves the incident waiting."""
    story = Story().config(OFF).fails(CONTROL, REJECTED, conclusive=True, stops_export=True).config()
    assert (story.name, story.state.recovery) == (REJECTED, None)
    story.passes(CONTROL, conclusive=True)
    assert story.state.recovery is not None
    assert story.state.recovery.fault is REJECTED


def test_of_two_causes_mended_at_once_the_more_upstream_is_named() -> None:
    """The other was perhaps its consequence."""
    story = Story()
    both = failing(
        "broken", *(a_charge(fault, conclusive=True, stops_export=True) for fault in (F.INGEST_FAILING, REJECTED))
    )
    story.look(CONTROL, both).passes(CONTROL, conclusive=True)
    assert story.state.recovery is not None
    assert story.state.recovery.fault is REJECTED


def test_a_mend_that_breaks_again_waits_no_more() -> None:
    """The cause is back."""
    story = Story().config(OFF).wait(60).config().wait(60).config(OFF)
    assert (story.state.recovery, story.diagnosis.waiting) == (None, None)
    assert story.turns == ["opened exporter_disabled"]


def test_a_spent_budget_is_said_to_whoever_waits() -> None:
    """Else the wait would look like another fault."""
    story = Story().config(OFF).wait(60).config().is_blind(CANARY, UnknownReason.BUDGET_SPENT).tick()
    assert story.diagnosis.waiting == (
        "exporter_disabled mended 08:01 UTC, waiting for traces (cannot look: budget_spent)"
    )


# --- what became of the canaries -------------------------------------------------------------------------------------


def test_a_resolve_counts_the_canaries_of_its_window() -> None:
    """In time, late with the longest delay, lost, and what is not known; only those that the gateway served."""
    canaries = (
        a_canary(1, sent_at=START - 1, outcome=Outcome.MISSING),
        a_canary(2, outcome=Outcome.ARRIVED, arrived_at=START + 3),
        a_canary(3, outcome=Outcome.LATE, arrived_at=START + 200),
        a_canary(4, outcome=Outcome.MISSING),
        a_canary(5, outcome=Outcome.MISSING, recovered_at=START + 900),
        a_canary(6, outcome=Outcome.INCOMPLETE),
        a_canary(7, outcome=Outcome.UNKNOWN),
        a_canary(8),
        a_canary(9, accepted=False),
        a_canary(10, sent_at=START + 10.1),
    )
    losses = count_losses(canaries, START, START + 10)
    assert losses == Losses(
        sent=7,
        late=2,
        lost=1,
        longest_delay=900.0,
        unclear=3,
        late_ids=(trace_id(5), trace_id(3)),
        lost_ids=(trace_id(4),),
    )
    assert str(losses) == ("7 canaries: 1 arrived in time, 2 late (longest 900 s), 1 lost, 3 in part or not known")


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        (Losses(), "no canary was sent meanwhile"),
        (Losses(sent=3), "3 canaries: 3 arrived in time, 0 late, 0 lost"),
        (Losses(sent=1), "1 canary: 1 arrived in time, 0 late, 0 lost"),
        (Losses(sent=3, lost=3), "3 canaries: 0 arrived in time, 0 late, 3 lost"),
    ],
)
def test_losses_are_said_in_words(losses: Losses, words: str) -> None:
    """For the resolve."""
    assert str(losses) == words


def test_the_window_of_a_resolve_begins_with_the_evidence() -> None:
    """The canaries that were lost first are older than the incident."""
    story = lost_then_refused().wait(60).passes(CONTROL, conclusive=True)
    story.arrives(story.canary()).arrives(story.canary())
    losses = story.state.incidents[-1].losses
    assert losses is not None
    assert (losses.sent, losses.lost) == (4, 2)


# --- acknowledged, told, removed -------------------------------------------------------------------------------------


def notified(story: Story, *, closed: bool, notifier: str = "slack") -> Input:
    """A notifier has been brought up to date."""
    incident = story.state.incidents[-1]
    return NoticeDelivered(
        at=story.now,
        incident_id=incident.id,
        notifier=notifier,
        notified=Notified(reason=Reason.OPENED, fault=DOWN, severity=Severity.CRITICAL, at=story.now, closed=closed),
    )


def test_what_a_notifier_was_told_is_remembered_by_incident_and_notifier() -> None:
    """The others stay as they are."""
    story = mend_it(broken(reopen_within=0.0).wait(60))
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
    mend_it(story).feed(Acknowledged(at=START + 2, incident_id=name, by="bob"))
    assert story.state.incidents[-1].acked_by == "ana"
    taken = [event for event in story.events if isinstance(event, IncidentAcknowledged)]
    assert taken == [IncidentAcknowledged(target=story.state.target, at=START + 1, id=name, by="ana")]


def test_a_removed_target_closes_its_incident_and_believes_nothing_more() -> None:
    """It is no longer monitored; only its notices are still remembered."""
    story = broken().wait(60).feed(Removed(at=START + 60))
    (incident,) = story.state.incidents
    assert (incident.closed_at, incident.closed_because) == (START + 60, "no longer monitored")
    assert story.state.removed_at == START + 60
    assert story.turns[-1] == "resolved gateway_unreachable"
    before = story.state
    assert break_it(story, REFUSED).state is before
    story.feed(notified(story, closed=True))
    assert story.state.incidents[-1].notified["slack"].closed


def test_a_removed_target_without_an_incident_has_nothing_to_say() -> None:
    """It is only gone."""
    story = Story().feed(Removed(at=START))
    assert (story.state.removed_at, story.events) == (START, [])


# --- what is remembered ----------------------------------------------------------------------------------------------


def flap(story: Story, times: int) -> Story:
    """A fault comes and goes."""
    for _ in range(times):
        mend_it(break_it(story.wait(60)).wait(60))
    return story


def test_the_newest_incidents_are_remembered() -> None:
    """A flapping target does not fill the memory."""
    story = flap(Story(policy(reopen_within=0.0)), REMEMBERED_INCIDENTS + 5)
    assert len(story.state.incidents) == REMEMBERED_INCIDENTS
    opened = [incident.opened_at for incident in story.state.incidents]
    assert opened == sorted(opened)
    assert opened[0] == START + 60 + 5 * 120


def test_an_incident_whose_end_somebody_has_not_heard_of_is_never_forgotten() -> None:
    """No resolve of a told incident is ever lost."""
    story = break_it(Story(policy(reopen_within=0.0)))
    unheard = story.incident.id
    story.feed(notified(story, closed=False))
    flap(mend_it(story.wait(30)), REMEMBERED_INCIDENTS + 5)
    assert story.state.incidents[0].id == unheard
    assert len(story.state.incidents) == REMEMBERED_INCIDENTS + 1


def test_an_incident_that_came_back_and_whose_end_somebody_missed_is_never_forgotten() -> None:
    """It had been told of the end before."""
    story = mend_it(broken().wait(60))
    unheard = story.state.incidents[0].id
    story.feed(notified(story, closed=True))
    mend_it(break_it(story.wait(60)).wait(60))
    story.policy = policy(reopen_within=0.0)
    flap(story, REMEMBERED_INCIDENTS + 5)
    assert story.state.incidents[0].id == unheard


def test_the_open_incident_is_the_last() -> None:
    """Also one that was opened long ago and reopened."""
    story = mend_it(broken(reopen_within=HOUR).wait(60))
    mend_it(break_it(story.wait(60), REFUSED).wait(60))
    break_it(story.wait(60))
    assert isinstance(story.state.incident, Incident)
    assert story.incident.opened_at == START


# --- checks that are switched off ------------------------------------------------------------------------------------


def test_a_check_that_is_switched_off_believes_nothing_any_more() -> None:
    """Its incident is resolved with the next thing that happens."""
    story = broken()
    story.policy = policy(without=(CheckName.GATEWAY,))
    assert story.tick().name is None
    assert story.passes(GATEWAY).state.check_states.keys().isdisjoint({GATEWAY})


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
