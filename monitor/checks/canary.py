"""Does the gateway serve a request? One chat completion, unique, tagged, never retried, recorded before it is sent.

Provider statuses pass through the gateway. Its own error envelope, or a gateway that answers its health path, means that a
5xx is the provider's; the shapes are recorded in https://github.com/truefoundry/models (pull requests 804 to 961).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from monitor.checks.gateway import judge_ping, judge_unreachable_gateway
from monitor.checks.verdicts import own_failure
from monitor.connectivity import ConnectivityProbe
from monitor.core.arrival import REMEMBERED
from monitor.core.canary import NONCE_ENTRY, Canary, DecoyKind, IdSource, decoy_of, sentence_with
from monitor.core.inputs import CanaryAnswered, CanaryPlanned, Observation
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Scalar,
    Seconds,
    Suspicion,
    TraceId,
    UnknownReason,
    Verdict,
    failing,
    passing,
    unknown,
)
from monitor.core.pace import why_not_send
from monitor.core.state import TargetState, TraceIdMode
from monitor.core.suspicions import step_for_rejection
from monitor.core.text import code
from monitor.ports import CanaryAnswer, CanaryRequest, Clock, Gateway, Refusal, TargetStore, Unreachable

DEFAULT_PROMPT = "This is a health check of the gateway. Answer with the single word: pong."
_PING_TIMEOUT: Seconds = 5.0
_LONGEST_ANSWER = 2000  # characters kept of an answer: parts of it are enough to recognise it by
# It was not sent, or we did not run: no silence of the provider's.
_NOT_THE_PROVIDERS = frozenset({"dns", "connect", "tls", "denied", "proxy", "shortage", "starved"})

_OK, _REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 200, 300, 400, 500
_TOO_MANY = 429
_PROVIDER_ORIGIN = "api_error"
_CANNOT_ASK = (
    "something in front of the gateway rejects the monitor, so whether the gateway itself is healthy is not known"
)
_EMPTY = frozenset({"{}", "[]", "null"})
_NO_REFUSAL = Refusal(message="")


class CanaryTexts:
    """What canaries ask and are answered: by these texts content is recognised in a trace.

    An answer is foreign text: it is kept in the memory of the process alone, and shown nowhere. After a restart the nonce and the
    prompt still prove that a trace holds content.
    """

    def __init__(self, prompt: str | None, decoy: DecoyKind = DecoyKind.NONE) -> None:
        self._prompt = prompt or DEFAULT_PROMPT
        self._decoy = decoy
        self._answers: dict[str, str] = {}

    def prompt_of(self, nonce: str) -> str:
        """What the canary of a nonce asks."""
        return f"{self._prompt}\n({nonce}){sentence_with(self.decoy_of(nonce))}"

    def decoy_of(self, nonce: str) -> str:
        """What is planted in the canary of a nonce."""
        return decoy_of(self._decoy, nonce)

    def keep(self, nonce: str, answer: str) -> None:
        """Remember what it was answered; the oldest are forgotten."""
        self._answers[nonce] = answer[:_LONGEST_ANSWER]
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]

    def texts_of(self, nonce: str) -> tuple[str, ...]:
        """What it asked, and what it was answered."""
        return self.prompt_of(nonce), self._answers.get(nonce, "")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CanaryCheck:
    """Sends one canary and says what its answer means; whether its trace arrives is for `arrival` to see.

    `template` is what every canary asks for, besides what makes it this one: its prompt, its nonce, its trace.
    """

    name = CheckName.CANARY

    gateway: Gateway
    connectivity: ConnectivityProbe
    clock: Clock
    template: CanaryRequest
    texts: CanaryTexts

    async def look(self, target_store: TargetStore) -> None:
        """Send one canary, unless there is a reason not to."""
        now = self.clock.now()
        not_sent = why_not_send(target_store.state, target_store.policy, now)
        if not_sent is None:
            await self.send(target_store)
        else:
            result = unknown(not_sent.summary, not_sent.unknown_reason)
            await target_store.apply(Observation(check=self.name, at=now, took=0.0, result=result))

    async def send(self, target_store: TargetStore) -> None:
        """Send one canary, whatever the budget says: recorded before it goes out, and again with what came back."""
        sent_id = TraceId(self.clock.draw_hex(32))
        canary = Canary(
            id=sent_id[:16],
            sent_at=self.clock.now(),
            sent_id=sent_id,
            span_id=self.clock.draw_hex(16),
            nonce=f"gtm-{self.clock.draw_hex(16)}",
            account=target_store.policy.account,
        )
        await target_store.apply(CanaryPlanned(at=canary.sent_at, canary=canary), durable=True)
        request = replace(
            self.template,
            prompt=self.texts.prompt_of(canary.nonce),
            metadata={NONCE_ENTRY: canary.nonce, **canary_metadata(self.template.metadata)},
            traceparent=f"00-{canary.sent_id}-{canary.span_id}-01",  # 01: sampled, or LiteLLM and others export nothing
            timeout=target_store.policy.cadences[self.name].deadline,
        )
        started = self.clock.monotonic()
        came: CanaryAnswer | Unreachable
        try:
            came = await self.gateway.complete(request)
        except Unreachable as error:
            came = error
        took = self.clock.monotonic() - started
        answer = came if isinstance(came, CanaryAnswer) else None
        if answer is not None:
            self.texts.keep(canary.nonce, answer.text)
        result = await self._judge(came)
        await target_store.apply(
            CanaryAnswered(
                at=canary.sent_at,
                took=took,
                canary=_after(answer, canary, target_store, result, took) if answer is not None else canary,
                result=result,
                phases=dict(came.phases.items()),
                rate_limited=answer is not None and answer.status == _TOO_MANY,
                retry_after=answer.retry_after if answer is not None else None,
            ),
            durable=True,
        )

    async def _judge(self, came: CanaryAnswer | Unreachable) -> CheckResult:
        """What came back; where the monitor itself is short of something and cannot ask the health path, nobody is accused."""
        try:
            if isinstance(came, Unreachable):
                return await self._judge_no_answer(came)
            gateway_answers = await self._gateway_answers() if needs_a_ping(came) else None
        except Unreachable as own:
            return await judge_unreachable_gateway(own, self.connectivity)
        return judge_answer(came, gateway_answers=gateway_answers, model=self.template.model)

    async def _judge_no_answer(self, error: Unreachable) -> CheckResult:
        """A timeout, or a connection lost after sending, is the provider's when the gateway itself answers."""
        answers = await self._gateway_answers() if error.kind not in _NOT_THE_PROVIDERS else False
        what, evidence = f"the canary got no answer: {error}", {"kind": error.kind}
        if answers is None:
            return unknown(f"{what}; {_CANNOT_ASK}", UnknownReason.BLOCKED, evidence)
        if not answers:
            return await judge_unreachable_gateway(error, self.connectivity)
        facts = ("the gateway answers its health path, so the provider behind it is the suspect",)
        return failing(Suspicion(fault=Fault.PROVIDER_FAILING, summary=what, facts=facts), evidence=evidence)

    async def _gateway_answers(self) -> bool | None:
        """Whether the gateway answers its health path; None where it cannot be asked. Raises Unreachable by an own shortage."""
        try:
            ping = await self.gateway.ping(timeout=_PING_TIMEOUT)
        except Unreachable as error:
            if own_failure(error, "", {}) is not None:
                raise
            return False
        verdict = judge_ping(ping).verdict
        return None if verdict is Verdict.UNKNOWN else verdict is Verdict.PASS


