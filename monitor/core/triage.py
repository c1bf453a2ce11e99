"""Which hop lost the traces.

The four-way triage: does TrueFoundry's own store have the trace, and does Traceloop take in a span of our own that was sent
later? What each pair of answers means, and what to do about it, stands in `TRIAGE`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitor.core.arrival import store_is_proven
from monitor.core.canary import Canary, ControlSpan, Outcome
from monitor.core.model import Fault, Instant
from monitor.core.signs import lost
from monitor.core.state import Active, TargetState

LOSSES = frozenset({Fault.TRACE_MISSING, Fault.EXPORT_FAILING, Fault.TRACE_NOT_CREATED})
"""The names that a loss may get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the traces were lost, in words and as a fault; `step` where the pair of answers suggests a better one than the table."""

    fault: Fault
    where: str
    step: str = ""


_GATEWAY = Place(fault=Fault.TRACE_NOT_CREATED, where="the gateway made no trace")
_EXPORT = Place(fault=Fault.EXPORT_FAILING, where="the export from TrueFoundry to Traceloop")
_INGEST = Place(
    fault=Fault.TRACE_MISSING,
    where="Traceloop, as it seems: `ingest_failing` or `key_rejected` when `control` settles",
    step="Look at https://status.traceloop.com: TrueFoundry has the traces, and Traceloop does not show a span of our own either.",
)
_EXPORT_OR_INGEST = Place(
    fault=Fault.TRACE_MISSING,
    where="the export or Traceloop",
    step="Look at the check `control`: TrueFoundry has the traces, and whether Traceloop takes in a span of our own is not known.",
)
_GATEWAY_OR_EXPORT = Place(fault=Fault.TRACE_MISSING, where="the gateway or the export")
_INGEST_OR_BEFORE = Place(fault=Fault.TRACE_MISSING, where="Traceloop, or a hop before it")
_ANYWHERE = Place(fault=Fault.TRACE_MISSING, where="any hop")

_NEWEST = 2

Answers = tuple[bool | None, bool | None]
"""Whether the own store has the trace, and whether Traceloop shows a later control span; None: not known."""

TRIAGE: Mapping[Answers, Place] = MappingProxyType(
    {
        (True, True): _EXPORT,
        (True, False): _INGEST,
        (True, None): _EXPORT_OR_INGEST,
        (False, True): _GATEWAY,
        (False, False): _GATEWAY,
        (False, None): _GATEWAY,
        (None, True): _GATEWAY_OR_EXPORT,
        (None, False): _INGEST_OR_BEFORE,
        (None, None): _ANYWHERE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The two answers. `unproven`: the own store does not show the trace, nor has it shown us another within a day."""

    own_store: bool | None
    control: bool | None
    unproven: bool = False

    @property
    def place(self) -> Place:
        """What they mean."""
        return TRIAGE[self.own_store, self.control]


def triage(active: Active, state: TargetState, now: Instant) -> Triage:
    """Look at the losses of one outage: no older one is compared, nor with a control span one that something explains.

    Whether the gateway made a trace is another question than what kept it from arriving.
    """
    missing = [c for c in state.canaries if c.outcome is Outcome.MISSING and c.sent_at >= active.since]
    accused = [canary for canary in missing if lost(canary)]
    asked = [canary for canary in missing if canary.origin is not None][-_NEWEST:]
    shown = _own_store(asked)
    unproven = shown is False and not any(store_is_proven(canary, state.proofs, now) for canary in asked)
    return Triage(own_store=None if unproven else shown, control=_control(accused, state), unproven=unproven)


def say(found: Triage) -> tuple[str, ...]:
    """The sentences that say why we think so."""
    own = _UNPROVEN if found.unproven else _OWN_STORE_SAYS[found.own_store]
    return own, _CONTROL_SAYS[found.control]


_OWN_STORE_SAYS: Mapping[bool | None, str] = {
    True: "TrueFoundry's own store has the trace: the gateway made it",
    False: "TrueFoundry's own store does not have the trace: the gateway did not make it",
    None: "TrueFoundry's own store could not be asked",
}
_UNPROVEN = (
    "TrueFoundry's own store does not show the trace, but it has shown us none within a day: that proves nothing"
)
_CONTROL_SAYS: Mapping[bool | None, str] = {
    True: "Traceloop itself is well: it took in and shows a span that we sent it later",
    False: "Traceloop does not show a span that we sent it directly either",
    None: "whether Traceloop takes in spans is not known",
}


def _own_store(newest: list[Canary]) -> bool | None:
    """The newest two that it was asked for speak for the present; one that it has is enough."""
    if any(canary.origin for canary in newest):
        return True
    return False if newest else None


def _control(accused: list[Canary], state: TargetState) -> bool | None:
    """A control span proves something only if it was sent after the canary it is compared with; the newest that does speaks."""
    if not accused:
        return None
    later = (control for control in reversed(state.controls) if control.sent_at > accused[0].sent_at)
    return next((control.shown_at is not None for control in later if _is_decided(control)), None)


def _is_decided(control: ControlSpan) -> bool:
    """Shown, refused, or accepted and not shown in time."""
    return control.accepted is False or (control.accepted is True and control.judged)
