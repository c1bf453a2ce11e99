"""Why a look could not see, from the error that a port raised."""

from monitor.core.model import Blindness, Finding, unknown
from monitor.ports import Crowded, Garbled, Gone, PortError, Refused, Unreachable

_FORBIDDEN = 403


def cannot_see(error: PortError, what: str) -> Finding:
    """The finding of a look whose question got no usable answer; `what` completes "could not …"."""
    summary = f"could not {what}: {error}"
    match error:
        case Refused(blocked=True):
            return unknown(f"{summary} (blocked before it reached the service)", Blindness.BLOCKED, error.evidence)
        case Refused():
            permanent = error.status == _FORBIDDEN
            return unknown(summary, Blindness.REFUSED, error.evidence, permanent=permanent)
        case Unreachable(kind="shortage"):
            return unknown(summary, Blindness.SHORTAGE, error.evidence)
        case Unreachable():
            return unknown(summary, Blindness.UNREACHABLE, error.evidence)
        case Crowded():
            return unknown(summary, Blindness.CROWDED, error.evidence)
        case Gone() | Garbled():
            return unknown(summary, Blindness.GARBLED, error.evidence)
        case _:
            return unknown(summary, Blindness.UNREACHABLE, error.evidence)
