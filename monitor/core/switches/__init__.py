"""The other switches that make traces vanish: logging, global settings, data routing, and what they mean for our canary.

What they would do to the canary is evidence for a fault that something else has confirmed. What they would do to other
traffic than the canary's is a caveat: something that a canary which is well does not prove.
"""

from monitor.core.switches.meaning import (
    Setting,
    surely_not_logged,
    unproven,
    where_routed,
    why_not_exported,
    why_not_logged,
)
from monitor.core.switches.routing import DEFAULT_DESTINATION, likely_destinations
from monitor.core.switches.rules import (
    ANY,
    Caller,
    Condition,
    LoggingMode,
    Matter,
    Profile,
    SwitchKind,
    SwitchMemory,
    SwitchRule,
    SwitchSeen,
    concerns,
)

__all__ = [
    "ANY",
    "DEFAULT_DESTINATION",
    "Caller",
    "Condition",
    "LoggingMode",
    "Matter",
    "Profile",
    "Setting",
    "SwitchKind",
    "SwitchMemory",
    "SwitchRule",
    "SwitchSeen",
    "concerns",
    "likely_destinations",
    "surely_not_logged",
    "unproven",
    "where_routed",
    "why_not_exported",
    "why_not_logged",
]
