"""Slack by a bot token (one root message per incident, edited in place; the rest in its thread) or by an incoming webhook.

A webhook can only post, so there each notice is one message that says everything.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from slack_sdk.web import SlackResponse

from monitor.core.incident import Notice, Place, Reason
from monitor.core.model import Instant, Seconds, TargetName
from monitor.http import Http
from monitor.notifiers.slack import render
from monitor.notifiers.slack.client import BLOCKS_REFUSED, THREAD_LOST, BotClient, HookClient, Refusal
from monitor.ports import Clock
from monitor.redaction import clamp

Sent = TypeVar("Sent")

_RECEIPT = re.compile(r"[A-Za-z0-9._-]{1,80}")


class Pace:
    """No more than one message a second and channel (https://docs.slack.dev/apis/web-api/rate-limits).

    Gives out turns, one every so often for each key. Share one among all who post to the same workspace.
    """

    def __init__(self, clock: Clock, *, every: Seconds = 1.0) -> None:
        self._clock = clock
        self._every = every
        self._free_at: dict[str, Instant] = {}  # by the monotonic clock

    async def turn(self, key: str) -> None:
        """Wait for the next turn; who comes first is served first."""
        now = self._clock.monotonic()
        at = max(now, self._free_at.get(key, now))
        self._free_at[key] = at + self._every
        if at > now:
            await self._clock.sleep(at - now)


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
class _Slack:
    """`frame` is that of a message about no target, which calls nobody; `consoles` are those of each target."""

    http: Http
    clock: Clock
    frame: render.Frame = field(repr=False)
    consoles: Mapping[TargetName, Mapping[Place, str]] = field(default_factory=dict)
    pace: Pace
    name: str = "slack"

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _frame(self, mention: str | None, target: TargetName) -> render.Frame:
        return replace(self.frame, mention=mention, consoles=self.consoles.get(target, {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackBot(_Slack):
    """Implements `monitor.ports.Notifier` with chat.postMessage and chat.update (scope chat:write).

    `token` is asked before every call, because tokens rotate. `destinations` are the targets that have one of their own. Share
    the `pace` among all who post to the same workspace.
    """

    token: Callable[[], str] = field(repr=False)
    destination: Destination
    destinations: Mapping[TargetName, Destination] = field(default_factory=dict)
    api_url: str = "https://slack.com/api/"

    def __post_init__(self) -> None:
        """Raises ValueError for a mention that no message has room for."""
        for each in (self.destination, *self.destinations.values()):
            replace(self.frame, mention=each.mention)

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Bring the channel up to date. Raises Undeliverable.

        1. Nothing was posted yet: post a root.
        2. Edit the root. That can be repeated without anybody noticing, so it goes first: an attempt that fails later loses
           nothing and doubles nothing.
        3. Answer in the thread, unless the edit was all there is to say; but what said that it is over, and stands in the channel
           too, is edited as well: else the two would go on to disagree about what was lost.
        4. The root is gone, or may not be edited: a fresh post takes over, and is the root from now on.

        The receipt is where the root is, `channel` and `ts`, and `end`: the answer in its thread that says that it is over.
        """
        destination = self.destinations.get(notice.incident.target, self.destination)
        known = notice.notified.receipt if notice.notified is not None else {}
        try:
            if known.get("channel") and known.get("ts"):
                try:
                    return await self._update(notice, known, self._frame(destination.mention, notice.incident.target))
                except Refusal as refusal:
                    if refusal.code not in THREAD_LOST:
                        raise
            return await self._open(notice, destination)
        except Refusal as refusal:
            raise refusal.of(destination.channel if len(self._channels()) > 1 else "") from None

    async def test(self, text: str) -> None:
        """Post to every configured channel. Raises Undeliverable."""
        for channel in self._channels():
            await self._post(channel, render.note(text, self.frame))

    async def identify(self) -> BotIdentity:
        """Whose token it is and what it may do, without posting anything. Raises Undeliverable."""
        answer = await self._client().identify()
        scopes = answer.headers.get("x-oauth-scopes")
        return BotIdentity(
            team=clamp(str(answer.get("team") or ""), 60),
            user=clamp(str(answer.get("user") or ""), 60),
            scopes=tuple(scope.strip() for scope in str(scopes).split(",") if scope.strip()) if scopes else None,
        )

    async def try_app_token(self, app_token: str) -> None:
        """Whether presses of buttons could come: a connection is asked for, and not made. Raises Undeliverable."""
        await self._client().open_connection(app_token)

    async def _open(self, notice: Notice, destination: Destination) -> Mapping[str, str]:
        """Post a root; but neither a silence nor what is over is announced by a new message."""
        if notice.reason is Reason.EDITED and (notice.silenced_until is not None or not notice.incident.open):
            return notice.notified.receipt if notice.notified is not None else {}
        return _receipt(
            await self._post(
                destination.channel, render.post(notice, self._frame(destination.mention, notice.incident.target))
            )
        )

    async def _update(self, notice: Notice, known: Mapping[str, str], frame: render.Frame) -> Mapping[str, str]:
        """Edit the root, and say in its thread what has happened."""
        channel, ts, end = known["channel"], known["ts"], known.get("end", "")
        await self._edit(channel, ts, render.root(notice, frame))
        if notice.reason is not Reason.EDITED:
            said = await self._post(
                channel, render.reply(notice, frame), thread_ts=ts, reply_broadcast=notice.broadcast
            )
            end = "" if notice.incident.open else _receipt(said).get("ts", "")
        elif end and not notice.incident.open:
            await self._edit(channel, end, render.reply(notice, frame))
        return {"channel": channel, "ts": ts, **({"end": end} if end else {})}

    async def _post(self, channel: str, message: render.Message, **arguments: object) -> SlackResponse:
        await self.pace.turn(f"post {channel}")
        return await _with_fallback(
            message,
            lambda text, blocks: self._client().post(
                channel=channel, text=text, blocks=blocks or None, unfurl_links=False, unfurl_media=False, **arguments
            ),
        )

    async def _edit(self, channel: str, ts: str, message: render.Message) -> None:
        """`parse` because the default of chat.update is not that of chat.postMessage: it would find calls in plain text."""
        await self.pace.turn(f"edit {channel}")
        await _with_fallback(
            message,
            lambda text, blocks: self._client().update(channel=channel, ts=ts, text=text, blocks=blocks, parse="none"),
        )

    def mention_key(self, target: TargetName) -> str:
        """Where a target's notices go, and who is called for them."""
        return str(self.destinations.get(target, self.destination))

    def _channels(self) -> tuple[str, ...]:
        every = (self.destination, *self.destinations.values())
        return tuple(dict.fromkeys(each.channel for each in every if each.channel))

    def _client(self) -> BotClient:
        return BotClient(http=self.http, clock=self.clock, token=self.token(), api_url=self.api_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackWebhook(_Slack):
    """Implements `monitor.ports.Notifier`. `url` is asked before every call, because webhooks rotate; it is a secret.

    `mentions` are the targets that call somebody else.
    """

    url: Callable[[], str] = field(repr=False)
    mention: str | None = None
    mentions: Mapping[TargetName, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for a mention that no message has room for."""
        for each in (self.mention, *self.mentions.values()):
            replace(self.frame, mention=each)

    async def deliver(self, notice: Notice) -> Mapping[str, str]:
        """Post one message; what is only worth an edit is not posted. Raises Undeliverable."""
        if notice.reason is not Reason.EDITED:
            mention = self.mentions.get(notice.incident.target, self.mention)
            await self._post(render.post(notice, self._frame(mention, notice.incident.target)))
        return {}

    def mention_key(self, target: TargetName) -> str:
        """Who is called for a target."""
        return str(self.mentions.get(target, self.mention))

    async def test(self, text: str) -> None:
        """Post. Raises Undeliverable."""
        await self._post(render.note(text, self.frame))

    async def _post(self, message: render.Message) -> None:
        await self.pace.turn("webhook")
        client = HookClient(http=self.http, clock=self.clock, url=self.url())
        await _with_fallback(message, lambda text, blocks: client.post(text=text, blocks=blocks or None))


async def _with_fallback(message: render.Message, send: Callable[[str, list[render.Block]], Awaitable[Sent]]) -> Sent:
    """Send it, and once more as a plain short text if Slack does not take its blocks."""
    try:
        return await send(message.text, message.blocks)
    except Refusal as refusal:
        if refusal.code not in BLOCKS_REFUSED:
            raise
    return await send(message.short, [])


def _receipt(answer: SlackResponse) -> Mapping[str, str]:
    """The channel's id as Slack returns it (a name cannot be edited by), and the message's timestamp.

    Empty if Slack took the message and does not say where it is: then the next notice is a fresh post.
    """
    where: dict[str, Any] = {"channel": answer.get("channel"), "ts": answer.get("ts")}
    usable = all(isinstance(each, str) and _RECEIPT.fullmatch(each) for each in where.values())
    return where if usable else {}
