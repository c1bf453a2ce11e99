"""Names, addresses and proxies: where a request really goes."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from monitor.checks.verdicts import own_failure
from monitor.core.address import is_link_local
from monitor.core.model import Service
from monitor.http.network import Proxies, Resolver
from monitor.ports import Unreachable
from tests.fakes.loopback import answer, saying, serving
from tests.http.common import Received, ask, over_network


def _failing_lookup(_host: str, _port: int) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _no_name(_host: str, _port: int) -> Sequence[str]:
    raise UnicodeError("label too long")


@pytest.mark.parametrize(
    ("lookup", "why"),
    [(_failing_lookup, "Name or service not known"), (_no_name, "cannot be looked up"), (lambda *_: [], "no address")],
)
async def test_a_name_that_cannot_be_resolved_is_said_so(received: Received, lookup: Any, why: str) -> None:
    """Kind dns, with the host's name."""
    with pytest.raises(Unreachable, match=rf"gateway\.example cannot be resolved: .*{why}") as caught:
        await ask(over_network(received, lookup=lookup), "https://gateway.example/")
    assert caught.value.kind == "dns"
    assert received.outcomes == [(Service.GATEWAY, "dns")]


async def test_a_hung_resolver_is_abandoned_and_never_asked_without_end() -> None:
    """A lookup that hangs ends at the deadline; only so many may hang at once; when they end, names are looked up again."""
    release = threading.Event()

    def hang(_host: str, _port: int) -> Sequence[str]:
        release.wait(10)
        return ["127.0.0.1"]

    resolver = Resolver(hang)
    for _ in range(32):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await resolver.resolve("gateway.example", 80)
    with pytest.raises(Unreachable, match="32 lookups are hanging") as caught:
        await resolver.resolve("gateway.example", 80)
    assert caught.value.kind == "dns"
    release.set()
    while True:
        with contextlib.suppress(Unreachable):
            assert await resolver.resolve("gateway.example", 80) == ["127.0.0.1"]
            break
        await asyncio.sleep(0.01)


async def test_the_next_address_is_tried() -> None:
    """A host with a dead IPv6 address and a living IPv4 one answers."""
    async with serving(saying(answer(body=b"ok"))) as port:
        http = over_network(lookup=lambda _host, _port: ["::1", "127.0.0.1"])
        assert (await ask(http, f"http://gateway.example:{port}/")).body == b"ok"


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
async def test_the_machines_metadata_is_never_asked(address: str) -> None:
    """Whatever name points there; the certificate of credentials is not ours to fetch."""
    assert is_link_local(address)
    http = over_network(lookup=lambda _host, _port: [address])
    with pytest.raises(Unreachable, match=r"gateway\.example is a link-local") as caught:
        await ask(http, "http://gateway.example/")
    assert caught.value.kind == "denied"


async def test_what_is_no_url_for_http_is_not_asked_and_accuses_nobody() -> None:
    """Such as the address of an endpoint for gRPC: it is our own request that cannot be made."""
    with pytest.raises(Unreachable, match="not an http or https URL") as caught:
        await ask(over_network(), "otelcol.example.com:4317")
    assert own_failure(caught.value, "the endpoint", {}) is not None


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "2852039166"])
async def test_a_link_local_address_is_denied_however_it_is_written(host: str) -> None:
    """As a literal, or as the integer that the resolver understands."""
    with pytest.raises(Unreachable) as caught:
        await ask(over_network(), f"http://{host}/latest/meta-data")
    assert caught.value.kind == "denied"


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "127.0.0.1", "2001:db8::1", "gateway"])
def test_private_addresses_are_asked(address: str) -> None:
    """Many a gateway has one."""
    assert not is_link_local(address)


async def test_requests_through_a_proxy_go_to_the_proxy() -> None:
    """The proxy resolves; a loopback host is never asked through it."""
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer(body=b"by proxy"))

    async with serving(proxy) as port, serving(saying(answer(body=b"direct"))) as direct:
        http = over_network(proxy=f"http://127.0.0.1:{port}", lookup=_failing_lookup)
        assert (await ask(http, "http://gateway.example/health")).body == b"by proxy"
        assert (await ask(http, f"http://127.0.0.1:{direct}/")).body == b"direct"
    assert seen[0].startswith(b"GET http://gateway.example/health HTTP/1.1\r\n")
    assert b"Host: gateway.example\r\n" in seen[0]


