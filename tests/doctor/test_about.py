"""What is around the monitor: clocks, certificates, tokens, proxies, notifiers, cost; and what is judged from all answers."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.config_memory import ConfigSeen
from monitor.core.drift import HEADERS, ExportConfig
from monitor.core.gateway_policies import GatewayPolicy, GatewayPolicyKind, GatewayRule, LoggingMode
from monitor.core.model import CheckName, Fault, Service, Verdict
from monitor.core.secret import Secret, SecretKind
from monitor.daemon.compose import Deps
from monitor.doctor.probe import Probe
from monitor.doctor.questions import Answer, Question, Result, Suggestion
from monitor.doctor.report import QUESTIONS, describe_probe, suggested, verdict_of
from monitor.doctor.snapshot import Answered, Reply, Snapshot, StoreWatch, Traffic
from monitor.http import Http, InProcess
from monitor.notifiers.slack import BotIdentity
from monitor.ports import CanaryAnswer, ConfigAnswer, Refused
from monitor.redaction import Redactor
from monitor.truefoundry import ModelsAnswer
from tests.core.build import Story
from tests.doctor.harness import harness
from tests.fakes.clock import START, FakeClock

DAY = 86_400.0
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


_ONCE: list[Snapshot] = []


async def healthy(**more: Any) -> Snapshot:
    """What is known of a healthy tenant; asked once for all tests that configure nothing."""
    if _ONCE and not more:
        return _ONCE[0]
    async with harness(**more) as it:
        await it.report()
    if not more:
        _ONCE.extend(it.seen)
    return it.seen[0]


def ask(slug: str, seen: Snapshot) -> Answer:
    """One question."""
    return next(question for question in QUESTIONS if question.slug == slug).answer(seen)


def short(slug: str, seen: Snapshot) -> tuple[str, Verdict]:
    """Its answer and verdict."""
    answer = ask(slug, seen)
    return answer.answer, answer.verdict


def with_traffic(seen: Snapshot, **changes: Any) -> Snapshot:
    """The same, but for its traffic."""
    return replace(seen, traffic=replace(seen.traffic, **changes))


# --- clocks, certificates, tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "answer", "verdict"),
    [(0.4, "right", PASS), (-59.0, "right", PASS), (61.0, "wrong", FAIL), (-3600.0, "wrong", FAIL)],
)
async def test_a_clock_that_is_wrong_is_reported(skew: float, answer: str, verdict: Verdict) -> None:
    """Because traces are looked for by time."""
    seen = with_traffic(await healthy(), skews={Service.TRACELOOP: skew, Service.GATEWAY: 0.1})
    assert short("clock", seen) == (answer, verdict)
    assert ask("clock", seen).evidence["traceloop"] == round(skew)


async def test_which_way_a_clock_is_wrong_is_said() -> None:
    """In the words of whoever sets it."""
    seen = await healthy()
    assert (
        "clock is 90 s behind that of the gateway"
        in ask("clock", with_traffic(seen, skews={Service.GATEWAY: 90.0})).summary
    )
    assert "clock is 90 s ahead of that of" in ask("clock", with_traffic(seen, skews={Service.GATEWAY: -90.0})).summary


async def test_the_servers_clocks_are_read() -> None:
    """By the header Date, whichever service sends it; what is no date says nothing."""
    for date, skews in (("Fri, 15 Jan 2027 08:01:30 GMT", {Service.GATEWAY: 90.0}), ("tomorrow", {})):
        seen = await _seen_through({"date": date})
        assert seen.traffic.skews == skews


async def _seen_through(headers: Mapping[str, str]) -> Snapshot:
    """A tenant whose gateway sends these headers with everything, and of which nothing else is there."""

    async def gateway(_scope: Any, _receive: Any, send: Any) -> None:
        pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b"{}"})

    clock = FakeClock(threads=False)
    async with harness() as it:
        http = Http(clock=clock, transport=InProcess({"gateway": gateway}), redactor=Redactor())
        deps = Deps(clock=clock, http=http, redactor=Redactor())
        (name,) = it.settings.targets
        probe = Probe(name, it.settings, deps, say=it.said.append)
        await probe._ask_gateway()
        return probe.snapshot


@pytest.mark.parametrize(
    ("left", "answer", "verdict"),
    [(90 * DAY, "later", PASS), (15 * DAY, "later", PASS), (13 * DAY, "soon", PASS), (-1.0, "expired", FAIL)],
)
async def test_ends_of_certificates_are_reported(left: float, answer: str, verdict: Verdict) -> None:
    """The first of them; in good time with advice."""
    seen = await healthy()
    certificates = {Service.TRACELOOP: seen.now + left, Service.GATEWAY: seen.now + 400 * DAY}
    given = ask("certificates", with_traffic(seen, certificates=certificates))
    assert (given.answer, given.verdict, bool(given.advice)) == (answer, verdict, answer != "later")
    assert given.evidence["traceloops_read_api"] == round(left / DAY)


def _jwt(expires: float) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{payload}.sig"


async def test_the_end_of_a_token_is_reported_where_it_is_known() -> None:
    """A JWT's; of an opaque one nothing is known."""
    assert short("tokens", await healthy()) == ("not told", PASS)
    async with harness(targets={"demo": {"gateway": {"token": _jwt(START - 5)}}}) as it:
        await it.report()
        assert short("tokens", it.seen[0]) == ("expired", FAIL)


