"""Whose key is wrong: what is known of the gateway's key and of ours.

A rotation looks the same from here whichever side got the new key first: the gateway carries another key, and ours is refused.
"""

from dataclasses import replace

from monitor.core.drift import AUTHORIZATION
from monitor.core.model import Fault
from monitor.core.secret import Secret
from monitor.core.state import TargetState, Trend


def key_is_refused(state: TargetState) -> bool:
    """Whether the newest answer of a documented route of Traceloop was a 401 to our key."""
    if state.key_refused_at is None:
        return False
    return state.key_accepted_at is None or state.key_refused_at > state.key_accepted_at


def retract_key(state: TargetState) -> TargetState:
    """The gateway has been given another key: what was held against the key that we know is no fault of the gateway's now."""
    header = gateway_header(state)
    if header is None or not header.another_key:
        return state
    return replace(state, trends={check: _without_key(trend) for check, trend in state.trends.items()})


def _without_key(trend: Trend) -> Trend:
    return replace(
        trend,
        seen_in_row={fault: times for fault, times in trend.seen_in_row.items() if fault is not Fault.KEY_REJECTED},
        confirmed={fault: active for fault, active in trend.confirmed.items() if fault is not Fault.KEY_REJECTED},
    )


def gateway_header(state: TargetState) -> Secret | None:
    """The gateway's Authorization header as it was read last; None while it has not been read."""
    return state.config.seen.config.secrets().get(AUTHORIZATION) if state.config is not None else None
