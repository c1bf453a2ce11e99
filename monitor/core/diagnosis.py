"""Name what is wrong: from the confirmed faults of one target to the one diagnosis that on-call reads.

Each confirmed fault lists what it explains; what is left unexplained is "also wrong". The name is the most severe unexplained
fault, ties by the order of the table of faults: the most upstream first. The operator has the last word on severity.

Causes come and go: the second part remembers how long each kept traces from arriving, and what still waits to be proven when one is
fixed.
"""

from dataclasses import replace
from datetime import UTC, datetime

from monitor.core.canary import Outcome
from monitor.core.faults import CAUSES, CONFIGURED, FAULTS, LOSSES, LOST, NOT_EXPORTED_FROM, ORDER
from monitor.core.incident import Diagnosis
from monitor.core.model import CheckName, Fault, Instant, UnknownReason
from monitor.core.outcomes import TRACE_FAULTS, arrived, lost
from monitor.core.path import hops, through_collector
from monitor.core.refine import Confirmed, backend_called, confirmed_faults
from monitor.core.state import Outage, Policy, Recovery, TargetState
from monitor.core.text import capitalised, code, sentence


def diagnose(state: TargetState, policy: Policy, now: Instant) -> Diagnosis | None:
    """The diagnosis of a target; None when nothing to notify of is confirmed and no fixed cause waits for its proof."""
    diagnosis = _name(state, policy, now)
    if diagnosis is None:
        return None
    found = hops(state, diagnosis, backend=policy.backend)
    return replace(diagnosis, hops=through_collector(found, state, diagnosis, policy, now))


def _name(state: TargetState, policy: Policy, now: Instant) -> Diagnosis | None:
    found = confirmed_faults(state, policy, now)
    explained = still_explained(state, policy).union(
        *(one.explains for one in found), _blindness_explained(found, state)
    )
    unexplained = [one for one in found if one.fault not in explained and not one.fixed]
    waiting = waiting_text(state, policy)
    if unexplained:
        return _diagnose(found, unexplained, waiting, state, policy)
    if waiting is not None and state.incident is not None and state.recovery is not None:
        before = _named_after_cause(state.incident.diagnosis, state.recovery.fault, state, policy)
        because = tuple(line for line in before.because if line != waiting)
        return replace(before, because=because, waiting=waiting, also=(), explained=())
    return None


def _named_after_cause(before: Diagnosis, cause: Fault, state: TargetState, policy: Policy) -> Diagnosis:
    """An incident that waits for traces is called what was fixed, or a consequence of it, whatever else was wrong meanwhile.

    Example: the endpoint is wrong and the gateway is down, so the incident is called `gateway_unreachable`. The endpoint is fixed,
    then the gateway: what traces are awaited for is `config_drift`.
    """
    row = FAULTS[cause]
    if before.fault is cause or before.fault in row.explains | CAUSES:
        return before
    row = backend_called(cause, policy).fill(row)
    return replace(
        before,
        fault=cause,
        severity=min(before.severity, policy.severity_of(cause)),  # what is fixed turns no worse
        advice=row.advice,
        permanent=False,
        missing_since=None,
        component=policy.backend.acting(row.component),
        title=row.title,
        summary=sentence(row.title),
        impact=NOT_EXPORTED_FROM if cause in CONFIGURED else row.impact,
        because=(),
        trace_ids=(),
        since=max((one.began_at for one in state.outages if one.fault is cause), default=before.since),
    )