# --- network ----------------------------------------------------------------------------------------------------------


async def test_the_proxy_is_named_without_its_password() -> None:
    """Whether the configuration or the environment names it."""
    seen = await healthy()
    assert short("proxy", seen) == ("none", PASS)
    async with harness(http={"proxy": "http://user:secretpass@proxy.acme.example:3128"}) as it:
        await it.report()
        given = ask("proxy", it.seen[0])
        assert given.answer == "used"
        assert "A proxy is used, set by http.proxy" in given.summary
        assert "the gateway through proxy.acme.example:3128" in given.summary
        assert "secretpass" not in given.summary + str(given.evidence)


async def test_a_network_that_reaches_nobody_is_the_suspect() -> None:
    """Then nobody else is."""
    failures = {Service.GATEWAY: "dns", Service.TRACELOOP: "dns"}
    seen = replace(await healthy(), traffic=Traffic(failures=failures))
    assert short("reachable", seen) == ("nobody", FAIL)
    some = replace(seen, traffic=Traffic(failures=failures, answered={Service.GATEWAY}))
    assert short("reachable", some) == ("not all", UNKNOWN)
    slack = replace(seen, traffic=Traffic(failures=failures, answered={Service.SLACK}))
    assert short("reachable", slack) == ("nobody", FAIL)
    assert short("reachable", replace(seen, traffic=Traffic())) == ("skipped", UNKNOWN)


# --- notifiers, and cost ----------------------------------------------------------------------------------------------


async def test_a_bot_without_its_scope_is_reported() -> None:
    """It could not post; where scopes are not named nothing is said about them."""
    seen = await healthy()
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
    seen = await healthy()
    assert "27,360 spans (3 per canary);" in ask("cost", seen).summary
    frequent = await healthy(targets={"demo": {"checks": {"canary": {"every": "2m30s", "max_per_day": 1000}}}})
    given = ask("cost", frequent)
    assert (given.answer, given.verdict) == ("beyond free", PASS)
    assert "checks.canary.every" in given.advice


# --- answers of other shapes ------------------------------------------------------------------------------------------


async def test_a_model_that_is_not_listed_may_work_all_the_same() -> None:
    """The list is said to be incomplete: the canary decides."""
    seen = await healthy()
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
    """And it is said which it was."""
    seen = await healthy()
    gateway = seen.state.check_states
    check_state = next(value for name, value in gateway.items() if name == "gateway")
    assert check_state.last is not None
    last = replace(check_state.last, result=replace(check_state.last.result, evidence={"status": status}))
    state = replace(seen.state, check_states={**gateway, "gateway": replace(check_state, last=last)})  # type: ignore[dict-item]
    assert short("gateway_answers", replace(seen, state=state)) == (answer, PASS)


async def test_a_session_that_names_nobody_is_outweighed_by_what_the_token_may_read() -> None:
    """Where the configuration can be read, the token is accepted."""
    seen = replace(await healthy(), tenant=Answered(None))
    assert short("control_plane_token", seen) == ("accepted", PASS)
    off = ConfigSeen(config=ExportConfig(off=True))
    shown_off = replace(seen, config=Answered(ConfigAnswer(seen=off, form="manifest")))
    assert short("control_plane_token", shown_off) == ("accepted", PASS)
    unauthorized = replace(seen, config=Refused("HTTP 401", status=401))
    for refused in (_without_config(seen), unauthorized):
        assert short("control_plane_token", refused) == ("not known", FAIL)


