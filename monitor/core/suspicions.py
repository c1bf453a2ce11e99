"""What a check suspects, in words, where that takes more than one line; with the next step that its evidence suggests.

A suspicion is confirmed by repetition, or at once if it is conclusive. What traces are suspected of is made in `outcomes`, what the
refused key means in `key`; what an answer means is judged where it is read (`checks/`).
"""

from collections.abc import Mapping

from monitor.core import drift as fields
from monitor.core.backend import BACKEND, SECTION
from monitor.core.canary import ControlSpan
from monitor.core.drift import Comparison, Difference
from monitor.core.faults import NOT_EXPORTED_FROM, WHERE
from monitor.core.model import CheckResult, Fault, Severity, Suspicion, UnknownReason
from monitor.core.text import code

# --- the exporter's configuration ------------------------------------------------------------------------------------


def off() -> Suspicion:
    """The manifest was read, and there is no traces exporter in it."""
    return Suspicion(
        fault=Fault.EXPORTER_DISABLED,
        summary="trace export is switched off",
        conclusive=True,
        stops_export=True,
    )


def gone(form: str) -> Suspicion:
    """There is no manifest to read (404, null, empty), although the token is good for another call."""
    return Suspicion(
        fault=Fault.EXPORTER_DISABLED,
        summary=f"the gateway has no export configuration ({form})",
        step=f"Create it again in {WHERE}. `trace-monitor expected` prints the manifest for `tfy apply`.",
        stops_export=True,
    )


_TITLES: Mapping[str, str] = {
    fields.TYPE: "Trace export uses the wrong protocol",
    fields.ENDPOINT: "Trace export points at the wrong URL",
    fields.ENCODING: "Trace export uses the wrong encoding",
    fields.AUTHORIZATION: "Trace export sends the wrong Authorization header",
    fields.EXCLUDE: "Exclude request data is not set as expected",
    fields.FILTERS: "Trace export has other filters than expected",
    fields.METRICS: "Metrics are exported to {backend}",
}
LEAKS = "Prompts and answers are stored in {backend} from {since} on, although they must not be."
_ANOTHER_KEY = (
    "Traces do not arrive in the expected environment from {since} on: {backend} files them by the key. "
    "Requests are not affected."
)
_KEY_NOT_KNOWN = (
    "Whether {backend} accepts this key is not known until a trace arrives that was sent with it, from {since} on. "
    "Requests are not affected."
)
_REROUTED = "Traces are not stored in the project that the monitor reads from {since} on. Requests are not affected."


def drift(comparison: Comparison, *, at_once: bool = True) -> Suspicion:
    """At least one field differs; what stops the export is said first. Not `at_once`: it has to be seen again.

    The next step names the value that the first field should have; the other fields are listed as reasons.
    """
    differences = sorted(comparison.differences, key=lambda one: (not one.stops_export, one.hint != fields.ANOTHER_KEY))
    first, more = differences[0], len(differences) - 1
    others = f", and {more} more that differ{'s' if more == 1 else ''}" if more else ""
    impact = NOT_EXPORTED_FROM if comparison.stops_export else LEAKS if comparison.leaks else ""
    if comparison.other_key and impact != LEAKS:
        impact = _ANOTHER_KEY if comparison.stops_export else _KEY_NOT_KNOWN
    return Suspicion(
        fault=Fault.CONFIG_DRIFT,
        title=_title(first),
        summary=f"{first} (and {more} more)" if more else str(first),
        facts=(
            *map(str, differences[1:]),
            f"in the manifest: {', '.join(dict.fromkeys(code(one.path) for one in differences))}",
        ),
        impact=_REROUTED if comparison.rerouted else impact,
        step=f"{_action(first)}{others}, in {WHERE}. `trace-monitor expected` prints every field.",
        severity=Severity.CRITICAL if comparison.critical else Severity.WARNING,
        conclusive=at_once,
        stops_export=comparison.stops_export,
    )


def _action(difference: Difference) -> str:
    """What to do about one field. There may be several filters, so that a filter is named in full."""
    is_filter = difference.path == fields.FILTERS
    if difference.path == fields.METRICS:
        return "Switch off the metrics exporter"
    if difference.expected == "absent":
        return f"Remove the filter {code(difference.actual)}" if is_filter else f"Remove {difference.label}"
    if is_filter:
        return f"Add the filter {difference.wanted} again"
    if difference.path == fields.AUTHORIZATION:  # nobody can set a fingerprint
        return f"Set {difference.label} to `Bearer KEY`, with the {BACKEND} key that the monitor has"
    if difference.reroutes:
        return f"Set {difference.label} to the project in `{SECTION}.project`"
    if difference.path.startswith(f"{fields.HEADERS}."):
        return f"Set {difference.label} back to the value in `expected.headers`"
    return f"Set {difference.label} back to {difference.wanted}"


def _title(difference: Difference) -> str:
    if difference.path == fields.AUTHORIZATION and difference.hint == fields.ANOTHER_KEY:
        return "The exporter uses a different {backend} key than the monitor"
    if difference.path == fields.AUTHORIZATION and difference.actual == "absent":
        return "Trace export sends no Authorization header"
    if difference.path.startswith(f"{fields.ATTRIBUTES}."):
        return "Trace export adds the wrong resource attributes"
    if difference.path in _TITLES:
        return _TITLES[difference.path]
    return (
        "Trace export sends an unexpected header"
        if difference.expected == "absent"
        else "Trace export sends a wrong header"
    )


