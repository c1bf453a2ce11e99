"""What the checks share: from an error that a port raised to what a look says.

What an error means is decided in `monitor.checks`: no answer from the gateway is a fault of the target, no answer from a read API
only means that nothing could be seen.
"""

from collections.abc import Mapping
from dataclasses import replace

from monitor.connectivity import ConnectivityProbe
from monitor.core.backend import BACKEND, STATUS
from monitor.core.model import CheckResult, Scalar, Service, Suspicion, UnknownReason, failing, unknown
from monitor.core.text import code
from monitor.ports import Garbled, Gone, NotYetThere, PortError, Refused, TooManyRows, Unreachable

READ_API = f"{BACKEND}'s read API"
CONTROL_PLANE = "TrueFoundry's control plane"
_SEE = {READ_API: f"See {STATUS}.", CONTROL_PLANE: "Ask TrueFoundry's support."}

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 401, 403, 429, 500

_OUR_OWN: Mapping[str, UnknownReason] = {
    "denied": UnknownReason.UNREACHABLE,
    "proxy": UnknownReason.PROXY,
    "starved": UnknownReason.STARVED,
    "shortage": UnknownReason.SHORTAGE,
}


def own_failure(error: Unreachable, service: str, evidence: Mapping[str, Scalar]) -> CheckResult | None:
    """The result where it was the monitor that kept itself from asking: nobody else is to blame, whoever answers."""
    reason = _OUR_OWN.get(error.kind)
    asked = "was not asked" if error.kind != "starved" else "may have answered"
    return None if reason is None else unknown(f"{service} {asked}: {error}", reason, evidence)


async def judge_unreachable(
    error: Unreachable,
    suspicion: Suspicion,
    evidence: Mapping[str, Scalar],
    *,
    service: Service,
    called: str,
    connectivity: ConnectivityProbe,
) -> CheckResult:
    """No HTTP answer: the suspicion holds if another service answers, else our own network is the suspect."""
    if (ours := own_failure(error, called, evidence)) is not None:
        return ours
    if not await connectivity.another_service_answers(service):
        summary = f"{called} does not answer: {error}. No other service does either, so the monitor's own network is the suspect"
        return unknown(summary, UnknownReason.NO_WITNESS, evidence)
    return failing(
        replace(suspicion, facts=("another service answers the monitor, so its own network works",)), evidence=evidence
    )


def cannot_see(error: PortError, what: str, *, asked: str = "the service", permission: str = "") -> CheckResult:
    """The result of a check that got no usable answer; `what` completes "cannot …", `asked` is who was asked.

    `permission` is what the token lacks if the answer is 403.
    """
    summary, step, permanent = str(error), "", False
    match error:
        case Refused(blocked=True):
            reason, summary = UnknownReason.BLOCKED, f"{error} (from something in front of {asked})"
        case Refused():
            reason, permanent = UnknownReason.REFUSED, error.status == _FORBIDDEN
            step = step_for_status(error.status, asked)
            if permanent and permission:
                step = f"Grant the monitor's virtual account {code(permission)}."
        case Unreachable():
            reason = _OUR_OWN.get(error.kind, UnknownReason.UNREACHABLE)
            step = step_for_status(error.status, asked) if reason is UnknownReason.UNREACHABLE else ""
        case TooManyRows():
            reason = UnknownReason.CROWDED
        case NotYetThere():
            reason = UnknownReason.UNPROVEN
        case Gone() | Garbled():
            reason = UnknownReason.GARBLED
        case _:
            reason = UnknownReason.UNREACHABLE
    return unknown(summary, reason, error.evidence, attempted=what, permanent=permanent, step=step)


def step_for_status(status: int | None, asked: str) -> str:
    """What to do about a service that answers, by its status; empty where that says nothing special."""
    if status == _UNAUTHORIZED:
        return f"Give the monitor a valid credential: {asked} rejects the one it has (HTTP 401)."
    if status == _TOO_MANY:
        return (
            f"Find out what sends so many requests to {asked} (HTTP 429). The monitor waits as long as it is asked to."
        )
    if status is not None and status >= _SERVER_ERROR:
        return f"{asked} is failing (HTTP {status}). {_SEE.get(asked, 'Check its status page.')}"
    return ""
