"""What is true of a target now, as the object that `check --format json` and `GET /api/v1/status` print."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.core.canary import Canary
from monitor.core.diagnosis import diagnose
from monitor.core.faults import FAULTS, MONITORS_OWN, ORDER
from monitor.core.hints import caveats
from monitor.core.incident import Diagnosis, Incident
from monitor.core.model import CheckName, Instant, Severity, UnknownReason, Verdict
from monitor.core.notify import never_passed
from monitor.core.pace import controls_awaited, stale_checks
from monitor.core.refine import named
from monitor.core.state import Policy, TargetState
from monitor.core.streaks import may_accuse
from monitor.core.text import moment_text, rfc3339
from monitor.settings import Target

_JWT_PARTS = 3
_END_OF_TIME: Instant = 253_402_300_800.0  # the year 10000; NaN is not below it either


def verdict_of(state: TargetState, policy: Policy, stale: frozenset[CheckName] = frozenset()) -> Verdict:
    """A target fails if any fault but the monitor's own is confirmed; else it is unknown if a check is, unexplained.

    Where no check runs at all, or one has not run recently, nothing is known either.
    """
    if set(state.confirmed) - MONITORS_OWN:
        return Verdict.FAIL
    unknown = not policy.cadences or any(_is_unknown(state, check, stale) for check in policy.cadences)
    return Verdict.UNKNOWN if unknown else Verdict.PASS


def _is_unknown(state: TargetState, check: CheckName, stale: frozenset[CheckName]) -> bool:
    check_state = state.check_state(check)
    if check in stale:
        return True
    if set(check_state.confirmed) & MONITORS_OWN or check_state.result is None:
        return True
    if check is CheckName.VOLUME and check_state.result.unknown_reason is UnknownReason.NOTHING_TO_JUDGE:
        return False  # a quiet hour is no reason to doubt what the canaries prove
    return check_state.result.verdict is not Verdict.PASS


def overall(verdicts: list[Verdict]) -> Verdict:
    """The worst of several targets: fail, else unknown, else pass. Of none at all nothing is known."""
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS if verdicts else Verdict.UNKNOWN


def describe_target(state: TargetState, policy: Policy, now: Instant, *, live: bool = False) -> dict[str, Any]:
    """One target of the status object. `live`: checks are repeated, so that an old result says nothing of the present."""
    stale = stale_checks(state, policy, now) if live else frozenset()
    verdict = verdict_of(state, policy, stale)
    diagnosis = diagnose(state, policy, now)
    canary = _newest(state)
    return {
        "verdict": verdict.value,
        **(
            _describe_muted(state, policy, now)
            if diagnosis is None and verdict is Verdict.FAIL
            else {**_describe_diagnosis(diagnosis), "summary": _summary(diagnosis, state, policy, verdict, stale)}
        ),
        "checks": {
            check.value: describe_check(state, check, stale=check in stale)
            for check in CheckName
            if policy.enabled(check)
        },
        "caveats": list(caveats(state, policy, now)) if policy.enabled(CheckName.CANARY) else [],
        **({"mentions_wait_for": list(_keep_mentions_back(state, policy))} if live else {}),
        "trace_id": canary.trace_id if canary is not None else None,
        "arrival_seconds": round(took, 3)
        if canary is not None and (took := canary.arrival_seconds) is not None
        else None,
        "last_arrival_at": max((one.arrived_at for one in state.canaries if one.arrived_at is not None), default=None),
    }


def _keep_mentions_back(state: TargetState, policy: Policy) -> Iterator[CheckName]:
    """The checks that have failed ever since they were first run."""
    return (check for check in never_passed(state, policy) if state.check_state(check).confirmed)


def _describe_diagnosis(diagnosis: Diagnosis | None) -> dict[str, Any]:
    if diagnosis is None:
        return {"fault": None, "severity": None, "component": None, "also": [], "because": [], "advice": ""}
    return {
        "fault": diagnosis.fault.value,
        "severity": diagnosis.severity.word,
        "component": diagnosis.component.value,
        "also": [fault.value for fault in diagnosis.also],
        "because": list(diagnosis.because),
        "advice": diagnosis.next_step,
    }


def _describe_muted(state: TargetState, policy: Policy, now: Instant) -> dict[str, Any]:
    """The most upstream of what is confirmed, by the name that it would have if its severity were not set to none."""
    found = named(state, policy, now)
    fault = min(found.keys() - MONITORS_OWN, key=ORDER.__getitem__)
    return {
        "fault": fault.value,
        "severity": Severity.NONE.word,
        "component": policy.backend.acting(FAULTS[fault].component).value,
        "also": [],
        "because": [found[fault].suspicion.summary, "its severity is set to none: nobody is notified"],
        "advice": policy.backend.name_in(FAULTS[fault].advice),
        "summary": policy.backend.name_in(FAULTS[fault].title),
    }


def describe_check(state: TargetState, check: CheckName, *, stale: bool) -> dict[str, Any]:
    """One check of the status object: its newest look, if that still says something."""
    check_state = state.check_state(check)
    if check_state.last is None:
        return {
            "verdict": Verdict.UNKNOWN.value,
            "fault": None,
            "summary": _not_yet(state, check),
            "evidence": {},
            "duration_seconds": None,
        }
    result = check_state.last.result
    fault = result.fault or next((each for each in check_state.confirmed if each in MONITORS_OWN), None)
    return {
        "verdict": Verdict.UNKNOWN.value if stale else result.verdict.value,
        "fault": fault.value if fault is not None else None,
        "summary": f"has not run recently; last result: {result.summary}" if stale else result.summary,
        "evidence": {**result.evidence, **({"reason": result.unknown_reason.value} if result.unknown_reason else {})},
        "duration_seconds": round(check_state.last.took, 3),
    }


def _not_yet(state: TargetState, check: CheckName) -> str:
    """Why a check has nothing to say."""
    if check is CheckName.ARRIVAL and any(canary.pending for canary in state.canaries):
        return "the trace has not arrived yet"
    if check is CheckName.ARRIVAL and any(FAULTS[fault].prevents_traces for fault in state.confirmed):
        return "no trace could be created"
    if check is CheckName.CONTROL and controls_awaited(state):
        return "a test span was accepted and has not been read back yet"
    return "has not run yet"


def _newest(state: TargetState) -> Canary | None:
    answered = [canary for canary in state.canaries if canary.answered_at is not None]
    judged = [canary for canary in answered if canary.outcome is not None]
    return judged[-1] if judged else answered[-1] if answered else None


def _summary(
    diagnosis: Diagnosis | None, state: TargetState, policy: Policy, verdict: Verdict, stale: frozenset[CheckName]
) -> str:
    if diagnosis is not None:
        return diagnosis.summary
    if verdict is Verdict.PASS:
        seen = ", ".join(check for check in CheckName if policy.enabled(check))
        return "the traces arrive" if policy.enabled(CheckName.ARRIVAL) else f"healthy, as far as {seen} can see"
    if not policy.cadences:
        return "not known: no check is enabled"
    unseen = [check.value for check in policy.cadences if _is_unknown(state, check, stale)]
    return f"not known: {', '.join(unseen)}{_not_in_force(state, policy) if CheckName.ARRIVAL in unseen else ''}"


def _not_in_force(state: TargetState, policy: Policy) -> str:
    """Why the trace of a canary that was sent soon after a change of the configuration says nothing about it."""
    canary = _newest(state)
    changed_at = state.config.changed_at if state.config is not None else None
    if canary is None or changed_at is None or may_accuse(canary, state, policy):
        return ""
    return (
        f". The export configuration was changed at {moment_text(changed_at)} and may not be in effect yet: the gateway reads it "
        f"every five minutes. Check again after {moment_text(changed_at + policy.arrival.settle)}"
    )


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
        "advice": diagnosis.next_step,
        "waiting": diagnosis.waiting,
        "since": diagnosis.since,
        "since_time": rfc3339(diagnosis.since),
        "began_at": incident.lasts_since,
        "began_time": rfc3339(incident.lasts_since),
        "opened_at": incident.opened_at,
        "opened_time": rfc3339(incident.opened_at),
        "closed_at": incident.closed_at,
        "closed_time": rfc3339(incident.closed_at) if incident.closed_at is not None else None,
        "closed_because": incident.closed_because,
        "reopened": len(incident.reopened),
        "acknowledged_by": incident.acked_by,
        "losses": str(incident.losses) if incident.losses is not None else None,
        "late_trace_ids": list(incident.losses.late_ids) if incident.losses is not None else [],
        "lost_trace_ids": list(incident.losses.lost_ids) if incident.losses is not None else [],
        "trace_ids": list(diagnosis.trace_ids),
        "history": [
            {
                "at": entry.at,
                "time": rfc3339(entry.at),
                "fault": entry.fault.value,
                "severity": entry.severity.word,
                "text": entry.text,
            }
            for entry in incident.timeline
        ],
    }


def describe(states: dict[str, tuple[TargetState, Policy]], now: Instant, *, live: bool = False) -> dict[str, Any]:
    """The whole status object, without incidents."""
    targets = {name: describe_target(state, policy, now, live=live) for name, (state, policy) in states.items()}
    return {
        "verdict": overall([Verdict(target["verdict"]) for target in targets.values()]).value,
        "targets": targets,
    }


def severity_of_failures(report: dict[str, Any]) -> Severity | None:
    """The highest severity among the targets that fail; None if none does."""
    failing = [target for target in report["targets"].values() if target["verdict"] == Verdict.FAIL.value]
    return max((Severity[target["severity"].upper()] for target in failing), default=None)


def expiry_of(token: str) -> Instant | None:
    """The `exp` of a JWT, whose payload anybody can read (https://www.rfc-editor.org/rfc/rfc7519); None for an opaque token."""
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    expires = payload.get("exp") if isinstance(payload, Mapping) else None
    if not isinstance(expires, int | float) or isinstance(expires, bool) or not 0 <= expires < _END_OF_TIME:
        return None
    return float(expires)


def token_expiries(target: Target) -> dict[str, Instant]:
    """By credential, where a token says so."""
    tokens = {"gateway": target.gateway.token.get()}
    if target.backend.api_key is not None:
        tokens[target.backend.traits.slug] = target.backend.api_key.get()
    if target.control_plane is not None:
        tokens["control_plane"] = target.control_plane.token.get()
    found = {name: expiry_of(token) for name, token in tokens.items()}
    return {name: expires for name, expires in found.items() if expires is not None}
