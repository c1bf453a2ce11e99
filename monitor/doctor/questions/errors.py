"""What an ask that failed says, in the words that all questions share."""

from monitor.core.model import Service
from monitor.doctor.answer import Answer, open_, skipped, wrong
from monitor.doctor.seen import Seen
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable

NAMES = {
    Service.CONTROL_PLANE: "TrueFoundry's control plane",
    Service.GATEWAY: "the gateway",
    Service.TRACELOOP: "Traceloop's read API",
    Service.OTLP: "Traceloop's ingest",
    Service.SLACK: "Slack",
}
UNAUTHORIZED, FORBIDDEN = 401, 403

TOKEN_ADVICE = (
    "In TrueFoundry open Access, Virtual Accounts: does the monitor's account exist, and has its token expired? "  # noqa: S105 - advice
    "Give the monitor a valid token ({setting})."
)
KEY_ADVICE = (
    "In Traceloop open Settings, API keys (https://app.traceloop.com/settings/api-keys), choose the project and the environment "
    "of your gateway's traces, and give their key to the monitor ({setting}) and to the gateway's exporter alike."
)
_BLOCKED = (
    "Something in front of the service (Cloudflare's error 1010, or a firewall) refuses the monitor before it is heard. Ask "
    "whoever runs it to let through this machine's address and the User-Agent gateway-trace-monitor."
)
_REACH = (
    "Ask its host from this machine (curl -v): look at DNS, firewall, proxy (http.proxy), certificates (http.ca_file)."
)


def cannot_tell(error: PortError, service: Service) -> Answer:
    """An ask that says nothing about what was to be learnt."""
    who = NAMES[service]
    match error:
        case Refused(blocked=True):
            return open_("blocked", f"Something in front of {who} refuses the monitor: {error}.", _BLOCKED)
        case Unreachable(status=None):
            return open_(error.kind, f"{_capital(who)} gives no usable answer: {error}.", _REACH)
        case Refused() | Unreachable() | Gone():  # whose text says who answered
            return open_(str(error.status), f"{error}.", status=error.status)
        case Garbled():
            return open_("garbled", f"{_capital(who)} answers in a form that is not understood: {error}.")
        case _:
            return open_("error", f"{_capital(who)}: {error}.")


def refuses_us(error: PortError, service: Service, advice: str) -> Answer:
    """An ask that fails where only a token or a permission can be at fault; anything else cannot be told."""
    if isinstance(error, Refused) and not error.blocked and error.status in (UNAUTHORIZED, FORBIDDEN):
        return wrong(str(error.status), f"{error}.", advice, status=error.status)
    return cannot_tell(error, service)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def no_trace(seen: Seen) -> Answer:
    """Why nothing can be said about what a trace carries."""
    if isinstance(seen.spans, PortError):
        return cannot_tell(seen.spans, Service.TRACELOOP)
    return skipped("no trace of ours was seen")
