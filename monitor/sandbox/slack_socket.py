"""Slack's Socket Mode in the sandbox: a WebSocket by ticket, presses of buttons that go out by it, and the answers to them.

https://docs.slack.dev/apis/events-api/using-socket-mode and https://docs.slack.dev/reference/interaction-payloads/block_actions-payload.
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from monitor.core.model import Instant
from monitor.ports import Clock
from monitor.sandbox.credentials import ON_CALL, ON_CALL_GROUP

TEAM = "T0SANDBOX"
_MOST_ANSWERS = 200
_DIGITS = 16
_ANSWERS_WITHIN = 1800.0


class Pressable(Protocol):
    """A message that buttons stand under."""

    channel: str
    ts: str
    thread_ts: str | None
    blocks: list[object]


class NotPressed(Exception):
    """Why there was nothing to press; its text is for whoever asked."""


class SocketMode:
    """The connections of the one app. `acknowledged` are the envelopes that it has acknowledged, `answers` what people were shown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tickets: set[str] = set()
        self._answer_until: dict[str, Instant] = {}
        self.sockets: list[WebSocket] = []
        self.groups: dict[str, tuple[str, ...]] = {ON_CALL_GROUP: (ON_CALL,)}
        self.may_read_groups = True
        self.acknowledged: list[str] = []
        self.answers: deque[dict[str, object]] = deque(maxlen=_MOST_ANSWERS)

    def open(self, host: str) -> str:
        """The URL of a connection; its ticket is good for one."""
        ticket = self._clock.draw_hex(_DIGITS)
        self._tickets.add(ticket)
        return f"ws://{host}/link/?ticket={ticket}&app_id=A0SANDBOX01"

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from hello to its end."""
        ticket = socket.query_params.get("ticket", "")
        if ticket not in self._tickets:
            await socket.close()  # before it is accepted: 403
            return
        self._tickets.discard(ticket)
        await socket.accept()
        self.sockets.append(socket)
        hello = {"type": "hello", "num_connections": len(self.sockets), "connection_info": {"app_id": "A0SANDBOX01"}}
        try:
            await socket.send_text(json.dumps(hello))
            while True:
                said = json.loads(await socket.receive_text())
                self.acknowledged.append(str(said.get("envelope_id")))
        except (WebSocketDisconnect, ValueError, AttributeError):
            pass
        finally:
            self.sockets.remove(socket)

    async def send(self, message: Mapping[str, object] | str) -> None:
        """Send something to the newest connection, be it what Slack would never send. Raises NotPressed: there is none."""
        if not self.sockets:
            raise NotPressed("the app is not connected by Socket Mode")
        await self.sockets[-1].send_text(message if isinstance(message, str) else json.dumps(message))

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app to change to another connection, as Slack does every few hours."""
        await self.send({"type": "disconnect", "reason": reason})

    async def press(self, message: Pressable, action: str, *, host: str, user: str = ON_CALL, name: str = "ana") -> str:
        """Press a button of a message; the id of the envelope. Raises NotPressed: it has none of that `action_id`."""
        elements = [
            each for block in message.blocks if isinstance(block, Mapping) for each in block.get("elements", ())
        ]
        button = next((each for each in elements if each.get("action_id") == action), None)
        if button is None:
            there = ", ".join(str(each["action_id"]) for each in elements if "action_id" in each)
            raise NotPressed(f"the message has no button {action!r}; there are: {there or 'none'}")
        answer = self._clock.draw_hex(_DIGITS)
        self._answer_until[answer] = self._clock.now() + _ANSWERS_WITHIN
        payload: dict[str, Any] = {
            "type": "block_actions",
            "team": {"id": TEAM, "domain": "sandbox"},
            "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
            "api_app_id": "A0SANDBOX01",
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "channel": {"id": message.channel, "name": "trace-monitor"},
            "response_url": f"http://{host}/actions/{TEAM}/{answer}",
            "trigger_id": self._clock.draw_hex(_DIGITS),
            "actions": [
                {"type": "button", **{key: button[key] for key in ("action_id", "value", "url") if key in button}}
            ],
        }
        envelope = self._clock.draw_hex(_DIGITS)
        await self.send(
            {"type": "interactive", "envelope_id": envelope, "accepts_response_payload": False, "payload": payload}
        )
        return envelope

    def answer(self, path: str, payload: Mapping[str, object]) -> bool:
        """Show an answer to the person who pressed; False for an address that is not known, or no longer."""
        until = self._answer_until.get(path.rpartition("/")[2], 0.0)
        if self._clock.now() >= until:
            return False
        self.answers.append(dict(payload))
        return True
