"""The sentences themselves, where they are subtle."""

from dataclasses import replace

import pytest

from monitor.cli.table import incident_lines
from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS
from monitor.core.incident import Losses, Reason, TimelineEntry
from monitor.core.model import Fault, Severity
from monitor.core.state import State
from monitor.daemon.status import describe_incident
from monitor.notifiers import wording
from monitor.notifiers.wording import Style, utc
from monitor.web.page import PageContext, incident_page
from tests.fakes.clock import START
from tests.notifiers import notices
from tests.notifiers.notices import a_diagnosis, a_notice, an_incident, notified_of
from tests.web.test_page import Reader

PLAIN = Style(
    foreign=lambda text, limit: text[:limit], mixed=lambda text, limit: text[:limit], when=utc, code=str, bold=str
)


@pytest.mark.parametrize("moment", [0.0, -1e300, 1e300, float("inf"), float("nan")])
def test_no_moment_is_too_strange_to_be_written(moment: float) -> None:
    """A message is never lost for a date."""
    assert utc(moment) == "an unknown time"


@pytest.mark.parametrize(
    ("times", "words"), [(1, "again, second time in 20 min"), (9, "again, tenth time"), (10, "again, time 11 in")]
)
def test_what_comes_back_is_counted(times: int, words: str) -> None:
    """From the first opening on."""
    incident = an_incident(reopened=tuple(START + 120.0 * (number + 1) for number in range(times)))
    assert words in wording.headline(a_notice(incident=incident, at=START + 1200), PLAIN)


def test_a_resolve_after_a_return_counts_from_the_return() -> None:
    """The well hours between are not part of the outage."""
    diagnosis = a_diagnosis(since=START + 3600)
    incident = an_incident(diagnosis, reopened=(START + 3660,), began_at=START + 3600, closed_at=START + 4200)
    said = wording.headline(a_notice(Reason.RESOLVED, incident, at=START + 9000), PLAIN)
    assert "after 10 min" in said
    assert said.endswith(" · again, second time in 1 h 10 min")


def test_the_message_the_command_and_the_page_tell_one_duration() -> None:
    """From the first evidence, which is a little before the incident was opened."""
    over = an_incident(a_diagnosis(since=START - 20), began_at=START - 20, closed_at=START + 43)
    assert "after 1 min 3 s" in wording.headline(a_notice(Reason.RESOLVED, over), PLAIN)
    assert " 1 min 3 s " in list(incident_lines([describe_incident(over)], START + 900))[1]
    page = incident_page(
        over,
        None,
        State(),
        notices=(),
        version="1",
        now=START + 900,
        context=PageContext(),
        form={"done": "", "failed": "", "given": {}, "lengths": ()},
        external_url=None,
        depth=1,
    )
    assert "after 1 min 3 s" in Reader(page).text


def test_what_is_no_longer_checked_is_not_said_to_be_fixed_or_healthy() -> None:
    """In the change of a name, and in the end."""
    off = "no longer checked: checks.gateway is off"
    incident = an_incident(
        timeline=(TimelineEntry(at=START, fault=Fault.EXPORTER_DISABLED, severity=Severity.WARNING, text=off),)
    )
    notified = notified_of(incident, fault=Fault.GATEWAY_REFUSED)
    assert f"gateway_refused is {off}; still: " in wording.news(
        a_notice(Reason.CHANGED, incident, notified=notified), PLAIN
    )
    notice = a_notice(Reason.RESOLVED, replace(incident, closed_at=START + 60, closed_because=off))
    assert wording.headline(notice, PLAIN).startswith("⏹️ no longer checked after ")
    assert wording.states(notice, PLAIN) == []
    assert f"It counts as resolved: {off}." in wording.impact(notice, PLAIN)


