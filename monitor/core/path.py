"""The path of a trace, hop by hop: gateway, TrueFoundry, export, trace backend; for the page and for messages.

A hop is `ok` while traces get through it, `broken` where they stop or go elsewhere, `unknown` where that is not known. What a
trace carries is another matter: with `content_leaked` every hop is ok. A gateway that answers and does not serve the canary is no
broken hop either: what is behind it has no trace to follow, and is unknown.

What the named faults say of a hop comes first (`_says`). The other hops are ok only by fresh evidence: a canary that arrived, a
test span that is shown, TrueFoundry's own store that has the trace. Without it they are unknown.

First comes `triage`: which hop lost the traces, by what TrueFoundry's own store and a later test span say of them; last the hop of a
Collector, where the target names one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from monitor.core.arrival import store_is_proven
from monitor.core.backend import TRACELOOP, BackendTraits
from monitor.core.canary import Canary, Outcome
from monitor.core.faults import CAUSES, FAULTS, LATE, LOSSES
from monitor.core.hints import known_counters
from monitor.core.incident import Diagnosis, Hop, HopState, Place, may_be_the_backend
from monitor.core.model import CheckName, Fault, Instant, Verdict
from monitor.core.outcomes import misrouted_to
from monitor.core.pipeline_counters import CollectorFlow, CountedBy, collector_flow
from monitor.core.state import Active, Policy, TargetState
from monitor.core.streaks import is_intermittent

# --- which hop lost the traces ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAt:
    """Where the traces were lost, in words and as a fault; `step` where the pair of answers suggests a better one than the table."""

    fault: Fault
    where: str
    step: str = ""


NOT_CREATED = LostAt(fault=Fault.TRACE_NOT_CREATED, where="the gateway creates no trace")

Answers = tuple[bool | None, bool | None]
"""Whether the own store has the trace, and whether the backend shows a later control span; None: not known."""

TRIAGE: Mapping[Answers, LostAt] = MappingProxyType(
    {
        (True, True): LostAt(fault=Fault.EXPORT_FAILING, where="the export from TrueFoundry to {backend}"),
        (True, False): LostAt(
            fault=Fault.TRACE_MISSING,
            where="probably {backend}: `ingest_failing` or `key_rejected` when `control` settles",
            step="Check {status}: TrueFoundry has the traces, and {backend} does not show a test span either.",
        ),
        (True, None): LostAt(
            fault=Fault.TRACE_MISSING,
            where="the export or {backend}",
            step="See what the check `control` says: TrueFoundry has the traces, and whether {backend} accepts a test span is "
            "not known.",
        ),
        (False, True): NOT_CREATED,
        (False, False): NOT_CREATED,
        (False, None): NOT_CREATED,
        (None, True): LostAt(fault=Fault.TRACE_MISSING, where="the gateway or the export"),
        (None, False): LostAt(fault=Fault.TRACE_MISSING, where="{backend}, or a hop before it"),
        (None, None): LostAt(fault=Fault.TRACE_MISSING, where="any hop"),
    }
)

OWN_STORE_SAYS: Mapping[bool | None, str] = {
    True: "TrueFoundry's own store has the trace, so the gateway created it",
    False: "TrueFoundry's own store does not have the trace either, so it was lost before the export",
    None: "TrueFoundry's own store could not be asked",
}
_UNPROVEN = "TrueFoundry's own store does not show the trace, which proves nothing: it has shown none of the monitor's within a day"
_CONTROL_SAYS: Mapping[bool | None, str] = {
    True: "{backend} is healthy: it accepted and shows a test span that was sent later",
    False: "{backend} does not show a test span either, which was sent to it directly",
    None: "whether {backend} accepts spans is not known",
}
_CONTROL_BY_COLLECTOR: Mapping[bool | None, str] = {
    **_CONTROL_SAYS,
    True: "the Collector and {backend} are healthy: a test span that was sent later has passed both",
    False: "{backend} does not show a test span either, which was sent to the Collector",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The two answers. `unproven`: the own store does not show the trace, nor has it shown us another within a day."""

    own_store: bool | None
    control: bool | None
    unproven: bool = False

    @property
    def place(self) -> LostAt:
        """What they mean."""
        return TRIAGE[self.own_store, self.control]

    def says(self, policy: Policy) -> tuple[str, str]:
        """The sentences that say why we think so."""
        control = _CONTROL_BY_COLLECTOR if policy.test_span_by_collector else _CONTROL_SAYS
        return _UNPROVEN if self.unproven else OWN_STORE_SAYS[self.own_store], control[self.control]