def _diagnose(
    found: tuple[Confirmed, ...],
    unexplained: list[Confirmed],
    waiting: str | None,
    state: TargetState,
    policy: Policy,
) -> Diagnosis:
    # That we cannot look is said of the rest: what we have seen outranks it, whatever severity the operator gives it.
    named = min(unexplained, key=lambda one: (one.fault is Fault.BLIND, -one.severity, ORDER[one.fault]))
    result = state.check_state(CheckName.CANARY).result
    missing_since = _missing_since(named, state, policy)
    spent = (
        (capitalised(result.summary),)
        if result is not None and result.unknown_reason is UnknownReason.BUDGET_SPENT
        else ()
    )
    return Diagnosis(
        fault=named.fault,
        severity=max(one.severity for one in found if not one.fixed),
        component=policy.backend.acting(FAULTS[named.fault].component),
        title=named.title,
        summary=named.summary,
        impact=LOST if missing_since is not None and named.impact == NOT_EXPORTED_FROM else named.impact,
        # A spent budget is why evidence is slower to come. A cause that was fixed is the last of the reasons.
        because=(*named.because, *spent, *((waiting,) if waiting else ())),
        explained=tuple(one.fault for one in found if one not in unexplained and not one.fixed),
        also=tuple(one.fault for one in unexplained if one is not named),
        advice=named.advice,
        since=named.active.since,
        trace_ids=_trace_ids(named, state, policy),
        permanent=named.active.suspicion.permanent,
        missing_since=missing_since,
    )


def _blindness_explained(found: tuple[Confirmed, ...], state: TargetState) -> frozenset[Fault]:
    """What has never been shown cannot be missed: no wonder, while something is known to keep traces from arriving."""
    if not any(Fault.TRACE_MISSING in one.explains for one in found):
        return frozenset()
    blind = [check_state.result for check_state in state.check_states.values() if Fault.BLIND in check_state.confirmed]
    unproven = [result is not None and result.unknown_reason is UnknownReason.UNPROVEN for result in blind]
    return frozenset({Fault.BLIND}) if blind and all(unproven) else frozenset()


def _missing_since(named: Confirmed, state: TargetState, policy: Policy) -> Instant | None:
    """When traces began to be lost to the cause that is named: the other time of what is one incident."""
    if Fault.TRACE_MISSING not in named.explains:
        return None
    before = state.incident.diagnosis if state.incident is not None else None
    if before is not None and before.fault is named.fault and before.missing_since is not None:
        return before.missing_since  # also when that trace is forgotten
    earliest = _begins_to_lose(named, state, policy)
    lost_to_it = (one.sent_at for one in state.canaries if one.outcome is Outcome.MISSING and one.sent_at > earliest)
    return next(lost_to_it, None)


def _begins_to_lose(named: Confirmed, state: TargetState, policy: Policy) -> Instant:
    """From when on what is lost may be lost to the cause that is named: before, it was another one's that is over."""
    incident = state.incident
    began = incident.window_began_at if incident is not None else named.active.since
    over = [outage.ended_at for outage in state.outages if outage.ended_at is not None and outage.ended_at <= began]
    return max([named.active.since - policy.arrival.settle, *over])


def _trace_ids(named: Confirmed, state: TargetState, policy: Policy) -> tuple[str, ...]:
    """The newest traces that went wrong by what is named, where it is about traces; what is known of another outage is not."""
    # A loss is named by more than what was suspected, and is about the same traces: those that are lost, none that is only late.
    shows = TRACE_FAULTS.get(Fault.TRACE_MISSING if named.fault in LOSSES else named.fault)
    if Fault.TRACE_MISSING in named.explains:
        earliest = _begins_to_lose(named, state, policy)
        later = [canary for canary in state.canaries if canary.sent_at > earliest]
        wrong = (Outcome.MISSING, Outcome.INCOMPLETE)
        mine = [one for one in later if one.late or one.outcome in wrong or (shows is not None and shows.is_bad(one))]
    elif shows is not None:
        mine = [canary for canary in state.canaries if shows.is_bad(canary) and not canary.excused]
    else:
        mine = []
    return tuple(canary.trace_id for canary in mine if canary.trace_id)[-3:]


# --- what a fixed cause still has to prove ---------------------------------------------------------------------------

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


def still_explained(state: TargetState, policy: Policy) -> frozenset[Fault]:
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
