"""What a probe asks, of whom, how often, and how it ends."""

from typing import Any

import pytest

from tests.doctor.harness import answers, harness


async def test_it_sends_one_canary_and_one_request_that_costs_nothing() -> None:
    """The second asks for a model that does not exist; both are tagged, and neither is repeated."""
    async with harness() as it:
        await it.target()
        chats = [each for each in it.sandbox.world.requests if each.path.endswith("/chat/completions")]
        assert len(chats) == 2
        assert ['"tfy_monitor": "doctor"' in each.headers["x-tfy-metadata"] for each in chats] == [True, False]


async def test_it_ends_as_soon_as_everything_is_known() -> None:
    """A healthy tenant takes seconds."""
    async with harness() as it:
        target = await it.target()
        assert target["complete"]
        assert it.took < 15


async def test_a_timeout_ends_it_and_keeps_what_is_known() -> None:
    """What was not seen by then is unknown, not broken."""
    async with harness("", "trace_missing") as it:
        target = await it.target(timeout=20.0)
        given = answers(target)
        assert (target["complete"], it.took) == (False, 20.0)
        assert given["canary_served"] == ("yes", "pass")
        assert given["trace_arrives"] == ("not seen", "unknown")
        assert target["verdict"] == "unknown"


async def test_a_timeout_before_anybody_answered_is_no_verdict() -> None:
    """Every question that needs an answer is open."""
    async with harness("", "control_plane_silent", "gateway_unreachable_black_hole", "read_api_silent") as it:
        given = answers(await it.target(timeout=1.0))
        assert given["control_plane_token"] == ("skipped", "unknown")
        assert {verdict for _, verdict in given.values()} == {"unknown", "pass"}


async def test_who_does_not_answer_is_not_waited_for_again() -> None:
    """A control plane that hangs is asked once by the probe itself; the checks ask as ever."""
    async with harness("", "control_plane_silent") as it:
        await it.target()
        asked = [each.path.rpartition("/")[2] for each in it.sandbox.world.requests if each.host == "control-plane"]
        assert asked[0] == "session"
        assert sorted(asked[1:4]) == ["gateway-logging-config", "gateway-otel-config", "query"]
        assert len(asked) <= 5


async def test_progress_is_said_as_it_goes() -> None:
    """Each line names the target."""
    async with harness() as it:
        await it.target()
        assert "demo: asking TrueFoundry's control plane" in it.said
        assert "demo: gateway pass: the gateway answers (HTTP 200)" in it.said
        assert it.said[-1] == "demo: reading the trace's attributes"
        assert all(line.startswith("demo: ") for line in it.said)


@pytest.mark.parametrize("refused", ["key_rejected", ""])
async def test_a_refused_key_ends_it_within_seconds(refused: str) -> None:
    """No trace can arrive through a key that Traceloop answers with 401: the five minutes of waiting would prove nothing."""
    wrong = {} if refused else {"demo": {"traceloop": {"api_key": "tl_wrong_0123456789"}}}
    async with harness("", *([refused] if refused else ()), targets=wrong) as it:
        given = answers(await it.target())
        assert given["warehouse"] == ("401", "fail")
        assert it.took <= 30
        assert it.said[-1] == "demo: Traceloop rejects the key, so no trace can arrive: not waiting any longer"


async def test_without_a_control_plane_its_questions_are_left_out() -> None:
    """And it is said what that means."""
    async with harness(targets={"demo": {"control_plane": None}}) as it:
        given = answers(await it.target())
        assert given["control_plane"] == ("left out", "pass")
        assert {"control_plane_token", "config_matches", "own_store"} & set(given) == set()
        assert not [each for each in it.sandbox.world.requests if each.host == "control-plane"]


async def test_where_no_canary_may_be_sent_none_is() -> None:
    """Nor the one that would be refused."""
    async with harness(targets={"demo": {"checks": {"canary": {"enabled": False}}}}) as it:
        target = await it.target()
        assert not [each for each in it.sandbox.world.requests if each.path.endswith("/chat/completions")]
        assert "canary_served" not in answers(target)
        assert target["verdict"] == "pass"


async def test_where_no_control_span_is_sent_it_is_not_asked_about() -> None:
    """Neither key of the ingest nor what it shows."""
    async with harness(targets={"demo": {"checks": {"control": {"enabled": False}}}}) as it:
        given = answers(await it.target())
        assert {"ingest_key", "control_shown", "ingest_answer"} & set(given) == set()


async def test_several_targets_are_asked_side_by_side() -> None:
    """Each with its own answers; only those asked for."""
    async with harness() as it:
        demo: Any = it.sandbox.configuration()["targets"]["demo"]  # type: ignore[index]
        bad = {**demo, "gateway": {**demo["gateway"], "token": "tfy_unknown_000"}}
        it.more = {"targets": {"other": bad}}
        report = await it.report()
        assert {name: target["verdict"] for name, target in report["targets"].items()} == {
            "demo": "pass",
            "other": "fail",
        }
        assert report["verdict"] == "fail"
        assert set((await it.report(targets=("demo",)))["targets"]) == {"demo"}


async def test_a_webhook_can_only_be_tried() -> None:
    """Nothing is posted: `notify test` is for that."""
    hook = {"bot_token": None, "channel": None, "webhook_url": "https://slack/services/T0/B0/secretsecret"}
    async with harness(alerting={"slack": hook}) as it:
        assert answers(await it.target())["slack"] == ("not asked", "unknown")
        assert not it.sandbox.world.slack.messages


async def test_no_notifier_is_legal() -> None:
    """It is said, and nothing fails."""
    async with harness(alerting={"slack": None}) as it:
        target = await it.target()
        assert answers(target)["slack"] == ("nobody", "unknown")
        assert target["verdict"] == "pass"


async def test_no_secret_is_in_a_report() -> None:
    """Whatever the services say."""
    for fault in ("config_drift_key", "gateway_refused", "content_leaked_credential", "config_drift_header"):
        async with harness("", fault) as it:
            text = str(await it.target())
            known = it.sandbox.world.credentials
            for secret in (known.token, known.unknown_key, known.bot_token, *known.keys.values()):
                assert secret not in text


async def test_the_trace_of_a_refused_request_is_waited_for() -> None:
    """It may come behind the canary's: only after a quarter of a minute is it said not to come."""
    async with harness("refusals=named-only") as it:
        assert answers(await it.target())["refused_request"] == ("not traced", "pass")
        assert it.took >= 15


@pytest.mark.parametrize(
    ("variant", "said"), [("named-only", "the answer carries a trace id,"), ("untraced", "carries no trace id,")]
)
async def test_whether_a_refusal_names_a_trace_is_said_of_the_refusal(variant: str, said: str) -> None:
    """And not of the canary, whose answer names one."""
    async with harness(f"refusals={variant}") as it:
        target = await it.target()
        assert said in target["questions"]["refused_request"]["summary"]
        assert answers(target)["feedback_header"] == ("present", "pass")


@pytest.mark.parametrize("slug", ["dev", "zzz"])
async def test_a_key_that_is_refused_says_nothing_of_the_quick_route(slug: str) -> None:
    """Another environment's whose key works does, whether it stands behind that one or before it."""
    refused = {slug: {"api_key": "tl_0123456789abcdef0123456789abcdef"}}
    more = {"demo": {"traceloop": {"other_environments": refused}}}
    async with harness("trace_scope=project", targets=more) as it:
        assert answers(await it.target())["trace_scope"] == ("project", "pass")
