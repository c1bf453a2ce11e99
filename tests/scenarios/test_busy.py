"""The environment is everybody's: what is said of our own traces does not depend on how many others there are."""

import pytest

from monitor.core.model import CheckName, Fault, Verdict
from monitor.sandbox import FAULTS, Traffic, Variant
from tests.sampling import sample
from tests.scenarios.house import HOUR, MINUTE, house
from tools.diagnosis_matrix import BUSY, diagnose_fault

HUGE = Traffic(requests_per_second=200, spans=3, span_bytes=50_000)
BY_FILTER = {"trace_route": "404"}
NAMELESS = {"feedback": "absent"}
OF_TRACES = (
    "export_failing",
    "trace_not_created",
    "ingest_failing",
    "content_leaked",
    "content_missing",
    "trace_incomplete",
    "trace_mislabelled",
    "trace_late",
)
"""What is only seen in the traces that arrive, or do not."""


@pytest.mark.parametrize("words", sample([{**BY_FILTER, **NAMELESS}, {}, BY_FILTER, NAMELESS], every=4), ids=str)
@pytest.mark.parametrize("traffic", sample([BUSY, HUGE], every=2), ids=["20/s", "200/s"])
async def test_a_healthy_pipeline_is_healthy_however_busy_it_is(words: dict[str, str], traffic: Traffic) -> None:
    """Every canary is seen and judged, nothing is reported; also where the quick route is closed and no trace is named."""
    async with house(Variant().vary(words), traffic=traffic) as home:
        await home.advance(0.5 * HOUR)
        assert home.incidents == []
        assert set(home.outcomes) == {"arrived"}
        results = [home.state.check_state(check).result for check in set(CheckName) - {CheckName.VOLUME}]
        assert {result.verdict for result in results if result is not None} == {Verdict.PASS}
        assert None not in results
        assert all(canary.labels is not None for canary in home.state.canaries if canary.outcome is not None)


@pytest.mark.parametrize("words", sample([{**BY_FILTER, **NAMELESS}, BY_FILTER, NAMELESS], every=3), ids=str)
@pytest.mark.parametrize("name", sample(OF_TRACES, every=8))
@pytest.mark.thorough
async def test_what_is_broken_has_its_name_in_a_busy_environment(name: str, words: dict[str, str]) -> None:
    """By filters alone, and without an id: then TrueFoundry's own store is asked by the nonce, too."""
    assert await diagnose_fault(name, traffic=BUSY, words=words) in {str(fault) for fault in FAULTS[name].named}


@pytest.mark.thorough
@pytest.mark.parametrize("filters", ["trace-id", "ignored", "silent", "refused"])
async def test_whichever_filters_are_honoured_a_loss_is_noticed(filters: str) -> None:
    """Where none is, the seconds of a canary are few enough to be read at 20 requests a second of 8 kB."""
    words = {"filters": filters, **BY_FILTER}
    assert await diagnose_fault("export_failing", traffic=BUSY, words=words) == Fault.EXPORT_FAILING


@pytest.mark.thorough
async def test_where_no_filter_is_honoured_and_all_is_too_much_the_monitor_is_blind_and_says_why() -> None:
    """At 200 requests a second of 50 kB no window can be read: that is nobody's fault, and there is something to do."""
    async with house(Variant().vary({"filters": "ignored", **BY_FILTER}), traffic=HUGE) as home:
        await home.advance(30 * MINUTE)
        assert {fault for _, fault in home.story} == {"blind"}
        assert "Too many spans to read" in home.roots[0].text
        assert "model alias" in home.roots[0].text


async def test_what_cannot_be_judged_is_shown_and_is_no_unknown_arrival() -> None:
    """The quick route shows that the trace is there; what it carries nobody could read."""
    async with house(Variant().vary({"filters": "ignored"}), traffic=HUGE) as home:
        await home.until(lambda: any(canary.not_judged for canary in home.state.canaries))
        assert home.incidents == []
        assert set(home.outcomes) == {"arrived"}
        described = home.daemon.report()["targets"]["demo"]
        assert "too many spans" in described["checks"]["arrival"]["evidence"]["not_judged"]
        assert any(
            caveat.startswith("labels and content of the newest trace were not checked: ")
            for caveat in described["caveats"]
        )
        page, _ = home.metrics.render("", home.view())
        assert b'trace_monitor_labels_judged{target="demo"} 0.0' in page


@pytest.mark.thorough
async def test_two_monitors_on_one_environment_do_not_mistake_each_others_canaries() -> None:
    """Two targets with one gateway and one key: each loses and finds its own."""
    async with house(Variant().vary(NAMELESS), traffic=BUSY, twins=("twin",)) as home:
        await home.advance(20 * MINUTE)
        found = {
            str(target_store.state.target): {
                canary.trace_id for canary in target_store.state.canaries if canary.outcome
            }
            for target_store in home.daemon.target_stores
        }
        assert all(found.values())
        assert not found["demo"] & found["twin"]
        assert home.incidents == []
