"""A small Slack: it keeps what is posted, refuses what Slack would refuse, and says what it is told to say.

The answers are those of https://docs.slack.dev/reference/methods/chat.postMessage, …/chat.update and of incoming webhooks.
"""

import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.block_kit import validate_message
from tests.notifiers.slack.limits import problems

TOKEN = "xoxb-1234-token-5678"
HOOK_PATH = "/services/T000/B000/XXXXsecretXXXX"


@dataclass(frozen=True, slots=True)
class Said:
    """A raw answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def no(error: str, **more: object) -> Said:
    """`ok: false`."""
    return Said(200, json.dumps({"ok": False, "error": error, **more}).encode(), {"content-type": "application/json"})


def html(status: int) -> Said:
    """A page of something that is not Slack."""
    return Said(status, b"<html>Sign in to the network</html>", {"content-type": "text/html"})


RATE_LIMITED = Said(
    429, b'{"ok": false, "error": "ratelimited"}', {"retry-after": "30", "content-type": "application/json"}
)


class ScriptedSlack:
    """`script` is consumed first, an entry for each request: an answer, or None to serve it. `calls` are all requests."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.heads: list[Mapping[str, str]] = []
        self.script: deque[Said | None] = deque()
        self.lose_next_answer_of = ""

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Said:
        """Serve one request."""
        payload = json.loads(body)
        method = path.rpartition("/")[2]
        self.calls.append((method, payload))
        self.heads.append(headers)
        scripted = self.script.popleft() if self.script else None
        if scripted is not None:
            return scripted
        if unfit := [*validate_message(payload), *problems(payload)]:
            return no(unfit[0].partition(":")[0], problems=unfit)
        if path == HOOK_PATH:
            self.messages.append({**payload, "channel": "hook"})
            return Said(200, b"ok")
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return no("invalid_auth")
        return self._update(payload) if method == "chat.update" else self._post(payload)

    def root(self, number: int = 0) -> dict[str, Any]:
        """The message that stands in the channel by itself, by its place."""
        return [message for message in self.messages if "thread_ts" not in message][number]

    def thread(self, root: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The replies to a message."""
        return [message for message in self.messages if message.get("thread_ts") == root["ts"]]

    def delete(self, message: dict[str, Any]) -> None:
        """Somebody deletes a message."""
        self.messages.remove(message)

    def _post(self, payload: dict[str, Any]) -> Said:
        root = payload.get("thread_ts")
        if root is not None and root not in [message["ts"] for message in self.messages]:
            return no("thread_not_found")
        ts = f"1800000000.{len(self.calls):06}"
        self.messages.append({**payload, "channel": _id_of(payload["channel"]), "ts": ts})
        return _yes(channel=_id_of(payload["channel"]), ts=ts)

    def _update(self, payload: dict[str, Any]) -> Said:
        for message in self.messages:
            if (message["channel"], message["ts"]) == (payload["channel"], payload["ts"]):
                message.update(payload)
                return _yes(channel=payload["channel"], ts=payload["ts"])
        return no("message_not_found")

    # --- ways to be asked

    async def asgi(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """In this process."""
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        said = self.answer(scope["path"], headers, body)
        if self.lose_next_answer_of and scope["path"].endswith(self.lose_next_answer_of):
            self.lose_next_answer_of = ""
            said = Said(200, b"", {"content-length": "500"})
        head = [(name.encode(), value.encode()) for name, value in said.headers.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": head})
        await send({"type": "http.response.body", "body": said.body})


def _id_of(channel: str) -> str:
    """Slack answers with the id whatever name was asked for."""
    return {"#alerts": "C0123456789"}.get(channel, channel)


def _yes(**said: str) -> Said:
    return Said(200, json.dumps({"ok": True, **said}).encode(), {"content-type": "application/json; charset=utf-8"})