def test_a_name_is_known_for_as_long_as_it_was_borne_last() -> None:
    """Not since the incident began under another name."""
    timeline = [
        TimelineEntry(at=START + offset, fault=fault, severity=Severity.WARNING, text="")
        for offset, fault in [
            (0, Fault.CONFIG_DRIFT),
            (60, Fault.TRACE_LATE),
            (120, Fault.CONFIG_DRIFT),
            (200, Fault.CONFIG_DRIFT),
            (360, Fault.PROVIDER_FAILING),
        ]
    ]
    incident = an_incident(a_diagnosis(Fault.PROVIDER_FAILING), timeline=tuple(timeline))
    notified = notified_of(incident, fault=Fault.CONFIG_DRIFT)
    news = wording.news(a_notice(Reason.CHANGED, incident, at=START + 360, notified=notified), PLAIN)
    assert "config_drift fixed after 4 min; still: The model provider is failing (provider_failing)" in news


def test_what_an_incident_began_with_is_known_since_its_first_evidence() -> None:
    """A loss is one thing under all its names; what came back counts from its return."""
    timeline = [
        TimelineEntry(at=START + offset, fault=fault, severity=Severity.CRITICAL, text="", since=START + since)
        for offset, fault, since in [
            (240, Fault.TRACE_MISSING, 0),
            (600, Fault.EXPORT_FAILING, 540),
            (720, Fault.PROVIDER_FAILING, 300),
        ]
    ]
    diagnosis = a_diagnosis(Fault.PROVIDER_FAILING)
    incident = an_incident(diagnosis, timeline=tuple(timeline), began_at=START, opened_at=START + 240)
    notified = notified_of(incident, fault=Fault.EXPORT_FAILING)
    notice = a_notice(Reason.CHANGED, incident, at=START + 720, notified=notified)
    assert "export_failing fixed after 12 min; still: " in wording.news(notice, PLAIN)
    # What takes the name over may be older, and is no reason to count from its beginning.
    older = replace(incident, began_at=START - 600)
    assert "export_failing fixed after 12 min; still: " in wording.news(replace(notice, incident=older), PLAIN)
    came_back = replace(incident, reopened=(START + 600,))
    assert "export_failing fixed after 3 min; still: " in wording.news(replace(notice, incident=came_back), PLAIN)


def test_a_resolve_names_everything_that_was_wrong_since_it_was_opened_last() -> None:
    """The last name may be the least of them; what bore one name says nothing twice."""
    timeline = [
        TimelineEntry(at=START + offset, fault=fault, severity=severity, text="")
        for offset, fault, severity in [
            (0, Fault.CONFIG_DRIFT, Severity.WARNING),
            (60, Fault.TRACE_MISSING, Severity.WARNING),
            (120, Fault.EXPORT_FAILING, Severity.WARNING),
            (180, Fault.EXPORT_FAILING, Severity.CRITICAL),
            (360, Fault.PROVIDER_FAILING, Severity.WARNING),
            (400, Fault.PROVIDER_FAILING, Severity.WARNING),
        ]
    ]
    over = an_incident(a_diagnosis(Fault.PROVIDER_FAILING), timeline=tuple(timeline), closed_at=START + 400)
    notice = a_notice(Reason.RESOLVED, over, at=START + 400, notified=notified_of(over))
    names = (
        "First config_drift (warning), then trace_missing (warning), then export_failing (critical), "
        "then provider_failing (warning)."
    )
    assert wording.states(notice, PLAIN) == [names]
    came_back = replace(over, reopened=(START + 120,))
    names = "First export_failing (critical), then provider_failing (warning)."
    assert wording.states(replace(notice, incident=came_back), PLAIN) == [names]
    came_back = replace(over, reopened=(START + 360,))
    assert wording.states(replace(notice, incident=came_back), PLAIN) == []


