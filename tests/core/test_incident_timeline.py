"""What an incident's timeline says of a name that changes, and why it ended: fixed is only what somebody has seen to be gone."""

from dataclasses import replace

from monitor.core.faults import FAULTS
from monitor.core.model import Severity, failing
from tests.core.build import CANARY, CONFIG, CONTROL, GATEWAY, OFF, POLICY, F, Story, a_charge, policy
from tests.core.test_incident_lifecycle import DOWN, broken, fix_it


def last_step(story: Story) -> str:
    """The newest entry, in words."""
    return story.state.incidents[-1].timeline[-1].text


def test_a_timeline_says_whether_the_next_name_was_there_before() -> None:
    """`left` beside one that was fixed; else one became the other."""
    story = broken()
    story.fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING)
    fix_it(story)
    assert last_step(story) == "gateway_unreachable fixed, config_drift left"
    story.fails(CONFIG, F.EXPORTER_DISABLED, conclusive=True)
    assert last_step(story) == "config_drift became exporter_disabled"


def test_what_is_outranked_or_explained_is_not_fixed() -> None:
    """It is only named no longer."""
    story = Story().look(CANARY, failing(a_charge(F.PROVIDER_FAILING, conclusive=True)))
    story.fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.CRITICAL)
    assert story.diagnosis.also == (F.PROVIDER_FAILING,)
    assert last_step(story) == "config_drift besides provider_failing"


def test_what_is_muted_while_it_lasts_is_not_said_to_be_resolved_by_anything_but_that() -> None:
    """Nobody has seen it fixed; alone it ends its incident, beside another fault it loses the name. The setting is named."""
    by_fault = policy(severity={DOWN: Severity.NONE})
    for judge, setting in (
        (by_fault, "the severity of `gateway_unreachable`"),
        (replace(POLICY, max_severity=Severity.NONE), "alerting.max_severity"),
    ):
        story = broken()
        story.policy = judge
        story.wait(60).tick()
        (incident,) = story.state.incidents
        assert story.confirmed == {DOWN}
        assert incident.closed_because == f"no longer notified: {setting} is none"
        assert incident.unseen == "no longer notified"
        assert incident.impact(str, str).endswith(f"It counts as resolved: {incident.closed_because}.")
    story = broken()
    story.fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING)
    story.policy = by_fault
    story.wait(60).tick()
    assert (story.name, last_step(story)) == (
        F.CONFIG_DRIFT,
        "no longer notified: the severity of `gateway_unreachable` is none",
    )


def test_a_name_that_changes_while_traces_are_awaited_says_what_was_fixed() -> None:
    """Or it would read as if the cause had come back."""
    story = Story().config(OFF, by="bob").wait(60).config(by="ana")
    story.fails(GATEWAY, DOWN, conclusive=True)
    fix_it(story)
    assert story.name is F.EXPORTER_DISABLED
    awaited = "`exporter_disabled` fixed 08:01 UTC by ana, waiting for traces"
    assert last_step(story) == f"gateway_unreachable fixed; {awaited}"


def test_what_waits_for_traces_has_nothing_of_the_fault_that_hid_it() -> None:
    """Neither its severity, where the cause's is lower, nor its advice; and it turns no worse by being fixed."""
    mild = policy(severity={F.INGEST_FAILING: Severity.WARNING})
    for judge, other, severity in (
        (mild, Severity.CRITICAL, Severity.WARNING),
        (POLICY, Severity.WARNING, Severity.WARNING),
    ):
        story = Story(replace(judge, test_span_by_collector=True)).proven()
        story.fails(CONTROL, F.INGEST_FAILING, conclusive=True, stops_export=True)
        story.look(CANARY, failing(a_charge(F.PROVIDER_FAILING, conclusive=True, severity=other)))
        story.wait(60).passes(CONTROL, conclusive=True).wait(60).passes(CANARY, conclusive=True)
        assert (story.name, story.diagnosis.severity) == (F.INGEST_FAILING, severity)
        assert story.diagnosis.title == "The Collector or Traceloop does not accept traces"
        assert story.diagnosis.advice == story.policy.endpoint.fill(FAULTS[F.INGEST_FAILING]).advice
        assert (story.diagnosis.missing_since, story.diagnosis.permanent) == (None, False)


def test_every_step_knows_when_its_fault_was_seen_first() -> None:
    """From then on it is counted, whatever the incident was called meanwhile."""
    story = broken()
    story.wait(30).fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING).wait(30)
    seen_at = story.now - 30
    fix_it(story)
    opened, renamed = story.incident.timeline
    assert (opened.since, renamed.since) == (opened.at, seen_at)
    assert renamed.at > seen_at
