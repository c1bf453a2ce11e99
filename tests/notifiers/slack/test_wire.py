"""slack_sdk's clients over real sockets: what must hold on the wire, where a token is sent."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from monitor.http import Http, Network
from monitor.notifiers.slack import Destination
from monitor.ports import Undeliverable
from monitor.redaction import Redactor
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import answer, saying, serving
from tests.notifiers import notices
from tests.notifiers.slack.scripted import (
    CHANNEL,
    HOOK_PATH,
    TOKEN,
    ScriptedSlack,
    a_bot,
    a_webhook,
    bot_reader,
    hook_reader,
)


def an_http(clock: FakeClock, environ: Mapping[str, str] | None = None) -> Http:
    """The program's own way over the network."""
    return Http(clock=clock, transport=Network(redactor=Redactor([TOKEN]), environ=environ or {}), redactor=Redactor())


@asynccontextmanager
async def listening(slack: ScriptedSlack) -> AsyncIterator[int]:
    """The scripted Slack on a port of its own."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        said = slack.answer(request.split()[1], headers, await reader.readexactly(int(headers["content-length"])))
        writer.write(answer(f"{said.status} Said", said.body, **dict(said.headers)))
        await writer.drain()

    async with serving(handle) as port:
        yield port


async def test_a_bot_posts_and_edits() -> None:
    """Root, edit and reply, as Slack takes them."""
    slack, clock = ScriptedSlack(), FakeClock()
    async with listening(slack) as port:
        bot = a_bot(bot_reader(), clock, http=an_http(clock), api_url=f"http://127.0.0.1:{port}/api/")
        receipt = await bot.deliver(notices.opened())
        known = notices.notified_of(notices.resolved().incident, receipt=receipt)
        await bot.deliver(notices.a_notice(notices.resolved().reason, notices.resolved().incident, notified=known))
    assert [method for method, _ in slack.calls] == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert "resolved" in slack.root()["text"]


async def test_a_webhook_posts() -> None:
    """It answers `ok`."""
    slack, clock = ScriptedSlack(), FakeClock()
    async with listening(slack) as port:
        url = f"http://127.0.0.1:{port}{HOOK_PATH}"
        await a_webhook(hook_reader(), http=an_http(clock), url=lambda: url).deliver(notices.opened())
    assert len(slack.messages) == 1


async def test_a_redirect_never_gets_the_token() -> None:
    """slack_sdk by itself would follow it, token in hand."""
    elsewhere, clock = ScriptedSlack(), FakeClock()
    async with listening(elsewhere) as far:
        moved = answer("302 Found", location=f"http://127.0.0.1:{far}/api/chat.postMessage")
        async with serving(saying(moved)) as port:
            bot = a_bot(bot_reader(), clock, http=an_http(clock), api_url=f"http://127.0.0.1:{port}/api/")
            with pytest.raises(Undeliverable, match="status 302"):
                await bot.deliver(notices.opened())
    assert elsewhere.calls == []


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), id="silent"),
        pytest.param((b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n"), id="an endless head"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b'{"ok"'), id="an endless body"),
    ],
)
async def test_a_hung_slack_is_given_up_within_ten_seconds(pieces: tuple[bytes, ...]) -> None:
    """All delivered, however it hangs; the message may have been posted."""
    clock = FakeClock()
    async with serving(saying(*pieces, stay=True)) as port:
        bot = a_bot(bot_reader(), clock, http=an_http(clock), api_url=f"http://127.0.0.1:{port}/api/")
        task = asyncio.ensure_future(bot.deliver(notices.opened()))
        assert await clock.run_until(task.done, limit=60) == 10
        with pytest.raises(Undeliverable) as raised:
            await task
    assert raised.value.unknown


async def test_a_hung_slack_does_not_delay_the_end() -> None:
    """Who is cancelled is gone at once: no thread is left behind."""
    clock = FakeClock()
    async with serving(saying(stay=True)) as port:
        bot = a_bot(bot_reader(), clock, http=an_http(clock), api_url=f"http://127.0.0.1:{port}/api/")
        task = asyncio.ensure_future(bot.deliver(notices.opened()))
        await clock.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, timeout=1)
        bot.close()


async def test_a_connection_that_closes_without_an_answer_is_unknown() -> None:
    """Slack may have posted before it went away."""
    clock = FakeClock()
    async with serving(saying()) as port:
        bot = a_bot(bot_reader(), clock, http=an_http(clock), api_url=f"http://127.0.0.1:{port}/api/")
        with pytest.raises(Undeliverable) as raised:
            await bot.deliver(notices.opened())
    assert (raised.value.unknown, raised.value.permanent) == (True, False)


async def test_slack_sdk_does_not_send_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither through a proxy of the environment that the operator has switched off for us."""
    monkeypatch.setitem(os.environ, "HTTPS_PROXY", "http://user:password@127.0.0.1:1")
    slack, clock = ScriptedSlack(), FakeClock()
    async with listening(slack) as port:
        bot = a_bot(bot_reader(), clock, http=an_http(clock), api_url=f"http://127.0.0.1:{port}/api/")
        await bot.deliver(notices.opened())
        assert "password" not in repr(vars(bot._client()))
    assert len(slack.messages) == 1


async def test_a_token_that_http_cannot_carry_is_not_shown() -> None:
    """The error says where, not what."""
    clock = FakeClock()
    bot = a_bot(
        bot_reader(),
        clock,
        http=an_http(clock),
        token=lambda: "xoxb-line\nbreak",
        api_url="http://127.0.0.1:9/api/",
        destination=Destination(channel=CHANNEL),
    )
    with pytest.raises(Undeliverable) as raised:
        await bot.deliver(notices.opened())
    assert "xoxb" not in str(raised.value)
