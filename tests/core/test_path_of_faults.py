"""The path of a trace for every fault, and for every answer of the triage."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor.core.canary import ControlSpan
from monitor.core.diagnosis import diagnose
from monitor.core.incident import Place
from monitor.core.model import Fault
from monitor.core.path import TRIAGE
from tests.core.build import (
    Story,
    trace_id,
)
from tests.core.paths import (
    EVERY_FAULT,
    lossy,
    path,
    signs,
)


@pytest.mark.parametrize(("fault", "happened", "wanted", "texts"), EVERY_FAULT)
def test_every_fault_marks_what_it_breaks_and_no_more(
    fault: Fault, happened: Callable[[], Story], wanted: str, texts: dict[Place, str]
) -> None:
    """The named hop is broken, what is proven is ok, and the rest is unknown."""
    story = happened()
    assert story.name is fault
    found = path(story)
    assert signs(found) == wanted
    assert {hop.place: hop.text for hop in found if hop.place in texts} == texts


def test_no_fault_is_left_out() -> None:
    """A new one must say where it breaks the path."""
    assert {fault for fault, *_ in EVERY_FAULT} == set(Fault)


@pytest.mark.parametrize("answers", sorted(TRIAGE, key=str))
def test_the_path_says_what_the_triage_says(answers: tuple[bool | None, bool | None]) -> None:
    """For each pair of answers of the own store and the test span."""
    origin, control = answers
    wanted = {
        (True, True): "++x+",
        (True, False): "++??",
        (True, None): "++??",
        (False, True): "x??+",
        (False, False): "x???",
        (False, None): "x???",
        (None, True): "+??+",
        (None, False): "+???",
        (None, None): "+???",
    }
    story = lossy(origin=origin, control=None)
    shown = {True: story.now, False: None, None: None}[control]
    if control is not None:
        span = ControlSpan(trace_id=trace_id(9), sent_at=story.now - 200, accepted=True, shown_at=shown, judged=True)
        story.state = replace(story.state, controls=(*story.state.controls, span))
    assert TRIAGE[answers].fault is diagnose_name(story)
    assert signs(path(story)) == wanted[answers]


def diagnose_name(story: Story) -> Fault:
    """What the target's fault is called."""
    diagnosis = diagnose(story.state, story.policy, story.now)
    assert diagnosis is not None
    return diagnosis.fault
