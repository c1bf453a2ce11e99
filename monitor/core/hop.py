"""The hop from the gateway to TrueFoundry's collector, by the gateway's own counters of spans: evidence, never a verdict.

Counters and their reasons: https://github.com/truefoundry/infra-charts, `charts/tfy-grafana/dashboards/llm-gateway-metrics.json`.
They say nothing of the hop from the collector to Traceloop. A counter says something only beside an earlier one of the same
process; one that has gone back was begun anew (https://prometheus.io/docs/concepts/metric_types/#counter).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from monitor.core.model import ForeignInstant, Instant, Seconds
from monitor.core.moments import moment_text

REMEMBERED = 12
"""So many readings are kept: of a gateway with several processes behind one address each may be another's."""

WINDOW: Seconds = 900.0
"""How far back a comparison goes where there are readings; else as far as the last one."""

_SAYS = "the gateway's own metrics"
_SWITCHED_OFF = "should_trace_false"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanCounters:
    """One reading: spans since the process began, all tenants together. `failed` and `dropped` by reason.

    `started_at` tells processes apart; None: not shown.
    """

    at: Instant = 0.0
    started_at: ForeignInstant | None = None
    exported: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What is remembered of the counters: the newest readings, the newest last, and why the last look saw none."""

    readings: tuple[SpanCounters, ...] = ()
    problem: str = ""


def add_reading(hop: Hop, reading: SpanCounters) -> Hop:
    """Remember one more."""
    return Hop(readings=(*hop.readings, reading)[-REMEMBERED:])


def say_hop(hop: Hop) -> tuple[str, ...]:
    """What the counters say of the hop; nothing where there is nothing to compare."""
    if hop.problem:
        return (f"{_SAYS} could not be read: {hop.problem}",)
    compared = _comparable(hop.readings)
    if len(compared) < 2:  # noqa: PLR2004 - a comparison needs two
        return ()
    return tuple(_sentences(_increase(compared), compared[0].at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Increase:
    """What has been added between the first and the last of some readings."""

    exported: int
    failed: Mapping[str, int]
    dropped: Mapping[str, int]


def _comparable(readings: tuple[SpanCounters, ...]) -> tuple[SpanCounters, ...]:
    """The readings of the process that was read last, as far back as is of interest; one that has begun since began at nothing."""
    if len(readings) < 2:  # noqa: PLR2004 - as above
        return ()
    newest, before = readings[-1], readings[-2]
    same = [reading for reading in readings if reading.started_at == newest.started_at]
    if len(same) == 1 and newest.started_at is not None and newest.started_at > before.at:
        return SpanCounters(at=newest.started_at, started_at=newest.started_at), newest
    recent = [reading for reading in same if newest.at - reading.at <= WINDOW]
    return tuple(recent if len(recent) > 1 else same[-2:])


def _increase(readings: tuple[SpanCounters, ...]) -> Increase:
    exported, failed, dropped = 0, Counter[str](), Counter[str]()
    for one, next_ in pairwise(readings):
        exported += _added(one.exported, next_.exported)
        for reason, count in next_.failed.items():
            failed[reason] += _added(one.failed.get(reason, 0), count)
        for reason, count in next_.dropped.items():
            dropped[reason] += _added(one.dropped.get(reason, 0), count)
    return Increase(exported=exported, failed=+failed, dropped=+dropped)


def _added(before: int, now: int) -> int:
    return now - before if now >= before else now


def _sentences(found: Increase, since: Instant) -> Iterator[str]:
    when = f"since {moment_text(since)}"
    lost = sum(found.failed.values())
    if lost:
        everything = lost + found.exported
        yield f"{_SAYS}: {lost} of {everything} span(s) did not get to TrueFoundry's collector {when} ({_by_reason(found.failed)})"
    elif found.exported:
        yield f"{_SAYS}: {found.exported} span(s) got to TrueFoundry's collector {when}, none failed: that hop works"
    if found.dropped:
        off = "; tracing is off for them" if _SWITCHED_OFF in found.dropped else ""
        total = sum(found.dropped.values())
        yield f"{_SAYS}: {total} span(s) were dropped before their export {when} ({_by_reason(found.dropped)}{off})"


def _by_reason(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {count}" for reason, count in ordered)


def loses_spans(hop: Hop) -> bool:
    """Whether the gateway has lately failed to hand spans to the collector."""
    compared = _comparable(hop.readings) if not hop.problem else ()
    return bool(_increase(compared).failed)
