"""Our own starvation accuses nobody: a wait during which the monitor did not run says nothing about who was asked."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from monitor.ports import Unreachable
from tests.fakes.loopback import answer, saying, serving
from tests.http.common import Received, ask, over_network


async def _stall(after: float, seconds: float) -> None:
    await asyncio.sleep(after)
    time.sleep(seconds)  # noqa: ASYNC251 - keeping the loop from its turn is the point


async def test_a_timeout_while_the_loop_did_not_run_is_our_own(received: Received) -> None:
    """Something keeps the loop for most of the time that the answer had."""
    async with serving(saying(stay=True)) as port:
        stalling = asyncio.create_task(_stall(0.1, 0.9))
        with pytest.raises(Unreachable, match="the monitor itself did not run for") as caught:
            await ask(over_network(received), f"http://127.0.0.1:{port}/", timeout=1.2)
        await stalling
    assert caught.value.kind == "starved"
    assert [outcome for _, outcome in received.outcomes] == ["starved"]


async def test_a_connection_lost_while_the_loop_did_not_run_is_our_own() -> None:
    """A server hangs up on a client that does not go on."""
    async with serving(saying(b"HTTP/1.1 200 OK\r\n", pause=0.3)) as port:
        stalling = asyncio.create_task(_stall(0.1, 0.9))
        with pytest.raises(Unreachable) as caught:
            await ask(over_network(), f"http://127.0.0.1:{port}/", timeout=5)
        await stalling
    assert caught.value.kind == "starved"


async def test_an_answer_counts_however_late_we_were() -> None:
    """It came: nothing is unknown about it."""
    async with serving(saying(answer())) as port:
        stalling = asyncio.create_task(_stall(0.0, 0.7))
        assert (await ask(over_network(), f"http://127.0.0.1:{port}/", timeout=5)).status == 200
        await stalling


async def test_silence_is_the_others_while_we_run() -> None:
    """Nothing keeps the loop, or for a small part of the time only."""
    async with serving(saying(stay=True)) as port:
        stalling = asyncio.create_task(_stall(0.1, 0.2))
        with pytest.raises(Unreachable) as caught:
            await ask(over_network(), f"http://127.0.0.1:{port}/", timeout=1.0)
        await stalling
    assert caught.value.kind == "timeout"


async def test_a_stopped_process_accuses_nobody() -> None:
    """SIGSTOP, as a debugger, a frozen container or a suspended machine does it."""
    program = textwrap.dedent(
        """
        import asyncio, sys
        from monitor.ports import Unreachable
        from tests.http.common import ask, over_network

        async def main():
            print("asking", flush=True)
            try:
                await ask(over_network(), sys.argv[1], timeout=1.5)
            except Unreachable as error:
                print(error.kind)

        asyncio.run(main())
        """
    )
    async with serving(saying(stay=True)) as port:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, f"http://127.0.0.1:{port}/", stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            await process.stdout.readline()
            await asyncio.sleep(0.3)
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(1.0)
            os.kill(process.pid, signal.SIGCONT)
            async with asyncio.timeout(20):
                said, _ = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    assert said.decode().strip() == "starved"
