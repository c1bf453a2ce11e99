"""The sandbox as the program's own HTTP meets it without sockets."""

import asyncio

import pytest

from monitor.core.model import Service
from monitor.http import Answer, Http, InProcess
from monitor.ports import Garbled, Unreachable
from monitor.sandbox import Sandbox
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker


async def ask(asker: Asker, path: str, *, timeout: float = 10) -> Answer:
    """One request by the program's own client."""
    transport = InProcess({str(host): app for host, app in asker.sandbox.apps.items()})
    http = Http(clock=asker.clock, transport=transport)
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
    """After half a minute of fake time, or as long as it was told."""
    await sandbox.break_("read_api_slow")
    began = clock.now()
    assert (await ask(asker, "/v2/warehouse/spans", timeout=60)).status == 200
    assert clock.now() - began == 30
    await sandbox.break_("read_api_slow", seconds=3)
    began = clock.now()
    assert (await ask(asker, "/v2/warehouse/spans")).status == 200
    assert clock.now() - began == 3


async def test_two_sandboxes_are_told_apart_by_their_domains() -> None:
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
