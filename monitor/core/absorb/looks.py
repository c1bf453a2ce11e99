"""Fold what a check reports: config, gateway, and what every other check reports through them."""

from collections.abc import Mapping
from dataclasses import replace

from monitor.core import trend
from monitor.core.drift import remember
from monitor.core.events import Checked, Event
from monitor.core.faults import FAULTS
from monitor.core.inputs import Observation
from monitor.core.model import CheckName, Finding, Instant, Seconds
from monitor.core.state import Policy, TargetState

Absorbed = tuple[TargetState, tuple[Event, ...]]


def fold_look(
    state: TargetState, check: CheckName, finding: Finding, at: Instant, took: Seconds, policy: Policy, now: Instant
) -> Absorbed:
    """Debounce one finding of one check; what comes late from a check that has been switched off is nobody's."""
    if not policy.enabled(check):
        return state, ()
    cadence = policy.cadences[check]
    folded = trend.fold(
        state.trend(check),
        finding,
        at=at,
        took=took,
        cadence=cadence,
        policy=policy,
        now=now,
        explained=any(FAULTS[fault].prevents_traces for fault in state.confirmed),
    )
    return replace(state, trends={**state.trends, check: folded}), (report(state, check, finding, at, took),)


def report(state: TargetState, check: CheckName, finding: Finding, at: Instant, took: Seconds) -> Checked:
    """What the listeners hear of a look."""
    return Checked(
        target=state.target,
        check=check,
        at=at,
        took=took,
        verdict=finding.verdict,
        summary=finding.summary,
        fault=finding.fault,
        blindness=finding.blindness,
        evidence=finding.evidence,
        charges=finding.charges,
        conclusive=finding.conclusive,
        permanent=finding.permanent,
    )


def observe(state: TargetState, seen: Observation, policy: Policy, now: Instant) -> Absorbed:
    """Fold what a check reports, and remember what it read."""
    after = replace(state, phases=seen.phases or state.phases, certificates=certify(state, seen.certificate))
    if seen.config is not None:
        memory = remember(after.config, seen.config, now)
        after = replace(after, config=replace(memory, credential=policy.credential, read_at=seen.at))
    folded, events = fold_look(after, seen.check, seen.finding, seen.at, seen.took, policy, now)
    return folded, tuple(_with_config(event, state, seen) for event in events)


def _with_config(event: Event, state: TargetState, seen: Observation) -> Event:
    """The configuration belongs to the history where it is not what was read before."""
    known = state.config.seen if state.config is not None else None
    return replace(event, config=seen.config) if isinstance(event, Checked) and seen.config != known else event


def certify(state: TargetState, certificate: tuple[str, Instant] | None) -> Mapping[str, Instant]:
    """Remember when the certificate of an endpoint expires."""
    return state.certificates if certificate is None else {**state.certificates, certificate[0]: certificate[1]}
