"""The own counters of spans of the gateway and of an OpenTelemetry Collector behind it: evidence, never a verdict.

Counters and their reasons: https://github.com/truefoundry/infra-charts, `charts/tfy-grafana/dashboards/llm-gateway-metrics.json`.
They say nothing of the way from TrueFoundry's collector to the trace backend. What an OpenTelemetry Collector counts there:
https://opentelemetry.io/docs/collector/internal-telemetry/. It counts all traffic, so it may explain a loss and never proves one.

A counter says something only beside an earlier one of the same
process; one that has gone back was begun anew (https://prometheus.io/docs/concepts/metric_types/#counter).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from monitor.core.model import ForeignInstant, Instant, Seconds
from monitor.core.text import count_text, moment_text

REMEMBERED = 12
"""So many readings are kept: of a gateway with several processes behind one address each may be another's."""

WINDOW: Seconds = 900.0
"""How far back a comparison goes where there are readings; else as far as the last one."""


class CountedBy(StrEnum):
    """Whose counters they are."""

    GATEWAY = "gateway"
    COLLECTOR = "collector"


_SAYS: Mapping[CountedBy, str] = MappingProxyType(
    {
        CountedBy.GATEWAY: "the gateway's own metrics",
        CountedBy.COLLECTOR: "the Collector's own metrics",
    }
)
_SWITCHED_OFF = "should_trace_false"
_ABOUT_A_SECOND: Seconds = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanCounters:
    """One reading: requests and spans since the process began, all tenants together. `failed` and `dropped` by reason.

    `started_at` tells processes apart; None: not shown, like `requests`. A Collector counts by the names of its components:
    `accepted` and `refused` by receiver, `dropped` by processor, `sent` and `failed` by exporter; `queued` are batches that wait
    now, and how many may.
    """

    at: Instant = 0.0
    started_at: ForeignInstant | None = None
    requests: int | None = None
    exported: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    by: CountedBy = CountedBy.GATEWAY
    accepted: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    queued: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineCounters:
    """What is remembered of the counters: the newest readings, the newest last, and why the last look saw none."""

    readings: tuple[SpanCounters, ...] = ()
    problem: str = ""


def add_reading(pipeline_counters: PipelineCounters, reading: SpanCounters) -> PipelineCounters:
    """Remember one more."""
    return PipelineCounters(readings=(*pipeline_counters.readings, reading)[-REMEMBERED:])


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGrowth:
    """By how much a gateway's count of requests has grown between two readings."""

    since: Instant
    until: Instant
    requests: int


def request_growth(readings: Sequence[SpanCounters], since: Instant, until: Instant) -> RequestGrowth | str | None:
    """The growth in about that window: between the newest reading that is over and the one before it.

    None: there is no such pair yet, or it is of long ago. A text: why the pair says nothing.
    """
    over = [known for known in readings if known.at <= until]
    if len(over) < 2 or over[-2].at < since - (until - since):  # noqa: PLR2004 - a difference needs two
        return None
    begin, end = over[-2:]
    if begin.started_at is None:
        return "the gateway's metrics page does not say when the process began, so two readings may be of two processes"
    grown = (end.requests or 0) - (begin.requests or 0)
    if begin.started_at != end.started_at or grown < 0:
        return "the gateway restarted between two readings, or several replicas answer in turn"
    return RequestGrowth(since=begin.at, until=end.at, requests=grown)


def still_needed(readings: Sequence[SpanCounters], until: Instant) -> tuple[SpanCounters, ...]:
    """What a later window may still begin or end with."""
    over = [known for known in readings if known.at <= until]
    return (*over[-2:], *(known for known in readings if known.at > until))


def say_counters(pipeline_counters: PipelineCounters, by: CountedBy = CountedBy.GATEWAY) -> tuple[str, ...]:
    """What the counters say; nothing where there is nothing to compare."""
    if pipeline_counters.problem:
        return (f"{_SAYS[by]} could not be read: {pipeline_counters.problem}",)
    compared = _comparable(pipeline_counters.readings)
    if len(compared) < 2:  # noqa: PLR2004 - a comparison needs two
        return ()
    sentences = _of_the_gateway(compared) if by is CountedBy.GATEWAY else _of_the_collector(compared)
    return tuple(f"{_SAYS[by]}: {sentence}" for sentence in sentences)


def loses_spans(pipeline_counters: PipelineCounters) -> bool:
    """Whether the gateway has recently failed to hand spans to the collector."""
    return not pipeline_counters.problem and bool(
        _increase([reading.failed for reading in _comparable(pipeline_counters.readings)])
    )


def drops_untraced_spans(pipeline_counters: PipelineCounters) -> bool:
    """Whether the gateway has recently dropped spans because tracing is switched off for their requests."""
    dropped = _increase([reading.dropped for reading in _comparable(pipeline_counters.readings)])
    return not pipeline_counters.problem and _SWITCHED_OFF in dropped


