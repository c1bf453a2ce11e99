"""Every notifier keeps the contract: the fake of the tests as well as the real ones."""

import pytest

from monitor.notifiers.log import LogNotifier
from monitor.ports import Notifier, Undeliverable
from tests.notifiers.contract import REDACT, NotifierContract, Reader
from tests.notifiers.fake import FakeNotifier
from tests.notifiers.slack.reader import SlackReader, a_bot, a_webhook, bot_reader, hook_reader


class _FakeReader:
    def __init__(self) -> None:
        self.notifier = FakeNotifier()

    def heard(self) -> list[str]:
        return [REDACT(line) for line in self.notifier.lines]  # the fake hides nothing from its test

    def refuse_once(self, *, permanent: bool) -> None:
        self.notifier.failures.append(Undeliverable("refused", permanent=permanent))


class TestFakeNotifier(NotifierContract):
    """What the tests of others tell."""

    @pytest.fixture
    def reader(self) -> Reader:
        """Itself."""
        return _FakeReader()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The fake."""
        assert isinstance(reader, _FakeReader)
        return reader.notifier


class _Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def heard(self) -> list[str]:
        return self.lines

    def refuse_once(self, *, permanent: bool) -> None:
        pytest.skip(f"a line is always written (permanent: {permanent})")


class TestLogNotifier(NotifierContract):
    """Lines."""

    @pytest.fixture
    def reader(self) -> Reader:
        """Whoever reads the lines."""
        return _Lines()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The notifier."""
        assert isinstance(reader, _Lines)
        return LogNotifier(write=reader.lines.append, redact=REDACT)


class TestSlackBot(NotifierContract):
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


class TestSlackWebhook(NotifierContract):
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
