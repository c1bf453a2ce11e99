"""The gateway's own counters of spans on their way to TrueFoundry's collector: evidence, never a verdict.

Counters and their reasons: https://github.com/truefoundry/infra-charts, `charts/tfy-grafana/dashboards/llm-gateway-metrics.json`.
They say nothing of the way from the collector to the trace backend. A counter says something only beside an earlier one of the same
process; one that has gone back was begun anew (https://prometheus.io/docs/concepts/metric_types/#counter).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from monitor.core.model import ForeignInstant, Instant, Seconds
from monitor.core.text import count_text, moment_text

REMEMBERED = 12
"""So many readings are kept: of a gateway with several processes behind one address each may be another's."""

WINDOW: Seconds = 900.0
"""How far back a comparison goes where there are readings; else as far as the last one."""

_SAYS = "the gateway's own metrics"
_SWITCHED_OFF = "should_trace_false"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanCounters:
    """One reading: requests and spans since the process began, all tenants together. `failed` and `dropped` by reason.

    `started_at` tells processes apart; None: not shown, like `requests`.
    """

    at: Instant = 0.0
    started_at: ForeignInstant | None = None
    requests: int | None = None
    exported: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineCounters:
    """What is remembered of the counters: the newest readings, the newest last, and why the last look saw none."""

    readings: tuple[SpanCounters, ...] = ()
    problem: str = ""


def add_reading(pipeline_counters: PipelineCounters, reading: SpanCounters) -> PipelineCounters:
    """Remember one more."""
    return PipelineCounters(readings=(*pipeline_counters.readings, reading)[-REMEMBERED:])


def say_counters(pipeline_counters: PipelineCounters) -> tuple[str, ...]:
    """What the counters say; nothing where there is nothing to compare."""
    if pipeline_counters.problem:
        return (f"{_SAYS} could not be read: {pipeline_counters.problem}",)
    return tuple(_sentences(_comparable(pipeline_counters.readings)))


def loses_spans(pipeline_counters: PipelineCounters) -> bool:
    """Whether the gateway has recently failed to hand spans to the collector."""
    return not pipeline_counters.problem and bool(
        _increase([reading.failed for reading in _comparable(pipeline_counters.readings)])
    )


def _comparable(readings: tuple[SpanCounters, ...]) -> tuple[SpanCounters, ...]:
    """The readings of the process that was read last, as far back as is of interest; one that has begun since began at nothing."""
    if len(readings) < 2:  # noqa: PLR2004 - a comparison needs two
        return ()
    newest, before = readings[-1], readings[-2]
    same = [reading for reading in readings if reading.started_at == newest.started_at]
    if len(same) == 1 and newest.started_at is not None and newest.started_at > before.at:
        return SpanCounters(at=newest.started_at, started_at=newest.started_at), newest
    recent = [reading for reading in same if newest.at - reading.at <= WINDOW]
    return tuple(recent if len(recent) > 1 else same[-2:])


def _sentences(readings: tuple[SpanCounters, ...]) -> Iterator[str]:
    if len(readings) < 2:  # noqa: PLR2004 - as above
        return
    failed = _increase([reading.failed for reading in readings])
    dropped = _increase([reading.dropped for reading in readings])
    exported = sum(_added(one.exported, following.exported) for one, following in pairwise(readings))
    when = f"since {moment_text(readings[0].at)}"
    if failed:
        lost = failed.total()
        yield (
            f"{_SAYS}: {lost} of {count_text(lost + exported, 'span')} did not reach TrueFoundry's collector {when} "
            f"({_by_reason(failed)})"
        )
    elif exported:
        yield f"{_SAYS}: {count_text(exported, 'span')} reached TrueFoundry's collector {when} and none failed, so that hop works"
    if dropped:
        off = "; tracing is off for them" if _SWITCHED_OFF in dropped else ""
        were = count_text(dropped.total(), "span was", "spans were")
        yield f"{_SAYS}: {were} dropped before export {when} ({_by_reason(dropped)}{off})"


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
