"""What is around the monitor: clocks, certificates, tokens, proxies, telling, cost; and what is judged from all answers."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.gateway_policies import LoggingMode, SwitchKind, SwitchRule, SwitchSeen
from monitor.core.model import Service, Verdict
from monitor.doctor.answer import Answer, Question, Suggestion, open_, well, wrong
from monitor.doctor.questions import QUESTIONS
from monitor.doctor.report import describe_visit, suggested, verdict_of
from monitor.doctor.seen import Answered, Overheard, Seen
from monitor.doctor.visits import Equipment, build_visits
from monitor.http import Http, InProcess
from monitor.notifiers.slack import BotIdentity
from monitor.ports import Unreachable
from monitor.redaction import Redactor
from monitor.truefoundry import ModelsAnswer
from tests.doctor.clinic import clinic
from tests.fakes.clock import START, FakeClock

DAY = 86_400.0
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


async def seen_well(**more: Any) -> Seen:
    """What a visit to a healthy tenant saw."""
    async with clinic(**more) as it:
        await it.visit()
        return it.seen[0]


def ask(slug: str, seen: Seen) -> Answer:
    """One question."""
    return next(question for question in QUESTIONS if question.slug == slug).judge(seen)


def short(slug: str, seen: Seen) -> tuple[str, Verdict]:
    """Its answer and verdict."""
    answer = ask(slug, seen)
    return answer.answer, answer.verdict


def hearing(seen: Seen, **heard: Any) -> Seen:
    """The same, but for what was overheard."""
    return replace(seen, overheard=replace(seen.overheard, **heard))


# --- clocks, certificates, tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "answer", "verdict"),
    [(0.4, "right", PASS), (-59.0, "right", PASS), (61.0, "wrong", FAIL), (-3600.0, "wrong", FAIL)],
)
async def test_a_clock_that_is_wrong_is_told(skew: float, answer: str, verdict: Verdict) -> None:
    """Because traces are looked for by time."""
    seen = hearing(await seen_well(), skews={Service.TRACELOOP: skew, Service.GATEWAY: 0.1})
    assert short("clock", seen) == (answer, verdict)
    assert ask("clock", seen).evidence["traceloop"] == round(skew)


async def test_which_way_a_clock_is_wrong_is_told() -> None:
    """In the words of whoever sets it."""
    seen = await seen_well()
    assert (
        "clock is 90 s behind that of the gateway" in ask("clock", hearing(seen, skews={Service.GATEWAY: 90.0})).summary
    )
    assert "clock is 90 s ahead of that of" in ask("clock", hearing(seen, skews={Service.GATEWAY: -90.0})).summary


async def test_the_servers_clocks_are_heard() -> None:
    """By the header Date, whichever service sends it; what is no date says nothing."""
    for date, skews in (("Fri, 15 Jan 2027 08:01:30 GMT", {Service.GATEWAY: 90.0}), ("tomorrow", {})):
        seen = await _seen_through({"date": date})
        assert seen.overheard.skews == skews


async def _seen_through(headers: Mapping[str, str]) -> Seen:
    """A visit whose gateway sends these headers with everything, and whose other services are not there."""

    async def gateway(_scope: Any, _receive: Any, send: Any) -> None:
        pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b"{}"})

    clock = FakeClock(threads=False)
    async with clinic() as it:
        equipment = Equipment(
            http=Http(clock=clock, transport=InProcess({"gateway": gateway})),
            redactor=Redactor(),
            clock=clock,
            say=it.said.append,
            overhear=lambda _: None,
        )
        (visit,) = build_visits(it.settings, frozenset(), equipment)
        await visit._ask_gateway()
        return visit.seen


@pytest.mark.parametrize(
    ("left", "answer", "verdict"),
    [(90 * DAY, "later", PASS), (10 * DAY, "soon", PASS), (-1.0, "expired", FAIL)],
)
async def test_ends_of_certificates_are_told(left: float, answer: str, verdict: Verdict) -> None:
    """The first of them; in good time with advice."""
    seen = await seen_well()
    certificates = {Service.TRACELOOP: seen.now + left, Service.GATEWAY: seen.now + 400 * DAY}
    given = ask("certificates", hearing(seen, certificates=certificates))
    assert (given.answer, given.verdict, bool(given.advice)) == (answer, verdict, answer != "later")
    assert given.evidence["traceloops_read_api"] == round(left / DAY)


def _jwt(expires: float) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.sig"


async def test_the_end_of_a_token_is_told_where_it_tells() -> None:
    """A JWT's; of an opaque one nothing is known."""
    assert short("tokens", await seen_well()) == ("not told", PASS)
    async with clinic(targets={"demo": {"gateway": {"token": _jwt(START - 5)}}}) as it:
        await it.visit()
        assert short("tokens", it.seen[0]) == ("expired", FAIL)


