"""What must never happen on the wire, for every answer that the monitor reads: a token elsewhere, memory without bound."""

import asyncio
import contextlib
import tracemalloc
import zlib
from itertools import product
from typing import cast

import pytest

from monitor.http import Http, Network
from monitor.ports import PortError
from monitor.redaction import Redactor
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Handler, answer, saying, serving
from tests.fakes.remote import Remote
from tests.samples.judging import JUDGES, redactor

REDIRECTS = ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")
UNPACKED = 64 * 1024 * 1024
MUCH = 24 * 1024 * 1024
"""A few times the most that is read of one answer (4 MiB): its pieces, the text, and the document made of it."""


class OverTheNetwork:
    """What the adapters need to know of a remote: here it is a port of this machine."""

    def __init__(self, port: int) -> None:
        self.clock = FakeClock()
        self.url = f"http://127.0.0.1:{port}"
        self.http = Http(clock=self.clock, transport=Network(redactor=redactor(), environ={}), redactor=Redactor())


async def ask(kind: str, port: int) -> None:
    """Ask as the program does; whatever is concluded."""
    await JUDGES[kind](cast("Remote", OverTheNetwork(port)))


EACH_IN_TURN = {(kind, REDIRECTS[number % len(REDIRECTS)]) for number, kind in enumerate(JUDGES)}
"""Every answer that is read, and every status: `make test` tries each with one of the other."""


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        pytest.param(*each, marks=() if each in EACH_IN_TURN else pytest.mark.thorough)
        for each in product(JUDGES, REDIRECTS)
    ],
)
async def test_no_redirect_takes_a_token_to_another_host(kind: str, status: str) -> None:
    """Whatever the status, and although the other host would answer."""
    visits: list[int] = []

    async def elsewhere(reader: object, writer: object) -> None:
        del reader, writer
        visits.append(1)

    async with (
        serving(cast("Handler", elsewhere)) as other,
        serving(saying(answer(status, Location=f"http://127.0.0.1:{other}/"))) as port,
    ):
        with contextlib.suppress(PortError):
            await ask(kind, port)
    assert visits == []


def bomb() -> bytes:
    """Blanks that unpack a thousandfold."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    blanks = b" " * (1024 * 1024)
    packed = b"".join(packer.compress(blanks) for _ in range(UNPACKED // len(blanks)))
    return packed + packer.flush()


# One that is read while it arrives, one that is read whole; the others go the same way, and take their time.
QUICK = ("warehouse", "completion")


@pytest.mark.parametrize("head", ["", "Content-Encoding: gzip\r\n"], ids=["endless", "bomb"])
@pytest.mark.parametrize(
    "kind", [pytest.param(each, marks=() if each in QUICK else pytest.mark.thorough) for each in JUDGES]
)
async def test_no_answer_fills_the_memory(kind: str, head: str) -> None:
    """Neither one that never ends nor one that unpacks a thousandfold, whichever service sends it."""
    piece = bomb() if head else b'{"spans":{"data":[' + b'{"trace_id":"00"},' * 50_000

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n".encode())
        for _ in range(UNPACKED // len(piece) if not head else 1):
            writer.write(piece)
            await writer.drain()

    async with serving(flood) as port:
        tracemalloc.start()
        try:
            with contextlib.suppress(PortError):
                await ask(kind, port)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < MUCH
