"""A cause is fixed: its incident waits for traces, keeps its name meanwhile, and resolves when they arrive."""

from typing import Any

import pytest

from monitor.core.canary import Outcome
from monitor.core.faults import LOST
from monitor.core.incident import HopState
from monitor.core.model import CheckName, Component, Seconds, Severity, UnknownReason, failing
from tests.core.build import (
    CANARY,
    CONFIG,
    CONTROL,
    GATEWAY,
    HOUR,
    OFF,
    THEIRS,
    F,
    Story,
    a_charge,
    manifest,
    policy,
)
from tests.core.test_incident_lifecycle import DOWN, REFUSED, REJECTED, broken, fix_it
from tests.fakes.clock import START


@pytest.mark.parametrize(("signed", "by"), [(30, " by ana"), (-3600, ""), (0, "")])
def test_only_who_signed_since_the_fault_was_seen_has_fixed_it(signed: Seconds, by: str) -> None:
    """Whoever changed the configuration before has not: it may be shown otherwise, or something else was changed."""
    story = Story().config(OFF, by="bob").wait(60).config(by="ana", updated_at=START + signed).wait(1)
    assert story.diagnosis.waiting == f"`exporter_disabled` fixed 08:01 UTC{by}, waiting for traces"


def test_a_fixed_cause_keeps_its_name_and_waits_for_traces() -> None:
    """Two arrivals of canaries sent after the fix resolve it, without waiting for settle."""
    story = Story().config(OFF, by="bob").wait(60).config(by="ana").wait(1)
    assert story.name is F.EXPORTER_DISABLED
    assert story.diagnosis.waiting == "`exporter_disabled` fixed 08:01 UTC by ana, waiting for traces"
    assert story.incident.timeline[-1].text == story.diagnosis.waiting
    story.arrives(story.canary())
    assert story.name is F.EXPORTER_DISABLED
    story.arrives(story.canary())
    (incident,) = story.state.incidents
    assert (incident.open, incident.closed_because) == (False, "`exporter_disabled` fixed 08:01 UTC by ana")
    assert incident.diagnosis.waiting is None
    assert story.state.recovery is None


def misrouted(**changes: Any) -> Story:
    """The exporter carries the key of another environment, and the traces were found there."""
    changes.setdefault("updated_at", START - HOUR)
    story = Story(policy(environment="prd")).proven().config(**changes).wait(60)
    return story.elsewhere(story.canary())


WAITS = "Nothing to do: the incident resolves by itself when traces arrive again."


@pytest.mark.parametrize("masked", [True, False])
def test_a_wrong_environment_that_is_put_right_waits_like_every_fixed_cause(masked: bool) -> None:
    """It accuses nobody meanwhile; what the exporter still sends by its cached key belongs to it, and is not lost."""
    key = "****" if masked else THEIRS
    story = misrouted(config=manifest(key=key) if masked else None)
    if not masked:
        story.config(manifest(key=key), updated_at=story.now)
        assert (story.name, story.diagnosis.also) == (F.CONFIG_DRIFT, (F.WRONG_ENVIRONMENT,))
    story.wait(60).config(manifest(key="****") if masked else None, by="ana", updated_at=story.now - 5)
    name = F.WRONG_ENVIRONMENT if masked else F.CONFIG_DRIFT
    assert (story.name, story.diagnosis.waiting) == (name, f"`{name}` fixed 08:02 UTC by ana, waiting for traces")
    assert (story.diagnosis.also, story.diagnosis.explained, story.diagnosis.next_step) == ((), (), WAITS)
    cached = story.wait(30).canary()
    story.wait(60).elsewhere(cached)
    assert story.diagnosis.waiting is not None
    story.wait(300).arrives(story.canary()).arrives(story.canary())
    assert story.name is None
    losses = story.state.incidents[-1].losses
    assert str(losses) == "4 canaries: 2 arrived in time, 2 went to `stg` and are not lost"
    story.see(cached)
    assert story.known(cached).outcome is Outcome.MISSING
    assert story.state.incidents[-1].losses == losses


