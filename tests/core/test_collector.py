"""The hop of a Collector between the export and the trace backend: by what arrives behind it, and by its own counters."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.diagnosis import diagnose
from monitor.core.incident import Hop, HopState, Place
from monitor.core.inputs import CountersRead
from monitor.core.path import hops, through_collector
from monitor.core.pipeline_counters import CountedBy, SpanCounters
from monitor.core.refine import confirmed_faults
from tests.core.build import CONTROL, GATEWAY, POLICY, F, Story
from tests.core.paths import healthy, ingest_failing, lossy, overdue, signs, switched_off

BEHIND = replace(POLICY, collector=True)
NOTHING: dict[str, Any] = {}


def path(story: Story, **counts: Any) -> tuple[Hop, ...]:
    """The hops of a target behind a Collector that has counted this since."""
    story.policy = replace(story.policy, collector=True)
    if counts:
        for given in (NOTHING, NOTHING if "idle" in counts else counts):
            story.wait(1)
            counters = SpanCounters(at=story.now, started_at=1.0, by=CountedBy.COLLECTOR, **given)
            story.feed(CountersRead(at=story.now, counters=counters, of=CountedBy.COLLECTOR))
    diagnosis = diagnose(story.state, story.policy, story.now)
    found = through_collector(hops(story.state, diagnosis), story.state, diagnosis, story.policy, story.now)
    assert diagnosis is None or diagnosis.hops == found
    assert [hop.place for hop in found] == ["gateway", "truefoundry", "export", "collector", "traceloop"]
    return found


def text(found: tuple[Hop, ...], place: Place = Place.COLLECTOR) -> str:
    """What is said of a hop."""
    return next(hop.text for hop in found if hop.place is place)


def test_a_target_that_names_no_collector_has_none() -> None:
    """Nor one whose policy is not known."""
    story = healthy()
    as_they_are = hops(story.state, None)
    assert through_collector(as_they_are, story.state, None, POLICY, story.now) is as_they_are
    assert through_collector(as_they_are, story.state, None, None, story.now) is as_they_are


def test_what_arrives_behind_it_has_passed_it() -> None:
    """Whatever it counts of other traffic; before anything was checked nothing is known."""
    assert signs(path(healthy())) == "+++++"
    assert text(path(healthy(), accepted={"otlp": 9}, failed={"otlphttp": 9})) == "passes the traces on"
    fresh = path(Story())
    assert (signs(fresh), text(fresh)) == ("?????", "not checked yet")


ACCEPTED = {"accepted": {"otlp": 9}}


@pytest.mark.parametrize(
    ("counts", "states", "said"),
    [
        ({}, "++??+", "may lose the traces"),
        ({"idle": True}, "++x?+", "receives no spans"),
        ({**ACCEPTED, "sent": {"otlphttp": 9}}, "++x++", "delivers what it receives"),
        (ACCEPTED, "++??+", "may lose the traces"),
        ({**ACCEPTED, "failed": {"otlphttp": 9}}, "++?x+", "delivers no spans"),
        ({"refused": {"otlp": 9}}, "++?x+", "refuses all spans"),
        ({**ACCEPTED, "failed": {"a": 9}, "sent": {"b": 9}}, "++??+", "does not deliver some spans"),
        ({**ACCEPTED, "dropped": {"filter": 9}}, "++??+", "drops some spans"),
        ({**ACCEPTED, "queued": {"a": (4, 1000)}}, "++??+", "holds spans in a queue"),
        ({**ACCEPTED, "sent": {"a": 9}, "queued": {"a": (0, 1000)}}, "++x++", "delivers what it receives"),
    ],
)
def test_what_is_lost_behind_the_gateway_may_be_lost_by_either(counts: dict[str, Any], states: str, said: str) -> None:
    """TrueFoundry has the trace and Traceloop shows a test span: export or Collector. Its counters may say which."""
    found = path(lossy(origin=True, control=True), **counts)
    assert (signs(found), text(found)) == (states, said)
    if states[2] == "?":
        assert text(found, Place.EXPORT) == ("not known" if states[3] == "x" else "may lose the traces")


def test_a_collector_is_broken_only_where_traces_are_lost() -> None:
    """Its counters are those of all traffic."""
    failing = {**ACCEPTED, "failed": {"otlphttp": 9}}
    found = path(switched_off(), **failing)
    assert (signs(found), text(found)) == ("++x?+", "delivers no spans")
    assert signs(path(ingest_failing(), **failing)) == "++?xx"
    assert signs(path(overdue(), **failing)) == "+??x?"


def test_old_counters_say_nothing() -> None:
    """As everything that was seen beside the checks."""
    story = lossy(origin=None, control=None)
    found = path(story, **ACCEPTED, failed={"otlphttp": 9})
    assert signs(found) == "+??x?"
    diagnosis = diagnose(story.state, story.policy, story.now)
    later = through_collector(found[:3] + found[4:], story.state, diagnosis, BEHIND, story.now + 4 * 3600)
    assert next(hop.state for hop in later if hop.place is Place.COLLECTOR) is HopState.UNKNOWN
    assert F.TRACE_MISSING in story.confirmed


# --- where the test span goes through it -----------------------------------------------------------------------------


def through(story: Story, **counts: Any) -> tuple[Hop, ...]:
    """The hops where `expected.endpoint` is the Collector."""
    story.policy = replace(story.policy, test_span_by_collector=True)
    return path(story, **counts)


def test_a_test_span_that_is_shown_has_passed_it() -> None:
    """Then what is lost was lost before it; its counters are those of all traffic, and say less."""
    found = through(lossy(origin=True, control=True), **ACCEPTED, dropped={"filter": 9})
    assert (signs(found), text(found)) == ("++x++", "passes a test span on")


@pytest.mark.parametrize(
    ("counts", "states", "said"),
    [
        ({}, "++???", "may refuse a test span"),
        ({"refused": {"otlp": 9}}, "++?x?", "refuses all spans"),
        ({**ACCEPTED, "failed": {"a": 9}, "sent": {"b": 9}}, "++???", "does not deliver some spans"),
        ({**ACCEPTED, "sent": {"a": 9}}, "++?+x", "delivers what it receives"),
    ],
)
def test_who_refuses_a_test_span_may_be_either(counts: dict[str, Any], states: str, said: str) -> None:
    """The Collector, or the backend behind it."""
    found = through(ingest_failing(), **counts)
    assert (signs(found), text(found)) == (states, said)


def test_the_backend_is_not_accused_of_what_the_collector_may_have_answered() -> None:
    """In the title, in the reasons and in the next step; without a Collector before it, it is."""
    story = Story(replace(POLICY, collector=True, test_span_by_collector=True)).proven()
    story.passes(GATEWAY).config()
    for _ in range(2):
        story.fails(CONTROL, F.INGEST_FAILING).wait(60)
    diagnosis = diagnose(story.state, story.policy, story.now)
    assert diagnosis is not None
    assert diagnosis.title == "The Collector or Traceloop does not accept traces"
    assert diagnosis.advice.startswith("Check the Collector's log, and https://status.traceloop.com")
    seen = diagnose(story.state, replace(story.policy, test_span_by_collector=False), story.now)
    assert seen is not None
    assert seen.title == "Traceloop does not accept traces"


@pytest.mark.parametrize(
    ("control", "said"),
    [
        (True, "The Collector and Traceloop are healthy: a test span that was sent later has passed both"),
        (False, "Traceloop does not show a test span either, which was sent to the Collector"),
    ],
)
def test_a_loss_says_which_way_the_test_span_went(control: bool, said: str) -> None:
    """It was not sent to the backend directly."""
    story = lossy(origin=True, control=control)
    policy = replace(story.policy, collector=True, test_span_by_collector=True)
    losses = [
        one for one in confirmed_faults(story.state, policy, story.now) if one.active.suspicion.fault is F.TRACE_MISSING
    ]
    assert [said in one.because for one in losses] == [True]
