"""How the sandbox is reached: by the program's own HTTP in this process, and on real sockets by clients that nobody here wrote."""

import asyncio
import gzip
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from monitor.core.model import Service
from monitor.http import Answer, Http, InProcess
from monitor.ports import Garbled, Unreachable
from monitor.redaction import Redactor
from monitor.sandbox import Ports, Sandbox, parse_variant, serve
from tests.fakes.clock import FakeClock
from tests.sandbox.common import AGENT, Asker, chat
from tests.sandbox.test_ingest import TRACE_ID, request

FAST = parse_variant("index_lag=0s")


# --- in process


async def ask(asker: Asker, path: str, *, timeout: float = 10) -> Answer:
    """One request by the program's own client."""
    transport = InProcess({str(host): app for host, app in asker.sandbox.apps.items()})
    http = Http(clock=asker.clock, transport=transport, redactor=Redactor())
    headers = {"Authorization": f"Bearer {asker.credentials.key}"}
    url = f"{asker.sandbox.traceloop_url}{path}"
    asked = asyncio.ensure_future(http.request(Service.TRACELOOP, "GET", url, timeout=timeout, headers=headers))
    await asker.clock.run_until(asked.done)
    return await asked


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ingest_failing_refused", "connect"),
        ("read_api_reset", "reset"),
        ("read_api_truncated", "reset"),
        ("read_api_silent", "timeout"),
        ("read_api_slow", "timeout"),
        ("read_api_drips", "timeout"),
    ],
)
async def test_what_gets_no_answer_is_unreachable_in_its_own_way(
    asker: Asker, sandbox: Sandbox, name: str, kind: str
) -> None:
    """As it would be over a network."""
    await sandbox.break_(name)
    with pytest.raises(Unreachable) as caught:
        await ask(asker, "/v2/warehouse/spans")
    assert caught.value.kind == kind


@pytest.mark.parametrize("name", ["read_api_endless", "read_api_bomb", "read_api_garbled", "read_api_page"])
async def test_what_cannot_be_read_is_an_answer(asker: Asker, sandbox: Sandbox, name: str) -> None:
    """With a status, and nothing in it that could be understood."""
    await sandbox.break_(name)
    answer = await ask(asker, "/v2/warehouse/spans")
    assert answer.status == 200
    with pytest.raises(Garbled):
        answer.json()


async def test_a_slow_answer_comes_to_those_who_wait(asker: Asker, sandbox: Sandbox, clock: FakeClock) -> None:
    """After half a minute of fake time, or as long as it was set to."""
    await sandbox.break_("read_api_slow")
    began = clock.now()
    assert (await ask(asker, "/v2/warehouse/spans", timeout=60)).status == 200
    assert clock.now() - began == 30
    await sandbox.break_("read_api_slow", seconds=3)
    began = clock.now()
    assert (await ask(asker, "/v2/warehouse/spans")).status == 200
    assert clock.now() - began == 3


async def test_two_sandboxes_are_distinguished_by_their_domains() -> None:
    """Each exporter posts to its own Traceloop."""
    clock = FakeClock()
    sandboxes = {name: Sandbox(clock=clock, domain=name) for name in ("eu", "us")}
    for sandbox in sandboxes.values():
        await sandbox.start()
    assert {name: each.traceloop_url for name, each in sandboxes.items()} == {
        "eu": "https://traceloop.eu",
        "us": "https://traceloop.us",
    }
    await Asker(sandboxes["us"], clock).complete()
    await clock.advance(10)
    assert {name: len(sandbox.world.rows) for name, sandbox in sandboxes.items()} == {"eu": 0, "us": 3}
    for sandbox in sandboxes.values():
        await sandbox.stop()


async def test_hosts_have_names_in_process(clock: FakeClock) -> None:
    """Every application under its own."""
    sandbox = Sandbox(clock=clock)
    await sandbox.start()
    assert [str(host) for host in sandbox.apps] == ["control-plane", "gateway", "traceloop", "slack", "control"]
    await sandbox.stop()


# --- on sockets


@pytest.fixture
async def served() -> AsyncIterator[Sandbox]:
    """A hundred times as fast as the real services."""
    async with serve(variant=FAST, time_factor=0.01) as served:
        yield served


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
    served: Sandbox, client: httpx.AsyncClient, form: str
) -> None:
    """With a length or in chunks, compressed or not."""
    key = served.world.credentials.key
    body = request(at=served.world.now()).SerializeToString()
    headers = ["Content-Type: application/x-protobuf"]
    if "gzip" in form:
        body = gzip.compress(body)
        headers.append("Content-Encoding: gzip")
    if "chunked" in form:
        body = chunked(body)
        headers.append("Transfer-Encoding: chunked")
    else:
        headers.append(f"Content-Length: {len(body)}")
    assert (await raw(served.traceloop_url, key=key, body=body, headers=headers)).startswith(b"HTTP/1.1 200")
    named = {"authorization": f"Bearer {key}"}
    by_trace = await client.get(f"{served.traceloop_url}/v2/projects/default/traces/{TRACE_ID}/spans", headers=named)
    by_search = await client.get(f"{served.traceloop_url}/v2/warehouse/spans", headers=named)
    assert by_trace.json()["spans"][0]["span_name"] == "control"
    assert by_search.json()["spans"]["data"][0]["trace_id"] == TRACE_ID


async def arrived(served: Sandbox) -> None:
    """Wait until a trace is there."""
    for _ in range(100):
        if served.world.rows:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"no trace has arrived: {served.state()}")


