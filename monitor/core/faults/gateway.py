"""The gateway and the provider behind it: while one of these lasts no canary is served, so no trace can be missed.

What an answer means is judged where it is read (`checks/gateway.py`, `checks/canary.py`).
"""

from monitor.core.faults.rule import Rule
from monitor.core.model import Component, Fault, Severity

_STEPS_BY_KIND = {
    "dns": "Look up the gateway's host name from another network; look at its DNS record.",
    "tls": "Look at the gateway's certificate: whether it is valid, names this host, and is signed by somebody the monitor trusts.",
    "connect": "Open the gateway's URL from another network; look at its pods and its ingress.",
    "timeout": "Open the gateway's URL from another network; look at what its pods are busy with, and at firewalls on the way.",
}

GATEWAY_UNREACHABLE = Rule(
    fault=Fault.GATEWAY_UNREACHABLE,
    component=Component.GATEWAY,
    severity=Severity.CRITICAL,
    meaning="The gateway does not answer",
    when="Its health path gives no answer (DNS, connect, TLS, timeout) while another service answers the monitor, or it answers a "
    "3xx, or a 5xx of its own.",
    settles="After `fail_after` looks in a row.",
    because="What failed, and that the monitor's own network works.",
    advice="Open the gateway's URL from another network; look at its pods, its ingress and its certificate.",
    explains=frozenset({Fault.CANARY_REJECTED, Fault.PROVIDER_FAILING}),
    prevents_traces=True,
)

GATEWAY_REFUSED = Rule(
    fault=Fault.GATEWAY_REFUSED,
    component=Component.GATEWAY,
    severity=Severity.WARNING,
    meaning="The gateway refuses the canary's token",
    when="The canary is answered 401, and not by the provider.",
    settles="After `fail_after` looks in a row.",
    because="The gateway's own words.",
    advice="Give the monitor a valid gateway token (TrueFoundry, Access, Virtual Accounts), then run `trace-monitor check`.",
    prevents_traces=True,
)

RATE_LIMITED = Rule(
    fault=Fault.RATE_LIMITED,
    component=Component.GATEWAY,
    severity=Severity.WARNING,
    meaning="The gateway answers the canary with 429: a rate limit or a budget",
    when="The canary is answered 429.",
    settles="After `fail_after` looks in a row; meanwhile fewer canaries are sent.",
    because="The gateway's own words, and the rules that it says it applied.",
    advice="Raise the limit or the budget of the canary's account, or give it a virtual account of its own.",
    prevents_traces=True,
)

CANARY_REJECTED = Rule(
    fault=Fault.CANARY_REJECTED,
    component=Component.GATEWAY,
    severity=Severity.WARNING,
    meaning="The gateway is well and will not serve the canary",
    when="The canary is answered 400, 403, 404 or another 4xx, a 3xx, a 2xx that is no chat completion, or from the cache.",
    settles="After `fail_after` looks in a row.",
    because="The gateway's own words, and the guardrail that refused.",
    advice="Look at the refusal: grant the model to the canary's account, or change `gateway.model` or `checks.canary`.",
    prevents_traces=True,
)

PROVIDER_FAILING = Rule(
    fault=Fault.PROVIDER_FAILING,
    component=Component.PROVIDER,
    severity=Severity.WARNING,
    meaning="The gateway is well, the model provider behind it is not",
    when="The canary is answered a 5xx in the gateway's error envelope, a 408, or a 401 of the provider's; or with a 5xx, or not at "
    "all, while the gateway answers its health path.",
    settles="After `fail_after` looks in a row.",
    because="The provider's name and words, or that the gateway itself answers.",
    advice="Look at the provider's status page, or point `gateway.model` at another provider.",
    prevents_traces=True,
)


def step_for_silence(kind: str) -> str:
    """What to do about a gateway that gives no answer, by where the asking ended; empty where that says nothing special."""
    return _STEPS_BY_KIND.get(kind, "")


_REDIRECT, _CLIENT_ERROR = 300, 400
_NOT_GRANTED = frozenset({403, 404})


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
