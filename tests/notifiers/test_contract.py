"""Every notifier keeps the contract: the fake of the tests as well as the real ones."""

import pytest

from monitor.ports import Notifier, Undeliverable
from tests.notifiers.contract import REDACT, PermanentRefusalContract, Reader
from tests.notifiers.fake import FakeNotifier
from tests.notifiers.slack.scripted import SlackReader, a_bot, a_webhook, bot_reader, hook_reader


class _FakeReader:
    def __init__(self) -> None:
        self.notifier = FakeNotifier()

    def received(self) -> list[str]:
        return [REDACT(line) for line in self.notifier.lines]  # the fake hides nothing from its test

    def refuse_once(self, *, permanent: bool) -> None:
        self.notifier.failures.append(Undeliverable("refused", permanent=permanent))


class TestFakeNotifier(PermanentRefusalContract):
    """What the tests of others deliver."""

    @pytest.fixture
    def reader(self) -> Reader:
        """Itself."""
        return _FakeReader()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The fake."""
        assert isinstance(reader, _FakeReader)
        return reader.notifier


class TestSlackBot(PermanentRefusalContract):
    """By chat.postMessage and chat.update."""

    @pytest.fixture
    def reader(self) -> Reader:
        """A channel."""
        return bot_reader()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The notifier."""
        assert isinstance(reader, SlackReader)
        return a_bot(reader)


class TestSlackWebhook(PermanentRefusalContract):
    """By an incoming webhook."""

    @pytest.fixture
    def reader(self) -> Reader:
        """A channel."""
        return hook_reader()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The notifier."""
        assert isinstance(reader, SlackReader)
        return a_webhook(reader)
