"""Faults of the gateway and of the model provider behind it."""

from collections.abc import Mapping

from monitor.core.model import Fault
from monitor.sandbox.faults.kinds import (
    HTML,
    Act,
    Disturbance,
    Host,
    How,
    Refusal,
    Refuse,
    Reply,
    SandboxFault,
    Twist,
    fault,
)

_GATEWAY = Host.GATEWAY
_INGRESS = Reply(status=503, body="no healthy upstream")
_LOGIN = Reply(status=302, body="", headers={"location": "https://login.example.com/?next=/"})
_PAGE = Reply(status=502, body="<html><head><title>502 Bad Gateway</title></head></html>", content_type=HTML)


def _down(about: str, disturbance: Disturbance) -> SandboxFault:
    return fault(about, disturbance, named=Fault.GATEWAY_UNREACHABLE)


def _refusing(about: str, refusal: Refusal, named: Fault) -> SandboxFault:
    return fault(about, Refuse(refusal=refusal), named=named)


FAULTS: Mapping[str, SandboxFault] = {
    "gateway_unreachable": _down(
        "nobody listens where the gateway should be", Disturbance(host=_GATEWAY, how=How.REFUSE)
    ),
    "gateway_unreachable_black_hole": _down(
        "the gateway takes connections and never answers", Disturbance(host=_GATEWAY, how=How.SILENCE)
    ),
    "gateway_unreachable_reset": _down(
        "the gateway resets every connection", Disturbance(host=_GATEWAY, how=How.RESET)
    ),
    "gateway_unreachable_ingress": _down(
        "the ingress answers 503 `no healthy upstream`", Disturbance(host=_GATEWAY, how=How.REPLY, reply=_INGRESS)
    ),
    "gateway_unreachable_page": _down(
        "a proxy before the gateway answers 502 with a page", Disturbance(host=_GATEWAY, how=How.REPLY, reply=_PAGE)
    ),
    "gateway_unreachable_redirect": _down(
        "everything is redirected to a login page", Disturbance(host=_GATEWAY, how=How.REPLY, reply=_LOGIN)
    ),
    "gateway_unreachable_slow": _down(
        "the gateway needs half a minute for anything", Disturbance(host=_GATEWAY, how=How.SLOW)
    ),
    "gateway_refused": _refusing("the gateway no longer takes the token: 401", Refusal.TOKEN, Fault.GATEWAY_REFUSED),
    "rate_limited": _refusing("429 without Retry-After", Refusal.RATE_LIMIT, Fault.RATE_LIMITED),
    "rate_limited_retry_after": _refusing(
        "429 with Retry-After: 120", Refusal.RATE_LIMIT_RETRY_AFTER, Fault.RATE_LIMITED
    ),
    "rate_limited_budget": _refusing("the account's budget is spent: 429", Refusal.BUDGET, Fault.RATE_LIMITED),
    "canary_rejected": _refusing("the model is unknown or not granted: 403", Refusal.MODEL, Fault.CANARY_REJECTED),
    "canary_rejected_guardrail_input": _refusing(
        "a guardrail blocks the prompt: 400", Refusal.GUARDRAIL_INPUT, Fault.CANARY_REJECTED
    ),
    "canary_rejected_guardrail_output": _refusing(
        "a guardrail blocks the completion: 400", Refusal.GUARDRAIL_OUTPUT, Fault.CANARY_REJECTED
    ),
    "canary_rejected_parameter": _refusing(
        "the provider takes offence at a parameter: 400", Refusal.PARAMETER, Fault.CANARY_REJECTED
    ),
    "canary_rejected_provider_400": _refusing(
        "the provider refuses the model's use: 400", Refusal.PROVIDER_400, Fault.CANARY_REJECTED
    ),
    "canary_rejected_model_gone": _refusing(
        "the provider no longer has the model: 404", Refusal.PROVIDER_404, Fault.CANARY_REJECTED
    ),
    "canary_rejected_cached": fault(
        "every completion comes from the gateway's cache", Act(twist=Twist.ANSWER_CACHED), named=Fault.CANARY_REJECTED
    ),
    "canary_rejected_shape": fault(
        "200 with a body that is no completion", Act(twist=Twist.ANSWER_OTHER_SHAPE), named=Fault.CANARY_REJECTED
    ),
    "provider_failing": _refusing(
        "the provider answers 502, passed through in the gateway's envelope",
        Refusal.PROVIDER_502,
        Fault.PROVIDER_FAILING,
    ),
    "provider_failing_500": _refusing("the provider answers 500", Refusal.PROVIDER_500, Fault.PROVIDER_FAILING),
    "provider_failing_network": _refusing(
        "the gateway cannot reach the provider: 500, and `error` is a text of JSON",
        Refusal.PROVIDER_NETWORK,
        Fault.PROVIDER_FAILING,
    ),
    "provider_failing_timeout": fault(
        "the provider needs two minutes for a completion",
        Act(twist=Twist.PROVIDER_STALLS, seconds=120.0),
        named=Fault.PROVIDER_FAILING,
    ),
    "trace_not_created": fault(
        "the gateway answers and makes no trace", Act(twist=Twist.MAKE_NO_TRACE), named=Fault.TRACE_NOT_CREATED
    ),
    "trace_not_created_collector": fault(
        "the gateway makes traces, and cannot reach TrueFoundry's collector",
        Act(twist=Twist.LOSE_AT_COLLECTOR),
        named=Fault.TRACE_NOT_CREATED,
    ),
    "gateway_metrics_failing": fault(
        "the gateway's own metrics page answers 503",
        Disturbance(host=Host.GATEWAY, how=How.REPLY, paths=("/metrics",), reply=Reply(status=503)),
    ),
}
