"""Slack: `render` turns notices into messages (pure), `client` calls Slack's methods, `notifier` has a bot and a webhook use both."""

from monitor.notifiers.slack.notifier import BotIdentity, Destination, Pace, SlackBot, SlackWebhook

__all__ = ["BotIdentity", "Destination", "Pace", "SlackBot", "SlackWebhook"]
