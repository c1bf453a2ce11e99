"""When something is told, to whom, and how loudly."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from monitor.core.address import normal_url
from monitor.core.model import Fault
from monitor.settings.fields import (
    FREEZE,
    Count,
    Duration,
    Interval,
    Labels,
    Level,
    Name,
    Section,
    Url,
    nothing,
    problem,
    without,
)
from monitor.settings.mention import parse_mention
from monitor.settings.secret import SecretSource, SlackToken, UrlSource
from monitor.settings.url import ALERTMANAGER, SLACK


class SelfTest(Section):
    """A test notice now and then: proof that a page would arrive."""

    every: Interval | None = None
    """How often; null: never."""
    channel: Name | None = None
    """The Slack channel it goes to; null: the usual one."""


def _slack_api(url: str) -> str:
    """The methods of Slack's API are below /api/: https://docs.slack.dev/apis/web-api."""
    host, _, path = url.partition("://")[2].partition("/")
    if host.lower() == "hooks.slack.com":
        raise problem("api_url", "is an incoming webhook, not Slack's API; give it as `webhook_url`")
    return f"{url}/api/" if not path and host.lower() in {"slack.com", "slack-gov.com"} else f"{url}/"


class Slack(Section):
    """Slack, by a bot (threads and edits) or by an incoming webhook (posts only)."""

    bot_token: SlackToken | None = None
    """A bot's token with the scope chat:write."""
    channel: Name | None = None
    """The channel the bot posts to, best by its id."""
    webhook_url: UrlSource | None = None
    """Instead of a bot: an incoming webhook."""
    mention: Annotated[str, AfterValidator(parse_mention)] | None = None
    """Who is called for a critical incident: <!subteam^S0123>, <@U0123>, <!here>, <!channel>, or several of them."""
    api_url: Annotated[Url, without(SLACK), AfterValidator(_slack_api)] = "https://slack.com/api/"
    """Slack's API."""


def _each_once(urls: tuple[str, ...]) -> tuple[str, ...]:
    """An instance that is given in two spellings is one."""
    seen: dict[str, str] = {}
    for url in urls:
        seen.setdefault(normal_url(url), url)
    return tuple(seen.values())


class Alertmanager(Section):
    """Prometheus' Alertmanager."""

    urls: Annotated[tuple[Annotated[Url, without(ALERTMANAGER)], ...], AfterValidator(_each_once)] = ()
    """Every instance of the cluster."""
    labels: Labels = Field(default_factory=nothing)
    """More labels of every alert."""


class Webhook(Section):
    """Any receiver of JSON."""

    url: UrlSource | None = None
    """Where notices are posted."""
    secret: SecretSource | None = None
    """The key of the HMAC signature."""


class Alerting(Section):
    """When something is told, to whom, and how loudly."""

    fail_after: Count = 2
    """So many failures in a row settle a check as failing."""
    pass_after: Count = 2
    """So many passes in a row settle it as passing."""
    blind_after: Interval = 600.0
    """How long a check may be unable to look before that is told."""
    reopen_within: Duration = 1800.0
    """An incident that returns within this is the same one again; 0s: never."""
    remind_every: tuple[Interval, ...] = (14400.0, 28800.0, 86400.0)
    """When a critical incident is told again; the last repeats; empty: never."""
    escalate_after: Interval = 1800.0
    """When an incident that stays critical mentions once more."""
    severity: Annotated[Mapping[Fault, Level], FREEZE] = Field(default_factory=nothing)
    """Other severities than the table's, by fault: critical, warning, none."""
    self_test: SelfTest = Field(default_factory=SelfTest)
    slack: Slack = Field(default_factory=Slack)
    alertmanager: Alertmanager = Field(default_factory=Alertmanager)
    webhook: Webhook = Field(default_factory=Webhook)
