"""Slack: `render` turns notices into messages (pure), `client` calls Slack's methods, `notifier` has a bot and a webhook use both."""

from monitor.notifiers.slack.notifier import BotIdentity, Destination, Pace, SlackBot, SlackWebhook
from monitor.notifiers.slack.render import Frame

__all__ = ["BotIdentity", "Destination", "Frame", "Pace", "SlackBot", "SlackWebhook"]
