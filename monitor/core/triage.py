"""Which hop lost the traces: what TrueFoundry's own store and a later test span say of them, and what each pair of answers means."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitor.core.arrival import store_is_proven
from monitor.core.canary import Canary, Outcome
from monitor.core.model import Fault, Instant
from monitor.core.outcomes import lost
from monitor.core.state import Active, Policy, TargetState


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

_OWN_STORE_SAYS: Mapping[bool | None, str] = {
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
        return _UNPROVEN if self.unproven else _OWN_STORE_SAYS[self.own_store], control[self.control]


def triage(active: Active, state: TargetState, now: Instant) -> Triage:
    """Look at the losses of one outage: no older one is compared, nor with a control span one that something explains.

    Whether the gateway made a trace is another question than what kept it from arriving. Of the own store the newest two that it was
    asked for speak for the present; one that it has is enough.
    """
    missing = [c for c in state.canaries if c.outcome is Outcome.MISSING and c.sent_at >= active.since]
    accused = [canary for canary in missing if lost(canary)]
    asked = [canary for canary in missing if canary.origin is not None][-2:]
    shown = any(canary.origin for canary in asked) if asked else None
    unproven = shown is False and not any(store_is_proven(canary, state.proofs, now) for canary in asked)
    return Triage(own_store=None if unproven else shown, control=_control(accused, state), unproven=unproven)


def _control(accused: list[Canary], state: TargetState) -> bool | None:
    """A control span proves something only if it was sent after the canary it is compared with; the newest that does speaks."""
    if not accused:
        return None
    later = (control for control in reversed(state.controls) if control.sent_at > accused[0].sent_at)
    return next((control.shown_at is not None for control in later if control.decided), None)
