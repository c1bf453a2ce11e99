"""The connection that presses come by, over real sockets: acknowledged, made anew, through a proxy and with TLS."""

import asyncio
import base64
import hashlib
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trustme

from monitor.clock import SystemClock
from monitor.http import Http, Network
from monitor.notifiers.slack.actions import Press
from monitor.notifiers.slack.actions import buttons as buttons_of
from monitor.notifiers.slack.buttons import Buttons
from monitor.ports import Clock, Unreachable
from monitor.redaction import Redactor
from monitor.sandbox import Sandbox, serve
from monitor.sandbox.credentials import CHANNEL, ON_CALL, ON_CALL_GROUP
from monitor.sandbox.slack import Message
from tests.fakes.loopback import answer, serving
from tests.notifiers import notices
from tests.notifiers.slack.pressing import TEAM, Presses, a_press, some_buttons

# --- the connection, over real sockets


def network(**more: Any) -> Network:
    """The program's own way over the network."""
    return Network(redactor=Redactor(), environ={}, **more)


def a_listener(sandbox: Sandbox, presses: Presses, *, clock: Clock | None = None, **more: Any) -> Buttons:
    """Buttons that listen to the sandbox's Slack."""
    clock, net, credentials = clock or SystemClock(), network(), sandbox.world.credentials
    http = Http(clock=clock, transport=net, redactor=Redactor())
    tokens = {"app_token": lambda: credentials.app_token, "bot_token": lambda: credentials.bot_token}
    groups = {"groups": (ON_CALL_GROUP,), "api_url": sandbox.slack_api_url, "dial": net.dial}
    return some_buttons(presses, http, clock, **{**tokens, **groups, **more})


@asynccontextmanager
async def listening(it: Buttons) -> AsyncIterator[asyncio.Task[None]]:
    """While this lasts."""
    task = asyncio.create_task(it.listen())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait_for(asyncio.wait([task]), 5)


async def until(reached: Any) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what happens at the other end of a socket sets no event here
            await asyncio.sleep(0.01)


def a_root(sandbox: Sandbox) -> Message:
    """A message with every button."""
    blocks = [{"type": "actions", "elements": buttons_of(notices.opened())}]
    return sandbox.world.slack.post({"channel": CHANNEL, "text": "x", "blocks": blocks})


def host_of(sandbox: Sandbox) -> str:
    """Where its Slack is."""
    return sandbox.slack_api_url.split("/")[2]


