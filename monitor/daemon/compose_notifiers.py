"""The configured ways to tell. A new notifier is one function here, and one line in `_MAKERS`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from monitor.core.model import Severity, TargetName
from monitor.daemon.delivery import Route
from monitor.http import Http
from monitor.notifiers.alertmanager import AlertmanagerNotifier
from monitor.notifiers.slack import Destination, Pace, SlackBot, SlackWebhook
from monitor.notifiers.webhook import WebhookNotifier
from monitor.ports import Clock, Notifier
from monitor.redaction import Redactor
from monitor.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """What notifiers stand on."""

    clock: Clock
    http: Http
    redactor: Redactor


def routes_of(settings: Settings, footing: Footing) -> tuple[Route, ...]:
    """Every configured way to tell; none is legal (metrics only)."""
    made = [make(settings, footing) for make in _MAKERS]
    return tuple(route for route in made if route is not None)


def ways_of(settings: Settings, footing: Footing, *, channel: str | None = None) -> Mapping[str, Notifier]:
    """Every single place to tell, by a name that says which: what a test has to reach. `channel`: Slack's bot posts only there."""
    return {
        f"{notifier.name} {place}".rstrip(): notifier
        for route in routes_of(settings, footing)
        for place, notifier in _places_of(route.notifier, channel)
    }


def _places_of(notifier: Notifier, channel: str | None) -> Iterator[tuple[str, Notifier]]:
    match notifier:
        case SlackBot():
            every = (notifier.destination, *notifier.destinations.values())
            for place in [channel] if channel is not None else dict.fromkeys(each.channel for each in every):
                if place:
                    yield place, replace(notifier, destination=Destination(channel=place), destinations={})
        case AlertmanagerNotifier():
            for url in notifier.urls:
                yield url, replace(notifier, urls=(url,))
        case _:
            yield "", notifier


def slack_bot(settings: Settings, footing: Footing) -> SlackBot | None:
    """Slack by a bot token, if there is one."""
    slack = settings.alerting.slack
    if slack.bot_token is None:
        return None
    common = Destination(channel=slack.channel or "", mention=slack.mention or None)
    return SlackBot(
        http=footing.http,
        clock=footing.clock,
        token=slack.bot_token.get,
        destination=common,
        redact=footing.redactor.redact,
        destinations=_destinations(settings),
        api_url=slack.api_url,
        external_url=settings.server.external_url,
        pace=Pace(footing.clock),
    )


def _slack_bot(settings: Settings, footing: Footing) -> Route | None:
    bot = slack_bot(settings, footing)
    if bot is None:
        return None
    return Route(notifier=bot, mention_key=_keys({name: str(each) for name, each in bot.destinations.items()}))


def _slack_webhook(settings: Settings, footing: Footing) -> Route | None:
    slack = settings.alerting.slack
    if slack.webhook_url is None:
        return None
    mentions = {name: each.mention for name, each in _destinations(settings).items()}
    webhook = SlackWebhook(
        http=footing.http,
        clock=footing.clock,
        url=slack.webhook_url.get,
        redact=footing.redactor.redact,
        mention=slack.mention or None,
        mentions=mentions,
        external_url=settings.server.external_url,
        pace=Pace(footing.clock),
    )
    return Route(notifier=webhook, mention_key=_keys({name: str(mention) for name, mention in mentions.items()}))


def _destinations(settings: Settings) -> dict[TargetName, Destination]:
    """Where the notices of each target go: its own settings have been derived from the global ones where it has none."""
    return {
        name: Destination(
            channel=target.alerting.channel or settings.alerting.slack.channel or "",
            mention=target.alerting.mention or None,
        )
        for name, target in settings.targets.items()
    }


def _keys(keys: Mapping[TargetName, str]) -> Callable[[TargetName], str]:
    return lambda target: keys.get(target, "")


def _alertmanager(settings: Settings, footing: Footing) -> Route | None:
    alertmanager = settings.alerting.alertmanager
    if not alertmanager.urls:
        return None
    return Route(
        notifier=AlertmanagerNotifier(
            http=footing.http,
            clock=footing.clock,
            urls=alertmanager.urls,
            redact=footing.redactor.redact,
            labels=alertmanager.labels,
            max_severities={
                name: target.alerting.max_severity
                for name, target in settings.targets.items()
                if target.alerting.max_severity is Severity.WARNING
            },
            external_url=settings.server.external_url,
        )
    )


def _webhook(settings: Settings, footing: Footing) -> Route | None:
    webhook = settings.alerting.webhook
    if webhook.url is None:
        return None
    return Route(
        notifier=WebhookNotifier(
            http=footing.http,
            clock=footing.clock,
            url=webhook.url.get,
            redact=footing.redactor.redact,
            secret=webhook.secret.get if webhook.secret is not None else None,
            external_url=settings.server.external_url,
        )
    )


_MAKERS = (_slack_bot, _slack_webhook, _alertmanager, _webhook)
