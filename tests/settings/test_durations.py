"""Durations as operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from monitor.settings.values import format_duration, parse_duration
from tests.settings.samples import MINIMAL, settings


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("30d", 2_592_000),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("90", 90),
        ("0.5", 0.5),
        ("0s", 0),
        (" 10s ", 10),
    ],
)
def test_durations_are_seconds_after_parsing(written: str, seconds: float) -> None:
    """With units, or as a number of seconds."""
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        *("", "s", "5x", "1:30", "-5s", "1h1h", "5 minutes", "1e3", "inf", "nan", "true", None, True, 5),
        *(["5s"], "\u0661s", "4000d", "9" * 400 + "s", "1_000", "5m,"),
    ],
    ids=repr,
)
def test_anything_else_is_not_a_duration(written: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(PydanticCustomError):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=300_000_000))
def test_what_is_printed_is_parsed_to_the_same(milliseconds: int) -> None:
    """`config show` prints what the file may say."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (60, "1m"), (90, "1m30s"), (86400, "1d"), (5400.5, "1h30m0.5s"), (0.25, "0.25s")]
)
def test_durations_are_printed_short(seconds: float, text: str) -> None:
    """Without units that are zero."""
    assert format_duration(seconds) == text


def test_a_number_in_the_file_is_seconds() -> None:
    """`every: 60` and `every: 60s` are the same."""
    assert settings(MINIMAL + "heartbeat: {every: 45}\n").heartbeat.every == 45.0
