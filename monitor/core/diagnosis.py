"""Name what is wrong: from the confirmed faults of one target to the one diagnosis that on-call reads.

Each confirmed fault lists what it explains; what is left unexplained is "also wrong". The name is the most severe unexplained
fault, ties by the order of the table of faults: the most upstream first. The operator has the last word on severity.
"""

from dataclasses import replace

from monitor.core.canary import Outcome
from monitor.core.collector import through_collector
from monitor.core.faults import CAUSES, CONFIGURED, FAULTS, LOSSES, LOST, NOT_EXPORTED_FROM, ORDER
from monitor.core.incident import Diagnosis
from monitor.core.model import CheckName, Fault, Instant, UnknownReason
from monitor.core.outcomes import TRACE_FAULTS
from monitor.core.path import hops
from monitor.core.recovery import shielded, waiting_text
from monitor.core.refine import Confirmed, confirmed_faults
from monitor.core.state import Policy, TargetState
from monitor.core.text import capitalised, sentence


def diagnose(state: TargetState, policy: Policy, now: Instant) -> Diagnosis | None:
    """The diagnosis of a target; None when nothing to notify of is confirmed and no fixed cause waits for its proof."""
    diagnosis = _name(state, policy, now)
    if diagnosis is None:
        return None
    found = hops(state, diagnosis, backend=policy.backend)
    return replace(diagnosis, hops=through_collector(found, state, diagnosis, policy, now))


def _name(state: TargetState, policy: Policy, now: Instant) -> Diagnosis | None:
    found = confirmed_faults(state, policy, now)
    explained = shielded(state, policy).union(*(one.explains for one in found), _blindness_explained(found, state))
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
    row = row.named(policy.backend.name_in)
    return replace(
        before,
        fault=cause,
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
