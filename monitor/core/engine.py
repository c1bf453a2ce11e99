"""The only way anything remembered changes: `apply(state, input, policy, now) -> state`. Read `apply` first, it is the spine.

What listeners get of a change is derived from the states before and after it, in `events.changes`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from monitor.core import arrival, inputs, streaks, trace_looks
from monitor.core.backend import BACKEND
from monitor.core.canary import ControlSpan
from monitor.core.config_memory import remember
from monitor.core.gateway_policies import KnownGatewayPolicy
from monitor.core.incident import NO_LONGER_MONITORED, Diagnosis, remember_incident
from monitor.core.incident_lifecycle import closed_at_once, recount, update_incident
from monitor.core.inputs import Input
from monitor.core.key import retract_key
from monitor.core.model import (
    CheckName,
    CheckResult,
    Component,
    Fault,
    Instant,
    Scalar,
    Severity,
    Verdict,
    failing,
    passing,
)
from monitor.core.pace import spend, use
from monitor.core.pipeline_counters import CountedBy, add_reading
from monitor.core.present import LONGEST_BACKOFF, bring_to_present
from monitor.core.state import Backoff, Outage, Policy, TargetState
from monitor.core.suspicions import control_not_shown
from monitor.core.text import sentence
from monitor.core.trace import Route

_REMEMBERED_CONTROLS = 10


def apply(state: TargetState, given: Input, policy: Policy, now: Instant) -> TargetState:
    """The state of a target after one input."""
    if state.removed_at is not None and not isinstance(given, inputs.NoticeDelivered):
        return state
    after = _take(state, given, policy, now)
    # These say nothing of the world.
    if isinstance(given, inputs.NoticeDelivered | inputs.CanaryPlanned | inputs.Removed | inputs.MemoryLost):
        return after
    unchecked = _unchecked(after, policy)
    after = _without_disabled_checks(after, policy)
    after = retract_key(after)
    after = _judge_series(after, policy, now)
    after = recount(state, after)
    return update_incident(after, policy, now, unchecked=unchecked)


def _take(  # noqa: C901, PLR0912 - one line per kind of input
    state: TargetState, given: Input, policy: Policy, now: Instant
) -> TargetState:
    """Remember what an input says, before anything is concluded from it."""
    match given:
        case inputs.Observation():
            return _observe(state, given, policy, now)
        case inputs.CanaryPlanned():
            canaries = streaks.trim((*state.canaries, given.canary), now)
            return replace(state, canaries=canaries, budget=spend(state.budget, now))
        case inputs.CanaryAnswered():
            return _answer_canary(state, given, policy, now)
        case inputs.TraceLooked():
            return trace_looks.look(state, given, policy, now)
        case inputs.LabelsUnread():
            return trace_looks.leave_unjudged(state, given)
        case inputs.LookFailed():
            return trace_looks.fail_look(state, given, policy, now)
        case inputs.ControlSent():
            return _send_control(state, given, policy, now)
        case inputs.ControlLooked():
            return _look_for_control(state, given, policy, now)
        case inputs.OriginLooked():
            return trace_looks.look_at_origin(state, given, policy)
        case inputs.GatewayPoliciesRead():
            # What is hidden from us now is forgotten; what could not be asked stays as it was.
            kept = {kind: memory for kind, memory in state.gateway_policies.items() if kind not in given.hidden}
            fresh = {seen.kind: KnownGatewayPolicy(seen=seen, at=given.at) for seen in given.seen}
            return replace(state, gateway_policies={**kept, **fresh}, gateway_policies_read_at=given.at)
        case inputs.CountersRead():
            collectors = given.of is CountedBy.COLLECTOR
            known = state.collector_counters if collectors else state.pipeline_counters
            read = (
                replace(known, problem=given.problem) if given.counters is None else add_reading(known, given.counters)
            )
            if collectors:
                return replace(state, collector_counters=read, collector_read_at=given.at)
            return replace(state, pipeline_counters=read, counters_read_at=given.at)
        case inputs.ElsewhereLooked():
            return trace_looks.look_elsewhere(state, given)
        case inputs.KeyTried():
            accepted = trace_looks.accept_key(state, policy, given.at)
            return accepted if given.accepted else replace(state, key_refused_at=given.at)
        case inputs.NoticeDelivered():
            return _remember_notice(state, given)
        case inputs.Acknowledged():
            return _acknowledge(state, given)
        case inputs.Removed():
            return _remove(state, given.at)
        case inputs.MemoryLost():
            return _lose_memory(state, given, policy)
        case inputs.Ticked():
            present = bring_to_present(state, now) if given.set_back else state
            return replace(present, canaries=streaks.trim(present.canaries, now))
    assert_never(given)


# --- conclusions ----------------------------------------------------------------------------------------------------


def _unchecked(state: TargetState, policy: Policy) -> frozenset[CheckName]:
    """The checks that have been switched off though an incident rests on them: what they believe, or what it waits for."""
    awaited = {CheckName.CANARY, CheckName.ARRIVAL} if state.recovery is not None else set()
    return frozenset(
        check
        for check, known in state.check_states.items()
        if not policy.enabled(check) and (known.confirmed or check in awaited)
    )


def _without_disabled_checks(state: TargetState, policy: Policy) -> TargetState:
    """A check that is switched off believes nothing any more."""
    check_states = {check: check_state for check, check_state in state.check_states.items() if policy.enabled(check)}
    return replace(state, check_states=check_states)


def _judge_series(state: TargetState, policy: Policy, now: Instant) -> TargetState:
    """What all canaries together confirm; what a look for a trace confirms by itself stays beside it."""
    if not policy.enabled(CheckName.ARRIVAL):
        return state
    excused = streaks.excuse(state, policy, now)
    check_state = excused.check_state(CheckName.ARRIVAL)
    of_the_look = {f: a for f, a in check_state.confirmed.items() if f in trace_looks.OF_THE_LOOK}
    before = {f: a for f, a in check_state.confirmed.items() if f not in trace_looks.OF_THE_LOOK}
    found = streaks.confirmed_by_series(excused, before, policy, now)
    judged = excused.with_check_state(CheckName.ARRIVAL, replace(check_state, confirmed={**of_the_look, **found}))
    over = before.get(Fault.TRACE_MISSING)
    if over is None or Fault.TRACE_MISSING in found:
        return judged
    # The losses of an outage that is over belong to it, also those that are judged later.
    ended = max(over.since, now - policy.arrival.settle)
    outage = Outage(fault=Fault.TRACE_MISSING, began_at=over.since, ended_at=ended)
    return streaks.excuse(replace(judged, outages=(*judged.outages, outage)), policy, now)


# --- what the checks report -----------------------------------------------------------------------------------------


def _observe(state: TargetState, seen: inputs.Observation, policy: Policy, now: Instant) -> TargetState:
    after = replace(state, phases=seen.phases or state.phases, certificates=_certify(state, seen.certificate))
    if seen.config is not None:
        memory = remember(after.config, seen.config, now)
        after = replace(after, config=replace(memory, credential=policy.credential, read_at=seen.at))
    return streaks.apply_look(after, seen.check, seen.result, seen.at, seen.took, policy, now)


def _certify(state: TargetState, certificate: tuple[str, Instant] | None) -> Mapping[str, Instant]:
    """When the certificate of each endpoint expires."""
    return state.certificates if certificate is None else {**state.certificates, certificate[0]: certificate[1]}


def _answer_canary(state: TargetState, given: inputs.CanaryAnswered, policy: Policy, now: Instant) -> TargetState:
    """A canary came back, or did not: pay its tokens, heed a 429, apply the verdict."""
    usage = given.canary.usage
    after = replace(
        state,
        canaries=tuple(given.canary if canary.id == given.canary.id else canary for canary in state.canaries),
        budget=use(state.budget, now, input_tokens=usage.get("input", 0), output_tokens=usage.get("output", 0)),
        phases=given.phases or state.phases,
        backoff=_back_off(state, given, policy, now),
    )
    result = given.result
    if given.rate_limited and given.retry_after is not None and given.retry_after > LONGEST_BACKOFF:
        # Nobody waits for a second 429 when the first says that there will be hours of them.
        result = replace(
            result, suspicions=tuple(replace(suspicion, conclusive=True) for suspicion in result.suspicions)
        )
    return streaks.apply_look(after, CheckName.CANARY, result, given.at, given.took, policy, now)


def _back_off(state: TargetState, given: inputs.CanaryAnswered, policy: Policy, now: Instant) -> Backoff | None:
    """After a 429 the cadence doubles, or follows Retry-After, up to half an hour: then somebody looks again."""
    if not given.rate_limited or not policy.enabled(CheckName.CANARY):
        return None
    regular = policy.cadences[CheckName.CANARY].every
    step = min(LONGEST_BACKOFF, 2 * (state.backoff.step if state.backoff is not None else regular))
    wait = given.retry_after if given.retry_after is not None else step
    return Backoff(until=now + min(LONGEST_BACKOFF, wait), step=step)


def _send_control(state: TargetState, given: inputs.ControlSent, policy: Policy, now: Instant) -> TargetState:
    """A span of our own was posted: refused at once, or accepted and to be read back."""
    unknown = given.result is not None and given.result.verdict is Verdict.UNKNOWN and not given.key_refused
    # Asked to wait, or stopped on the way: then it is not known whether the backend would have taken it.
    control = replace(given.control, accepted=None) if unknown else given.control
    controls = (*state.controls, control)[-_REMEMBERED_CONTROLS:]
    after = replace(state, controls=controls, certificates=_certify(state, given.certificate))
    if given.key_refused:
        after = replace(after, key_refused_at=given.refused_at or now)
    elif control.accepted and not policy.test_span_by_collector:  # a Collector does not ask for the key
        after = replace(after, key_accepted_at=now)
    if given.result is None:
        return after
    result = given.result
    if given.key_refused:
        result = trace_looks.result_of_refused_key(after, result, policy, f"{BACKEND}'s OTLP endpoint")
    return streaks.apply_look(after, CheckName.CONTROL, result, given.at, given.took, policy, now)


def _look_for_control(state: TargetState, given: inputs.ControlLooked, policy: Policy, now: Instant) -> TargetState:
    """A read succeeded: shown is a pass, not shown at the deadline by the documented read is a failure."""
    control = next((known for known in state.controls if known.trace_id == given.trace_id), None)
    if control is None or control.judged or not policy.enabled(CheckName.CONTROL):
        return state
    stale_after = policy.cadences[CheckName.CONTROL].stale_after
    if not given.shown and given.at - control.sent_at > policy.arrival.missing_after + stale_after:
        # Nobody looked in time, and the backend may have dropped it since (Traceloop's free plan keeps 24 h): it proves nothing.
        return replace(state, controls=tuple(known for known in state.controls if known is not control))
    looked = arrival.judge_control(
        control, shown=given.shown, route=given.route, at=given.at, missing_after=policy.arrival.missing_after
    )
    after = replace(
        state, controls=tuple(looked if known.trace_id == looked.trace_id else known for known in state.controls)
    )
    if given.shown:
        keys = [arrival.proof_key(given.route, policy.credential)]
        keys += [arrival.narrowing_key(narrowing, policy.credential) for narrowing in given.narrowings]
        if given.narrowings:
            keys.append(arrival.proof_key(Route.WAREHOUSE, policy.credential))
        after = replace(after, proofs={**after.proofs, **dict.fromkeys(keys, now)})
    if given.route is Route.WAREHOUSE:
        after = trace_looks.accept_key(after, policy, now)
    if not looked.judged:
        return after
    result = _control_result(looked, policy, after)
    return streaks.apply_look(after, CheckName.CONTROL, result, given.at, given.took, policy, now)


def _control_result(control: ControlSpan, policy: Policy, state: TargetState) -> CheckResult:
    if control.shown_at is not None:
        took = control.shown_at - control.sent_at
        evidence: dict[str, Scalar] = {"trace_id": control.trace_id, "seconds": round(took, 3)}
        return passing(f"a test span arrived after {took:.1f} s", evidence)
    known = arrival.proof_key(Route.WAREHOUSE, policy.credential) in state.proofs
    suspicion = control_not_shown(control, route_is_known=known)
    return failing(suspicion, evidence={"trace_id": control.trace_id})


# --- what people and notifiers do -----------------------------------------------------------------------------------


def _remember_notice(state: TargetState, given: inputs.NoticeDelivered) -> TargetState:
    incidents = tuple(
        replace(incident, notified={**incident.notified, given.notifier: given.notified})
        if incident.id == given.incident_id
        else incident
        for incident in state.incidents
    )
    return replace(state, incidents=incidents)


def _acknowledge(state: TargetState, given: inputs.Acknowledged) -> TargetState:
    """Remember who has it, and as what."""
    if state.incident is None or state.incident.id != given.incident_id:
        return state
    diagnosis = state.incident.diagnosis
    acked_as = (diagnosis.fault, diagnosis.severity)
    taken = replace(state.incident, acked_by=given.by, acked_at=given.at, acked_as=acked_as)
    return replace(state, incidents=(*state.incidents[:-1], taken))


def _remove(state: TargetState, at: Instant) -> TargetState:
    """Close what is open: nobody looks any more."""
    removed = replace(state, removed_at=at)
    if state.incident is None:
        return removed
    closed = replace(state.incident, closed_at=at, closed_because=NO_LONGER_MONITORED)
    return replace(removed, incidents=remember_incident(state.incidents, closed))


def _lose_memory(state: TargetState, given: inputs.MemoryLost, policy: Policy) -> TargetState:
    """One notification: a warning that is already resolved, because there is nothing to wait for."""
    severity = min(policy.severity_of(Fault.CHECK_FAILED), Severity.WARNING)
    if severity is Severity.NONE:
        return state
    diagnosis = Diagnosis(
        fault=Fault.CHECK_FAILED,
        severity=severity,
        component=Component.MONITOR,
        title="The monitor lost part of its state",
        summary=f"The monitor lost part of its state. {sentence(given.what)}",
        because=("what could not be read is checked again, and what was open may be notified once more",),
        advice="Check the monitor's disk. Delete the damaged file when nobody needs it for an investigation any more.",
        since=given.at,
    )
    incident = closed_at_once(state, diagnosis, given.at, because="the monitor goes on with what could be read")
    return replace(state, incidents=remember_incident(state.incidents, incident))
