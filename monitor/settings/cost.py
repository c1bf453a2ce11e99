"""What a target costs in a month of 30 days, in the units of the vendors' free plans.

TrueFoundry counts requests (https://www.truefoundry.com/pricing), Traceloop spans (https://www.traceloop.com/pricing).
"""

from dataclasses import dataclass

from monitor.settings.coherence import DAY
from monitor.settings.target import Target

DAYS = 30
FREE_REQUESTS = 50_000
FREE_SPANS = 50_000
FREE_RETENTION = 24 * 3600.0
MIB_PER_LOOK = 8  # at most so much is read in one look, however busy the environment is

# Request, model, network call: https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-trace-inspection.
_SPANS_PER_CANARY = 3
# Requests by which a trace is looked for and judged once it is known how long one takes; more while something is wrong.
READS_PER_CANARY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """Per day: canaries, canaries if the whole budget is spent, control spans. Per month: requests, reads and spans."""

    canaries: float
    canaries_at_most: float
    control_spans: float
    spans_per_canary: int
    requests: float
    requests_at_most: float
    reads: float
    spans: float
    spans_at_most: float


def monthly_cost(target: Target) -> MonthlyCost:
    """Count a target's canaries and control spans. Reads are those of a month in which nothing is wrong."""
    canary, control = target.checks.canary, target.checks.control
    canaries = DAY / canary.every if canary.enabled else 0
    most = canary.max_per_day if canary.enabled else 0
    control_spans = DAY / control.every if control.enabled else 0
    each = target.checks.arrival.complete_spans or _SPANS_PER_CANARY
    return MonthlyCost(
        canaries=canaries,
        canaries_at_most=most,
        control_spans=control_spans,
        spans_per_canary=each,
        requests=canaries * DAYS,
        requests_at_most=most * DAYS,
        reads=canaries * READS_PER_CANARY * DAYS,
        spans=(canaries * each + control_spans) * DAYS,
        spans_at_most=(most * each + control_spans) * DAYS,
    )
