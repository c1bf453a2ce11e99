"""The configured notifiers. A new one is one branch in `notifiers_of`.

Imported when first needed: Slack's client takes a fifth of the daemon's start, and the start does not wait for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from monitor.core.incident import Place
from monitor.core.model import Severity, TargetName
from monitor.daemon.compose import Deps
from monitor.notifiers.alertmanager import AlertmanagerNotifier
from monitor.notifiers.slack import Destination, Frame, Pace, SlackBot, SlackWebhook
from monitor.notifiers.webhook import WebhookNotifier
from monitor.ports import Notifier
from monitor.settings import Settings
from monitor.settings.values import host_of


def notifiers_of(settings: Settings, deps: Deps) -> tuple[Notifier, ...]:
    """Every configured notifier; none is legal (metrics only)."""
    alerting, external_url = settings.alerting, settings.server.external_url
    bot = slack_bot(settings, deps)
    found: list[Notifier] = []
    if bot is not None:
        found.append(bot)
    if alerting.slack.webhook_url is not None:
        mentions = {name: each.mention for name, each in _destinations(settings).items()}
        webhook = SlackWebhook(
            http=deps.http,
            clock=deps.clock,
            url=alerting.slack.webhook_url.get,
            frame=_frame(settings, deps),
            mention=alerting.slack.mention or None,
            mentions=mentions,
            consoles=_consoles(settings),
            pace=Pace(deps.clock),
        )
        found.append(webhook)
    if alerting.alertmanager.urls:
        alertmanager = AlertmanagerNotifier(
            http=deps.http,
            clock=deps.clock,
            urls=alerting.alertmanager.urls,
            redact=deps.redactor.redact,
            labels=alerting.alertmanager.labels,
            max_severities={
                name: target.alerting.max_severity
                for name, target in settings.targets.items()
                if target.alerting.max_severity is Severity.WARNING
            },
            external_url=external_url,
        )
        found.append(alertmanager)
    if alerting.webhook.url is not None:
        signed = WebhookNotifier(
            http=deps.http,
            clock=deps.clock,
            url=alerting.webhook.url.get,
            redact=deps.redactor.redact,
            secret=alerting.webhook.secret.get if alerting.webhook.secret is not None else None,
            external_url=external_url,
        )
        found.append(signed)
    return tuple(found)


def places_of(settings: Settings, deps: Deps, *, channel: str | None = None) -> Mapping[str, Notifier]:
    """Every single place that is notified, by a name that says which: what a test has to reach. `channel`: for the bot."""
    return {
        f"{each.name} {place}".rstrip(): notifier
        for each in notifiers_of(settings, deps)
        for place, notifier in _split(each, channel)
    }


def _split(notifier: Notifier, channel: str | None) -> Iterator[tuple[str, Notifier]]:
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


def slack_bot(settings: Settings, deps: Deps) -> SlackBot | None:
    """Slack by a bot token, if there is one."""
    slack = settings.alerting.slack
    if slack.bot_token is None:
        return None
    return SlackBot(
        http=deps.http,
        clock=deps.clock,
        token=slack.bot_token.get,
        destination=Destination(channel=slack.channel or "", mention=slack.mention or None),
        frame=replace(_frame(settings, deps), pressable=slack.pressable),
        destinations=_destinations(settings),
        api_url=slack.api_url,
        consoles=_consoles(settings),
        pace=Pace(deps.clock),
    )


def _frame(settings: Settings, deps: Deps) -> Frame:
    return Frame(
        redact=deps.redactor.redact,
        external_url=settings.server.external_url,
        commands=settings.server.admin_token is not None,
    )


def _consoles(settings: Settings) -> dict[TargetName, dict[Place, str]]:
    """Where a person looks at the hops of each target: TrueFoundry's gateway page, the traces of the hosted Traceloop, or Phoenix."""
    return {
        name: {
            **(
                {Place.TRUEFOUNDRY: f"{target.control_plane.url.rstrip('/')}/llm-gateway"}
                if target.control_plane
                else {}
            ),
            **(
                {Place.TRACELOOP: "https://app.traceloop.com/traces"}
                if target.traceloop is not None and host_of(target.traceloop.url) == _HOSTED
                else {}
            ),
            **({Place.PHOENIX: f"{target.phoenix.url}/projects"} if target.phoenix is not None else {}),
        }
        for name, target in settings.targets.items()
    }


_HOSTED = "api.traceloop.com"


def _destinations(settings: Settings) -> dict[TargetName, Destination]:
    """Where the notices of each target go: its own settings have been derived from the global ones where it has none."""
    return {
        name: Destination(
            channel=target.alerting.channel or settings.alerting.slack.channel or "",
            mention=target.alerting.mention or None,
        )
        for name, target in settings.targets.items()
    }
