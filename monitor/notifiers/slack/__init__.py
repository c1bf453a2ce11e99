"""Slack: `render` turns notices into messages (pure); `bot` and `webhook` deliver them."""

from monitor.notifiers.slack.bot import Destination, SlackBot
from monitor.notifiers.slack.pace import Pace
from monitor.notifiers.slack.webhook import SlackWebhook

__all__ = ["Destination", "Pace", "SlackBot", "SlackWebhook"]
