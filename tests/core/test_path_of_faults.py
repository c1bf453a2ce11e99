"""The path of a trace for every fault, and for every answer of the triage."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor.core.canary import ControlSpan
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ENDPOINT, METRICS
from monitor.core.incident import Place
from monitor.core.model import Fault
from monitor.core.refine import TRIAGE
from tests.core.build import (
    F,
    Story,
    trace_id,
)
from tests.core.paths import (
    counting_few,
    crashing,
    drifted,
    elsewhere,
    in_part,
    ingest_failing,
    key_refused,
    labelled,
    lossy,
    overdue,
    path,
    refused,
    signs,
    switched_off,
    unable_to_look,
    unreachable,
    without_content,
)

EVERY_FAULT = [
    (F.GATEWAY_UNREACHABLE, unreachable, "x??+", {Place.GATEWAY: "does not answer"}),
    (F.GATEWAY_REFUSED, lambda: refused(F.GATEWAY_REFUSED), "+??+", {Place.EXPORT: "no trace to follow"}),
    (
        F.RATE_LIMITED,
        lambda: refused(F.RATE_LIMITED),
        "+??+",
        {Place.GATEWAY: "answers, but limits the canary's requests"},
    ),
    (
        F.CANARY_REJECTED,
        lambda: refused(F.CANARY_REJECTED),
        "+??+",
        {Place.GATEWAY: "answers, but does not serve the canary"},
    ),
    (
        F.PROVIDER_FAILING,
        lambda: refused(F.PROVIDER_FAILING),
        "+??+",
        {Place.GATEWAY: "answers, but its model provider fails"},
    ),
    (F.EXPORTER_DISABLED, switched_off, "++x+", {Place.EXPORT: "is switched off"}),
    (
        F.CONFIG_DRIFT,
        lambda: drifted(ENDPOINT, "https://api.traceloop.com"),
        "++x+",
        {Place.EXPORT: "is misconfigured"},
    ),
    (
        F.CONFIG_DRIFT,
        lambda: drifted(METRICS, "https://elsewhere"),
        "++++",
        {Place.EXPORT: "delivers the traces, but is configured differently"},
    ),
    (
        F.WRONG_ENVIRONMENT,
        elsewhere,
        "++x+",
        {Place.EXPORT: "delivers to the environment stg", Place.TRACELOOP: "shows the traces in the environment stg"},
    ),
    (
        F.CONTENT_LEAKED,
        lambda: labelled(content=("gen_ai.prompt",)),
        "++++",
        {Place.EXPORT: "delivers the traces, but they carry what they must not"},
    ),
    (F.CONTENT_MISSING, without_content, "++++", {Place.EXPORT: "delivers the traces, but without their content"}),
    (
        F.TRACE_NOT_CREATED,
        lambda: lossy(origin=False, control=True),
        "x??+",
        {Place.GATEWAY: "answers, but creates no trace"},
    ),
    (F.KEY_REJECTED, key_refused, "++?x", {Place.TRACELOOP: "rejects the key"}),
    (F.INGEST_FAILING, ingest_failing, "++?x", {Place.TRACELOOP: "does not accept a test span"}),
    (F.EXPORT_FAILING, lambda: lossy(origin=True, control=True), "++x+", {Place.EXPORT: "does not deliver"}),
    (F.TRACE_MISSING, lambda: lossy(origin=None, control=None), "+???", {Place.TRACELOOP: "not known"}),
    (
        F.VOLUME_LOSS,
        counting_few,
        "++x+",
        {Place.EXPORT: "delivers the canaries' traces, but not those of all requests"},
    ),
    (F.TRACE_INCOMPLETE, in_part, "+???", {Place.EXPORT: "may drop parts of the traces"}),
    (F.TRACE_LATE, overdue, "+???", {Place.EXPORT: "not known"}),
    (
        F.TRACE_MISLABELLED,
        lambda: labelled(service="unknown_service"),
        "++++",
        {Place.EXPORT: "delivers the traces, but with wrong labels"},
    ),
    (F.CHECK_FAILED, crashing, "+??+", {Place.EXPORT: "not known"}),
    (F.BLIND, unable_to_look, "+??+", {Place.TRUEFOUNDRY: "not known"}),
]


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
