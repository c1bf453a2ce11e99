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
        assert await webhook.deliver(KINDS[kind]()) == {}
    texts = [message["text"] for message in slack.messages]
    assert [text.partition("\n")[0] for text in texts] == [
        "🚨 critical · prod · Trace export is switched off (exporter_disabled)",
        "⏰ reminder: still critical after 4 h 1 min · prod · Trace export is switched off (exporter_disabled)",
        "✅ resolved after 16 min · prod · Trace export is switched off (exporter_disabled)",
    ]
    assert "Next step" in texts[1]
    assert (slack.calls[0][1]["unfurl_links"], slack.calls[0][1]["unfurl_media"]) == (False, False)
    assert slack.heads[0]["content-type"] == "application/json; charset=utf-8"
    assert "authorization" not in slack.heads[0]


@pytest.mark.parametrize("kind", ["acknowledged", "silenced", "waiting"])
async def test_what_is_only_worth_an_edit_is_not_posted(webhook: SlackWebhook, slack: ScriptedSlack, kind: str) -> None:
    """The channel is no logbook."""
    assert await webhook.deliver(KINDS[kind]()) == {}
    assert slack.calls == []


async def test_a_target_may_call_somebody_else(reader: SlackReader, slack: ScriptedSlack) -> None:
    """Or nobody."""
    await a_webhook(reader, mentions={notices.PROD: "<!subteam^S0999>"}).deliver(notices.opened())
    await a_webhook(reader, mentions={notices.PROD: None}).deliver(notices.opened())
    await a_webhook(reader).deliver(notices.opened())
    assert [message["text"].rpartition("\n")[2] for message in slack.messages][::2] == ["<!subteam^S0999>", MENTION]
    assert "subteam" not in slack.messages[1]["text"]


async def test_refused_blocks_are_reported_once_more_in_plain_short_words(
    webhook: SlackWebhook, slack: ScriptedSlack
) -> None:
    """What broke, where and since when still get through."""
    slack.script.append(Said(400, b"invalid_blocks", _TEXT))
    await webhook.deliver(notices.opened())
    assert "blocks" not in slack.messages[0]
    assert slack.messages[0]["text"].startswith(
        "🚨 critical · prod · Trace export is switched off (exporter_disabled)\n"
    )


@pytest.mark.parametrize(
    ("said", "permanent", "unknown", "retry_after"),
    [
        pytest.param(Said(404, b"no_service", _TEXT), True, False, None, id="gone"),
        pytest.param(Said(403, b"invalid_token", _TEXT), True, False, None, id="token"),
        pytest.param(Said(403, b"action_prohibited", _TEXT), True, False, None, id="prohibited"),
        pytest.param(Said(404, b"channel_not_found", _TEXT), True, False, None, id="channel"),
        pytest.param(Said(410, b"channel_is_archived", _TEXT), True, False, None, id="archived"),
        pytest.param(Said(404, b"no_such_thing", _TEXT), False, False, None, id="undocumented"),
        pytest.param(Said(500, b"rollup_error", _TEXT), False, True, None, id="rollup"),
        pytest.param(Said(503, b"no_service", _TEXT), False, True, None, id="a 503 is no documented answer"),
        pytest.param(Said(200, b"no_service", _TEXT), False, True, None, id="neither is a 200"),
        pytest.param(Said(429, b"rate_limited", {"retry-after": "7"}), False, False, 7.0, id="429"),
        pytest.param(html(200), False, True, None, id="HTML"),
        pytest.param(html(407), False, False, None, id="a proxy's page"),
        pytest.param(Said(200, b"ok", {"content-length": "9"}), False, True, None, id="cut short"),
        pytest.param(Said(301, b"", {"location": "https://evil.example"}), False, False, None, id="redirect"),
    ],
)
async def test_what_an_answer_means(
    webhook: SlackWebhook, slack: ScriptedSlack, said: Said, permanent: bool, unknown: bool, retry_after: float | None
) -> None:
    """Permanent are only Slack's documented words, no other is repeated; unknown is what may have been posted."""
    slack.script.append(said)
    with pytest.raises(Undeliverable) as raised:
        await webhook.deliver(notices.opened())
    error = raised.value
    assert (error.permanent, error.unknown, error.retry_after) == (permanent, unknown, retry_after)
    assert len(slack.calls) == 1
    assert HOOK_PATH not in str(error)
    assert "secret" not in str(error)
    assert permanent or said.body in {b"", b"ok"} or said.body.decode() not in str(error)


async def test_one_message_a_second(reader: SlackReader, slack: ScriptedSlack) -> None:
    """Several targets that break together do not run into Slack's limit."""
    webhook = a_webhook(reader, pace=Pace(reader.clock))
    began = reader.clock.monotonic()
    await webhook.deliver(notices.opened())
    assert reader.clock.monotonic() == began
    await waited_for(reader.clock, webhook.deliver(notices.opened()))
    assert reader.clock.monotonic() == began + 1
    assert len(slack.messages) == 2


async def test_the_url_is_asked_for_each_time(reader: SlackReader, slack: ScriptedSlack) -> None:
    """A new webhook is used at once, and its URL is not shown."""
    urls = iter(["https://hooks.slack.com/services/T0/B0/old", f"https://hooks.slack.com{HOOK_PATH}"])
    webhook = a_webhook(reader, url=lambda: next(urls))
    slack.script.append(Said(404, b"no_service", _TEXT))
    with pytest.raises(Undeliverable):
        await webhook.deliver(notices.opened())
    await webhook.deliver(replace(notices.opened(), mention=False))
    assert len(slack.messages) == 1
    assert "hooks" not in repr(webhook)
