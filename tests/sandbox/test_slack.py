"""Slack in the sandbox: its API, its webhooks, its refusals."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from monitor.ports import Unreachable
from monitor.sandbox import Host, Sandbox, serve
from monitor.sandbox.credentials import ARCHIVED_CHANNEL, CHANNEL, CHANNEL_NAME, FOREIGN_CHANNEL
from monitor.sandbox.slack import check_size
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, read


async def test_a_message_is_posted_answered_and_kept(asker: Asker, sandbox: Sandbox) -> None:
    """By channel id or name; the answer has the id and a timestamp."""
    first = await asker.slack("chat.postMessage", channel=CHANNEL, text="one")
    second = await asker.slack("chat.postMessage", channel=f"#{CHANNEL_NAME}", text="two")
    assert first["ok"]
    assert second["channel"] == CHANNEL
    assert first["ts"] < second["ts"]
    assert [message.text for message in sandbox.world.slack.messages] == ["one", "two"]


async def test_a_thread_hangs_from_its_root_and_an_edit_shows_in_place(asker: Asker, sandbox: Sandbox) -> None:
    """The root reads as edited last, the thread keeps its order, broadcasts are marked."""
    root = await asker.slack("chat.postMessage", channel=CHANNEL, text="broken")
    for text, broadcast in (("still", False), ("worse", True)):
        await asker.slack(
            "chat.postMessage", channel=CHANNEL, text=text, thread_ts=root["ts"], reply_broadcast=broadcast
        )
    edited = await asker.slack("chat.update", channel=root["channel"], ts=root["ts"], text="resolved")
    assert edited["ok"]
    assert [message.text for message in sandbox.world.slack.roots] == ["resolved"]
    assert sandbox.world.slack.roots[0].versions == ["broken"]
    thread = sandbox.world.slack.thread(sandbox.world.slack.roots[0])
    assert [(message.text, message.broadcast) for message in thread] == [("still", False), ("worse", True)]


async def test_an_edit_without_blocks_keeps_them(asker: Asker, sandbox: Sandbox) -> None:
    """Only what is named is replaced; an empty list takes blocks away."""
    block = {"type": "divider"}
    root = await asker.slack("chat.postMessage", channel=CHANNEL, text="x", blocks=[block])
    await asker.slack("chat.update", channel=CHANNEL, ts=root["ts"], text="y")
    assert sandbox.world.slack.roots[0].blocks == [block]
    await asker.slack("chat.update", channel=CHANNEL, ts=root["ts"], text="y", blocks=[])
    assert sandbox.world.slack.roots[0].blocks == []


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown channel": ("chat.postMessage", {"channel": "C0NOBODY", "text": "x"}, "channel_not_found"),
    "no channel": ("chat.postMessage", {"text": "x"}, "channel_not_found"),
    "archived": ("chat.postMessage", {"channel": ARCHIVED_CHANNEL, "text": "x"}, "is_archived"),
    "no member": ("chat.postMessage", {"channel": FOREIGN_CHANNEL, "text": "x"}, "not_in_channel"),
    "no text": ("chat.postMessage", {"channel": CHANNEL}, "no_text"),
    "too long": ("chat.postMessage", {"channel": CHANNEL, "text": "x" * 40_001}, "msg_too_long"),
    "no thread": ("chat.postMessage", {"channel": CHANNEL, "text": "x", "thread_ts": "1.000000"}, "thread_not_found"),
    "edit by name": ("chat.update", {"channel": CHANNEL_NAME, "ts": "1.000000", "text": "x"}, "channel_not_found"),
    "edit of nothing": ("chat.update", {"channel": CHANNEL, "ts": "1.000000", "text": "x"}, "message_not_found"),
    "unknown method": ("chat.whisper", {}, "unknown_method"),
}


@pytest.mark.parametrize(("method", "payload", "error"), REFUSED.values(), ids=REFUSED)
async def test_slack_says_no(asker: Asker, method: str, payload: dict[str, Any], error: str) -> None:
    """With `ok: false` and its own word for the reason."""
    answer = await asker.slack(method, **payload)
    assert (answer["ok"], answer["error"]) == (False, error)
    assert not asker.sandbox.world.slack.messages


async def test_bad_blocks_are_explained(asker: Asker) -> None:
    """Each problem stands in `errors` and in `response_metadata.messages`."""
    answer = await asker.slack("chat.postMessage", channel=CHANNEL, text="x", blocks=[{"type": "paragraph"}])
    assert answer["error"] == "invalid_blocks"
    assert answer["errors"] == ["blocks[0].type: unknown block 'paragraph'"]
    assert answer["response_metadata"]["messages"] == answer["errors"]


async def test_a_reply_has_no_replies(asker: Asker) -> None:
    """A thread hangs from a root, never from a reply."""
    root = await asker.slack("chat.postMessage", channel=CHANNEL, text="x")
    reply = await asker.slack("chat.postMessage", channel=CHANNEL, text="x", thread_ts=root["ts"])
    refused = await asker.slack("chat.postMessage", channel=CHANNEL, text="x", thread_ts=reply["ts"])
    assert refused["error"] == "cannot_reply_to_message"


async def test_tokens_are_checked(asker: Asker) -> None:
    """None, a wrong one, a right one; the scopes stand in a header."""
    nobody = await asker.ask(Host.SLACK, "POST", "/api/auth.test")
    assert read(nobody)["error"] == "not_authed"
    wrong = await asker.ask(Host.SLACK, "POST", "/api/auth.test", token="xoxb-nobody")
    assert read(wrong)["error"] == "invalid_auth"
    right = await asker.ask(Host.SLACK, "POST", "/api/auth.test", token=asker.credentials.bot_token)
    assert read(right)["team"] == "Sandbox"
    assert "chat:write" in right.headers["x-oauth-scopes"]


async def test_forms_are_read_as_well_as_json(asker: Asker, sandbox: Sandbox) -> None:
    """A token in the form, blocks as a text of JSON; broken ones are named."""
    form = {"token": asker.credentials.bot_token, "channel": CHANNEL, "text": "x", "blocks": '[{"type":"divider"}]'}
    named = {"content-type": "application/x-www-form-urlencoded"}
    path = "/api/chat.postMessage"
    answer = await asker.ask(Host.SLACK, "POST", path, body=urlencode(form).encode(), headers=named)
    assert read(answer)["ok"]
    assert sandbox.world.slack.messages[0].blocks == [{"type": "divider"}]
    broken = urlencode({**form, "blocks": "[{"}).encode()
    assert (
        read(await asker.ask(Host.SLACK, "POST", path, body=broken, headers=named))["error"] == "invalid_blocks_format"
    )
    junk = await asker.ask(Host.SLACK, "POST", path, body=b"%", headers=named)
    assert read(junk)["error"] == "invalid_form_data"
    for body, error in ((b"{", "invalid_json"), (b"[]", "json_not_object")):
        answer = await asker.ask(Host.SLACK, "POST", path, body=body, headers={"content-type": "application/json"})
        assert read(answer)["error"] == error


async def test_a_webhook_answers_in_plain_words(asker: Asker, sandbox: Sandbox) -> None:
    """`ok`, or the error as text with a status of its own; what it posts cannot be edited."""
    path = asker.credentials.webhook_path

    async def hook(body: Any, path: str = path) -> tuple[int, bytes]:
        answer = await asker.ask(Host.SLACK, "POST", path, body=body)
        return answer.status, answer.body

    assert await hook({"text": "x"}) == (200, b"ok")
    assert await hook({}) == (400, b"no_text")
    assert await hook({"blocks": [{"type": "paragraph"}]}) == (400, b"invalid_blocks")
    assert await hook({"text": "x"}, "/services/T/B/unknown") == (404, b"no_service")
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = urlencode({"payload": json.dumps({"text": "y"})}).encode()
    assert (await asker.ask(Host.SLACK, "POST", path, body=body, headers=form)).body == b"ok"
    broken = await asker.ask(Host.SLACK, "POST", path, body=b"{", headers={"content-type": "application/json"})
    assert broken.body == b"invalid_payload"
    await sandbox.break_("slack_invalid_auth")
    assert await hook({"text": "x"}) == (403, b"invalid_token")
    await sandbox.fix()
    message = sandbox.world.slack.roots[0]
    refused = await asker.slack("chat.update", channel=message.channel, ts=message.ts, text="z")
    assert refused["error"] == "cant_update_message"


async def test_a_paced_slack_tolerates_a_burst_and_then_one_a_second(
    asker: Asker, sandbox: Sandbox, clock: FakeClock
) -> None:
    """Beyond it 429 with Retry-After, and nothing is posted."""
    await sandbox.break_("slack_paced")
    said = [(await asker.slack("chat.postMessage", channel=CHANNEL, text="x")).get("error") for _ in range(4)]
    assert said == [None, None, None, "ratelimited"]
    limited = await asker.ask(
        Host.SLACK,
        "POST",
        "/api/chat.postMessage",
        token=asker.credentials.bot_token,
        body={"channel": CHANNEL, "text": "x"},
    )
    assert (limited.status, limited.headers["retry-after"]) == (429, "1")
    await clock.advance(1.0)
    assert (await asker.slack("chat.postMessage", channel=CHANNEL, text="x"))["ok"]
    assert len(sandbox.world.slack.messages) == 4


async def test_a_lost_answer_leaves_its_message(asker: Asker, sandbox: Sandbox) -> None:
    """The message is posted, the connection is reset: whoever posts again posts twice."""
    await sandbox.break_("slack_answer_lost")
    with pytest.raises(Unreachable):
        await asker.slack("chat.postMessage", channel=CHANNEL, text="x")
    assert len(sandbox.world.slack.messages) == 1


async def test_slacks_own_client_is_content() -> None:
    """slack-sdk posts, threads, edits, is refused, and uses the webhook over real sockets."""
    async with serve() as sandbox:
        await asyncio.to_thread(_use, sandbox)
        root, by_webhook = sandbox.world.slack.roots
        assert (root.text, by_webhook.text) == ("resolved", "by webhook")
        assert [message.text for message in sandbox.world.slack.thread(root)] == ["more"]


def _use(sandbox: Sandbox) -> None:
    client = WebClient(sandbox.world.credentials.bot_token, base_url=sandbox.slack_api_url, timeout=5)
    assert client.auth_test()["ok"]
    root = client.chat_postMessage(channel=CHANNEL, text="broken", blocks=[{"type": "divider"}])
    client.chat_postMessage(channel=CHANNEL, text="more", thread_ts=root["ts"])
    client.chat_update(channel=root["channel"], ts=root["ts"], text="resolved")
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel="C0NOBODY", text="x")
    assert refused.value.response["error"] == "channel_not_found"
    assert WebhookClient(sandbox.slack_webhook_url, timeout=5).send(text="by webhook").body == "ok"


def test_without_the_tests_it_refuses_what_is_empty_or_too_much() -> None:
    """What blocks may hold only the check that the tests bring knows."""
    payloads: tuple[dict[str, Any], ...] = (
        {"text": "x", "blocks": [{"type": "paragraph"}] * 50},
        {"blocks": []},
        {"text": "x" * 40_001},
        {"text": "x", "blocks": {}},
        {"blocks": [{}] * 51},
    )
    problems = [problem.partition(":")[0] for payload in payloads for problem in check_size(payload)]
    assert problems == ["no_text", "msg_too_long", "invalid_blocks_format", "invalid_blocks"]
