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
    ("seconds", "said"), [(30, "30 s"), (60, "1 min"), (90, "90 s"), (180.0, "3 min"), (0.5, "0.5 s")]
)
def test_a_length_is_written_as_people_configure_it(seconds: float, said: str) -> None:
    """Minutes where they are whole."""
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