def canary_metadata(more: Mapping[str, str]) -> dict[str, str]:
    """What every canary's metadata says besides its nonce."""
    return {"tfy_monitor": "canary", **more}


def _after(
    answer: CanaryAnswer, planned: Canary, target_store: TargetStore, result: CheckResult, took: Seconds
) -> Canary:
    """The canary after its answer: by which id its trace will be looked for, and whether absence may mean anything."""
    accepted = result.verdict is Verdict.PASS
    trace_id, source = choose_id(planned, answer, target_store.state, target_store.policy.trace_id)
    return replace(
        planned,
        answered_at=planned.sent_at + took if accepted or trace_id is not None else None,
        accepted=accepted,
        trace_id=trace_id,
        id_source=source,
        destination=answer.destination,
        model=answer.model,
        usage=answer.usage,
        evidence=result.evidence,
    )


def choose_id(
    planned: Canary, answer: CanaryAnswer, state: TargetState, mode: TraceIdMode
) -> tuple[TraceId | None, IdSource | None]:
    """The trace id to look for: the gateway's own word, else the monitor's if it may be honoured, else none (the nonce must do).

    The gateway is said to ignore `traceparent` from outside (https://github.com/truefoundry/skills/issues/52), others
    honour it: with `auto` the monitor's is tried until this gateway has shown that it makes its own.
    """
    if mode is not TraceIdMode.TRACEPARENT and answer.trace_id is not None:
        return answer.trace_id, IdSource.FEEDBACK
    if mode is TraceIdMode.FEEDBACK:
        return None, None
    served = answer.completion and not answer.cached
    if mode is TraceIdMode.AUTO and (state.honours_traceparent is False or not served):
        return None, None
    return planned.sent_id, IdSource.TRACEPARENT


