"""A bot, the channel that it posts to, and the Slack behind it."""

import pytest

from monitor.notifiers.slack import SlackBot
from tests.notifiers.slack.scripted import ScriptedSlack, SlackReader, a_bot, bot_reader


@pytest.fixture
def reader() -> SlackReader:
    """A channel."""
    return bot_reader()


@pytest.fixture
def slack(reader: SlackReader) -> ScriptedSlack:
    """The Slack behind it."""
    return reader.slack


@pytest.fixture
def bot(reader: SlackReader) -> SlackBot:
    """The bot that posts to it."""
    return a_bot(reader)
