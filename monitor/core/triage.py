"""Which hop lost the traces.

The four-way triage: does TrueFoundry's own store have the trace, and does Traceloop take in a span of our own?

    own store   our control span   where it broke
    yes         shown              the export from TrueFoundry to Traceloop   export_failing
    yes         not shown          Traceloop                                  ingest_failing, key_rejected (the control's own)
    no          either             the gateway made no trace                  trace_not_created
    unknown     any                cannot be told apart                       trace_missing
"""

from collections.abc import Mapping

from monitor.core.arrival import is_proven
from monitor.core.canary import Canary
from monitor.core.model import Fault, Instant
from monitor.core.signs import lost
from monitor.core.state import Active, TargetState
from monitor.core.trace import Route

LOSSES = frozenset({Fault.TRACE_MISSING, Fault.EXPORT_FAILING, Fault.TRACE_NOT_CREATED})
"""The names that a loss may get."""


def name_the_loss(active: Active, state: TargetState, now: Instant) -> tuple[Fault, tuple[str, ...]]:
    """Which hop lost the traces, and the sentences that say why we think so."""
    accused = [canary for canary in state.canaries if lost(canary) and canary.sent_at >= active.since]
    own = _own_store(accused, state, now)
    control = _control(accused, state)
    said = (_OWN_STORE_SAYS[own], _CONTROL_SAYS[control])
    if own is False:
        return Fault.TRACE_NOT_CREATED, said
    if own is True and control is True:
        return Fault.EXPORT_FAILING, said
    return Fault.TRACE_MISSING, said


_OWN_STORE_SAYS: Mapping[bool | None, str] = {
    True: "TrueFoundry's own store has the trace: the gateway made it",
    False: "TrueFoundry's own store does not have the trace: the gateway did not make it",
    None: "TrueFoundry's own store could not be asked",
}
_CONTROL_SAYS: Mapping[bool | None, str] = {
    True: "Traceloop itself is well: it took in and shows a span that we sent it later",
    False: "Traceloop does not show a span that we sent it directly either",
    None: "whether Traceloop takes in spans is not known",
}


def _own_store(accused: list[Canary], state: TargetState, now: Instant) -> bool | None:
    if any(canary.origin is True for canary in accused):
        return True
    proven = is_proven(state.proofs, Route.OWN_STORE, "", now)
    return False if proven and any(canary.origin is False for canary in accused) else None


def _control(accused: list[Canary], state: TargetState) -> bool | None:
    """A control span proves something only if it was sent after the canary it is compared with."""
    if not accused:
        return None
    later = [control for control in state.controls if control.sent_at > accused[0].sent_at]
    if any(control.shown_at is not None for control in later):
        return True
    refused = any(control.accepted is False for control in later)
    hidden = any(control.accepted and control.judged for control in later)
    return False if refused or hidden else None