def triage(active: Active, state: TargetState, now: Instant) -> Triage:
    """Look at the losses of one outage: no older one is compared, nor with a control span one that something explains.

    Whether the gateway made a trace is another question than what kept it from arriving. Of the own store the newest two that it was
    asked for speak for the present; one that it has is enough.
    """
    missing = [one for one in state.canaries if one.outcome is Outcome.MISSING and one.sent_at >= active.since]
    has = own_store_has(missing)
    unproven = has is False and not any(store_is_proven(one, state.proofs, now) for one in _newest_asked(missing))
    return Triage(own_store=None if unproven else has, control=test_span_shown(missing, state), unproven=unproven)


def own_store_has(canaries: list[Canary]) -> bool | None:
    """Whether TrueFoundry's own store has one of the newest two that it was asked for; None: it was asked for none of them.

    Not to have it may prove nothing.
    """
    asked = _newest_asked(canaries)
    return any(one.origin for one in asked) if asked else None


def _newest_asked(canaries: list[Canary]) -> list[Canary]:
    return [one for one in canaries if one.origin is not None][-2:]


def test_span_shown(bad: list[Canary], state: TargetState) -> bool | None:
    """Whether the backend shows the newest test span that is decided; None: there is none that proves anything.

    It does only if it was sent after the first of the traces that went wrong and that nothing explains.
    """
    accused = [one.sent_at for one in bad if not one.excused]
    if not accused:
        return None
    later = (control for control in reversed(state.controls) if control.sent_at > accused[0])
    return next((control.shown_at is not None for control in later if control.decided), None)


# --- the hops --------------------------------------------------------------------------------------------------------

Says = tuple[HopState, str]
"""What is said of one hop."""

_OK, _BROKEN, _UNKNOWN = HopState.OK, HopState.BROKEN, HopState.UNKNOWN

CANNOT_TELL: Says = (_UNKNOWN, "not known")
_NO_TRACE: Says = (_UNKNOWN, "no trace to follow")
_HAS_IT: Says = (_OK, "has the traces")
_DELIVERS: Says = (_OK, "delivers the traces")
_SHOWS_SPAN: Says = (_OK, "shows a test span")
_FIXED: Says = (_UNKNOWN, "fixed, waiting for traces")


_PLACES = (Place.GATEWAY, Place.TRUEFOUNDRY, Place.EXPORT, Place.TRACELOOP)
"""In order. The last stands for the trace backend, whichever that is."""


def hops(
    state: TargetState,
    diagnosis: Diagnosis | None,
    *,
    stale: frozenset[CheckName] = frozenset(),
    backend: BackendTraits = TRACELOOP,
) -> tuple[Hop, Hop, Hop, Hop]:
    """The four hops of a target, in order; the last is its `backend`.

    `diagnosis` is what is wrong now; None where nothing is, or no longer. `stale`: the checks whose newest result is too old to say
    anything of the present.
    """
    evidence = _Evidence(state, stale)
    found = dict(evidence.hops)
    faults = () if diagnosis is None else (diagnosis.fault, *diagnosis.also)
    waits = diagnosis is not None and diagnosis.waiting is not None
    for fault in reversed(faults):  # the named one has the last word, but for what is broken
        for place, says in _says(fault, state, evidence, waits=waits).items():
            if found[place][0] is not _BROKEN or says[0] is _BROKEN:
                found[place] = says
    *before, last = (Hop(place=place, state=found[place][0], text=found[place][1]) for place in _PLACES)
    gateway, truefoundry, export = before
    return gateway, truefoundry, export, replace(last, place=Place(backend.slug))


# --- what the faults say ---------------------------------------------------------------------------------------------

