"""Stories about the hops of a trace, each with what makes one of them broken or unknown."""

from dataclasses import replace

from monitor.core.diagnosis import diagnose
from monitor.core.drift import ENDPOINT, METRICS
from monitor.core.incident import Hop, HopState, Place
from monitor.core.model import CheckName, CheckResult, Fault, UnknownReason, failing, unknown
from monitor.core.path import hops
from monitor.core.state import Cadence
from tests.core.build import (
    GATEWAY,
    MINUTE,
    OFF,
    F,
    Story,
    a_charge,
    manifest,
    spans,
    trace_id,
)

SIGNS = {HopState.OK: "+", HopState.BROKEN: "x", HopState.UNKNOWN: "?"}


def signs(found: tuple[Hop, ...]) -> str:
    """The states of the hops, a sign each."""
    return "".join(SIGNS[hop.state] for hop in found)


def path(story: Story) -> tuple[Hop, ...]:
    """The hops as the page and the messages ask for them."""
    return hops(story.state, diagnose(story.state, story.policy, story.now))


def healthy() -> Story:
    """Every check passes, and a canary has just arrived."""
    story = Story().proven()
    story.passes(GATEWAY).config()
    story.control_seen(story.control(), shown=True)
    story.arrives(story.canary())
    return story.wait(MINUTE)


def counting_few() -> Story:
    """The canaries' traces arrive, and those of real requests do not."""
    story = healthy()
    every = Cadence(every=900.0, every_while_failing=900.0, deadline=60.0)
    story.policy = replace(story.policy, cadences={**story.policy.cadences, CheckName.VOLUME: every})
    for _ in range(2):
        story.fails(CheckName.VOLUME, F.VOLUME_LOSS).wait(MINUTE)
    return story


def refused(fault: Fault) -> Story:
    """The gateway answers the canary, and does not serve it, as often as it takes."""
    story = healthy()
    for _ in range(2):
        result = failing(a_charge(fault))
        story.canary(result, accepted=False, trace_id=None, id_source=None)
        story.passes(GATEWAY).wait(MINUTE)
    return story


def lossy(*, origin: bool | None, control: bool | None, times: int = 2) -> Story:
    """Canaries get lost; what TrueFoundry's own store and a later test span say of it."""
    story = healthy()
    for _ in range(times):
        lost = story.canary()
        span = story.wait(1).control() if control is not None else trace_id(0)
        story.wait(60)
        if origin is not None:
            story.origin(lost, found=origin)
        if control:
            story.control_seen(span, shown=True)
        story.wait(180).see(lost).wait(120).see(lost)
        if control is False:
            story.control_seen(span, shown=False)
        story.passes(GATEWAY)
    return story


def unreachable() -> Story:
    """Twice no answer; another service answers."""
    story = healthy()
    return story.fails(GATEWAY, F.GATEWAY_UNREACHABLE).wait(5).fails(GATEWAY, F.GATEWAY_UNREACHABLE)


def switched_off() -> Story:
    """The exporter is off; the newest trace arrived before that."""
    return healthy().config(OFF)


def drifted(field: str, value: str) -> Story:
    """One field differs."""
    return healthy().config(manifest({field: value}))


def elsewhere() -> Story:
    """The trace is in another environment."""
    story = healthy()
    lost = story.canary()
    story.wait(61).elsewhere(lost)
    story.wait(240).see(lost)
    return story


def labelled(**changes: object) -> Story:
    """Whole traces arrive, and carry something else than expected."""
    story = healthy()
    for _ in range(2):
        canary = story.canary()
        number = int(canary[1:])
        seen = spans(number, **changes)  # type: ignore[arg-type]
        story.arrives(canary, seen).wait(MINUTE)
    return story


def without_content() -> Story:
    """Content is expected, and is not there."""
    story = healthy()
    story.policy = replace(story.policy, labels=replace(story.policy.labels, content=True))
    for _ in range(2):
        canary = story.canary()
        story.arrives(canary, spans(int(canary[1:]), content=())).wait(MINUTE)
    return story


def in_part() -> Story:
    """The root is never there."""
    story = healthy()
    for _ in range(2):
        canary = story.canary()
        part = spans(int(canary[1:]))[1:]
        story.wait(60).see(canary, part).wait(120).see(canary, part).wait(120).see(canary, part)
        story.passes(GATEWAY)
    return story


def overdue(*, origin: bool | None = None, control: bool = False) -> Story:
    """Twice not there in time."""
    story = healthy()
    sent = [story.canary(), story.wait(30).canary()]
    span = story.control() if control else None
    story.wait(40)
    for canary in sent:
        if origin is not None:
            story.origin(canary, found=origin)
    if span is not None:
        story.control_seen(span, shown=True)
    story.wait(150)
    for canary in sent:
        story.see(canary)
    return story.passes(GATEWAY)


def key_refused() -> Story:
    """Traceloop answers 401 to a test span, twice."""
    story = healthy()
    for _ in range(2):
        story.control(failing(a_charge(F.KEY_REJECTED)), key_refused=True)
        story.wait(MINUTE)
    return story


def ingest_failing() -> Story:
    """Traceloop answers 503 to a test span, twice."""
    story = healthy()
    for _ in range(2):
        story.control(failing(a_charge(F.INGEST_FAILING)))
        story.wait(MINUTE)
    return story


def crashing() -> Story:
    """The look for traces raises."""
    story = healthy()
    for _ in range(2):
        story.canary()
        story.wait(5).cannot_see(None, crash()).wait(MINUTE)
    return story


def crash() -> CheckResult:
    """What the guard makes of an error that nobody expected."""
    return unknown("it crashed", UnknownReason.CRASHED)


def unable_to_look() -> Story:
    """The read API refuses everything for a quarter of an hour."""
    story = healthy()
    for _ in range(16):
        story.cannot_see(story.canary()).wait(MINUTE)
    return story.passes(GATEWAY)


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
