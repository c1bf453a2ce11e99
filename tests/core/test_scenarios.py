"""The sentences of the contract about traces, one story each: losses, their trend, and what proves that a trace is absent."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.canary import Outcome
from monitor.core.model import Instant, Seconds
from monitor.core.pace import interval
from monitor.core.trace import Route
from tests.core.build import ARRIVAL, CANARY, CONTROL, GATEWAY, HOUR, MINUTE, F, Story, quick, spans
from tests.core.stories import CRITICAL, MISSING, WARNING, healthy, starts, stops
from tests.fakes.clock import START


@quick
@given(st.lists(st.floats(0, 170), min_size=5, max_size=12), st.data())
def test_random_delays_below_the_limits_notify_nobody(delays: list[float], data: st.DataObject) -> None:
    """However the traces overtake each other, and with reads that fail now and then."""
    story = Story().config().passes(GATEWAY).proven()
    story.exports = lambda sent_at: delays[int(sent_at - START) // 60 % len(delays)]
    for _ in range(3):
        story.live(data.draw(st.floats(60, 300)))
        story.cannot_see(None)
    story.live(10 * MINUTE)
    assert story.turns == []
    assert story.confirmed == set()


@quick
@given(st.sets(st.integers(0, 6).map(lambda number: number * 7)))
def test_one_loss_never_notifies_anybody(lost: set[int]) -> None:
    """Single ones, too far apart to be three of twelve."""
    story = Story().config().passes(GATEWAY).proven()
    story.exports = lambda sent_at: None if round((sent_at - START) / 60) in lost else 3.0
    story.live(50 * MINUTE)
    assert story.turns == []
    missing = [canary for canary in story.state.canaries if canary.outcome is Outcome.MISSING]
    assert len(missing) == len(lost)


def test_two_losses_in_a_row_that_are_over_are_reported_once() -> None:
    """As a closed warning, without a call."""
    story = healthy()
    moment = story.now
    story.exports = lambda sent_at: None if moment <= sent_at < moment + 120 else 3.0
    story.live(HOUR)
    assert story.turns == ["resolved trace_missing"]
    assert story.state.incidents[0].diagnosis.severity is WARNING


def test_three_of_the_last_twelve_are_notified_until_the_window_holds_fewer() -> None:
    """Every fourth trace is lost for a while."""
    story = healthy()
    moment = story.now
    story.exports = lambda sent_at: (
        None if 0 <= sent_at - moment < 24 * 60 and round((sent_at - moment) / 60) % 4 == 3 else 3.0
    )
    story.live(2 * HOUR)
    assert story.turns == ["opened trace_missing", "resolved trace_missing"]
    diagnosis = story.state.incidents[0].diagnosis
    assert diagnosis.because[0] == "3 of the last 12 traces did not arrive, the others did"
    assert diagnosis.summary == (
        "Some traces do not arrive in Traceloop. 3 of the last 12 traces did not arrive, the others did."
    )


def test_an_export_that_stops_is_found_after_two_deadlines() -> None:
    """Late first, a warning; then missing, critical; one incident. It resolves with two arrivals in a row."""
    story = stops(healthy())
    began = story.now
    story.live(4 * MINUTE + 30)
    assert (story.name, story.diagnosis.severity) == (F.TRACE_LATE, WARNING)
    story.live(100)
    assert (story.name, story.diagnosis.severity, story.diagnosis.explained) == (MISSING, CRITICAL, (F.TRACE_LATE,))
    assert story.now - began < 7 * MINUTE
    starts(story.live(30 * MINUTE)).live(2 * MINUTE)
    assert story.turns == ["opened trace_late", "changed trace_missing", "resolved trace_missing"]
    losses = story.state.incidents[0].losses
    assert losses is not None
    assert losses.lost > 20
    story.live(HOUR)
    assert len(story.turns) == 3


def test_the_losses_of_a_resolved_outage_are_judged_after_it_and_notify_nobody() -> None:
    """The canaries that were pending at the resolve."""
    story = stops(healthy()).live(10 * MINUTE)
    starts(story).live(2 * MINUTE)
    assert story.name is None
    pending = [canary for canary in story.state.canaries if canary.pending]
    assert pending
    story.live(HOUR)
    assert story.turns[-1] == "resolved trace_missing"
    assert any(story.known(canary.id).outcome is Outcome.MISSING for canary in pending)


def test_lost_traces_that_come_after_all_are_said_in_the_resolve() -> None:
    """Each is looked for once more when traces arrive again: late ones are not lost."""
    story = healthy()
    began = story.now
    ended = began + 20 * MINUTE

    def delayed(sent_at: Instant) -> Seconds | None:
        return 3.0 if not began <= sent_at < ended else ended + 5 - sent_at if sent_at < began + 10 * MINUTE else None

    story.exports = delayed
    story.live(20 * MINUTE)
    assert story.name is MISSING
    story.live(2 * MINUTE)
    losses = story.state.incidents[0].losses
    assert losses is not None
    assert losses.late == 10
    assert losses.longest_delay is not None
    assert 20 * MINUTE <= losses.longest_delay < 21 * MINUTE
    assert losses.lost > 0


def test_lost_traces_that_come_after_the_resolve_are_put_right() -> None:
    """What was held up comes behind what is new: the incident that is over says so, and nothing is reported anew."""
    story = healthy()
    began = story.now
    story.exports = lambda sent_at: 25 * MINUTE if sent_at < began + 15 * MINUTE else 3.0
    story.live(20 * MINUTE)
    assert story.turns[-1] == "resolved trace_missing"
    before = story.state.incidents[0].losses
    assert before is not None
    assert before.lost > 0
    turns = len(story.turns)
    story.live(HOUR)
    after = story.state.incidents[0].losses
    assert after is not None
    assert (after.sent, after.lost) == (before.sent, 0)
    assert len(story.turns) == turns


def test_a_trace_that_has_not_come_starts_control_and_the_faster_cadence() -> None:
    """From `look_closer_after` on."""
    story = stops(healthy())
    story.canary()
    story.wait(59)
    assert interval(CONTROL, story.state, story.policy, story.now) == 1800
    story.wait(1)
    assert interval(CONTROL, story.state, story.policy, story.now) == 120
    assert interval(CANARY, story.state, story.policy, story.now) == 60


def test_absence_through_a_route_that_has_proven_nothing_is_unknown() -> None:
    """It opens nothing but blind, and only after ten minutes of it."""
    story = stops(Story().config()).live(14 * MINUTE)
    assert story.confirmed == set()
    assert {canary.outcome for canary in story.state.canaries} == {None, Outcome.UNKNOWN}
    story.live(2 * MINUTE)
    assert story.confirmed == {F.BLIND}


def test_a_control_span_proves_the_route_for_canaries() -> None:
    """With the same credential."""
    story = stops(Story().config())
    story.control_seen(story.control(), shown=True, route=Route.TRACE)
    story.live(8 * MINUTE)
    assert MISSING in story.confirmed


def test_a_proof_lasts_a_day() -> None:
    """Then absence is unknown again."""
    story = Story().config().proven().wait(24 * HOUR + 1)
    lost = story.canary()
    story.wait(300).see(lost)
    assert story.known(lost).outcome is Outcome.UNKNOWN


def test_reads_that_fail_make_no_loss() -> None:
    """A canary is missing only by a look that succeeded after its deadline."""
    story = healthy()
    for _ in range(8):
        canary = story.canary()
        for seconds in (100, 100, 99):
            story.wait(seconds).see(canary)
        for _ in range(10):
            story.wait(30).cannot_see(canary)
    assert story.confirmed <= {F.TRACE_LATE, F.BLIND}
    assert all(canary.outcome is not Outcome.MISSING for canary in story.state.canaries)


def test_traces_in_part_are_reported_as_such() -> None:
    """At the deadline the root is missing."""
    story = healthy()
    for _ in range(2):
        canary = story.canary()
        number = int(canary[1:])
        story.see(canary, spans(number)[1:]).wait(300).see(canary, spans(number)[1:])
    assert F.TRACE_INCOMPLETE in story.confirmed
    assert MISSING not in story.confirmed


def test_a_leak_is_reported_with_the_first_trace_that_shows_it() -> None:
    """Critical, and naming attributes."""
    story = healthy()
    canary = story.canary()
    story.arrives(canary, spans(int(canary[1:]), content=("tfy.input",)))
    assert (story.name, story.diagnosis.severity) == (F.CONTENT_LEAKED, CRITICAL)
    assert "tfy.input" in story.diagnosis.summary


def test_a_misrouted_trace_is_reported_as_soon_as_it_is_found() -> None:
    """It explains the losses that follow."""
    story = stops(healthy())
    canary = story.canary()
    story.wait(60).elsewhere(canary)
    assert story.turns == ["opened wrong_environment"]
    starts(story.live(10 * MINUTE)).live(2 * MINUTE)
    assert story.turns == ["opened wrong_environment", "resolved wrong_environment"]
    assert len(story.live(HOUR).turns) == 2


def test_nothing_waits_in_a_target_without_an_incident() -> None:
    """A memory of hours of quiet is that of a fresh start, but for what was seen."""
    story = healthy().live(HOUR)
    assert (story.state.recovery, story.state.outages, story.state.incidents) == (None, (), ())
    assert story.state.check_state(ARRIVAL).confirmed == {}
    assert replace(story.state, canaries=()).target == "prod"
