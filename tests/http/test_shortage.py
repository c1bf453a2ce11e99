"""A resource of our own that runs out accuses nobody, and is named."""

import errno
import os
from collections.abc import Sequence

import pytest

from monitor.ports import Unreachable
from monitor.shortage import shortage
from tests.fakes.limits import no_descriptors
from tests.fakes.loopback import answer, saying, serving
from tests.http.common import Received, ask, over_network


@pytest.mark.parametrize("host", ["127.0.0.1", "gateway.example"])
async def test_without_descriptors_nobody_is_said_to_be_silent(received: Received, host: str) -> None:
    """Whether the host is an address or a name that has been resolved."""
    http = over_network(received, lookup=lambda _host, _port: ["127.0.0.1", "127.0.0.1"])
    async with serving(saying(answer())) as port:
        with no_descriptors(), pytest.raises(Unreachable, match="the monitor is out of file descriptors") as caught:
            await ask(http, f"http://{host}:{port}/")
        assert caught.value.kind == "shortage"
        assert received.outcomes[-1][1] == "shortage"
        assert (await ask(http, f"http://{host}:{port}/")).status == 200


async def test_a_lookup_that_could_open_nothing_is_no_unknown_name() -> None:
    """The resolver only says `Temporary failure in name resolution`."""

    def look_up(_host: str, _port: int) -> Sequence[str]:
        raise OSError(errno.EAGAIN, "Temporary failure in name resolution")

    http = over_network(lookup=look_up)
    with no_descriptors(), pytest.raises(Unreachable, match="out of file descriptors, so gateway") as caught:
        await ask(http, "http://gateway.example/")
    assert caught.value.kind == "shortage"
    with pytest.raises(Unreachable, match="Temporary failure") as caught:
        await ask(http, "http://gateway.example/")
    assert caught.value.kind == "dns"


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.EMFILE, "file descriptors"),
        (errno.ENFILE, "file descriptors of the whole machine"),
        (errno.ENOMEM, "memory"),
        (errno.ENOBUFS, "network buffers"),
        (errno.ENOSPC, "disk space"),
        (errno.EDQUOT, "disk space"),
        (errno.ECONNREFUSED, None),
        (errno.ENETUNREACH, None),
    ],
)
def test_what_ran_out_is_found_behind_whatever_is_raised_for_it(number: int, what: str | None) -> None:
    """As the cause, the context, or one of a group: libraries wrap it."""
    bare = OSError(number, os.strerror(number))
    wrapped = RuntimeError("all connection attempts failed")
    wrapped.__cause__ = ExceptionGroup("several", [bare])
    outer = RuntimeError("outer")
    outer.__context__ = wrapped
    assert shortage(bare) == shortage(wrapped) == shortage(outer) == what
    assert shortage(MemoryError()) == "memory"
    assert shortage(None) is None
