"""Losses before later arrivals: a gap that is over, and an intermittent loss."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Outcome
from monitor.core.model import Severity
from monitor.core.streaks import intermittent, is_intermittent, transient_loss
from monitor.settings.target import ArrivalCheck
from tests.core.build import CONFIG, F
from tests.core.test_streaks_of_traces import series, story, then
from tests.fakes.clock import START

# --- gaps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "gap"),
    [
        ("AMA", ()),
        ("AMMA", (1, 2)),
        ("MMMA", (0, 1, 2)),
        ("AMM", ()),
        ("AMAMA", ()),
        ("AM?MA", (1, 3)),
        ("AM.MA", ()),
        ("AMM.A", ()),
        ("AMrMA", (1, 3)),
        (".MMA", (1, 2)),
        ("AMMAMMA", (1, 2)),
        ("AMMAMM", (1, 2)),
    ],
)
def test_two_losses_in_a_row_older_than_an_arrival_are_a_gap(letters: str, gap: tuple[int, ...]) -> None:
    """Unless one among them is still awaited: if it arrives, they are single losses."""
    assert tuple(int(canary.id[1:]) for canary in transient_loss(series(letters))) == gap


def test_a_gap_is_one_warning_that_is_already_over() -> None:
    """One message that says both, and calls nobody."""
    target = story("AMMA")
    (gap,) = target.state.incidents
    assert (gap.opened_at, gap.closed_at, gap.began_at) == (target.now, target.now, START + 60)
    assert (gap.diagnosis.fault, gap.diagnosis.severity) == (F.TRACE_MISSING, Severity.WARNING)
    assert gap.diagnosis.trace_ids == (f"{1:032x}", f"{2:032x}")
    assert str(gap.losses) == "2 canaries, all lost"
    assert target.turns == ["resolved trace_missing"]
    assert then(target, "AMMAAAA").turns == ["resolved trace_missing"]


@pytest.mark.parametrize("muted", [{"severity": {F.TRACE_MISSING: Severity.NONE}}, {"max_severity": Severity.NONE}])
def test_a_gap_is_no_incident_where_losses_are_muted(muted: dict[str, Any]) -> None:
    """The operator has the last word; it is remembered, so that it is none later either."""
    target = story("AMMA", **muted)
    assert target.state.incidents == ()
    assert [canary.transient_loss for canary in target.state.canaries] == [False, True, True, False]


def test_a_second_gap_is_another_incident() -> None:
    """It is another one, with an id of its own even in the same second."""
    target = story("AMMAMMA", arrival=ArrivalCheck(loss_of=(9, 12)))
    target.tick()
    first, second = target.state.incidents
    assert first.id != second.id
    assert second.diagnosis.trace_ids == (f"{4:032x}", f"{5:032x}")


def test_a_single_loss_is_no_incident() -> None:
    """It is counted and kept."""
    target = story("AAMAAA")
    assert target.turns == []
    assert target.state.canaries[2].outcome is Outcome.MISSING


def test_a_gap_is_an_incident_although_another_one_is_open() -> None:
    """That one stays open, and stays the last."""
    target = story("AA")
    target.fails(CONFIG, F.CONFIG_DRIFT, conclusive=True, severity=Severity.WARNING)
    then(target, "AAMMA")
    assert [incident.diagnosis.fault for incident in target.state.incidents] == [F.TRACE_MISSING, F.CONFIG_DRIFT]
    assert target.name is F.CONFIG_DRIFT


def test_the_losses_of_an_outage_are_no_gap_besides() -> None:
    """They belong to its incident: while it is open, although one has arrived since, and after it."""
    target = then(story("AMM"), "AMMA")
    assert target.turns == ["opened trace_missing"]
    assert then(target, "AMMAA").turns == ["opened trace_missing", "resolved trace_missing"]
    assert len(then(target, "AMMAAA").state.incidents) == 1


# --- intermittent losses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letters", "lost"),
    [
        ("AMAMA", 0),
        ("AMAMAMA", 3),
        ("MAMAMAAAAAAA", 3),
        ("MAMAMAAAAAAAA", 0),
        ("MAM?A?MAAAAAAA", 3),
        ("MAMLPMAAAAAAA", 0),
    ],
)
def test_three_of_the_last_twelve_are_an_intermittent_loss(letters: str, lost: int) -> None:
    """Only canaries of a known fate are counted."""
    assert len(intermittent(series(letters), (3, 12))) == lost


def test_an_intermittent_loss_is_said_to_be_one() -> None:
    """The table's severity, no later arrival contradicts it, and other traces still arrive."""
    target = story("AMAMAMA")
    active = target.state.confirmed[F.TRACE_MISSING]
    assert active.suspicion.summary == "3 of the last 12 traces did not arrive, the others did"
    assert target.diagnosis.title == "Some traces do not arrive in Traceloop"
    assert target.diagnosis.impact == "Some traces have been lost since {since}. Requests are not affected."
    assert is_intermittent(active)
    assert not active.suspicion.stops_export
    assert target.diagnosis.severity is Severity.CRITICAL
    assert target.turns == ["opened trace_missing"]


