"""Causes come and go: how long each kept traces from arriving, and what still waits to be proven when one is fixed."""

from dataclasses import replace
from datetime import UTC, datetime

from monitor.core.canary import Outcome
from monitor.core.faults import CAUSES, CONFIGURED, FAULTS, ORDER
from monitor.core.model import CheckName, Fault, Instant, UnknownReason
from monitor.core.outcomes import arrived, lost
from monitor.core.refine import Confirmed
from monitor.core.state import Outage, Policy, Recovery, TargetState
from monitor.core.text import code

REMEMBERED_OUTAGES = 20

_PROVEN = frozenset({Fault.WRONG_ENVIRONMENT})
"""What only arrivals clear needs no further proof by arrivals."""


def follow_causes(
    state: TargetState, found: tuple[Confirmed, ...], policy: Policy, now: Instant, *, seen: bool = True
) -> TargetState:
    """Bring outages and recovery up to date with what is confirmed now; what goes without being `seen` to is not fixed."""
    fixed = {one.fault for one in found if one.fixed}
    causes = (
        frozenset(one.fault for one in found if one.fault in CAUSES and Fault.TRACE_MISSING in one.explains) - fixed
    )
    lasting = {outage.fault for outage in state.outages if outage.ended_at is None}
    outages = [
        replace(outage, ended_at=now) if outage.ended_at is None and outage.fault not in causes else outage
        for outage in state.outages
    ]
    outages.extend(Outage(fault=fault, began_at=now) for fault in sorted(causes - lasting))
    confirmed = state.confirmed.keys() | _PROVEN
    gone = lasting - causes - (confirmed - fixed) if seen else set()
    recovery = None if causes else _recovery(state, gone, policy, now)
    return replace(state, outages=tuple(outages[-REMEMBERED_OUTAGES:]), recovery=recovery)


def _recovery(state: TargetState, gone: set[Fault], policy: Policy, now: Instant) -> Recovery | None:
    """The last cause to go leaves its incident waiting for traces, if traces can be seen at all.

    A cause that is still confirmed, and only outranked by what arrives, has not been fixed.
    """
    if not (policy.enabled(CheckName.CANARY) and policy.enabled(CheckName.ARRIVAL)):
        return None
    if not gone:
        return state.recovery
    fault = min(gone, key=lambda one: ORDER[one])
    by_configuration = fault in CONFIGURED or fault in state.confirmed
    return Recovery(fault=fault, at=now, by=_author(state, fault) if by_configuration else None)


def _author(state: TargetState, fault: Fault) -> str | None:
    """Who signed the configuration since the fault was seen; who signed it before has not fixed it."""
    if state.config is None:
        return None
    seen = state.config.seen
    began = max((outage.began_at for outage in state.outages if outage.fault is fault), default=0.0)
    return seen.updated_by if seen.updated_at is None or seen.updated_at > began else None


def shielded(state: TargetState, policy: Policy) -> frozenset[Fault]:
    """What a fixed cause still explains: its consequences last until traces arrive, or until fresh losses refute it."""
    if state.recovery is None or _is_proven(state.recovery, state, policy):
        return frozenset()
    fixed_at = state.recovery.at
    fresh = [canary for canary in state.canaries if lost(canary) and canary.sent_at >= fixed_at]
    return frozenset() if len(fresh) >= policy.alerting.fail_after else FAULTS[state.recovery.fault].explains


def _is_proven(recovery: Recovery, state: TargetState, policy: Policy) -> bool:
    """Whether enough of the canaries sent since have arrived, the newest of all."""
    after = [canary for canary in state.canaries if canary.sent_at >= recovery.at]
    newest = [canary for canary in after if arrived(canary) or canary.outcome is Outcome.MISSING][
        -policy.alerting.pass_after :
    ]
    return len(newest) >= policy.alerting.pass_after and all(arrived(canary) for canary in newest)


def fixed_text(recovery: Recovery) -> str:
    """What was fixed, when, and by whom if that is known."""
    by = f" by {recovery.by}" if recovery.by else ""
    return f"{code(recovery.fault)} fixed {datetime.fromtimestamp(recovery.at, UTC):%H:%M} UTC{by}"


def waiting_text(state: TargetState, policy: Policy) -> str | None:
    """What an incident waits for; None if for nothing."""
    if state.recovery is None or _is_proven(state.recovery, state, policy):
        return None
    result = state.check_state(CheckName.CANARY).result
    spent = f" ({result.summary})" if result is not None and result.unknown_reason is UnknownReason.BUDGET_SPENT else ""
    return f"{fixed_text(state.recovery)}, waiting for traces{spent}"
