"""Does the gateway serve a request? One chat completion, unique, tagged, never retried, recorded before it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from monitor.checks.answers import CANNOT_ASK, judge_answer, needs_a_ping
from monitor.checks.blindness import our_own
from monitor.checks.gateway import blame_or_doubt, judge_ping
from monitor.core.arrival import REMEMBERED
from monitor.core.canary import NONCE_ENTRY, Canary, IdSource
from monitor.core.inputs import CanaryAnswered, CanaryPlanned, Observation
from monitor.core.model import (
    Blindness,
    Charge,
    CheckName,
    Fault,
    Finding,
    Scalar,
    Seconds,
    TraceId,
    Verdict,
    failing,
    unknown,
)
from monitor.core.pace import Barred, bar_canary
from monitor.core.state import TargetState, TraceIdMode
from monitor.ports import CanaryAnswer, CanaryRequest, Clock, Gateway, Journal, Unreachable, Witness

DEFAULT_PROMPT = "This is a health check of the gateway. Answer with the single word: pong."
_PING_TIMEOUT: Seconds = 5.0
_TOO_MANY = 429
_LONGEST_ANSWER = 2000  # characters kept of an answer: parts of it are enough to recognise it by
_BEFORE_SENDING = frozenset({"dns", "connect", "tls", "denied", "proxy", "shortage"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryOptions:
    """What a canary asks."""

    model: str
    prompt: str | None = None
    max_tokens: int | None = 16
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


class Exchanges:
    """What canaries ask and are answered: by these words content is recognised in a trace.

    An answer is foreign text: it is kept in the memory of the process alone, and shown nowhere. After a restart the nonce and the
    prompt still prove that a trace holds content.
    """

    def __init__(self, prompt: str | None) -> None:
        self._prompt = prompt or DEFAULT_PROMPT
        self._answers: dict[str, str] = {}

    def prompt_of(self, nonce: str) -> str:
        """What the canary of a nonce asks."""
        return f"{self._prompt}\n({nonce})"

    def keep(self, nonce: str, answer: str) -> None:
        """Remember what it was answered; the oldest are forgotten."""
        self._answers[nonce] = answer[:_LONGEST_ANSWER]
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]

    def texts_of(self, nonce: str) -> tuple[str, ...]:
        """What it asked, and what it was answered."""
        return self.prompt_of(nonce), self._answers.get(nonce, "")


class CanaryCheck:
    """Sends one canary and says what its answer means; whether its trace arrives is for `arrival` to see."""

    name = CheckName.CANARY

    def __init__(
        self,
        gateway: Gateway,
        witness: Witness,
        clock: Clock,
        options: CanaryOptions,
        exchanges: Exchanges | None = None,
    ) -> None:
        self._gateway = gateway
        self._witness = witness
        self._clock = clock
        self._options = options
        self._exchanges = exchanges if exchanges is not None else Exchanges(options.prompt)

    async def look(self, journal: Journal) -> None:
        """Send one canary, unless it is barred."""
        barred = bar_canary(journal.state, journal.policy, self._clock.now())
        if barred is not None:
            await journal.absorb(self._report(barred))
            return
        await self.send(journal)

    def _report(self, barred: Barred) -> Observation:
        finding = unknown(barred.summary, barred.blindness)
        return Observation(check=self.name, at=self._clock.now(), took=0.0, finding=finding)

    async def send(self, journal: Journal) -> None:
        """Send one canary, whatever the budget says."""
        planned = self._plan(journal.policy.account)
        await journal.absorb(CanaryPlanned(at=planned.sent_at, canary=planned), durable=True)
        started = self._clock.monotonic()
        request = self._request(planned, journal.policy.cadences[self.name].deadline)
        try:
            answer = await self._gateway.complete(request)
        except Unreachable as error:
            took = self._clock.monotonic() - started
            finding = await self._judge_silence(error)
            await journal.absorb(
                CanaryAnswered(
                    at=planned.sent_at, took=took, canary=planned, finding=finding, phases=dict(error.phases.items())
                ),
                durable=True,
            )
            return
        took = self._clock.monotonic() - started
        self._exchanges.keep(planned.nonce, answer.text)
        finding = await self._judge(answer)
        await journal.absorb(
            CanaryAnswered(
                at=planned.sent_at,
                took=took,
                canary=settle_identity(planned, answer, finding, journal, answered_at=planned.sent_at + took),
                finding=finding,
                phases=dict(answer.phases.items()),
                rate_limited=answer.status == _TOO_MANY,
                retry_after=answer.retry_after,
            ),
            durable=True,
        )

    def _plan(self, account: str) -> Canary:
        trace_id = TraceId(self._clock.draw_hex(32))
        return Canary(
            id=trace_id[:16],
            sent_at=self._clock.now(),
            sent_id=trace_id,
            span_id=self._clock.draw_hex(16),
            nonce=f"gtm-{self._clock.draw_hex(16)}",
            account=account,
        )

    def _request(self, canary: Canary, timeout: Seconds) -> CanaryRequest:
        options = self._options
        return CanaryRequest(
            prompt=self._exchanges.prompt_of(canary.nonce),
            model=options.model,
            max_tokens=options.max_tokens,
            parameters=options.parameters,
            metadata={NONCE_ENTRY: canary.nonce, **canary_metadata(options.metadata)},
            traceparent=f"00-{canary.sent_id}-{canary.span_id}-01",  # 01: sampled, or LiteLLM and others export nothing
            timeout=timeout,
        )

    async def _judge(self, answer: CanaryAnswer) -> Finding:
        try:
            gateway_answers = await self._gateway_answers() if needs_a_ping(answer) else None
        except Unreachable as own:
            return await blame_or_doubt(own, self._witness)
        return judge_answer(answer, gateway_answers=gateway_answers, model=self._options.model)

    async def _judge_silence(self, error: Unreachable) -> Finding:
        """No HTTP answer. A timeout, or a connection lost after sending, is the provider's when the gateway itself answers."""
        if error.kind in _BEFORE_SENDING:
            return await blame_or_doubt(error, self._witness)
        if (ours := our_own(error, "the gateway", {"kind": error.kind})) is not None:
            return ours
        try:
            answers = await self._gateway_answers()
        except Unreachable as own:
            return await blame_or_doubt(own, self._witness)
        if answers is None:
            summary = f"no answer to the canary: {error}; {CANNOT_ASK}"
            return unknown(summary, Blindness.BLOCKED, {"kind": error.kind})
        if not answers:
            return await blame_or_doubt(error, self._witness)
        charge = Charge(
            fault=Fault.PROVIDER_FAILING,
            summary=f"no answer to the canary: {error}",
            facts=("the gateway itself answers its health path",),
        )
        return failing(charge.summary, charge, evidence={"kind": error.kind})

    async def _gateway_answers(self) -> bool | None:
        """Whether the gateway answers its health path; None where we are kept from asking. Raises Unreachable by our own shortage."""
        try:
            ping = await self._gateway.ping(timeout=_PING_TIMEOUT)
        except Unreachable as error:
            if our_own(error, "", {}) is not None:
                raise
            return False
        verdict = judge_ping(ping).verdict
        return None if verdict is Verdict.UNKNOWN else verdict is Verdict.PASS


