"""What became of the canaries of an incident's window, at its end and after it."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Canary, Outcome
from monitor.core.incident import Incident, Losses
from monitor.core.incident_lifecycle import NAMED, count_losses, recount
from monitor.core.state import TargetState
from monitor.core.trace import LabelJudgement
from tests.core.build import CONFIG, PROD, F, Story, a_canary, policy, trace_id
from tests.core.notified import incident
from tests.fakes.clock import START

LOST: dict[str, Any] = {"outcome": Outcome.MISSING, "judged_at": START + 300}
ENDED = START + 600


def closed(*canaries: Canary, **more: Any) -> TargetState:
    """An incident that has just been resolved, with these canaries in its window."""
    losses = count_losses(canaries, START, ENDED)
    over = replace(incident(), opened_at=START, began_at=START, closed_at=ENDED, losses=losses)
    return TargetState(target=PROD, canaries=canaries, incidents=(replace(over, **more),))


def incident_of(state: TargetState) -> Incident:
    """The only one."""
    (only,) = state.incidents
    return only


def losses_of(state: TargetState) -> Losses:
    """What it says of its canaries."""
    losses = incident_of(state).losses
    assert losses is not None
    return losses


def with_(state: TargetState, *canaries: Canary) -> TargetState:
    """The same target after a look."""
    return replace(state, canaries=canaries)


# --- at the end ------------------------------------------------------------------------------------------------------


def test_late_traces_are_named_the_longest_first() -> None:
    """Also those that were found after they had been counted missing."""
    canaries = (
        a_canary(1, outcome=Outcome.LATE, arrived_at=START + 200),
        a_canary(2, **LOST, recovered_at=START + 900),
        a_canary(3, outcome=Outcome.LATE, arrived_at=START + 250),
    )
    assert count_losses(canaries, START, ENDED).late_ids == (trace_id(2), trace_id(3), trace_id(1))


def test_lost_traces_are_named_the_newest_first_and_not_all() -> None:
    """Of the others there is a number."""
    losses = count_losses((a_canary(number, **LOST) for number in range(9)), START, ENDED)
    assert losses.lost_ids == tuple(trace_id(number) for number in (8, 7, 6, 5, 4))
    assert (losses.lost, len(losses.lost_ids)) == (9, NAMED)


def test_a_trace_without_an_id_is_named_by_its_nonce() -> None:
    """That is what can be searched for."""
    (named,) = count_losses((a_canary(1, **LOST, trace_id=None),), START, ENDED).lost_ids
    assert named == "nonce gtm-1"


def test_what_another_environment_has_is_not_lost() -> None:
    """Found by its key, or shown there by ours; also while it is still awaited here."""
    canaries = (
        a_canary(1, **LOST, elsewhere="stg"),
        a_canary(2, elsewhere="dev"),
        a_canary(3, outcome=Outcome.ARRIVED, arrived_at=START + 5, labels=LabelJudgement(environment="stg")),
        a_canary(4, outcome=Outcome.ARRIVED, arrived_at=START + 5),
        a_canary(5, **LOST),
    )
    losses = count_losses(canaries, START, ENDED)
    assert str(losses) == (
        "5 canaries: 1 arrived in time, 1 lost, 1 went to `dev` and is not lost, 2 went to `stg` and are not lost"
    )
    assert losses.lost_ids == (trace_id(5),)


# --- after it --------------------------------------------------------------------------------------------------------


def test_a_trace_that_is_found_after_the_resolve_is_late_and_not_lost() -> None:
    """The incident says so from then on."""
    lost, other = a_canary(1, **LOST), a_canary(2, **LOST)
    before = closed(lost, other)
    after = recount(before, with_(before, replace(lost, recovered_at=START + 900), other))
    assert losses_of(after) == Losses(
        sent=2, late=1, lost=1, longest_delay=900.0, late_ids=(trace_id(1),), lost_ids=(trace_id(2),)
    )
    assert incident_of(after).recounted


def test_a_trace_that_is_found_elsewhere_after_the_resolve_is_lost_no_more() -> None:
    """And none that comes to ours after all stays counted there."""
    lost, astray = a_canary(1, **LOST), a_canary(2, **LOST, elsewhere="stg")
    before = closed(lost, astray)
    found = recount(before, with_(before, replace(lost, elsewhere="stg"), astray))
    assert (losses_of(found).lost, losses_of(found).elsewhere) == (0, (("stg", 2),))
    again = recount(found, with_(found, replace(lost, elsewhere="stg"), replace(astray, recovered_at=START + 900)))
    assert (losses_of(again).late, losses_of(again).elsewhere) == (1, (("stg", 1),))


def test_what_was_still_awaited_at_the_resolve_is_counted_when_it_is_judged() -> None:
    """In time, or lost."""
    awaited = (a_canary(1), a_canary(2))
    before = closed(*awaited)
    assert (losses_of(before).pending, losses_of(before).unclear) == (2, 0)
    judged = (replace(awaited[0], outcome=Outcome.ARRIVED), replace(awaited[1], **LOST))
    losses = losses_of(recount(before, with_(before, *judged)))
    assert (losses.sent, losses.pending, losses.unclear, losses.lost) == (2, 0, 0, 1)


def test_of_what_has_been_forgotten_the_count_stays() -> None:
    """Only the newest canaries are remembered: the rest of the window is not taken back."""
    old, lost = a_canary(1, **LOST), a_canary(2, **LOST)
    before = closed(old, lost)
    after = recount(before, with_(before, replace(lost, recovered_at=START + 700)))
    assert (losses_of(after).sent, losses_of(after).lost, losses_of(after).late) == (2, 1, 1)


def test_the_longest_delay_is_never_shortened() -> None:
    """It was measured, whatever is found later."""
    late, lost = a_canary(1, outcome=Outcome.LATE, arrived_at=START + 900), a_canary(2, **LOST)
    before = closed(late, lost)
    after = recount(before, with_(before, late, replace(lost, recovered_at=START + 700)))
    assert losses_of(after).longest_delay == 900.0


@pytest.mark.parametrize("outside", [START - 1, ENDED + 1])
def test_what_was_sent_outside_the_window_changes_nothing(outside: float) -> None:
    """It is another incident's, or nobody's."""
    other = a_canary(2, **LOST, sent_at=outside)
    before = closed(a_canary(1, **LOST), other)
    after = recount(before, with_(before, before.canaries[0], replace(other, recovered_at=START + 900)))
    assert incident_of(after) == incident_of(before)


def test_an_open_incident_has_not_been_counted_yet() -> None:
    """It counts when it is resolved."""
    lost = a_canary(1, **LOST)
    found = replace(lost, recovered_at=START + 900)
    for open_one in (closed(lost, closed_at=None, losses=None), closed(lost, losses=None)):
        assert incident_of(recount(open_one, with_(open_one, found))).losses is None


def test_of_a_gap_only_its_own_losses_are_counted() -> None:
    """Others in its window have arrived, or are the next gap's."""
    lost, other = a_canary(1, **LOST), a_canary(2, **LOST)
    before = closed(lost, other)
    gap = replace(
        incident_of(before),
        opened_at=ENDED,
        diagnosis=replace(incident_of(before).diagnosis, trace_ids=(trace_id(1),)),
        losses=Losses(sent=1, lost=1),
    )
    before = replace(before, incidents=(gap,))
    after = recount(before, with_(before, lost, replace(other, recovered_at=START + 900)))
    assert after.incidents == before.incidents
    found = recount(before, with_(before, replace(lost, recovered_at=START + 900), other))
    assert (losses_of(found).late, losses_of(found).lost) == (1, 0)


def test_an_incident_that_comes_back_counts_anew() -> None:
    """What was found out after its first end is part of the whole window."""
    story = Story(policy(fail_after=1, pass_after=1)).proven()
    story.state = replace(
        story.state, incidents=(replace(incident(), opened_at=START - 60, closed_at=START, recounted=True),)
    )
    story.fails(CONFIG, F.KEY_REJECTED, conclusive=True)
    assert story.incident.reopened
    assert not story.incident.recounted
