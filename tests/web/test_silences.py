from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from monitor.core.model import Fault
from monitor.core.silence import Silence, Weekly
from monitor.web.payloads import describe_silence, parse_silence
from tests.fakes.clock import START

NIGHTS = {"days": ["sat", "sun"], "start": "22:00", "end": "02:30", "zone": "Europe/Berlin"}


def parse(**body: Any) -> Silence:
    """A body, parsed at the start of time."""
    return parse_silence(body, identifier="s", now=START)


def test_the_least_that_a_silence_needs_is_an_end() -> None:
    """Then it mutes every fault of every target, from now on."""
    assert parse(to=START + 60) == Silence(id="s", ends_at=START + 60)


@pytest.mark.parametrize(
    ("body", "begins_at", "ends_at"),
    [
        ({"for": 7200}, START, START + 7200),
        ({"for": 0.5}, START, START + 0.5),
        ({"from": START + 60, "for": 60}, START + 60, START + 120),
        ({"from": START - 60, "to": START + 60}, START - 60, START + 60),
        ({"to": "2027-01-15T09:00:00Z"}, None, START + 3600),
        ({"from": "2027-01-15T10:00:00+01:00", "to": "2027-01-15T10:30+01:00"}, START + 3600, START + 5400),
    ],
)
def test_moments_are_numbers_or_iso_8601(body: dict[str, Any], begins_at: float | None, ends_at: float) -> None:
    """`for` counts from the beginning, which is now unless it is said."""
    silence = parse(**body)
    assert (silence.begins_at, silence.ends_at) == (begins_at, ends_at)


def test_a_weekly_window_is_given_in_words() -> None:
    """It needs no end of its own, and has none."""
    weekly = Weekly(days=frozenset({5, 6}), start=time(22), end=time(2, 30), zone="Europe/Berlin")
    assert parse(weekly=NIGHTS, target="prod-*", fault="trace_late") == Silence(
        id="s", target="prod-*", fault=Fault.TRACE_LATE, weekly=weekly
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "needs an end"),
        ({"from": START}, "needs an end"),
        ({"to": START}, "after now"),
        ({"for": -1}, "after now"),
        ({"from": START + 120, "to": START + 60}, "after it begins"),
        ({"to": START + 60, "for": 60}, "give one"),
        ({"to": "tomorrow"}, "ISO 8601"),
        ({"to": "2027-01-15T09:00:00"}, "offset"),
        ({"to": True}, "number of seconds"),
        ({"for": "2h"}, "number of seconds"),
        ({"for": float("inf")}, "number of seconds"),
        ({"to": {}}, "number of seconds"),
        ({"to": 10**400}, "number of seconds"),
        ({"to": 1e300}, "within ten years"),
        ({"from": -1e18, "to": START + 60}, "`from` must lie between 1970 and ten years from now"),
        ({"from": 1e300, "for": 60}, "`from` must lie between 1970 and ten years from now"),
        (
            {"from": "0001-01-01T00:00:00+14:00", "to": START + 60},
            "`from` must lie between 1970 and ten years from now",
        ),
        ({"weekly": NIGHTS, "to": START + 60}, "give no `from`, `to` or `for`"),
        ({"weekly": NIGHTS, "for": 60}, "give no `from`, `to` or `for`"),
        ({"weekly": NIGHTS, "from": START}, "give no `from`, `to` or `for`"),
        ({"for": 60, "fault": "moon_eclipsed"}, "`fault` must be one of gateway_unreachable"),
        ({"for": 60, "fault": ["blind"]}, "`fault` must be one of"),
        ({"for": 60, "target": 7}, "`target`"),
        ({"for": 60, "comment": "x" * 501}, "`comment`"),
        ({"for": 60, "comment": "a\nb"}, "printable"),
        ({"for": 60, "matchers": []}, "unknown: `matchers`; allowed: target"),
        ({"weekly": "sunday"}, "`weekly` must be an object"),
        ({"weekly": {**NIGHTS, "days": []}}, "`weekly.days`"),
        ({"weekly": {**NIGHTS, "days": ["sunday"]}}, "`weekly.days`"),
        ({"weekly": {**NIGHTS, "days": [["sat"]]}}, "`weekly.days`"),
        ({"weekly": {**NIGHTS, "start": "25:00"}}, "`weekly.start`"),
        ({"weekly": {**NIGHTS, "end": None}}, "`end`"),
        ({"weekly": {**NIGHTS, "end": "10:00Z"}}, "no offset"),
        ({"weekly": {**NIGHTS, "zone": "Mars/Olympus"}}, "`weekly.zone`"),
        ({"weekly": {**NIGHTS, "zone": "../../etc/passwd"}}, "`weekly.zone`"),
        ({"weekly": {**NIGHTS, "every": 2}}, "unknown: `every`"),
    ],
)
def test_what_is_wrong_is_said(body: dict[str, Any], words: str) -> None:
    """One readable sentence, with what is allowed."""
    with pytest.raises(HTTPException) as caught:
        parse(**body)
    assert caught.value.status_code == 400
    assert words in caught.value.detail


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("target", "fault", "from", "to", "for", "weekly", "comment", "author")


@given(body=st.dictionaries(st.sampled_from(KEYS), junk))
def test_junk_is_refused_and_nothing_worse(body: dict[str, Any]) -> None:
    """Whatever is sent, it is a silence that can be shown again, or a 400."""
    refused: list[int] = []
    try:
        silence = parse(**body)
    except HTTPException as error:
        refused.append(error.status_code)
    else:
        assert describe_silence(silence, START)["id"] == "s"
    assert refused in ([], [400])


@pytest.mark.parametrize("begins_at", [-1e18, 1e300, -62_135_646_400.0, float("-inf")])
def test_a_silence_from_outside_the_calendar_is_listed_without_its_date(begins_at: float) -> None:
    """An earlier version has taken and stored such ones."""
    described = describe_silence(Silence(id="s", begins_at=begins_at, ends_at=START + 60), START)
    assert (described["from"], described["from_time"]) == (begins_at, None)
    assert described["to_time"] == "2027-01-15T08:01:00Z"


def test_what_is_described_can_be_sent_again() -> None:
    """The answer of one monitor is a body for another."""
    silence = parse(weekly=NIGHTS, comment="backups", author="ada")
    described = describe_silence(silence, START)
    again = {key: value for key, value in described.items() if key not in {"id", "active", "from_time", "to_time"}}
    assert parse(**again) == silence


def test_active_means_that_it_mutes_whatever_it_matches_now() -> None:
    """Not whether anything is broken."""
    assert describe_silence(parse(**{"for": 60, "target": "nobody", "fault": "blind"}), START)["active"]
    assert not describe_silence(parse(**{"from": START + 60, "for": 60}), START)["active"]
    assert describe_silence(Silence(id="s"), START)["active"]
