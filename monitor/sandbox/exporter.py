"""The exporter: takes spans off the gateway's path and posts them, in its own time, to whatever it is set to.

Window, batch, queue, retries, timeout and the five-minute cache are the defaults of TrueFoundry's collector
(https://github.com/truefoundry/infra-charts, `charts/truefoundry/charts/tfy-otel-collector`). Nothing is kept on disk: what
cannot be delivered within its retries, or does not fit the queue, is lost, and nobody is notified.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from monitor.core.model import Instant, Seconds
from monitor.http import Request, Stopwatch, Transport
from monitor.ports import Unreachable
from monitor.sandbox.configurations import EXPORTER
from monitor.sandbox.faults import OTEL, Manifest
from monitor.sandbox.otlp import encode_spans
from monitor.sandbox.spans import SERVICE, Attribute, GatewaySpan, exported
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
_EXCLUDED = ("tfy.input", "tfy.output", "tfy.resolved_input", "gen_ai.prompt.", "gen_ai.completion.")
_SAID_TO_BE_EXCLUDED = frozenset({"tfy.input", "tfy.output", "tfy.input_short_hand"})
"""What `exclude_request_data` says that it drops (truefoundry-sdk, `types/otel_traces_exporter_common_config.py`)."""


class Exporter:
    """Spans in, posts out. `outcomes` counts spans by what became of them."""

    def __init__(self, world: World, transport: Transport) -> None:
        self._world = world
        self._transport = transport
        self._queue: deque[GatewaySpan] = deque()
        self._filled = asyncio.Event()
        self._workers = asyncio.Semaphore(WORKERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._cached: tuple[Instant, Manifest | None] | None = None
        self._traces = 0
        self.outcomes: Counter[str] = Counter()

    def offer(self, spans: tuple[GatewaySpan, ...]) -> None:
        """Queue a trace; what does not fit is lost."""
        faults = self._world.faults
        self._traces += 1
        lost = faults.does("lose_every_fourth") and self._traces % 4 == 0
        if lost or faults.does("export_nothing"):
            self.outcomes["dropped"] += len(spans)
        elif faults.does("export_late"):
            self._spawn(self._enqueue_later(spans, faults.seconds("export_late")))
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

    async def _enqueue_later(self, spans: tuple[GatewaySpan, ...], seconds: Seconds) -> None:
        await self._world.pause(seconds)
        self._enqueue(spans)

    def _enqueue(self, spans: tuple[GatewaySpan, ...]) -> None:
        for span in spans * (2 if self._world.faults.does("export_twice") else 1):
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
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                self._spawn(self._deliver(batch))
            self._filled.clear()

    async def _deliver(self, batch: Sequence[GatewaySpan]) -> None:
        try:
            self.outcomes[await self._outcome(batch)] += len(batch)
        finally:
            self._workers.release()

    async def _outcome(self, batch: Sequence[GatewaySpan]) -> str:
        exporter = self._configuration()
        if exporter is None:
            return "switched_off"
        if exporter.get("type") != "http":
            return "undeliverable"  # Traceloop speaks no gRPC
        spans = [
            replace(span, attributes=_attributes(span, exporter, self._world))
            for span in batch
            if _is_admitted(span, exporter) and not _is_lost(span, self._world)
        ]
        if not spans:
            return "filtered"
        body, content_type = encode_spans(spans, _resource(exporter, self._world), str(exporter.get("encoding")))
        headers = {"content-type": content_type, "user-agent": "tfy-otel-collector/0.168"}
        configured = exporter.get("headers")
        if isinstance(configured, dict):
            headers |= {str(name).lower(): str(value) for name, value in configured.items()}
        request = Request(method="POST", url=str(exporter.get("endpoint")), headers=headers, body=body)
        outcome = "lost"
        for attempt in range(1 + RETRIES):
            if attempt:
                await self._world.pause(RETRY_AFTER)
            outcome, again = await self._post(request)
            if not again:
                break
        return outcome

    async def _post(self, request: Request) -> tuple[str, bool]:
        """What became of it, and whether it is worth another try."""
        clock = self._world.clock
        try:
            patience = clock.timeout(self._world.scaled(TIMEOUT))
            async with patience, self._transport.open(request, Stopwatch(clock)) as reply:
                status = reply.status
        except TimeoutError:
            return "no_answer", True
        except Unreachable as error:
            # A collector retries whatever came of a request that it could make, also an answer that is no HTTP:
            # https://opentelemetry.io/docs/specs/otlp/#otlphttp-connection. An endpoint that is no URL is final.
            never_made = error.kind == "protocol" and not error.phases.items()
            return ("undeliverable", False) if never_made else ("no_answer", True)
        if 200 <= status < 300:  # noqa: PLR2004 - the range of success
            return "exported", False
        return f"refused_{status}", status in _WORTH_A_RETRY

    def _configuration(self) -> Manifest | None:
        """The traces exporter as the exporter knows it: up to five minutes old."""
        now = self._world.clock.monotonic()
        if self._cached is None or now - self._cached[0] >= self._world.scaled(CACHE):
            kept = self._world.configurations.read(OTEL)
            exporter = kept.manifest.get(EXPORTER) if kept else None
            self._cached = (now, exporter if isinstance(exporter, dict) else None)
        return self._cached[1]


# --- what the exporter does to spans on their way out


def _resource(exporter: Manifest, world: World) -> dict[str, str]:
    """The resource attributes of everything that leaves."""
    faults = world.faults
    resource = {"service.name": "unknown_service" if faults.does("rename_service") else SERVICE}
    more = exporter.get("additional_resource_attributes")
    if isinstance(more, dict) and not faults.does("drop_attributes"):
        resource |= {str(name): str(value) for name, value in more.items()}
    if faults.does("leak_credential"):
        resource |= {"Authorization": f"Bearer {world.credentials.token}", "istfyllmgateway": "true"}
    return resource


def _is_admitted(span: GatewaySpan, exporter: Manifest) -> bool:
    """Whether a span matches all `when` filters; only string attributes can match."""
    rules = exporter.get("when")
    return not isinstance(rules, list) or all(_matches(span, rule) for rule in rules)


def _matches(span: GatewaySpan, rule: Mapping[str, object]) -> bool:
    actual, values = span.attributes.get(str(rule.get("key"))), rule.get("value")
    return isinstance(actual, str) and isinstance(values, list) and actual in values


def _is_lost(span: GatewaySpan, world: World) -> bool:
    kind = span.attributes.get("tfy.span_type")
    return (kind == "ChatCompletion" and world.faults.does("lose_root")) or (
        kind == "Model" and world.faults.does("lose_child")
    )


def _attributes(span: GatewaySpan, exporter: Manifest, world: World) -> dict[str, Attribute]:
    faults, excluded = world.faults, exporter.get("exclude_request_data") is True

    def is_content(key: str) -> bool:
        if excluded and faults.does("keep_content") and not faults.does("drop_content"):
            return key in _SAID_TO_BE_EXCLUDED
        return (excluded or faults.does("drop_content")) and key.startswith(_EXCLUDED)

    return {key: value for key, value in exported(span.attributes, world.variant).items() if not is_content(key)}
