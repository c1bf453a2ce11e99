"""One chat completion: unique, tagged, never retried, recorded before it is sent."""

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from monitor.checks.canary import DEFAULT_PROMPT, CanaryCheck, CanaryTexts, choose_id
from monitor.core.canary import Canary, IdSource
from monitor.core.events import CanaryReturned
from monitor.core.inputs import CanaryAnswered, Observation
from monitor.core.model import CheckName, Fault, Phases, Service, TraceId, UnknownReason
from monitor.core.state import Backoff, Budget, Cadence, TargetState, TraceIdMode
from monitor.ports import CanaryAnswer, CanaryRequest, Garbled, Gateway, Ping, Refusal, Unreachable
from monitor.settings import target
from tests.checks.bench import PROD, Diary, FakeConnectivity, ScriptedGateway, says
from tests.core.build import POLICY
from tests.fakes.clock import START, FakeClock

NAMED = TraceId("ab" * 16)
SERVED = CanaryAnswer(
    status=200,
    completion=True,
    trace_id=NAMED,
    destination="default",
    model="gpt-4o-mini",
    usage={"input": 20, "output": 2},
    phases=Phases(connect=0.01, processing=0.4),
)
REFUSED = CanaryAnswer(status=403, refusal=Refusal(message="no such model", envelope=True))


class Bench:
    """A canary check and everything around it."""

    def __init__(self, state: TargetState | None = None, **policy: Any) -> None:
        self.clock = FakeClock()
        self.gateway = ScriptedGateway(answer=SERVED)
        self.connectivity = FakeConnectivity()
        self.diary = Diary(self.clock, replace(POLICY, **policy), state)
        self.template = CanaryRequest(model="openai-main/gpt-4o-mini")
        self.texts = CanaryTexts(None)

    def check(self, gateway: Gateway | None = None) -> CanaryCheck:
        """The check under test, before its own gateway or another."""
        return CanaryCheck(gateway or self.gateway, self.connectivity, self.clock, self.template, self.texts)

    async def look(self) -> "Bench":
        """Let it look."""
        await self.check().look(self.diary)
        return self

    @property
    def answered(self) -> CanaryAnswered:
        """What was reported."""
        return self.diary.only(CanaryAnswered)

    @property
    def request(self) -> CanaryRequest:
        """What was sent."""
        assert len(self.gateway.requests) == 1
        return self.gateway.requests[0]

    @property
    def canary(self) -> Canary:
        """What is remembered."""
        return self.diary.state.canaries[-1]


# --- before it is sent -----------------------------------------------------------------------------------------------


async def test_a_canary_cannot_be_forgotten_once_it_is_sent() -> None:
    """Recorded, paid for and durable before the first byte leaves."""
    bench = Bench()
    known: list[TargetState] = []
    bench.gateway.before = lambda: known.extend(bench.diary.committed)
    await bench.look()
    assert [canary.sent_id for canary in known[-1].canaries] == [bench.canary.sent_id]
    assert known[-1].canaries[0].answered_at is None
    assert known[-1].budget.sent == 1


async def test_what_became_of_it_is_durable_too() -> None:
    """The tokens it cost are spent, also after a death a moment later."""
    bench = await Bench().look()
    last = bench.diary.committed[-1]
    assert (last.canaries[0].answered_at, last.budget.tokens) == (START, 22)


async def test_a_refusal_to_commit_sends_nothing() -> None:
    """Whoever cannot remember a canary must not send it."""
    bench = Bench()

    async def fail(_state: TargetState) -> None:
        raise OSError("the disk is gone")

    bench.diary._save = fail
    with pytest.raises(OSError, match="the disk is gone"):
        await bench.look()
    assert bench.gateway.requests == []


# --- what is sent ----------------------------------------------------------------------------------------------------


