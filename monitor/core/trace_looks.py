"""Apply a look for a canary's trace: who chose its id, which route is proven, what the look says."""

from dataclasses import replace

from monitor.core import arrival
from monitor.core.canary import Canary, IdSource, Outcome
from monitor.core.faults import MONITORS_OWN
from monitor.core.inputs import ElsewhereLooked, LabelsUnread, LookFailed, OriginLooked, TraceLooked
from monitor.core.key import judge_refused_key
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Instant,
    Scalar,
    Suspicion,
    UnknownReason,
    Verdict,
    failing,
    passing,
    unknown,
)
from monitor.core.outcomes import TRACE_FAULTS
from monitor.core.state import Policy, TargetState
from monitor.core.streaks import apply_look, look_on, pass_for, sighted
from monitor.core.text import count_text
from monitor.core.trace import Route

OF_THE_LOOK = MONITORS_OWN | {Fault.KEY_REJECTED}
"""What a look for a trace confirms by itself; everything else of `arrival` is for the series to confirm."""


def look(state: TargetState, given: TraceLooked, policy: Policy, now: Instant) -> TargetState:
    """A look that succeeded: identify the trace, prove the route, judge.

    One that judged something is a look of the check `arrival`; one that says "not yet" only shows that we can see. Not even that
    where absence does not count: a route that showed nothing, and has never shown us anything.
    """
    before, seen = state.canary(given.canary_id), given.seen
    if before is None or not policy.enabled(CheckName.ARRIVAL):
        return state
    canary = _identify(before, given)
    after = _prove(state, canary, given, policy, now)
    counts = arrival.absence_counts(
        canary, seen, policy=policy, proofs=after.proofs, honours_traceparent=after.honours_traceparent, now=now
    )
    canary = arrival.look_at(canary, seen, policy=policy, counts=counts)
    after = after.with_canary(canary)
    if seen.route in (Route.WAREHOUSE, Route.NONCE):
        after = accept_key(after, policy, now)
    result, watching = _arrival_result(before, canary), after.check_state(CheckName.ARRIVAL)
    if result is None:
        can_see = counts or bool(seen.spans)
        return after.with_check_state(CheckName.ARRIVAL, sighted(watching, policy, given.at)) if can_see else after
    if result.verdict is Verdict.UNKNOWN:
        return apply_look(after, CheckName.ARRIVAL, result, given.at, given.took, policy, now)
    cadence = policy.cadences[CheckName.ARRIVAL]
    watched = look_on(watching, result, at=given.at, took=given.took, cadence=cadence, policy=policy)
    return after.with_check_state(CheckName.ARRIVAL, watched)


def _identify(canary: Canary, given: TraceLooked) -> Canary:
    """A nonce search that found the trace brings its id along."""
    if given.seen.route is not Route.NONCE or not given.seen.spans:
        return canary
    found = given.seen.spans[0].trace_id
    source = canary.id_source if found == canary.trace_id else IdSource.NONCE
    return replace(canary, trace_id=found, id_source=source)


def _prove(state: TargetState, canary: Canary, given: TraceLooked, policy: Policy, now: Instant) -> TargetState:
    """A span of the monitor's that was shown proves the route, and who chose the trace id."""
    if not given.seen.spans:
        return state
    routes = {given.seen.route} | ({Route.WAREHOUSE} if given.seen.route is Route.NONCE else set())
    proofs = dict(state.proofs) | {arrival.proof_key(route, policy.credential): now for route in routes}
    if given.seen.narrowing is not None:
        proofs[arrival.narrowing_key(given.seen.narrowing, policy.credential)] = now
    return replace(state, proofs=proofs, honours_traceparent=canary.trace_id == canary.sent_id)


def _arrival_result(before: Canary, canary: Canary) -> CheckResult | None:
    """What a look says; None where nothing has been judged by it."""
    was, now = ((one.outcome, one.recovered_at, one.labels is None, one.late) for one in (before, canary))
    if was == now:
        return None
    # The series decides what of it is confirmed.
    suspicions = [
        Suspicion(fault=fault, summary=shows.text_of_one(canary))
        for fault, shows in TRACE_FAULTS.items()
        if shows.is_bad(canary)
    ]
    spans = count_text(canary.spans, "span")
    seconds = canary.arrival_seconds
    evidence: dict[str, Scalar] = {
        "trace_id": canary.trace_id,
        "spans": canary.spans,
        "arrival_seconds": round(seconds, 3) if seconds is not None else None,
        "route": canary.route,
        **(canary.labels.evidence if canary.labels else {}),
    }
    if canary.outcome is Outcome.UNKNOWN and not canary.accepted:
        text = "the request was refused, so its missing trace proves nothing"
        return unknown(text, UnknownReason.NOTHING_TO_JUDGE, evidence)
    if canary.outcome is Outcome.UNKNOWN:
        return unknown(
            "the trace was not found, but this route has never shown one, so its absence proves nothing",
            UnknownReason.UNPROVEN,
            evidence,
        )
    if suspicions:
        return failing(*suspicions, evidence=evidence)
    after = f" after {seconds:.1f} s" if seconds is not None else ""
    return passing(f"the trace arrived{after}: {spans}", evidence)


