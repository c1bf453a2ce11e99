"""The bot: one root per incident, edited in place; the rest in its thread; its pace, and whose token it is."""

import json
from dataclasses import replace

import pytest

from monitor.core.incident import Losses, Reason
from monitor.core.model import TargetName
from monitor.notifiers.slack import BotIdentity, Destination, Pace, SlackBot
from monitor.ports import Undeliverable
from tests.notifiers import notices
from tests.notifiers.notices import KINDS, MENTION
from tests.notifiers.receiver import Said
from tests.notifiers.slack.scripted import (
    CHANNEL,
    TOKEN,
    ScriptedSlack,
    SlackReader,
    a_bot,
    after_opening,
    no,
    waited_for,
)

NEWS = [kind for kind in KINDS if KINDS[kind]().notified is not None and KINDS[kind]().reason != "edited"]
EDITS = ["acknowledged", "silenced", "waiting", "recounted"]


# --- what is called, and how


async def test_an_opening_is_one_root_and_its_receipt_is_what_slack_said(bot: SlackBot, slack: ScriptedSlack) -> None:
    """The channel's id, not the name that was configured, and the timestamp."""
    named = replace(bot, destination=Destination(channel="#alerts", mention=MENTION))
    receipt = await named.deliver(notices.opened())
    assert receipt == {"channel": CHANNEL, "ts": slack.root()["ts"]}
    (method, sent), (head,) = slack.calls[0], slack.heads
    assert method == "chat.postMessage"
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)
    assert "parse" not in sent
    assert "link_names" not in sent
    assert MENTION in sent["text"]
    assert head["authorization"] == f"Bearer {TOKEN}"
    assert head["content-type"] == "application/json; charset=utf-8"
    assert head["user-agent"].startswith("gateway-trace-monitor/")


@pytest.mark.parametrize("kind", NEWS)
async def test_news_edit_the_root_and_answer_in_its_thread(bot: SlackBot, slack: ScriptedSlack, kind: str) -> None:
    """In that order, because an edit can be repeated; the receipt stays."""
    notice = await after_opening(bot, kind)
    assert notice.notified is not None
    receipt = dict(await bot.deliver(notice))
    assert receipt.pop("end", "") == ("" if notice.incident.open else slack.thread(slack.root())[0]["ts"])
    assert receipt == notice.notified.receipt
    assert [method for method, _ in slack.calls[1:]] == ["chat.update", "chat.postMessage"]
    (_, edit), (_, answer) = slack.calls[1:]
    assert edit["parse"] == "none"
    assert edit["ts"] == answer["thread_ts"] == slack.root()["ts"]
    assert answer["reply_broadcast"] is notice.broadcast
    assert (MENTION in answer["text"]) is notice.mention
    assert MENTION not in edit["text"]
    if not notice.incident.open:  # the channel shows it without opening the thread
        assert "resolved" in edit["text"]
        assert "resolved" in answer["text"]


@pytest.mark.parametrize("kind", EDITS)
async def test_an_edit_is_no_news(bot: SlackBot, slack: ScriptedSlack, kind: str) -> None:
    """Acknowledged, silenced, waiting, found after all: the root shows it, and nobody is disturbed."""
    await bot.deliver(await after_opening(bot, kind))
    assert [method for method, _ in slack.calls] == ["chat.postMessage", "chat.update"]
    assert slack.thread(slack.root()) == []


async def test_what_is_found_after_the_end_is_put_right_wherever_the_end_was_reported(
    bot: SlackBot, slack: ScriptedSlack
) -> None:
    """In the root, and in the answer that was shown in the channel: both say the same of what is late and what is lost."""
    resolved = await after_opening(bot, "resolved")
    assert resolved.notified is not None
    receipt = await bot.deliver(resolved)
    found = replace(resolved.incident, losses=Losses(sent=9, late=5, lost=0, longest_delay=900.0), recounted=True)
    notified = replace(resolved.notified, receipt=receipt, closed=True)
    edit = replace(resolved, reason=Reason.EDITED, incident=found, notified=notified, mention=False, broadcast=False)
    assert await bot.deliver(edit) == receipt
    said = "9 canaries: 4 arrived in time, 5 arrived late (after up to 15 min)."
    (answer,) = slack.thread(slack.root())
    assert said in slack.root()["text"]
    assert said in answer["text"]
    assert answer["reply_broadcast"] is True


async def test_what_comes_back_goes_to_the_same_thread(bot: SlackBot, slack: ScriptedSlack) -> None:
    """Again, in the channel too, with a mention; the end that was reported is forgotten, so the next edit leaves it as it is."""
    receipt = await bot.deliver(await after_opening(bot, "resolved"))
    again = replace(notices.again(), notified=notices.notified_of(notices.an_incident(), closed=True, receipt=receipt))
    assert "end" in receipt
    assert await bot.deliver(again) == {"channel": CHANNEL, "ts": slack.root()["ts"]}
    assert "resolved" not in slack.root()["text"]
    last = slack.thread(slack.root())[-1]
    assert "again, third time in 20 min" in last["text"]
    assert last["reply_broadcast"] is True
    assert MENTION in last["text"]


async def test_what_a_webhook_reported_before_gets_a_root(bot: SlackBot, slack: ScriptedSlack) -> None:
    """Its receipt is empty."""
    notice = notices.reminder()
    assert notice.notified is not None
    receipt = await bot.deliver(replace(notice, notified=replace(notice.notified, receipt={})))
    assert receipt["ts"] == slack.root()["ts"]
    assert "reminder" in slack.root()["text"]