async def test_what_other_configurations_say_is_reported() -> None:
    """In a few words."""
    rules = (GatewayRule(name="a", off=True), GatewayRule(name="b"))
    others: dict[GatewayPolicyKind, Reply[GatewayPolicy]] = {
        GatewayPolicyKind.LOGGING: Answered(GatewayPolicy(kind=GatewayPolicyKind.LOGGING, rules=rules)),
        GatewayPolicyKind.GLOBAL: Answered(GatewayPolicy(kind=GatewayPolicyKind.GLOBAL, mode=LoggingMode.NEVER)),
        GatewayPolicyKind.ROUTING: Answered(GatewayPolicy(kind=GatewayPolicyKind.ROUTING, form="404")),
    }
    said = ask("other_configs", replace(await healthy(), others=others)).summary
    assert "gateway-logging-config: 2 rules, 1 of them off; gateway-global-settings: never" in said


async def test_what_traceloop_does_not_show_stays_open() -> None:
    """Whether it may be relied on shows with a real tenant."""
    seen = await healthy()
    bare = tuple(
        replace(span, service_name=None, environment=None, content=None, resource=None, model=None)
        for span in seen.facts
    )
    for slug in ("service_name", "environment", "content", "resource_attributes"):
        assert short(slug, replace(seen, spans=Answered(bare))) == ("not told", UNKNOWN)


def _without_config(seen: Snapshot) -> Snapshot:
    return replace(seen, tenant=Answered(None), config=Answered(ConfigAnswer(seen=None, form="null")))


def _shown(seen: Snapshot, **changes: Any) -> Snapshot:
    """The exporter's configuration otherwise."""
    assert seen.export_config is not None
    assert seen.exporter is not None
    shown = replace(seen.export_config, seen=replace(seen.exporter, **changes))
    return replace(seen, config=Answered(shown))


def _with_headers(seen: Snapshot, *kinds: SecretKind) -> Snapshot:
    """Headers that are shown in these forms."""
    assert seen.exporter is not None
    config = seen.exporter.config
    others = {name: value for name, value in config.fields.items() if name not in config.secrets()}
    headers = {f"{HEADERS}.{kind}": Secret(kind=kind) for kind in kinds}
    return _shown(seen, config=replace(config, fields={**others, **headers}))


def _all_there() -> dict[GatewayPolicyKind, Reply[GatewayPolicy]]:
    return {kind: Answered(GatewayPolicy(kind=kind)) for kind in GatewayPolicyKind}


def _canary(seen: Snapshot, **changes: Any) -> Snapshot:
    """The canary otherwise."""
    assert seen.canary is not None
    return replace(seen, state=replace(seen.state, canaries=(replace(seen.canary, **changes),)))


def _unnamed(seen: Snapshot) -> Snapshot:
    """A gateway that names no trace, and of which none has been seen."""
    unknown = _canary(with_traffic(seen, feedback="absent"), id_source=None)
    return replace(unknown, state=replace(unknown.state, honours_traceparent=None))


def _anonymous(seen: Snapshot, **how: Any) -> Snapshot:
    """A gateway that answers so without a token."""
    return replace(seen, anonymous=Answered(ModelsAnswer(status=401, **how)))


RARE: list[tuple[str, Callable[[Snapshot], Snapshot], tuple[str, Verdict]]] = [
    ("config_readable", _without_config, ("null", UNKNOWN)),
    ("config_matches", _without_config, ("skipped", UNKNOWN)),
    ("config_changed", lambda seen: _shown(seen, updated_at=None, updated_by=None), ("not told", PASS)),
    ("header_values", lambda seen: _with_headers(seen, SecretKind.LITERAL, SecretKind.MASKED), ("mixed", PASS)),
    ("absent_exporter", lambda seen: replace(seen, others=_all_there()), ("not seen", UNKNOWN)),
    ("usage_told", lambda seen: _canary(seen, usage={}), ("model", PASS)),
    ("usage_told", lambda seen: _canary(seen, model=None), ("tokens", PASS)),
    ("usage_told", lambda seen: _canary(seen, model=None, usage={}), ("nothing", PASS)),
    ("no_token", lambda seen: _anonymous(seen, form="json"), ("401 json", PASS)),
    ("no_token", lambda seen: _anonymous(seen, form="page"), ("401 page", PASS)),
    ("no_token", lambda seen: _anonymous(seen, models=("a",)), ("401 list", PASS)),
    ("trace_id", _unnamed, ("not seen", UNKNOWN)),
    ("traceparent", _unnamed, ("not seen", UNKNOWN)),
    ("feedback_header", lambda seen: with_traffic(seen, feedback="unreadable"), ("unreadable", UNKNOWN)),
    ("refused_request", lambda seen: replace(seen, refused=Answered(CanaryAnswer(status=200))), ("served", PASS)),
    ("ingest_answer", lambda seen: with_traffic(seen, accepted="text"), ("text", PASS)),
    ("metadata", lambda seen: with_traffic(seen, metadata="object"), ("object", PASS)),
    ("metadata", lambda seen: with_traffic(seen, metadata=None), ("absent", PASS)),
    ("own_store", lambda seen: replace(seen, store=StoreWatch(spans=2, first_after=1.0)), ("in part", UNKNOWN)),
    ("other_environments", lambda seen: replace(seen, environments={"stg": Refused("no", status=401)}), ("401", FAIL)),
]


