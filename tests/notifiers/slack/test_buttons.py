"""Who may press, what they are answered, and what is done where there is no connection."""

import asyncio
import logging
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from monitor.notifiers.slack.actions import SILENCE_FOR, Action
from monitor.notifiers.slack.buttons import FIRST_WAIT, LONGEST_WAIT, MEMBERS_FOR, SHOWN_AFTER
from tests.fakes.clock import FakeClock
from tests.fakes.remote import Remote, Reply
from tests.notifiers.slack.pressing import TEAM, Presses, a_press, pressed, some_buttons
from tests.settings.samples import MINIMAL, loaded

ROOT = Path(__file__).parents[3]
QUOTED = ("settings/coherence.py", "notifiers/slack/buttons.py", "notifiers/slack/client.py")
OK = Reply(b"ok")
MEMBERS = Reply({"ok": True, "users": ["U0123"]})


# --- who may press


async def test_who_is_named_may_press_and_is_answered_alone() -> None:
    """By the address that came with the press, without a token; the answer calls nobody."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, OK)
    await some_buttons(presses, remote.http, clock, users=frozenset({"U0123"})).handle(a_press(), TEAM)
    assert [press.name for press in presses.done] == ["ana"]
    (asked,) = remote.asked
    assert (asked.path, asked.headers.get("authorization")) == ("/actions/1", None)
    assert asked.json == {
        "text": "done: acknowledge &lt;@U1&gt; @\u2060here",
        "response_type": "ephemeral",
        "replace_original": False,
    }


async def test_nobody_else_may_press_and_is_answered_so() -> None:
    """Without anybody named, nobody may."""
    for users in (frozenset[str](), frozenset({"U0OTHER"})):
        clock, presses = FakeClock(), Presses()
        remote = Remote(clock, OK)
        await some_buttons(presses, remote.http, clock, users=users).handle(a_press(), TEAM)
        assert presses.done == []
        assert remote.asked[0].json["text"].startswith("Not done: you are not among those who may press this")


async def test_who_is_in_a_group_may_press_and_the_group_is_remembered_for_five_minutes() -> None:
    """Slack is asked by the bot's token, as a form: methods that read take no JSON."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, MEMBERS, OK, OK, Reply({"ok": True, "users": []}), OK)
    it = some_buttons(presses, remote.http, clock, groups=("S0123",))
    for _ in range(2):
        await it.handle(a_press(), TEAM)
    await clock.advance(MEMBERS_FOR + 1)
    await it.handle(a_press(), TEAM)
    assert len(presses.done) == 2
    asked = [each for each in remote.asked if each.path == "/api/usergroups.users.list"]
    assert [each.body for each in asked] == [b"usergroup=S0123"] * 2
    assert asked[0].headers["authorization"] == "Bearer xoxb-1"
    assert asked[0].headers["content-type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            Reply({"ok": False, "error": "missing_scope"}),
            "S0123 is not known: the bot lacks the scope usergroups:read.",
        ),
        (Reply({"ok": False, "error": "no_such_subteam"}), "S0123 is not known: Slack says no_such_subteam."),
        (Reply(b"<html>", 502), "S0123 is not known: not an answer of Slack"),
        (Reply({"ok": True, "users": "U0123"}), "you are not among those who may press this"),
    ],
)
async def test_a_group_that_is_not_known_lets_nobody_press_and_says_why(reply: Reply, why: str) -> None:
    """What is not known is no permission; whoever administers the app reads what is missing."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, reply, OK)
    await some_buttons(presses, remote.http, clock, groups=("S0123",)).handle(a_press(), TEAM)
    assert presses.done == []
    assert why in remote.asked[-1].json["text"]


# --- what comes in


async def test_what_is_not_ours_is_ignored_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody who can press could fill the log; a link is not worth a line."""
    caplog.set_level(logging.INFO)
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, OK)
    it = some_buttons(presses, remote.http, clock, users=frozenset({"U0123"}))
    for payload in (a_press(team={"id": "T9"}), a_press(team={"id": "T8"}), a_press(action="open-traceloop"), {}):
        await it.handle(payload, TEAM)
    assert (presses.done, remote.asked) == ([], [])
    assert [record.getMessage() for record in caplog.records] == [
        "something that Slack sent is ignored: it comes from another workspace",
        "something that Slack sent is ignored: it is no press of a button",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/x",
        "https://slack.com.evil.example/x",
        "http://hooks.slack.com/x",
        "",
        "https://[",
        "file:///x",
    ],
)
async def test_an_answer_goes_to_slack_alone(url: str) -> None:
    """What was pressed is done; nobody else is asked."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, OK)
    it = some_buttons(presses, remote.http, clock, users=frozenset({"U0123"}))
    await it.handle(pressed(response_url=url), TEAM)
    assert (len(presses.done), remote.asked) == (1, [])
    assert it._is_slacks("https://hooks.slack.com/actions/1")
    assert it._is_slacks("https://hooks.slack-gov.com/actions/1")


async def test_an_answer_that_does_not_arrive_undoes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged without the address, which is a secret."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, Reply(b"expired_url", 404))
    await some_buttons(presses, remote.http, clock, users=frozenset({"U0123"})).handle(a_press(), TEAM)
    assert len(presses.done) == 1
    assert "got no answer" in caplog.text
    assert "/actions/1" not in caplog.text


# --- the connection, without one


async def test_a_connection_that_cannot_be_made_is_tried_again_and_shown_after_a_minute() -> None:
    """Ever more rarely; what Slack asks to wait is waited."""
    clock = FakeClock()
    remote = Remote(clock, Reply({"ok": False, "error": "invalid_auth"}))
    it = some_buttons(Presses(), remote.http, clock, users=frozenset({"U0123"}))
    task = asyncio.create_task(it.listen())
    at = []
    for _ in range(6):
        seen = len(remote.asked)
        await clock.run_until(lambda seen=seen: len(remote.asked) > seen)  # type: ignore[misc]
        at.append(clock.monotonic())
        if clock.monotonic() <= 1000 + SHOWN_AFTER:
            assert it.problem is None
    assert [round(later - before) for before, later in pairwise(at)] == [5, 10, 20, 40, 80]
    assert it.problem is not None
    assert it.problem.startswith("Slack's buttons do not work: Slack says invalid_auth")
    remote.replies = [Reply({"ok": False}, 429, {"retry-after": "700"})]
    await clock.advance(200)
    asked = len(remote.asked)
    await clock.advance(600)
    assert len(remote.asked) == asked
    task.cancel()
    await asyncio.wait([task])


async def test_an_answer_without_a_connection_is_none() -> None:
    """By https only to TLS, whatever is said."""
    clock = FakeClock()
    identity, opened = Reply({"ok": True, "team_id": TEAM}), Reply({"ok": True, "url": "ws://127.0.0.1:1/link"})
    it = some_buttons(Presses(), Remote(clock, identity, opened).http, clock, users=frozenset({"U0123"}))
    task = asyncio.create_task(it.listen())
    await clock.advance(SHOWN_AFTER + FIRST_WAIT)
    assert it.problem is not None
    assert "not an answer of Slack" in it.problem
    task.cancel()
    await asyncio.wait([task])


# --- what is written for people


def test_the_document_says_what_the_code_says(tmp_path: Path) -> None:
    """Labels, scopes and waits; its configuration is accepted, and what it quotes is what is seen."""
    text = (ROOT / "docs" / "slack-buttons.md").read_text()
    said = " ".join(text.split())
    assert f"**{'**, **'.join(action.label for action in Action)}**" in said
    assert (SILENCE_FOR, MEMBERS_FOR, SHOWN_AFTER, FIRST_WAIT, LONGEST_WAIT) == (3600, 300, 60, 5, 120)
    source = "".join((ROOT / "monitor" / path).read_text() for path in QUOTED)
    for quoted in re.findall(r"^\| (?:`[\w.]+: ([^`]+)`|\"([^\"]+)\") \|", text, re.MULTILINE):
        assert "".join(quoted).removeprefix("Slack says invalid_auth ") in source
    _manifest, example = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    slack = example["alerting"]["slack"]
    for name in ("bot_token", "app_token"):
        (tmp_path / name).write_text({"bot_token": "xoxb-1", "app_token": "xapp-1"}[name])
        slack[f"{name}_file"] = str(tmp_path / name)
    assert loaded(MINIMAL + yaml.safe_dump(example)).settings.alerting.slack.pressable
