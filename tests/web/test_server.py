"""The server on a real socket: it listens, says little about itself, and ends at once."""

import asyncio
import logging
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from monitor.clock import SystemClock
from monitor.core.model import Seconds
from monitor.ports import Clock
from monitor.web.server import Connection, WebError, WebServer, most_connections
from tests.fakes.clock import FakeClock
from tests.fakes.limits import no_descriptors


async def _hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


async def _bug(_request: Request) -> Response:
    raise RuntimeError("a bug")


HELLO = Starlette(routes=[Route("/", _hello), Route("/bug", _bug)])


@asynccontextmanager
async def serving(
    app: ASGIApp = HELLO, *, tls_cert: Path | None = None, tls_key: Path | None = None, clock: Clock | None = None
) -> AsyncIterator[WebServer]:
    """A server on a free port of loopback."""
    server = WebServer(app, host="127.0.0.1", port=0, tls_cert=tls_cert, tls_key=tls_key, clock=clock)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def get(url: str, path: str = "/", verify: ssl.SSLContext | bool = True) -> httpx.Response:
    """Ask over the wire."""
    async with httpx.AsyncClient(base_url=url, verify=verify, trust_env=False) as client:
        return await client.get(path)


async def send(server: WebServer, wire: bytes) -> bytes:
    """Send raw bytes and read what comes until it closes."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(wire)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_it_listens_and_does_not_say_what_it_is() -> None:
    """Once `start` has returned, it answers; there is no server header."""
    async with serving() as server:
        answer = await get(server.url)
    assert answer.text == "hello"
    assert "server" not in answer.headers
    assert "date" in answer.headers


async def test_stopped_it_answers_no_more() -> None:
    """And its port is free again."""
    async with serving() as server:
        url = server.url
    with pytest.raises(httpx.ConnectError):
        await get(url)
    await server.stop()


async def test_stopping_what_never_started_is_nothing() -> None:
    """The end of a start that failed halfway; only its address is unknown."""
    server = WebServer(HELLO, host="127.0.0.1", port=0)
    await server.stop()
    with pytest.raises(WebError, match="not been started"):
        _ = server.url


async def test_a_port_that_is_taken_is_one_readable_error() -> None:
    """Not a log line and an exit in the middle of the loop."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = WebServer(HELLO, host="127.0.0.1", port=port)
        with pytest.raises(WebError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            await server.start()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "a..b"])
async def test_an_address_that_is_not_ours_is_one_readable_error(host: str) -> None:
    """With the address in it."""
    with pytest.raises(WebError, match=f"cannot listen on {host}:0: "):
        await WebServer(HELLO, host=host, port=0).start()


async def test_it_listens_on_ipv6() -> None:
    """The url has the brackets that it needs."""
    server = WebServer(HELLO, host="::1", port=0)
    try:
        await server.start()
    except WebError as error:  # a machine without IPv6
        assert "cannot listen on ::1:0: " in str(error)  # noqa: PT017 - either way is right
        return
    assert server.url.startswith("http://[::1]:")
    assert (await get(server.url)).text == "hello"
    await server.stop()


