"""A small Slack: it keeps what is posted, refuses what Slack would refuse, and answers what it is set to answer.

The answers are those of https://docs.slack.dev/reference/methods/chat.postMessage, …/chat.update and of incoming webhooks.
"""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from monitor.core.incident import Notice
from monitor.http import Http
from monitor.notifiers.slack import Destination, Frame, Pace, SlackBot, SlackWebhook
from monitor.ports import Clock
from monitor.redaction import Redactor
from tests.fakes.block_kit import validate_message
from tests.fakes.breakable import Breakable
from tests.fakes.clock import FakeClock
from tests.notifiers import notices
from tests.notifiers.contract import REDACT
from tests.notifiers.notices import KINDS, MENTION
from tests.notifiers.receiver import Receiver, Said, html
from tests.notifiers.slack.limits import problems, texts

CHANNEL = "C0123456789"
TOKEN = "xoxb-1234-token-5678"
HOOK_PATH = "/services/T000/B000/XXXXsecretXXXX"


T = TypeVar("T")


def no(error: str, **more: object) -> Said:
    """`ok: false`."""
    return Said(200, json.dumps({"ok": False, "error": error, **more}).encode(), {"content-type": "application/json"})


RATE_LIMITED = Said(
    429, b'{"ok": false, "error": "ratelimited"}', {"retry-after": "30", "content-type": "application/json"}
)


class ScriptedSlack(Receiver):
    """`calls` are all requests: the method and what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.lose_next_answer_of = ""

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Said:
        """Answer; one answer may be lost on its way."""
        method = path.rpartition("/")[2]
        self.calls.append((method, json.loads(body)))
        said = super().answer(path, headers, body)
        if method == self.lose_next_answer_of:
            self.lose_next_answer_of = ""
            return Said(200, b"", {"content-length": "500"})
        return said

    def serve(self) -> Said:
        """Keep what is posted and edited, as far as it is fit for Slack."""
        method, payload = self.calls[-1]
        if unfit := [*validate_message(payload), *problems(payload)]:
            return no(unfit[0].partition(":")[0], problems=unfit)
        if self.paths[-1] == HOOK_PATH:
            self.messages.append({**payload, "channel": "hook"})
            return Said(200, b"ok")
        if self.heads[-1].get("authorization") != f"Bearer {TOKEN}":
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


def _id_of(channel: str) -> str:
    """Slack answers with the id whatever name was asked for."""
    return {"#alerts": "C0123456789"}.get(channel, channel)


def _yes(**said: str) -> Said:
    return Said(200, json.dumps({"ok": True, **said}).encode(), {"content-type": "application/json; charset=utf-8"})


# --- the scripted Slack as a reader of the contract, and how notifiers reach it without a socket


class SlackReader:
    """What stands in the channel and its threads."""

    def __init__(self, refusal: Said) -> None:
        self.slack = ScriptedSlack()
        self.clock = FakeClock()
        self.network = Breakable({"slack.com": self.slack.asgi, "hooks.slack.com": self.slack.asgi})
        self._refusal = refusal

    def received(self) -> list[str]:
        """Every message, as its blocks and its text say it."""
        return ["\n".join([message["text"], *texts(message)]) for message in self.slack.messages]

    def refuse_once(self, *, permanent: bool) -> None:
        """In Slack's own way, or by something in front of it."""
        self.slack.script.append(self._refusal if permanent else html(502))

    def http(self) -> Http:
        """The way there."""
        return Http(clock=self.clock, transport=self.network, redactor=Redactor())


def a_bot(reader: SlackReader, clock: Clock | None = None, **more: Any) -> SlackBot:
    """A bot that posts to the scripted Slack."""
    chosen = clock or reader.clock
    defaults: dict[str, Any] = {
        "http": reader.http(),
        "clock": chosen,
        "token": lambda: TOKEN,
        "destination": Destination(channel=CHANNEL, mention=MENTION),
        "frame": Frame(redact=REDACT, external_url="https://monitor.acme.dev"),
        "pace": Pace(chosen, every=0.0),
    }
    return SlackBot(**{**defaults, **more})


def a_webhook(reader: SlackReader, **more: Any) -> SlackWebhook:
    """A webhook of the scripted Slack."""
    defaults: dict[str, Any] = {
        "http": reader.http(),
        "clock": reader.clock,
        "url": lambda: f"https://hooks.slack.com{HOOK_PATH}",
        "frame": Frame(redact=REDACT),
        "mention": MENTION,
        "pace": Pace(reader.clock, every=0.0),
    }
    return SlackWebhook(**{**defaults, **more})


def bot_reader() -> SlackReader:
    """Refuses as the Web API does."""
    return SlackReader(no("channel_not_found"))


def hook_reader() -> SlackReader:
    """Refuses as an incoming webhook does."""
    return SlackReader(Said(404, b"no_service", {"content-type": "text/html"}))


async def waited_for(clock: FakeClock, waiting: Coroutine[Any, Any, T]) -> T:
    """Await something while fake time passes."""
    task = asyncio.ensure_future(waiting)
    await clock.run_until(task.done, limit=60)
    return task.result()


async def after_opening(bot: SlackBot, kind: str) -> Notice:
    """Deliver the opening; gives a later notice that knows its receipt."""
    receipt = await bot.deliver(notices.opened())
    notice = KINDS[kind]()
    assert notice.notified is not None
    return replace(notice, notified=replace(notice.notified, receipt=receipt))
