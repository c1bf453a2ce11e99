"""The metrics page: one registry of our own, text or OpenMetrics."""

import asyncio
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client import disable_created_metrics as _disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from monitor.core.events import Event, NoticeHandled, Reloaded
from monitor.core.model import Seconds
from monitor.ports import Clock
from monitor.telemetry.counters import Counters
from monitor.telemetry.expected import Expected
from monitor.telemetry.gauges import StateGauges, View

_VERSION = re.compile(r"version=([^;,]*)")
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")


class Metrics:
    """Everything that Prometheus may know. `view` is asked once per scrape, in the thread of the event loop."""

    def __init__(self, *, clock: Clock, version: str, view: Callable[[], View]) -> None:
        disable: Callable[[], None] = _disable_created_metrics
        disable()  # a tenth more series that nobody reads; a switch of the whole library
        self._view = view
        self._renderer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._counters = Counters(self._registry)
        self._gauges = StateGauges(clock=clock, version=version)

    def expect(self, expected: Expected) -> None:
        """Which series there are to be, from now on: at the start, and again after a reload."""
        self._counters.expect(expected)
        self._gauges.expected = expected

    def listen(self, event: Event) -> None:
        """Hear of what happened."""
        self._counters.listen(event)
        match event:
            case Reloaded():
                self._gauges.loaded = (event.successful, event.at if event.successful else self._gauges.loaded[1])
            case NoticeHandled() if event.outcome == "sent":
                self._gauges.told_at[event.notifier] = event.at
            case _:
                pass

    def observe_loop_lag(self, lag: Seconds) -> None:
        """Hear how late the event loop was."""
        self._counters.observe_loop_lag(lag)

    async def scrape(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, without holding up the loop: fifty targets take a tenth of a second."""
        return await asyncio.get_running_loop().run_in_executor(self._renderer, self.render, accept, self._view())

    def render(self, accept: str, view: View) -> tuple[bytes, str]:
        """One view, in the form that an `Accept` header asks for; in any thread."""
        versions = _VERSION.findall(accept)
        understood = all(_NUMBER.fullmatch(version.strip()) for version in versions)
        # It compares versions as numbers, come what may.
        encode, content_type = choose_encoder(accept if understood else "")
        return encode(_Scrape(self._registry, self._gauges, view)), content_type


class _Scrape(Collector):
    """What is counted, and what is true in one view."""

    def __init__(self, registry: CollectorRegistry, gauges: StateGauges, view: View) -> None:
        self._registry = registry
        self._gauges = gauges
        self._view = view

    def collect(self) -> Iterable[Metric]:
        """The families of both."""
        yield from self._gauges.read(self._view)
        yield from self._registry.collect()
