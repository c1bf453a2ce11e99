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
SPANS_PER_CANARY = 3
"""Request, model, network call: https://www.truefoundry.com/docs/ai-gateway/fetch-request-logs-trace-inspection."""


READS_PER_CANARY = 3
"""Requests by which a trace is looked for and judged once it is known how long one takes; more while something is wrong."""

MIB_PER_LOOK = 8
"""At most so much is read in one look, however busy the environment is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCost:
    """Per day: how many canaries regularly and at most, how many control spans; and how many spans one canary makes."""

    canaries: float
    canaries_at_most: float
    control_spans: float
    spans_per_canary: int

    @property
    def requests(self) -> float:
        """Requests a month at the regular cadence."""
        return self.canaries * DAYS

    @property
    def requests_at_most(self) -> float:
        """Requests a month if every day's budget were spent."""
        return self.canaries_at_most * DAYS

    @property
    def reads(self) -> float:
        """Requests a month to Traceloop's read API, while nothing is wrong."""
        return self.canaries * READS_PER_CANARY * DAYS

    @property
    def spans(self) -> float:
        """Spans a month at the regular cadence."""
        return (self.canaries * self.spans_per_canary + self.control_spans) * DAYS

    @property
    def spans_at_most(self) -> float:
        """Spans a month if every day's budget of canaries were spent."""
        return (self.canaries_at_most * self.spans_per_canary + self.control_spans) * DAYS


def monthly_cost(target: Target) -> MonthlyCost:
    """Count a target's canaries and control spans."""
    canary, control = target.checks.canary, target.checks.control
    return MonthlyCost(
        canaries=DAY / canary.every if canary.enabled else 0,
        canaries_at_most=canary.max_per_day if canary.enabled else 0,
        control_spans=DAY / control.every if control.enabled else 0,
        spans_per_canary=target.checks.arrival.complete_spans or SPANS_PER_CANARY,
    )
