"""A target of which something is confirmed, and the diagnosis of it."""

from typing import Any

from monitor.core.config_memory import ConfigMemory, ConfigSeen
from monitor.core.diagnosis import diagnose
from monitor.core.drift import ExportConfig, compare
from monitor.core.incident import Diagnosis
from monitor.core.model import CheckName, Suspicion
from monitor.core.state import Active, CheckState, Policy, TargetState
from monitor.core.suspicions import drift
from tests.core.build import CONFIG, HOUR, POLICY, PROD, expectation
from tests.fakes.clock import START

NOW = START + 400.0


def holding(*suspicions: Suspicion, check: CheckName = CONFIG, **more: object) -> TargetState:
    """A target of which all this is confirmed since the start."""
    confirmed = {one.fault: Active(suspicion=one, since=START, confirmed_at=START + 60) for one in suspicions}
    return TargetState(target=PROD, check_states={check: CheckState(confirmed=confirmed)}, **more)  # type: ignore[arg-type]


def drifted(config: ExportConfig, **more: Any) -> TargetState:
    """The configuration differs since the start, as the check of the configuration says it."""
    memory = ConfigMemory(seen=ConfigSeen(config=config), changed_at=START, credential=POLICY.credential)
    return holding(drift(compare(expectation(), config)), config=memory, **more)


def diagnosed(state: TargetState, judge: Policy = POLICY) -> Diagnosis:
    """There must be something wrong."""
    found = diagnose(state, judge, NOW + HOUR)
    assert found is not None
    return found
