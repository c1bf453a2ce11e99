"""Slack by a bot token: one root message per incident, edited in place; the rest in its thread."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from slack_sdk.web import SlackResponse

from monitor.core.incident import Notice, Reason
from monitor.core.model import TargetName
from monitor.http import Http
from monitor.notifiers.slack import render
from monitor.notifiers.slack.answers import BLOCKS_REFUSED, THREAD_LOST, Refusal
from monitor.notifiers.slack.client import BotClient
from monitor.notifiers.slack.pace import Pace
from monitor.ports import Clock
from monitor.redaction import clamp

_RECEIPT = re.compile(r"[A-Za-z0-9._-]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the notices of a target go, and who is called for them."""

    channel: str
    mention: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotIdentity:
    """Who a bot token belongs to, and what it may do: the scopes as Slack lists them, None if it does not."""

    team: str
    user: str
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thread:
    """A root that was posted, and the answer in its thread that says it is over: what the receipt holds."""

    channel: str
    ts: str
    end: str = ""

    @property
    def receipt(self) -> Mapping[str, str]:
        return {"channel": self.channel, "ts": self.ts, **({"end": self.end} if self.end else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackBot:
    """Implements `monitor.ports.Notifier` with chat.postMessage and chat.update (scope chat:write).

    `token` is asked before every call, because tokens rotate. `destinations` are the targets that have one of their own. Share
    the `pace` among all who post to the same workspace.
    """

    http: Http
    clock: Clock
    token: Callable[[], str] = field(repr=False)
    destination: Destination
    redact: Callable[[str], str] = field(repr=False)
    destinations: Mapping[TargetName, Destination] = field(default_factory=dict)
    api_url: str = "https://slack.com/api/"
    external_url: str | None = None
    pace: Pace
    name: str = "slack"

    def __post_init__(self) -> None:
        """Raises ValueError for a mention that no message has room for."""
        for each in (self.destination, *self.destinations.values()):
            self._frame(each)

    async def tell(self, notice: Notice) -> Mapping[str, str]:
        """Bring the channel up to date. Raises Undeliverable.

        1. Nothing was posted yet: post a root.
        2. Edit the root. That can be repeated without anybody noticing, so it goes first: an attempt that fails later loses
           nothing and doubles nothing.
        3. Answer in the thread, unless the edit was all there is to say; but what said that it is over, and stands in the channel
           too, is edited as well: else the two would go on to disagree about what was lost.
        4. The root is gone, or may not be edited: a fresh post takes over, and is the root from now on.
        """
        try:
            return await self._tell(notice)
        except Refusal as refusal:
            raise refusal.of(self._destination(notice).channel if len(self._channels()) > 1 else "") from None

    async def _tell(self, notice: Notice) -> Mapping[str, str]:
        frame = self._frame(self._destination(notice))
        thread = _posted(notice)
        if thread is None:
            return await self._open(notice, frame)
        try:
            await self._edit(thread, render.root(notice, frame))
            if notice.reason is not Reason.EDITED:
                thread = replace(thread, end=await self._answer(thread, notice, frame))
            elif thread.end and not notice.incident.open:
                await self._edit(replace(thread, ts=thread.end), render.reply(notice, frame))
        except Refusal as refusal:
            if refusal.code not in THREAD_LOST:
                raise
            return await self._open(notice, frame)
        return thread.receipt

    async def test(self, text: str) -> None:
        """Post to every configured channel. Raises Undeliverable."""
        for channel in self._channels():
            await self._post(channel, render.note(text, render.Frame(redact=self.redact)))

    async def identify(self) -> BotIdentity:
        """Whose token it is and what it may do, without posting anything. Raises Undeliverable."""
        answer = await self._client().identify()
        scopes = answer.headers.get("x-oauth-scopes")
        return BotIdentity(
            team=clamp(str(answer.get("team") or ""), 60),
            user=clamp(str(answer.get("user") or ""), 60),
            scopes=tuple(scope.strip() for scope in str(scopes).split(",") if scope.strip()) if scopes else None,
        )

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _channels(self) -> tuple[str, ...]:
        every = (self.destination, *self.destinations.values())
        return tuple(dict.fromkeys(each.channel for each in every if each.channel))

    def _frame(self, destination: Destination) -> render.Frame:
        return render.Frame(redact=self.redact, external_url=self.external_url, mention=destination.mention)

    def _destination(self, notice: Notice) -> Destination:
        return self.destinations.get(notice.incident.target, self.destination)

    async def _open(self, notice: Notice, frame: render.Frame) -> Mapping[str, str]:
        """Post a root; but neither a silence nor what is over is announced by a new message."""
        before = notice.told.receipt if notice.told is not None else {}
        silent = notice.silenced_until is not None or not notice.incident.open
        if notice.reason is Reason.EDITED and silent:
            return before
        answer = await self._post(self._destination(notice).channel, render.post(notice, frame))
        return _receipt(answer)

    async def _answer(self, thread: _Thread, notice: Notice, frame: render.Frame) -> str:
        """Answer in the thread. The answer's timestamp if it says that it is over; empty also where Slack does not tell it."""
        answer = await self._post(
            thread.channel, render.reply(notice, frame), thread_ts=thread.ts, reply_broadcast=notice.broadcast
        )
        return "" if notice.incident.open else _receipt(answer).get("ts", "")

    async def _post(self, channel: str, message: render.Message, **arguments: object) -> SlackResponse:
        await self.pace.turn(f"post {channel}")
        return await self._with_fallback(
            message,
            lambda shown: self._client().post(
                channel=channel,
                text=shown.text,
                blocks=shown.blocks or None,
                unfurl_links=False,
                unfurl_media=False,
                **arguments,
            ),
        )

    async def _edit(self, thread: _Thread, message: render.Message) -> None:
        """`parse` because the default of chat.update is not that of chat.postMessage: it would find calls in plain text."""
        await self.pace.turn(f"edit {thread.channel}")
        await self._with_fallback(
            message,
            lambda shown: self._client().update(
                channel=thread.channel, ts=thread.ts, text=shown.text, blocks=shown.blocks, parse="none"
            ),
        )

    async def _with_fallback(
        self, message: render.Message, send: Callable[[render.Message], Awaitable[SlackResponse]]
    ) -> SlackResponse:
        try:
            return await send(message)
        except Refusal as refusal:
            if refusal.code not in BLOCKS_REFUSED:
                raise
        return await send(replace(message, text=message.short, blocks=[]))

    def _client(self) -> BotClient:
        return BotClient(http=self.http, clock=self.clock, token=self.token(), api_url=self.api_url)


def _posted(notice: Notice) -> _Thread | None:
    receipt = notice.told.receipt if notice.told is not None else {}
    channel, ts = receipt.get("channel"), receipt.get("ts")
    return _Thread(channel=channel, ts=ts, end=receipt.get("end", "")) if channel and ts else None


def _receipt(answer: SlackResponse) -> Mapping[str, str]:
    """The channel's id as Slack tells it (a name cannot be edited by), and the message's timestamp.

    Empty if Slack took the message and does not say where it is: then the next notice is a fresh post.
    """
    channel: Any = answer.get("channel")
    ts: Any = answer.get("ts")
    told = all(isinstance(each, str) and _RECEIPT.fullmatch(each) for each in (channel, ts))
    return {"channel": channel, "ts": ts} if told else {}
