"""What the gateway's answer to a canary means. Pure.

Provider statuses pass through the gateway. Its own error envelope, or a gateway that answers its health path, means that a
5xx is the provider's; the shapes are recorded in https://github.com/truefoundry/models (pull requests 804 to 961).
"""

from monitor.core.model import Blindness, Charge, Fault, Finding, Scalar, failing, passing, unknown
from monitor.core.suspicions import step_for_rejection
from monitor.ports import CanaryAnswer

_OK, _REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 200, 300, 400, 500
_UNAUTHORIZED, _TIMEOUT, _TOO_MANY = 401, 408, 429
_PROVIDER_ORIGIN = "api_error"

CANNOT_ASK = "whether the gateway itself is well cannot be asked: something in front of it refuses the monitor"


def needs_a_ping(answer: CanaryAnswer) -> bool:
    """Whether it takes a look at the health path to tell whose 5xx this is."""
    return answer.status >= _SERVER_ERROR and not _has_envelope(answer) and not answer.blocked and not answer.edge


def judge_answer(answer: CanaryAnswer, *, gateway_answers: bool | None, model: str = "") -> Finding:
    """The verdict on an HTTP answer to a request for `model`.

    `gateway_answers` is None where the health path was not, or could not be, asked.
    """
    evidence = _evidence(answer)
    if answer.blocked:
        return unknown("Cloudflare refuses the monitor (error 1010)", Blindness.BLOCKED, evidence)
    if _OK <= answer.status < _REDIRECT:
        return _judge_success(answer, evidence)
    if needs_a_ping(answer) and gateway_answers is None:
        return unknown(f"{_summary(answer)}; {CANNOT_ASK}", Blindness.BLOCKED, evidence)
    fault = _fault(answer, gateway_answers=gateway_answers)
    step = _step(answer, model) if fault is Fault.CANARY_REJECTED else ""
    charge = Charge(fault=fault, summary=_summary(answer), facts=_facts(answer), step=step)
    return failing(charge.summary, charge, evidence=evidence)


def _judge_success(answer: CanaryAnswer, evidence: dict[str, Scalar]) -> Finding:
    refusal = answer.refusal
    if not answer.completion and refusal is not None and refusal.unread:
        return unknown(f"the answer to the canary was not read: {refusal.unread}", Blindness.GARBLED, evidence)
    if not answer.completion and refusal is not None and refusal.error:
        said = f": {refusal.message}" if refusal.message else ""
        charge = Charge(
            fault=Fault.CANARY_REJECTED,
            summary=f"HTTP {answer.status} with an error in place of a chat completion{said}",
            facts=_facts(answer),
            step=step_for_rejection(status=_CLIENT_ERROR, model="", guardrails=refusal.guardrails),
        )
        return failing(charge.summary, charge, evidence=evidence)
    if not answer.completion:
        charge = Charge(
            fault=Fault.CANARY_REJECTED,
            summary=f"HTTP {answer.status} without a chat completion in it",
            step=_step(answer),
        )
        return failing(charge.summary, charge, evidence=evidence)
    if answer.cached:
        charge = Charge(
            fault=Fault.CANARY_REJECTED,
            summary="the gateway answered from its cache, although every prompt is unique: caching is too broad",
            step=_step(answer),
        )
        return failing(charge.summary, charge, evidence=evidence)
    model = f" by {answer.model}" if answer.model else ""
    return passing(f"the gateway served the canary{model}", evidence)


def _fault(answer: CanaryAnswer, *, gateway_answers: bool | None) -> Fault:
    status = answer.status
    if status == _TOO_MANY:
        return Fault.RATE_LIMITED
    if status == _UNAUTHORIZED:
        return Fault.PROVIDER_FAILING if _is_providers(answer) else Fault.GATEWAY_REFUSED
    if status == _TIMEOUT:
        return Fault.PROVIDER_FAILING
    if status < _SERVER_ERROR:
        return Fault.CANARY_REJECTED
    if answer.edge:
        return Fault.GATEWAY_UNREACHABLE
    if _has_envelope(answer) or gateway_answers:
        return Fault.PROVIDER_FAILING
    return Fault.GATEWAY_UNREACHABLE


def _has_envelope(answer: CanaryAnswer) -> bool:
    return answer.refusal is not None and answer.refusal.envelope


def _is_providers(answer: CanaryAnswer) -> bool:
    """A provider's refusal of the gateway's own credential, passed through."""
    refusal = answer.refusal
    return refusal is not None and refusal.origin == _PROVIDER_ORIGIN and refusal.provider is not None


def _summary(answer: CanaryAnswer) -> str:
    if answer.edge:
        return f"Cloudflare, which stands before the gateway, cannot reach it (HTTP {answer.status})"
    said = answer.refusal.message if answer.refusal is not None else ""
    return f"HTTP {answer.status}: {said}" if said else f"HTTP {answer.status}"


def _step(answer: CanaryAnswer, model: str = "") -> str:
    guardrails = answer.refusal.guardrails if answer.refusal is not None else ()
    return step_for_rejection(status=answer.status, model=model, guardrails=guardrails, cached=answer.cached)


def _facts(answer: CanaryAnswer) -> tuple[str, ...]:
    refusal = answer.refusal
    facts: list[str] = []
    if refusal is not None:
        if refusal.guardrails:
            facts.append(f"guardrail {', '.join(refusal.guardrails)}")
        if refusal.kind:
            facts.append(f"error type {refusal.kind}")
        if refusal.provider:
            facts.append(f"provider {refusal.provider}")
    if answer.rules:
        facts.append(f"applied rules {answer.rules}")
    return tuple(facts)


def _evidence(answer: CanaryAnswer) -> dict[str, Scalar]:
    evidence: dict[str, Scalar] = {"status": answer.status, "trace_id": answer.trace_id}
    if answer.model is not None:
        evidence["model"] = answer.model
    if answer.finish_reason is not None:
        evidence["finish_reason"] = answer.finish_reason
    evidence.update({f"{kind}_tokens": count for kind, count in answer.usage.items()})
    return evidence
