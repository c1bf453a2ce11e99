"""What became of the canaries of an incident: how they are counted, and how that is said."""

import pytest

from monitor.core.canary import Outcome
from monitor.core.incident import Losses
from monitor.core.incident_lifecycle import count_losses
from tests.core.build import (
    a_canary,
    trace_id,
)
from tests.fakes.clock import START


def test_a_resolve_counts_the_canaries_of_its_window() -> None:
    """In time, late with the longest delay, lost, incomplete, unknown and not known yet; only those that the gateway served."""
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
        unclear=1,
        incomplete=1,
        pending=1,
        late_ids=(trace_id(5), trace_id(3)),
        lost_ids=(trace_id(4),),
    )
    assert str(losses) == (
        "7 canaries: 1 arrived in time, 2 arrived late (after up to 15 min), 1 lost, 1 incomplete, 1 unknown, 1 not known yet"
    )


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        (Losses(), "no canary was sent meanwhile"),
        (Losses(sent=3), "3 canaries, all arrived in time"),
        (Losses(sent=1), "1 canary, arrived in time"),
        (Losses(sent=3, lost=3), "3 canaries, all lost"),
        (Losses(sent=1, late=1, longest_delay=212.4), "1 canary, arrived late (after 3 min 32 s)"),
        (Losses(sent=1, unclear=1), "1 canary, outcome unknown"),
        (Losses(sent=2, unclear=2), "2 canaries, outcomes unknown"),
        (Losses(sent=2, pending=2), "2 canaries, outcomes not known yet"),
        (
            Losses(sent=3, lost=1, elsewhere=(("stg", 1),)),
            "3 canaries: 1 arrived in time, 1 lost, 1 went to `stg` and is not lost",
        ),
    ],
)
def test_losses_are_said_in_words(losses: Losses, words: str) -> None:
    """Zeros are left out, and what holds for all is said once."""
    assert str(losses) == words