def _comparable(readings: tuple[SpanCounters, ...]) -> tuple[SpanCounters, ...]:
    """The readings of the process that was read last, as far back as is of interest; one that has begun since began at nothing."""
    if len(readings) < 2:  # noqa: PLR2004 - a comparison needs two
        return ()
    newest, before = readings[-1], readings[-2]
    same = [reading for reading in readings if _of_one_process(reading, newest)]
    if len(same) == 1 and newest.started_at is not None and newest.started_at > before.at:
        return SpanCounters(at=newest.started_at, started_at=newest.started_at), newest
    recent = [reading for reading in same if newest.at - reading.at <= WINDOW]
    return tuple(recent if len(recent) > 1 else same[-2:])


def _of_the_gateway(readings: tuple[SpanCounters, ...]) -> Iterator[str]:
    failed = _increase([reading.failed for reading in readings])
    dropped = _increase([reading.dropped for reading in readings])
    exported = sum(_added(one.exported, following.exported) for one, following in pairwise(readings))
    when = f"since {moment_text(readings[0].at)}"
    if failed:
        lost = failed.total()
        yield (
            f"{lost} of {count_text(lost + exported, 'span')} did not reach TrueFoundry's collector {when} "
            f"({_by_reason(failed)})"
        )
    elif exported:
        yield f"{count_text(exported, 'span')} reached TrueFoundry's collector {when} and none failed, so the gateway can send to it"
    if dropped:
        off = "; tracing is off for them" if _SWITCHED_OFF in dropped else ""
        were = count_text(dropped.total(), "span was", "spans were")
        yield f"{were} dropped before export {when} ({_by_reason(dropped)}{off})"


def _of_one_process(one: SpanCounters, other: SpanCounters) -> bool:
    """Whether one process counted both. A Collector shows how long it has been running, so its start is known to about a second."""
    if CountedBy.COLLECTOR not in (one.by, other.by) or one.started_at is None or other.started_at is None:
        return one.started_at == other.started_at
    return abs(one.started_at - other.started_at) < _ABOUT_A_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorFlow:
    """What became of the spans of a Collector between two readings, by the names of its components.

    `stuck` are the exporters that failed and sent nothing: of those one knows that what is to go there does not arrive.
    """

    accepted: Counter[str]
    refused: Counter[str]
    dropped: Counter[str]
    sent: Counter[str]
    failed: Counter[str]
    queued: Mapping[str, tuple[int, int]]

    @property
    def stuck(self) -> frozenset[str]:
        """The exporters that failed and sent nothing."""
        return frozenset(self.failed.keys() - self.sent.keys())

    @property
    def idle(self) -> bool:
        """Whether nothing has reached it."""
        return not self.accepted and not self.refused


def collector_flow(pipeline_counters: PipelineCounters) -> CollectorFlow | None:
    """What became of its spans recently; None where there is nothing to compare."""
    compared = () if pipeline_counters.problem else _comparable(pipeline_counters.readings)
    return _flow(compared) if len(compared) > 1 else None


def _flow(readings: tuple[SpanCounters, ...]) -> CollectorFlow:
    return CollectorFlow(
        accepted=_increase([reading.accepted for reading in readings]),
        refused=_increase([reading.refused for reading in readings]),
        # What a processor still holds is in the difference that this comes from, too, and goes out later: it may fall.
        dropped=Counter(readings[-1].dropped) - Counter(readings[0].dropped),
        sent=_increase([reading.sent for reading in readings]),
        failed=_increase([reading.failed for reading in readings]),
        queued=readings[-1].queued,
    )


def _of_the_collector(readings: tuple[SpanCounters, ...]) -> Iterator[str]:
    flow, when = _flow(readings), f"since {moment_text(readings[0].at)}"
    if flow.idle:
        yield f"no span has reached it {when}"
    if flow.refused:
        were = count_text(flow.refused.total(), "span was", "spans were")
        yield f"{were} refused {when} ({_by_reason(flow.refused)}), as by its memory limiter or a full queue"
    if flow.dropped:
        were = count_text(flow.dropped.total(), "span was", "spans were")
        yield f"{were} dropped by its processors {when} ({_by_reason(flow.dropped)})"
    if flow.failed:
        were = count_text(flow.failed.total(), "span was", "spans were")
        yield f"{were} not delivered by its exporters {when} ({_by_reason(flow.failed)})"
    elif flow.sent:
        were = count_text(flow.sent.total(), "span was", "spans were")
        yield f"{were} delivered {when} ({_by_reason(flow.sent)}) and none failed"
    for exporter, (size, capacity) in sorted(flow.queued.items()):
        if size:
            yield f"{size} of at most {capacity} wait in the queue of {exporter}"


def _increase(counts: list[Mapping[str, int]]) -> Counter[str]:
    """What has been added between the first and the last, by reason."""
    added = Counter[str]()
    for before, after in pairwise(counts):
        for reason, count in after.items():
            added[reason] += _added(before.get(reason, 0), count)
    return +added


def _added(before: int, now: int) -> int:
    return now - before if now >= before else now


def _by_reason(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count}" for reason, count in ordered)
