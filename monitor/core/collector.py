"""A Collector between the export and the trace backend: its hop of the path, where the target names it.

Nobody can ask a Collector for a trace. Its hop is ok while traces arrive behind it. Else only its own counters speak for it: they
count all traffic, so they call it broken only where traces are lost or late, and only where all of it fails. Without them it is not
known which of the two lost what the export should have delivered, and neither is accused.
"""

from collections.abc import Iterator
from dataclasses import replace

from monitor.core.faults import LATE, LOSSES
from monitor.core.hints import known_counters
from monitor.core.incident import Diagnosis, Hop, HopState, Place, may_be_the_backend
from monitor.core.model import Fault, Instant
from monitor.core.path import CANNOT_TELL, Says
from monitor.core.pipeline_counters import CollectorFlow, CountedBy, collector_flow
from monitor.core.state import Policy, TargetState

_OK, _BROKEN, _UNKNOWN = HopState.OK, HopState.BROKEN, HopState.UNKNOWN
_LOST = LOSSES | LATE | {Fault.VOLUME_LOSS}
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
    says = _says(export, known_flow(state, now), lost=lost, passed=passed)
    collector = Hop(place=Place.COLLECTOR, state=says[0], text=says[1])
    # What is lost behind a hop that answers may be lost by either of two; what is switched off, or set wrong, is the export's own.
    if diagnosis is not None and diagnosis.fault in _LOST and export.state is _BROKEN:
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


def _says(export: Hop, flow: CollectorFlow | None, *, lost: bool, passed: bool) -> Says:
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
        return _UNKNOWN, _in_part(flow)
    return (_OK, "delivers what it receives") if flow.sent else CANNOT_TELL


def _failures(flow: CollectorFlow) -> Iterator[tuple[bool, str]]:
    """What all of its traffic suffers."""
    yield bool(flow.refused) and not flow.accepted, "refuses all spans"
    yield bool(flow.stuck) and not flow.sent, "delivers no spans"


def _in_part(flow: CollectorFlow) -> str:
    """What some of its traffic suffers, and perhaps ours: there may be several exporters, and other traffic."""
    if flow.failed:
        return "does not deliver some spans"
    if flow.dropped:
        return "drops some spans"
    return _NOTHING_COMES if flow.idle else "holds spans in a queue"
