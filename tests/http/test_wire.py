"""What the outside can do on the wire, and that nothing of it gets past `monitor.http`."""

import asyncio
import errno
import socket
import ssl
import time
import traceback
from pathlib import Path

import pytest

from monitor.core.model import Service
from monitor.http import OUTCOMES, USER_AGENT, JsonRows
from monitor.http.wire import innermost
from monitor.ports import Garbled, Unreachable
from monitor.redaction import MASK
from tests.fakes.loopback import answer, saying, serving
from tests.http.common import SECRET, Received, ask, over_network


async def test_an_answer_is_handed_over_as_it_is(received: Received) -> None:
    """Status, headers by lower-case name, body; and the listener is notified."""
    said = answer("201 Created", b'{"a": 1}', Content_Type="application/json; charset=utf-8", X_Two="1")
    async with serving(saying(said)) as port:
        got = await ask(over_network(received), f"http://127.0.0.1:{port}/x")
    assert (got.status, got.json(), got.headers["x-two"], got.media_type) == (201, {"a": 1}, "1", "application/json")
    assert received.outcomes == [(Service.GATEWAY, "2xx")]


async def test_the_request_says_who_asks_and_asks_for_no_compression() -> None:
    """Our own User-Agent, the host's name, identity encoding; and the body with its length."""
    seen: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"{}"))
        writer.write(answer())

    http = over_network(lookup=lambda _host, _port: ["127.0.0.1"])
    async with serving(listen) as port:
        url = f"http://gateway.example:{port}/chat?x=1"
        await http.request(Service.GATEWAY, "POST", url, timeout=2, headers={"X-One": "1"}, body=b"{}")
    head = seen[0].decode()
    assert head.startswith("POST /chat?x=1 HTTP/1.1\r\n")
    for line in (f"Host: gateway.example:{port}", f"User-Agent: {USER_AGENT}", "Accept-Encoding: identity", "X-One: 1"):
        assert f"\r\n{line}\r\n" in head
    assert "\r\nContent-Length: 2\r\n" in head


def _closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


@pytest.mark.parametrize("way", ["address", "name", "proxy"])
async def test_what_the_system_says_is_said_in_its_words(received: Received, way: str) -> None:
    """Not in Python's; also of a name with several addresses. The phase that it failed in and the outcome are reported."""
    port = _closed_port()
    http = over_network(
        received,
        lookup=lambda _host, _port: ["127.0.0.1", "127.0.0.2"],
        proxy=f"http://localhost:{port}" if way == "proxy" else None,
    )
    host = "127.0.0.1" if way == "address" else "gateway.example"
    with pytest.raises(Unreachable) as caught:
        await ask(http, f"http://{host}:{port}/")
    direct = f"connection refused ({host}:{port})"
    by_proxy = (
        f"the monitor's proxy localhost:{port} cannot be reached, so {host}:{port} was not asked (connection refused)"
    )
    assert str(caught.value) == (by_proxy if way == "proxy" else direct)
    assert caught.value.phases.connect is not None
    assert received.outcomes == [(Service.GATEWAY, "proxy" if way == "proxy" else "connect")]


_CUT_OFF = "the connection was closed before the answer was complete"


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol", "the answer is not HTTP ({}: illegal status line: SSH-2.0-OpenSSH)"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol", "the answer is not HTTP ({}: illegal status line: HTTP/1.1 abc)"),
        (b"\x16\x03\x01\x00", None, ""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, None, ""),
        (b"", "reset", f"{_CUT_OFF} ({{}})"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
            "reset",
            f"{_CUT_OFF} ({{}}: received 3 bytes, expected 100)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "reset",
            f"{_CUT_OFF} ({{}}: incomplete chunked read)",
        ),
    ],
    ids=["ssh", "status", "tls", "headers", "nothing", "length", "chunked"],
)
async def test_what_was_sent_is_said_once_and_not_as_python_writes_it(said: bytes, kind: str | None, text: str) -> None:
    """No `bytearray(b'…')`, and nothing twice; another protocol is none of ours, what breaks in the middle is a reset."""
    async with serving(saying(said) if said else saying()) as port:
        with pytest.raises(Unreachable) as caught:
            await ask(over_network(), f"http://127.0.0.1:{port}/")
    if kind is None:  # how the pieces arrive decides which
        assert caught.value.kind in {"protocol", "reset"}
    else:
        assert (caught.value.kind, str(caught.value)) == (kind, text.format(f"127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionResetError(errno.ECONNRESET, "Connect call failed ('127.0.0.1', 9)"), "connection reset by peer"),
        (OSError(errno.EHOSTUNREACH, "x ('10.0.0.1', 9)"), "no route to host"),
        (TimeoutError(errno.ETIMEDOUT, "Connect call failed ('127.0.0.1', 9)"), ""),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (
            ExceptionGroup("two", [OSError(errno.ECONNREFUSED, "a"), OSError(errno.ECONNREFUSED, "b")]),
            "connection refused",
        ),
        (ssl.SSLError(1, "[SSL] odd"), "[ssl] odd"),
    ],
)
def test_the_innermost_cause_is_said(error: Exception, text: str) -> None:
    """Whatever stands around it."""
    outer = OSError("All connection attempts failed")
    outer.__cause__ = error
    assert innermost(outer) == text