_NOT_SERVED: Mapping[Fault, Says] = {
    Fault.GATEWAY_UNREACHABLE: (_BROKEN, "does not answer"),
    Fault.GATEWAY_REFUSED: (_OK, "answers, but rejects the canary's token"),
    Fault.RATE_LIMITED: (_OK, "answers, but limits the canary's requests"),
    Fault.CANARY_REJECTED: (_OK, "answers, but does not serve the canary"),
    Fault.PROVIDER_FAILING: (_OK, "answers, but its model provider fails"),
}
_CAUSED_AT: Mapping[Fault, tuple[Place, str]] = {
    Fault.EXPORTER_DISABLED: (Place.EXPORT, "is switched off"),
    Fault.CONFIG_DRIFT: (Place.EXPORT, "is misconfigured"),
    Fault.WRONG_ENVIRONMENT: (Place.EXPORT, "delivers to another environment"),
    Fault.KEY_REJECTED: (Place.TRACELOOP, "rejects the key"),
    Fault.INGEST_FAILING: (Place.TRACELOOP, "does not accept a test span"),
}
_GETS_THROUGH: Mapping[Fault, str] = {
    Fault.EXPORTER_DISABLED: "is switched off, yet traces arrive",
    Fault.CONFIG_DRIFT: "delivers the traces, but is configured differently",
    Fault.CONTENT_LEAKED: "delivers the traces, but they carry what they must not",
    Fault.CONTENT_MISSING: "delivers the traces, but without their content",
    Fault.TRACE_MISLABELLED: "delivers the traces, but with wrong labels",
}


def _says(fault: Fault, state: TargetState, evidence: "_Evidence", *, waits: bool) -> dict[Place, Says]:
    """What one fault says of the hops; of the others it says nothing."""
    if FAULTS[fault].prevents_traces:
        return {Place.GATEWAY: _NOT_SERVED[fault], Place.TRUEFOUNDRY: _NO_TRACE, Place.EXPORT: _NO_TRACE}
    if fault in CAUSES and _in_force(fault, state):
        return _lost_to(fault, state)
    if fault in CAUSES and waits:
        place, _ = _CAUSED_AT[fault]
        return {} if evidence.hops[place][0] is _OK else {place: _FIXED}
    if fault in _GETS_THROUGH:
        return {Place.EXPORT: (_OK, _GETS_THROUGH[fault])} if evidence.gets_through else {}
    if fault in LOSSES:
        return _lost(fault, state)
    if fault is Fault.VOLUME_LOSS:
        some = "delivers the canaries' traces, but not those of all requests"
        return {
            Place.EXPORT: (_BROKEN, some if evidence.gets_through else "does not deliver the traces of all requests")
        }
    if fault is Fault.TRACE_INCOMPLETE:
        return _in_part(state)
    if fault is Fault.TRACE_LATE:
        return _delayed(state)
    return {}  # nothing is seen, by `blind` or `check_failed`: that speaks through the missing evidence


def _in_force(cause: Fault, state: TargetState) -> bool:
    """Whether it keeps traces from arriving now: neither fixed, nor outranked by what arrives all the same."""
    return any(outage.fault is cause and outage.ended_at is None for outage in state.outages)


def _lost_to(cause: Fault, state: TargetState) -> dict[Place, Says]:
    """Where a known cause keeps traces from arriving."""
    place, text = _CAUSED_AT[cause]
    if cause is Fault.WRONG_ENVIRONMENT:
        other = next((name for one in reversed(state.canaries) if (name := misrouted_to(one)) is not None), None)
        there = f"the environment {other}" if other is not None else "another environment"
        return {
            Place.TRUEFOUNDRY: _HAS_IT,
            Place.EXPORT: (_BROKEN, f"delivers to {there}"),
            Place.TRACELOOP: (_OK, f"shows the traces in {there}"),
        }
    # Whether the export would deliver is not known while nobody accepts anything.
    return {place: (_BROKEN, text)} if place is Place.EXPORT else {Place.EXPORT: CANNOT_TELL, place: (_BROKEN, text)}


def _lost(fault: Fault, state: TargetState) -> dict[Place, Says]:
    """Where traces get lost, as far as `TRIAGE` knows: each of its names says what the answers were."""
    active = state.confirmed.get(Fault.TRACE_MISSING)
    some = active is not None and is_intermittent(active)
    since = active.since if active is not None else 0.0
    missing = [one for one in state.canaries if one.outcome is Outcome.MISSING and one.sent_at >= since]
    traceloop = _SHOWS_SPAN if test_span_shown(missing, state) else CANNOT_TELL
    if fault is Fault.TRACE_NOT_CREATED:
        text = "answers, but creates no trace for some requests" if some else "answers, but creates no trace"
        return {
            Place.GATEWAY: (_BROKEN, text),
            Place.TRUEFOUNDRY: _NO_TRACE,
            Place.EXPORT: _NO_TRACE,
            Place.TRACELOOP: traceloop,
        }
    if fault is Fault.EXPORT_FAILING:
        text = "loses some of the traces" if some else "does not deliver"
        return {Place.TRUEFOUNDRY: _HAS_IT, Place.EXPORT: (_BROKEN, text), Place.TRACELOOP: _SHOWS_SPAN}
    truefoundry = _HAS_IT if own_store_has(missing) else CANNOT_TELL
    return {Place.TRUEFOUNDRY: truefoundry, Place.EXPORT: CANNOT_TELL, Place.TRACELOOP: traceloop}


