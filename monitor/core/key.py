"""Whose key is wrong: what a 401 of a documented route of Traceloop says of the gateway, and what it says of us.

A rotation looks the same from here whichever side got the new key first: the gateway carries another key, and ours is refused.
"""

from dataclasses import replace

from monitor.core.drift import AUTHORIZATION
from monitor.core.model import Charge, Fault
from monitor.core.secret import Oddity, Secret
from monitor.core.state import TargetState, Trend


def key_is_refused(state: TargetState) -> bool:
    """Whether the newest answer of a documented route of Traceloop was a 401 to our key."""
    if state.key_refused_at is None:
        return False
    return state.key_accepted_at is None or state.key_refused_at > state.key_accepted_at


def judge_refused_key(state: TargetState, where: str) -> Charge | None:
    """What a 401 of a documented route means; None when our own key is the outdated one, so that nothing can be said.

    Conclusive only if the gateway's header was read literally and holds the same key.
    """
    header = _gateway_header(state)
    if header is not None and header.another_key:
        return None
    same = header is not None and (header.equal is True or Oddity.OTHER_FORM in header.oddities)
    text = (
        "the gateway's exporter carries the same key"
        if same
        else "whether the gateway carries the same key cannot be told: the monitor's copy may be the outdated one"
    )
    return Charge(
        fault=Fault.KEY_REJECTED,
        summary=f"{where} answers 401 to the expected key",
        facts=(text,),
        conclusive=same,
        stops_export=True,
    )


def retract_key(state: TargetState) -> TargetState:
    """The gateway has been given another key: what was held against the key that we know is no fault of the gateway's now."""
    header = _gateway_header(state)
    if header is None or not header.another_key:
        return state
    return replace(state, trends={check: _without_key(trend) for check, trend in state.trends.items()})


def _without_key(trend: Trend) -> Trend:
    return replace(
        trend,
        seen_in_row={fault: times for fault, times in trend.seen_in_row.items() if fault is not Fault.KEY_REJECTED},
        confirmed={fault: active for fault, active in trend.confirmed.items() if fault is not Fault.KEY_REJECTED},
    )


def _gateway_header(state: TargetState) -> Secret | None:
    return state.config.seen.config.secrets().get(AUTHORIZATION) if state.config is not None else None
