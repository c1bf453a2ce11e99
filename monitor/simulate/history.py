"""What was recorded, turned back into what was observed, so that it can be judged once more by other thresholds. Pure.

A look is judged anew from its verdict and its charges. A trace is judged anew from when it was there: the looks for it are taken
to have happened at the deadlines that are tried, not at those of the time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from monitor.core.canary import Canary, ControlSpan
from monitor.core.events import Checked, IncidentAcknowledged, KeyJudged, TraceJudged
from monitor.core.inputs import (
    Acknowledged,
    CanaryAnswered,
    CanaryPlanned,
    ControlLooked,
    ControlSent,
    Input,
    KeyTried,
    LookFailed,
    Observation,
)
from monitor.core.model import (
    Blindness,
    Charge,
    CheckName,
    Fault,
    Finding,
    Instant,
    Seconds,
    TargetName,
    TraceId,
    Verdict,
    passing,
)
from monitor.core.state import Cadence, Policy
from monitor.core.trace import LabelJudgement, Route
from monitor.simulate.sighting import answered, looks_for, sent
from monitor.store import Recorded

_OF_THE_RUNNER = frozenset({Blindness.CRASHED, Blindness.TIMEOUT})
_NOT_SENT = frozenset({Blindness.PAUSED, Blindness.BUDGET_SPENT})
_OF_A_JUDGED_TRACE = frozenset({Blindness.UNPROVEN, Blindness.NOTHING_TO_JUDGE})
_LABELS = frozenset({Fault.CONTENT_LEAKED, Fault.CONTENT_MISSING, Fault.TRACE_MISLABELLED})
_NEAR: Seconds = 1.0
_BETWEEN_LOOKS: Seconds = 16.0
_READ_AFTER: Seconds = 120.0
"""The documented read that judges labels follows the arrival within this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that was observed, and when it was known."""

    at: Instant
    given: Input


def observed(history: Iterable[Recorded], target: TargetName, policy: Policy) -> list[Moment]:
    """Everything that was observed of a target, in order."""
    mine = [entry for entry in history if getattr(entry.event, "target", None) == target]
    canaries = judged_canaries(mine)
    moments = [moment for entry in mine for moment in _of_entry(entry, canaries, policy)]
    if policy.enabled(CheckName.CANARY) and policy.enabled(CheckName.ARRIVAL):
        looks = [entry for entry in mine if _tells_of_a_canary(entry)]
        unseen = [(entry.at, entry.until) for entry in mine if _could_not_see(entry)]
        moments += [moment for canary in canaries for moment in _of_canary(canary, looks, unseen, policy)]
    return sorted(moments, key=lambda moment: moment.at)


def judged_canaries(history: Iterable[Recorded]) -> list[Canary]:
    """The canaries as they were judged last, by when they were sent."""
    judged = [entry.event for entry in history if isinstance(entry.event, TraceJudged)]
    known = {event.canary.id: event.canary for event in judged if event.canary is not None}
    return sorted(known.values(), key=lambda canary: canary.sent_at)


def _of_entry(entry: Recorded, canaries: Sequence[Canary], policy: Policy) -> Iterator[Moment]:
    match entry.event:
        case Checked():
            yield from _of_looks(entry, entry.event, canaries, policy)
        case KeyJudged(at=at, refused=refused):
            yield Moment(at=at, given=KeyTried(at=at, accepted=not refused))
        case IncidentAcknowledged(at=at, id=name, by=by):
            yield Moment(at=at, given=Acknowledged(at=at, incident_id=name, by=by))
        case _:
            return


def _of_canary(
    canary: Canary, looks: Iterable[Recorded], unseen: Iterable[tuple[Instant, Instant]], policy: Policy
) -> Iterator[Moment]:
    """A canary as it was sent and answered, and the looks for its trace."""

    def could_see(at: Instant) -> bool:
        return not any(begin - _BETWEEN_LOOKS < at < end + _BETWEEN_LOOKS for begin, end in unseen)

    entry = next((each for each in looks if _is_of(each, CheckName.CANARY, canary.sent_at)), None)
    finding = finding_of(entry.event) if entry is not None and isinstance(entry.event, Checked) else passing("served")
    labels = _labels(canary, looks)
    yield Moment(at=canary.sent_at, given=CanaryPlanned(at=canary.sent_at, canary=sent(canary, policy.account)))
    yield Moment(
        at=canary.waited_since,
        given=CanaryAnswered(
            at=canary.sent_at,
            took=canary.waited_since - canary.sent_at,
            canary=answered(canary, policy.account, labels),
            finding=finding,
        ),
    )
    for look in looks_for(canary, policy.arrival, could_see):
        yield Moment(at=look.at, given=look)


def _tells_of_a_canary(entry: Recorded) -> bool:
    look = entry.event
    return isinstance(look, Checked) and (look.check is CheckName.CANARY or look.fault in _LABELS)


def _could_not_see(entry: Recorded) -> bool:
    look = entry.event
    if not isinstance(look, Checked) or look.check is not CheckName.ARRIVAL:
        return False
    return look.verdict is Verdict.UNKNOWN and look.blindness not in _OF_A_JUDGED_TRACE


def _is_of(entry: Recorded, check: CheckName, at: Instant) -> bool:
    return (
        isinstance(entry.event, Checked) and entry.event.check is check and entry.at - _NEAR < at < entry.until + _NEAR
    )


def _labels(canary: Canary, looks: Iterable[Recorded]) -> LabelJudgement:
    """What the documented read said of an arrived trace: it follows the arrival, and is a look of its own."""
    if canary.labels is not None or canary.arrived_at is None:
        return canary.labels or LabelJudgement()
    for entry in looks:
        look = entry.event
        if not isinstance(look, Checked) or look.check is not CheckName.ARRIVAL or look.fault not in _LABELS:
            continue
        if entry.at - _NEAR < canary.arrived_at + _READ_AFTER and canary.arrived_at < entry.until + _NEAR:
            return _label(look.charges, look.summary)
    return LabelJudgement()


def _label(charges: tuple[Charge, ...], summary: str) -> LabelJudgement:
    faults = {charge.fault for charge in charges}
    return LabelJudgement(
        mislabelled=(summary,) if Fault.TRACE_MISLABELLED in faults else (),
        leaked=(summary,) if Fault.CONTENT_LEAKED in faults else (),
        content_missing=Fault.CONTENT_MISSING in faults,
    )


# --- looks -----------------------------------------------------------------------------------------------------------


def _of_looks(entry: Recorded, look: Checked, canaries: Sequence[Canary], policy: Policy) -> Iterator[Moment]:
    cadence = policy.cadences.get(look.check)
    if cadence is None:
        return
    finding = finding_of(look)
    for number, at in enumerate(moments_of(entry, cadence)):
        given = _input_of(look, finding, at, first=number == 0)
        if given is None or (isinstance(given, CanaryAnswered) and _is_known(at, canaries, cadence)):
            continue
        if isinstance(given, CanaryAnswered):
            yield Moment(at=at, given=CanaryPlanned(at=at, canary=given.canary))
        if isinstance(given, ControlLooked):
            span = _control_sent(given, look)
            yield Moment(at=span.at, given=span)
        yield Moment(at=at + look.took, given=given)


def moments_of(entry: Recorded, cadence: Cadence) -> list[Instant]:
    """When the looks that an entry folds took place: hurried ones first, as many of them as its length tells, the rest evenly."""
    gaps = entry.times - 1
    if gaps <= 0:
        return [entry.at]
    length, regular, hurried = entry.until - entry.at, cadence.every, cadence.every_while_failing
    many = round((gaps * regular - length) / (regular - hurried)) if regular > hurried else 0
    quick = min(max(many, 0), gaps)
    planned = quick * hurried + (gaps - quick) * regular
    scale = length / planned if planned else 0.0
    moments = [entry.at]
    for number in range(gaps):
        moments.append(moments[-1] + scale * (hurried if number < quick else regular))
    return moments


def finding_of(look: Checked) -> Finding:
    """What a look found. Before charges were recorded, a failure had its fault alone: then the table says what that weighs."""
    charges = look.charges
    if look.verdict is Verdict.FAIL and not charges and look.fault is not None:
        stops = look.fault is Fault.EXPORTER_DISABLED or look.check is CheckName.CONTROL
        charges = (Charge(fault=look.fault, summary=look.summary, stops_export=stops),)
    return Finding(
        verdict=look.verdict,
        summary=look.summary,
        charges=charges,
        blindness=look.blindness,
        conclusive=look.conclusive,
        permanent=look.permanent,
        evidence=look.evidence,
    )


def _input_of(look: Checked, finding: Finding, at: Instant, *, first: bool) -> Input | None:
    """What the check reported; None where the canaries say it better."""
    plain = Observation(check=look.check, at=at, took=look.took, finding=finding, config=look.config if first else None)
    if look.blindness in _OF_THE_RUNNER:
        return plain
    match look.check:
        case CheckName.CONFIG | CheckName.GATEWAY:
            return plain
        case CheckName.CANARY:
            if look.verdict is Verdict.PASS:
                return None
            return plain if look.blindness in _NOT_SENT else _answered(finding, at, look.took)
        case CheckName.ARRIVAL:
            return _failed_read(look, finding, at)
        case CheckName.CONTROL:
            return _control(look, finding, at)


def _answered(finding: Finding, at: Instant, took: Seconds) -> CanaryAnswered:
    """A canary whose trace was not awaited, or not judged yet: then its fate is not known."""
    stub = Canary(id=f"recorded-{at:.3f}", sent_at=at, sent_id=TraceId(""), span_id="", nonce="")
    limited = finding.fault is Fault.RATE_LIMITED
    return CanaryAnswered(at=at, took=took, canary=stub, finding=finding, rate_limited=limited, retry_after=0.0)


def _is_known(at: Instant, canaries: Sequence[Canary], cadence: Cadence) -> bool:
    """Whether it is one of those whose traces were judged: they say more."""
    return any(abs(canary.sent_at - at) < cadence.every_while_failing / 2 for canary in canaries)


def _failed_read(look: Checked, finding: Finding, at: Instant) -> LookFailed | None:
    """What was seen of traces is known from the canaries; that nothing could be seen is known from the look."""
    of_a_trace = look.verdict is Verdict.PASS or look.blindness in _OF_A_JUDGED_TRACE
    if of_a_trace or (look.verdict is Verdict.FAIL and look.fault is not Fault.KEY_REJECTED):
        return None
    return LookFailed(at=at, took=look.took, check=look.check, finding=finding)


def _control(look: Checked, finding: Finding, at: Instant) -> Input:
    trace_id = TraceId(str(look.evidence.get("trace_id") or f"recorded-{at:.3f}"))
    if look.verdict is Verdict.PASS:
        return ControlLooked(at=at, took=look.took, trace_id=trace_id, route=Route.WAREHOUSE, shown=True)
    span = ControlSpan(trace_id=trace_id, sent_at=at, accepted=False)
    return ControlSent(at=at, took=look.took, control=span, finding=finding)


def _control_sent(looked: ControlLooked, look: Checked) -> ControlSent:
    took = look.evidence.get("seconds")
    sent_at = looked.at - (float(took) if isinstance(took, int | float) else 0.0)
    span = ControlSpan(trace_id=TraceId(looked.trace_id), sent_at=sent_at, accepted=True)
    return ControlSent(at=sent_at, took=0.0, control=span, finding=None)
