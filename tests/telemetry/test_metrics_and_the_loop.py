"""A scrape leaves the event loop to others, and the lag of the loop is measured."""

import asyncio
import gc
import sys
from collections.abc import Mapping
from types import FrameType

import pytest

from monitor.core.model import (
    TargetName,
)
from monitor.core.state import State
from monitor.telemetry.gauges import Expected, Monitored, View
from monitor.telemetry.metrics import Metrics, watch_loop
from tests.fakes.clock import FakeClock
from tests.telemetry.scraped import EVERYTHING, POLICY, Scraped


async def test_a_scrape_takes_one_view_and_leaves_the_loop_to_others() -> None:
    """All gauges of a page are of one moment, and of the work for fifty targets no turn of the loop does more than a little.

    What is counted are the calls of Python functions in the loop's thread: the page has more series than a turn may have calls.
    Nor does the garbage collector stop it, which would look for garbage once for every few hundred of them.
    """
    taken: list[View] = []
    calls = most_calls = collections = 0

    def view() -> View:
        taken.append(View(state=State(), policies=dict.fromkeys(targets, POLICY)))
        return taken[-1]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    def collect(phase: str, _info: Mapping[str, int]) -> None:
        nonlocal collections
        collections += phase == "start"

    targets = {TargetName(f"target-{number}"): Monitored(checks=EVERYTHING) for number in range(50)}
    metrics = Metrics(clock=FakeClock(), version="1", view=view)
    metrics.expect(Expected(targets=targets, notifiers=("slack",)))
    scraping = asyncio.create_task(metrics.scrape(""))
    interval = sys.getswitchinterval()
    gc.callbacks.append(collect)
    sys.setprofile(count)
    while not scraping.done():
        await asyncio.wait({scraping}, timeout=0.001)
        most_calls, calls = max(most_calls, calls), 0
    sys.setprofile(None)
    gc.callbacks.remove(collect)
    body, _ = scraping.result()
    assert body.count(b"\ntrace_monitor_") > 10_000
    assert len(taken) == 1
    assert most_calls < 500
    assert collections < 5
    assert (gc.isenabled(), sys.getswitchinterval()) == (True, interval)


async def test_the_lag_of_the_loop_is_measured() -> None:
    """Each second of sleep that took longer is one observation of by how much."""
    page = Scraped()
    clock = page.clock
    lags: list[float] = []

    class Slow(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await clock.sleep(seconds + 0.2)

        def monotonic(self) -> float:
            return clock.monotonic()

    def observe(lag: float) -> None:
        lags.append(lag)
        page.metrics.observe_loop_lag(lag)

    watching = asyncio.create_task(watch_loop(Slow(), observe))
    await clock.advance(3.7)
    watching.cancel()
    assert lags == pytest.approx([0.2, 0.2, 0.2])
    assert page.value("event_loop_lag_seconds_count") == 3
