"""What each confirmed fault weighs: its name, its severity, what it explains, why we think so, and what to do next.

The table of faults says how; the operator has the last word on severity.
"""

from dataclasses import dataclass

from monitor.core.circumstances import clues, step
from monitor.core.faults import ORDER, Case, rule_of
from monitor.core.model import Charge, Fault, Instant, Severity
from monitor.core.state import Active, Policy, TargetState


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """A confirmed fault as the diagnosis sees it: named by its rule, weighed by evidence and policy."""

    fault: Fault
    severity: Severity
    charge: Charge
    active: Active
    explains: frozenset[Fault]
    summary: str
    because: tuple[str, ...]
    advice: str
    mended: bool


def weigh(state: TargetState, policy: Policy, now: Instant) -> tuple[Confirmed, ...]:
    """Every confirmed fault under its final name and severity, those below the policy's notice left out."""
    cases = (Case(active=active, state=state, policy=policy, now=now) for active in state.confirmed.values())
    found = [one for one in map(_weigh_one, cases) if one.severity is not Severity.NONE]
    return tuple(sorted(found, key=lambda one: ORDER[one.fault]))


def named(state: TargetState, policy: Policy, now: Instant) -> dict[Fault, Active]:
    """Every confirmed fault under the name that its rule gives it."""
    cases = (Case(active=active, state=state, policy=policy, now=now) for active in state.confirmed.values())
    return {rule_of(case).fault: case.active for case in cases}


def _weigh_one(case: Case) -> Confirmed:
    rule, charge, policy = rule_of(case), case.charge, case.policy
    weight = rule.weigh(case)
    said = weight.said or charge.summary
    because = (said, *charge.facts, *weight.remarks, *clues(rule.fault, case.state, policy, case.now))
    severity = next(one for one in (weight.severity, charge.severity, rule.severity) if one is not None)
    return Confirmed(
        fault=rule.fault,
        severity=min(policy.severity.get(rule.fault, severity), policy.max_severity),
        charge=charge,
        active=case.active,
        explains=rule.explains if weight.explains is None else weight.explains,
        summary=f"{weight.meaning or rule.meaning}: {said}",
        because=tuple(dict.fromkeys(because)),
        advice=step(rule.fault, case.state, policy, case.now) or weight.step or charge.step or rule.advice,
        mended=weight.mended,
    )
