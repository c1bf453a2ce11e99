"""The scripted Slack as a reader of the contract, and how notifiers reach it without a socket."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from monitor.http import Http, InProcess
from monitor.notifiers.slack import Destination, Pace, SlackBot, SlackWebhook
from monitor.ports import Clock
from tests.fakes.clock import FakeClock
from tests.notifiers.contract import REDACT
from tests.notifiers.notices import MENTION
from tests.notifiers.slack.limits import texts
from tests.notifiers.slack.scripted import HOOK_PATH, TOKEN, Said, ScriptedSlack, html, no

CHANNEL = "C0123456789"

T = TypeVar("T")


class SlackReader:
    """What stands in the channel and its threads."""

    def __init__(self, refusal: Said) -> None:
        self.slack = ScriptedSlack()
        self.clock = FakeClock()
        self.network = InProcess({"slack.com": self.slack.asgi, "hooks.slack.com": self.slack.asgi})
        self._refusal = refusal

    def heard(self) -> list[str]:
        """Every message, as its blocks and its text say it."""
        return ["\n".join([message["text"], *texts(message)]) for message in self.slack.messages]

    def refuse_once(self, *, permanent: bool) -> None:
        """In Slack's own way, or by something in front of it."""
        self.slack.script.append(self._refusal if permanent else html(502))

    def http(self) -> Http:
        """The way there."""
        return Http(clock=self.clock, transport=self.network)


def a_bot(reader: SlackReader, clock: Clock | None = None, **more: Any) -> SlackBot:
    """A bot that posts to the scripted Slack."""
    chosen = clock or reader.clock
    defaults: dict[str, Any] = {
        "http": reader.http(),
        "clock": chosen,
        "token": lambda: TOKEN,
        "destination": Destination(channel=CHANNEL, mention=MENTION),
        "redact": REDACT,
        "pace": Pace(chosen, every=0.0),
        "external_url": "https://monitor.acme.dev",
    }
    return SlackBot(**{**defaults, **more})


def a_webhook(reader: SlackReader, **more: Any) -> SlackWebhook:
    """A webhook of the scripted Slack."""
    defaults: dict[str, Any] = {
        "http": reader.http(),
        "clock": reader.clock,
        "url": lambda: f"https://hooks.slack.com{HOOK_PATH}",
        "redact": REDACT,
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
