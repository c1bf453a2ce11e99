"""The geometry of the pictures: the strip of canaries, the arrival latencies, the path. The templates hold the SVG."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from monitor.core.incident import Hop, HopState
from monitor.core.model import Instant, Seconds
from monitor.core.state import DAY, ArrivalPolicy
from monitor.core.text import count_text
from monitor.web.day import Dot, Kind, percentile
from monitor.web.texts import seconds_text, time_text

# A strip and a sparkline are 1440 wide in the templates: one unit is a minute, whatever it is stretched to.
HEIGHTS: Mapping[Kind, int] = {
    Kind.ARRIVED: 13,
    Kind.LATE: 17,
    Kind.INCOMPLETE: 9,
    Kind.MISSING: 20,
    Kind.UNKNOWN: 5,
    Kind.AWAITED: 2,
}
"""Of each mark, of 20: so that they differ without colour."""

_WORST_FIRST = (Kind.MISSING, Kind.INCOMPLETE, Kind.LATE, Kind.UNKNOWN, Kind.AWAITED, Kind.ARRIVED)
_QUARTER: Seconds = 900.0
_LISTED = 40
_NAMED = 4
_CROWDED = 300
SPARK_HEIGHT = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One mark of a strip: from where, how wide, how high, what it says when it is pointed at."""

    x: float
    width: float
    kind: Kind
    title: str

    @property
    def height(self) -> int:
        """Of 20."""
        return HEIGHTS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """The canaries of 24 hours. `healthy` is one path of SVG for all marks that need no words; `summary` says it all in words."""

    marks: tuple[Mark, ...]
    healthy: str
    counts: tuple[tuple[Kind, int], ...]
    unusual: tuple[Dot, ...]
    summary: str


def day_strip(dots: tuple[Dot, ...], now: Instant) -> Strip:
    """A mark for each canary."""
    width = 4.0 if len(dots) <= _CROWDED else 2.0
    marks = tuple(Mark(x=_x(one.sent_at, now), width=width, kind=one.kind, title=dot_text(one, now)) for one in dots)
    return _strip(dots, marks, "")


def quarter_strip(dots: tuple[Dot, ...], now: Instant) -> Strip:
    """A mark for each quarter of an hour, by the worst of it: for a page with many targets."""
    begins = math.floor((now - DAY) / _QUARTER) * _QUARTER
    quarters: dict[int, list[Dot]] = {}
    for one in dots:
        quarters.setdefault(int((one.sent_at - begins) // _QUARTER), []).append(one)
    marks, healthy = [], []
    for number, inside in sorted(quarters.items()):
        x, width = max(0.0, _x(begins + number * _QUARTER, now)), _QUARTER / 60 - 2
        worst = next(kind for kind in _WORST_FIRST if any(one.kind is kind for one in inside))
        if worst is Kind.ARRIVED:
            height = HEIGHTS[worst]
            healthy.append(f"M{x:.0f} {20 - height}h{width:.0f}v{height}h-{width:.0f}z")
        else:
            said = [dot_text(one, now) for one in inside if one.kind is not Kind.ARRIVED]
            more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
            marks.append(Mark(x=x, width=width, kind=worst, title="; ".join(said[:_NAMED]) + more))
    return _strip(dots, tuple(marks), "".join(healthy))


def _strip(dots: tuple[Dot, ...], marks: tuple[Mark, ...], healthy: str) -> Strip:
    counted = Counter(one.kind for one in dots)
    counts = tuple((kind, counted[kind]) for kind in Kind if counted[kind])
    unusual = tuple(one for one in dots if one.kind not in (Kind.ARRIVED, Kind.AWAITED))
    said = ", ".join(f"{count} {kind}" for kind, count in counts)
    total = f"{count_text(len(dots), 'canary', 'canaries')} in 24 hours"
    return Strip(
        marks=marks,
        healthy=healthy,
        counts=counts,
        unusual=unusual[-_LISTED:],
        summary=f"{total}: {said}" if dots else "no canary in the last 24 hours",
    )


def dot_text(one: Dot, now: Instant) -> str:
    """`14:05 UTC: arrived after 4.2 s, trace 0af7…`."""
    took = f" after {seconds_text(one.seconds)}" if one.seconds is not None else ""
    note = f" ({one.note})" if one.note else ""
    trace = f", trace {one.trace_id}" if one.trace_id else ""
    return f"{time_text(one.sent_at, now)}: {one.kind}{took}{note}{trace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A level of a sparkline, with its label."""

    y: float
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """How long traces took to arrive. `points` is one polyline per unbroken run of arrivals."""

    points: tuple[str, ...]
    p50: Seconds
    p95: Seconds
    newest: Seconds
    levels: tuple[Line, ...]
    limits: tuple[Line, ...]


def sparkline(dots: Iterable[Dot], limits: ArrivalPolicy | None, now: Instant) -> Spark | None:
    """The arrivals on a logarithmic scale, with the limits drawn in; None where nothing arrived."""
    known = [(one, one.seconds) for one in dots if one.seconds is not None]
    if not known:
        return None
    took = [seconds for _, seconds in known]
    p50, p95 = percentile(took, 0.5) or 0.0, percentile(took, 0.95) or 0.0
    bounds = () if limits is None else (("late", limits.late_after), ("missing", limits.missing_after))
    highest = max([*took, *(after for _, after in bounds), 10.0])

    def y(seconds: Seconds) -> float:
        return round(SPARK_HEIGHT - 4 - math.log1p(max(0.0, seconds)) / math.log1p(highest) * (SPARK_HEIGHT - 10), 1)

    runs: list[list[str]] = [[]]
    before: Dot | None = None
    for one, seconds in known:
        if before is not None and one.sent_at - before.sent_at > 2 * _QUARTER:
            runs.append([])
        runs[-1].append(f"{_x(one.sent_at, now):.0f},{y(seconds):g}")
        before = one
    return Spark(
        points=tuple(" ".join(run if len(run) > 1 else [run[0], run[0]]) for run in runs),
        p50=p50,
        p95=p95,
        newest=took[-1],
        levels=(Line(y=y(p50), name="p50", text=seconds_text(p50)), Line(y=y(p95), name="p95", text=seconds_text(p95))),
        limits=tuple(Line(y=y(after), name=name, text=seconds_text(after)) for name, after in bounds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What joins two hops: as the hops are."""

    x1: float
    x2: float
    state: HopState


def edges(hops: tuple[Hop, ...]) -> tuple[Edge, ...]:
    """Between each two hops, in percent of the width: broken into a broken hop, ok where both are."""
    step = 100 / len(hops)
    found = []
    for number, (one, other) in enumerate(pairwise(hops)):
        states = {one.state, other.state}
        state = (
            HopState.OK
            if states == {HopState.OK}
            else HopState.BROKEN
            if other.state is HopState.BROKEN
            else HopState.UNKNOWN
        )
        found.append(Edge(x1=(number + 0.5) * step, x2=(number + 1.5) * step, state=state))
    return tuple(found)


def path_summary(hops: tuple[Hop, ...]) -> str:
    """The path in words, for those who do not see it."""
    return ", ".join(f"{hop.label} {hop.state}" for hop in hops)


def _x(at: Instant, now: Instant) -> float:
    return round((at - (now - DAY)) / 60, 1)
