"""The traces of real requests: what two counts of a window mean, and which of them say nothing."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.core.canary import Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.faults import FAULTS, LOSSES
from monitor.core.incident import HopState, Place
from monitor.core.model import CheckName, CheckResult, Fault, Severity, UnknownReason, Verdict
from monitor.core.path import hops
from monitor.core.state import Cadence, CheckState, Outage, TargetState
from monitor.core.volume import Volume, judge_volume, nothing_to_count, too_few_requests, window
from monitor.settings.target import VolumeCheck
from tests.core.build import CADENCES, PROD, Story, a_canary, policy
from tests.fakes.clock import START

POLICY = VolumeCheck(enabled=True)
CADENCE = Cadence(every=900.0, every_while_failing=900.0, deadline=60.0)
HOUR = 3600.0


def counted(requests: int, traces: int) -> Volume:
    """A window that is over."""
    return Volume(since=START - 900, until=START, requests=requests, counted_by="TrueFoundry", traces=traces)


def known(**check_state: Any) -> TargetState:
    """A target of which this is known of the check."""
    return TargetState(target=PROD, check_states={CheckName.VOLUME: CheckState(**check_state)})


def judged(requests: int, traces: int, state: TargetState | None = None) -> CheckResult:
    """What the counts mean."""
    return judge_volume(counted(requests, traces), known() if state is None else state, POLICY)


def test_a_window_is_counted_when_its_traces_have_had_their_time() -> None:
    """As long as the cadence, and `delay` before now."""
    assert window(POLICY, START) == (START - 1500, START - 600)


@pytest.mark.parametrize(
    ("traces", "severity"),
    [
        (100, None),
        (90, None),
        (89, Severity.WARNING),
        (50, Severity.WARNING),
        (49, Severity.CRITICAL),
        (1, Severity.CRITICAL),
    ],
)
def test_a_share_below_the_least_is_a_loss_and_below_a_half_a_critical_one(
    traces: int, severity: Severity | None
) -> None:
    """0.9 is enough by default."""
    result = judged(100, traces)
    assert result.verdict is (Verdict.PASS if severity is None else Verdict.FAIL)
    assert result.evidence == {"requests": 100, "traces": traces, "ratio": traces / 100}
    if severity is not None:
        (suspicion,) = result.suspicions
        assert suspicion.fault is Fault.VOLUME_LOSS
        assert suspicion.severity is (Severity.CRITICAL if severity is Severity.CRITICAL else None)


@pytest.mark.parametrize(("traces", "verdict"), [(125, Verdict.PASS), (126, Verdict.UNKNOWN), (500, Verdict.UNKNOWN)])
def test_many_more_traces_than_requests_prove_nothing(traces: int, verdict: Verdict) -> None:
    """A token that sees only some of the requests would hide a loss among the others."""
    result = judged(100, traces)
    assert result.verdict is verdict
    assert (result.step != "") is (verdict is Verdict.UNKNOWN)


def test_no_trace_at_all_needs_a_count_that_has_been_seen_to_work() -> None:
    """A filter that the backend does not know answers 0 for ever."""
    assert judged(100, 0).unknown_reason is UnknownReason.UNPROVEN
    assert judged(100, 0, known(last_pass_at=START - 25 * HOUR)).unknown_reason is UnknownReason.UNPROVEN
    assert judged(100, 0, known(last_pass_at=START - HOUR)).fault is Fault.VOLUME_LOSS
    assert judged(100, 0, known(fails=3)).fault is Fault.VOLUME_LOSS


def test_a_loss_that_lasts_over_quiet_hours_is_no_blindness_in_the_morning() -> None:
    """Nine days at zero: each night says nothing, which ends the streak, and the last pass is older than a day."""
    story = Story(policy(cadences={**CADENCES, CheckName.VOLUME: CADENCE}))
    story.passes(CheckName.VOLUME).wait(900.0)
    story.fails(CheckName.VOLUME, Fault.VOLUME_LOSS).wait(900.0).fails(CheckName.VOLUME, Fault.VOLUME_LOSS)
    for _ in range(96):
        story.wait(900.0).is_blind(CheckName.VOLUME, UnknownReason.NOTHING_TO_JUDGE)
    assert not story.state.check_state(CheckName.VOLUME).fails
    seen = replace(counted(100, 0), since=story.now - 900, until=story.now)
    assert judge_volume(seen, story.state, POLICY).fault is Fault.VOLUME_LOSS


def test_a_count_below_the_canaries_that_arrived_is_not_believed() -> None:
    """They are among the requests, and their traces are known to be there."""
    ours = tuple(
        a_canary(number, sent_at=START - 100 * number, outcome=Outcome.ARRIVED, arrived_at=START)
        for number in (1, 2, 3)
    )
    state = replace(known(last_pass_at=START - HOUR), canaries=ours)
    assert judged(100, 2, state).unknown_reason is UnknownReason.GARBLED
    assert judged(100, 3, state).fault is Fault.VOLUME_LOSS


def test_few_requests_say_nothing() -> None:
    """Fifty by default."""
    few = too_few_requests(49, "TrueFoundry", POLICY)
    assert few is not None
    assert few.unknown_reason is UnknownReason.NOTHING_TO_JUDGE
    assert too_few_requests(50, "TrueFoundry", POLICY) is None


@pytest.mark.parametrize(
    ("began", "ended", "excused"),
    [
        (START - 300, None, True),
        (START - 300, START - 200, True),
        (START + 200, None, True),  # the exporter may have used its new settings less than `settle` before
        (START + 400, None, False),
        (START - 1200, START - 1100, True),  # nor its old ones later than that
        (START - 1400, START - 1300, False),
    ],
)
def test_what_was_lost_to_a_known_fault_belongs_to_it(began: float, ended: float | None, *, excused: bool) -> None:
    """With `settle` on either side."""
    outage = Outage(fault=Fault.EXPORTER_DISABLED, began_at=began, ended_at=ended)
    state = replace(known(), outages=(outage,))
    result = nothing_to_count(state, policy(), START - 900, START)
    assert (result is not None) is excused
    if result is not None:
        assert "exporter_disabled" in result.summary


def test_the_export_is_where_such_a_loss_is() -> None:
    """The canaries' traces get through, those of others do not."""
    story = Story(policy(cadences={**CADENCES, CheckName.VOLUME: CADENCE}))
    story.fails(CheckName.VOLUME, Fault.VOLUME_LOSS).wait(900.0).fails(CheckName.VOLUME, Fault.VOLUME_LOSS)
    assert story.name is Fault.VOLUME_LOSS
    export = hops(story.state, diagnose(story.state, story.policy, story.now))[2]
    assert (export.place, export.state) == (Place.EXPORT, HopState.BROKEN)
    # Whether it delivers the canaries' is not known.
    assert export.text == "does not deliver the traces of all requests"
    story.passes(CheckName.GATEWAY).arrives(story.proven().canary())
    export = hops(story.state, diagnose(story.state, story.policy, story.now))[2]
    assert export.text == "delivers the canaries' traces, but not those of all requests"


@pytest.mark.parametrize("cause", sorted(fault for fault in Fault if Fault.TRACE_MISSING in FAULTS[fault].explains))
def test_what_explains_missing_traces_explains_a_loss_among_real_requests(cause: Fault) -> None:
    """One incident, one name."""
    assert Fault.VOLUME_LOSS in FAULTS[cause].explains


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_loss_of_canaries_explains_one_of_real_requests(loss: Fault) -> None:
    """Whatever hop it is named after."""
    assert Fault.VOLUME_LOSS in FAULTS[loss].explains
