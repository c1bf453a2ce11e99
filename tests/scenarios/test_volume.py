"""The volume check in the whole daemon: a loss among real requests that no canary shows, and what must not look like one."""

from typing import Any

import pytest

from monitor.core.model import CheckName, Fault, Severity, UnknownReason, Verdict
from monitor.sandbox import Traffic, Variant
from tests.scenarios.house import HOUR, MINUTE, House, house

VOLUME = {"enabled": True, "every": "15m", "delay": "10m"}
COUNTED: dict[str, Any] = {"targets": {"demo": {"checks": {"volume": VOLUME}}}}
BUSY = Traffic(2.0)


def said(home: House) -> tuple[Verdict, str]:
    """The newest result of the check."""
    (target_store,) = home.daemon.target_stores
    result = target_store.state.check_state(CheckName.VOLUME).result
    assert result is not None
    return result.verdict, result.summary


async def test_a_loss_that_no_canary_shows_is_reported_and_resolved() -> None:
    """Nine days at zero, and every test succeeds: the canaries arrive here, too, and the real requests do not."""
    async with house(traffic=BUSY, **COUNTED) as home:
        await home.advance(40 * MINUTE)
        verdict, summary = said(home)
        assert verdict is Verdict.PASS
        assert "(100%) have a trace in Traceloop" in summary
        assert home.story == []
        await home.break_("traffic_sampled")
        await home.advance(70 * MINUTE)
        assert [fault for _, fault in home.story] == [Fault.VOLUME_LOSS]
        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        assert diagnosis.severity is Severity.CRITICAL
        assert any("TrueFoundry counts" in reason for reason in diagnosis.because)
        await home.fix()
        await home.until_resolved(2 * HOUR)


async def test_the_gateways_own_counter_does_where_the_control_plane_shows_nothing() -> None:
    """The control plane may hide its metrics; a self-hosted gateway counts for itself."""
    async with house(traffic=BUSY, **COUNTED) as home:
        await home.break_("control_plane_failing")
        await home.advance(70 * MINUTE)
        verdict, summary = said(home)
        assert verdict is Verdict.PASS, summary


async def test_few_requests_say_nothing() -> None:
    """A night without traffic is no loss, and makes nothing unknown that the canaries prove."""
    async with house(**COUNTED) as home:
        await home.break_("traffic_sampled")
        await home.advance(90 * MINUTE)
        assert said(home)[0] is Verdict.UNKNOWN
        assert home.story == []
        (target_store,) = home.daemon.target_stores
        result = target_store.state.check_state(CheckName.VOLUME).result
        assert result is not None
        assert result.unknown_reason is UnknownReason.NOTHING_TO_JUDGE


async def test_the_losses_of_an_incident_are_not_reported_again() -> None:
    """They are windows of the past when it resolves."""
    async with house(traffic=BUSY, **COUNTED) as home:
        await home.advance(40 * MINUTE)
        await home.break_("exporter_disabled")
        await home.break_("traffic_sampled")
        await home.advance(40 * MINUTE)
        await home.fix()
        await home.until_resolved(HOUR)
        await home.advance(90 * MINUTE)
        assert Fault.VOLUME_LOSS not in {fault for _, fault in home.story}


@pytest.mark.parametrize("filters", ["ignored", "silent", "refused"])
async def test_a_count_that_cannot_be_believed_accuses_nobody(filters: str) -> None:
    """Whether a filter is honoured is not documented for every attribute."""
    async with house(Variant().vary({"filters": filters}), traffic=BUSY, **COUNTED) as home:
        await home.break_("traffic_sampled")
        await home.advance(90 * MINUTE)
        assert said(home)[0] is Verdict.UNKNOWN
        assert Fault.VOLUME_LOSS not in {fault for _, fault in home.story}