def test_what_is_found_after_its_deadline_is_not_lost_among_others() -> None:
    """It was very late, which `recovered` counts; what is confirmed by it ends, and what is not begins no more."""
    target = story("AMAMAMA")
    first = target.state.canaries[1]
    found = replace(first, recovered_at=target.now)
    target.state = replace(
        target.state, canaries=tuple(found if one.id == first.id else one for one in target.state.canaries)
    )
    assert intermittent(target.state.canaries, (3, 12)) == ()
    assert target.tick().name is None


def test_an_intermittent_loss_resolves_when_the_window_holds_fewer() -> None:
    """Not by two arrivals."""
    target = story("AMAMAMA")
    for letters, name in (("AMAMAMAAAAAAA", F.TRACE_MISSING), ("AMAMAMAAAAAAAA", None)):
        assert then(target, letters).name is name
    assert target.turns == ["opened trace_missing", "resolved trace_missing"]


def test_the_beginning_of_an_intermittent_loss_stays_where_it_was() -> None:
    """Although the window moves on."""
    target = then(story("AMAMAMA"), "AMAMAMAMAMAMAMA")
    assert target.state.confirmed[F.TRACE_MISSING].since == START + 60
    assert target.state.confirmed[F.TRACE_MISSING].suspicion.summary.startswith(
        "6 of the last 12 traces did not arrive"
    )


def test_one_loss_more_does_not_make_an_outage_of_an_intermittent_loss() -> None:
    """One missing trace is never conclusive; two with no later arrival are."""
    target = then(story("AMAMAMA"), "AMAMAMAM")
    assert is_intermittent(target.state.confirmed[F.TRACE_MISSING])
    then(target, "AMAMAMAMM")
    assert not is_intermittent(target.state.confirmed[F.TRACE_MISSING])


def test_the_losses_of_a_resolved_outage_are_never_counted() -> None:
    """Neither as a gap nor as intermittent, also those that are judged after the resolve."""
    target = then(story("AMMM"), "AMMM.AA")
    assert target.turns == ["opened trace_missing", "resolved trace_missing"]
    then(target, "AMMMMAAAMA")
    assert target.name is None
    assert len(target.turns) == 2
    assert [canary.excused for canary in target.state.canaries] == [letter == "M" for letter in "AMMMMAAAMA"]


def test_the_losses_of_an_outage_belong_to_it_even_inside_a_longer_incident() -> None:
    """Although that goes on under another name."""
    target = then(story("LL"), "LLMMM")
    assert target.turns == ["opened trace_late", "changed trace_missing"]
    then(target, "LLMMMLL")
    assert target.turns[2:] == ["changed trace_late"]
    then(target, "LLMMMLLAA")
    assert target.turns[3:] == ["resolved trace_late"]
