"""Alertmanager and a webhook's receiver over real sockets: whatever they do, it is reported, or not, or nobody knows; and it ends."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from monitor.http import Http, Network
from monitor.notifiers.alertmanager import AlertmanagerNotifier
from monitor.notifiers.webhook import WebhookNotifier
from monitor.ports import Notifier, Undeliverable
from monitor.redaction import Redactor
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Handler, answer, saying, serving
from tests.notifiers import notices
from tests.notifiers.contract import REDACT

PATH = "/in/s3cr3t-path-0f9e8d7c6b5a"
Outcome = Literal["delivered", "not delivered", "unknown"]


def an_alertmanager(http: Http, clock: FakeClock, url: str) -> Notifier:
    """One instance."""
    return AlertmanagerNotifier(http=http, clock=clock, urls=[url], redact=REDACT)


def a_webhook(http: Http, clock: FakeClock, url: str) -> Notifier:
    """A receiver whose address is a secret."""
    return WebhookNotifier(http=http, clock=clock, url=lambda: f"{url}{PATH}", redact=REDACT, secret=lambda: "shared")


MAKERS: Mapping[str, Callable[[Http, FakeClock, str], Notifier]] = {
    "alertmanager": an_alertmanager,
    "webhook": a_webhook,
}


@dataclass(frozen=True)
class Way:
    """What the other side does, and what that means, of an Alertmanager where it means something else."""

    handler: Handler
    outcome: Outcome
    of_alertmanager: Outcome | None = None
    scheme: str = "http"


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()


_BOMB = gzip.compress(b"\0" * 20_000_000)
_PAGE = answer("200 OK", b"<html>Sign in</html>", Content_Type="text/html; charset=utf-8")
WAYS = {
    "nothing but a 200": Way(saying(answer()), "delivered"),
    "a 202 with JSON": Way(
        saying(answer("202 Accepted", b'{"ok": true}', Content_Type="application/json")), "delivered"
    ),
    "a body without end": Way(_endless, "delivered"),
    "a bomb": Way(saying(answer("200 OK", _BOMB, Content_Encoding="gzip")), "delivered"),
    "a page": Way(saying(_PAGE), "delivered", "not delivered"),
    "a redirect": Way(saying(answer("307 Temporary Redirect", Location="https://evil.example/")), "not delivered"),
    "a refusal": Way(saying(answer("400 Bad Request", b'"no"', Content_Type="application/json")), "not delivered"),
    "too many": Way(saying(answer("429 Too Many Requests", Retry_After="7")), "not delivered"),
    "a failure": Way(saying(answer("502 Bad Gateway")), "unknown"),
    "half a body": Way(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf"), "unknown"),
    "half a head": Way(saying(b"HTTP/1.1 20"), "unknown"),
    "no word": Way(saying(), "unknown"),
    "no HTTP": Way(saying(b"220 mail.example ESMTP\r\n"), "unknown"),
    "no answer": Way(saying(stay=True), "unknown"),
    "a drip": Way(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nx", stay=True), "unknown"),
    "no TLS": Way(saying(answer("400 Bad Request")), "not delivered", scheme="https"),
}


async def _deliver(name: str, url: str) -> tuple[Outcome, str, float]:
    """What became of a notice, what is shown of it, and how long that took."""
    clock = FakeClock()
    http = Http(clock=clock, transport=Network(redactor=Redactor(), environ={}), redactor=Redactor())
    dispatching = asyncio.ensure_future(MAKERS[name](http, clock, url).deliver(notices.opened()))
    # Real bytes take real moments, in which no fake time passes; what never ends is ended by fake time.
    await asyncio.wait([dispatching], timeout=0.7)
    took = await clock.run_until(dispatching.done)
    error = dispatching.exception()
    if error is None:
        return "delivered", "", took
    assert isinstance(error, Undeliverable)
    assert not error.permanent
    return ("unknown" if error.unknown else "not delivered"), str(error), took


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MAKERS)
async def test_whatever_the_other_side_does_is_reported_or_not_or_unknown(name: str, way: str) -> None:
    """Unknown is only what may have been taken; nothing takes longer than ten seconds, and no secret is shown."""
    case = WAYS[way]
    expected = case.of_alertmanager if name == "alertmanager" and case.of_alertmanager else case.outcome
    async with serving(case.handler) as port:
        outcome, shown, took = await _deliver(name, f"{case.scheme}://127.0.0.1:{port}")
    assert (outcome, took <= 10) == (expected, True), shown
    assert PATH not in shown
    assert "evil" not in shown


@pytest.mark.parametrize("name", MAKERS)
async def test_where_nobody_listens_nothing_can_have_been_taken(name: str) -> None:
    """A refused connection."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcome, shown, _ = await _deliver(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert outcome == "not delivered"
    assert PATH not in shown
