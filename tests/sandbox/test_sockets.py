"""The sandbox on real sockets: as clients that nobody here wrote would meet it."""

import asyncio
import gzip
import json
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from monitor.sandbox import Ports, Sandbox, parse_variant, serve
from tests.fakes.clock import FakeClock
from tests.sandbox.common import AGENT, chat
from tests.sandbox.test_ingest import TRACE_ID, request

FAST = parse_variant("index_lag=0s")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A hundred times as fast as the real services."""
    async with serve(variant=FAST, time_factor=0.01) as sandbox:
        yield sandbox


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client with a name."""
    async with httpx.AsyncClient(headers={"user-agent": AGENT}, timeout=5) as client:
        yield client


async def raw(url: str, *, key: str, body: bytes, headers: list[str]) -> bytes:
    """One POST by hand; everything that came back."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = ["POST /v1/traces HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}", *headers, "Connection: close"]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    answer = await reader.read()
    writer.close()
    return answer


def chunked(body: bytes) -> bytes:
    """A body in chunks of a hundred bytes."""
    parts = [body[start : start + 100] for start in range(0, len(body), 100)]
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("form", ["plain", "gzip", "chunked", "gzip and chunked"])
async def test_a_delivery_by_hand_is_taken_in_and_shown_by_both_routes(
    sandbox: Sandbox, client: httpx.AsyncClient, form: str
) -> None:
    """With a length or in chunks, compressed or not."""
    key = sandbox.world.credentials.key
    body = request(at=sandbox.world.now()).SerializeToString()
    headers = ["Content-Type: application/x-protobuf"]
    if "gzip" in form:
        body = gzip.compress(body)
        headers.append("Content-Encoding: gzip")
    if "chunked" in form:
        body = chunked(body)
        headers.append("Transfer-Encoding: chunked")
    else:
        headers.append(f"Content-Length: {len(body)}")
    assert (await raw(sandbox.traceloop_url, key=key, body=body, headers=headers)).startswith(b"HTTP/1.1 200")
    named = {"authorization": f"Bearer {key}"}
    by_trace = await client.get(f"{sandbox.traceloop_url}/v2/projects/default/traces/{TRACE_ID}/spans", headers=named)
    by_search = await client.get(f"{sandbox.traceloop_url}/v2/warehouse/spans", headers=named)
    assert by_trace.json()["spans"][0]["span_name"] == "control"
    assert by_search.json()["spans"]["data"][0]["trace_id"] == TRACE_ID


async def arrived(sandbox: Sandbox) -> None:
    """Wait until a trace is there."""
    for _ in range(100):
        if sandbox.world.rows:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no trace has arrived: {sandbox.state()}")


async def test_a_completion_leaves_a_trace_at_traceloop(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """Through gateway, exporter and ingest, over three real connections."""
    named = {"authorization": f"Bearer {sandbox.world.credentials.token}"}
    answer = await client.post(f"{sandbox.gateway_url}/chat/completions", headers=named, json=chat())
    assert answer.status_code == 200
    await arrived(sandbox)
    assert len(sandbox.world.rows) == 3


async def test_an_endpoint_with_a_blank_is_posted_to_as_it_stands(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """It is another path, and nobody is there."""
    await sandbox.break_("config_drift_blank")
    named = {"authorization": f"Bearer {sandbox.world.credentials.token}"}
    await client.post(f"{sandbox.gateway_url}/chat/completions", headers=named, json=chat())
    for _ in range(100):
        if sandbox.exporter.outcomes:
            break
        await asyncio.sleep(0.02)
    assert sandbox.exporter.outcomes == {"refused_404": 3}
    assert sandbox.world.requests[-1].path == "/v1/traces "


async def test_a_host_that_refuses_keeps_its_port(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """Connections are refused, open ones are reset; mended, it is there again under the same address."""
    url = f"{sandbox.gateway_url}/health"
    assert (await client.get(url)).status_code == 200
    await sandbox.break_("gateway_unreachable")
    with pytest.raises(httpx.NetworkError):
        await client.get(url)  # on the connection that was open
    with pytest.raises(httpx.ConnectError):
        await client.get(url)
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        socket.create_server(("127.0.0.1", _port(url)), reuse_port=False)
    assert (await client.get(f"{sandbox.control_plane_url}/api/llm/health")).status_code == 502
    await sandbox.mend()
    assert (await client.get(url)).status_code == 200


@pytest.mark.parametrize(
    ("name", "path", "error"),
    [
        ("gateway_unreachable_reset", "/health", httpx.ReadError),
        ("gateway_unreachable_black_hole", "/health", httpx.ReadTimeout),
        ("gateway_unreachable_slow", "/health", httpx.ReadTimeout),
    ],
)
async def test_a_gateway_fails_in_the_way_it_should(
    sandbox: Sandbox, client: httpx.AsyncClient, name: str, path: str, error: type[Exception]
) -> None:
    """As a network would make it."""
    await sandbox.break_(name)
    with pytest.raises(error):
        await client.get(sandbox.gateway_url + path, timeout=0.05)


async def warehouse(sandbox: Sandbox, client: httpx.AsyncClient) -> httpx.Response:
    """One read, with room for what is wrong with it."""
    named = {"authorization": f"Bearer {sandbox.world.credentials.key}"}
    return await client.get(f"{sandbox.traceloop_url}/v2/warehouse/spans", headers=named)


async def test_answers_fail_on_the_way(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """Truncated is a broken connection, garbled is whole and no JSON, a bomb is small until it is unpacked."""
    await sandbox.break_("read_api_truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        await warehouse(sandbox, client)
    await sandbox.mend()
    await sandbox.break_("read_api_garbled")
    with pytest.raises(json.JSONDecodeError):
        (await warehouse(sandbox, client)).json()
    await sandbox.mend()
    await sandbox.break_("read_api_bomb")
    bomb = await warehouse(sandbox, client)
    assert int(bomb.headers["content-length"]) * 500 < len(bomb.content)


async def test_an_answer_without_end_lasts_as_long_as_the_client(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """Who reads no further is left in peace, and the sandbox stops all the same."""
    await sandbox.break_("read_api_endless")
    named = {"authorization": f"Bearer {sandbox.world.credentials.key}"}
    async with client.stream("GET", f"{sandbox.traceloop_url}/v2/warehouse/spans", headers=named) as answer:
        read = 0
        async for chunk in answer.aiter_raw():
            read += len(chunk)
            if read > 1_000_000:
                break
    assert read > 1_000_000
    await sandbox.mend()
    assert (await warehouse(sandbox, client)).status_code == 200


async def test_a_dripping_answer_is_whole_in_the_end(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """A byte a second, here a byte a hundredth."""
    await sandbox.break_("read_api_drips")
    assert (await warehouse(sandbox, client)).json()["spans"]["next_cursor"] == "-1"


async def test_the_control_api_is_beside_it(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """It breaks and mends."""
    await client.post(f"{sandbox.control_url}/faults/gateway_unreachable")
    with pytest.raises(httpx.ConnectError):
        await client.get(f"{sandbox.gateway_url}/health")
    assert (await client.delete(f"{sandbox.control_url}/faults")).json()["faults"] == []
    assert (await client.get(f"{sandbox.gateway_url}/health")).status_code == 200


async def test_ports_follow_their_base_and_are_let_go() -> None:
    """In the order control plane, gateway, Traceloop, Slack, control; a port that is taken is an error that leaves nothing open."""
    base = _free_ports(5)
    async with serve(base) as sandbox:
        ports = [_port(url) for url in _urls(sandbox)]
        assert ports == list(range(base, base + 5))
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await Ports(base + 4).open(sandbox.apps)
    async with serve(base):
        pass


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _urls(sandbox: Sandbox) -> list[str]:
    return [
        sandbox.control_plane_url,
        sandbox.gateway_url,
        sandbox.traceloop_url,
        sandbox.slack_api_url,
        sandbox.control_url,
    ]


def _free_ports(number: int) -> int:
    """The first of so many ports in a row that nobody uses now."""
    for base in range(21_000, 60_000, 37):
        held: list[socket.socket] = []
        with suppress(OSError):
            held.extend(socket.create_server(("127.0.0.1", base + place)) for place in range(number))
        for each in held:
            each.close()
        if len(held) == number:
            return base
    raise AssertionError("no free ports")


class Ear(logging.Handler):
    """Hears every record."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.heard.append(record)


async def test_it_stops_at_once_whatever_hangs(client: httpx.AsyncClient) -> None:
    """Clients that wait for ever are cut off, signals are left alone, and nothing was logged."""
    handler = Ear()
    logging.getLogger().addHandler(handler)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        async with serve() as sandbox:
            await sandbox.break_("gateway_unreachable_black_hole")
            hanging = [asyncio.ensure_future(client.get(f"{sandbox.gateway_url}/health")) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
            loop = asyncio.get_running_loop()
            began = loop.time()
        assert loop.time() - began < 0.5
        for each in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(each, httpx.NetworkError | httpx.RemoteProtocolError)
    finally:
        logging.getLogger().removeHandler(handler)
    assert [record for record in handler.heard if record.name.startswith(("uvicorn", "asyncio", "sandbox"))] == []


async def test_hosts_have_names_in_process(clock: FakeClock) -> None:
    """Every application under its own."""
    sandbox = Sandbox(clock=clock)
    await sandbox.start()
    assert [str(host) for host in sandbox.apps] == ["control-plane", "gateway", "traceloop", "slack", "control"]
    await sandbox.stop()
