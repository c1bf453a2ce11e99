"""Button presses by Socket Mode: slack-sdk's asynchronous client, and who may press what.

Needs the extra [slack-socket]; imported only where an app token is configured. slack-sdk knows what Slack sends and how it is
acknowledged. What its client does not do as this program needs it is done here, by the methods that it leaves to subclasses: it
reconnects at once and for ever without back-off, and logs the URL of the connection, which holds a ticket.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientConnectorCertificateError, ClientError, ClientResponseError, ClientWSTimeout, WSMsgType
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from monitor.core.model import Seconds
from monitor.http import Http
from monitor.notifiers.slack import render
from monitor.notifiers.slack.actions import Ignored, Press, press_of
from monitor.notifiers.slack.client import BotClient, HookClient, Refusal
from monitor.ports import Clock, PortError, Undeliverable, Unreachable
from monitor.redaction import clamp

_log = logging.getLogger(__name__)

Perform = Callable[[Press], Awaitable[str]]
"""Does what was pressed, and says in a sentence what became of it."""

Dial = Callable[[str], tuple[str | None, ssl.SSLContext]]
"""The proxy of a URL, and whom to trust."""

SHOWN_AFTER: Seconds = 60.0
"""A connection that is down for so long is shown: Slack itself replaces each after some hours."""

MEMBERS_FOR: Seconds = 300.0
"""How long the members of a user group are remembered."""

FIRST_WAIT, LONGEST_WAIT = 5.0, 120.0
STEADY: Seconds = 30.0
"""A connection that lasted so long was a good one: the next is made at once."""

_CONNECT_WITHIN: Seconds = 15.0
_CLOSE_WITHIN: Seconds = 1.0
_FINISH_WITHIN: Seconds = 2.0
_LARGEST = 1024 * 1024
_ENVELOPES = 500
_LONGEST_ANSWER = 600
_UNUSED_PROXY = "http://unused.invalid"  # without one slack-sdk takes the environment's
_SLACKS = (".slack.com", ".slack-gov.com")


class _Socket(SocketModeClient):
    """One connection, made once. Its errors are the caller's; what slack-sdk would log goes to `logger`."""

    def __init__(
        self, url: str, *, logger: logging.Logger, proxy: str | None, trust: ssl.SSLContext, ping_every: Seconds
    ) -> None:
        web_client = AsyncWebClient(proxy=_UNUSED_PROXY, logger=logger)
        super().__init__("", logger, web_client, _UNUSED_PROXY, auto_reconnect_enabled=False, ping_interval=ping_every)
        self.wss_uri = url
        self._by = proxy
        self._trust = trust

    async def connect(self) -> None:
        """Connect, or raise. aiohttp answers pings and sends its own, so that a dead connection is noticed."""
        self.current_session = await self.aiohttp_client_session.ws_connect(
            str(self.wss_uri),
            heartbeat=self.ping_interval,
            max_msg_size=_LARGEST,
            proxy=self._by,
            ssl=self._trust,
            timeout=ClientWSTimeout(ws_close=_CLOSE_WITHIN),
        )

    async def receive_messages(self) -> None:
        """Until the connection ends."""
        if self.current_session is not None:
            async for message in self.current_session:
                if message.type is WSMsgType.TEXT:
                    await self.enqueue_message(message.data)

    async def connect_to_new_endpoint(self, force: bool = False) -> None:  # noqa: ARG002 - slack-sdk's signature
        """Slack asks to change to another connection: this one ends, and whoever made it makes the next."""
        await self.disconnect()  # type: ignore[no-untyped-call]  # slack-sdk's


