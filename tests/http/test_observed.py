"""Whoever overhears is handed whole exchanges: what was asked, what was answered, how long it took."""

import asyncio

import pytest

from monitor.core.model import Service
from monitor.http import Exchange, Http
from monitor.ports import Unreachable
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply


def recorded(remote: Remote) -> tuple[Http, list[Exchange]]:
    """A way to the remote that is recorded, and what is received."""
    received: list[Exchange] = []
    return remote.http.observed(received.append), received


async def test_an_answer_is_recorded() -> None:
    """With the request as it was sent, its own headers among them, and the whole body."""
    clock = FakeClock()
    remote = Remote(clock, Reply({"a": 1}, status=201, after=2.0))
    http, received = recorded(remote)
    asking = asyncio.ensure_future(
        http.request(Service.TRACELOOP, "POST", f"{remote.url}/x?y=1", timeout=5, headers={"X-Mine": "1"}, body=b"z")
    )
    await clock.run_until(asking.done)
    (exchange,) = received
    assert (exchange.service, exchange.request.method, exchange.request.body) == (Service.TRACELOOP, "POST", b"z")
    assert exchange.request.url == f"{remote.url}/x?y=1"
    assert exchange.request.headers["X-Mine"] == "1"
    assert exchange.answer is not None
    assert (exchange.answer.status, exchange.answer.json(), exchange.failure) == (201, {"a": 1}, None)
    assert (exchange.began_at, exchange.took, exchange.answered_at) == (START, 2.0, START + 2.0)


async def test_silence_is_recorded_too() -> None:
    """By its kind, and the error is raised as ever."""
    clock = FakeClock()
    remote = Remote(clock, Reply(hang=True))
    http, received = recorded(remote)
    asking = asyncio.ensure_future(http.request(Service.GATEWAY, "GET", remote.url, timeout=3))
    await clock.run_until(asking.done)
    with pytest.raises(Unreachable):
        await asking
    assert [(each.answer, each.failure, each.took) for each in received] == [(None, "timeout", 3.0)]


async def test_other_listeners_do_not_take_the_ear_away() -> None:
    """One for each target listens to outcomes; whoever overhears gets all of them, and the outcomes are reported as before."""
    remote = Remote(FakeClock())
    http, received = recorded(remote)
    outcomes: list[str] = []
    await http.listening(lambda _, outcome: outcomes.append(outcome)).request(
        Service.GATEWAY, "GET", remote.url, timeout=3
    )
    assert (len(received), outcomes) == (1, ["2xx"])
    await http.request(Service.GATEWAY, "GET", remote.url, timeout=3)
    assert remote.outcomes == ["2xx"]
