"""Slack: `render` turns notices into messages (pure); `bot` and `webhook` deliver them."""

from monitor.notifiers.slack.bot import BotIdentity, Destination, SlackBot
from monitor.notifiers.slack.pace import Pace
from monitor.notifiers.slack.webhook import SlackWebhook

__all__ = ["BotIdentity", "Destination", "Pace", "SlackBot", "SlackWebhook"]
