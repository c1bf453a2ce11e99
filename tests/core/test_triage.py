"""Which hop lost the traces: what TrueFoundry's own store and a later test span say of it."""

from dataclasses import replace

import pytest

from monitor.core.backend import BACKEND
from monitor.core.canary import ControlSpan, Outcome
from monitor.core.diagnosis import diagnose
from monitor.core.model import CheckName, Fault
from monitor.core.path import triage
from monitor.core.refine import confirmed_faults, named
from monitor.core.streaks import apply_look
from tests.core.build import (
    POLICY,
    F,
    a_canary,
    blind,
    trace_id,
)
from tests.core.test_diagnosis import LOSSES, NOW, holding, suspected
from tests.fakes.clock import START


def control(**changes: object) -> ControlSpan:
    """One that was sent after the lost canary, accepted and shown."""
    given = {"trace_id": trace_id(9), "sent_at": START + 61, "accepted": True, "shown_at": START + 65, "judged": True}
    return ControlSpan(**{**given, **changes})  # type: ignore[arg-type]


SHOWN = control()
NOT_SHOWN = control(shown_at=None)
REFUSED = control(shown_at=None, accepted=False)
AWAITED = control(shown_at=None, judged=False)
UNKNOWN = control(shown_at=None, accepted=None)
EARLIER = control(sent_at=START - 1)
OWN = {
    True: "TrueFoundry's own store has the trace, so the gateway created it",
    False: "TrueFoundry's own store does not have the trace either, so it was lost before the export",
    None: "TrueFoundry's own store could not be asked",
}
UNPROVEN = "TrueFoundry's own store does not show the trace, which proves nothing: it has shown none of the monitor's within a day"
WELL, ILL, UNSURE = (
    "Traceloop is healthy: it accepted and shows a test span that was sent later",
    "Traceloop does not show a test span either, which was sent to it directly",
    "Whether Traceloop accepts spans is not known",
)


@pytest.mark.parametrize(
    ("origin", "controls", "name", "said"),
    [
        (True, (SHOWN,), F.EXPORT_FAILING, WELL),
        (True, (NOT_SHOWN,), F.TRACE_MISSING, ILL),
        (True, (REFUSED,), F.TRACE_MISSING, ILL),
        (True, (REFUSED, SHOWN), F.EXPORT_FAILING, WELL),
        (True, (AWAITED,), F.TRACE_MISSING, UNSURE),
        (True, (UNKNOWN,), F.TRACE_MISSING, UNSURE),
        (True, (EARLIER,), F.TRACE_MISSING, UNSURE),
        (True, (control(sent_at=START),), F.TRACE_MISSING, UNSURE),
        (True, (), F.TRACE_MISSING, UNSURE),
        (False, (SHOWN,), F.TRACE_NOT_CREATED, WELL),
        (False, (NOT_SHOWN,), F.TRACE_NOT_CREATED, ILL),
        (False, (), F.TRACE_NOT_CREATED, UNSURE),
        (None, (SHOWN,), F.TRACE_MISSING, WELL),
        (None, (NOT_SHOWN,), F.TRACE_MISSING, ILL),
        (None, (), F.TRACE_MISSING, UNSURE),
    ],
)
def test_the_four_way_triage(origin: bool | None, controls: tuple[ControlSpan, ...], name: Fault, said: str) -> None:
    """A test span proves something only if it was sent after the canary that it is compared with."""
    state = holding(suspected(F.TRACE_MISSING))
    canaries = tuple(replace(canary, origin=origin) for canary in state.canaries)
    state = replace(state, canaries=canaries, controls=controls)
    assert set(named(state, POLICY, NOW)) == {name}
    diagnosis = diagnose(state, POLICY, NOW)
    assert diagnosis is not None
    assert diagnosis.fault is name
    assert said in diagnosis.because
    assert OWN[origin] in diagnosis.because


def test_an_empty_answer_of_a_store_that_never_showed_us_anything_proves_nothing() -> None:
    """Nor does one whose proof is older than a day."""
    state = holding(suspected(F.TRACE_NOT_CREATED))
    for proofs in ({}, {"own_store:": NOW - 86_401}, {"trace:ours": NOW}):
        unproven = replace(state, proofs=proofs)
        assert set(named(unproven, POLICY, NOW)) == {F.TRACE_MISSING}
        (one,) = confirmed_faults(unproven, POLICY, NOW)
        assert UNPROVEN in one.because