@pytest.mark.parametrize(
    ("options", "url", "proxy"),
    [
        ({}, ("https", "a.example", 443), None),
        ({"environ": {"HTTPS_PROXY": "http://p:1"}}, ("https", "a.example", 443), "http://p:1"),
        ({"environ": {"https_proxy": "http://p:1"}}, ("https", "a.example", 443), "http://p:1"),
        ({"environ": {"HTTPS_PROXY": "p:1"}}, ("https", "a.example", 443), "http://p:1"),
        ({"environ": {"HTTPS_PROXY": "http://p:1"}}, ("http", "a.example", 80), None),
        ({"environ": {"HTTP_PROXY": "http://p:1"}}, ("http", "a.example", 80), "http://p:1"),
        ({"proxy": "http://q:2", "environ": {"HTTPS_PROXY": "http://p:1"}}, ("https", "a.example", 443), "http://q:2"),
        ({"proxy": "", "environ": {"HTTPS_PROXY": "http://p:1"}}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2"}, ("https", "localhost", 443), None),
        ({"proxy": "http://q:2"}, ("https", "x.localhost", 443), None),
        ({"proxy": "http://q:2"}, ("http", "127.0.0.9", 80), None),
        ({"proxy": "http://q:2"}, ("http", "::1", 80), None),
        ({"proxy": "http://q:2", "no_proxy": "b.example, a.example"}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": ".example"}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "*.example"}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "*"}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "ample"}, ("https", "a.example", 443), "http://q:2"),
        ({"proxy": "http://q:2", "no_proxy": "a.example:8443"}, ("https", "a.example", 443), "http://q:2"),
        ({"proxy": "http://q:2", "no_proxy": "a.example:443"}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "10.0.0.0/8"}, ("https", "10.1.2.3", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "10.1.2.3"}, ("https", "10.1.2.3", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "10.1.2.3:8443"}, ("https", "10.1.2.3", 8443), None),
        ({"proxy": "http://q:2", "no_proxy": "10.1.2.3:8443"}, ("https", "10.1.2.3", 443), "http://q:2"),
        ({"proxy": "http://q:2", "no_proxy": "10.0.0.0/8:8443"}, ("https", "10.1.2.3", 8443), None),
        ({"proxy": "http://q:2", "no_proxy": "[2001:db8::1]:8443"}, ("https", "2001:db8::1", 8443), None),
        ({"proxy": "http://q:2", "no_proxy": "[2001:db8::1]:8443"}, ("https", "2001:db8::1", 443), "http://q:2"),
        ({"proxy": "http://q:2", "no_proxy": "[2001:db8::1]"}, ("https", "2001:db8::1", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "2001:db8::1"}, ("https", "2001:db8::1", 443), None),
        ({"proxy": "http://q:2", "environ": {"NO_PROXY": "a.example"}}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": "b.example a.example"}, ("https", "a.example", 443), None),
        ({"proxy": "http://q:2", "no_proxy": " b.example,\ta.example ,"}, ("https", "a.example", 443), None),
        ({"environ": {"ALL_PROXY": "http://p:1"}}, ("https", "a.example", 443), "http://p:1"),
        ({"environ": {"all_proxy": "p:1"}}, ("http", "a.example", 80), "http://p:1"),
        (
            {"environ": {"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:2"}},
            ("https", "a.example", 443),
            "http://q:2",
        ),
        ({"environ": {"ALL_PROXY": "http://p:1", "NO_PROXY": "x a.example"}}, ("https", "a.example", 443), None),
        ({"proxy": "", "environ": {"ALL_PROXY": "http://p:1"}}, ("https", "a.example", 443), None),
    ],
)
def test_which_proxy_is_asked(options: dict[str, Any], url: tuple[str, str, int], proxy: str | None) -> None:
    """The configured one, else the environment's; never for loopback or what NO_PROXY covers."""
    assert Proxies(**{"environ": {}, **options}).proxy_for(*url) == proxy


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://api.traceloop.com/v2", "http://proxy:3128"),
        ("http://127.0.0.1:9800", None),
        ("https://inside.example:8443", None),
        ("https://inside.example", "http://proxy:3128"),
        ("nonsense", None),
        ("https://[broken", None),
        ("https://host:port", None),
    ],
)
def test_the_proxy_of_a_url_is_that_of_its_host(url: str, proxy: str | None) -> None:
    """By its scheme, host and port; what is no URL goes through none."""
    proxies = Proxies(environ={"HTTPS_PROXY": "proxy:3128", "NO_PROXY": "inside.example:8443"})
    assert proxies.proxy_of(url) == proxy