# --- the trace backend -----------------------------------------------------------------------------------------------


def control_not_shown(control: ControlSpan, *, route_is_known: bool) -> Suspicion:
    """A test span that was accepted and is not shown; `route_is_known`: this route has shown one before."""
    never = () if route_is_known else ("this route has never shown a test span, so it may also be the read that fails",)
    return Suspicion(
        fault=Fault.INGEST_FAILING,
        title="{backend} accepts traces and does not show them",
        summary="{backend} accepted a test span and does not show it",
        facts=(f"the test span's trace is {code(control.trace_id)}", *never),
        stops_export=True,
    )


# --- the gateway -----------------------------------------------------------------------------------------------------

_STEPS_BY_KIND = {
    "dns": "Resolve the gateway's host name from another network, and check its DNS record.",
    "tls": "Check the gateway's certificate: it must be valid, name this host, and be signed by a CA that the monitor trusts.",
    "connect": "Open the gateway's URL from another network. Check its pods and its ingress.",
    "timeout": "Open the gateway's URL from another network. Check the load of its pods, and the firewalls in between.",
}
_REDIRECT, _CLIENT_ERROR = 300, 400
_NOT_GRANTED = frozenset({403, 404})
_BAD_REQUEST = frozenset({400, 422})


STEP_FOR_REDIRECT = "Check `gateway.url`: what answers there redirects, as a login page or a proxy does."


def step_for_silence(kind: str) -> str:
    """What to do about a gateway that gives no answer, by where the request ended; empty where that says nothing special."""
    return _STEPS_BY_KIND.get(kind, "")


def step_for_rejection(*, status: int, model: str, guardrails: tuple[str, ...] = (), cached: bool = False) -> str:
    """What to do about a canary that is not served, by what its answer shows; empty where that says nothing special."""
    if cached:
        return "Exempt the canary from the gateway's cache: an answer from a cache proves nothing about the export."
    if guardrails:
        return (
            f"Exempt the canary's account from the guardrail {', '.join(guardrails)}, or change `checks.canary.prompt`."
        )
    if status < _REDIRECT:
        return "Check `gateway.url`: what answers there is no gateway that serves chat completions."
    if status < _CLIENT_ERROR:
        return STEP_FOR_REDIRECT
    if status in _BAD_REQUEST:
        return "Change `checks.canary` (`parameters`, `max_tokens`, `prompt`) as the gateway's answer says."
    if status in _NOT_GRANTED and model:
        return f"Grant the model {code(model)} to the canary's account, or change `gateway.model`."
    return ""


# --- the monitor itself ----------------------------------------------------------------------------------------------

_STEPS_WHEN_BLIND: Mapping[UnknownReason | None, str] = {
    UnknownReason.NO_WITNESS: "Check the monitor's own network: DNS, proxy (`http.proxy`), egress rules. No service answers it.",
    UnknownReason.BLOCKED: "Allow the monitor's requests at what is in front of the service (Cloudflare, a firewall).",
    UnknownReason.UNREACHABLE: "Check the network from the monitor to that service: DNS, proxy (`http.proxy`), egress rules.",
    UnknownReason.PROXY: "Allow that host on the monitor's own proxy (`http.proxy`, HTTPS_PROXY), give the proxy's URL the login "
    "it asks for, or exempt the host by `http.no_proxy`.",
    UnknownReason.STARVED: "Give the monitor more CPU (its container's limit, its machine): it did not run while it waited.",
    UnknownReason.SHORTAGE: "Give the monitor more of what it is out of: `ulimit -n`, its limits of memory and of threads.",
    UnknownReason.REFUSED: "Give the monitor a valid credential for that service: the one it has is refused.",
    UnknownReason.GARBLED: "Run `trace-monitor doctor --record DIR` and report the answer: it has another form than documented.",
    UnknownReason.CROWDED: "Give the canary a model alias of its own, so that the name of its span is unique, or an environment of "
    "its own: then less has to be read. `trace-monitor doctor` says which filters {backend} honours.",
    UnknownReason.PAUSED: "Raise the limit or the budget of the canary's account: the gateway answers 429 and asks to wait.",
    UnknownReason.UNPROVEN: "Check `control`: until {backend} has shown one test span, a missing trace proves nothing.",
}
_PERMANENT = "Grant the monitor's token the permission that it lacks."
_DID_NOT_END = "Check the CPU of the monitor's machine, and which service answers slowly."


def has_failed(result: CheckResult) -> Suspicion:
    """A check that crashed or did not end, several times in a row."""
    return Suspicion(
        fault=Fault.CHECK_FAILED,
        summary=result.summary,
        step=_DID_NOT_END if result.unknown_reason is UnknownReason.TIMEOUT else "",
    )


def cannot_look(result: CheckResult) -> Suspicion:
    """Unable to check for too long; what only a person can fix is notified once."""
    no_network = "No service answers the monitor" if result.unknown_reason is UnknownReason.NO_WITNESS else ""
    return Suspicion(
        fault=Fault.BLIND,
        title=f"The monitor cannot {result.attempted}" if result.attempted else no_network,
        summary=result.summary.removeprefix(f"cannot {result.attempted}: "),
        step=f"{result.step or _PERMANENT} There are no reminders."
        if result.permanent
        else result.step or _STEPS_WHEN_BLIND.get(result.unknown_reason, ""),
        permanent=result.permanent,
    )
