"""How long it takes until somebody is called, at the defaults and at the worst moment: the table that is promised."""

import pytest

from monitor.core.model import CheckName
from monitor.sandbox import Dialect
from tests.scenarios.house import MINUTE, House, house

STOPS_EXPORT = (
    "exporter_disabled",
    "config_drift",
    "config_drift_encoding",
    "config_drift_key",
)
PHASES = (0.001, 0.33, 0.66, 0.999)
"""How much of the interval has passed since the last look."""


async def just_after(home: House, check: CheckName, phase: float, every: float) -> None:
    """Wait for a moment between two looks of a check."""
    await home.settle_in()
    await home.until_looked(check)
    await home.advance(phase * every)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("broken", STOPS_EXPORT)
async def test_a_parsed_change_that_stops_the_export(broken: str, phase: float) -> None:
    """75 s: one look is conclusive."""
    async with house() as home:
        await just_after(home, CheckName.CONFIG, phase, 60)
        await home.break_(broken)
        await home.until_called(limit=75)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("form", ["404", "200-null"])
async def test_a_configuration_that_is_gone(form: str, phase: float) -> None:
    """90 s: two looks, the second a little sooner."""
    async with house(Dialect().vary({"off": form})) as home:
        await just_after(home, CheckName.CONFIG, phase, 60)
        await home.break_("exporter_disabled")
        await home.until_called(limit=90)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("broken", "limit"), [("gateway_unreachable", 25), ("gateway_unreachable_black_hole", 35)], ids=str
)
async def test_a_gateway_that_does_not_answer(broken: str, limit: float, phase: float) -> None:
    """25 s where nobody listens, 35 s where nobody answers."""
    async with house() as home:
        await just_after(home, CheckName.GATEWAY, phase, 15)
        await home.break_(broken)
        await home.until_called(limit=limit)


@pytest.mark.parametrize("phase", PHASES)
async def test_an_export_that_stops_without_a_word(phase: float) -> None:
    """11 min: the next canary and its successor are awaited to their deadline."""
    async with house() as home:
        await home.settle_in()
        await home.until_sent()
        await home.advance(phase * 300)
        await home.break_("export_failing")
        await home.until_called(limit=11 * MINUTE)


@pytest.mark.parametrize("phase", PHASES[:2])
@pytest.mark.parametrize("broken", ["ingest_failing", "ingest_failing_refused", "ingest_failing_silent"])
async def test_traceloop_is_down(broken: str, phase: float) -> None:
    """9 min: a trace that has not come in a minute starts the control span, and two of them settle."""
    async with house() as home:
        await home.settle_in()
        await home.until_sent()
        await home.advance(3 + phase * 300)
        await home.break_(broken)
        await home.until_called(limit=9 * MINUTE)
