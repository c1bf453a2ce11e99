"""Why a look could not see, from the error that a port raised."""

from collections.abc import Mapping

from monitor.core.model import Blindness, Finding, Scalar, unknown
from monitor.ports import Crowded, Garbled, Gone, PortError, Refused, Unreachable

_FORBIDDEN = 403

_OUR_OWN: Mapping[str, Blindness] = {
    "denied": Blindness.UNREACHABLE,
    "proxy": Blindness.PROXY,
    "starved": Blindness.STARVED,
}


def our_own(error: Unreachable, service: str, evidence: Mapping[str, Scalar]) -> Finding | None:
    """The finding where it was the monitor that kept itself from asking: no witness turns that into the service's silence."""
    reason = _OUR_OWN.get(error.kind)
    asked = "was not asked" if error.kind != "starved" else "may have answered"
    return None if reason is None else unknown(f"{service} {asked}: {error}", reason, evidence)


def cannot_see(error: PortError, what: str) -> Finding:
    """The finding of a look whose question got no usable answer; `what` completes "could not …"."""
    summary = f"could not {what}: {error}"
    match error:
        case Refused(blocked=True):
            return unknown(f"{summary} (blocked before it reached the service)", Blindness.BLOCKED, error.evidence)
        case Refused():
            permanent = error.status == _FORBIDDEN
            return unknown(summary, Blindness.REFUSED, error.evidence, permanent=permanent)
        case Unreachable():
            return unknown(summary, _OUR_OWN.get(error.kind, Blindness.UNREACHABLE), error.evidence)
        case Crowded():
            return unknown(summary, Blindness.CROWDED, error.evidence)
        case Gone() | Garbled():
            return unknown(summary, Blindness.GARBLED, error.evidence)
        case _:
            return unknown(summary, Blindness.UNREACHABLE, error.evidence)