# --- what an answer means --------------------------------------------------------------------------------------------


def needs_a_ping(answer: CanaryAnswer) -> bool:
    """Whether only the health path shows whose 5xx this is."""
    refusal = answer.refusal or _NO_REFUSAL
    return answer.status >= _SERVER_ERROR and not refusal.envelope and not answer.blocked and not answer.edge


def judge_answer(answer: CanaryAnswer, *, gateway_answers: bool | None, model: str = "") -> CheckResult:
    """The verdict on an HTTP answer to a request for `model`.

    `gateway_answers` is None where the health path was not, or could not be, asked.
    """
    evidence = _evidence(answer)
    refusal = answer.refusal or _NO_REFUSAL
    said = f": {refusal.message}" if refusal.message else ""
    summary = f"HTTP {answer.status}{said}"
    if answer.blocked:
        return unknown("Cloudflare rejects the monitor (error 1010)", UnknownReason.BLOCKED, evidence)
    if _OK <= answer.status < _REDIRECT:
        return _judge_success(answer, refusal, said, evidence)
    if needs_a_ping(answer) and gateway_answers is None:
        return unknown(f"{summary}; {_CANNOT_ASK}", UnknownReason.BLOCKED, evidence)
    if answer.edge:
        summary = f"Cloudflare cannot reach the gateway behind it (HTTP {answer.status})"
    providers = refusal.origin == _PROVIDER_ORIGIN and refusal.provider is not None
    match answer.status:
        case 429:
            fault = Fault.RATE_LIMITED
        case 401:  # a provider's refusal of the gateway's own credential is passed through
            fault = Fault.PROVIDER_FAILING if providers else Fault.GATEWAY_REFUSED
        case 408:
            fault = Fault.PROVIDER_FAILING
        case status if status < _SERVER_ERROR:
            fault = Fault.CANARY_REJECTED
        case _:
            behind = not answer.edge and (refusal.envelope or gateway_answers)
            fault = Fault.PROVIDER_FAILING if behind else Fault.GATEWAY_UNREACHABLE
    rejected = fault is Fault.CANARY_REJECTED
    step = step_for_rejection(status=answer.status, model=model, guardrails=refusal.guardrails, cached=answer.cached)
    return failing(
        Suspicion(fault=fault, summary=summary, facts=_facts(answer), step=step if rejected else ""), evidence=evidence
    )


def _judge_success(answer: CanaryAnswer, refusal: Refusal, said: str, evidence: Mapping[str, Scalar]) -> CheckResult:
    """A 2xx is no completion yet."""
    if not answer.completion and refusal.unread:
        return unknown(f"the answer to the canary was not read: {refusal.unread}", UnknownReason.GARBLED, evidence)
    facts: tuple[str, ...] = ()
    title = "The gateway answers the canary from its cache" if answer.cached and answer.completion else ""
    step = step_for_rejection(status=answer.status, model="", guardrails=refusal.guardrails, cached=answer.cached)
    if not answer.completion and refusal.error:
        summary = f"HTTP {answer.status} with an error instead of a chat completion{said}"
        facts, step = _facts(answer), step_for_rejection(status=_CLIENT_ERROR, model="", guardrails=refusal.guardrails)
    elif not answer.completion:
        summary = f"HTTP {answer.status} without a chat completion"
    elif answer.cached:
        summary = "the gateway answered from its cache although every prompt is unique"
    else:
        return passing(f"the gateway served the canary{f' (model {answer.model})' if answer.model else ''}", evidence)
    suspicion = Suspicion(fault=Fault.CANARY_REJECTED, title=title, summary=summary, facts=facts, step=step)
    return failing(suspicion, evidence=evidence)


def _facts(answer: CanaryAnswer) -> tuple[str, ...]:
    refusal = answer.refusal or _NO_REFUSAL
    facts = {
        "guardrail": ", ".join(refusal.guardrails),
        "error type": refusal.kind,
        "provider": refusal.provider,
        "rules applied": answer.rules,
    }
    return tuple(f"{name}: {code(said)}" for name, said in facts.items() if said and said not in _EMPTY)


def _evidence(answer: CanaryAnswer) -> dict[str, Scalar]:
    named = {"model": answer.model, "finish_reason": answer.finish_reason}
    return {
        "status": answer.status,
        "trace_id": answer.trace_id,
        **{name: said for name, said in named.items() if said is not None},
        **{f"{kind}_tokens": count for kind, count in answer.usage.items()},
    }
