"""Any receiver of JSON: when it is sent what, signed; that it is the documented object stands in `test_webhook_docs`."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from monitor.core.incident import Reason
from monitor.core.model import Fault
from monitor.core.notify import record
from monitor.http import Http
from monitor.notifiers.webhook import WebhookNotifier
from monitor.ports import Notifier, Undeliverable
from monitor.redaction import Redactor
from tests.fakes.breakable import Breakable
from tests.fakes.clock import START, FakeClock
from tests.notifiers import notices
from tests.notifiers.contract import REDACT, NotifierContract, Reader
from tests.notifiers.notices import KINDS
from tests.notifiers.receiver import Receiver, Said, html

URL = "https://hooks.acme.dev/in/s3cr3t-path-1234"


class Hook:
    """Somebody's receiver."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.receiver = Receiver()
        self.network = Breakable({"hooks.acme.dev": self.receiver.asgi})

    def received(self) -> list[str]:
        """Everything it took, and for a closed incident the word."""
        return [f"{said} {said['reason']}" for said in self.receiver.taken]

    def refuse_once(self, *, permanent: bool) -> None:
        """As an overloaded receiver."""
        assert not permanent, "nothing is permanent here: it is fixed over there"
        self.receiver.script.append(html(503))


def a_webhook(hook: Hook, **more: Any) -> WebhookNotifier:
    """A notifier for it."""
    defaults: dict[str, Any] = {
        "http": Http(clock=hook.clock, transport=hook.network, redactor=Redactor()),
        "clock": hook.clock,
        "url": lambda: URL,
        "redact": REDACT,
        "secret": lambda: "shared",
        "external_url": "https://monitor.acme.dev",
    }
    return WebhookNotifier(**{**defaults, **more})


class TestWebhook(NotifierContract):
    """By POST."""

    @pytest.fixture
    def reader(self) -> Reader:
        """A receiver."""
        return Hook()

    @pytest.fixture
    def notifier(self, reader: Reader) -> Notifier:
        """The notifier."""
        assert isinstance(reader, Hook)
        return a_webhook(reader)


@pytest.fixture
def hook() -> Hook:
    """A receiver."""
    return Hook()


async def test_without_an_external_url_there_are_no_links(hook: Hook) -> None:
    """Rather than one that leads nowhere."""
    await a_webhook(hook, external_url=None).deliver(notices.resolved())
    assert hook.receiver.taken[0]["links"] == {}


async def test_each_of_several_edits_is_a_delivery_of_its_own(hook: Hook) -> None:
    """What is broken besides comes, goes and comes again: a receiver that drops what it knows must not drop the last."""
    notifier = a_webhook(hook)
    notified = notices.notified_of(notices.an_incident(), shown="before")
    for also in ((Fault.PROVIDER_FAILING,), (), (Fault.PROVIDER_FAILING,), ()):
        notice = notices.a_notice(Reason.EDITED, notices.an_incident(notices.a_diagnosis(also=also)), notified=notified)
        hook.receiver.script.append(html(500))
        with pytest.raises(Undeliverable):
            await notifier.deliver(notice)
        notified = record(notice, dict(await notifier.deliver(notice)))
    deliveries = [json.loads(body)["delivery"] for body in hook.receiver.bodies]
    assert deliveries[::2] == deliveries[1::2]  # each attempt and its repetition
    assert len(set(deliveries)) == 4


async def test_what_is_only_an_edit_elsewhere_is_reported(hook: Hook) -> None:
    """A machine may want to know. A silence without an end is one, although there is no date to be given."""
    endless = replace(notices.silenced(), silenced_until=float("inf"))
    for notice in (notices.silenced(), endless, notices.again()):
        await a_webhook(hook).deliver(notice)
    incidents = [said["incident"] for said in hook.receiver.taken]
    assert [each["silenced"] for each in incidents] == [True, True, False]
    assert [each["silenced_until"] for each in incidents] == ["2027-01-15T10:00:00.000Z", None, None]
    assert incidents[2]["reopened"] == 2


