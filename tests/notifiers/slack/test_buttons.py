"""Who may press, what they are answered, and the connection that presses come by."""

import asyncio
import base64
import hashlib
import json
import logging
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from monitor.clock import SystemClock
from monitor.http import Http, Network
from monitor.notifiers.slack.actions import SILENCE_FOR, Action, Press
from monitor.notifiers.slack.actions import buttons as buttons_of
from monitor.notifiers.slack.buttons import FIRST_WAIT, LONGEST_WAIT, MEMBERS_FOR, SHOWN_AFTER, Buttons
from monitor.ports import Clock, Unreachable
from monitor.redaction import Redactor
from monitor.sandbox import Sandbox, serve
from monitor.sandbox.credentials import CHANNEL, ON_CALL, ON_CALL_GROUP
from monitor.sandbox.slack import Message
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import answer, serving
from tests.fakes.remote import Remote, Reply
from tests.notifiers import notices
from tests.notifiers.slack.test_actions import TEAM, pressed
from tests.settings.samples import MINIMAL, loaded

ROOT = Path(__file__).parents[3]
QUOTED = ("settings/coherence.py", "notifiers/slack/buttons.py", "notifiers/slack/client.py")
OK = Reply(b"ok")
MEMBERS = Reply({"ok": True, "users": ["U0123"]})


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


def a_press(**more: Any) -> dict[str, Any]:
    """A press that is answered at the remote service."""
    return pressed(response_url=f"{Remote.url}/actions/1", **more)


# --- who may press


async def test_who_is_named_may_press_and_is_answered_alone() -> None:
    """By the address that came with the press, without a token; the answer calls nobody."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, OK)
    await some_buttons(presses, remote.http, clock, users=frozenset({"U0123"})).handle(a_press(), TEAM)
    assert [press.name for press in presses.done] == ["ana"]
    (asked,) = remote.asked
    assert (asked.path, asked.headers.get("authorization")) == ("/actions/1", None)
    assert asked.json == {
        "text": "done: acknowledge &lt;@U1&gt; @\u2060here",
        "response_type": "ephemeral",
        "replace_original": False,
    }


async def test_nobody_else_may_press_and_is_answered_so() -> None:
    """Without anybody named, nobody may."""
    for users in (frozenset[str](), frozenset({"U0OTHER"})):
        clock, presses = FakeClock(), Presses()
        remote = Remote(clock, OK)
        await some_buttons(presses, remote.http, clock, users=users).handle(a_press(), TEAM)
        assert presses.done == []
        assert remote.asked[0].json["text"].startswith("Not done: you are not among those who may press this")


async def test_who_is_in_a_group_may_press_and_the_group_is_remembered_for_five_minutes() -> None:
    """Slack is asked by the bot's token, as a form: methods that read take no JSON."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, MEMBERS, OK, OK, Reply({"ok": True, "users": []}), OK)
    it = some_buttons(presses, remote.http, clock, groups=("S0123",))
    for _ in range(2):
        await it.handle(a_press(), TEAM)
    await clock.advance(MEMBERS_FOR + 1)
    await it.handle(a_press(), TEAM)
    assert len(presses.done) == 2
    asked = [each for each in remote.asked if each.path == "/api/usergroups.users.list"]
    assert [each.body for each in asked] == [b"usergroup=S0123"] * 2
    assert asked[0].headers["authorization"] == "Bearer xoxb-1"
    assert asked[0].headers["content-type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            Reply({"ok": False, "error": "missing_scope"}),
            "S0123 is not known: the bot lacks the scope usergroups:read.",
        ),
        (Reply({"ok": False, "error": "no_such_subteam"}), "S0123 is not known: Slack says no_such_subteam."),
        (Reply(b"<html>", 502), "S0123 is not known: not an answer of Slack"),
        (Reply({"ok": True, "users": "U0123"}), "you are not among those who may press this"),
    ],
)
async def test_a_group_that_is_not_known_lets_nobody_press_and_says_why(reply: Reply, why: str) -> None:
    """What is not known is no permission; whoever administers the app reads what is missing."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, reply, OK)
    await some_buttons(presses, remote.http, clock, groups=("S0123",)).handle(a_press(), TEAM)
    assert presses.done == []
    assert why in remote.asked[-1].json["text"]


# --- what comes in


async def test_what_is_not_ours_is_ignored_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody who can press could fill the log; a link is not worth a line."""
    caplog.set_level(logging.INFO)
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, OK)
    it = some_buttons(presses, remote.http, clock, users=frozenset({"U0123"}))
    for payload in (a_press(team={"id": "T9"}), a_press(team={"id": "T8"}), a_press(action="open-traceloop"), {}):
        await it.handle(payload, TEAM)
    assert (presses.done, remote.asked) == ([], [])
    assert [record.getMessage() for record in caplog.records] == [
        "something that Slack sent is ignored: it comes from another workspace",
        "something that Slack sent is ignored: it is no press of a button",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/x",
        "https://slack.com.evil.example/x",
        "http://hooks.slack.com/x",
        "",
        "https://[",
        "file:///x",
    ],
)
async def test_an_answer_goes_to_slack_alone(url: str) -> None:
    """What was pressed is done; nobody else is asked."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, OK)
    it = some_buttons(presses, remote.http, clock, users=frozenset({"U0123"}))
    await it.handle(pressed(response_url=url), TEAM)
    assert (len(presses.done), remote.asked) == (1, [])
    assert it._is_slacks("https://hooks.slack.com/actions/1")
    assert it._is_slacks("https://hooks.slack-gov.com/actions/1")


async def test_an_answer_that_does_not_arrive_undoes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged without the address, which is a secret."""
    clock, presses = FakeClock(), Presses()
    remote = Remote(clock, Reply(b"expired_url", 404))
    await some_buttons(presses, remote.http, clock, users=frozenset({"U0123"})).handle(a_press(), TEAM)
    assert len(presses.done) == 1
    assert "got no answer" in caplog.text
    assert "/actions/1" not in caplog.text


