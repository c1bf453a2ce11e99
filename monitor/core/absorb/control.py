"""Fold a span of our own: sent straight to Traceloop, then read back."""

from dataclasses import replace

from monitor.core import arrival
from monitor.core.absorb.looks import Absorbed, certify, fold_look
from monitor.core.absorb.trace import accept_key, finding_of_refused_key
from monitor.core.canary import ControlSpan
from monitor.core.inputs import ControlLooked, ControlSent
from monitor.core.model import CheckName, Finding, Instant, Scalar, Verdict, failing, passing
from monitor.core.state import Policy, TargetState
from monitor.core.suspicions import control_not_shown
from monitor.core.trace import Route

_REMEMBERED_CONTROLS = 10


def send_control(state: TargetState, given: ControlSent, policy: Policy, now: Instant) -> Absorbed:
    """A span of our own was posted: refused at once, or accepted and to be read back."""
    unknown = given.finding is not None and given.finding.verdict is Verdict.UNKNOWN and not given.key_refused
    # Asked to wait, or stopped on the way: then it is not known whether Traceloop would have taken it.
    control = replace(given.control, accepted=None) if unknown else given.control
    controls = (*state.controls, control)[-_REMEMBERED_CONTROLS:]
    after = replace(state, controls=controls, certificates=certify(state, given.certificate))
    if given.key_refused:
        after = replace(after, key_refused_at=given.refused_at or now)
    elif control.accepted:
        after = replace(after, key_accepted_at=now)
    if given.finding is None:
        return after, ()
    finding = (
        finding_of_refused_key(after, given.finding, "Traceloop's OTLP endpoint")
        if given.key_refused
        else given.finding
    )
    return fold_look(after, CheckName.CONTROL, finding, given.at, given.took, policy, now)


def look_for_control(state: TargetState, given: ControlLooked, policy: Policy, now: Instant) -> Absorbed:
    """A read succeeded: shown is a pass, not shown at the deadline by the documented read is a failure."""
    control = next((known for known in state.controls if known.trace_id == given.trace_id), None)
    if control is None or control.judged:
        return state, ()
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
        after = accept_key(after, policy, now)
    if not looked.judged:
        return after, ()
    finding = _control_finding(looked, policy, after)
    return fold_look(after, CheckName.CONTROL, finding, given.at, given.took, policy, now)


def _control_finding(control: ControlSpan, policy: Policy, state: TargetState) -> Finding:
    if control.shown_at is not None:
        took = control.shown_at - control.sent_at
        evidence: dict[str, Scalar] = {"trace_id": control.trace_id, "seconds": round(took, 3)}
        return passing(f"a span of our own arrived after {took:.1f} s", evidence)
    known = arrival.proof_key(Route.WAREHOUSE, policy.credential) in state.proofs
    charge = control_not_shown(control, route_is_known=known)
    return failing(charge.summary, charge, evidence={"trace_id": control.trace_id})
