"""Whom TLS trusts."""

import asyncio
import datetime as dt
import gc
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import trustme

from monitor.ports import Unreachable
from tests.fakes.loopback import answer, saying, serving
from tests.http.common import Received, ask, over_network, tls


async def test_tls_is_verified_against_the_name_and_measured(
    received: Received, ca_file: Callable[[trustme.CA], str]
) -> None:
    """Connected by the resolved address, verified by the host's name; all phases are reported, and until when it holds."""
    authority, context = tls("gateway.example")
    http = over_network(received, ca_file=ca_file(authority), lookup=lambda _host, _port: ["127.0.0.1"])
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok", pause=0.01), tls=context) as port:
        got = await ask(http, f"https://gateway.example:{port}/")
    assert got.body == b"ok"
    assert [name for name, _took in got.phases.items()] == ["resolve", "connect", "tls", "processing", "transfer"]
    assert got.phases.processing is not None
    assert got.phases.transfer is not None
    # A busy client may see the pause between the pieces in either of the two.
    assert 0.005 < got.phases.processing + got.phases.transfer < 1
    assert got.certificate_expires_at is not None
    assert got.certificate_expires_at > time.time()
    assert received.certificates == [got.certificate_expires_at]


@pytest.mark.parametrize(
    ("name", "options", "trusted", "why"),
    [
        ("gateway.example", {}, False, "unable to get local issuer|self.signed"),
        ("other.example", {}, True, "[Hh]ostname mismatch"),
        (
            "gateway.example",
            {"not_before": dt.datetime(2020, 1, 1), "not_after": dt.datetime(2020, 1, 2)},  # noqa: DTZ001 - as trustme wants it
            True,
            "expired",
        ),
    ],
)
async def test_a_bad_certificate_is_a_failure_oftls(
    name: str, options: dict[str, Any], trusted: bool, why: str, ca_file: Callable[[trustme.CA], str]
) -> None:
    """Unknown authority, wrong name, expired: each is said in words."""
    authority, context = tls(name, **options)
    http = over_network(ca_file=ca_file(authority) if trusted else None, lookup=lambda _host, _port: ["127.0.0.1"])
    async with serving(saying(answer()), tls=context) as port:
        with pytest.raises(Unreachable, match=why) as caught:
            await ask(http, f"https://gateway.example:{port}/")
    assert caught.value.kind == "tls"


async def test_https_to_a_plain_port_is_a_failure_oftls() -> None:
    """The handshake is answered by something else."""

    async def speak_first(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async with serving(speak_first) as port:
        with pytest.raises(Unreachable) as caught:
            await ask(over_network(), f"https://127.0.0.1:{port}/")
    assert caught.value.kind == "tls"
    assert str(caught.value) == f"the TLS handshake failed (127.0.0.1:{port}: wrong version number)"


async def test_a_deadline_in_the_handshake_closes_the_socket() -> None:
    """A server that never shakes hands costs no file descriptor, however often it is asked."""
    http = over_network()
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always")
        async with serving(saying(stay=True)) as port:
            for _ in range(5):
                with pytest.raises(Unreachable, match="no answer within"):
                    await ask(http, f"https://127.0.0.1:{port}/", timeout=0.05)
            gc.collect()
    assert [str(warning.message) for warning in unclosed] == []


def test_a_ca_file_that_cannot_be_read_is_said_at_the_start() -> None:
    """Not at the first request."""
    with pytest.raises(OSError, match="No such file"):
        over_network(ca_file="/nonexistent/ca.pem")
