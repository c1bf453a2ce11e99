"""Which canaries speak for a fault of traces and which against it."""

from dataclasses import replace

import pytest

from monitor.core.canary import Outcome
from monitor.core.model import Fault
from monitor.core.outcomes import TRACE_FAULTS
from monitor.core.trace import LabelJudgement
from tests.core.build import a_canary

F = Fault
GOOD = a_canary(outcome=Outcome.ARRIVED, labels=LabelJudgement())


@pytest.mark.parametrize("fault", TRACE_FAULTS)
def test_a_trace_that_is_as_it_should_be_speaks_against_every_fault_of_traces(fault: Fault) -> None:
    """It is good for each, and bad for none."""
    assert TRACE_FAULTS[fault].is_good(GOOD)
    assert not TRACE_FAULTS[fault].is_bad(GOOD)


@pytest.mark.parametrize("fault", [F.CONTENT_LEAKED, F.CONTENT_MISSING, F.TRACE_INCOMPLETE])
def test_a_refused_canary_proves_neither_content_nor_wholeness(fault: Fault) -> None:
    """It has no response that could leak or be missing, and leaves fewer spans, so that none of those need be missing."""
    assert not TRACE_FAULTS[fault].is_good(replace(GOOD, accepted=False))


def test_a_credential_in_a_trace_is_not_called_content() -> None:
    """Also where content must not be in traces: to exclude it would not help, the credential has to be revoked."""
    leak = TRACE_FAULTS[F.CONTENT_LEAKED].suspicion
    only = replace(GOOD, labels=LabelJudgement(leaked=("Authorization",), credential_alone=True))
    text_of_one = TRACE_FAULTS[F.CONTENT_LEAKED].text_of_one
    assert text_of_one(only) == "the trace carries a credential in `Authorization`"
    assert leak((only,)).title == "Traces contain a credential"
    assert leak((only,)).step.startswith("Revoke the credential")
    both = replace(GOOD, labels=LabelJudgement(leaked=("Authorization", "prompts")))
    assert (leak((both,)).title, leak((both,)).step) == ("", "")