def test_a_wrong_environment_that_is_still_used_after_settle_is_not_fixed() -> None:
    """Whatever was changed: it accuses again, under the same name."""
    story = misrouted()
    story.wait(60).config(updated_at=story.now - 5)
    assert story.state.recovery is not None
    story.wait(360).elsewhere(story.canary())
    assert (story.name, story.diagnosis.waiting) == (F.WRONG_ENVIRONMENT, None)
    assert story.turns == ["opened wrong_environment"]


@pytest.mark.parametrize("updated_at", [None, START - HOUR, START + 10 * HOUR])
def test_a_configuration_that_was_not_changed_since_fixes_nothing(updated_at: float | None) -> None:
    """Nor does a date that lies ahead."""
    story = misrouted()
    story.wait(60).config(updated_at=updated_at)
    assert (story.name, story.diagnosis.waiting) == (F.WRONG_ENVIRONMENT, None)


def test_what_is_fixed_is_not_listed_beside_another_fault() -> None:
    """Neither named nor counted for the severity."""
    story = misrouted()
    story.fails(GATEWAY, REFUSED, conclusive=True, severity=Severity.WARNING)
    story.wait(60).config(updated_at=story.now - 5)
    assert (story.name, story.diagnosis.severity) == (REFUSED, Severity.WARNING)
    assert (story.diagnosis.also, story.diagnosis.explained) == ((), ())


def test_arrivals_of_canaries_sent_before_the_fix_prove_nothing() -> None:
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


def test_where_no_trace_can_be_seen_a_fix_resolves_at_once() -> None:
    """Neither without canaries nor without arrivals."""
    for without in ((CheckName.CANARY,), (CheckName.ARRIVAL,)):
        story = Story(policy(without=without)).config(OFF).wait(60).config()
        assert story.turns == ["opened exporter_disabled", "resolved exporter_disabled"]


def test_what_is_no_cause_of_losses_resolves_at_once() -> None:
    """Nothing needs to be proven."""
    story = Story().config().fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING).config()
    assert story.name is None
    assert fix_it(broken()).name is None


def test_only_who_fixes_the_configuration_is_named() -> None:
    """Nobody knows who fixed Traceloop."""
    story = Story().config(by="ana").fails(CONTROL, F.INGEST_FAILING, conclusive=True, stops_export=True)
    story.passes(CONTROL, conclusive=True)
    assert story.diagnosis.waiting == "`ingest_failing` fixed 08:00 UTC, waiting for traces"


def test_a_fault_besides_takes_over_and_says_what_is_awaited() -> None:
    """The first is fixed, another is left: that one is broken and not waited for, until it is fixed too."""
    awaited = "`exporter_disabled` fixed 08:01 UTC, waiting for traces"
    story = Story().config(OFF).wait(60).config()
    story.fails(GATEWAY, DOWN, conclusive=True)
    assert (story.name, story.diagnosis.waiting) == (DOWN, None)
    assert story.diagnosis.because[-1] == awaited
    story.passes(GATEWAY, conclusive=True)
    assert (story.name, story.diagnosis.also, story.diagnosis.waiting) == (F.EXPORTER_DISABLED, (), awaited)
    assert awaited not in story.diagnosis.because
    assert story.diagnosis.title == "Trace export is switched off"
    assert story.diagnosis.impact.startswith("No trace is exported from {since} on")
    assert story.diagnosis.hops[0].state is HopState.OK
    story.arrives(story.canary()).arrives(story.canary())
    assert story.name is None


def test_an_incident_that_waits_is_named_after_the_cause_that_was_fixed_last() -> None:
    """Not after what kept canaries from being sent meanwhile, and is healthy again."""
    story = Story(policy(environment="prd")).proven()
    story.fails(CONTROL, F.KEY_REJECTED, conclusive=True, stops_export=True)
    story.look(CANARY, failing(a_charge(F.PROVIDER_FAILING, conclusive=True, severity=Severity.CRITICAL)))
    story.wait(60).passes(CONTROL, conclusive=True)
    assert (story.name, story.diagnosis.waiting) == (F.PROVIDER_FAILING, None)
    story.wait(60).passes(CANARY, conclusive=True)
    assert (story.name, story.diagnosis.title) == (F.KEY_REJECTED, "Traceloop rejects the exporter's key")
    assert story.diagnosis.component is Component.TRACELOOP
    assert story.diagnosis.impact == LOST
    assert story.diagnosis.since == START


