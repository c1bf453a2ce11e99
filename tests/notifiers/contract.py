"""What every notifier promises, whoever reads it: a fake, Slack, Alertmanager, a webhook."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from monitor.core.incident import Notice, Reason
from monitor.ports import Notifier, Undeliverable
from monitor.redaction import Redactor
from tests.fakes.clock import START
from tests.notifiers import notices

SECRET = "xoxb-1234-secret-5678"
REDACT = Redactor([SECRET]).redact


class Reader(Protocol):
    """Whoever is notified: what has reached him, and ways to fail."""

    def received(self) -> Sequence[str]:
        """Every message that got through, as text."""
        ...

    def refuse_once(self, *, permanent: bool) -> None:
        """Refuse the next message; `permanent` only where a `PermanentRefusalContract` asks for it."""
        ...


class NotifierContract(ABC):
    """Subclasses provide the notifier and its reader."""

    @pytest.fixture
    @abstractmethod
    def reader(self) -> Reader:
        """Whoever is notified."""

    @pytest.fixture
    @abstractmethod
    def notifier(self, reader: Reader) -> Notifier:
        """The notifier under test."""

    async def _deliver(self, notifier: Notifier, notice: Notice) -> Notice:
        """Deliver, and hand back the notice with what the notifier knows from now on."""
        receipt = await notifier.deliver(notice)
        assert all(isinstance(each, str) for pair in receipt.items() for each in pair)
        notified = notices.notified_of(notice.incident, receipt=receipt)
        return replace(notice, notified=notified)

    async def test_an_opening_names_target_and_fault(self, notifier: Notifier, reader: Reader) -> None:
        """Whoever reads it knows what broke where."""
        await self._deliver(notifier, notices.opened())
        assert len(reader.received()) == 1
        assert "prod" in reader.received()[0]
        assert "exporter_disabled" in reader.received()[0]

    @pytest.mark.parametrize("kind", notices.KINDS)
    async def test_every_kind_of_notice_can_be_reported(self, kind: str, notifier: Notifier) -> None:
        """Nothing but a receipt comes of it, whatever was reported before."""
        known = await self._deliver(notifier, notices.opened())
        notice = notices.KINDS[kind]()
        notified = (
            replace(notice.notified, receipt=known.notified.receipt) if notice.notified and known.notified else None
        )
        await self._deliver(notifier, replace(notice, notified=notified))

    async def test_a_resolve_says_so(self, notifier: Notifier, reader: Reader) -> None:
        """The word is there, after an opening and without one."""
        known = await self._deliver(notifier, notices.opened())
        await self._deliver(notifier, replace(notices.resolved(), notified=known.notified))
        assert "resolved" in reader.received()[-1]
        await self._deliver(
            notifier, replace(notices.missed(), incident=replace(notices.missed().incident, id="prod-2"))
        )
        assert "resolved" in reader.received()[-1]

    async def test_a_refusal_raises_undeliverable_and_the_next_attempt_gets_through(
        self, notifier: Notifier, reader: Reader
    ) -> None:
        """Nothing of a failed attempt stays behind."""
        reader.refuse_once(permanent=False)
        with pytest.raises(Undeliverable) as raised:
            await notifier.deliver(notices.opened())
        assert not raised.value.permanent
        await self._deliver(notifier, notices.opened())
        assert len(reader.received()) == 1

    async def test_a_test_reaches_the_reader(self, notifier: Notifier, reader: Reader) -> None:
        """It answers what it is set to answer."""
        await notifier.test("This is a test of the monitor")
        assert "This is a test of the monitor" in reader.received()[0]

    async def test_a_known_secret_is_never_reported(self, notifier: Notifier, reader: Reader) -> None:
        """Not even when somebody put it where words belong."""
        diagnosis = notices.a_diagnosis(because=(f"found {SECRET}",), advice=f"use {SECRET}", waiting=SECRET)
        incident = notices.an_incident(
            diagnosis, acked_by=SECRET, acked_at=START, acked_as=(diagnosis.fault, diagnosis.severity)
        )
        await self._deliver(notifier, notices.a_notice(incident=incident, labels={"key": SECRET}))
        closed = replace(incident, closed_at=START, closed_because=SECRET, timeline=notices.missed().incident.timeline)
        await self._deliver(notifier, notices.a_notice(Reason.RESOLVED, closed))
        assert reader.received()
        assert not any(SECRET in text for text in reader.received())

    async def test_closing_twice_is_closing(self, notifier: Notifier) -> None:
        """A program that stops in a hurry may close again."""
        notifier.close()
        notifier.close()

    def test_it_has_a_name_and_shows_no_secret(self, notifier: Notifier) -> None:
        """The name is a label; a repr may stand in any traceback."""
        assert notifier.name.isidentifier()
        assert SECRET not in repr(notifier)


class PermanentRefusalContract(NotifierContract):
    """Besides, of a notifier whose service says that only a person can fix what is wrong (Slack: contract section 5)."""

    async def test_what_only_a_person_can_fix_is_permanent(self, notifier: Notifier, reader: Reader) -> None:
        """It is tried again all the same, and gets through when it is fixed."""
        reader.refuse_once(permanent=True)
        with pytest.raises(Undeliverable) as raised:
            await notifier.deliver(notices.opened())
        assert raised.value.permanent
        assert not raised.value.unknown
        await self._deliver(notifier, notices.opened())