def test_one_trace_in_the_own_store_is_enough() -> None:
    """The gateway makes traces, even if it lost one."""
    first = a_canary(1, outcome=Outcome.MISSING, origin=False)
    second = a_canary(2, outcome=Outcome.MISSING, origin=True)
    state = replace(holding(suspected(F.TRACE_NOT_CREATED)), canaries=(first, second))
    assert set(named(state, POLICY, NOW)) == {F.EXPORT_FAILING}


def test_only_the_losses_of_this_outage_are_compared() -> None:
    """Neither an older one nor an arrival."""
    state = holding(suspected(F.EXPORT_FAILING))
    (canary,) = state.canaries
    for other in (replace(canary, sent_at=START - 1), replace(canary, outcome=Outcome.ARRIVED)):
        found = triage(state.confirmed[F.TRACE_MISSING], replace(state, canaries=(other,)), NOW)
        assert found.place.fault is F.TRACE_MISSING
        assert found.says(POLICY) == (
            "TrueFoundry's own store could not be asked",
            f"whether {BACKEND} accepts spans is not known",
        )


def test_a_test_span_sent_after_one_of_the_losses_is_proof() -> None:
    """It need not have been sent after the newest of them."""
    state = holding(suspected(F.EXPORT_FAILING))
    (first,) = state.canaries
    second = replace(first, id="c2", sent_at=SHOWN.sent_at + 60)
    state = replace(state, canaries=(first, second), controls=(SHOWN,))
    assert set(named(state, POLICY, NOW)) == {F.EXPORT_FAILING}


def test_the_newest_test_span_decides() -> None:
    """Traceloop was healthy when the first trace was lost, and is not any more: then the export is not accused."""
    state = holding(suspected(F.EXPORT_FAILING))
    newer = control(sent_at=START + 100, shown_at=None, accepted=False)
    asked = replace(state, controls=(SHOWN, newer, replace(newer, sent_at=START + 110, accepted=True, judged=False)))
    assert triage(state.confirmed[F.TRACE_MISSING], asked, NOW).control is False
    healthy_again = replace(asked, controls=(*asked.controls, control(sent_at=START + 120, shown_at=START + 122)))
    assert triage(state.confirmed[F.TRACE_MISSING], healthy_again, NOW).control is True


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_where_the_configuration_cannot_be_read_the_exporter_comes_first(name: Fault) -> None:
    """It may be off: nobody is sent to the support before. But an exporter that is off keeps no trace from being made."""
    state = holding(suspected(name))
    unread = apply_look(state, CheckName.CONFIG, blind(), NOW, 0.1, POLICY, NOW)
    diagnosis = diagnose(unread, POLICY, NOW)
    assert diagnosis is not None
    comes_first = name is not F.TRACE_NOT_CREATED
    assert diagnosis.fault is name
    assert (
        diagnosis.advice.startswith("Check the exporter first, in AI Gateway → Controls → Settings → OTEL Config: ")
        == comes_first
    )
    unread_text = "The export configuration could not be read: the exporter may be off, or set differently"
    assert (unread_text in diagnosis.because) == comes_first


def test_a_loss_that_something_explains_still_says_whether_the_gateway_created_the_trace() -> None:
    """It accuses neither the export nor Traceloop: with a test span it is not compared."""
    state = holding(suspected(F.EXPORT_FAILING))
    explained = replace(state, canaries=tuple(replace(canary, excused=True) for canary in state.canaries))
    found = triage(state.confirmed[F.TRACE_MISSING], explained, NOW)
    assert (found.own_store, found.control, found.place.fault) == (True, None, F.TRACE_MISSING)


@pytest.mark.parametrize(
    ("origins", "fault"),
    [
        ((True, False), F.EXPORT_FAILING),
        ((True, False, False), F.TRACE_NOT_CREATED),
        ((False, False, True), F.EXPORT_FAILING),
        ((False, None, None), F.TRACE_NOT_CREATED),
    ],
)
def test_the_newest_two_answers_of_the_own_store_name_a_loss(origins: tuple[bool | None, ...], fault: Fault) -> None:
    """What lost the traces may change while they are lost; where the store could not be asked it says nothing new."""
    state = holding(suspected(F.EXPORT_FAILING))
    losses = tuple(
        a_canary(number, sent_at=START + number, outcome=Outcome.MISSING, origin=origin)
        for number, origin in enumerate(origins)
    )
    assert set(named(replace(state, canaries=losses), POLICY, NOW)) == {fault}
