"""Which deadlines suit an arrival time that was measured. Pure.

One measurement is no distribution: so nothing is tightened, and what is too tight is given room.
"""

import math

from monitor.core.model import Seconds
from monitor.core.state import ArrivalPolicy
from monitor.doctor.answer import Suggestion
from monitor.settings.values import format_duration

CACHE: Seconds = 300.0
"""How long the exporter goes by an old configuration (`cache_ttl` in https://github.com/truefoundry/infra-charts)."""

_STEP: Seconds = 30.0
_CLOSER, _LATE, _MISSING = 1.25, 1.5, 2.5
"""How many times the measured time each deadline should leave, at least."""


def suggest_deadlines(policy: ArrivalPolicy, measured: Seconds) -> tuple[Suggestion, ...]:
    """The deadlines that leave too little room for `measured` seconds, each with one that does not."""
    why = f"a trace took {measured:.0f} s"
    wanted = (
        ("look_closer_after", policy.look_closer_after, _CLOSER * measured, why),
        ("late_after", policy.late_after, _LATE * measured, why),
        ("missing_after", policy.missing_after, _MISSING * measured, why),
        ("settle", policy.settle, CACHE + measured, f"the exporter caches its configuration for 5m, and {why}"),
    )
    return tuple(
        Suggestion(setting=f"checks.arrival.{name}", value=format_duration(_rounded(least)), why=reason)
        for name, configured, least, reason in wanted
        if configured < least
    )


def _rounded(seconds: Seconds) -> Seconds:
    return math.ceil(seconds / _STEP) * _STEP
