from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Canary, Outcome
from monitor.core.incident import Hop, HopState, Place
from monitor.core.model import TargetName
from monitor.core.state import TargetState
from monitor.core.trace import LabelJudgement
from monitor.web.day import Day, Dot, Kind, dot_of, percentile
from monitor.web.pictures import day_strip, edges, path_summary, quarter_strip, sparkline
from tests.core.build import HOUR, POLICY, PROD, a_canary
from tests.fakes.clock import START

DAY = 24 * HOUR


def remembered(*canaries: Canary) -> dict[TargetName, TargetState]:
    """The state of one target."""
    return {PROD: TargetState(target=PROD, canaries=canaries)}


def a_dot(ago: float, kind: Kind = Kind.ARRIVED, seconds: float | None = 4.0) -> Dot:
    """A canary that was sent so long ago."""
    return Dot(id=f"c{ago}", sent_at=START - ago, kind=kind, trace_id="ab" * 16, seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "kind", "note"),
    [
        ({"outcome": Outcome.ARRIVED}, Kind.ARRIVED, ""),
        ({"outcome": Outcome.LATE}, Kind.LATE, ""),
        ({"outcome": Outcome.INCOMPLETE, "incomplete": "the root is missing"}, Kind.INCOMPLETE, "the root is missing"),
        ({"outcome": Outcome.MISSING}, Kind.MISSING, ""),
        ({"outcome": Outcome.MISSING, "elsewhere": "stg"}, Kind.MISSING, "it is in the environment stg"),
        ({"outcome": Outcome.MISSING, "recovered_at": START}, Kind.LATE, "found after it was counted as missing"),
        (
            {"outcome": Outcome.ARRIVED, "labels": LabelJudgement(environment="stg")},
            Kind.MISSING,
            "it is in the environment stg",
        ),
        ({"outcome": Outcome.UNKNOWN}, Kind.UNKNOWN, ""),
        ({"outcome": Outcome.UNKNOWN, "accepted": False}, Kind.UNKNOWN, "the gateway did not serve it"),
        ({"answered_at": None}, Kind.UNKNOWN, "the gateway did not answer"),
        ({"answered_at": None, "evidence": {"status": 403}}, Kind.UNKNOWN, "the gateway did not serve it"),
        ({}, Kind.AWAITED, ""),
        ({"late": True}, Kind.AWAITED, "overdue"),
    ],
)
def test_every_outcome_is_drawn_as_what_it_is(changes: dict[str, Any], kind: Kind, note: str) -> None:
    """With a word where the kind does not say it all."""
    dot = dot_of(a_canary(**changes))
    assert (dot.kind, dot.note) == (kind, note)


def test_a_canary_is_kept_for_a_day_also_when_the_state_has_forgotten_it() -> None:
    """The state keeps two hundred; the page shows 24 hours."""
    day = Day()
    day.note(remembered(a_canary(outcome=Outcome.ARRIVED)), START)
    day.note(remembered(a_canary(2, outcome=Outcome.LATE, sent_at=START + 60)), START + 60)
    assert [dot.kind for dot in day.of(PROD, START + 60)] == [Kind.ARRIVED, Kind.LATE]
    day.note(remembered(), START + DAY + 30)
    assert [dot.kind for dot in day.of(PROD, START + DAY + 30)] == [Kind.LATE]


def test_what_is_found_out_later_changes_what_is_drawn() -> None:
    """Awaited, then missing, then found after all."""
    day, canary = Day(), a_canary()
    for changed, kind in (
        (canary, Kind.AWAITED),
        (replace(canary, outcome=Outcome.MISSING), Kind.MISSING),
        (replace(canary, outcome=Outcome.MISSING, recovered_at=START + 900), Kind.LATE),
    ):
        day.note(remembered(changed), START + 900)
        assert [dot.kind for dot in day.of(PROD, START + 900)] == [kind]


def test_a_target_that_is_gone_is_forgotten() -> None:
    """Nothing grows for ever."""
    day = Day()
    day.note(remembered(a_canary(outcome=Outcome.ARRIVED)), START)
    day.note({}, START)
    assert day.of(PROD, START) == ()