# --- the connection, without one


async def test_a_connection_that_cannot_be_made_is_tried_again_and_shown_after_a_minute() -> None:
    """Ever more rarely; what Slack asks to wait is waited."""
    clock = FakeClock()
    remote = Remote(clock, Reply({"ok": False, "error": "invalid_auth"}))
    it = some_buttons(Presses(), remote.http, clock, users=frozenset({"U0123"}))
    task = asyncio.create_task(it.listen())
    at = []
    for _ in range(6):
        seen = len(remote.asked)
        await clock.run_until(lambda seen=seen: len(remote.asked) > seen)  # type: ignore[misc]
        at.append(clock.monotonic())
        if clock.monotonic() <= 1000 + SHOWN_AFTER:
            assert it.problem is None
    assert [round(later - before) for before, later in pairwise(at)] == [5, 10, 20, 40, 80]
    assert it.problem is not None
    assert it.problem.startswith("Slack's buttons do not work: Slack says invalid_auth")
    remote.replies = [Reply({"ok": False}, 429, {"retry-after": "700"})]
    await clock.advance(200)
    asked = len(remote.asked)
    await clock.advance(600)
    assert len(remote.asked) == asked
    task.cancel()
    await asyncio.wait([task])


async def test_an_answer_without_a_connection_is_none() -> None:
    """By https only to TLS, whatever is said."""
    clock = FakeClock()
    identity, opened = Reply({"ok": True, "team_id": TEAM}), Reply({"ok": True, "url": "ws://127.0.0.1:1/link"})
    it = some_buttons(Presses(), Remote(clock, identity, opened).http, clock, users=frozenset({"U0123"}))
    task = asyncio.create_task(it.listen())
    await clock.advance(SHOWN_AFTER + FIRST_WAIT)
    assert it.problem is not None
    assert "not an answer of Slack" in it.problem
    task.cancel()
    await asyncio.wait([task])


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


# --- what is written for people


def test_the_document_says_what_the_code_says(tmp_path: Path) -> None:
    """Labels, scopes and waits; its configuration is accepted, and what it quotes is what is seen."""
    text = (ROOT / "docs" / "slack-buttons.md").read_text()
    said = " ".join(text.split())
    assert f"**{'**, **'.join(action.label for action in Action)}**" in said
    assert (SILENCE_FOR, MEMBERS_FOR, SHOWN_AFTER, FIRST_WAIT, LONGEST_WAIT) == (3600, 300, 60, 5, 120)
    source = "".join((ROOT / "monitor" / path).read_text() for path in QUOTED)
    for quoted in re.findall(r"^\| (?:`[\w.]+: ([^`]+)`|\"([^\"]+)\") \|", text, re.MULTILINE):
        assert "".join(quoted).removeprefix("Slack says invalid_auth ") in source
    _manifest, example = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    slack = example["alerting"]["slack"]
    for name in ("bot_token", "app_token"):
        (tmp_path / name).write_text({"bot_token": "xoxb-1", "app_token": "xapp-1"}[name])
        slack[f"{name}_file"] = str(tmp_path / name)
    assert loaded(MINIMAL + yaml.safe_dump(example)).settings.alerting.slack.pressable
