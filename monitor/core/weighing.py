"""What each confirmed fault weighs: its name, its severity, what it explains, and why we think so.

After `settle` what arrives outranks what the configuration says; a rotated key is no outage; the operator has the last word
on severity.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.core.canary import Outcome
from monitor.core.drift import Comparison, compare
from monitor.core.faults import FAULTS, ORDER
from monitor.core.key import key_is_refused
from monitor.core.model import Charge, Fault, Instant, Severity
from monitor.core.signs import arrived
from monitor.core.state import Active, Policy, TargetState
from monitor.core.triage import name_the_loss

CONFIGURED = frozenset({Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT})
"""What the configuration says by itself."""

CAUSES = CONFIGURED | {Fault.KEY_REJECTED, Fault.WRONG_ENVIRONMENT, Fault.INGEST_FAILING}
"""What explains that no trace arrives. When one is mended, its incident waits for traces before it resolves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A confirmed fault as the diagnosis sees it: named by the triage, weighed by evidence and policy."""

    fault: Fault
    severity: Severity
    charge: Charge
    active: Active
    explains: frozenset[Fault]
    because: tuple[str, ...]


def weigh(state: TargetState, policy: Policy, now: Instant) -> tuple[Confirmed, ...]:
    """Every confirmed fault under its final name and severity, those below the policy's notice left out."""
    found = [_weigh_one(fault, active, state, policy, now) for fault, active in state.confirmed.items()]
    return tuple(sorted((one for one in found if one.severity is not Severity.NONE), key=lambda one: ORDER[one.fault]))


def named(state: TargetState, now: Instant) -> dict[Fault, Active]:
    """Every confirmed fault under the name that the triage gives it."""
    return {
        name_the_loss(active, state, now)[0] if fault is Fault.TRACE_MISSING else fault: active
        for fault, active in state.confirmed.items()
    }


def _weigh_one(fault: Fault, active: Active, state: TargetState, policy: Policy, now: Instant) -> Confirmed:
    charge = active.charge
    more: tuple[str, ...] = ()
    if fault is Fault.TRACE_MISSING:
        fault, more = name_the_loss(active, state, now)
    severity = charge.severity if charge.severity is not None else FAULTS[fault].severity
    explains = FAULTS[fault].explains
    if fault in CONFIGURED:
        severity, explains, more = _weigh_configuration(fault, active, severity, state, policy)
    return Confirmed(
        fault=fault,
        severity=min(policy.severity.get(fault, severity), policy.max_severity),
        charge=charge,
        active=active,
        explains=explains,
        because=(charge.summary, *charge.facts, *more),
    )


# --- the configuration -----------------------------------------------------------------------------------------------


def _weigh_configuration(
    fault: Fault, active: Active, severity: Severity, state: TargetState, policy: Policy
) -> tuple[Severity, frozenset[Fault], tuple[str, ...]]:
    said = _who(fault, state)
    if not active.charge.stops_export:
        return severity, frozenset(), said
    present = comparison(state, policy)
    # Content that leaks is no less critical because traces arrive.
    lesser = Severity.CRITICAL if present is not None and present.leaks else Severity.WARNING
    if traces_arrive_anyway(fault, active, state, policy):
        text = "traces arrive all the same: there must be another export path"
        return lesser, frozenset(), (text, *said)
    if fault is Fault.CONFIG_DRIFT and present is not None and present.other_key:
        excuse = _our_own_key(state, policy)
        if excuse is not None:
            return lesser, frozenset(), (excuse, *said)
    return severity, FAULTS[fault].explains, said


def _our_own_key(state: TargetState, policy: Policy) -> str | None:
    """Why it may be the monitor that has the wrong key, where it and the gateway have not the same one."""
    if state.config is not None and state.config.credential not in ("", policy.credential):
        return "the monitor has been given another key since: the next look compares with that one"
    if key_is_refused(state):
        return "Traceloop refuses the monitor's own key: it was probably rotated, give the monitor the new key"
    return None


def _who(fault: Fault, state: TargetState) -> tuple[str, ...]:
    """Who changed the configuration last, and when; whoever deleted it did not sign what was there before."""
    if state.config is None or _is_gone(fault, state):
        return ()
    seen = state.config.seen
    by = f" by {seen.updated_by}" if seen.updated_by else ""
    at = f" at {moment_text(seen.updated_at)}" if seen.updated_at is not None else ""
    return (f"last changed{by}{at}",) if by or at else ()


def moment_text(moment: Instant) -> str:
    """Day, hours and minutes, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _is_gone(fault: Fault, state: TargetState) -> bool:
    """Whether the exporter is off because nothing could be read, while the configuration read last had one."""
    return fault is Fault.EXPORTER_DISABLED and state.config is not None and not state.config.seen.config.off


def traces_arrive_anyway(fault: Fault, active: Active, state: TargetState, policy: Policy) -> bool:
    """Whether canaries sent `settle` or more after the configuration changed arrive, whatever it says.

    The newest `pass_after` arrivals in a row say so, the newest `fail_after` losses in a row deny it.
    """
    changed = active.since if state.config is None or _is_gone(fault, state) else state.config.changed_at
    earliest = changed + policy.arrival.settle if changed is not None else float("-inf")
    came = lost = 0
    for canary in reversed(state.canaries):
        if canary.sent_at >= earliest and (arrived(canary) or canary.outcome is Outcome.MISSING):
            came, lost = (came + 1, 0) if arrived(canary) else (0, lost + 1)
        if came >= policy.pass_after or lost >= policy.fail_after:
            break
    return came >= policy.pass_after


def comparison(state: TargetState, policy: Policy) -> Comparison | None:
    """The present comparison of the configuration; None while it has not been read, or is off."""
    if state.config is None or state.config.seen.config.off:
        return None
    return compare(policy.expected, state.config.seen.config)
