"""What became of the canaries of an incident, as the sentence that people read at its end."""

from typing import Any

import pytest

from monitor.core.incident import Losses


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({}, "no canary was sent meanwhile"),
        ({"sent": 1}, "1 canary, arrived in time"),
        ({"sent": 3}, "3 canaries, all arrived in time"),
        ({"sent": 1, "lost": 1}, "1 canary, lost"),
        ({"sent": 4, "lost": 4}, "4 canaries, all lost"),
        ({"sent": 1, "unclear": 1}, "1 canary, outcome unknown"),
        ({"sent": 3, "unclear": 3}, "3 canaries, outcomes unknown"),
        ({"sent": 1, "pending": 1}, "1 canary, outcome not known yet"),
        ({"sent": 2, "pending": 2}, "2 canaries, outcomes not known yet"),
        ({"sent": 2, "incomplete": 2}, "2 canaries, all incomplete"),
        ({"sent": 1, "late": 1, "longest_delay": 212.4}, "1 canary, arrived late (after 3 min 32 s)"),
        ({"sent": 2, "late": 2, "longest_delay": 212.4}, "2 canaries, all arrived late (after up to 3 min 32 s)"),
        ({"sent": 1, "elsewhere": (("stg", 1),)}, "1 canary, went to `stg` and is not lost"),
        ({"sent": 2, "elsewhere": (("stg", 2),)}, "2 canaries, all went to `stg` and are not lost"),
    ],
)
def test_one_outcome_alone_needs_no_list(losses: dict[str, Any], said: str) -> None:
    """One canary, or all of them; of what is not known there is no "all"."""
    assert str(Losses(**losses)) == said


def test_every_outcome_is_counted_and_zeros_are_left_out() -> None:
    """In the order from the best to the least known."""
    every = Losses(
        sent=12,
        late=2,
        lost=1,
        longest_delay=90.0,
        elsewhere=(("dev", 1), ("stg", 2)),
        incomplete=1,
        unclear=1,
        pending=1,
    )
    assert str(every) == (
        "12 canaries: 3 arrived in time, 2 arrived late (after up to 1 min 30 s), 1 lost, 1 went to `dev` and is not lost, "
        "2 went to `stg` and are not lost, 1 incomplete, 1 unknown, 1 not known yet"
    )
    assert str(Losses(sent=5, lost=2, late=1, longest_delay=212.0)) == (
        "5 canaries: 2 arrived in time, 1 arrived late (after 3 min 32 s), 2 lost"
    )


def test_the_name_of_an_environment_does_not_end_its_code_marks() -> None:
    """It is foreign text."""
    assert str(Losses(sent=1, elsewhere=(("s`g", 1),))) == "1 canary, went to `s'g` and is not lost"
