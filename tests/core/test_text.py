"""How values, numbers and sentences are written in everything that people read."""

import pytest

from monitor.core.text import capitalised, changed_text, code, count_text, length_text, rfc3339, sentence
from tests.fakes.clock import START


@pytest.mark.parametrize(
    ("text", "capital", "whole"),
    [
        ("", "", ""),
        ("traces are late", "Traces are late", "Traces are late."),
        ("Traces are late.", "Traces are late.", "Traces are late."),
        ("is it?", "Is it?", "Is it?"),
        ("wait…", "Wait…", "Wait…"),
        ("stop!", "Stop!", "Stop!"),
        ("`control` fails", "`control` fails", "`control` fails."),
        ("HTTP 500", "HTTP 500", "HTTP 500."),
    ],
)
def test_a_sentence_has_a_capital_and_a_full_stop(text: str, capital: str, whole: str) -> None:
    """A name in code marks keeps its case, and what has an end gets no second one."""
    assert (capitalised(text), sentence(text)) == (capital, whole)


def test_code_marks_survive_what_stands_in_them() -> None:
    """A mark inside would end them."""
    assert code("stg") == "`stg`"
    assert code("a`b``c") == "`a'b''c`"
    assert code("") == "``"


@pytest.mark.parametrize(("count", "said"), [(0, "0 spans"), (1, "1 span"), (2, "2 spans")])
def test_a_count_agrees_with_its_noun(count: int, said: str) -> None:
    """Nobody reads `span(s)`."""
    assert count_text(count, "span") == said


def test_a_plural_that_is_no_s_is_given() -> None:
    """Canaries, and verbs."""
    assert count_text(1, "canary", "canaries") == "1 canary"
    assert count_text(2, "canary", "canaries") == "2 canaries"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.5, "0.5 s"),
        (4.2345, "4.2 s"),
        (9.97, "10 s"),
        (45.4, "45 s"),
        (59.9, "1 min"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (180.0, "3 min"),
        (599, "9 min 59 s"),
        (725, "12 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (86_400, "1 d"),
        (200_000, "2 d 7 h"),
        (-1, "0 s"),
        (float("inf"), "an unknown time"),
        (float("nan"), "an unknown time"),
    ],
)
def test_a_length_of_time_has_at_most_two_units(seconds: float, said: str) -> None:
    """Seconds only while they matter, tenths only of a few."""
    assert length_text(seconds) == said


def test_a_change_is_reported_as_far_as_it_is_known() -> None:
    """By whom, when, both or neither."""
    assert changed_text(START, "ana") == "changed by ana at 2027-01-15 08:00 UTC"
    assert changed_text(START, None) == "changed at 2027-01-15 08:00 UTC"
    assert changed_text(None, "ana") == "changed by ana"
    assert changed_text(None, None) is None


def test_a_moment_for_scripts_is_rfc_3339() -> None:
    """In UTC, to the second."""
    assert rfc3339(START + 0.75) == "2027-01-15T08:00:00Z"