def _delayed(state: TargetState) -> dict[Place, Says]:
    """Where traces wait: in the export, if TrueFoundry has them and the backend is healthy; else where is not known."""
    active = state.confirmed.get(Fault.TRACE_LATE)
    since = active.since if active is not None else 0.0
    late = [one for one in state.canaries if one.late and one.sent_at >= since]
    has, shows = own_store_has(late), test_span_shown(late, state)
    return {
        Place.TRUEFOUNDRY: _HAS_IT if has else CANNOT_TELL,
        Place.EXPORT: (_BROKEN, "delivers late") if has and shows else CANNOT_TELL,
        Place.TRACELOOP: _SHOWS_SPAN if shows else CANNOT_TELL,
    }


def _in_part(state: TargetState) -> dict[Place, Says]:
    """That TrueFoundry's own store has a trace does not say that it has all of it: which hop drops the rest is not known."""
    partial = [one for one in state.canaries if one.outcome is Outcome.INCOMPLETE]
    return {
        Place.TRUEFOUNDRY: CANNOT_TELL,
        Place.EXPORT: (_UNKNOWN, "may drop parts of the traces"),
        Place.TRACELOOP: _SHOWS_SPAN if test_span_shown(partial, state) else CANNOT_TELL,
    }


# --- what the evidence says ------------------------------------------------------------------------------------------


class _Evidence:
    """What the newest results and canaries prove by themselves."""

    def __init__(self, state: TargetState, stale: frozenset[CheckName]) -> None:
        self._state = state
        self._stale = stale
        self._served = self._verdict(CheckName.CANARY) is Verdict.PASS
        accepted = [one for one in state.canaries if one.accepted and one.outcome is not None]
        self._newest = accepted[-1] if accepted and self._served and self._can_see_traces() else None
        self.gets_through = self._gets_through()
        self.hops = self._hops()

    def _gets_through(self) -> bool:
        """Whether the newest trace that was judged has come all the way, and none that was sent later is overdue."""
        newest = self._newest
        if newest is None or misrouted_to(newest) is not None:
            return False
        if newest.outcome not in (Outcome.ARRIVED, Outcome.LATE) and newest.recovered_at is None:
            return False
        if any(one.pending and one.late for one in self._state.canaries):
            return False
        return newest.sent_at >= self._fixed_at()

    def _hops(self) -> Mapping[Place, Says]:
        """Of each hop what is proven, whatever the faults say."""
        if not self._state.check_states:
            return dict.fromkeys(_PLACES, (_UNKNOWN, "not checked yet"))
        through = self.gets_through
        return {
            Place.GATEWAY: (_OK, "answers") if self._gateway_answers() else CANNOT_TELL,
            Place.TRUEFOUNDRY: _HAS_IT if through or self._is_made() else CANNOT_TELL,
            Place.EXPORT: _DELIVERS if through else CANNOT_TELL,
            Place.TRACELOOP: self._traceloop(through=through),
        }

    def _verdict(self, check: CheckName) -> Verdict | None:
        """What a check says now; None if it has said nothing recently, or does not run."""
        result = self._state.check_state(check).result
        return result.verdict if result is not None and check not in self._stale else None

    def _can_see_traces(self) -> bool:
        return self._verdict(CheckName.ARRIVAL) in (Verdict.PASS, Verdict.FAIL)

    def _fixed_at(self) -> Instant:
        """Only what was sent since a cause was fixed shows that it is over."""
        return self._state.recovery.at if self._state.recovery is not None else 0.0

    def _gateway_answers(self) -> bool:
        health = self._verdict(CheckName.GATEWAY)
        return health is Verdict.PASS or (self._served and health is not Verdict.FAIL)

    def _is_made(self) -> bool:
        """Whether TrueFoundry's own store has the newest of the traces that it was asked for, none of which has arrived since."""
        if not self._served:
            return False
        asked = [one for one in self._state.canaries if one.origin is not None]
        newest = self._newest
        return bool(asked) and (newest is None or asked[-1].sent_at >= newest.sent_at) and bool(asked[-1].origin)

    def _traceloop(self, *, through: bool) -> Says:
        control = self._verdict(CheckName.CONTROL)
        if control is Verdict.PASS:
            return _SHOWS_SPAN if not through else (_OK, "shows the traces")
        return (_OK, "shows the traces") if through and control is not Verdict.FAIL else CANNOT_TELL