@pytest.mark.parametrize(("slug", "change", "expected"), RARE, ids=[f"{slug}-{given[0]}" for slug, _, given in RARE])
async def test_what_no_sandbox_answers_is_answered_right(
    slug: str, change: Callable[[Snapshot], Snapshot], expected: tuple[str, Verdict]
) -> None:
    """Each in a sentence that is filled in."""
    given = ask(slug, change(await healthy()))
    assert (given.answer, given.verdict) == expected
    assert given.summary.endswith(".")
    assert "{" not in given.summary + given.advice


async def test_tokens_end_in_good_time_or_soon() -> None:
    """Where the end is known."""
    for days, expected in ((6, ("soon", PASS)), (8, ("later", PASS))):
        seen = await healthy(targets={"demo": {"gateway": {"token": _jwt(START + days * DAY)}}})
        assert short("tokens", seen) == expected


async def test_json_that_is_configured_has_to_be_taken() -> None:
    """The exporter would lose every span."""
    seen = await healthy(targets={"demo": {"expected": {"encoding": "json"}}})
    given = ask("json_ingest", seen)
    assert (given.answer, given.verdict) == ("refused", FAIL)
    assert given.advice == "Set expected.encoding, and the exporter's encoding, to proto."


# --- the verdict ------------------------------------------------------------------------------------------------------


def _asked(*answers: tuple[Answer, bool]) -> dict[Question, Answer]:
    """Questions with these answers; `needed` or not."""

    def question(*, needed: bool) -> Question:
        return Question(
            slug="a", text="?", needed=needed, concerns=lambda _: True, texts={}, judge=lambda _: Result("a")
        )

    return {question(needed=needed): answer for answer, needed in answers}


RIGHT, WRONG, OPEN = (Answer(answer="a", verdict=verdict, summary="b") for verdict in (PASS, FAIL, UNKNOWN))


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([(RIGHT, True)], PASS),
        ([(RIGHT, True), (OPEN, False)], PASS),
        ([(RIGHT, True), (OPEN, True)], UNKNOWN),
        ([(RIGHT, True), (WRONG, False)], FAIL),
        ([(OPEN, True), (WRONG, True)], FAIL),
    ],
)
def test_the_verdict_is_that_of_what_is_needed(answers: list[tuple[Answer, bool]], verdict: Verdict) -> None:
    """What is broken fails in any case; what is open only if a trusted monitor needs it."""
    assert verdict_of(_asked(*answers)) is verdict


@pytest.mark.parametrize(
    ("confirmed", "verdict"), [(Fault.VOLUME_LOSS, FAIL), (Fault.CHECK_FAILED, UNKNOWN), (Fault.BLIND, PASS)]
)
async def test_what_the_checks_confirm_never_ends_in_pass(confirmed: Fault, verdict: Verdict) -> None:
    """Though no question asks about it. What is only hidden from the monitor, the questions say themselves."""
    seen = await healthy()
    failing = Story().fails(CheckName.CONFIG, confirmed, conclusive=True).state.check_state(CheckName.CONFIG)
    state = seen.state.with_check_state(CheckName.CONFIG, failing)
    assert set(state.confirmed) == {confirmed}
    assert describe_probe(replace(seen, state=state))["verdict"] == verdict


def test_the_first_suggestion_for_a_setting_counts() -> None:
    """A setting is suggested once."""
    first, second = (Suggestion("a.b", value, "w") for value in (1, 2))
    assert suggested(_asked((replace(RIGHT, suggests=(first,)), True), (replace(RIGHT, suggests=(second,)), True))) == {
        "a.b": first
    }


async def test_what_is_needed_is_what_a_trusted_monitor_needs() -> None:
    """The list, in the order of asking."""
    questions = describe_probe(await healthy())["questions"]
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