async def test_a_completion_leaves_a_trace_at_traceloop(served: Sandbox, client: httpx.AsyncClient) -> None:
    """Through gateway, exporter and ingest, over three real connections."""
    named = {"authorization": f"Bearer {served.world.credentials.token}"}
    answer = await client.post(f"{served.gateway_url}/chat/completions", headers=named, json=chat())
    assert answer.status_code == 200
    await arrived(served)
    assert len(served.world.rows) == 3


async def test_an_endpoint_with_a_blank_is_posted_to_as_it_stands(served: Sandbox, client: httpx.AsyncClient) -> None:
    """It is another path, and nobody is there."""
    await served.break_("config_drift_blank")
    named = {"authorization": f"Bearer {served.world.credentials.token}"}
    await client.post(f"{served.gateway_url}/chat/completions", headers=named, json=chat())
    for _ in range(100):
        if served.exporter.outcomes:
            break
        await asyncio.sleep(0.02)
    assert served.exporter.outcomes == {"refused_404": 3}
    assert served.world.requests[-1].path == "/v1/traces "


async def test_a_host_that_refuses_keeps_its_port(served: Sandbox, client: httpx.AsyncClient) -> None:
    """Connections are refused, open ones are reset; fixed, it is there again under the same address."""
    url = f"{served.gateway_url}/health"
    assert (await client.get(url)).status_code == 200
    await served.break_("gateway_unreachable")
    with pytest.raises(httpx.NetworkError):
        await client.get(url)  # on the connection that was open
    with pytest.raises(httpx.ConnectError):
        await client.get(url)
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        socket.create_server(("127.0.0.1", _port(url)), reuse_port=False)
    assert (await client.get(f"{served.control_plane_url}/api/llm/health")).status_code == 502
    await served.fix()
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
    served: Sandbox, client: httpx.AsyncClient, name: str, path: str, error: type[Exception]
) -> None:
    """As a network would make it."""
    await served.break_(name)
    with pytest.raises(error):
        await client.get(served.gateway_url + path, timeout=0.05)


async def warehouse(served: Sandbox, client: httpx.AsyncClient) -> httpx.Response:
    """One read, with room for what is wrong with it."""
    named = {"authorization": f"Bearer {served.world.credentials.key}"}
    return await client.get(f"{served.traceloop_url}/v2/warehouse/spans", headers=named)


async def test_answers_fail_on_the_way(served: Sandbox, client: httpx.AsyncClient) -> None:
    """Truncated is a broken connection, garbled is whole and no JSON, a bomb is small until it is unpacked."""
    await served.break_("read_api_truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        await warehouse(served, client)
    await served.fix()
    await served.break_("read_api_garbled")
    with pytest.raises(json.JSONDecodeError):
        (await warehouse(served, client)).json()
    await served.fix()
    await served.break_("read_api_bomb")
    bomb = await warehouse(served, client)
    assert int(bomb.headers["content-length"]) * 500 < len(bomb.content)


async def test_an_answer_without_end_lasts_as_long_as_the_client(served: Sandbox, client: httpx.AsyncClient) -> None:
    """Who reads no further is left in peace, and the sandbox stops all the same."""
    await served.break_("read_api_endless")
    named = {"authorization": f"Bearer {served.world.credentials.key}"}
    async with client.stream("GET", f"{served.traceloop_url}/v2/warehouse/spans", headers=named) as answer:
        read = 0
        async for chunk in answer.aiter_raw():
            read += len(chunk)
            if read > 1_000_000:
                break
    assert read > 1_000_000
    await served.fix()
    assert (await warehouse(served, client)).status_code == 200


async def test_a_dripping_answer_is_whole_in_the_end(served: Sandbox, client: httpx.AsyncClient) -> None:
    """A byte a second, here a byte a hundredth."""
    await served.break_("read_api_drips")
    assert (await warehouse(served, client)).json()["spans"]["next_cursor"] == "-1"


async def test_the_control_api_is_beside_it(served: Sandbox, client: httpx.AsyncClient) -> None:
    """It breaks and fixes."""
    await client.post(f"{served.control_url}/faults/gateway_unreachable")
    with pytest.raises(httpx.ConnectError):
        await client.get(f"{served.gateway_url}/health")
    assert (await client.delete(f"{served.control_url}/faults")).json()["faults"] == []
    assert (await client.get(f"{served.gateway_url}/health")).status_code == 200


async def test_ports_follow_their_base_and_are_let_go() -> None:
    """In the order control plane, gateway, Traceloop, Slack, control; a port that is taken is an error that leaves nothing open."""
    base = _free_ports(5)
    async with serve(base) as served:
        ports = [_port(url) for url in _urls(served)]
        assert ports == list(range(base, base + 5))
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await Ports(base + 4).open(served.apps)
    async with serve(base):
        pass


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def _urls(served: Sandbox) -> list[str]:
    return [
        served.control_plane_url,
        served.gateway_url,
        served.traceloop_url,
        served.slack_api_url,
        served.control_url,
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


async def test_it_stops_at_once_whatever_hangs(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """Clients that wait for ever are cut off, signals are left alone, and nothing was logged."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serve() as served:
        await served.break_("gateway_unreachable_black_hole")
        hanging = [asyncio.ensure_future(client.get(f"{served.gateway_url}/health")) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
        loop = asyncio.get_running_loop()
        began = loop.time()
    assert loop.time() - began < 0.5
    for each in await asyncio.gather(*hanging, return_exceptions=True):
        assert isinstance(each, httpx.NetworkError | httpx.RemoteProtocolError)
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio", "sandbox"))] == []
