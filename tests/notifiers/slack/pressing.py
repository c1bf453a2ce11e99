"""Buttons for tests, what is pressed, and what came of it."""

import json
import ssl
from typing import Any

from monitor.http import Http
from monitor.notifiers.slack.actions import Press
from monitor.notifiers.slack.buttons import Buttons
from monitor.ports import Clock
from monitor.redaction import Redactor
from tests.fakes.remote import Remote

TEAM = "T0123"


class Presses:
    """Does what is pressed, and remembers it."""

    def __init__(self) -> None:
        self.done: list[Press] = []

    async def perform(self, press: Press) -> str:
        """Remember it."""
        self.done.append(press)
        return f"done: {press.action} <@U1> @here"


def some_buttons(presses: Presses, http: Http, clock: Clock, **more: Any) -> Buttons:
    """Buttons that nobody may press, unless said otherwise."""
    defaults: dict[str, Any] = {
        "http": http,
        "clock": clock,
        "dial": lambda _url: (None, ssl.create_default_context()),
        "app_token": lambda: "xapp-1",
        "bot_token": lambda: "xoxb-1",
        "api_url": f"{Remote.url}/api/",
        "users": frozenset(),
        "groups": (),
        "redact": Redactor().redact,
        "perform": presses.perform,
    }
    return Buttons(**{**defaults, **more})


def pressed(action: str = "acknowledge", *, value: object = None, **more: Any) -> dict[str, Any]:
    """What Slack sends when somebody presses a button."""
    given = json.dumps(["prod-1", "prod", "exporter_disabled"]) if value is None else value
    return {
        "type": "block_actions",
        "team": {"id": TEAM, "domain": "acme"},
        "user": {"id": "U0123", "name": "ana", "username": "ana", "team_id": TEAM},
        "response_url": "https://hooks.slack.com/actions/T0123/1/x",
        "actions": [{"type": "button", "action_id": action, "value": given}],
        **more,
    }


def a_press(**more: Any) -> dict[str, Any]:
    """A press that is answered at the remote service."""
    return pressed(response_url=f"{Remote.url}/actions/1", **more)
