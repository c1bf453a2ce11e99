"""Whole stories, from the first cause to the resolve, as Slack was told them."""

import json

import pytest

from monitor.core.incident import Reason
from monitor.core.model import Component, Fault, Severity
from monitor.sandbox import FAULTS
from tests.scenarios.house import MENTION, house

WARM_UP = 400.0

STORIES: tuple[tuple[str, Fault, float, float], ...] = (
    # sandbox fault, its name, told within (seconds, contract), resolved within after the mend
    ("gateway_unreachable", Fault.GATEWAY_UNREACHABLE, 25, 60),
    ("gateway_unreachable_black_hole", Fault.GATEWAY_UNREACHABLE, 35, 60),
    ("gateway_refused", Fault.GATEWAY_REFUSED, 480, 200),
    ("canary_rejected", Fault.CANARY_REJECTED, 480, 200),
    ("provider_failing", Fault.PROVIDER_FAILING, 480, 200),
    ("exporter_disabled", Fault.EXPORTER_DISABLED, 75, 480),
    ("config_drift", Fault.CONFIG_DRIFT, 75, 480),
    ("config_drift_key", Fault.CONFIG_DRIFT, 75, 480),
    ("content_leaked", Fault.CONTENT_LEAKED, 400, 400),
    ("trace_mislabelled", Fault.TRACE_MISLABELLED, 700, 400),
    ("key_rejected", Fault.KEY_REJECTED, 400, 480),
    ("ingest_failing_500", Fault.INGEST_FAILING, 540, 480),
    ("trace_not_created", Fault.TRACE_NOT_CREATED, 720, 400),
    ("export_failing", Fault.EXPORT_FAILING, 720, 400),
)


@pytest.mark.parametrize(
    ("broken", "named", "told_within", "resolved_within"), STORIES, ids=[story[0] for story in STORIES]
)
async def test_a_fault_is_named_told_and_resolved(
    broken: str, named: Fault, told_within: float, resolved_within: float
) -> None:
    """The right name within its time, one root that is edited to `resolved`, no mention but for the critical."""
    assert named in FAULTS[broken].named
    async with house() as home:
        await home.advance(WARM_UP)
        broken_at = await home.break_(broken)
        await home.until(lambda: home.incident is not None and home.incident.diagnosis.fault is named, told_within)
        await home.advance(2)
        incident = home.incident
        assert incident is not None
        assert incident.diagnosis.fault is named
        critical = incident.diagnosis.severity is Severity.CRITICAL
        assert bool(home.mentions()) is critical
        assert all(moment - broken_at <= told_within for moment in home.mentions())
        roots = home.roots
        assert len(roots) == 1
        assert str(named) in roots[0].text.splitlines()[0]
        await home.mend()
        await home.until(lambda: home.incident is None, resolved_within)
        await home.advance(5)
        assert home.incidents[-1].reason is Reason.RESOLVED
        assert [root.ts for root in home.roots] == [roots[0].ts]
        assert "resolved" in home.roots[0].text
        assert MENTION not in home.roots[0].text + json.dumps(home.roots[0].blocks)


async def test_the_exporter_is_switched_off_and_on_again() -> None:
    """One parsed look tells exporter_disabled with who did it; restored, it waits for traces and resolves in the same thread."""
    async with house() as home:
        await home.advance(WARM_UP)
        await home.break_("exporter_disabled")
        await home.advance(75)
        incident = home.incident
        assert incident is not None
        assert incident.diagnosis.component is Component.CONFIG
        assert any("sam@example.com" in line for line in incident.diagnosis.because)
        await home.mend()
        await home.advance(30)
        waiting = home.incident
        assert waiting is not None
        assert "waiting for traces" in (waiting.diagnosis.waiting or "")
        await home.advance(500)
        assert home.incident is None
        assert {event.fault for event in home.incidents} == {Fault.EXPORTER_DISABLED}
        assert len(home.roots) == 1


async def test_slack_is_down_while_something_is_broken() -> None:
    """What could not be told is told when Slack answers: one message that says both."""
    async with house() as home:
        await home.advance(WARM_UP)
        await home.break_("slack_failing")
        await home.break_("gateway_unreachable")
        await home.advance(60)
        await home.mend("gateway_unreachable")
        await home.advance(60)
        assert home.told == []
        await home.mend("slack_failing")
        await home.advance(30)
        assert len(home.told) == 1
        assert "gateway_unreachable" in home.told[0]
        assert "resolved" in home.told[0]
        assert home.mentions() == []