async def test_a_login_in_the_url_becomes_a_header() -> None:
    """As browsers and curl do it; it is not sent as part of the path or the host."""
    seen: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer())

    async with serving(listen) as port:
        await ask(over_network(), f"http://jane:p%40ss@127.0.0.1:{port}/x")
    assert b"\r\nAuthorization: Basic amFuZTpwQHNz\r\n" in seen[0]
    assert f"GET /x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode() in seen[0]


async def test_a_black_hole_ends_at_the_deadline(received: Received) -> None:
    """A server that takes the connection and says nothing costs `timeout`, not more."""
    async with serving(saying(stay=True)) as port:
        began = time.perf_counter()
        with pytest.raises(Unreachable, match=r"no answer within 0\.05 s") as caught:
            await ask(over_network(received), f"http://127.0.0.1:{port}/", timeout=0.05)
    assert caught.value.kind == "timeout"
    assert time.perf_counter() - began < 10
    assert received.outcomes == [(Service.GATEWAY, "timeout")]


async def test_a_slow_drip_ends_at_the_deadline() -> None:
    """The deadline is over the whole body, not over each piece of it."""
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 1000]
    async with serving(saying(*pieces, pause=0.01)) as port:
        with pytest.raises(Unreachable, match="reading the answer") as caught:
            await ask(over_network(), f"http://127.0.0.1:{port}/", timeout=0.4)
    assert caught.value.kind == "timeout"
    assert caught.value.phases.transfer is not None


