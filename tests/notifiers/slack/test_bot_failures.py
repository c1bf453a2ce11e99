"""The bot where Slack refuses or fails: nothing is lost, and hardly anything is posted twice."""

from dataclasses import replace

import pytest

from monitor.notifiers.slack import SlackBot
from monitor.ports import Undeliverable
from tests.notifiers import notices
from tests.notifiers.notices import MENTION
from tests.notifiers.receiver import Said, html
from tests.notifiers.slack.scripted import (
    CHANNEL,
    RATE_LIMITED,
    TOKEN,
    ScriptedSlack,
    SlackReader,
    a_bot,
    after_opening,
    no,
    waited_for,
)

# --- a root that is gone


async def test_a_deleted_root_is_followed_by_a_fresh_post(bot: SlackBot, slack: ScriptedSlack) -> None:
    """It takes over: it says the news and everything else, and the thread goes on below it."""
    notice = await after_opening(bot, "escalated")
    slack.delete(slack.root())
    receipt = await bot.deliver(notice)
    assert [method for method, _ in slack.calls[1:]] == ["chat.update", "chat.postMessage"]
    assert receipt == {"channel": CHANNEL, "ts": slack.root()["ts"]}
    assert "escalated" in slack.root()["text"]
    assert MENTION in slack.root()["text"]
    resolved = notices.resolved()
    assert resolved.notified is not None
    await bot.deliver(replace(resolved, notified=replace(resolved.notified, receipt=receipt)))
    assert "resolved" in slack.root()["text"]
    assert len(slack.thread(slack.root())) == 1


@pytest.mark.parametrize(
    ("before", "codes"),
    [
        (0, "message_not_found edit_window_closed cant_update_message update_failed is_inactive channel_not_found"),
        (1, "thread_not_found message_not_found cannot_reply_to_message restricted_action_thread_locked"),
    ],
    ids=["edit", "reply"],
)
async def test_what_cannot_be_edited_or_answered_is_posted_afresh(
    bot: SlackBot, slack: ScriptedSlack, before: int, codes: str
) -> None:
    """Whatever the reason, and also if it vanishes between the two: no news waits for what will never work."""
    for number, code in enumerate(codes.split()):
        notice = await after_opening(bot, "resolved")
        slack.script.extend([*[None] * before, no(code)])
        receipt = await bot.deliver(notice)
        assert receipt["ts"] == slack.root(2 * number + 1)["ts"], code
        assert "resolved" in slack.root(2 * number + 1)["text"], code


@pytest.mark.parametrize(("kind", "shown"), [("silenced", None), ("recounted", None), ("acknowledged", "by ana")])
async def test_of_what_is_worth_an_edit_alone_only_an_acknowledgement_gets_a_fresh_root(
    bot: SlackBot, slack: ScriptedSlack, kind: str, shown: str | None
) -> None:
    """Of a deleted root nothing is left to be edited; what comes after a silence gets a fresh post."""
    notice = await after_opening(bot, kind)
    assert notice.notified is not None
    slack.delete(slack.root())
    receipt = await bot.deliver(notice)
    if shown is None:
        assert receipt == notice.notified.receipt
        assert slack.messages == []
    else:
        assert shown in slack.root()["text"]


async def test_an_answer_that_does_not_say_where_the_message_is(bot: SlackBot, slack: ScriptedSlack) -> None:
    """It was taken, so it is not sent again; the next notice is a fresh post."""
    slack.script.append(Said(200, b'{"ok": true}'))
    assert await bot.deliver(notices.opened()) == {}


# --- refused blocks


@pytest.mark.parametrize("code", ["invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"])
async def test_refused_blocks_are_reported_once_more_in_plain_short_words(
    bot: SlackBot, slack: ScriptedSlack, code: str
) -> None:
    """Posted, edited and answered: what broke, where and since when still get through, and whoever must be called is."""
    slack.script.append(no(code, errors=["no more than 50 items allowed"]))
    receipt = await bot.deliver(notices.opened())
    assert "blocks" not in slack.root()
    assert slack.root()["text"].startswith(
        "🚨 critical · prod · Trace export is switched off (exporter_disabled)\nThe manifest is null. No trace is exported"
    )
    assert "Next step" not in slack.root()["text"]
    assert MENTION in slack.root()["text"]
    notice = notices.resolved()
    assert notice.notified is not None
    slack.script.extend([no(code), None, no(code), None])
    await bot.deliver(replace(notice, notified=replace(notice.notified, receipt=receipt)))
    assert slack.root()["blocks"] == []
    assert "resolved" in slack.root()["text"]
    assert "blocks" not in slack.thread(slack.root())[0]


async def test_plain_words_are_tried_only_once(bot: SlackBot, slack: ScriptedSlack) -> None:
    """Then it is permanent."""
    slack.script.extend([no("invalid_blocks"), no("invalid_blocks")])
    with pytest.raises(Undeliverable) as raised:
        await bot.deliver(notices.opened())
    assert raised.value.permanent
    assert len(slack.calls) == 2


# --- a Slack that fails