async def test_every_canary_is_unique() -> None:
    """Its nonce stands in the prompt, so that no cache can answer, and in the metadata, so that it can be found."""
    bench = await Bench().look()
    await bench.look()
    first, second = bench.gateway.requests
    assert first.prompt != second.prompt
    nonce = first.metadata["probe_id"]
    assert re.fullmatch(r"gtm-[0-9a-f]{16}", nonce)
    assert first.prompt == f"{DEFAULT_PROMPT}\n({nonce})"
    assert bench.diary.state.canaries[0].nonce == nonce


async def test_its_traceparent_is_complete_and_sampled() -> None:
    """Version 00, ids that are not all zero, and the flag without which LiteLLM and others export nothing."""
    bench = await Bench().look()
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", bench.request.traceparent)
    assert found is not None
    assert found.groups() == (bench.canary.sent_id, bench.canary.span_id)
    assert int(found[1], 16)
    assert int(found[2], 16)


async def test_a_canary_says_that_it_is_one() -> None:
    """By metadata that a filter or a bill can be made of."""
    bench = await Bench().look()
    assert bench.request.metadata["tfy_monitor"] == "canary"


async def test_the_operators_options_are_asked_for() -> None:
    """Prompt, tokens, parameters and metadata are handed on as configured."""
    bench = Bench()
    bench.template = CanaryRequest(model="m", max_tokens=None, parameters={"temperature": 0}, metadata={"team": "ml"})
    bench.texts = CanaryTexts("Say hi.")
    request = (await bench.look()).request
    assert request.prompt.startswith("Say hi.\n(gtm-")
    assert (request.model, request.max_tokens, request.parameters) == ("m", None, {"temperature": 0})
    assert request.metadata["team"] == "ml"


async def test_it_waits_as_long_as_it_is_asked_to() -> None:
    """`checks.canary.timeout` is the deadline of the request."""
    cadence = Cadence(every=300, every_while_failing=60, deadline=42)
    bench = await Bench(cadences={**POLICY.cadences, CheckName.CANARY: cadence}).look()
    assert bench.request.timeout == 42


async def test_a_refused_canary_is_not_sent_again() -> None:
    """No retries: each costs money, and hides what happened."""
    for answer in (REFUSED, CanaryAnswer(status=503), Unreachable("reset", kind="reset")):
        bench = Bench()
        bench.gateway.answer = answer
        await bench.look()
        assert len(bench.gateway.requests) == 1


# --- when none is sent -----------------------------------------------------------------------------------------------