def lost_then_refused() -> Story:
    """Traces were lost, and then it turned out that Traceloop accepts nothing."""
    story = Story().proven()
    lost = [story.canary(), story.wait(60).canary()]
    story.wait(300)
    for canary in lost:
        story.see(canary)
    assert story.name is F.TRACE_MISSING
    story.fails(CONTROL, F.INGEST_FAILING, conclusive=True, stops_export=True)
    assert (story.name, story.diagnosis.explained) == (F.INGEST_FAILING, (F.TRACE_MISSING, F.TRACE_LATE))
    return story


def test_the_consequences_of_what_was_fixed_do_not_take_over() -> None:
    """They last until traces arrive, and mean nothing else."""
    story = lost_then_refused().wait(60).passes(CONTROL, conclusive=True)
    assert (story.name, story.diagnosis.also, story.diagnosis.explained) == (F.INGEST_FAILING, (), ())
    assert story.diagnosis.waiting == "`ingest_failing` fixed 08:07 UTC, waiting for traces"
    story.arrives(story.canary()).arrives(story.canary())
    assert story.turns == ["opened trace_missing", "changed ingest_failing", "resolved ingest_failing"]


def test_fresh_losses_refute_a_fix() -> None:
    """Sent settle after it: from then on the loss is news of its own, and the fix no longer explains it."""
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


def test_a_cause_that_is_only_outranked_is_not_fixed() -> None:
    """The exporter is still off; traces take another way."""
    story = Story().config(OFF).wait(360)
    story.arrives(story.canary()).arrives(story.canary())
    assert story.diagnosis.severity is Severity.WARNING
    assert (story.state.recovery, story.diagnosis.waiting) == (None, None)
    assert story.config().name is None


def test_one_cause_after_another_is_no_fix() -> None:
    """The last one to go leaves the incident waiting."""
    story = Story().config(OFF).fails(CONTROL, REJECTED, conclusive=True, stops_export=True).config()
    assert (story.name, story.state.recovery) == (REJECTED, None)
    story.passes(CONTROL, conclusive=True)
    assert story.state.recovery is not None
    assert story.state.recovery.fault is REJECTED


def test_of_two_causes_fixed_at_once_the_more_upstream_is_named() -> None:
    """The other was perhaps its consequence."""
    story = Story()
    both = failing(*(a_charge(fault, conclusive=True, stops_export=True) for fault in (F.INGEST_FAILING, REJECTED)))
    story.look(CONTROL, both).passes(CONTROL, conclusive=True)
    assert story.state.recovery is not None
    assert story.state.recovery.fault is REJECTED


def test_a_fix_that_breaks_again_waits_no_more() -> None:
    """The cause is back."""
    story = Story().config(OFF).wait(60).config().wait(60).config(OFF)
    assert (story.state.recovery, story.diagnosis.waiting) == (None, None)
    assert story.turns == ["opened exporter_disabled"]


def test_a_spent_budget_is_said_while_the_incident_waits() -> None:
    """Else the wait would look like another fault."""
    story = Story().config(OFF).wait(60).config().is_blind(CANARY, UnknownReason.BUDGET_SPENT).tick()
    assert story.diagnosis.waiting == (
        "`exporter_disabled` fixed 08:01 UTC, waiting for traces (cannot look: budget_spent)"
    )


def test_the_window_of_a_resolve_begins_with_the_evidence() -> None:
    """The canaries that were lost first are older than the incident."""
    story = lost_then_refused().wait(60).passes(CONTROL, conclusive=True)
    story.arrives(story.canary()).arrives(story.canary())
    losses = story.state.incidents[-1].losses
    assert losses is not None
    assert (losses.sent, losses.lost) == (4, 2)