async def test_a_reply_that_failed_is_not_lost_and_not_doubled(bot: SlackBot, slack: ScriptedSlack) -> None:
    """The edit before it got through; the second attempt repeats the edit and posts the reply."""
    notice = await after_opening(bot, "resolved")
    slack.script.extend([None, html(503)])
    with pytest.raises(Undeliverable):
        await bot.deliver(notice)
    assert slack.thread(slack.root()) == []
    await bot.deliver(notice)
    assert len(slack.thread(slack.root())) == 1


@pytest.mark.parametrize(("lost", "replies"), [("chat.update", 1), ("chat.postMessage", 2)])
async def test_a_lost_answer_costs_one_duplicate_at_most(
    bot: SlackBot, slack: ScriptedSlack, lost: str, replies: int
) -> None:
    """Nobody can know whether it was posted: better twice than never. Of an edit nobody sees anything."""
    notice = await after_opening(bot, "resolved")
    slack.lose_next_answer_of = lost
    with pytest.raises(Undeliverable) as raised:
        await bot.deliver(notice)
    assert raised.value.unknown
    await bot.deliver(notice)
    assert len(slack.thread(slack.root())) == replies
    assert len(slack.messages) == 1 + replies


_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("said", "permanent", "unknown", "retry_after"),
    [
        pytest.param(no("invalid_auth"), True, False, None, id="token"),
        pytest.param(no("missing_scope", needed="chat:write"), True, False, None, id="scope"),
        pytest.param(no("channel_not_found"), True, False, None, id="channel"),
        pytest.param(no("not_in_channel"), True, False, None, id="not invited"),
        pytest.param(no("is_archived"), True, False, None, id="archived"),
        pytest.param(no("restricted_action_read_only_channel"), True, False, None, id="read-only"),
        pytest.param(no("method_deprecated"), True, False, None, id="withdrawn"),
        pytest.param(no("service_unavailable"), False, False, None, id="unavailable"),
        pytest.param(no("a_code_of_next_year"), False, False, None, id="undocumented"),
        pytest.param(no("internal_error"), False, True, None, id="perhaps done"),
        pytest.param(no("fatal_error"), False, True, None, id="perhaps done, fatally"),
        pytest.param(no("ratelimited"), False, False, None, id="ratelimited without a 429"),
        pytest.param(RATE_LIMITED, False, False, 30.0, id="429"),
        pytest.param(Said(429, b"", {"retry-after": "soon"}), False, False, None, id="429, no number"),
        pytest.param(Said(503, b'{"ok": false, "error": "service_unavailable"}', _JSON), False, True, None, id="503"),
        pytest.param(Said(403, b'{"error": "access_denied"}', _JSON), False, False, None, id="somebody else's 403"),
        pytest.param(html(200), False, True, None, id="HTML"),
        pytest.param(html(502), False, True, None, id="HTML, 502"),
        pytest.param(html(403), False, False, None, id="HTML, 403"),
        pytest.param(Said(302, b"", {"location": "https://evil.example/"}), False, False, None, id="redirect"),
        pytest.param(Said(200, b"[]", _JSON), False, True, None, id="a list"),
        pytest.param(Said(200, b"{}", _JSON), False, True, None, id="an empty object"),
        pytest.param(Said(200, b'{"ok": false, "error": {}}', _JSON), False, True, None, id="no code"),
        pytest.param(Said(200, b'{"ok": "false", "ts": "1.2"}', _JSON), False, True, None, id="a text for a yes"),
        pytest.param(Said(200, b'{"ok": 1, "ts": "1.2"}', _JSON), False, True, None, id="a number for a yes"),
        pytest.param(Said(200, b'{"ok": false, "error": "<!here>"}', _JSON), False, True, None, id="a code with power"),
        pytest.param(Said(200, b"[" * 60_000, _JSON), False, True, None, id="deep"),
        pytest.param(Said(200, b'"' + b"x" * 1_000_000 + b'"', _JSON), False, True, None, id="long"),
        pytest.param(Said(200, b'{"ok": true}' + b" " * 1_000_000, _JSON), False, True, None, id="endless"),
        pytest.param(Said(200, b"", _JSON), False, True, None, id="empty"),
    ],
)
async def test_what_an_answer_means(
    bot: SlackBot, slack: ScriptedSlack, said: Said, permanent: bool, unknown: bool, retry_after: float | None
) -> None:
    """Permanent are only Slack's documented errors; unknown is what may have been posted; never more than one request."""
    slack.script.append(said)
    with pytest.raises(Undeliverable) as raised:
        await bot.deliver(notices.opened())
    error = raised.value
    assert (error.permanent, error.unknown, error.retry_after) == (permanent, unknown, retry_after)
    assert len(slack.calls) == 1
    assert TOKEN not in str(error)
    assert "<" not in str(error)


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [("dns", False), ("connect", False), ("tls", False), ("denied", False), ("timeout", True), ("reset", True)],
)
async def test_without_an_answer_unknown_is_only_what_was_sent(
    reader: SlackReader, slack: ScriptedSlack, kind: str, unknown: bool
) -> None:
    """Where no connection came about, nothing can have been posted."""
    reader.network.take_down("slack.com", kind)
    bot = a_bot(reader)
    with pytest.raises(Undeliverable) as raised:
        await waited_for(reader.clock, bot.deliver(notices.opened()))
    assert (raised.value.permanent, raised.value.unknown) == (False, unknown)
    reader.network.bring_up("slack.com")
    await bot.deliver(notices.opened())
    assert len(slack.messages) == 1
