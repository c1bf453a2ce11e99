"""What a canary may cost. A day is a UTC day; a spent budget is no fault, only a reason not to look."""

from dataclasses import dataclass, replace
from math import ceil

from monitor.core.model import Instant, Seconds

DAY: Seconds = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most canaries and tokens (input and output, by the answers' usage) of one day; the regular cadence in seconds."""

    max_per_day: int = 500
    max_tokens_per_day: int = 50_000
    every: Seconds = 300.0
    tokens_each: int = 16  # `max_tokens`; 0 when it is not sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What has been spent on `day` (days since the epoch, UTC)."""

    day: int = 0
    sent: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of both kinds."""
        return self.input_tokens + self.output_tokens


def today(budget: Budget, now: Instant) -> Budget:
    """The budget of the present day; a clock that jumps back does not refill it."""
    day = int(now // DAY)
    return Budget(day=day) if day > budget.day else budget


def spend(budget: Budget, now: Instant) -> Budget:
    """One canary more, counted before it is sent."""
    present = today(budget, now)
    return replace(present, sent=present.sent + 1)


def use(budget: Budget, now: Instant, *, input_tokens: int, output_tokens: int) -> Budget:
    """The tokens of an answer."""
    present = today(budget, now)
    return replace(
        present,
        input_tokens=present.input_tokens + max(0, input_tokens),
        output_tokens=present.output_tokens + max(0, output_tokens),
    )


def may_send(budget: Budget, limits: Limits, now: Instant, *, fast: bool) -> bool:
    """Whether one more canary is within the budget.

    The fast cadence spends only what the regular one does not need until midnight.
    """
    present = today(budget, now)
    reserve = ceil((DAY - now % DAY) / limits.every) if fast else 0
    tokens_reserve = reserve * limits.tokens_each
    return (
        present.sent + 1 + reserve <= limits.max_per_day and present.tokens + tokens_reserve < limits.max_tokens_per_day
    )


def remaining_ratio(budget: Budget, limits: Limits, now: Instant) -> float:
    """How much of the budget is left: the smaller of both shares, 0 to 1."""
    present = today(budget, now)
    shares = (1 - present.sent / limits.max_per_day, 1 - present.tokens / limits.max_tokens_per_day)
    return max(0.0, min(shares))
