"""An incoming webhook: one message each, and its URL is a secret."""

from dataclasses import replace

import pytest

from monitor.notifiers.slack import Pace, SlackWebhook
from monitor.ports import Undeliverable
from tests.notifiers import notices
from tests.notifiers.notices import KINDS, MENTION
from tests.notifiers.receiver import Said, html
from tests.notifiers.slack.scripted import HOOK_PATH, ScriptedSlack, SlackReader, a_webhook, hook_reader, waited_for

_TEXT = {"content-type": "text/html"}


@pytest.fixture
def reader() -> SlackReader:
    """A channel."""
    return hook_reader()


@pytest.fixture
def slack(reader: SlackReader) -> ScriptedSlack:
    """The Slack behind it."""
    return reader.slack


@pytest.fixture
def webhook(reader: SlackReader) -> SlackWebhook:
    """The webhook of that channel."""
    return a_webhook(reader)


async def test_each_notice_is_one_message_that_says_everything(webhook: SlackWebhook, slack: ScriptedSlack) -> None:
    """Nothing can be edited, so a reminder says what broke, and a resolve how it went."""
    for kind in ("opened", "reminder", "resolved"):
        assert await webhook.tell(KINDS[kind]()) == {}
    texts = [message["text"] for message in slack.messages]
    assert [text.partition("\n")[0] for text in texts] == [
        "🚨 critical · prod · exporter_disabled",
        "⏰ reminder: still critical after 4 h 1 min · prod · exporter_disabled",
        "✅ resolved · prod · exporter_disabled · after 16 min",
    ]
    assert "Next step" in texts[1]
    assert (slack.calls[0][1]["unfurl_links"], slack.calls[0][1]["unfurl_media"]) == (False, False)
    assert slack.heads[0]["content-type"] == "application/json; charset=utf-8"
    assert "authorization" not in slack.heads[0]


@pytest.mark.parametrize("kind", ["acknowledged", "silenced", "waiting"])
async def test_what_is_only_worth_an_edit_is_not_posted(webhook: SlackWebhook, slack: ScriptedSlack, kind: str) -> None:
    """The channel is no logbook."""
    assert await webhook.tell(KINDS[kind]()) == {}
    assert slack.calls == []


async def test_a_target_may_call_somebody_else(reader: SlackReader, slack: ScriptedSlack) -> None:
    """Or nobody."""
    await a_webhook(reader, mentions={notices.PROD: "<!subteam^S0999>"}).tell(notices.opened())
    await a_webhook(reader, mentions={notices.PROD: None}).tell(notices.opened())
    await a_webhook(reader).tell(notices.opened())
    assert [message["text"].rpartition("\n")[2] for message in slack.messages][::2] == ["<!subteam^S0999>", MENTION]
    assert "subteam" not in slack.messages[1]["text"]


async def test_refused_blocks_are_told_once_more_in_plain_short_words(
    webhook: SlackWebhook, slack: ScriptedSlack
) -> None:
    """What broke, where and since when still get through."""
    slack.script.append(Said(400, b"invalid_blocks", _TEXT))
    await webhook.tell(notices.opened())
    assert "blocks" not in slack.messages[0]
    assert slack.messages[0]["text"].startswith("🚨 critical · prod · exporter_disabled\n")


@pytest.mark.parametrize(
    ("said", "permanent", "unknown"),
    [
        pytest.param(Said(404, b"no_service", _TEXT), True, False, id="gone"),
        pytest.param(Said(403, b"invalid_token", _TEXT), True, False, id="token"),
        pytest.param(Said(403, b"action_prohibited", _TEXT), True, False, id="prohibited"),
        pytest.param(Said(404, b"channel_not_found", _TEXT), True, False, id="channel"),
        pytest.param(Said(410, b"channel_is_archived", _TEXT), True, False, id="archived"),
        pytest.param(Said(404, b"no_such_thing", _TEXT), False, False, id="undocumented"),
        pytest.param(Said(500, b"rollup_error", _TEXT), False, True, id="rollup"),
        pytest.param(Said(503, b"no_service", _TEXT), False, True, id="a 503 is no documented answer"),
        pytest.param(Said(200, b"no_service", _TEXT), False, True, id="neither is a 200"),
        pytest.param(html(200), False, True, id="HTML"),
        pytest.param(html(407), False, False, id="a proxy's page"),
        pytest.param(Said(200, b"ok", {"content-length": "9"}), False, True, id="cut short"),
        pytest.param(Said(301, b"", {"location": "https://evil.example"}), False, False, id="redirect"),
    ],
)
async def test_what_an_answer_means(
    webhook: SlackWebhook, slack: ScriptedSlack, said: Said, permanent: bool, unknown: bool
) -> None:
    """Permanent are only Slack's documented words; unknown is what may have been posted; the URL is never shown."""
    slack.script.append(said)
    with pytest.raises(Undeliverable) as raised:
        await webhook.tell(notices.opened())
    assert (raised.value.permanent, raised.value.unknown) == (permanent, unknown)
    assert len(slack.calls) == 1
    assert HOOK_PATH not in str(raised.value)
    assert "secret" not in str(raised.value)


async def test_one_message_a_second(reader: SlackReader, slack: ScriptedSlack) -> None:
    """Several targets that break together do not run into Slack's limit."""
    webhook = a_webhook(reader, pace=Pace(reader.clock))
    began = reader.clock.monotonic()
    await webhook.tell(notices.opened())
    assert reader.clock.monotonic() == began
    await waited_for(reader.clock, webhook.tell(notices.opened()))
    assert reader.clock.monotonic() == began + 1
    assert len(slack.messages) == 2


async def test_a_word_that_is_not_documented_is_not_repeated(webhook: SlackWebhook, slack: ScriptedSlack) -> None:
    """It may be anybody's, and hold anything."""
    slack.script.append(Said(400, b"something else", _TEXT))
    with pytest.raises(Undeliverable) as raised:
        await webhook.tell(notices.opened())
    assert str(raised.value).startswith("not an answer of Slack: status 400")


async def test_429_asks_to_wait(webhook: SlackWebhook, slack: ScriptedSlack) -> None:
    """As long as Slack says."""
    slack.script.append(Said(429, b"rate_limited", {"retry-after": "7"}))
    with pytest.raises(Undeliverable) as raised:
        await webhook.tell(notices.opened())
    assert (raised.value.retry_after, raised.value.permanent, raised.value.unknown) == (7.0, False, False)


async def test_the_url_is_asked_for_each_time(reader: SlackReader, slack: ScriptedSlack) -> None:
    """A new webhook is used at once, and its URL is not shown."""
    urls = iter(["https://hooks.slack.com/services/T0/B0/old", f"https://hooks.slack.com{HOOK_PATH}"])
    webhook = a_webhook(reader, url=lambda: next(urls))
    slack.script.append(Said(404, b"no_service", _TEXT))
    with pytest.raises(Undeliverable):
        await webhook.tell(notices.opened())
    await webhook.tell(replace(notices.opened(), mention=False))
    assert len(slack.messages) == 1
    assert "hooks" not in repr(webhook)