async def test_a_press_is_acknowledged_done_once_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Over the wire; an envelope that Slack sends again, what is no JSON and what is no press do nothing and end nothing."""
    async with serve() as sandbox:
        slack, presses = sandbox.world.slack, Presses()
        it = a_listener(sandbox, presses)
        async with listening(it):
            await until(lambda: slack.socket_mode.sockets)
            message = a_root(sandbox)
            await slack.socket_mode.send("{no json")
            await slack.socket_mode.send("[]")
            await slack.socket_mode.send({"type": "interactive", "envelope_id": "e1", "payload": 7})
            await slack.socket_mode.send({"type": "events_api", "envelope_id": "e2", "payload": {}})
            again = {"type": "interactive", "envelope_id": "e3", "payload": {**a_press(), "team": {"id": "T0SANDBOX"}}}
            await slack.socket_mode.send(again)
            await slack.socket_mode.send(again)
            await slack.socket_mode.press(message, "silence-1h", host=host_of(sandbox), name="ana")
            await slack.socket_mode.press(message, "silence-1h", host=host_of(sandbox), user="U0OTHER")
            await until(lambda: len(slack.socket_mode.answers) == 2)
            assert [(press.action, press.user) for press in presses.done] == [("silence-1h", ON_CALL)]
            assert slack.socket_mode.acknowledged[:3] == ["e2", "e3", "e3"]
            assert it.problem is None
    assert "it cannot be read (JSONDecodeError)" in caplog.text
    assert "ticket=" not in caplog.text


async def test_a_press_is_acknowledged_before_it_is_done() -> None:
    """Within three seconds, or Slack shows a warning: however long it takes to do it; and what crashes ends nothing."""
    async with serve() as sandbox:
        slack, go_on = sandbox.world.slack, asyncio.Event()

        async def perform(press: Press) -> str:
            await go_on.wait()
            if press.action == "check-now":
                raise RuntimeError("a bug")
            return "done"

        async with listening(a_listener(sandbox, Presses(), perform=perform)):
            await until(lambda: slack.socket_mode.sockets)
            message = a_root(sandbox)
            for action in ("check-now", "acknowledge"):
                await slack.socket_mode.press(message, action, host=host_of(sandbox))
            await until(lambda: len(slack.socket_mode.acknowledged) == 2)
            assert not slack.socket_mode.answers
            go_on.set()
            await until(lambda: len(slack.socket_mode.answers) == 1)


async def test_a_connection_that_slack_replaces_is_made_anew_at_once() -> None:
    """Slack replaces each after some hours; presses go on."""
    async with serve() as sandbox:
        slack, presses = sandbox.world.slack, Presses()
        it = a_listener(sandbox, presses)
        async with listening(it):
            await until(lambda: slack.socket_mode.sockets)
            first = slack.socket_mode.sockets[0]
            await slack.socket_mode.disconnect()
            await until(lambda: slack.socket_mode.sockets and slack.socket_mode.sockets[0] is not first)
            await slack.socket_mode.press(a_root(sandbox), "acknowledge", host=host_of(sandbox))
            await until(lambda: presses.done)
        await until(lambda: not slack.socket_mode.sockets)


class Hurried(SystemClock):
    """Waits a hundredth of what it is asked to."""

    async def sleep(self, seconds: float) -> None:
        """Not so long."""
        await super().sleep(seconds / 100)


async def test_a_slack_that_is_gone_for_a_while_is_found_again(caplog: pytest.LogCaptureFixture) -> None:
    """Its connections break, nobody listens, and then somebody does; why it was down is logged once, not each time."""
    async with serve() as sandbox:
        slack, presses = sandbox.world.slack, Presses()
        async with listening(a_listener(sandbox, presses, clock=Hurried())):
            await until(lambda: slack.socket_mode.sockets)
            await sandbox.break_("slack_unreachable")
            await until(lambda: "connection refused" in caplog.text and not slack.socket_mode.sockets)
            await asyncio.sleep(0.5)  # several attempts
            await sandbox.fix()
            await until(lambda: slack.socket_mode.sockets)
            await slack.socket_mode.press(a_root(sandbox), "acknowledge", host=host_of(sandbox))
            await until(lambda: presses.done)
    assert caplog.text.count("connection refused") == 1


def test_a_websocket_is_dialled_as_anything_is_asked() -> None:
    """By the same proxy, but for what is exempt and loopback; a link-local address never."""
    net = network(proxy="http://proxy.example:3128", no_proxy="in.example")
    for url, proxy in (
        ("wss://wss.slack.example/link", "http://proxy.example:3128"),
        ("wss://wss.in.example/link", None),
        ("ws://127.0.0.1:1/link", None),
    ):
        assert net.dial(url)[0] == proxy
    with pytest.raises(Unreachable, match="link-local"):
        net.dial("wss://169.254.169.254/link")


@pytest.mark.parametrize("url", ["wss://[::1", "wss://host:port/", "wss://a\nb/", "wss://" + "a" * 70_000])
def test_what_slack_gives_instead_of_a_url_is_an_error_like_others(url: str) -> None:
    """Of a foreign kind it would end the task that listens, for good; what it was is not quoted: it may hold a ticket."""
    with pytest.raises(Unreachable, match=r"^not a WebSocket URL$"):
        network().dial(url)


async def test_a_refused_ticket_is_a_reason_without_it(caplog: pytest.LogCaptureFixture) -> None:
    """The URL of a connection is a secret, also in what the library says of it."""
    async with serve() as sandbox:
        sandbox.world.slack.socket_mode._tickets = _Forgetful()
        async with listening(a_listener(sandbox, Presses())):
            await until(lambda: "no connection for Slack's buttons" in caplog.text)
    assert "the connection is refused: HTTP 403" in caplog.text
    assert "ticket" not in caplog.text


class _Forgetful(set[str]):
    def __contains__(self, _ticket: object) -> bool:
        return False


# --- TLS and a proxy


LOGIN = base64.b64encode(b"user:Secret").decode()


async def _slack_with_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Slack's API and its WebSocket, as far as a connection needs them."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split()[1]
    if path.startswith("/link"):
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key:"))
        accept = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324 - RFC 6455
        hello = b'{"type":"hello"}'
        upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{upgrade}Sec-WebSocket-Accept: {base64.b64encode(accept).decode()}\r\n\r\n".encode())
        writer.write(bytes([0x81, len(hello)]) + hello)
        await writer.drain()
        await reader.read()
        return
    said = {"ok": True, "team_id": TEAM, "url": "wss://wss.slack.example/link/?ticket=Secret"}
    writer.write(answer("200 OK", json.dumps(said).encode(), Content_Type="application/json"))
    await writer.drain()


@pytest.mark.parametrize("trusted", [True, False])
async def test_the_connection_goes_by_the_proxy_and_trusts_whom_http_trusts(
    trusted: bool, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """`http.proxy`, with its login, and `http.ca_file` hold for the WebSocket too: the names exist behind the proxy alone."""
    caplog.set_level(logging.INFO)
    authority, stranger = trustme.CA(), trustme.CA()
    api, websocket = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    authority.issue_cert("api.slack.example").configure_cert(api)
    (authority if trusted else stranger).issue_cert("wss.slack.example").configure_cert(websocket)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    connects: list[str] = []
    async with serving(_slack_with_tls, tls=api) as api_port, serving(_slack_with_tls, tls=websocket) as port:

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert f"Basic {LOGIN}" in head
            connects.append(head.split()[1])
            there = await asyncio.open_connection("127.0.0.1", port if "wss." in connects[-1] else api_port)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
            finally:
                there[1].transport.abort()

        async with serving(proxy) as proxy_port:
            net = network(ca_file=str(ca_file), proxy=f"http://user:Secret@127.0.0.1:{proxy_port}")
            clock = SystemClock()
            http = Http(clock=clock, transport=net, redactor=Redactor())
            api_url = "https://api.slack.example/api/"
            it = some_buttons(Presses(), http, clock, dial=net.dial, api_url=api_url, ping_every=0.2)
            async with listening(it):
                said = "connected for Slack's buttons" if trusted else "no connection for Slack's buttons"
                await until(lambda: said in caplog.text)
                if trusted:  # and never answers a ping: such a connection is dead, so another is made
                    await until(lambda: connects.count("wss.slack.example:443") > 1)
    assert "wss.slack.example:443" in connects
    assert trusted or "the certificate is not trusted (http.ca_file)" in caplog.text
    assert "Secret" not in caplog.text


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
