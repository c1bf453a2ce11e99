"""The monitor itself: it crashes, or it cannot look. Neither says anything about the gateway."""

from collections.abc import Mapping

from monitor.core.faults.rule import Rule
from monitor.core.model import Blindness, Charge, Component, Fault, Finding, Severity

CHECK_FAILED = Rule(
    fault=Fault.CHECK_FAILED,
    component=Component.MONITOR,
    severity=Severity.WARNING,
    meaning="A check of the monitor itself failed",
    when="A check raises an error that nobody expected, or does not end in its time.",
    settles="After `fail_after` looks in a row; the first look that ends clears it.",
    because="The error's kind; the log has the traceback.",
    advice="Look at the monitor's log and report the traceback.",
)

BLIND = Rule(
    fault=Fault.BLIND,
    component=Component.MONITOR,
    severity=Severity.WARNING,
    meaning="The monitor cannot look",
    when="A check is unknown: no usable answer, no permission, something in front of the service, or no witness. A budget that is "
    "spent is not that, nor a pause while the reason for it is confirmed.",
    settles="After two unknown looks, and `blind_after` or twice the check's `every` since the first, whichever is longer.",
    because="What could not be read, and whether only a human can mend it; then nobody is reminded.",
    advice="Look at the reason: it is about the monitor's own access, not about the gateway.",
)

MONITORS_OWN = frozenset({Fault.BLIND, Fault.CHECK_FAILED})
"""What is held against the monitor itself, and against nobody else."""

_STEPS: Mapping[Blindness | None, str] = {
    Blindness.NO_WITNESS: "Look at the monitor's own network: DNS, proxy (`http.proxy`), egress rules. Nothing answers it.",
    Blindness.BLOCKED: "Let the monitor through what stands in front of the service (Cloudflare, a proxy): it is refused there.",
    Blindness.UNREACHABLE: "Look at the way from the monitor to that service: DNS, proxy (`http.proxy`), egress rules.",
    Blindness.PROXY: "Look at the monitor's own proxy (`http.proxy`, HTTPS_PROXY): it does not let the monitor through to that "
    "service. Allow that host there, give the proxy's URL the login it asks for, or exempt the host by `http.no_proxy`.",
    Blindness.STARVED: "Give the monitor more CPU (its container's limit, its machine): it did not run while it waited.",
    Blindness.SHORTAGE: "Give the monitor more of what it is out of: `ulimit -n`, its limits of memory and of threads.",
    Blindness.REFUSED: "Look at the monitor's credential for that service: it is refused.",
    Blindness.GARBLED: "Run `trace-monitor doctor --record DIR` and look at the answer: it has another form than expected.",
    Blindness.CROWDED: "Narrow down what has to be read: give the canary a model alias of its own, so that the name of its span is "
    "unique, or an environment of its own. `trace-monitor doctor` says which filters Traceloop honours.",
    Blindness.PAUSED: "Raise the limit or the budget of the canary's account: the gateway answers 429 and asks to be left alone.",
    Blindness.UNPROVEN: "Look at the check `control`: until Traceloop has shown one span of ours, its silence proves nothing.",
}
_PERMANENT = "Give the monitor's token the permission that it lacks."


def has_failed(finding: Finding) -> Charge:
    """A check of our own that crashed or did not end, several times in a row."""
    return Charge(
        fault=Fault.CHECK_FAILED,
        summary=finding.summary,
        step=_DID_NOT_END if finding.blindness is Blindness.TIMEOUT else "",
    )


_DID_NOT_END = (
    "Look whether the monitor's machine is short of CPU, and which service answers slowly: the check takes too long."
)


def cannot_look(finding: Finding) -> Charge:
    """Unable to look for too long; what only a human can mend is told once."""
    return Charge(
        fault=Fault.BLIND,
        summary=finding.summary,
        facts=("only a human can mend this",) if finding.permanent else (),
        step=finding.step or (_PERMANENT if finding.permanent else _STEPS.get(finding.blindness, "")),
        permanent=finding.permanent,
    )