def leave_unjudged(state: TargetState, given: LabelsUnread) -> TargetState:
    """What a trace carries could not be read: that says nothing of its arrival, and is shown beside it."""
    canary = state.canary(given.canary_id)
    if canary is None or canary.labels is not None or not given.final:
        return state
    after = state.with_canary(replace(canary, not_judged=given.why))
    watching = after.check_state(CheckName.ARRIVAL)
    if watching.last is None or watching.last.result.evidence.get("trace_id") != canary.trace_id:
        return after
    result = watching.last.result
    noted = replace(result, evidence={**result.evidence, "not_judged": given.why})
    noted_state = replace(watching, last=replace(watching.last, result=noted))
    return after.with_check_state(CheckName.ARRIVAL, noted_state)


def fail_look(state: TargetState, given: LookFailed, policy: Policy, now: Instant) -> TargetState:
    """A look that did not succeed: unknown, unless a documented route refused the very key that the exporter uses."""
    after, result = state, given.result
    canary = state.canary(given.canary_id)
    if canary is not None:
        after = after.with_canary(arrival.give_up(canary, policy.arrival, now))
    if given.key_refused:
        after = replace(after, key_refused_at=given.refused_at or now)
        result = result_of_refused_key(after, result, policy, given.where)
    # It saw no trace and missed none: what the series has confirmed is none of its business.
    before = after.check_state(given.check)
    apart = {f: a for f, a in before.confirmed.items() if given.check is CheckName.ARRIVAL and f not in OF_THE_LOOK}
    alone = replace(before, confirmed={f: a for f, a in before.confirmed.items() if f not in apart})
    after = after.with_check_state(given.check, alone)
    after = apply_look(after, given.check, result, given.at, given.took, policy, now)
    whole = after.check_state(given.check)
    return after.with_check_state(given.check, replace(whole, confirmed={**apart, **whole.confirmed}))


def result_of_refused_key(state: TargetState, otherwise: CheckResult, policy: Policy, where: str) -> CheckResult:
    """What a 401 of a documented route amounts to; `otherwise` where the monitor's key is the suspect."""
    suspicion = judge_refused_key(state, policy, where)
    return otherwise if suspicion is None else failing(suspicion, evidence=otherwise.evidence)


def look_at_origin(state: TargetState, given: OriginLooked, policy: Policy) -> TargetState:
    """TrueFoundry's own store was asked for one canary; a trace that it shows proves it as a route.

    It proves so for those who were asked and who sent the canary: of another account's traces it may show nothing.
    """
    looked = replace(state, origin_looked_at=given.at)
    canary = state.canary(given.canary_id)
    if canary is None:
        return looked
    account = policy.account if canary.account == policy.account else f"{canary.account}>{policy.account}"
    if given.by_nonce:
        account += "#nonce"
    asked = tuple(arrival.store_credential(account, destination) for destination in given.destinations)
    known = replace(canary, origin=given.found, origin_asked=asked)
    if canary.trace_id is None and given.trace_id is not None:
        known = replace(known, trace_id=given.trace_id, id_source=IdSource.NONCE)
    after = looked.with_canary(known)
    if not given.found:
        return after
    shown = {arrival.proof_key(Route.OWN_STORE, place): given.at for place in asked}
    caller = replace(given.caller, account=canary.account) if given.caller is not None else state.caller
    return replace(after, proofs={**state.proofs, **shown}, caller=caller)


def accept_key(state: TargetState, policy: Policy, at: Instant) -> TargetState:
    """The documented read answered to the monitor's key: that speaks for the key, whatever else is wrong.

    It clears what the same route said against it; a refusal by the OTLP endpoint is cleared by the control span alone.
    """
    watching = state.check_state(CheckName.ARRIVAL)
    accepted = replace(state, key_accepted_at=at)
    if Fault.KEY_REJECTED not in watching.confirmed and Fault.KEY_REJECTED not in watching.seen_in_row:
        return accepted
    return accepted.with_check_state(CheckName.ARRIVAL, pass_for(watching, Fault.KEY_REJECTED, policy))


def look_elsewhere(state: TargetState, given: ElsewhereLooked) -> TargetState:
    """The other environments were asked for the trace of a canary."""
    canary = state.canary(given.canary_id)
    if canary is None:
        return state
    return state.with_canary(replace(canary, elsewhere=given.environment, nowhere=given.environment is None))