# --- network ----------------------------------------------------------------------------------------------------------


async def test_the_proxy_is_named_without_its_password() -> None:
    """Whether the configuration or the environment names it."""
    seen = await seen_well()
    assert short("proxy", seen) == ("none", PASS)
    async with clinic(http={"proxy": "http://user:secretpass@proxy.acme.example:3128"}) as it:
        await it.visit()
        given = ask("proxy", it.seen[0])
        assert given.answer == "used"
        assert "By http.proxy a proxy is used" in given.summary
        assert "the gateway through proxy.acme.example:3128" in given.summary
        assert "secretpass" not in given.summary + str(given.evidence)


async def test_a_network_that_reaches_nobody_is_the_suspect() -> None:
    """Then nobody else is."""
    failures = {Service.GATEWAY: "dns", Service.TRACELOOP: "dns"}
    seen = replace(await seen_well(), overheard=Overheard(failures=failures))
    assert short("reachable", seen) == ("nobody", FAIL)
    some = replace(seen, overheard=Overheard(failures=failures, answered=frozenset({Service.GATEWAY})))
    assert short("reachable", some) == ("not all", UNKNOWN)
    assert short("reachable", replace(seen, overheard=Overheard())) == ("skipped", UNKNOWN)


# --- telling, and cost ------------------------------------------------------------------------------------------------


async def test_a_bot_without_its_scope_is_told() -> None:
    """It could not post; where scopes are not told nothing is said about them."""
    seen = await seen_well()
    for scopes, expected in (
        (("reactions:write",), ("scope", FAIL)),
        (("chat:write",), ("accepted", PASS)),
        (None, ("accepted", PASS)),
    ):
        bot = BotIdentity(team="Acme", user="monitor", scopes=scopes)
        assert short("slack", replace(seen, slack=Answered(bot))) == expected
    assert short("slack", replace(seen, slack=None)) == ("skipped", UNKNOWN)


async def test_the_cost_counts_real_spans() -> None:
    """Where a trace was seen; and says when the free plans do not suffice."""
    seen = await seen_well()
    assert "27,360 spans (3 a canary);" in ask("cost", seen).summary
    frequent = await seen_well(targets={"demo": {"checks": {"canary": {"every": "2m30s", "max_per_day": 1000}}}})
    given = ask("cost", frequent)
    assert (given.answer, given.verdict) == ("beyond free", PASS)
    assert "checks.canary.every" in given.advice


# --- answers of other shapes ------------------------------------------------------------------------------------------


async def test_a_model_that_is_not_listed_may_work_all_the_same() -> None:
    """The list is said to be incomplete: the canary decides."""
    seen = await seen_well()
    listed = replace(seen, models=Answered(ModelsAnswer(status=200, models=tuple("abcdefg"))))
    given = ask("models_listed", listed)
    assert (given.answer, given.verdict) == ("not listed", UNKNOWN)
    assert "7 models for this token (a, b, c, d, e, …)" in given.summary
    page = replace(seen, models=Answered(ModelsAnswer(status=404, form="page")))
    assert short("models_listed", page) == ("404", UNKNOWN)


@pytest.mark.parametrize(
    ("status", "answer"), [(401, "wants a token"), (403, "wants a token"), (404, "404"), (204, "open")]
)
async def test_any_answer_of_the_health_path_will_do(status: int, answer: str) -> None:
    """And it is told which it was."""
    seen = await seen_well()
    gateway = seen.state.trends
    trend = next(value for name, value in gateway.items() if name == "gateway")
    assert trend.last is not None
    last = replace(trend.last, evidence={"status": status})
    state = replace(seen.state, trends={**gateway, "gateway": replace(trend, last=last)})  # type: ignore[dict-item]
    assert short("gateway_answers", replace(seen, state=state)) == (answer, PASS)