class _Reports(logging.Handler):
    """Says once of each kind that slack-sdk could not read something; never what, for a payload may hold anything."""

    def __init__(self, say_once: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._say_once = say_once

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None:
            self._say_once(f"it cannot be read ({kind.__name__})")


@dataclass(kw_only=True)
class Buttons:
    """Listens for presses as long as `listen` runs. `app_token` and `bot_token` are asked anew for each connection.

    `users` may press, and whoever is in one of `groups`. `perform` does it.
    """

    http: Http
    clock: Clock
    dial: Dial
    app_token: Callable[[], str] = field(repr=False)
    bot_token: Callable[[], str] = field(repr=False)
    api_url: str
    users: frozenset[str]
    groups: tuple[str, ...]
    redact: Callable[[str], str] = field(repr=False)
    perform: Perform
    ping_every: Seconds = 10.0

    def __post_init__(self) -> None:
        self._connected = False
        self._down_since: Seconds = self.clock.monotonic()
        self._why = "not connected yet"
        self._envelopes: deque[str] = deque(maxlen=_ENVELOPES)
        self._members: dict[str, tuple[Seconds, frozenset[str]]] = {}
        self._said: set[str] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._logger = logging.Logger("slack socket", logging.ERROR)  # noqa: LOG001 - belongs to no hierarchy
        self._logger.addHandler(_Reports(self._say_once))

    @property
    def problem(self) -> str | None:
        """What keeps presses from arriving, once it has lasted."""
        down = 0.0 if self._connected else self.clock.monotonic() - self._down_since
        return f"Slack's buttons do not work: {self._why}" if down > SHOWN_AFTER else None

    # --- the connection

    async def listen(self) -> None:
        """Stay connected until cancelled; what is being done then is done first, for a moment."""
        failures = 0
        try:
            while True:
                began, asked_to_wait = self.clock.monotonic(), 0.0
                try:
                    await self._stay_connected()
                    why = "Slack ended the connection; is Socket Mode switched on for the app?"
                except (PortError, ClientError, OSError, ValueError) as error:
                    why = _reason(error)
                    asked_to_wait = (error.retry_after or 0.0) if isinstance(error, Undeliverable) else 0.0
                connected, steady = self._connected, self.clock.monotonic() - began >= STEADY
                self._end(clamp(self.redact(why), 300), steady=connected and steady)
                failures = 0 if connected and steady else failures + 1
                # The first time at once: Slack may have asked to change to another connection.
                at_once = connected and failures <= 1
                wait = 0.0 if at_once else min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10))
                await self.clock.sleep(max(wait, asked_to_wait))
        finally:
            with suppress(TimeoutError):
                async with self.clock.timeout(_FINISH_WITHIN):
                    await asyncio.gather(*self._working, return_exceptions=True)

    def _end(self, why: str, *, steady: bool) -> None:
        if steady:  # a connection that is ended at once again and again was never up
            self._down_since = self.clock.monotonic()
        if why != self._why and not steady:
            _log.warning("no connection for Slack's buttons: %s", why)
        self._connected, self._why = False, why

    async def _stay_connected(self) -> None:
        """Make one connection, and listen until it ends. Raises what keeps it from being made."""
        slack = self._slack()
        team = str((await slack.identify()).get("team_id") or "")
        url = await slack.open_connection(self.app_token())
        allowed = ("wss:", "ws:") if self.api_url.startswith("http:") else ("wss:",)
        if not team or not url.startswith(allowed):
            raise Undeliverable("not an answer of Slack: it names no workspace or no connection")
        proxy, trust = self.dial(url)
        socket = _Socket(url, logger=self._logger, proxy=proxy, trust=trust, ping_every=self.ping_every)

        async def receive(_client: AsyncBaseSocketModeClient, message: Mapping[str, Any], _raw: str | None) -> None:
            if message.get("type") == "hello":
                self._connected, self._why = True, ""
                _log.info("connected for Slack's buttons")

        async def take(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
            await self._take(client, request, team)

        socket.message_listeners.append(receive)
        socket.socket_mode_request_listeners.append(take)
        try:
            async with self.clock.timeout(_CONNECT_WITHIN):
                await socket.connect()
            await socket.receive_messages()
        finally:
            await socket.close()  # type: ignore[no-untyped-call]  # slack-sdk's

    # --- a press

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest, team: str) -> None:
        """Acknowledge at once, or Slack shows a warning; then do it, once, however often Slack sends it."""
        again = request.envelope_id in self._envelopes
        self._envelopes.append(request.envelope_id)
        try:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        except (ClientError, OSError):
            self._say_once("it could not be acknowledged: the connection had ended")
        if again:
            return
        if request.type != "interactive":
            self._say_once("it is no press of a button")
            return
        task = asyncio.create_task(self.handle(request.payload, team), name="slack button")
        self._working.add(task)
        task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[None]) -> None:
        """A bug of ours must not end the connection."""
        self._working.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a press of a button in Slack crashed", exc_info=error)

    async def handle(self, payload: Mapping[str, Any], team: str) -> None:
        """Do what a payload asks for, if it is a press of ours by somebody who may, and answer that person alone."""
        try:
            press = press_of(payload, team)
        except Ignored as ignored:
            if not ignored.expected:
                self._say_once(str(ignored))
            return
        refusal = await self._refusal(press.user)
        fields = {"action": press.action.value, "target": press.target, "user": press.user, "name": press.name}
        _log.info("a button in Slack was pressed", extra={"fields": {**fields, "allowed": refusal is None}})
        said = refusal if refusal is not None else await self.perform(press)
        await self._answer(press, said)

    async def _refusal(self, user: str) -> str | None:
        """Why somebody may not press; None if they may."""
        if user in self.users:
            return None
        unknown = ""
        for group in self.groups:
            try:
                if user in await self._members_of(group):
                    return None
            except Undeliverable as error:
                lacks = isinstance(error, Refusal) and error.code == "missing_scope"
                why = "the bot lacks the scope usergroups:read" if lacks else str(error)
                unknown = f" Who is in the user group {group} is not known: {why}."
        return f"Not done: you are not among those who may press this (alerting.slack.buttons).{unknown}"

    async def _members_of(self, group: str) -> frozenset[str]:
        """Raises Undeliverable."""
        now, known = self.clock.monotonic(), self._members.get(group)
        if known is None or now - known[0] > MEMBERS_FOR:
            known = self._members[group] = now, await self._slack().members(group)
        return known[1]

    async def _answer(self, press: Press, said: str) -> None:
        if not self._is_slacks(press.answer_url):
            self._say_once("it names no address of Slack's to answer to")
            return
        hook = HookClient(http=self.http, clock=self.clock, url=press.answer_url)
        try:
            await hook.answer(render.plain(self.redact).foreign(said, _LONGEST_ANSWER))
        except (Undeliverable, Unreachable) as error:
            _log.warning("who pressed a button in Slack got no answer: %s", error)

    def _is_slacks(self, url: str) -> bool:
        """Whether an address to answer to is Slack's own, or that of the Slack that is asked."""
        try:
            given, asked = urlsplit(url), urlsplit(self.api_url)
        except ValueError:
            return False
        if given[:2] == asked[:2]:
            return True
        return given.scheme == "https" and f".{given.hostname or ''}".endswith(_SLACKS)

    def _slack(self) -> BotClient:
        return BotClient(http=self.http, clock=self.clock, token=self.bot_token(), api_url=self.api_url)

    def _say_once(self, what: str) -> None:
        """Of each kind once: anybody who can press could fill the log."""
        if what not in self._said:
            self._said.add(what)
            _log.warning("something that Slack sent is ignored: %s", what)


def _reason(error: Exception) -> str:
    """Without the URL, which holds a ticket."""
    match error:
        case PortError():
            return str(error)
        case ClientConnectorCertificateError():
            return "no connection: the certificate is not trusted (http.ca_file)"
        case ClientResponseError():
            return f"the connection is refused: HTTP {error.status}"
        case TimeoutError():
            return f"no connection within {_CONNECT_WITHIN:.0f} s"
        case OSError(strerror=str(said)):
            return f"no connection: {said}"
    return f"no connection ({type(error).__name__})"
