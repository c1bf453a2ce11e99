"""Fold what is seen beside the checks: evidence for the diagnosis, and no verdict of its own."""

from dataclasses import replace

from monitor.core.gateway_policies import SwitchMemory
from monitor.core.inputs import HopLooked, SwitchesLooked
from monitor.core.pipeline_counters import add_reading
from monitor.core.state import TargetState


def look_at_switches(state: TargetState, given: SwitchesLooked) -> TargetState:
    """Remember what could be read; what is hidden from us now is forgotten, what could not be asked stays as it was."""
    kept = {kind: memory for kind, memory in state.switches.items() if kind not in given.hidden}
    fresh = {seen.kind: SwitchMemory(seen=seen, at=given.at) for seen in given.seen}
    return replace(state, switches={**kept, **fresh}, switches_looked_at=given.at)


def look_at_hop(state: TargetState, given: HopLooked) -> TargetState:
    """Remember one more reading of the gateway's counters, or why there was none."""
    looked = replace(state, hop_looked_at=given.at)
    if given.counters is None:
        return replace(looked, hop=replace(state.hop, problem=given.problem))
    return replace(looked, hop=add_reading(state.hop, given.counters))