async def test_a_session_that_names_nobody_is_outweighed_by_what_the_token_may_read() -> None:
    """Where the configuration can be read, the token is accepted."""
    seen = replace(await seen_well(), tenant=Answered(None))
    assert short("control_plane_token", seen) == ("accepted", PASS)
    assert short("control_plane_token", replace(seen, config=None)) == ("not known", FAIL)


async def test_what_other_configurations_say_is_told() -> None:
    """In a few words."""
    rules = (SwitchRule(name="a", off=True), SwitchRule(name="b"))
    others = {
        SwitchKind.LOGGING: Answered(SwitchSeen(kind=SwitchKind.LOGGING, rules=rules)),
        SwitchKind.GLOBAL: Answered(SwitchSeen(kind=SwitchKind.GLOBAL, mode=LoggingMode.NEVER)),
        SwitchKind.ROUTING: Answered(SwitchSeen(kind=SwitchKind.ROUTING, form="404")),
    }
    said = ask("other_configs", replace(await seen_well(), others=others)).summary
    assert "gateway-logging-config: 2 rules, 1 of them off; gateway-global-settings: never" in said


async def test_a_read_that_fails_at_the_end_accuses_nobody() -> None:
    """What a trace carries stays open then."""
    seen = replace(await seen_well(), spans=Unreachable("traceloop: no answer", kind="timeout"))
    for slug in ("content", "credentials", "environment", "naming", "service_name", "resource_attributes", "metadata"):
        assert short(slug, seen) == ("timeout", UNKNOWN)


async def test_what_traceloop_does_not_tell_stays_open() -> None:
    """Whether it may be relied on shows with a real tenant."""
    seen = await seen_well()
    bare = tuple(
        replace(span, service_name=None, environment=None, content=None, resource=None, model=None)
        for span in seen.facts
    )
    for slug in ("service_name", "environment", "content", "resource_attributes"):
        assert short(slug, replace(seen, spans=Answered(bare))) == ("not told", UNKNOWN)


# --- the verdict ------------------------------------------------------------------------------------------------------


def _asked(*answers: tuple[Answer, bool]) -> dict[Question, Answer]:
    """Questions with these answers; `needed` or not."""

    def question(place: int, answer: Answer, *, needed: bool) -> Question:
        return Question(slug=str(place), text="?", judge=lambda _: answer, needed=needed)

    return {question(place, answer, needed=needed): answer for place, (answer, needed) in enumerate(answers)}


WELL, WRONG, OPEN = well("a", "b"), wrong("a", "b", "c"), open_("a", "b")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([(WELL, True)], PASS),
        ([(WELL, True), (OPEN, False)], PASS),
        ([(WELL, True), (OPEN, True)], UNKNOWN),
        ([(WELL, True), (WRONG, False)], FAIL),
        ([(OPEN, True), (WRONG, True)], FAIL),
    ],
)
def test_the_verdict_is_that_of_what_is_needed(answers: list[tuple[Answer, bool]], verdict: Verdict) -> None:
    """What is broken fails in any case; what is open only if a trusted monitor needs it."""
    assert verdict_of(_asked(*answers)) is verdict


def test_the_first_suggestion_for_a_setting_counts() -> None:
    """A setting is suggested once."""
    first, second = (Suggestion(setting="a.b", value=value, why="w") for value in (1, 2))
    assert suggested(_asked((well("a", "b", first), True), (well("a", "b", second), True))) == {"a.b": first}


async def test_what_is_needed_is_what_a_trusted_monitor_needs() -> None:
    """The list, in the order of asking."""
    questions = describe_visit(await seen_well())["questions"]
    assert [slug for slug, each in questions.items() if each["needed"]] == [
        "control_plane_token",
        "config_readable",
        "config_matches",
        "gateway_answers",
        "canary_served",
        "trace_id",
        "warehouse",
        "ingest_key",
        "control_shown",
        "trace_arrives",
        "environment",
        "reachable",
        "blocked",
    ]
