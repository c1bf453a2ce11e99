"""What is true of a target now, as the object that `check --format json` and `GET /api/v1/status` print."""

from typing import Any

from monitor.core.canary import Canary
from monitor.core.diagnosis import diagnose
from monitor.core.faults import FAULTS
from monitor.core.incident import Diagnosis, Incident
from monitor.core.model import Blindness, CheckName, Fault, Instant, Severity, Verdict
from monitor.core.state import Policy, TargetState, Trend

_MONITORS_OWN = frozenset({Fault.BLIND, Fault.CHECK_FAILED})
_PAUSES = frozenset({Blindness.BUDGET_SPENT, Blindness.PAUSED, Blindness.NOTHING_TO_JUDGE})
_EXPLAINS_NO_CANARY = frozenset(
    {
        Fault.GATEWAY_UNREACHABLE,
        Fault.GATEWAY_REFUSED,
        Fault.RATE_LIMITED,
        Fault.CANARY_REJECTED,
        Fault.PROVIDER_FAILING,
    }
)


def verdict_of(state: TargetState, policy: Policy) -> Verdict:
    """A target fails if any fault but the monitor's own is confirmed; else it is unknown if a check is, unexplained."""
    if set(state.confirmed) - _MONITORS_OWN:
        return Verdict.FAIL
    return Verdict.UNKNOWN if any(_is_unknown(state, check) for check in policy.cadences) else Verdict.PASS


def _is_unknown(state: TargetState, check: CheckName) -> bool:
    trend = state.trend(check)
    if set(trend.confirmed) & _MONITORS_OWN or trend.last is None:
        return True
    return trend.last.verdict is not Verdict.PASS


def overall(verdicts: list[Verdict]) -> Verdict:
    """The worst of several targets: fail, else unknown, else pass."""
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def describe_target(state: TargetState, policy: Policy, now: Instant) -> dict[str, Any]:
    """One target of the status object."""
    verdict = verdict_of(state, policy)
    diagnosis = diagnose(state, policy, now)
    canary = _newest(state)
    return {
        "verdict": verdict.value,
        **_describe_diagnosis(diagnosis),
        "summary": diagnosis.summary if diagnosis is not None else _summary(state, policy, verdict),
        "checks": {check.value: describe_check(state, check) for check in CheckName if policy.enabled(check)},
        "trace_id": canary.trace_id if canary is not None else None,
        "arrival_seconds": _rounded(canary.arrival_seconds if canary is not None else None),
    }


def _describe_diagnosis(diagnosis: Diagnosis | None) -> dict[str, Any]:
    if diagnosis is None:
        return {"fault": None, "severity": None, "component": None, "also": [], "because": [], "advice": ""}
    return {
        "fault": diagnosis.fault.value,
        "severity": diagnosis.severity.word,
        "component": diagnosis.component.value,
        "also": [fault.value for fault in diagnosis.also],
        "because": list(diagnosis.because),
        "advice": diagnosis.advice,
    }


def describe_check(state: TargetState, check: CheckName) -> dict[str, Any]:
    """One check of the status object: its newest look."""
    trend = state.trend(check)
    if trend.last is None:
        why = "no trace could be made" if set(state.confirmed) & _EXPLAINS_NO_CANARY else "has not looked yet"
        return {
            "verdict": Verdict.UNKNOWN.value,
            "fault": None,
            "summary": why,
            "evidence": {},
            "duration_seconds": None,
        }
    last = trend.last
    fault = last.fault or _own_fault(trend)
    return {
        "verdict": last.verdict.value,
        "fault": fault.value if fault is not None else None,
        "summary": last.summary,
        "evidence": {**last.evidence, **({"reason": last.blindness.value} if last.blindness else {})},
        "duration_seconds": round(last.took, 3),
    }


def _own_fault(trend: Trend) -> Fault | None:
    return next((fault for fault in trend.confirmed if fault in _MONITORS_OWN), None)


def _newest(state: TargetState) -> Canary | None:
    answered = [canary for canary in state.canaries if canary.answered_at is not None]
    judged = [canary for canary in answered if canary.outcome is not None]
    return judged[-1] if judged else answered[-1] if answered else None


def _rounded(seconds: float | None) -> float | None:
    return round(seconds, 3) if seconds is not None else None


def _summary(state: TargetState, policy: Policy, verdict: Verdict) -> str:
    if verdict is Verdict.PASS:
        return "the traces arrive"
    unseen = [check.value for check in policy.cadences if _is_unknown(state, check)]
    return f"cannot tell: {', '.join(unseen)}"


def describe_incident(incident: Incident) -> dict[str, Any]:
    """An incident for the API."""
    diagnosis = incident.diagnosis
    return {
        "id": incident.id,
        "target": incident.target,
        "open": incident.open,
        "fault": diagnosis.fault.value,
        "severity": diagnosis.severity.word,
        "component": diagnosis.component.value,
        "summary": diagnosis.summary,
        "because": list(diagnosis.because),
        "explained": [fault.value for fault in diagnosis.explained],
        "also": [fault.value for fault in diagnosis.also],
        "advice": diagnosis.advice,
        "waiting": diagnosis.waiting,
        "since": diagnosis.since,
        "opened_at": incident.opened_at,
        "closed_at": incident.closed_at,
        "closed_because": incident.closed_because,
        "reopened": len(incident.reopened),
        "acknowledged_by": incident.acked_by,
        "losses": str(incident.losses) if incident.losses is not None else None,
        "trace_ids": list(diagnosis.trace_ids),
        "history": [
            {"at": passage.at, "fault": passage.fault.value, "severity": passage.severity.word, "text": passage.text}
            for passage in incident.passages
        ],
    }


def describe(states: dict[str, tuple[TargetState, Policy]], now: Instant) -> dict[str, Any]:
    """The whole status object, without incidents."""
    targets = {name: describe_target(state, policy, now) for name, (state, policy) in states.items()}
    return {
        "verdict": overall([Verdict(target["verdict"]) for target in targets.values()]).value,
        "targets": targets,
    }


def severity_of(report: dict[str, Any]) -> Severity:
    """The highest severity in a status object."""
    found = [Severity[t["severity"].upper()] for t in report["targets"].values() if t["severity"]]
    return max(found, default=Severity.NONE)


def meaning(fault: str) -> str:
    """What a fault's slug means, in plain words."""
    return FAULTS[Fault(fault)].meaning
