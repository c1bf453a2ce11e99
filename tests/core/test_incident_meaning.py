"""What an incident says it means, and since when; and what it has been called."""

from typing import Any

import pytest

from monitor.core.incident import NO_LONGER_MONITORED, Diagnosis, Incident, TimelineEntry
from monitor.core.model import Component, Fault, Instant, Severity
from tests.core.build import PROD, F
from tests.fakes.clock import START


def an_incident(
    impact: str = "", *, fault: Fault = F.CONTENT_LEAKED, missing: Instant | None = None, **more: Any
) -> Incident:
    """Since a minute before it was opened."""
    diagnosis = Diagnosis(
        fault=fault,
        severity=Severity.CRITICAL,
        component=Component.CONFIG,
        title="It leaks",
        summary="It leaks. Found in `x`.",
        impact=impact,
        since=START - 60,
        missing_since=missing,
    )
    return Incident(id="i", target=PROD, opened_at=START, diagnosis=diagnosis, **more)


def meant(incident: Incident) -> str:
    """In capitals what is a sentence, and moments as seconds from the start."""
    return incident.meaning(str.upper, lambda at: f"{at - START:+g} s")


@pytest.mark.parametrize(
    ("incident", "words"),
    [
        (an_incident("Lost since {since}.".lower()), "FOUND IN `X`. LOST SINCE {SINCE}. Since -60 s."),
        (an_incident("Bad."), "FOUND IN `X`. BAD. Since -60 s."),
        (an_incident("Bad.", missing=START + 5), "FOUND IN `X`. BAD. Since +5 s."),
        (an_incident("Bad.", closed_at=START + 90), "From -60 s to +90 s."),
        (
            an_incident("Bad.", closed_at=START + 90, closed_because=NO_LONGER_MONITORED),
            "From -60 s to +90 s. It counts as resolved: the target is not checked any more.",
        ),
    ],
)
def test_it_means_how_it_shows_and_what_follows_since_when(incident: Incident, words: str) -> None:
    """Of one that is over from when to when."""
    assert meant(incident) == words


def test_the_time_stands_where_the_impact_has_a_place_for_it() -> None:
    """One from before there were impacts has that of the table, which named Traceloop then."""
    said = an_incident().impact(str, lambda at: f"{at - START:+g} s")
    assert said == "Prompts or answers have been stored in Traceloop since -60 s, although they must not be."


def test_it_remembers_every_name_it_had() -> None:
    """The present one among them."""
    entry = TimelineEntry(at=START, fault=F.CONFIG_DRIFT, severity=Severity.WARNING, text="opened")
    assert an_incident(timeline=(entry,)).names == {F.CONFIG_DRIFT, F.CONTENT_LEAKED}
