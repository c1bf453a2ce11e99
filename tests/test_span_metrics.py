"""The own metrics pages of a gateway and of a Collector: what is read of them, and what is not believed."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.pipeline_counters import CountedBy, SpanCounters
from monitor.ports import Garbled, Gone, PortError, Refused, Unreachable
from monitor.redaction import Redactor
from monitor.sandbox import Variant
from monitor.span_metrics import SpanMetricsPage
from monitor.truefoundry import TrueFoundryGateway
from tests.core.build import quick
from tests.fakes.clock import START, FakeClock
from tests.fakes.remote import Remote, Reply
from tests.truefoundry.contract import canary
from tests.truefoundry.test_contract import sandboxed

SECRET = "tfy_secretsecret123"
PAGE = """\
# HELP ai_gateway_spans_exported_total Spans by outcome.
# TYPE ai_gateway_spans_exported_total counter
ai_gateway_spans_accepted_total{tenant_name="acme"} 130
ai_gateway_spans_exported_total{tenant_name="acme",outcome="success"} 100
ai_gateway_spans_exported_total{tenant_name="other",outcome="success"} 11
ai_gateway_spans_exported_total{tenant_name="acme",outcome="failed",reason="connection_refused"} 12
ai_gateway_spans_exported_total{outcome="failed",tenant_name="other",reason="connection_refused"} 5 1800000000000
ai_gateway_spans_exported_total{outcome="failed",reason="timeout"} 0
ai_gateway_span_drops_total{tenant_name="a \\"quoted\\", {odd} name",reason="should_trace_false"} 3e0
ai_gateway_requests_total{tenant_name="acme"} 9000
process_start_time_seconds 1799990000.5
nodejs_heap_size_total_bytes 1.234e+07
"""
READ = SpanCounters(
    at=START,
    started_at=1_799_990_000.5,
    requests=9000,
    exported=111,
    failed={"connection_refused": 17},
    dropped={"should_trace_false": 3},
)


async def read(reply: Reply, url: str = "/metrics") -> SpanCounters:
    """One read, answered so."""
    clock = FakeClock()
    remote = Remote(clock, reply)
    metrics = SpanMetricsPage(remote.http, remote.url + url, redactor=Redactor([SECRET]), clock=clock)
    asking = asyncio.ensure_future(metrics.read(timeout=5))
    await clock.run_until(asking.done)
    found = await asking
    assert [asked.path for asked in remote.asked] == [url or "/metrics"]
    assert "authorization" not in remote.asked[0].headers
    return found


async def shown(page: str) -> SpanCounters:
    """What is read of a page."""
    return await read(Reply(page.encode()))


async def test_the_counters_are_read_over_all_tenants() -> None:
    """By outcome and reason; labels in any order, timestamps, exponents and odd texts do no harm."""
    assert await shown(PAGE) == READ


async def test_older_names_are_read_too() -> None:
    """They were renamed in version 0.136; where both are shown, the newer ones count."""
    older = PAGE.replace("ai_gateway_", "llm_gateway_")
    assert await shown(older) == READ
    assert await shown(older + PAGE) == READ


async def test_a_page_without_the_process_shows_no_start() -> None:
    """Then processes cannot be distinguished."""
    assert (await shown(PAGE.replace("process_start_time_seconds", "x"))).started_at is None
    assert (await shown(PAGE.replace("1799990000.5", "-1"))).started_at is None


async def test_an_address_without_a_path_means_the_usual_one() -> None:
    """As a Service of Kubernetes is named; a path is taken as it stands."""
    assert await read(Reply(PAGE.encode()), "") == READ
    assert await read(Reply(PAGE.encode()), "/internal/prometheus") == READ


async def test_another_outcome_than_success_is_no_success() -> None:
    """Whatever it is called, and if it has no reason."""
    found = await shown('ai_gateway_spans_exported_total{outcome="rejected"} 2\nai_gateway_spans_exported_total 1\n')
    assert (found.exported, found.failed) == (0, {"unknown": 3})


@pytest.mark.parametrize(
    "line",
    [
        "ai_gateway_spans_exported_total",
        "ai_gateway_spans_exported_total{",
        'ai_gateway_spans_exported_total{outcome="success" 5',
        'ai_gateway_spans_exported_total{outcome="success"} many',
        'ai_gateway_spans_exported_total_sum{outcome="success"} 5',
    ],
)
async def test_a_line_of_another_form_is_passed_over(line: str) -> None:
    """The others count."""
    assert await shown(f"{line}\n{PAGE}") == READ


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-5", "1e300"])
async def test_a_count_that_is_none_is_not_believed(value: str) -> None:
    """Nothing is compared with it."""
    with pytest.raises(Garbled):
        await shown(f'ai_gateway_spans_exported_total{{outcome="success"}} {value}\n')


async def test_reasons_are_foreign() -> None:
    """Redacted, clamped, and no more than anybody reads."""
    lines = [f'ai_gateway_span_drops_total{{reason="{SECRET} {n} {"x" * 200}"}} {n}' for n in range(50)]
    dropped = (await shown("\n".join(lines))).dropped
    assert len(dropped) == 20
    assert all(SECRET not in reason and len(reason) <= 40 for reason in dropped)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(b"", status=404), Gone),
        (Reply(b"", status=403), Refused),
        (Reply(b"", status=503), Unreachable),
        (Reply(b"", status=302, headers={"location": "/login"}), Garbled),
        (Reply(b"<html>hello</html>"), Garbled),
        (Reply(b""), Garbled),
        (Reply(b"ai_gateway_requests_total 5\n"), Garbled),
        (Reply(b"x" * 5_000_000), Garbled),
        (Reply(hang=True), Unreachable),
    ],
)
async def test_what_does_not_count_spans_is_raised(reply: Reply, error: type[PortError]) -> None:
    """Also a page that is longer than can be read: counters might be missing of it."""
    with pytest.raises(error):
        await read(reply)


LINES = st.lists(st.sampled_from(PAGE.splitlines()) | st.text(max_size=60), max_size=8)


@quick
@given(lines=LINES, cut=st.integers(0, 400))
async def test_whatever_is_shown_is_read_or_refused(lines: list[str], cut: int) -> None:
    """Nothing else can happen."""
    page = "\n".join(lines)
    try:
        found = await shown(page[: len(page) - cut])
    except Garbled:
        return
    assert found.exported >= 0


@pytest.mark.parametrize("prefix", ["ai_gateway", "llm_gateway"])
async def test_a_gateway_counts_what_got_through_and_what_did_not(prefix: str) -> None:
    """Before either kind of gateway that shows them: each reading is dated, and nobody listening is unreachable."""
    clock = FakeClock()

    async def drive(asking: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(asking)
        await clock.run_until(task.done)
        return await task

    async with sandboxed(clock, Variant().vary({"span_metrics": prefix})) as (sandbox, http):
        metrics = SpanMetricsPage(http, f"{sandbox.gateway_url}/metrics", redactor=Redactor(), clock=clock)
        token = sandbox.world.credentials.token
        gateway = TrueFoundryGateway(
            http, sandbox.gateway_url, lambda: token, path="/health", redactor=Redactor(), clock=clock
        )
        first = await drive(metrics.read(timeout=5))
        assert (first.exported, first.failed, first.at) == (0, {}, clock.now())
        await drive(gateway.complete(canary()))
        await sandbox.break_("trace_not_created_collector")
        await drive(gateway.complete(canary()))
        second = await drive(metrics.read(timeout=5))
        assert (second.exported, second.failed) == (3, {"connection_refused": 3})
        await sandbox.break_("gateway_unreachable")
        with pytest.raises(Unreachable) as caught:
            await drive(metrics.read(timeout=5))
        assert caught.value.kind == "connect"


# --- a Collector -----------------------------------------------------------------------------------------------------

OTELCOL = """\
# HELP otelcol_exporter_send_failed_spans_total Number of spans in failed attempts to send to destination. [Alpha]
# TYPE otelcol_exporter_send_failed_spans_total counter
otelcol_exporter_send_failed_spans_total{exporter="debug",otel_scope_name="exporterhelper"} 0
otelcol_exporter_send_failed_spans_total{exporter="otlphttp/a",otel_scope_name="exporterhelper"} 7
otelcol_exporter_enqueue_failed_spans_total{exporter="otlphttp/a",otel_scope_name="exporterhelper"} 2
otelcol_exporter_sent_spans_total{exporter="debug",otel_scope_name="exporterhelper"} 20
otelcol_exporter_sent_spans_total{exporter="otlphttp/a",otel_scope_name="exporterhelper"} 0
otelcol_exporter_sent_spans_total{exporter="otlphttp/b",otel_scope_name="exporterhelper"} 20
otelcol_exporter_queue_capacity{data_type="traces",exporter="otlphttp/a"} 1000
otelcol_exporter_queue_size{data_type="traces",exporter="otlphttp/a"} 3
otelcol_exporter_queue_size{data_type="logs",exporter="otlphttp/a"} 400
otelcol_process_uptime_seconds_total{otel_scope_name="service"} 120.5
otelcol_processor_incoming_items_total{otel_signal="traces",processor="filter/health"} 30
otelcol_processor_outgoing_items_total{otel_signal="traces",processor="filter/health"} 20
otelcol_processor_incoming_items_total{otel_signal="logs",processor="filter/health"} 500
otelcol_processor_incoming_items_total{otel_signal="traces",processor="attributes"} 20
otelcol_processor_outgoing_items_total{otel_signal="traces",processor="attributes"} 20
otelcol_receiver_accepted_spans_total{receiver="otlp",transport="http"} 25
otelcol_receiver_accepted_spans_total{receiver="otlp",transport="grpc"} 5
otelcol_receiver_refused_spans_total{receiver="otlp",transport="http"} 4
otelcol_receiver_accepted_log_records_total{receiver="otlp",transport="http"} 500
"""
COLLECTED = SpanCounters(
    at=START,
    started_at=START - 120.5,
    by=CountedBy.COLLECTOR,
    accepted={"otlp": 30},
    refused={"otlp": 4},
    dropped={"filter/health": 10},
    sent={"otlphttp/b": 20},
    failed={"otlphttp/a": 9},
    queued={"otlphttp/a": (3, 1000)},
)


async def test_a_collectors_counters_are_read_by_component() -> None:
    """Of traces alone; an exporter that brings them nowhere counts for nothing."""
    assert await shown(OTELCOL) == COLLECTED


async def test_names_without_a_suffix_are_read_too() -> None:
    """As a Collector shows them whose Prometheus reader adds none, and as one of before 0.100 counts what it drops."""
    assert await shown(OTELCOL.replace("_total", "")) == COLLECTED
    older = 'otelcol_process_uptime 9\notelcol_processor_dropped_spans{processor="batch"} 3\n'
    assert await shown(older) == SpanCounters(
        at=START, started_at=START - 9, by=CountedBy.COLLECTOR, dropped={"batch": 3}
    )


async def test_a_page_of_both_is_the_gateways() -> None:
    """An agent may show the page of one and its own."""
    assert await shown(OTELCOL + PAGE) == READ


async def test_a_collectors_names_and_counts_are_foreign() -> None:
    """Redacted and clamped; a count that is none is not believed, and a start that cannot be is not known."""
    found = await shown(
        f'otelcol_exporter_sent_spans{{exporter="{SECRET} {"x" * 200}"}} 3\notelcol_process_uptime 9e18\n'
    )
    ((name, count),) = found.sent.items()
    assert (count, SECRET in name, len(name) <= 60, found.started_at) == (3, False, True, None)
    with pytest.raises(Garbled):
        await shown('otelcol_receiver_accepted_spans{receiver="otlp"} NaN\n')


async def test_labels_of_any_length_are_read_in_linear_time() -> None:
    """Meanwhile nothing else of the monitor runs."""
    began = time.perf_counter()
    page = f'otelcol_exporter_sent_spans{{{"a" * 100_000},exporter="otlp"}} 3\n'
    assert (await shown(page)).sent == {"otlp": 3}
    assert time.perf_counter() - began < 1
