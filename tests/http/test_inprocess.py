"""Apps of this very process, asked on a fake clock."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from monitor.core.model import Service
from monitor.http import ASGIApp, Http, InProcess
from monitor.ports import Unreachable
from monitor.redaction import Redactor
from tests.fakes.breakable import Breakable
from tests.fakes.clock import FakeClock
from tests.http.common import Received, ask


def app_saying(
    status: int, body: bytes, *, wait: Callable[[], Any] | None = None, announced: int | None = None
) -> ASGIApp:
    """An ASGI app in three lines."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await receive()
        if wait is not None:
            await wait()
        headers = [(b"X-Path", scope["path"].encode()), (b"x-path", scope["query_string"])]
        if announced is not None:
            headers.append((b"content-length", str(announced).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def test_apps_of_this_process_are_asked_without_a_socket(received: Received) -> None:
    """By host, or by host and port; the path is decoded, repeated headers are joined."""
    transport = InProcess({"one.example": app_saying(200, b"1"), "127.0.0.1:8001": app_saying(404, b"2")})
    http = Http(clock=FakeClock(), transport=transport, on_answer=received.answer, redactor=Redactor())
    got = await ask(http, "https://one.example/a%20b?c=%20d")
    assert (got.body, got.headers["x-path"]) == (b"1", "/a b, c=%20d")
    assert (await ask(http, "http://127.0.0.1:8001/")).status == 404
    with pytest.raises(Unreachable) as caught:
        await ask(http, "http://127.0.0.1:8002/")
    assert caught.value.kind == "dns"
    assert [outcome for _service, outcome in received.outcomes] == ["2xx", "4xx", "dns"]


async def test_deadlines_in_this_process_are_of_fake_time() -> None:
    """A minute of waiting costs nothing, and its length is measured."""
    clock = FakeClock()
    transport = InProcess({"slow.example": app_saying(200, b"late", wait=lambda: clock.sleep(20))})
    http = Http(clock=clock, transport=transport, redactor=Redactor())
    patient = asyncio.ensure_future(ask(http, "http://slow.example/", timeout=60))
    assert await clock.run_until(patient.done) == 20
    assert (await patient).phases.processing == 20
    hasty = asyncio.ensure_future(ask(http, "http://slow.example/", timeout=5))
    assert await clock.run_until(hasty.done) == 5
    with pytest.raises(Unreachable, match="no answer within 5 s"):
        await hasty


async def test_what_is_left_of_a_deadline_is_rounded() -> None:
    """Nobody needs to read `no answer within 9.99996 s`."""
    clock = FakeClock()
    transport = InProcess({"slow.example": app_saying(200, b"late", wait=lambda: clock.sleep(20))})
    http = Http(clock=clock, transport=transport, redactor=Redactor())
    hasty = asyncio.ensure_future(ask(http, "http://slow.example/", timeout=9.99996))
    await clock.run_until(hasty.done)
    with pytest.raises(Unreachable, match="no answer within 10 s"):
        await hasty


@pytest.mark.parametrize("kind", ["connect", "dns", "tls", "reset", "timeout"])
async def test_an_app_can_be_taken_down_and_brought_up(kind: str) -> None:
    """In every way that a host can be gone."""
    clock = FakeClock()
    transport = Breakable({"one.example": app_saying(200, b"1")})
    http = Http(clock=clock, transport=transport, redactor=Redactor())
    transport.take_down("one.example", kind)
    asked = asyncio.ensure_future(ask(http, "http://one.example/"))
    await clock.run_until(asked.done) if kind == "timeout" else await clock.settle()
    with pytest.raises(Unreachable) as caught:
        await asked
    assert caught.value.kind == kind
    transport.bring_up("one.example")
    assert (await ask(http, "http://one.example/")).status == 200


async def test_an_app_that_announces_more_than_it_sends_is_a_reset() -> None:
    """As it would be over the network."""
    http = Http(
        clock=FakeClock(), transport=InProcess({"one.example": app_saying(200, b"1", announced=5)}), redactor=Redactor()
    )
    with pytest.raises(Unreachable) as caught:
        await ask(http, "http://one.example/")
    assert caught.value.kind == "reset"


async def test_each_target_can_have_its_own_listener(received: Received) -> None:
    """The way to the world is shared, what is received is not."""
    shared = Http(clock=FakeClock(), transport=InProcess({"one.example": app_saying(503, b"")}), redactor=Redactor())
    await ask(shared.listening(received.answer), "http://one.example/")
    await ask(shared, "http://one.example/")
    assert received.outcomes == [(Service.GATEWAY, "5xx")]


@pytest.mark.parametrize(("url", "headers"), [("http://[::1/", {}), ("http://one.example/", {"x-note": "€"})])
async def test_what_makes_no_request_is_never_sent(url: str, headers: dict[str, str]) -> None:
    """As over the network: a URL that is none, a header that HTTP does not allow."""
    http = Http(clock=FakeClock(), transport=InProcess({"one.example": app_saying(200, b"1")}), redactor=Redactor())
    with pytest.raises(Unreachable) as caught:
        await http.request(Service.GATEWAY, "GET", url, timeout=5, headers=headers)
    assert caught.value.kind == "protocol"


def test_a_client_cannot_be_made_without_a_redactor() -> None:
    """One that redacts nothing would show secrets in whatever the other side echoes."""
    with pytest.raises(TypeError, match="redactor"):
        Http(clock=FakeClock(), transport=InProcess({}))  # type: ignore[call-arg]
