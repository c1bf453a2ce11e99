"""Our own proxy: what it refuses, and what goes wrong on the way to it, is never the service's silence."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from monitor.checks.gateway import GatewayCheck
from monitor.core.inputs import Observation
from monitor.core.model import UnknownReason
from monitor.http import Http
from monitor.ports import Unreachable
from monitor.redaction import Redactor
from monitor.truefoundry.gateway import TrueFoundryGateway
from tests.checks.bench import Diary, FakeConnectivity, says
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Handler, answer, saying, serving
from tests.http.common import SECRET, ask, over_network, tls


def _tunnel(port: int) -> Handler:
    """A proxy that lets through: what is asked for by CONNECT, whatever its name, is at this port."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"CONNECT ")
        there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))
        finally:
            there[1].transport.abort()

    return handle


def _through(port: int, **options: Any) -> Http:
    return over_network(proxy=f"http://127.0.0.1:{port}", **options)


async def _look(http: Http, url: str) -> Observation:
    """A look of the gateway check, while other services answer."""
    clock = FakeClock()
    gateway = TrueFoundryGateway(http, url, lambda: "t", path="/health", redactor=Redactor(), clock=clock)
    diary = Diary(clock)
    await GatewayCheck(gateway, FakeConnectivity(another_answers=True), clock, endpoint="gateway").look(diary)
    return diary.only(Observation)


@pytest.mark.parametrize(
    "said",
    [
        "403 Forbidden",
        "407 Proxy Authentication Required",
        "429 Too Many Requests",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "302 Found",
    ],
)
async def test_a_tunnel_that_our_proxy_refuses_is_unknown_though_another_service_answers(said: str) -> None:
    """The answer to a CONNECT never comes from the service (https://www.rfc-editor.org/rfc/rfc9110#name-connect)."""
    async with serving(saying(answer(said))) as port:
        seen = await _look(over_network(proxy=f"http://user:{SECRET}@127.0.0.1:{port}"), "https://gateway.example")
    assert says(seen.result) == ("unknown", UnknownReason.PROXY)
    assert SECRET not in seen.result.summary
    assert f"the monitor's proxy refuses the connection to gateway.example ({said})" in seen.result.summary


async def test_a_407_to_a_forwarded_request_is_our_proxys() -> None:
    """Without TLS there is no CONNECT: the proxy answers in the service's place."""
    async with serving(saying(answer("407 Proxy Authentication Required"))) as port:
        seen = await _look(_through(port), "http://gateway.example")
    assert says(seen.result) == ("unknown", UnknownReason.PROXY)


async def test_a_407_of_the_service_itself_is_an_answer() -> None:
    """Nobody stands between."""
    async with serving(saying(answer("407 Proxy Authentication Required"))) as port:
        assert (await ask(over_network(), f"http://127.0.0.1:{port}/")).status == 407


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_cannot_be_reached_is_ours(scheme: str) -> None:
    """Nobody listens at the proxy's port."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        seen = await _look(_through(closed.getsockname()[1]), f"{scheme}://gateway.example")
    assert says(seen.result) == ("unknown", UnknownReason.PROXY)
    assert "cannot be reached, so gateway.example was not asked" in seen.result.summary


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["closes", "is none"])
async def test_a_proxy_that_closes_or_is_none_is_ours(said: bytes) -> None:
    """It closes the connection, or is no proxy at all."""
    async with serving(saying(said)) as port:
        with pytest.raises(Unreachable, match="the monitor's proxy") as caught:
            await ask(_through(port), "https://gateway.example/")
    assert caught.value.kind == "proxy"


async def test_a_proxy_that_never_connects_us_is_ours() -> None:
    """The tunnel does not come to stand in time."""
    async with serving(saying(stay=True)) as port:
        with pytest.raises(Unreachable, match=r"does not connect to gateway\.example within") as caught:
            await ask(_through(port), "https://gateway.example/", timeout=0.2)
    assert caught.value.kind == "proxy"


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5://127.0.0.1:1", "neither http nor https"),
        ("http://", "the monitor's proxy"),
        ("http://[::1", "the monitor's proxy"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_ours(proxy: str, why: str) -> None:
    """A mistake in our own settings or environment; SOCKS needs a library that is not ours."""
    with pytest.raises(Unreachable, match=why) as caught:
        await ask(over_network(environ={"HTTPS_PROXY": proxy}), "https://gateway.example/")
    assert caught.value.kind == "proxy"


async def test_what_comes_through_the_tunnel_is_the_services(ca_file: Callable[[trustme.CA], str]) -> None:
    """Its answers, a bad certificate and its silence are judged as without a proxy."""
    authority, context = tls("gateway.example")
    trusting = {"ca_file": ca_file(authority)}
    async with (
        serving(saying(answer("503 Service Unavailable")), tls=context) as service,
        serving(saying(stay=True), tls=context) as silent,
        serving(saying(b""), tls=context) as rude,
        serving(_tunnel(service)) as proxy,
        serving(_tunnel(silent)) as to_silent,
        serving(_tunnel(rude)) as to_rude,
    ):
        assert (await ask(_through(proxy, **trusting), "https://gateway.example/")).status == 503
        kinds = []
        for http, timeout in (
            (_through(proxy), 5.0),
            (_through(to_silent, **trusting), 0.5),
            (_through(to_rude, **trusting), 5.0),
        ):
            with pytest.raises(Unreachable) as caught:
                await ask(http, "https://gateway.example/", timeout=timeout)
            kinds.append(caught.value.kind)
    assert kinds == ["tls", "timeout", "reset"]