async def test_the_signature_covers_time_and_body(hook: Hook) -> None:
    """A receiver computes the same from what it was sent."""
    await a_webhook(hook).deliver(notices.opened())
    (body,), (head,) = hook.receiver.bodies, hook.receiver.heads
    timestamp = head["x-trace-monitor-timestamp"]
    expected = hmac.new(b"shared", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert head["x-trace-monitor-signature"] == f"sha256={expected}"
    assert float(timestamp) == START
    assert head["content-type"] == "application/json"


async def test_without_a_secret_there_is_no_signature(hook: Hook) -> None:
    """Rather than one that proves nothing."""
    await a_webhook(hook, secret=None).deliver(notices.opened())
    assert "x-trace-monitor-signature" not in hook.receiver.heads[0]


async def test_a_repeated_attempt_has_the_same_delivery_and_other_news_have_not(hook: Hook) -> None:
    """So that a receiver can drop what it has."""
    notifier = a_webhook(hook)
    hook.receiver.script.append(html(500))
    with pytest.raises(Undeliverable) as raised:
        await notifier.deliver(notices.opened())
    assert raised.value.unknown
    await hook.clock.advance(15)
    await notifier.deliver(replace(notices.opened(), at=hook.clock.now()))
    for kind in KINDS:
        await notifier.deliver(KINDS[kind]())
    deliveries = [json.loads(body)["delivery"] for body in hook.receiver.bodies]
    assert deliveries[0] == deliveries[1] == deliveries[2]  # an attempt, its repetition, and `opened` once more
    assert len(set(deliveries[2:])) == len(KINDS)


@pytest.mark.parametrize(
    ("said", "unknown", "retry_after"),
    [
        pytest.param(Said(429, b"", {"retry-after": "12"}), False, 12.0, id="429"),
        pytest.param(Said(503, b"", {"retry-after": "60"}), True, 60.0, id="503"),
        pytest.param(html(404), False, None, id="404"),
        pytest.param(Said(302, b"", {"location": "https://evil.example"}), False, None, id="redirect"),
    ],
)
async def test_what_an_answer_means(hook: Hook, said: Said, unknown: bool, retry_after: float | None) -> None:
    """All but a 2xx is tried again; the URL, which is a secret, is not shown."""
    hook.receiver.script.append(said)
    with pytest.raises(Undeliverable) as raised:
        await a_webhook(hook).deliver(notices.opened())
    error = raised.value
    assert (error.permanent, error.unknown, error.retry_after) == (False, unknown, retry_after)
    assert "s3cr3t" not in str(error)
    assert len(hook.receiver.bodies) == 1


async def test_any_2xx_is_taken(hook: Hook) -> None:
    """Receivers differ."""
    hook.receiver.script.append(Said(204))
    assert await a_webhook(hook).deliver(notices.opened()) == {"told": "1"}


@pytest.mark.parametrize(("kind", "unknown"), [("connect", False), ("reset", True)])
async def test_without_an_answer_unknown_is_only_what_was_sent(hook: Hook, kind: str, unknown: bool) -> None:
    """Where no connection came about, nothing can have been taken."""
    hook.network.take_down("hooks.acme.dev", kind)
    with pytest.raises(Undeliverable) as raised:
        await a_webhook(hook).deliver(notices.opened())
    assert raised.value.unknown is unknown


async def test_url_and_secret_are_asked_for_each_time_and_shown_nowhere(hook: Hook) -> None:
    """Both rotate."""
    secrets = iter(["old", "new"])
    notifier = a_webhook(hook, secret=lambda: next(secrets))
    await notifier.deliver(notices.opened())
    await notifier.deliver(notices.opened())
    signatures = [head["x-trace-monitor-signature"] for head in hook.receiver.heads]
    assert signatures[0] != signatures[1]
    assert "s3cr3t" not in repr(notifier)


async def test_texts_without_end_are_cut(hook: Hook) -> None:
    """A receiver is not flooded."""
    diagnosis = notices.a_diagnosis(because=tuple("x" * 5000 for _ in range(200)))
    await a_webhook(hook).deliver(notices.a_notice(incident=notices.an_incident(diagnosis)))
    assert len(hook.receiver.bodies[0]) < 64_000