def test_a_canary_under_way_is_not_yet_one_without_an_answer() -> None:
    """Only when no answer has come for a while."""
    day = Day()
    day.note(remembered(a_canary(answered_at=None, accepted=False)), START + 5)
    assert day.of(PROD, START + 5) == ()
    assert [dot.kind for dot in day.of(PROD, START + 300)] == [Kind.UNKNOWN]


def test_the_strip_has_a_mark_with_time_and_trace_for_every_canary() -> None:
    """And says it all in words; what did not arrive in time is listed."""
    strip = day_strip((a_dot(7200), a_dot(3600, Kind.MISSING, None), a_dot(60, Kind.AWAITED, None)), START)
    assert [mark.title for mark in strip.marks] == [
        f"06:00 UTC: arrived after 4 s, trace {'ab' * 16}",
        f"07:00 UTC: missing, trace {'ab' * 16}",
        f"07:59 UTC: awaited, trace {'ab' * 16}",
    ]
    assert strip.marks[0].height < strip.marks[1].height
    assert strip.summary == "3 canaries in 24 hours: 1 arrived, 1 missing, 1 awaited"
    assert [dot.kind for dot in strip.unusual] == [Kind.MISSING]
    assert day_strip((), START).summary == "no canary in the last 24 hours"
    assert day_strip((a_dot(60),), START).summary == "1 canary in 24 hours: 1 arrived"


def test_many_targets_have_a_mark_for_each_quarter_by_the_worst_of_it() -> None:
    """What arrived is one path; what did not says when and which trace."""
    dots = (a_dot(7200), a_dot(7100), a_dot(3700, Kind.LATE, 200.0), a_dot(3650, Kind.MISSING, None), a_dot(3640))
    strip = quarter_strip(dots, START)
    assert strip.healthy.count("M") == 1
    (mark,) = strip.marks
    assert mark.kind is Kind.MISSING
    assert mark.title.count("trace") == 2
    assert strip.summary == "5 canaries in 24 hours: 3 arrived, 1 late, 1 missing"


def test_a_quarter_names_few_and_counts_the_rest() -> None:
    """A title is no table."""
    dots = tuple(a_dot(3700 - number, Kind.MISSING, None) for number in range(6))
    (mark,) = quarter_strip(dots, START).marks
    assert mark.title.endswith(" and 2 more")


def test_the_sparkline_draws_the_latencies_below_the_limits() -> None:
    """On a logarithmic scale; a gap of more than half an hour is a gap."""
    dots = (a_dot(7200, seconds=2.0), a_dot(6900, seconds=4.0), a_dot(600, seconds=90.0))
    spark = sparkline(dots, POLICY.arrival, START)
    assert spark is not None
    assert (spark.p50, spark.p95, spark.newest) == (4.0, 90.0, 90.0)
    assert [len(points.split()) for points in spark.points] == [2, 2]
    assert [(line.name, line.text) for line in spark.limits] == [("late", "3 min"), ("missing", "5 min")]
    late, missing = (line.y for line in spark.limits)
    assert missing < late < min(line.y for line in spark.levels)
    assert sparkline((a_dot(60, Kind.MISSING, None),), POLICY.arrival, START) is None
    alone = sparkline((a_dot(60),), None, START)
    assert alone is not None
    assert alone.limits == ()


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([], 0.5, None), ([3.0], 0.95, 3.0), ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0), (list(range(1, 101)), 0.95, 95)],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, wanted: float | None) -> None:
    """The nearest rank."""
    assert percentile(values, share) == wanted


def test_the_line_into_a_broken_hop_is_broken() -> None:
    """And unknown where one end is."""
    states = (HopState.OK, HopState.OK, HopState.BROKEN, HopState.UNKNOWN)
    places = (Place.GATEWAY, Place.TRUEFOUNDRY, Place.EXPORT, Place.TRACELOOP)
    hops = tuple(Hop(place=place, state=state, text="") for place, state in zip(places, states, strict=True))
    assert [edge.state for edge in edges(hops)] == [HopState.OK, HopState.BROKEN, HopState.UNKNOWN]
    assert path_summary(hops) == "gateway ok, TrueFoundry ok, export broken, Traceloop unknown"
