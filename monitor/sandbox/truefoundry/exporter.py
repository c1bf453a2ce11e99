"""The exporter: takes spans off the gateway's path and posts them, in its own time, to whatever it is set to.

Window, batch, queue, retries, timeout and the five-minute cache are the defaults of TrueFoundry's collector
(https://github.com/truefoundry/infra-charts, `charts/truefoundry/charts/tfy-otel-collector`). Nothing is kept on disk: what
cannot be delivered within its retries, or does not fit the queue, is lost, and nobody is told.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping

from monitor.core.model import Instant, Seconds
from monitor.sandbox.faults.kinds import OTEL, Manifest, Twist
from monitor.sandbox.otlp import encode_spans
from monitor.sandbox.truefoundry.export_rules import exported_form, resource_of
from monitor.sandbox.truefoundry.settings import EXPORTER
from monitor.sandbox.truefoundry.spans import GatewaySpan
from monitor.sandbox.world import World

WINDOW: Seconds = 2.0
BATCH = 50
QUEUE = 100
WORKERS = 4
RETRIES = 3
RETRY_AFTER: Seconds = 1.0
TIMEOUT: Seconds = 60.0
CACHE: Seconds = 300.0
_WORTH_A_RETRY = frozenset({429, 502, 503, 504})

Post = Callable[[str, Mapping[str, str], bytes], Awaitable[int]]
"""Post a body and return the status. Raises OSError when there is no answer, ValueError for what cannot be sent at all."""


class Exporter:
    """Spans in, posts out. `outcomes` counts spans by what became of them."""

    def __init__(self, world: World, post: Post) -> None:
        self._world = world
        self._post = post
        self._queue: deque[GatewaySpan] = deque()
        self._filled = asyncio.Event()
        self._workers = asyncio.Semaphore(WORKERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._cached: tuple[Instant, Manifest | None] | None = None
        self._traces = 0
        self.outcomes: Counter[str] = Counter()

    def offer(self, spans: tuple[GatewaySpan, ...]) -> None:
        """Queue a trace; what does not fit is lost."""
        broken = self._world.broken
        self._traces += 1
        lost = broken.does(Twist.LOSE_EVERY_FOURTH) and self._traces % 4 == 0
        if lost or broken.does(Twist.EXPORT_NOTHING):
            self.outcomes["dropped"] += len(spans)
            return
        if broken.does(Twist.EXPORT_LATE):
            self._spawn(self._offer_later(spans, broken.seconds(Twist.EXPORT_LATE)))
        else:
            self._enqueue(spans)

    def forget_configuration(self) -> None:
        """Read the configuration anew at the next export, as after a restart of the collector."""
        self._cached = None

    def start(self) -> None:
        """Begin exporting. Needs a running event loop."""
        self._spawn(self._run())

    async def stop(self) -> None:
        """Drop everything and end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _offer_later(self, spans: tuple[GatewaySpan, ...], seconds: Seconds) -> None:
        await self._world.pause(seconds)
        self._enqueue(spans)

    def _enqueue(self, spans: tuple[GatewaySpan, ...]) -> None:
        for span in spans * (2 if self._world.broken.does(Twist.EXPORT_TWICE) else 1):
            if len(self._queue) < QUEUE:
                self._queue.append(span)
            else:
                self.outcomes["overflowed"] += 1
        self._filled.set()

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            await self._world.pause(WINDOW)
            while self._queue:
                await self._workers.acquire()
                batch = tuple(self._queue.popleft() for _ in range(min(BATCH, len(self._queue))))
                self._spawn(self._deliver(batch))
            self._filled.clear()

    async def _deliver(self, batch: tuple[GatewaySpan, ...]) -> None:
        try:
            self.outcomes[await self._outcome(batch)] += len(batch)
        finally:
            self._workers.release()

    async def _outcome(self, batch: tuple[GatewaySpan, ...]) -> str:
        exporter = self._configuration()
        if exporter is None:
            return "switched_off"
        if exporter.get("type") != "http":
            return "undeliverable"  # Traceloop speaks no gRPC
        spans = exported_form(batch, exporter, self._world)
        if not spans:
            return "filtered"
        encoding = str(exporter.get("encoding"))
        body, content_type = encode_spans(spans, resource_of(exporter, self._world), encoding)
        headers = {"content-type": content_type, "user-agent": "tfy-otel-collector/0.168"}
        configured = exporter.get("headers")
        if isinstance(configured, dict):
            headers |= {str(name).lower(): str(value) for name, value in configured.items()}
        return await self._send(str(exporter.get("endpoint")), headers, body)

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> str:
        outcome = "lost"
        for attempt in range(1 + RETRIES):
            if attempt:
                await self._world.pause(RETRY_AFTER)
            try:
                async with self._world.clock.timeout(self._world.scaled(TIMEOUT)):
                    status = await self._post(url, headers, body)
            except OSError:  # TimeoutError is one
                outcome = "no_answer"
                continue
            except ValueError:  # an address or a header that makes no sense
                return "undeliverable"
            if 200 <= status < 300:  # noqa: PLR2004 - the range of success
                return "exported"
            outcome = f"refused_{status}"
            if status not in _WORTH_A_RETRY:
                break
        return outcome

    def _configuration(self) -> Manifest | None:
        """The traces exporter as the exporter knows it: up to five minutes old."""
        now = self._world.clock.monotonic()
        if self._cached is None or now - self._cached[0] >= self._world.scaled(CACHE):
            kept = self._world.settings.read(OTEL)
            exporter = kept.manifest.get(EXPORTER) if kept else None
            self._cached = (now, exporter if isinstance(exporter, dict) else None)
        return self._cached[1]
