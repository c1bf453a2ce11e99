"""The hop from the gateway to TrueFoundry's collector, by the gateway's own counters: two readings of one process say something."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind, GatewayRule, LoggingMode
from monitor.core.hints import BELIEVED_FOR, hints, next_step
from monitor.core.inputs import CountersRead, GatewayPoliciesRead
from monitor.core.model import Fault
from monitor.core.pipeline_counters import (
    REMEMBERED,
    WINDOW,
    CountedBy,
    PipelineCounters,
    RequestGrowth,
    SpanCounters,
    add_reading,
    collector_flow,
    loses_spans,
    request_growth,
    say_counters,
    still_needed,
)
from tests.core.build import MINUTE, POLICY, Story
from tests.fakes.clock import START

F = Fault
BORN = START - 86_400


def reading(after: float = 0, *, born: float | None = BORN, **counts: Any) -> SpanCounters:
    """One, so many minutes after the start."""
    return SpanCounters(at=START + after * MINUTE, started_at=born, **counts)


def said(*readings: SpanCounters) -> list[str]:
    """What they say, without whose metrics they are."""
    pipeline_counters = PipelineCounters()
    for each in readings:
        pipeline_counters = add_reading(pipeline_counters, each)
    return [sentence.removeprefix("the gateway's own metrics: ") for sentence in say_counters(pipeline_counters)]


def test_one_reading_says_nothing() -> None:
    """Nor none: what was counted long ago is over."""
    assert said() == []
    assert said(reading(exported=5, failed={"timeout": 3}, dropped={"x": 1})) == []


def test_spans_that_got_through_speak_for_the_hop() -> None:
    """If none failed."""
    assert said(reading(exported=100), reading(5, exported=140)) == [
        "40 spans reached TrueFoundry's collector since 2027-01-15 08:00 UTC and none failed, so the gateway can send to it"
    ]


def test_spans_that_failed_speak_against_it() -> None:
    """By reason, the most frequent first; what failed before does not count."""
    before = reading(exported=100, failed={"timeout": 7, "http_5xx": 2})
    after = reading(5, exported=110, failed={"timeout": 8, "connection_refused": 12, "http_5xx": 2})
    assert said(before, after) == [
        "13 of 23 spans did not reach TrueFoundry's collector since 2027-01-15 08:00 UTC (connection_refused 12, timeout 1)"
    ]


def test_spans_that_were_dropped_are_reported_besides() -> None:
    """`should_trace_false` is how the gateway says that tracing is off."""
    before, after = reading(exported=1), reading(5, exported=4, dropped={"should_trace_false": 3, "other": 1})
    assert said(before, after)[1] == (
        "4 spans were dropped before export since 2027-01-15 08:00 UTC "
        "(should_trace_false 3, other 1; tracing is off for them)"
    )
    (alone,) = said(before, replace(after, exported=1, dropped={"other": 1}))
    assert alone == "1 span was dropped before export since 2027-01-15 08:00 UTC (other 1)"


def test_nothing_new_says_nothing() -> None:
    """Of a gateway without traffic nothing is claimed."""
    same: dict[str, Any] = {"exported": 5, "failed": {"timeout": 3}, "dropped": {"x": 1}}
    assert said(reading(**same), reading(5, **same)) == []


def test_it_is_compared_with_as_far_back_as_is_of_interest() -> None:
    """A quarter of an hour where it was read so often; else as far as the last reading."""
    often = [reading(minute, exported=minute) for minute in range(0, 31, 5)]
    assert said(*often)[0].startswith("15 spans reached TrueFoundry's collector since 2027-01-15 08:15 UTC")
    seldom = [reading(hour * 60, exported=hour) for hour in range(4)]
    assert said(*seldom)[0].startswith("1 span reached TrueFoundry's collector since 2027-01-15 10:00 UTC")
    assert WINDOW == 15 * MINUTE


def test_a_counter_that_has_gone_back_was_begun_anew() -> None:
    """What it counts now has been added since, wherever in the window it began."""
    counts = [(100, 9), (3, 1), (5, 2)]
    notified = said(
        *(
            reading(minute, born=None, exported=exported, failed={"timeout": failed})
            for minute, (exported, failed) in enumerate(counts)
        )
    )
    assert notified[0].startswith("2 of 7 spans did not reach")


def test_a_process_that_has_begun_since_began_at_nothing() -> None:
    """Everything that it counts has happened since then."""
    fresh = reading(5, born=START + 2 * MINUTE, exported=8)
    assert said(reading(exported=1000), fresh)[0].startswith(
        "8 spans reached TrueFoundry's collector since 2027-01-15 08:02 UTC"
    )


def test_one_process_is_never_compared_with_another() -> None:
    """Behind one address there may be several, each with its own counts."""
    other = BORN + 1
    assert said(reading(exported=10), reading(1, born=other, exported=9000)) == []
    readings = (reading(exported=10), reading(1, born=other, exported=9000), reading(2, exported=12))
    assert said(*readings)[0].startswith("2 spans reached")


def test_few_readings_are_remembered() -> None:
    """The newest."""
    pipeline_counters = PipelineCounters(problem="before")
    for minute in range(REMEMBERED + 5):
        pipeline_counters = add_reading(pipeline_counters, reading(minute))
    assert (len(pipeline_counters.readings), pipeline_counters.readings[-1].at, pipeline_counters.problem) == (
        REMEMBERED,
        START + (REMEMBERED + 4) * MINUTE,
        "",
    )


# --- in the diagnosis ------------------------------------------------------------------------------------------------


def notified(*readings: SpanCounters, problem: str = "") -> Story:
    """They are read, one after the other."""
    story = Story()
    for each in readings:
        story.now = each.at
        story.feed(CountersRead(at=story.now, counters=each))
    return story.feed(CountersRead(at=story.now, problem=problem)) if problem else story


FAILING = (reading(), reading(5, failed={"connection_refused": 3}))


@pytest.mark.parametrize("fault", [F.TRACE_NOT_CREATED, F.TRACE_MISSING, F.EXPORT_FAILING, F.TRACE_INCOMPLETE])
def test_it_is_evidence_where_traces_are_lost(fault: Fault) -> None:
    """On whichever side."""
    story = notified(*FAILING)
    (sentence,) = hints(story.state, story.policy, story.now)[fault]
    assert "3 of 3 spans did not reach TrueFoundry's collector" in sentence


def test_it_is_evidence_of_nothing_else_and_opens_nothing() -> None:
    """A hop that fails is a reason, once traces are missing."""
    story = notified(*FAILING)
    assert hints(story.state, story.policy, story.now)[F.CONTENT_MISSING] == ()
    assert (story.state.incidents, story.confirmed) == ((), set())


def test_what_cannot_be_read_is_said_in_one_sentence() -> None:
    """And what was read before is not said any more; a reading that succeeds ends that."""
    story = notified(*FAILING, problem="the gateway's metrics answer HTTP 503")
    assert hints(story.state, story.policy, story.now)[F.TRACE_MISSING] == (
        "the gateway's own metrics could not be read: the gateway's metrics answer HTTP 503",
    )
    assert next_step(F.TRACE_NOT_CREATED, story.state, story.policy, story.now) == ""
    story.feed(CountersRead(at=story.now, counters=reading(6, failed={"connection_refused": 4})))
    assert "4 of 4 spans" in hints(story.state, story.policy, story.now)[F.TRACE_MISSING][0]


def test_old_readings_say_nothing() -> None:
    """As everything that was seen beside the checks."""
    story = notified(*FAILING)
    assert hints(story.state, POLICY, story.now + BELIEVED_FOR)[F.TRACE_MISSING]
    assert hints(story.state, POLICY, story.now + BELIEVED_FOR + 1)[F.TRACE_MISSING] == ()


def test_a_hop_that_loses_spans_is_where_to_look() -> None:
    """Where the gateway makes no trace; a logging rule that is off is looked at first."""
    story = notified(*FAILING)
    assert loses_spans(story.state.pipeline_counters)
    assert next_step(F.TRACE_NOT_CREATED, story.state, POLICY, story.now).startswith(
        "Check the connection from the gateway to TrueFoundry's collector"
    )
    for fault in (F.CONTENT_MISSING, F.TRACE_MISSING, F.EXPORT_FAILING):
        assert next_step(fault, story.state, POLICY, story.now) == ""
    rule = GatewayPolicy(kind=GatewayPolicyKind.LOGGING, rules=(GatewayRule(name="quiet", off=True),))
    story.feed(GatewayPoliciesRead(at=story.now, seen=(rule,)))
    for fault in (F.TRACE_NOT_CREATED, F.CONTENT_MISSING):
        assert next_step(fault, story.state, POLICY, story.now).startswith(
            "Change the gateway's logging rule `quiet`: "
        )
    never = GatewayPolicy(kind=GatewayPolicyKind.GLOBAL, mode=LoggingMode.NEVER)
    story.feed(GatewayPoliciesRead(at=story.now, seen=(never,), hidden=(GatewayPolicyKind.LOGGING,)))
    assert next_step(F.CONTENT_MISSING, story.state, POLICY, story.now).startswith(
        "Change the gateway's logging mode `never`: "
    )
    assert not loses_spans(notified(reading(), reading(5, exported=3)).state.pipeline_counters)
    assert not loses_spans(PipelineCounters())


def test_spans_that_are_not_traced_lead_to_the_logging_mode_and_rules() -> None:
    """Where no rule is known that says so; spans that were lost on the way are looked at first."""
    story = notified(reading(), reading(5, exported=3, dropped={"should_trace_false": 2}))
    assert "(`should_trace_false`)" in next_step(F.TRACE_NOT_CREATED, story.state, POLICY, story.now)
    assert next_step(F.EXPORT_FAILING, story.state, POLICY, story.now) == ""
    other = notified(reading(), reading(5, exported=3, dropped={"missing_created_by_subject_root": 2}))
    assert next_step(F.TRACE_NOT_CREATED, other.state, POLICY, other.now) == ""


# --- a Collector's counters ------------------------------------------------------------------------------------------


def counted(after: float = 0, *, born: float | None = BORN, **counts: Any) -> SpanCounters:
    """A reading of a Collector."""
    return replace(reading(after, born=born, **counts), by=CountedBy.COLLECTOR)


def collector_said(*readings: SpanCounters) -> list[str]:
    """What they say, without whose metrics they are, and since when."""
    counters = PipelineCounters(readings=readings)
    since = " since 2027-01-15 08:00 UTC"
    sentences = [one.replace(since, "") for one in say_counters(counters, CountedBy.COLLECTOR)]
    return [one.removeprefix("the Collector's own metrics: ") for one in sentences]


@pytest.mark.parametrize(
    ("counts", "sentences"),
    [
        ({}, ["no span has reached it"]),
        (
            {"accepted": {"otlp": 9}, "sent": {"otlphttp/a": 9, "otlphttp/b": 9}},
            ["18 spans were delivered (otlphttp/a 9, otlphttp/b 9) and none failed"],
        ),
        (
            {"accepted": {"otlp": 9}, "sent": {"otlphttp/b": 9}, "failed": {"otlphttp/a": 9}},
            ["9 spans were not delivered by its exporters (otlphttp/a 9)"],
        ),
        (
            {"refused": {"otlp": 1}},
            ["1 span was refused (otlp 1), as by its memory limiter or a full queue"],
        ),
        (
            {"accepted": {"otlp": 9}, "dropped": {"filter/health": 9}},
            ["9 spans were dropped by its processors (filter/health 9)"],
        ),
        (
            {"accepted": {"otlp": 9}, "queued": {"otlphttp/a": (3, 1000), "otlphttp/b": (0, 1000)}},
            ["3 of at most 1000 wait in the queue of otlphttp/a"],
        ),
    ],
)
def test_a_collector_says_what_became_of_the_spans(counts: dict[str, Any], sentences: list[str]) -> None:
    """By the names of its components."""
    assert collector_said(counted(), counted(5, **counts)) == sentences


def test_one_reading_of_a_collector_says_nothing() -> None:
    """Two of the same process do: a Collector shows its age, so that its start is known to about a second only."""
    lost: dict[str, Any] = {"accepted": {"otlp": 9}, "failed": {"otlphttp": 9}}
    assert collector_said(counted(5, **lost)) == []
    assert collector_said(counted(born=BORN), counted(5, born=BORN + 0.7, **lost)) != []
    assert collector_said(counted(born=BORN), counted(5, born=BORN + 90, **lost)) == []
    assert collector_said(counted(born=None), counted(5, born=None, **lost)) != []
    assert collector_said(counted(born=None), counted(5, **lost)) == []


COLLECTING = (counted(), counted(5, accepted={"otlp": 9}, failed={"otlphttp": 9}))


@pytest.mark.parametrize("of", CountedBy)
@pytest.mark.parametrize(
    "fault",
    [F.TRACE_MISSING, F.EXPORT_FAILING, F.TRACE_INCOMPLETE, F.TRACE_LATE, F.INGEST_FAILING, F.KEY_REJECTED],
)
def test_a_collector_is_evidence_of_what_is_lost_behind_the_gateway(fault: Fault, of: CountedBy) -> None:
    """Whichever of the two pages shows its counters; of what the gateway never made it says nothing, and it opens nothing."""
    story = Story()
    for each in COLLECTING:
        story.now = each.at
        story.feed(CountersRead(at=story.now, counters=each, of=of))
    (sentence,) = hints(story.state, story.policy, story.now)[fault]
    assert sentence.startswith("the Collector's own metrics: 9 spans were not delivered")
    assert hints(story.state, story.policy, story.now)[F.TRACE_NOT_CREATED] == ()
    assert (story.state.incidents, story.confirmed) == ((), set())


def test_a_collector_that_shows_nothing_says_so() -> None:
    """In one sentence, as the gateway does."""
    story = Story().feed(CountersRead(at=START, problem="no answer", of=CountedBy.COLLECTOR))
    assert hints(story.state, story.policy, START)[F.TRACE_LATE] == (
        "the Collector's own metrics could not be read: no answer",
    )


def test_what_a_processor_still_held_is_no_drop() -> None:
    """What comes in and has not gone out yet counts as dropped until it goes out: the count may fall, and that is no restart."""

    def held(minutes: int, dropped: int) -> SpanCounters:
        at = START + 60.0 * minutes
        return SpanCounters(
            at=at, started_at=START, by=CountedBy.COLLECTOR, accepted={"otlp": 10 * minutes}, dropped={"batch": dropped}
        )

    flow = collector_flow(PipelineCounters(readings=(held(1, 9), held(2, 4), held(3, 7))))
    assert flow is not None
    assert not flow.dropped
    dropping = collector_flow(PipelineCounters(readings=(held(1, 4), held(2, 9))))
    assert dropping is not None
    assert dropping.dropped == {"batch": 5}


# --- requests between two readings


def served(minutes: int, requests: int | None, started_at: float | None = 1.0) -> SpanCounters:
    """What was read so many minutes after the beginning."""
    return SpanCounters(at=START + 60 * minutes, requests=requests, started_at=started_at)


def growth(*readings: SpanCounters, until: int = 20) -> RequestGrowth | str | None:
    """In the quarter of an hour that ended so many minutes after the beginning."""
    return request_growth(readings, START + 60 * (until - 15), START + 60 * until)


def test_the_growth_between_two_readings_that_are_over_is_counted() -> None:
    """The newest reading is too fresh: its traces may still come."""
    found = growth(served(0, 100), served(15, 170), served(30, 250))
    assert found == RequestGrowth(since=START, until=START + 900, requests=70)
    assert growth(served(0, None), served(15, None)) == RequestGrowth(since=START, until=START + 900, requests=0)


def test_one_reading_is_nothing_to_compare_with() -> None:
    """Nor are two, while the second is too fresh; nor are those of an hour ago."""
    assert growth() is growth(served(0, 100)) is growth(served(0, 100), served(21, 170)) is None
    assert growth(served(0, 100), served(15, 170), until=80) is None


@pytest.mark.parametrize("end", [served(15, 30), served(15, 170, started_at=2.0)])
def test_a_counter_that_began_anew_is_not_compared(end: SpanCounters) -> None:
    """Another process, or the same after a restart."""
    assert (
        growth(served(0, 100), end) == "the gateway restarted between two readings, or several replicas answer in turn"
    )


def test_readings_that_may_be_of_two_processes_are_not_compared() -> None:
    """One replica has served 1000 and the other 5000: that is no growth of 4000, of which most traces were lost."""
    assert "two processes" in str(growth(served(0, 1000, None), served(15, 5000, None)))


def test_what_a_later_window_may_need_is_kept() -> None:
    """The two newest that are over, and all that are not."""
    readings = tuple(served(minutes, minutes) for minutes in (0, 5, 10, 15, 25, 35))
    assert still_needed(readings, START + 60 * 20) == readings[2:]