async def test_it_serves_tls(tmp_path: Path) -> None:
    """With a certificate and its key, in two files or in one."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key, both = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    for tls_cert, tls_key in ((cert, key), (both, None)):
        async with serving(tls_cert=tls_cert, tls_key=tls_key) as server:
            assert server.url.startswith("https://")
            assert (await get(server.url, verify=trusting)).text == "hello"


async def test_a_certificate_that_cannot_be_read_is_one_readable_error(tmp_path: Path) -> None:
    """With the file's name, and without its content."""
    junk = tmp_path / "junk.pem"
    await asyncio.to_thread(junk.write_text, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    for cert in (junk, tmp_path / "missing.pem"):
        with pytest.raises(WebError, match=rf"cannot serve TLS with .*{cert.name}: ") as caught:
            await WebServer(HELLO, host="127.0.0.1", port=0, tls_cert=cert).start()
        assert "c2VjcmV0" not in str(caught.value)


async def test_a_renewed_certificate_is_served_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once both files fit together; until then, and while one of them is missing, the pair of before is."""
    old, new = trustme.CA(), trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def write(authority: trustme.CA, *, whole: bool = True) -> None:
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(cert)
        if whole:
            issued.private_key_pem.write_to_path(key)

    async def served(server: WebServer, authority: trustme.CA) -> bool:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        try:
            return (await get(server.url, verify=trusting)).text == "hello"
        except httpx.ConnectError:
            return False

    write(old)
    with caplog.at_level(logging.INFO):
        async with serving(tls_cert=cert, tls_key=key) as server:
            assert await served(server, old)
            write(new, whole=False)
            for _ in range(3):
                assert await served(server, old)
            assert "cannot be used" in str(server.problem)
            key.unlink()
            assert await served(server, old)
            write(new)
            assert await served(server, new)
            assert server.problem is None
            assert not await served(server, old)
    said = [record.getMessage() for record in caplog.records if record.name == "monitor.web.server"]
    assert [line.partition(":")[0] for line in said] == [
        "the renewed certificate cannot be used",
        "the renewed certificate cannot be used",
        "the renewed certificate is in use",
    ]
    assert "BEGIN" not in caplog.text


async def test_a_connection_that_does_not_speak_tls_holds_up_nobody(tmp_path: Path) -> None:
    """Plain HTTP, junk, and silence at the door."""
    authority = trustme.CA()
    both = tmp_path / "both.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(both)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(tls_cert=both) as server:
        port = int(server.url.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await get(server.url, verify=trusting)).text == "hello"
        for _, one in [*silent, (None, writer)]:
            one.close()


async def test_who_is_still_shaking_hands_at_the_end_does_not_hold_it_up(tmp_path: Path) -> None:
    """And is not let in afterwards."""
    both = tmp_path / "both.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(both)
    server = WebServer(HELLO, host="127.0.0.1", port=0, tls_cert=both)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await server.stop()
    assert await asyncio.wait_for(reader.read(), 1) == b""
    assert time.monotonic() - began < 1.5
    writer.close()


class TestManyConnections:
    """Whoever may reach the port may open as many as he likes."""

    async def test_whoever_is_idle_longest_gives_way(self) -> None:
        """Sixty who say nothing, or only half a request, keep nobody from being answered."""
        server = WebServer(HELLO, host="127.0.0.1", port=0, most=4)
        await server.start()
        port = int(server.url.rpartition(":")[2])
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        for _, writer in opened[::2]:
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
        for _ in range(5):
            async with asyncio.timeout(1):
                assert (await get(server.url)).text == "hello"
        assert server._server is not None
        assert len(server._server.server_state.connections) <= 4
        for _, writer in opened:
            writer.close()
        await server.stop()

    async def test_while_one_that_is_closed_lingers_the_server_waits_and_the_idle_give_way(self) -> None:
        """Who does not take the end of an answer costs neither CPU nor anybody's turn."""

        class Counting(SystemClock):
            slept = 0

            async def sleep(self, seconds: Seconds) -> None:
                self.slept += 1
                await super().sleep(seconds)

        clock = Counting()
        long = Starlette(routes=[Route("/long", _long), *HELLO.routes])
        server = WebServer(long, host="127.0.0.1", port=0, most=2, clock=clock)
        await server.start()
        port = int(server.url.rpartition(":")[2])
        reader, lingering = await asyncio.open_connection("127.0.0.1", port, limit=1)
        lingering.write(b"GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await asyncio.sleep(0.3)
        _, idle = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(1):
            assert (await get(server.url)).text == "hello"
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        clock.slept = 0
        await asyncio.sleep(0.5)
        assert clock.slept < 50
        del reader
        for writer in (lingering, idle, *(writer for _, writer in busy)):
            writer.close()
        await server.stop()

    async def test_a_request_that_does_not_come_and_an_answer_that_nobody_takes_have_an_end(self) -> None:
        """Ten seconds for the one, a minute and a half for the other."""
        endless = Starlette(routes=[Route("/", _endless)])
        async with serving(endless) as server:
            port = int(server.url.rpartition(":")[2])
            silent, one = await asyncio.open_connection("127.0.0.1", port)
            slow, other = await asyncio.open_connection("127.0.0.1", port, limit=1)
            other.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert server._server is not None
            known = server._server.server_state.connections
            await asyncio.sleep(0.3)
            assert len(known) == 2
            for connection in known:
                assert isinstance(connection, Connection)
                connection.since -= 11
            await asyncio.wait_for(silent.read(), 2)
            assert len(known) == 1
            for connection in known:
                assert isinstance(connection, Connection)
                connection.since -= 80
            await asyncio.sleep(0.3)
            assert len(known) == 0
            del slow
            one.close()
            other.close()

    async def test_out_of_descriptors_is_said_once_and_once_that_it_is_over(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And who has waited is answered then."""
        clock = FakeClock(threads=False)
        async with serving(clock=clock) as server:
            address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
            clients = [socket.socket() for _ in range(5)]
            with caplog.at_level(logging.WARNING):
                with no_descriptors():
                    for client in clients:
                        client.connect(address)
                        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    await clock.advance(2.3)
                await clock.advance(1)
                for client in clients:
                    assert (await asyncio.to_thread(client.recv, 100)).startswith(b"HTTP/1.1 200")
                    client.close()
            assert [record.getMessage() for record in caplog.records] == [
                "the monitor is out of file descriptors: no connection can be accepted",
                "connections are accepted again: the monitor has file descriptors again",
            ]

    def test_the_checks_have_more_descriptors_than_the_web(self) -> None:
        """A quarter of the few, and never more than 64."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            for allowed, most in ((64, 16), (100, 25), (256, 64), (min(4096, hard), 64)):
                resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
                assert most_connections() == most
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _long(_request: Request) -> Response:
    return PlainTextResponse("x" * 50_000_000)


async def _endless(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536
            await asyncio.sleep(0)

    return StreamingResponse(pieces())


async def test_signals_are_left_to_the_daemon() -> None:
    """Uvicorn would take SIGTERM and end the process by it, in the middle of its drain."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with serving():
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


async def test_an_endless_answer_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """A client that reads nothing, or a handler that hangs, is left behind within two seconds."""
    asked = asyncio.Event()

    async def hang(_request: Request) -> Response:
        asked.set()
        await asyncio.Event().wait()
        return Response()

    server = WebServer(Starlette(routes=[Route("/", hang)]), host="127.0.0.1", port=0)
    await server.start()
    asking = asyncio.create_task(get(server.url))
    await asked.wait()
    began = time.monotonic()
    with caplog.at_level(logging.CRITICAL):
        await server.stop()
    assert time.monotonic() - began < 2.5
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_idle_connections_do_not_hold_up_the_end() -> None:
    """A browser keeps its connection; it is closed."""
    async with httpx.AsyncClient(trust_env=False) as client:
        async with serving() as server:
            await client.get(server.url)
            began = time.monotonic()
        assert time.monotonic() - began < 1.0


async def test_a_request_that_is_none_is_refused() -> None:
    """Junk, and headers without end, are answered with 400 and a closed connection."""
    async with serving() as server:
        assert (await send(server, b"\x16\x03\x01\x02\x00 hello\r\n\r\n")).startswith(b"HTTP/1.1 400")
        endless = b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 100_000
        assert b"400" in (await send(server, endless))[:20]
        assert (await get(server.url)).text == "hello"


async def test_a_bug_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """The answer says nothing of it."""
    async with serving() as server:
        answer = await get(server.url, "/bug")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "RuntimeError: a bug" in caplog.text


def test_importing_the_web_configures_no_logging() -> None:
    """Uvicorn's own configuration would write around the redaction."""
    program = """
import asyncio, logging
from monitor.ports import Clock
from monitor.web.server import WebServer
async def main():
    async def app(scope, receive, send): ...
    server = WebServer(app, host="127.0.0.1", port=0)
    await server.start()
    await server.stop()
asyncio.run(main())
print(logging.getLogger("uvicorn").handlers, logging.getLogger("uvicorn.access").handlers, logging.root.handlers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[] [] []", "")