# --- the hop of a Collector ------------------------------------------------------------------------------------------

# Nobody can ask a Collector for a trace. Its hop is ok while traces arrive behind it. Else only its own counters speak for it: they
# count all traffic, so they call it broken only where traces are lost or late, and only where all of it fails. Without them it is not
# known which of the two lost what the export should have delivered, and neither is accused.

_LOST_BEHIND_IT = LOSSES | LATE | {Fault.VOLUME_LOSS}
_MAY_REFUSE: Says = (_UNKNOWN, "may refuse a test span")
_MAY_LOSE: Says = (_UNKNOWN, "may lose the traces")


def through_collector(
    hops: tuple[Hop, ...], state: TargetState, diagnosis: Diagnosis | None, policy: Policy | None, now: Instant
) -> tuple[Hop, ...]:
    """The same path with the Collector in its place; as it is where the target names none."""
    if policy is None or not policy.collector:
        return hops
    *before, export, backend = hops
    lost = diagnosis is not None and diagnosis.waiting is None and may_be_the_backend(diagnosis)
    passed = policy.test_span_by_collector and backend.state is _OK  # what it shows is the test span, or the traces
    says = _collector_says(export, known_flow(state, now), lost=lost, passed=passed)
    collector = Hop(place=Place.COLLECTOR, state=says[0], text=says[1])
    # What is lost behind a hop that answers may be lost by either of two; what is switched off, or set wrong, is the export's own.
    if diagnosis is not None and diagnosis.fault in _LOST_BEHIND_IT and export.state is _BROKEN:
        if collector.state is _BROKEN:
            export = replace(export, state=CANNOT_TELL[0], text=CANNOT_TELL[1])
        elif collector.state is _UNKNOWN and says[1] != _NOTHING_COMES:
            export = replace(export, state=_MAY_LOSE[0], text=_MAY_LOSE[1])
            collector = replace(collector, text=_MAY_LOSE[1]) if says == CANNOT_TELL else collector
    if policy.test_span_by_collector and backend.state is _BROKEN and collector.state is not _OK:
        backend = replace(backend, state=_MAY_REFUSE[0], text=_MAY_REFUSE[1])
        collector = replace(collector, text=_MAY_REFUSE[1]) if says == CANNOT_TELL else collector
    return (*before, export, collector, backend)


def known_flow(state: TargetState, now: Instant) -> CollectorFlow | None:
    """What became of the Collector's spans recently, by its own counters; None where they say nothing."""
    return collector_flow(known_counters(state, now, CountedBy.COLLECTOR))


_NOTHING_COMES = "receives no spans"


def _collector_says(export: Hop, flow: CollectorFlow | None, *, lost: bool, passed: bool) -> Says:
    """What is said of the Collector.

    `lost`: traces are lost or late, or the backend refuses; `passed`: a test span has come through.
    """
    if export.state is _OK:
        return _OK, "passes the traces on"
    if passed:
        return _OK, "passes a test span on"
    if flow is None:
        return (_UNKNOWN, export.text) if export.text == "not checked yet" else CANNOT_TELL
    fails = (text for applies, text in _failures(flow) if applies)
    broken = next(fails, None)
    if broken is not None:
        return (_BROKEN if lost else _UNKNOWN), broken
    if flow.failed or flow.dropped or flow.idle or any(size for size, _ in flow.queued.values()):
        return _UNKNOWN, _fails_in_part(flow)
    return (_OK, "delivers what it receives") if flow.sent else CANNOT_TELL


def _failures(flow: CollectorFlow) -> Iterator[tuple[bool, str]]:
    """What all of its traffic suffers."""
    yield bool(flow.refused) and not flow.accepted, "refuses all spans"
    yield bool(flow.stuck) and not flow.sent, "delivers no spans"


def _fails_in_part(flow: CollectorFlow) -> str:
    """What some of its traffic suffers, and perhaps ours: there may be several exporters, and other traffic."""
    if flow.failed:
        return "does not deliver some spans"
    if flow.dropped:
        return "drops some spans"
    return _NOTHING_COMES if flow.idle else "holds spans in a queue"
