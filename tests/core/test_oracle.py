"""Core, which remembers counters, against an oracle that looks at everything that has ever happened."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import CheckName, CheckResult, Fault, UnknownReason, Verdict, failing, passing, unknown
from monitor.core.trace import SpanFact
from tests.core.build import CADENCES, F, Story, a_charge, policy, spans
from tests.core.oracle import Look, Oracle, Trace

FAULTS: dict[CheckName, tuple[Fault, ...]] = {
    CheckName.CONFIG: (F.CONFIG_DRIFT, F.EXPORTER_DISABLED),
    CheckName.GATEWAY: (F.GATEWAY_UNREACHABLE,),
    CheckName.CANARY: (F.GATEWAY_REFUSED, F.RATE_LIMITED, F.PROVIDER_FAILING),
    CheckName.CONTROL: (F.KEY_REJECTED, F.INGEST_FAILING),
}
LOOKED = tuple(FAULTS)

waits = st.sampled_from([0.0, 1.0, 5.0, 5.0, 15.0, 60.0, 60.0, 130.0, 181.0, 301.0, 400.0, 700.0, 2000.0, 9000.0])
verdicts = st.sampled_from([Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.UNKNOWN])
reasons = st.sampled_from(list(UnknownReason))


class Both:
    """The same things happen to both."""

    def __init__(self, **changes: int) -> None:
        self.story = Story(policy(**changes)).proven()  # type: ignore[arg-type]
        self.oracle = Oracle(self.story.policy)
        self.traces: dict[str, Trace] = {}

    def look(self, check: CheckName, verdict: Verdict, which: int, reason: UnknownReason, *, conclusive: bool) -> None:
        """A check reports."""
        now = self.story.now
        if verdict is Verdict.PASS:
            self._report(Look(now, check, verdict, conclusive=conclusive), passing("healthy", conclusive=conclusive))
        elif verdict is Verdict.UNKNOWN:
            self._report(Look(now, check, verdict, unknown_reason=reason), unknown("blind", reason))
        else:
            fault = FAULTS[check][which % len(FAULTS[check])]
            # No drift here stops the export: what arrives would outrank it, and that is another story.
            suspicion = a_charge(fault, conclusive=conclusive, stops_export=check is CheckName.CONTROL)
            self._report(Look(now, check, verdict, fault, conclusive), failing(suspicion))

    def _report(self, look: Look, result: CheckResult) -> None:
        self.story.look(look.check, result)
        self.oracle.look(look)
        self.agree()

    def send(self) -> None:
        """A canary is sent and served."""
        trace = Trace(sent_at=self.story.now)
        canary = self.story.canary()
        self.traces[canary] = trace
        self.oracle.traces.append(trace)
        self.oracle.look(Look(self.story.now, CheckName.CANARY, Verdict.PASS))
        self.agree()

    def see(self, which: int, *, there: bool) -> None:
        """One of the awaited traces is looked for: there, or not, as late as it is."""
        awaited = [name for name, trace in self.traces.items() if not trace.outcome]
        if not awaited:
            return
        name = awaited[which % len(awaited)]
        trace, age = self.traces[name], self.story.now - self.traces[name].sent_at
        whole = spans(int(name[1:])) if there else ()
        if there:
            self._look_for(name, whole)
            self.story.wait(2)
        trace.late = trace.late or (age >= 180 and not there)
        trace.outcome = ("late" if trace.late else "arrived") if there else "missing" if age >= 300 else ""
        self._look_for(name, whole)

    def _look_for(self, name: str, whole: tuple[SpanFact, ...]) -> None:
        self.story.see(name, whole)
        self.oracle.happened(self.story.now)
        self.agree()

    def agree(self) -> None:
        """Both believe the same."""
        assert self.story.confirmed == self.oracle.believed


def looks(draw: st.DrawFn, both: Both, checks: tuple[CheckName, ...]) -> None:
    """A check of these reports something."""
    both.look(
        draw(st.sampled_from(checks)),
        draw(verdicts),
        draw(st.integers(0, 2)),
        draw(reasons),
        conclusive=draw(st.sampled_from([False, False, True])),
    )


@settings(max_examples=40, deadline=None)
@given(data=st.data(), fail_after=st.integers(1, 3), pass_after=st.integers(1, 3), check=st.sampled_from(LOOKED))
def test_one_check_is_believed_as_its_whole_history_says(
    data: st.DataObject, fail_after: int, pass_after: int, check: CheckName
) -> None:
    """Debounce, stale evidence, blind, crashed: whatever the rows and the holes between them."""
    both = Both(fail_after=fail_after, pass_after=pass_after)
    draw: st.DrawFn = data.draw  # type: ignore[assignment]
    for _ in range(data.draw(st.integers(5, 25))):
        both.story.wait(data.draw(waits))
        looks(draw, both, (check,))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), fail_after=st.integers(1, 3), pass_after=st.integers(1, 3))
def test_traces_are_believed_as_their_whole_history_says(data: st.DataObject, fail_after: int, pass_after: int) -> None:
    """In the order of sending, with causes that come and go, whatever is judged first."""
    both = Both(fail_after=fail_after, pass_after=pass_after)
    draw: st.DrawFn = data.draw  # type: ignore[assignment]
    steps: list[Callable[[], None]] = [
        both.send,
        lambda: both.see(draw(st.integers(0, 9)), there=True),
        lambda: both.see(draw(st.integers(0, 9)), there=False),
        lambda: looks(draw, both, (CheckName.CONTROL,)),
    ]
    for _ in range(data.draw(st.integers(5, 40))):
        both.story.wait(data.draw(waits))
        steps[data.draw(st.sampled_from([0, 0, 0, 1, 1, 2, 2, 2, 3]))]()


@pytest.mark.parametrize("lost_of_ten", [1, 3, 5, 9])
def test_long_series_are_believed_as_their_whole_history_says(lost_of_ten: int) -> None:
    """Hours of canaries a minute apart, of which some are lost by no pattern that core could know."""
    both = Both()
    chance = 12345
    for _ in range(120):
        both.story.wait(60)
        both.send()
        for number, name in enumerate([name for name, trace in both.traces.items() if not trace.outcome]):
            chance = (chance * 1_103_515_245 + 12_345) % 2**31
            is_lost = int(name[1:]) * 7919 % 10 < lost_of_ten
            age = both.story.now - both.traces[name].sent_at
            if (is_lost and age >= 300) or (not is_lost and chance % 3 == 0):
                both.see(number, there=not is_lost)
                break


def test_the_oracle_knows_every_cadence_that_it_is_asked_about() -> None:
    """Else it would agree about nothing."""
    assert set(CADENCES) == set(CheckName) - {CheckName.VOLUME}  # which judges no canary
