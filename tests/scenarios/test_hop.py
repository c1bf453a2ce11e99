"""The gateway's own metrics in the whole daemon: further evidence for the first hop, and never more than that."""

import re

import pytest

from monitor.core.model import Fault
from monitor.sandbox import Variant
from tests.sampling import sample
from tests.scenarios.house import DEMO, HOUR, MINUTE, House, house

F = Fault


async def named(home: House, fault: Fault) -> str:
    """Wait for a fault; why it is said."""
    await home.until(lambda: home.incident is not None and home.incident.diagnosis.fault is fault, 12 * MINUTE)
    await home.advance(2 * MINUTE + 1)
    assert home.incident is not None
    return " ".join(home.incident.diagnosis.because)


@pytest.mark.parametrize("shown", sample(["ai_gateway", "llm_gateway"], every=2))
async def test_spans_that_do_not_get_to_the_collector_are_counted(shown: str) -> None:
    """With the reason, and the hop is where to look."""
    async with house(Variant().vary({"span_metrics": shown})) as home:
        await home.settle_in()
        await home.break_("trace_not_created_collector")
        said = await named(home, F.TRACE_NOT_CREATED)
        assert re.search(r"(\d+) of \1 spans did not reach TrueFoundry's collector since", said)
        assert "(connection_refused" in said
        assert home.incident is not None
        assert home.incident.diagnosis.advice.startswith(
            "Check the connection from the gateway to TrueFoundry's collector"
        )
        await home.fix()
        await home.until_resolved(5 * MINUTE)


async def test_spans_that_are_dropped_are_counted() -> None:
    """Tracing is off, as the gateway says itself."""
    async with house() as home:
        await home.settle_in()
        await home.break_("trace_not_created")
        assert "(should_trace_false" in await named(home, F.TRACE_NOT_CREATED)


@pytest.mark.thorough
async def test_a_hop_that_works_is_said_to_work() -> None:
    """Then the loss is behind it."""
    async with house() as home:
        await home.settle_in()
        await home.break_("export_failing")
        assert "none failed, so the gateway can send to it" in await named(home, F.EXPORT_FAILING)


@pytest.mark.parametrize("breaks", [("gateway_metrics_failing",), pytest.param((), marks=pytest.mark.thorough)])
@pytest.mark.thorough
async def test_metrics_that_cannot_be_read_alarm_nobody(breaks: tuple[str, ...]) -> None:
    """In an incident one sentence says so."""
    words = {} if breaks else {"span_metrics": "absent"}
    async with house(Variant().vary(words)) as home:
        await home.break_(*breaks)
        await home.settle_in()
        await home.advance(HOUR)
        assert (home.notified, home.state.confirmed) == ([], {})
        await home.break_("trace_not_created")
        status = 503 if breaks else 404
        said = await named(home, F.TRACE_NOT_CREATED)
        assert f"The gateway's own metrics could not be read: the gateway's metrics answer HTTP {status}" in said


@pytest.mark.thorough
async def test_without_their_address_they_are_not_asked() -> None:
    """Nor is anything said of them; no token is ever sent to them."""
    async with house() as home:
        await home.settle_in()
        pages = [seen for seen in home.sandbox.world.requests if seen.path == "/metrics"]
        assert pages
        assert not any("authorization" in seen.headers for seen in pages)
    async with house(targets={DEMO: {"gateway": {"metrics_url": None}}}) as home:
        await home.settle_in()
        await home.break_("trace_not_created")
        assert "metrics" not in await named(home, F.TRACE_NOT_CREATED)
        assert not any(seen.path == "/metrics" for seen in home.sandbox.world.requests)


async def test_a_collector_in_the_path_is_shown_and_shares_the_doubt() -> None:
    """What is lost behind TrueFoundry may be lost by the export or by the Collector: neither is called broken in its message."""
    async with house(targets={DEMO: {"path": "collector"}}) as home:
        await home.settle_in()
        await home.break_("export_failing")
        await named(home, F.EXPORT_FAILING)
        (root,) = home.roots
        assert "gateway ✅ → TrueFoundry ✅ → export ❔ → Collector ❔ → Traceloop ✅" in root.text
        await home.fix()
        await home.until_resolved(5 * MINUTE)