def changed(before: Fault, after: Fault, text: str) -> str:
    """The news of a change that the timeline words so, ten minutes after the incident was opened."""
    timeline = (
        TimelineEntry(at=START, fault=before, severity=Severity.WARNING, text="opened"),
        TimelineEntry(at=START + 600, fault=after, severity=Severity.WARNING, text=text),
    )
    incident = an_incident(a_diagnosis(after), timeline=timeline)
    notified = notified_of(incident, fault=before)
    return wording.news(a_notice(Reason.CHANGED, incident, at=START + 600, notified=notified), PLAIN)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (Fault.CANARY_REJECTED, Fault.PROVIDER_FAILING, "canary_rejected is no longer seen; now: "),
        (Fault.CONFIG_DRIFT, Fault.EXPORTER_DISABLED, "config_drift is no longer seen; now: "),
        (Fault.INGEST_FAILING, Fault.KEY_REJECTED, "ingest_failing is no longer seen; now: "),
        (Fault.KEY_REJECTED, Fault.CONFIG_DRIFT, "key_rejected turned out to be: "),
        (Fault.BLIND, Fault.CONFIG_DRIFT, "blind fixed after 10 min; now: "),
    ],
)
def test_what_was_not_seen_fixed_or_was_not_there_before_is_not_said_to_be(
    before: Fault, after: Fault, said: str
) -> None:
    """Another answer to the same request, another key, another fault that has just begun; what was there before is still there."""
    assert said in changed(before, after, f"{before} became {after}")
    assert f"{before} fixed after 10 min; still: " in changed(before, after, f"{before} fixed, {after} left")


def test_what_is_muted_is_not_said_to_be_fixed() -> None:
    """It lasts, and nobody is notified of it."""
    muted = "no longer notified: the severity of `gateway_unreachable` is none"
    said = changed(Fault.GATEWAY_UNREACHABLE, Fault.CONFIG_DRIFT, muted)
    assert f"gateway_unreachable is {muted}; still: " in said


def test_a_name_that_is_fixed_beside_a_cause_that_waits_for_traces_is_not_still_there() -> None:
    """What is left is the wait."""
    incident = an_incident(
        a_diagnosis(Fault.CONFIG_DRIFT, waiting="`config_drift` fixed 08:01 UTC, waiting for traces")
    )
    notified = notified_of(incident, fault=Fault.GATEWAY_UNREACHABLE)
    news = wording.news(a_notice(Reason.CHANGED, incident, at=START + 60, notified=notified), PLAIN)
    assert "gateway_unreachable fixed after 1 min; waiting for traces: " in news


def test_a_loss_whose_hop_is_found_out_is_not_called_fixed() -> None:
    """The traces are still lost: only more is known of where."""
    incident = an_incident(a_diagnosis(Fault.EXPORT_FAILING))
    notified = notified_of(incident, fault=Fault.TRACE_MISSING)
    news = wording.news(a_notice(Reason.CHANGED, incident, at=START + 60, notified=notified), PLAIN)
    assert news.endswith(
        "trace_missing turned out to be: Traces are lost between TrueFoundry and Traceloop (export_failing)"
    )


@pytest.mark.parametrize(
    ("before", "after"), [(Fault.TRACE_MISSING, Fault.PROVIDER_FAILING), (Fault.CONFIG_DRIFT, Fault.TRACE_MISSING)]
)
def test_a_loss_that_is_over_or_new_is_no_turn_of_the_other(before: Fault, after: Fault) -> None:
    """Only a loss turns out to be another."""
    incident = an_incident(a_diagnosis(after))
    news = wording.news(
        a_notice(Reason.CHANGED, incident, at=START + 60, notified=notified_of(incident, fault=before)), PLAIN
    )
    assert news.endswith(f"{before} fixed after 1 min; still: {TRACELOOP.name_in(FAULTS[after].title)} ({after})")


@pytest.mark.parametrize(
    ("before", "news"), [(Severity.WARNING, " turned critical"), (Severity.CRITICAL, ": more is known")]
)
def test_what_is_explained_is_named_below_the_first_line_only(before: Severity, news: str) -> None:
    """Also where the reader knows the incident by that name."""
    incident = an_incident(a_diagnosis(Fault.EXPORTER_DISABLED, explained=(Fault.TRACE_LATE,)))
    notified = notified_of(incident, fault=Fault.TRACE_LATE, severity=before)
    notice = a_notice(Reason.CHANGED, incident, at=START + 60, notified=notified)
    first = wording.news(notice, PLAIN)
    assert first.endswith(f"Trace export is switched off (exporter_disabled){news}")
    assert "trace_late" not in first
    assert "Consequences: trace_late" in wording.others(notice, PLAIN)


