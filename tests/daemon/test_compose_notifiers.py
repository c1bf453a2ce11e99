"""The configured notifiers."""

from collections.abc import Mapping
from typing import Any

import pytest

from monitor.core.incident import Place
from monitor.core.model import Severity, TargetName
from monitor.daemon.compose import Deps
from monitor.daemon.compose_notifiers import notifiers_of, places_of
from monitor.http import Http, InProcess
from monitor.ports import Mentioning, Notifier
from monitor.redaction import Redactor
from tests.fakes.clock import FakeClock
from tests.settings.samples import MINIMAL, settings, with_target

BOT = "alerting:\n  slack: {bot_token: xoxb-Secret-3, channel: C1, mention: '<!here>'}\n"
HOOK = "alerting:\n  slack: {webhook_url: 'https://hooks.slack.com/services/T0/B0/Secret4', mention: '<!here>'}\n"
MANAGER = "alerting:\n  alertmanager: {urls: ['http://127.0.0.1:9093']}\n"
ANY = "alerting:\n  webhook: {url: 'https://receiver.example/hook', secret: a-signing-secret}\n"
ALL = BOT + "  alertmanager: {urls: ['http://127.0.0.1:9093']}\n  webhook: {url: 'https://receiver.example/hook'}\n"


def notifiers(text: str) -> tuple[Notifier, ...]:
    """Made of a configuration."""
    clock = FakeClock()
    deps = Deps(clock=clock, http=Http(clock=clock, transport=InProcess({}), redactor=Redactor()), redactor=Redactor())
    return notifiers_of(settings(text), deps)


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ("", []),
        (BOT, ["slack"]),
        (HOOK, ["slack"]),
        (MANAGER, ["alertmanager"]),
        (ANY, ["webhook"]),
        (ALL, ["slack", "alertmanager", "webhook"]),
    ],
)
def test_what_is_configured_notifies(more: str, names: list[str]) -> None:
    """None at all is legal: metrics only."""
    assert [each.name for each in notifiers(MINIMAL + more)] == names


def test_targets_that_share_channel_and_mention_share_the_minute() -> None:
    """One with a channel or a mention of its own is called for itself."""
    own = with_target("alerting: {channel: C2}").replace("  prod:", "  own:", 1).removeprefix("targets:\n")
    twin = MINIMAL.replace("  prod:", "  twin:", 1).removeprefix("targets:\n")
    (slack,) = notifiers(MINIMAL + twin + own + BOT)
    assert isinstance(slack, Mentioning)
    prod, other, alone = (slack.mention_key(TargetName(name)) for name in ("prod", "twin", "own"))
    assert prod == other != alone


def test_a_targets_own_channel_is_where_it_is_notified() -> None:
    """The global one is for all the others."""
    (slack,) = notifiers(with_target("alerting: {channel: C2, mention: '<@U1>'}") + BOT)
    notifier: Any = slack
    own = notifier.destinations[TargetName("prod")]
    assert (own.channel, own.mention, notifier.destination.channel) == ("C2", "<@U1>", "C1")


def places(text: str, channel: str | None = None) -> Mapping[str, Notifier]:
    """Every single place of a configuration."""
    clock = FakeClock()
    deps = Deps(clock=clock, http=Http(clock=clock, transport=InProcess({}), redactor=Redactor()), redactor=Redactor())
    return places_of(settings(text), deps, channel=channel)


def test_a_test_goes_to_every_single_place_by_its_name() -> None:
    """Each channel of the bot, a target's own among them, and each instance of Alertmanager."""
    two = ALL.replace("['http://127.0.0.1:9093']", "['http://127.0.0.1:9093', 'http://am-2:9093']")
    found = places(with_target("alerting: {channel: C2}") + two)
    names = ["slack C1", "slack C2", "alertmanager http://127.0.0.1:9093", "alertmanager http://am-2:9093", "webhook"]
    assert list(found) == names
    own: Any = found["slack C2"]
    assert (own.destination.channel, own.destination.mention, own.destinations) == ("C2", None, {})
    second: Any = found["alertmanager http://am-2:9093"]
    assert second.urls == ("http://am-2:9093",)
    assert list(places(MINIMAL + HOOK)) == ["slack"]
    assert places(MINIMAL) == {}


def test_the_self_test_goes_to_its_own_channel() -> None:
    """By the same bot, and to no other channel of it; the other ways have none."""
    found = places(with_target("alerting: {channel: C2}") + ALL, channel="C9")
    assert list(found) == ["slack C9", "alertmanager http://127.0.0.1:9093", "webhook"]
    tester: Any = found["slack C9"]
    assert (tester.destination.channel, tester.destination.mention, tester.destinations) == ("C9", None, {})


def test_alertmanager_knows_whose_severity_cannot_change() -> None:
    """Only a target that is never worse than a warning has always the same."""
    twin = MINIMAL.replace("  prod:", "  twin:", 1).removeprefix("targets:\n")
    (manager,) = notifiers(with_target("alerting: {max_severity: warning}") + twin + MANAGER)
    notifier: Any = manager
    assert notifier.max_severities == {TargetName("prod"): Severity.WARNING}


def test_no_notifier_shows_its_secret() -> None:
    """Not even to a debugger's eye."""
    shown = repr(notifiers(MINIMAL + ALL)) + repr(notifiers(MINIMAL + HOOK)) + repr(notifiers(MINIMAL + ANY))
    for secret in ("xoxb-Secret-3", "Secret4", "a-signing-secret"):
        assert secret not in shown


@pytest.mark.parametrize("slack", [BOT, HOOK])
def test_commands_are_offered_only_where_an_admin_token_is_configured(slack: str) -> None:
    """Without one the daemon would answer each of them with 403."""
    for more, offered in (("", False), ("server: {admin_token: an-admin-token}\n", True)):
        (notifier,) = notifiers(MINIMAL + slack + more)
        found: Any = notifier
        assert found.frame.commands is offered


@pytest.mark.parametrize("slack", [BOT, HOOK])
def test_buttons_open_the_tenants_console_and_the_hosted_traceloop(slack: str) -> None:
    """A Traceloop of one's own has its pages where nobody has said."""
    (notifier,) = notifiers(MINIMAL + slack)
    found: Any = notifier
    assert found.consoles[TargetName("prod")] == {
        Place.TRUEFOUNDRY: "https://acme.truefoundry.cloud/llm-gateway",
        Place.TRACELOOP: "https://app.traceloop.com/traces",
    }
    (own,) = notifiers(MINIMAL.replace("traceloop: {", "traceloop: {url: 'https://traces.example', ") + slack)
    elsewhere: Any = own
    assert set(elsewhere.consoles[TargetName("prod")]) == {Place.TRUEFOUNDRY}