async def test_an_endless_body_is_cut_off() -> None:
    """No more is read than the limit; the status is known, the body is no JSON."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(pour) as port:
        got = await ask(over_network(), f"http://127.0.0.1:{port}/", body_limit=100_000)
    assert (got.status, len(got.body)) == (200, 100_000)
    with pytest.raises(Garbled, match="more than 100000 bytes"):
        got.json()


async def test_ten_thousand_short_headers_end_in_an_answer_or_an_error() -> None:
    """Never in a hang, nor in a foreign exception."""
    said = b"HTTP/1.1 200 OK\r\n" + b"".join(b"a%d: b\r\n" % number for number in range(10_000)) + b"\r\n"
    async with serving(saying(said)) as port:
        try:
            assert (await ask(over_network(), f"http://127.0.0.1:{port}/")).status == 200
        except Unreachable as error:
            assert error.kind in {"protocol", "reset"}  # noqa: PT017 - both are right: how the pieces arrive decides


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip, gzip", b"x"), ("gzip", b"not gzip at all")])
async def test_an_encoding_that_cannot_be_read_is_said_so(encoding: str, body: bytes) -> None:
    """The status is known all the same."""
    async with serving(saying(answer("403 Forbidden", body, Content_Encoding=encoding))) as port:
        got = await ask(over_network(), f"http://127.0.0.1:{port}/")
    assert got.status == 403
    with pytest.raises(Garbled):
        got.json()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:1/", {"Authorization": f"Bearer {SECRET}é"}),
        ("ftp://127.0.0.1/", {"Authorization": SECRET}),
        ("http://", {}),
        ("http://[::1", {}),
        ("nonsense", {}),
        ("http://127.0.0.1:99999999/", {}),
        ("http://\x00/", {}),
        ("http://a" + "b" * 300 + ".example/", {}),
    ],
)
async def test_a_request_that_cannot_be_made_is_said_so_without_its_secrets(
    received: Received, url: str, headers: dict[str, str]
) -> None:
    """No foreign exception, and no header quoted, neither in the text nor in what the traceback shows."""
    with pytest.raises(Unreachable) as caught:
        await ask(over_network(received), url, headers=headers)
    assert caught.value.kind in {"protocol", "connect", "dns", "denied"}
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert received.outcomes[0][1] in OUTCOMES


async def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    """Neither in the text, nor in the traceback that a log might keep."""
    async with serving(saying(answer())) as port:
        with pytest.raises(Unreachable, match="what HTTP does not allow") as caught:
            await ask(over_network(), f"http://127.0.0.1:{port}/", headers={"Authorization": f"{SECRET}\r\nX: y"})
    assert caught.value.kind == "protocol"
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_token_travels_only_in_its_header() -> None:
    """What goes wrong on the way never quotes it."""
    async with serving(saying(f"HTTP/1.1 {SECRET} {SECRET}\r\n\r\n".encode())) as port:
        with pytest.raises(Unreachable) as caught:
            await ask(over_network(), f"http://127.0.0.1:{port}/", headers={"Authorization": f"Bearer {SECRET}"})
    assert SECRET not in str(caught.value)


async def test_the_headers_that_are_shown_hold_no_secret() -> None:
    """A service that echoes what it was sent: neither the trail nor what a garbled answer is said to be shows the token."""
    echoing = {"CF_Ray": f"8a-{SECRET}", "Server": "nginx", "Content_Type": f"text/{SECRET}"}
    async with serving(saying(answer(body=b"<html>", **echoing))) as port:
        got = await ask(over_network(), f"http://127.0.0.1:{port}/", headers={"Authorization": f"Bearer {SECRET}"})
    assert got.trail == {"cf-ray": f"8a-{MASK}", "server": "nginx"}
    with pytest.raises(Garbled) as caught:
        got.json()
    assert str(caught.value) == f"status 200 with 6 bytes of text/{MASK}, which is not valid JSON"
    assert SECRET not in str(caught.value.evidence)


async def test_the_content_type_of_rows_that_are_not_understood_holds_no_secret() -> None:
    """It is said of an answer that is read while it arrives, too."""
    rows = JsonRows(("spans",), lambda _: None)
    async with serving(saying(answer(body=b"<html>", Content_Type=f"text/{SECRET}"))) as port:
        with pytest.raises(Garbled, match=f"status 200 with text/{MASK}: "):
            await ask(over_network(), f"http://127.0.0.1:{port}/", take=rows.feed)


def _open_files() -> int:
    listing = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")
    return len(list(listing.iterdir()))


async def test_cancelling_closes_everything() -> None:
    """A hundred requests cancelled in every phase leave no socket behind."""
    before = _open_files()
    http = over_network(lookup=lambda _host, _port: ["127.0.0.1"])
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 1000]
    async with serving(saying(*pieces, pause=0.005)) as port:
        for number in range(100):
            task = asyncio.ensure_future(ask(http, f"http://gateway.example:{port}/"))
            await asyncio.sleep(0.0001 * number)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await ask(over_network(), f"http://127.0.0.1:{port}/", body_limit=10)).status == 200
    await asyncio.sleep(0.02)
    assert _open_files() <= before + 1


async def test_a_flood_of_interim_answers_ends(received: Received) -> None:
    """Each 1xx is legal, and httpcore skips them for as long as they come: the monitor would do nothing else."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            await writer.drain()
            sent += 1

    async with serving(flood) as port:
        with pytest.raises(Unreachable, match="headers are longer than 256 KiB") as caught:
            await ask(over_network(received), f"http://127.0.0.1:{port}/", timeout=20)
    assert caught.value.kind == "protocol"
    assert received.outcomes == [(Service.GATEWAY, "protocol")]


async def test_a_few_interim_answers_are_skipped() -> None:
    """As HTTP has it (https://www.rfc-editor.org/rfc/rfc9110#status.1xx)."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 20
    async with serving(saying(early + answer(body=b"x" * 2_000_000))) as port:
        assert len((await ask(over_network(), f"http://127.0.0.1:{port}/")).body) == 2_000_000