async def test_a_spent_budget_sends_nothing() -> None:
    """It is unknown, `budget_spent`, and nothing is recorded as sent."""
    spent = TargetState(target=PROD, budget=Budget(day=int(START // 86_400), sent=500))
    bench = await Bench(spent).look()
    seen = bench.diary.only(Observation)
    assert (seen.check, says(seen.result)) == (CheckName.CANARY, ("unknown", UnknownReason.BUDGET_SPENT))
    assert bench.gateway.requests == []
    assert bench.diary.state.canaries == ()


async def test_the_last_canary_of_the_budget_is_sent() -> None:
    """The limit itself is allowed."""
    almost = TargetState(target=PROD, budget=Budget(day=int(START // 86_400), sent=499))
    bench = await Bench(almost).look()
    assert bench.diary.state.budget.sent == 500
    await bench.look()
    assert len(bench.gateway.requests) == 1


async def test_tokens_are_a_budget_too() -> None:
    """By the answers' usage: none is sent when the day's tokens are used up."""
    spent = TargetState(target=PROD, budget=Budget(day=int(START // 86_400), input_tokens=40_000, output_tokens=10_000))
    bench = await Bench(spent, limits=target.CanaryCheck(max_tokens_per_day=50_000)).look()
    assert bench.diary.only(Observation).result.unknown_reason is UnknownReason.BUDGET_SPENT


async def test_a_hold_is_respected() -> None:
    """After a 429 nothing is sent before the time is over."""
    bench = await Bench(TargetState(target=PROD, backoff=Backoff(until=START + 1, step=600))).look()
    assert bench.diary.only(Observation).result.unknown_reason is UnknownReason.PAUSED
    bench.clock.jump(2)
    await bench.look()
    assert len(bench.gateway.requests) == 1


async def test_a_429_says_for_how_long() -> None:
    """Retry-After is handed on with the verdict."""
    bench = Bench()
    bench.gateway.answer = CanaryAnswer(status=429, retry_after=120.0)
    await bench.look()
    assert (bench.answered.rate_limited, bench.answered.retry_after) == (True, 120.0)
    assert says(bench.answered.result) == ("fail", Fault.RATE_LIMITED)
    assert bench.diary.state.backoff == Backoff(until=START + 120, step=600)


async def test_send_asks_for_no_budget() -> None:
    """`trace-monitor check` sends its canary whatever the daemon has spent."""
    bench = Bench(TargetState(target=PROD, budget=Budget(day=int(START // 86_400), sent=500)))
    await bench.check().send(bench.diary)
    assert len(bench.gateway.requests) == 1


# --- what became of it -----------------------------------------------------------------------------------------------


async def test_a_served_canary_is_awaited_from_its_answer_on() -> None:
    """The deadlines of its trace count from when the answer was complete."""
    bench = Bench()
    check = bench.check(_Slow(bench.clock, SERVED, 2.5))
    await _let(bench.clock, check.look(bench.diary))
    assert (bench.canary.sent_at, bench.canary.answered_at) == (START, START + 2.5)
    assert bench.answered.took == pytest.approx(2.5)
    assert bench.canary.pending


async def test_its_time_is_measured_by_a_clock_that_never_jumps() -> None:
    """A wall clock set back while it is under way makes no negative duration."""
    bench = Bench()
    gateway = _Slow(bench.clock, SERVED, 2.5, jump=-3600)
    await _let(bench.clock, bench.check(gateway).look(bench.diary))
    assert bench.answered.took == pytest.approx(2.5)


async def test_what_it_asks_and_is_answered_can_be_recognised_in_its_trace() -> None:
    """In the memory of the process alone: the answer is foreign text, and no input of the core carries it."""
    bench = Bench()
    bench.gateway.answer = replace(SERVED, text="The answer is a long one.")
    texts = bench.texts
    await bench.look()
    assert texts.texts_of(bench.canary.nonce) == (bench.request.prompt, "The answer is a long one.")
    assert "The answer is a long one." not in repr((bench.diary.state, bench.answered, bench.gateway.answer))
    for number in range(1000):
        texts.keep(str(number), "x" * 10_000)
    assert texts.texts_of(bench.canary.nonce) == (bench.request.prompt, "")
    assert sum(len(texts.texts_of(str(number))[1]) for number in range(1000)) == 200 * 2000


async def test_the_answer_is_remembered() -> None:
    """The gateway's own trace id, where its own store keeps it, model, tokens."""
    canary = (await Bench().look()).canary
    assert (canary.trace_id, canary.id_source, canary.destination) == (NAMED, IdSource.FEEDBACK, "default")
    assert (canary.model, canary.usage, canary.accepted) == ("gpt-4o-mini", {"input": 20, "output": 2}, True)


async def test_listeners_get_phases_and_tokens() -> None:
    """For the metrics."""
    bench = await Bench().look()
    returned = next(event for event in bench.diary.events if isinstance(event, CanaryReturned))
    assert returned.phases == {"connect": 0.01, "processing": 0.4}
    assert (returned.input_tokens, returned.output_tokens) == (20, 2)
    assert bench.diary.state.phases == {"connect": 0.01, "processing": 0.4}


async def test_a_refused_canary_without_a_trace_is_not_awaited() -> None:
    """Its absence would prove nothing."""
    bench = Bench()
    bench.gateway.answer = REFUSED
    await bench.look()
    assert (bench.canary.accepted, bench.canary.answered_at, bench.canary.pending) == (False, None, False)


async def test_a_refused_canary_with_a_trace_id_is_awaited() -> None:
    """Its arrival would prove that the export works."""
    bench = Bench()
    bench.gateway.answer = replace(REFUSED, trace_id=NAMED)
    await bench.look()
    assert (bench.canary.accepted, bench.canary.trace_id, bench.canary.pending) == (False, NAMED, True)


async def test_a_server_error_while_we_cannot_ask_who_sent_it_accuses_nobody() -> None:
    """The health path is not asked for want of descriptors of our own."""
    bench = Bench()
    bench.gateway.answer = CanaryAnswer(status=502)
    bench.gateway.health = Unreachable("the monitor is out of file descriptors", kind="shortage")
    await bench.look()
    assert says(bench.answered.result) == ("unknown", UnknownReason.SHORTAGE)


# --- whose silence it is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "health", "another_answers", "said"),
    [
        # nothing was sent: the gateway is not reachable, if another service answers
        ("dns", Ping(status=200), True, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ("connect", Ping(status=200), True, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ("tls", Ping(status=200), True, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ("connect", Ping(status=200), False, ("unknown", UnknownReason.NO_WITNESS)),
        ("denied", Ping(status=200), True, ("unknown", UnknownReason.UNREACHABLE)),
        ("shortage", Ping(status=200), True, ("unknown", UnknownReason.SHORTAGE)),
        ("starved", Ping(status=200), True, ("unknown", UnknownReason.STARVED)),
        ("timeout", Unreachable("out of memory", kind="shortage"), True, ("unknown", UnknownReason.SHORTAGE)),
        # it was sent: the provider's silence, if the gateway itself answers
        ("timeout", Ping(status=200), False, ("fail", Fault.PROVIDER_FAILING)),
        ("timeout", Ping(status=404), True, ("fail", Fault.PROVIDER_FAILING)),
        ("reset", Ping(status=200), True, ("fail", Fault.PROVIDER_FAILING)),
        ("protocol", Ping(status=200), True, ("fail", Fault.PROVIDER_FAILING)),
        ("timeout", Ping(status=503), True, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ("timeout", Ping(status=302), True, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ("timeout", Unreachable("no answer", kind="timeout"), True, ("fail", Fault.GATEWAY_UNREACHABLE)),
        ("timeout", Unreachable("no answer", kind="timeout"), False, ("unknown", UnknownReason.NO_WITNESS)),
        # the gateway cannot be asked: nobody is accused
        ("timeout", Ping(status=403, blocked=True), True, ("unknown", UnknownReason.BLOCKED)),
    ],
)
async def test_no_answer_is_blamed_on_whoever_did_not_answer(
    kind: str, health: Ping | Unreachable, *, another_answers: bool, said: tuple[Any, ...]
) -> None:
    """A timeout is the provider's when the gateway answers, the gateway's when another service does, else our own network's."""
    bench = Bench()
    bench.gateway.answer = Unreachable("no answer within 60 s", kind=kind, phases=Phases(connect=0.01))
    bench.gateway.health = health
    bench.connectivity.another_answers = another_answers
    await bench.look()
    assert says(bench.answered.result) == said
    assert (bench.canary.answered_at, bench.canary.pending) == (None, False)
    assert bench.answered.phases == {"connect": 0.01}
    assert not [event for event in bench.diary.events if isinstance(event, CanaryReturned)]


async def test_another_service_is_asked_against_the_gateway() -> None:
    """Not the gateway itself: another service."""
    bench = Bench()
    bench.gateway.answer = Unreachable("refused", kind="connect")
    await bench.look()
    assert bench.connectivity.asked == [Service.GATEWAY]


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (Ping(status=200), ("fail", Fault.PROVIDER_FAILING)),
        (Ping(status=500), ("fail", Fault.GATEWAY_UNREACHABLE)),
        (Unreachable("gone", kind="connect"), ("fail", Fault.GATEWAY_UNREACHABLE)),
        (Ping(status=403, blocked=True), ("unknown", UnknownReason.BLOCKED)),
    ],
)
async def test_a_bare_5xx_is_judged_by_the_health_path(health: Ping | Unreachable, said: tuple[Any, ...]) -> None:
    """Without the gateway's envelope, a gateway that answers `path` says that it is the provider's."""
    bench = Bench()
    bench.gateway.answer = CanaryAnswer(status=503, refusal=Refusal(message="upstream"))
    bench.gateway.health = health
    await bench.look()
    assert says(bench.answered.result) == said


async def test_what_no_port_promises_is_not_caught_here() -> None:
    """Anything but Unreachable is a bug of an adapter: the runner's guard reports it."""
    bench = Bench()
    bench.gateway.answer = Garbled("this cannot be")
    with pytest.raises(Garbled):
        await bench.look()
    assert len(bench.diary.state.canaries) == 1


# --- by which id its trace is looked for -----------------------------------------------------------------------------

AUTO, FEEDBACK, TRACEPARENT = TraceIdMode.AUTO, TraceIdMode.FEEDBACK, TraceIdMode.TRACEPARENT
OURS = TraceId("0f" * 16)
NOTHING = (None, None)
GUESSED = (OURS, IdSource.TRACEPARENT)
GIVEN = (NAMED, IdSource.FEEDBACK)


@pytest.mark.parametrize(
    ("mode", "honours", "answer", "chosen"),
    [
        (AUTO, None, {"trace_id": NAMED}, GIVEN),
        (AUTO, True, {"trace_id": NAMED}, GIVEN),
        (AUTO, None, {}, GUESSED),
        (AUTO, True, {}, GUESSED),
        (AUTO, False, {}, NOTHING),
        (AUTO, None, {"completion": False, "status": 403}, NOTHING),
        (AUTO, None, {"cached": True}, NOTHING),
        (AUTO, None, {"completion": False, "status": 403, "trace_id": NAMED}, GIVEN),
        (FEEDBACK, None, {"trace_id": NAMED}, GIVEN),
        (FEEDBACK, True, {}, NOTHING),
        (TRACEPARENT, None, {"trace_id": NAMED}, GUESSED),
        (TRACEPARENT, False, {}, GUESSED),
    ],
)
def test_the_trace_id_comes_from_the_first_that_has_proven_itself(
    mode: TraceIdMode,
    *,
    honours: bool | None,
    answer: dict[str, Any],
    chosen: tuple[TraceId | None, IdSource | None],
) -> None:
    """The gateway's own word, else ours while it may be honoured, else none: then the nonce must do."""
    planned = Canary(id="c", sent_at=START, sent_id=OURS, span_id="a" * 16, nonce="gtm-1")
    given = CanaryAnswer(**{"status": 200, "completion": True, **answer})
    state = TargetState(target=PROD, honours_traceparent=honours)
    assert choose_id(planned, given, state, mode) == chosen


# --- fakes that take their time --------------------------------------------------------------------------------------


class _Slow(ScriptedGateway):
    """Takes a while for a completion, during which somebody may set the wall clock."""

    def __init__(self, clock: FakeClock, answer: CanaryAnswer, takes: float, *, jump: float = 0.0) -> None:
        super().__init__(answer=answer)
        self.clock, self.takes, self.jump = clock, takes, jump

    async def complete(self, request: CanaryRequest) -> CanaryAnswer:
        """After a while."""
        self.clock.jump(self.jump)
        await self.clock.sleep(self.takes)
        return await super().complete(request)


async def _let(clock: FakeClock, work: Coroutine[None, None, None]) -> None:
    """Let fake time pass until it is done."""
    task = asyncio.ensure_future(work)
    await clock.run_until(task.done)
    await task