async def test_a_target_may_have_its_own_channel_and_mention(reader: SlackReader, slack: ScriptedSlack) -> None:
    """The others have the global one."""
    bot = a_bot(reader, destinations={notices.PROD: Destination(channel="C0PROD", mention="<!subteam^S0999>")})
    await bot.deliver(notices.opened())
    other = replace(notices.opened(), incident=replace(notices.opened().incident, target=TargetName("other")))
    await bot.deliver(other)
    assert [(root["channel"], "S0999" in root["text"]) for root in slack.messages] == [
        ("C0PROD", True),
        (CHANNEL, False),
    ]


@pytest.mark.parametrize("common", [CHANNEL, ""])
async def test_a_test_goes_to_every_channel_once(reader: SlackReader, slack: ScriptedSlack, common: str) -> None:
    """Proof for each of them, without calling anybody; there may be none for all, where each target has its own."""
    targets = {TargetName(name): Destination(channel=channel) for name, channel in [("a", "C0A"), ("b", common)]}
    common_one = Destination(channel=common, mention=MENTION)
    await a_bot(reader, destination=common_one, destinations=targets).test("This is a test")
    assert [message["channel"] for message in slack.messages] == [*filter(None, [common]), "C0A"]
    assert not any(MENTION in message["text"] for message in slack.messages)


async def test_the_token_is_asked_for_each_time(reader: SlackReader, slack: ScriptedSlack) -> None:
    """A rotated one is used at once."""
    tokens = iter(["xoxb-old", TOKEN])
    bot = a_bot(reader, token=lambda: next(tokens))
    with pytest.raises(Undeliverable, match="token is not"):
        await bot.deliver(notices.opened())
    await bot.deliver(notices.opened())
    assert len(slack.messages) == 1


def test_a_mention_that_no_message_has_room_for_is_refused_at_once(reader: SlackReader) -> None:
    """When the bot is made, not when it is needed."""
    with pytest.raises(ValueError, match="mention"):
        a_bot(reader, destination=Destination(channel=CHANNEL, mention="@" * 500))


# --- the pace


async def test_one_message_a_second_and_channel(reader: SlackReader, slack: ScriptedSlack) -> None:
    """Several targets that break together do not run into Slack's limit; another channel does not wait."""
    bot = a_bot(
        reader,
        pace=Pace(reader.clock),
        destinations={TargetName("far"): Destination(channel="C0FAR")},
    )
    began = reader.clock.monotonic()
    far = replace(notices.opened(), incident=replace(notices.opened().incident, target=TargetName("far")))
    await bot.deliver(notices.opened())
    await bot.deliver(far)
    assert reader.clock.monotonic() == began
    await waited_for(reader.clock, bot.deliver(notices.opened()))
    assert reader.clock.monotonic() == began + 1
    await waited_for(reader.clock, bot.deliver(notices.opened()))
    assert reader.clock.monotonic() == began + 2
    assert len(slack.messages) == 4


async def test_an_edit_does_not_hold_up_the_call_that_follows_it(reader: SlackReader) -> None:
    """Editing and posting are counted apart, so who must be called is called at once."""
    bot = a_bot(reader, pace=Pace(reader.clock))
    notice = await after_opening(bot, "turned_critical")
    await reader.clock.advance(5)
    began = reader.clock.monotonic()
    await bot.deliver(notice)
    assert reader.clock.monotonic() == began


# --- whose token it is ------------------------------------------------------------------------------------------------


def _introduced(headers: dict[str, str], **more: str) -> Said:
    return Said(200, json.dumps({"ok": True, **more}).encode(), {"content-type": "application/json", **headers})


async def test_the_bot_says_who_it_is_without_posting(bot: SlackBot, slack: ScriptedSlack) -> None:
    """By auth.test (https://docs.slack.dev/reference/methods/auth.test); where scopes are not shown, nothing is said of them."""
    slack.script.append(_introduced({"x-oauth-scopes": "chat:write, a:b"}, team="Acme", user="monitor"))
    assert await bot.identify() == BotIdentity(team="Acme", user="monitor", scopes=("chat:write", "a:b"))
    slack.script.append(_introduced({}))
    assert await bot.identify() == BotIdentity(team="", user="", scopes=None)
    assert [method for method, _ in slack.calls] == ["auth.test"] * 2
    assert slack.messages == []


async def test_a_bad_token_is_refused(bot: SlackBot, slack: ScriptedSlack) -> None:
    """As when posting."""
    slack.script.append(no("invalid_auth"))
    with pytest.raises(Undeliverable) as caught:
        await bot.identify()
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("code", "several", "said", "place"),
    [
        (
            "not_in_channel",
            True,
            "Slack says not_in_channel of the channel C0PROD: invite the bot to the channel",
            "C0PROD",
        ),
        ("not_in_channel", False, "Slack says not_in_channel: invite the bot to the channel", ""),
        ("invalid_auth", True, "Slack says invalid_auth: the bot token is not (or no longer) valid", ""),
        ("ratelimited", True, "Slack says ratelimited", ""),
    ],
)
async def test_a_channel_that_refuses_is_named_where_there_are_several(
    reader: SlackReader, slack: ScriptedSlack, code: str, several: bool, said: str, place: str
) -> None:
    """What is wrong with the token, or passes by itself, is no channel's."""
    other = {notices.PROD: Destination(channel="C0PROD")} if several else {}
    slack.script.append(no(code))
    with pytest.raises(Undeliverable) as caught:
        await a_bot(reader, destinations=other).deliver(notices.opened())
    assert (str(caught.value), caught.value.place) == (said, place)
