"""Name the broken hop: from the confirmed faults of one target to the one sentence that on-call reads.

The four-way triage: does TrueFoundry's own store have the trace, and does Traceloop take in a span of our own?

    own store   our control span   where it broke
    yes         shown              the export from TrueFoundry to Traceloop   export_failing
    yes         not shown          Traceloop                                  ingest_failing, key_rejected (the control's own)
    no          either             the gateway made no trace                  trace_not_created
    unknown     any                cannot be told apart                       trace_missing
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitor.core.arrival import is_proven
from monitor.core.canary import Canary
from monitor.core.drift import Comparison, compare
from monitor.core.faults import FAULTS, ORDER
from monitor.core.incident import Diagnosis
from monitor.core.key import key_is_refused
from monitor.core.model import Charge, Component, Fault, Instant, Severity
from monitor.core.series import arrived, lost
from monitor.core.state import Active, Policy, TargetState
from monitor.core.trace import Route

CAUSES = frozenset(
    {
        Fault.EXPORTER_DISABLED,
        Fault.CONFIG_DRIFT,
        Fault.KEY_REJECTED,
        Fault.WRONG_ENVIRONMENT,
        Fault.INGEST_FAILING,
    }
)
"""What explains that no trace arrives. When one is mended, its incident waits for traces before it resolves."""

LOSSES = frozenset({Fault.TRACE_MISSING, Fault.EXPORT_FAILING, Fault.TRACE_NOT_CREATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A confirmed fault as the diagnosis sees it: named by the triage, weighed by evidence and policy."""

    fault: Fault
    severity: Severity
    charge: Charge
    active: Active
    explains: frozenset[Fault]
    because: tuple[str, ...]


def diagnose(state: TargetState, policy: Policy, now: Instant) -> Diagnosis | None:
    """The diagnosis of a target; None when nothing worth telling is confirmed."""
    found = weigh(state, policy, now)
    if not found:
        return None
    explained = {fault for one in found for fault in one.explains}
    unexplained = [one for one in found if one.fault not in explained]
    named = min(unexplained or found, key=lambda one: (-one.severity, ORDER[one.fault]))
    consequences = tuple(one.fault for one in found if one is not named and one.fault in explained)
    entry = FAULTS[named.fault]
    return Diagnosis(
        fault=named.fault,
        severity=max(one.severity for one in found),
        component=entry.component,
        summary=f"{entry.meaning}: {named.charge.summary}",
        because=named.because,
        explained=consequences,
        also=tuple(one.fault for one in unexplained if one is not named),
        advice=entry.advice,
        since=named.active.since,
        trace_ids=_trace_ids(state, named.fault),
    )


def named(state: TargetState, now: Instant) -> dict[Fault, Active]:
    """Every confirmed fault under the name that the triage gives it."""
    return {
        name_the_loss(active, state, now)[0] if fault is Fault.TRACE_MISSING else fault: active
        for fault, active in state.confirmed.items()
    }


def weigh(state: TargetState, policy: Policy, now: Instant) -> tuple[Confirmed, ...]:
    """Every confirmed fault under its final name and severity, those below the policy's notice left out."""
    found = [_weigh_one(fault, active, state, policy, now) for fault, active in state.confirmed.items()]
    return tuple(sorted((one for one in found if one.severity is not Severity.NONE), key=lambda one: ORDER[one.fault]))


def _weigh_one(fault: Fault, active: Active, state: TargetState, policy: Policy, now: Instant) -> Confirmed:
    charge = active.charge
    because = (charge.summary, *charge.facts)
    severity = charge.severity if charge.severity is not None else FAULTS[fault].severity
    explains = FAULTS[fault].explains
    if fault is Fault.TRACE_MISSING:
        fault, more = name_the_loss(active, state, now)
        severity = FAULTS[fault].severity
        explains, because = FAULTS[fault].explains, (*because, *more)
    elif fault in (Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT):
        severity, explains, more = _weigh_configuration(fault, active, state, policy)
        because = (*because, *more)
    return Confirmed(
        fault=fault,
        severity=_apply_policy(fault, severity, policy),
        charge=charge,
        active=active,
        explains=explains,
        because=because,
    )


def _apply_policy(fault: Fault, severity: Severity, policy: Policy) -> Severity:
    return min(policy.severity.get(fault, severity), policy.max_severity)


# --- the loss --------------------------------------------------------------------------------------------------------


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
    later = [control for control in state.controls if control.sent_at >= accused[0].sent_at]
    if any(control.shown_at is not None for control in later):
        return True
    return False if any(control.judged or control.accepted is False for control in later) else None


# --- the configuration -----------------------------------------------------------------------------------------------


def _weigh_configuration(
    fault: Fault, active: Active, state: TargetState, policy: Policy
) -> tuple[Severity, frozenset[Fault], tuple[str, ...]]:
    """After `settle` what arrives outranks what the configuration says; and a rotated key is no outage."""
    charge = active.charge
    severity = charge.severity if charge.severity is not None else FAULTS[fault].severity
    said = _who(state)
    if not charge.stops_export:
        return severity, frozenset(), said
    if traces_arrive_anyway(state, policy):
        text = "traces arrive all the same: there must be another export path"
        return Severity.WARNING, frozenset(), (text, *said)
    if fault is Fault.CONFIG_DRIFT and rotated(state, policy):
        text = "Traceloop refuses the monitor's own key: it was probably rotated, give the monitor the new key"
        return Severity.WARNING, frozenset({Fault.KEY_REJECTED}), (text, *said)
    return severity, FAULTS[fault].explains, said


def _who(state: TargetState) -> tuple[str, ...]:
    seen = state.config.seen if state.config is not None else None
    return (f"last changed by {seen.updated_by}",) if seen is not None and seen.updated_by else ()


def traces_arrive_anyway(state: TargetState, policy: Policy) -> bool:
    """Whether the newest evidence is an arrival of a canary sent `settle` or more after the configuration changed."""
    changed = state.config.changed_at if state.config is not None else None
    earliest = changed + policy.arrival.settle if changed is not None else float("-inf")
    judged = [canary for canary in state.canaries if arrived(canary) or lost(canary)]
    return bool(judged) and arrived(judged[-1]) and judged[-1].sent_at >= earliest


def comparison(state: TargetState, policy: Policy) -> Comparison | None:
    """The present comparison of the configuration; None while it has not been read, or is off."""
    if state.config is None or state.config.seen.config.off:
        return None
    return compare(policy.expected, state.config.seen.config)


def rotated(state: TargetState, policy: Policy) -> bool:
    """Whether the gateway carries another key, in a good form, while ours is refused: then ours is the outdated one."""
    present = comparison(state, policy)
    return present is not None and present.other_key and key_is_refused(state)


def _trace_ids(state: TargetState, fault: Fault) -> tuple[str, ...]:
    if fault in CAUSES or fault in LOSSES or FAULTS[fault].component is Component.EXPORT:
        bad = [canary for canary in state.canaries if lost(canary) or canary.late or canary.incomplete]
        return tuple(canary.trace_id for canary in bad[-3:] if canary.trace_id)
    return ()


def still_waiting(diagnosis: Diagnosis, waiting: str) -> Diagnosis:
    """The same diagnosis, mended, and waiting for the traces that prove it."""
    return replace(diagnosis, waiting=waiting, also=(), explained=())