def test_trace_ids_are_listed_once() -> None:
    """The list of traces has them; a line of other ids, or that says more, stays."""
    listed, other = "0" * 31 + "1", "0" * 31 + "2"
    because = ("Two traces did not arrive", f"trace {listed}", f"trace {other}", f"control span {listed}")
    for ids, kept in (((listed,), because[2:]), ((), because[1:])):  # the first stands in the sentence above
        incident = an_incident(a_diagnosis(because=because, trace_ids=ids))
        assert wording.because(a_notice(incident=incident), PLAIN) == list(kept)


def test_a_clock_set_back_makes_nothing_negative() -> None:
    """It lasted nothing, at worst."""
    incident = an_incident(closed_at=START - 3600)
    assert "after 0 s" in wording.headline(a_notice(Reason.RESOLVED, incident), PLAIN)


def test_losses_are_counted_so_far_as_long_as_some_are_not_judged() -> None:
    """Then the message is edited when it is known."""
    for losses, said in (
        (Losses(sent=3, lost=1, pending=2), "So far 3 canaries: 1 lost, 2 not known yet."),
        (Losses(sent=3, lost=3), "3 canaries, all lost."),
        (Losses(sent=1, unclear=1), "1 canary, outcome unknown."),
    ):
        notice = a_notice(Reason.RESOLVED, an_incident(closed_at=START, losses=losses))
        assert wording.losses(notice, PLAIN) == [said]


@pytest.mark.parametrize("fault", [Fault.BLIND, Fault.CHECK_FAILED, Fault.EXPORTER_DISABLED])
def test_no_line_of_losses_where_it_would_say_nothing(fault: Fault) -> None:
    """Of the monitor's own faults, of an incident in which no canary was served, and while it lasts."""
    sent = 0 if fault is Fault.EXPORTER_DISABLED else 4
    notice = a_notice(Reason.RESOLVED, an_incident(a_diagnosis(fault), closed_at=START, losses=Losses(sent=sent)))
    assert wording.losses(notice, PLAIN) == []
    assert wording.losses(a_notice(), PLAIN) == []


def test_late_and_lost_traces_are_named_as_far_as_there_is_room() -> None:
    """And how many more there are."""
    losses = Losses(sent=9, late=1, lost=7, longest_delay=412.0, late_ids=("aa",), lost_ids=("bb", "cc"))
    assert wording.losses(a_notice(Reason.RESOLVED, an_incident(closed_at=START, losses=losses)), PLAIN) == [
        "9 canaries: 1 arrived in time, 1 arrived late (after 6 min 52 s), 7 lost.",
        "Late, the longest first: aa",
        "Lost, the newest first: bb, cc and 5 more",
    ]


def test_every_severity_has_a_sign_of_another_shape() -> None:
    """They differ without colours."""
    assert len(set(wording.SEVERITY_SIGNS.values())) == len(Severity)


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("closed_at", [None, START])
def test_every_reason_has_words(reason: Reason, closed_at: float | None) -> None:
    """With target and slug, open or closed."""
    line = wording.news(a_notice(reason, an_incident(closed_at=closed_at)), PLAIN)
    assert "prod" in line
    assert "exporter_disabled" in line
    assert (closed_at is None) or "resolved" in line


def test_somebody_without_a_name_has_acknowledged() -> None:
    """The daemon's token has no name."""
    notice = notices.acknowledged()
    nameless = replace(notice, incident=replace(notice.incident, acked_by=None))
    assert "acknowledged by somebody" in wording.headline(nameless, PLAIN)
