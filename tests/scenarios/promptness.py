"""The times that are promised until somebody is called, and how they are measured: at the defaults and at the worst moments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.core.model import CheckName, Seconds
from monitor.sandbox import Variant
from tests.scenarios.house import HOUR, MINUTE, house

EVERY: Mapping[CheckName, Seconds] = {CheckName.CONFIG: 60.0, CheckName.GATEWAY: 15.0, CheckName.CANARY: 300.0}
PHASES = (0.001, 0.33, 0.66, 0.999)
"""How much of an interval has passed since the last look when it breaks: the worst moment is next to one of its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What breaks, by which check it is found, within which time somebody is called, and by which default that holds.

    `answer_time` is what a canary's completion takes; `long_before` is the check that would have helped, had its rare regular
    look been near; `slower` is one default made slower, by which the promise is broken.
    """

    title: str
    found_by: CheckName
    at_most: Seconds
    breaks: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    answer_time: Seconds = 0.0
    long_before: CheckName | None = None
    slower: Mapping[str, Any]


_EXPORT_STOPS = "export stops, seen end to end"
_ONCE_A_REGULAR_CANARY = {"canary": {"every_while_failing": "5m"}}

PROMISES = (
    Promise(
        title="exporter off, endpoint, encoding, key differ (parsed)",
        found_by=CheckName.CONFIG,
        at_most=75,
        breaks=("exporter_disabled", "config_drift", "config_drift_encoding", "config_drift_key"),
        slower={"config": {"every": "90s"}},
    ),
    Promise(
        title="configuration answers 404",
        found_by=CheckName.CONFIG,
        at_most=90,
        breaks=("exporter_disabled",),
        words={"off": "404"},
        slower={"config": {"every_while_failing": "60s"}},
    ),
    Promise(
        title="configuration answers null",
        found_by=CheckName.CONFIG,
        at_most=90,
        breaks=("exporter_disabled",),
        words={"off": "200-null"},
        slower={"config": {"every_while_failing": "60s"}},
    ),
    Promise(
        title="gateway unreachable: refused, reset, an ingress or a proxy answers",
        found_by=CheckName.GATEWAY,
        at_most=25,
        breaks=(
            "gateway_unreachable",
            "gateway_unreachable_reset",
            "gateway_unreachable_ingress",
            "gateway_unreachable_page",
        ),
        slower={"gateway": {"every": "30s"}},
    ),
    Promise(
        title="gateway unreachable: black hole",
        found_by=CheckName.GATEWAY,
        at_most=35,
        breaks=("gateway_unreachable_black_hole",),
        slower={"gateway": {"every": "30s"}},
    ),
    Promise(
        title=_EXPORT_STOPS,
        found_by=CheckName.CANARY,
        at_most=11 * MINUTE,
        breaks=("export_failing", "trace_missing", "trace_not_created"),
        slower=_ONCE_A_REGULAR_CANARY,
    ),
    Promise(
        title=f"{_EXPORT_STOPS}, each canary answered after 30 s",
        found_by=CheckName.CANARY,
        at_most=11 * MINUTE + 2 * 30,
        breaks=("export_failing",),
        answer_time=30,
        slower=_ONCE_A_REGULAR_CANARY,
    ),
    Promise(
        title="Traceloop down",
        found_by=CheckName.CANARY,
        at_most=9 * MINUTE,
        breaks=("ingest_failing", "ingest_failing_refused", "ingest_failing_silent"),
        long_before=CheckName.CONTROL,
        slower={"control": {"every_while_failing": "5m"}},
    ),
)


def cases(promise: Promise) -> Iterator[tuple[str, float]]:
    """What breaks, and when."""
    return ((broken, phase) for broken in promise.breaks for phase in PHASES)


async def measure(promise: Promise, broken: str, phase: float, checks: Mapping[str, Any] | None = None) -> Seconds:
    """From the moment when it breaks until Slack has the message that calls; `checks` are settings other than the defaults."""
    async with house(Variant().vary(promise.words), targets={"demo": {"checks": checks or {}}}) as home:
        home.sandbox.world.latency = promise.answer_time
        await home.settle_in()
        if promise.long_before is not None:
            await home.until_looked(promise.long_before)
        await home.until_looked(promise.found_by)
        last = home.looks(promise.found_by)[-1].at
        leaves = _LEAVES_WITHIN if promise.found_by is CheckName.CANARY else 0.0
        moment = last + max(phase * EVERY[promise.found_by], leaves + promise.answer_time)
        await home.advance(max(0.0, moment - home.clock.now()))
        await home.break_(broken)
        return await home.until_called(limit=HOUR)


_LEAVES_WITHIN = 3.0
"""The exporter waits for two seconds: what it has of the last canary is not lost any more."""
