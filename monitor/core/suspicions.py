"""What a look holds against the world, in words, where that takes more than one line; with the next step that its evidence suggests.

A suspicion is confirmed by repetition, or at once if it is conclusive. What traces are suspected of is made in `outcomes`, what the
refused key means in `key`; what an answer means is judged where it is read (`checks/`).
"""

from collections.abc import Mapping

from monitor.core.canary import ControlSpan
from monitor.core.drift import Comparison
from monitor.core.faults import WHERE
from monitor.core.model import CheckResult, Fault, Severity, Suspicion, UnknownReason

# --- the exporter's configuration ------------------------------------------------------------------------------------


def off() -> Suspicion:
    """The manifest was read, and there is no traces exporter in it."""
    return Suspicion(
        fault=Fault.EXPORTER_DISABLED,
        summary="the traces exporter is switched off",
        conclusive=True,
        stops_export=True,
    )


def gone(form: str) -> Suspicion:
    """There is no manifest to read (404, null, empty), although the token is good for another call."""
    return Suspicion(
        fault=Fault.EXPORTER_DISABLED,
        summary=f"the gateway has no export configuration ({form})",
        step=f"Create it again: {WHERE}; `trace-monitor expected` prints the manifest for `tfy apply`.",
        stops_export=True,
    )


def drift(comparison: Comparison, *, at_once: bool = True) -> Suspicion:
    """At least one field differs; what stops the export is said first. Not `at_once`: an older look is needed to say so.

    The next step names the value that the first field should have; of several the others are listed as reasons.
    """
    differences = sorted(comparison.differences, key=lambda one: not one.stops_export)
    first, more = differences[0], len(differences) - 1
    value = f"the value with the {first.expected}" if first.expected.startswith("fingerprint ") else first.expected
    action = f"Take {first.path} out" if first.expected == "absent" else f"Set {first.path} back to {value}"
    others = f", and {more} more that differ{'s' if more == 1 else ''}" if more else ""
    return Suspicion(
        fault=Fault.CONFIG_DRIFT,
        summary=f"{first} (and {more} more)" if more else str(first),
        facts=tuple(map(str, comparison.differences)) if more else (),
        step=f"{action}{others} ({WHERE}); `trace-monitor expected` prints every field.",
        severity=Severity.CRITICAL if comparison.critical else Severity.WARNING,
        conclusive=at_once,
        stops_export=comparison.stops_export,
    )


# --- Traceloop -------------------------------------------------------------------------------------------------------


def control_not_shown(control: ControlSpan, *, route_is_known: bool) -> Suspicion:
    """A span of our own that was accepted and is not shown; `route_is_known`: this route has shown us one before."""
    never = () if route_is_known else ("this route has never shown us a span of our own",)
    return Suspicion(
        fault=Fault.INGEST_FAILING,
        summary="Traceloop accepted a span of our own and does not show it",
        facts=(f"control span {control.trace_id}", *never),
        stops_export=True,
    )


# --- the gateway -----------------------------------------------------------------------------------------------------

_STEPS_BY_KIND = {
    "dns": "Look up the gateway's host name from another network; look at its DNS record.",
    "tls": "Look at the gateway's certificate: whether it is valid, names this host, and is signed by somebody the monitor trusts.",
    "connect": "Open the gateway's URL from another network; look at its pods and its ingress.",
    "timeout": "Open the gateway's URL from another network; look at what its pods are busy with, and at firewalls on the way.",
}
_REDIRECT, _CLIENT_ERROR = 300, 400
_NOT_GRANTED = frozenset({403, 404})


def step_for_silence(kind: str) -> str:
    """What to do about a gateway that gives no answer, by where the asking ended; empty where that says nothing special."""
    return _STEPS_BY_KIND.get(kind, "")


def step_for_rejection(*, status: int, model: str, guardrails: tuple[str, ...] = (), cached: bool = False) -> str:
    """What to do about a canary that is not served, by what its answer shows; empty where that says nothing special."""
    if cached:
        return (
            "Exempt the canary from the gateway's cache: what is answered from a cache proves nothing about the export."
        )
    if guardrails:
        return (
            f"Exempt the canary's account from the guardrail {', '.join(guardrails)}, or change `checks.canary.prompt`."
        )
    if status < _REDIRECT:
        return "Look at `gateway.url`: what answers there speaks HTTP, and is no gateway that serves chat completions."
    if status < _CLIENT_ERROR:
        return (
            "Look at `gateway.url`: what answers there redirects, as a login page does or a proxy before the gateway."
        )
    if status in _NOT_GRANTED and model:
        return f"Grant the model {model} to the canary's account, or change `gateway.model`."
    return ""


# --- the monitor itself ----------------------------------------------------------------------------------------------

_STEPS_WHEN_BLIND: Mapping[UnknownReason | None, str] = {
    UnknownReason.NO_WITNESS: "Look at the monitor's own network: DNS, proxy (`http.proxy`), egress rules. Nothing answers it.",
    UnknownReason.BLOCKED: "Let the monitor through what stands in front of the service (Cloudflare, a proxy): it is refused there.",
    UnknownReason.UNREACHABLE: "Look at the way from the monitor to that service: DNS, proxy (`http.proxy`), egress rules.",
    UnknownReason.PROXY: "Look at the monitor's own proxy (`http.proxy`, HTTPS_PROXY): it does not let the monitor through to that "
    "service. Allow that host there, give the proxy's URL the login it asks for, or exempt the host by `http.no_proxy`.",
    UnknownReason.STARVED: "Give the monitor more CPU (its container's limit, its machine): it did not run while it waited.",
    UnknownReason.SHORTAGE: "Give the monitor more of what it is out of: `ulimit -n`, its limits of memory and of threads.",
    UnknownReason.REFUSED: "Look at the monitor's credential for that service: it is refused.",
    UnknownReason.GARBLED: "Run `trace-monitor doctor --record DIR` and look at the answer: it has another form than expected.",
    UnknownReason.CROWDED: "Narrow down what has to be read: give the canary a model alias of its own, so that the name of its span "
    "is unique, or an environment of its own. `trace-monitor doctor` says which filters Traceloop honours.",
    UnknownReason.PAUSED: "Raise the limit or the budget of the canary's account: the gateway answers 429 and asks to be left alone.",
    UnknownReason.UNPROVEN: "Look at the check `control`: until Traceloop has shown one span of ours, its silence proves nothing.",
}
_PERMANENT = "Give the monitor's token the permission that it lacks."
_DID_NOT_END = (
    "Look whether the monitor's machine is short of CPU, and which service answers slowly: the check takes too long."
)


def has_failed(result: CheckResult) -> Suspicion:
    """A check of our own that crashed or did not end, several times in a row."""
    return Suspicion(
        fault=Fault.CHECK_FAILED,
        summary=result.summary,
        step=_DID_NOT_END if result.unknown_reason is UnknownReason.TIMEOUT else "",
    )


def cannot_look(result: CheckResult) -> Suspicion:
    """Unable to look for too long; what only a person can fix is notified once."""
    return Suspicion(
        fault=Fault.BLIND,
        summary=result.summary,
        facts=("only a human can mend this",) if result.permanent else (),
        step=result.step or (_PERMANENT if result.permanent else _STEPS_WHEN_BLIND.get(result.unknown_reason, "")),
        permanent=result.permanent,
    )
