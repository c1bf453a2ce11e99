"""The sandbox's Phoenix, as release 20.26.1 was seen to answer."""

from monitor.sandbox import BackendKind, Host, Sandbox
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, read


async def test_the_root_is_listed_first_because_it_ends_last() -> None:
    """Spans are exported as they end, and the last that was stored is listed first."""
    clock = FakeClock()
    sandbox = Sandbox(clock=clock, backend=BackendKind.OPEN_PHOENIX)
    await sandbox.start()
    asker = Asker(sandbox, clock)
    await asker.complete()
    await clock.advance(10)
    shown = read(await asker.ask(Host.TRACELOOP, "GET", "/v1/projects/gateway/spans"))["data"]
    await sandbox.stop()
    assert len(shown) > 2
    assert [row["parent_id"] is None for row in shown] == [True, *[False] * (len(shown) - 1)]
    ends = [row["end_time"] for row in shown]
    assert ends == sorted(ends, reverse=True)