def canary_metadata(more: Mapping[str, str]) -> dict[str, str]:
    """What every canary's metadata says besides its nonce."""
    return {"tfy_monitor": "canary", **more}


def settle_identity(
    planned: Canary, answer: CanaryAnswer, finding: Finding, journal: Journal, *, answered_at: float
) -> Canary:
    """The canary after its answer: by which id its trace will be looked for, and whether absence may mean anything."""
    trace_id, source = choose_id(planned, answer, journal.state, journal.policy.trace_id)
    accepted = finding.verdict is Verdict.PASS
    return replace(
        planned,
        answered_at=answered_at if accepted or trace_id is not None else None,
        accepted=accepted,
        trace_id=trace_id,
        id_source=source,
        destination=answer.destination,
        model=answer.model,
        usage=answer.usage,
        evidence=finding.evidence,
    )


def choose_id(
    planned: Canary, answer: CanaryAnswer, state: TargetState, mode: TraceIdMode
) -> tuple[TraceId | None, IdSource | None]:
    """The trace id to look for: the gateway's own word, else ours if it may be honoured, else none (the nonce must do).

    The gateway is said to ignore `traceparent` from outside (https://github.com/truefoundry/skills/issues/52), others
    honour it: with `auto` ours is tried until this gateway has shown that it makes its own.
    """
    if mode is not TraceIdMode.TRACEPARENT and answer.trace_id is not None:
        return answer.trace_id, IdSource.FEEDBACK
    if mode is TraceIdMode.FEEDBACK:
        return None, None
    served = answer.completion and not answer.cached
    if mode is TraceIdMode.AUTO and (state.honours_traceparent is False or not served):
        return None, None
    return planned.sent_id, IdSource.TRACEPARENT
