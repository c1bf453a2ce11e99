"""The exporter on a clock that the test turns: window, batches, queue, retries, cache, drops."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from monitor.core.model import Phases
from monitor.http import Reply, Request, Stopwatch
from monitor.ports import Unreachable
from monitor.sandbox import Sandbox
from monitor.sandbox.exporter import BATCH, QUEUE, Exporter
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker

TAGGED = {"x-tfy-metadata": '{"probe": "7f3a"}'}
CONTENT = ("tfy.input", "tfy.output", "tfy.resolved_input", "llm.prompts.", "llm.completions.")


@dataclass
class Endpoint:
    """Takes every post and answers as it is asked to; `answers` run out into 200."""

    clock: FakeClock
    answers: list[int | Exception] = field(default_factory=list)
    posts: list[tuple[float, str, Mapping[str, str], bytes]] = field(default_factory=list)
    takes: float = 0.0

    @asynccontextmanager
    async def open(self, request: Request, _watch: Stopwatch) -> AsyncIterator[Reply]:
        """Take and answer."""
        self.posts.append((self.clock.now(), request.url, request.headers, request.body or b""))
        if self.takes:
            await self.clock.sleep(self.takes)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        yield Reply(status=answer, headers={}, chunks=_nothing())

    @property
    def times(self) -> list[float]:
        """When each post came, from the first on."""
        return [at - self.posts[0][0] for at, *_ in self.posts]


async def _nothing() -> AsyncGenerator[bytes, None]:
    yield b""


Exporting = Callable[..., Awaitable[tuple[Asker, Endpoint]]]


@pytest.fixture
async def exporting(clock: FakeClock) -> AsyncIterator[Exporting]:
    """Starts a sandbox whose exporter posts to an endpoint of its own."""
    started: list[Sandbox] = []

    async def start(**how: Any) -> tuple[Asker, Endpoint]:
        endpoint = Endpoint(clock)
        sandbox = Sandbox(clock=clock, **how)
        sandbox.exporter = Exporter(sandbox.world, endpoint)
        await sandbox.start()
        started.append(sandbox)
        return Asker(sandbox, clock), endpoint

    yield start
    for sandbox in started:
        await sandbox.stop()


async def test_a_trace_leaves_after_the_window_in_one_post(exporting: Exporting, clock: FakeClock) -> None:
    """Two seconds later, to the endpoint as it stands, with the configured headers, as protobuf."""
    asker, endpoint = await exporting()
    began = clock.now()
    await asker.complete()
    await clock.advance(1.9)
    assert not endpoint.posts
    await clock.advance(0.1)
    [(at, url, headers, body)] = endpoint.posts
    assert (at - began, url) == (2.0, "https://traceloop/v1/traces")
    assert headers["authorization"] == f"Bearer {asker.credentials.key}"
    assert headers["content-type"] == "application/x-protobuf"
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert {each.key: each.value.string_value for each in resource.resource.attributes} == {
        "service.name": "tfy-llm-gateway",
        "deployment.environment": "sandbox",
    }
    assert len(resource.scope_spans[0].spans) == 3


async def test_the_time_factor_scales_window_and_cache(exporting: Exporting, clock: FakeClock) -> None:
    """A tenth of the time for everything."""
    asker, endpoint = await exporting(time_factor=0.1)
    await asker.complete()
    await clock.advance(0.2)
    assert len(endpoint.posts) == 1
    await asker.sandbox.break_("exporter_disabled")
    await clock.advance(30)
    await asker.complete()
    await clock.advance(1)
    assert len(endpoint.posts) == 1


async def test_batches_are_of_fifty_and_the_queue_of_a_hundred(exporting: Exporting, clock: FakeClock) -> None:
    """What does not fit is lost, and counted."""
    asker, endpoint = await exporting()
    for _ in range(35):
        await asker.complete()
    await clock.advance(10)
    sizes = [
        len(ExportTraceServiceRequest.FromString(post[3]).resource_spans[0].scope_spans[0].spans)
        for post in endpoint.posts
    ]
    assert sizes == [BATCH, QUEUE - BATCH]
    assert asker.exported() == {"exported": QUEUE, "overflowed": 5}
    assert len(asker.sandbox.world.own_spans) == 105


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_may_pass_is_tried_three_times_more(exporting: Exporting, clock: FakeClock, status: int) -> None:
    """A second apart; then the spans are gone."""
    asker, endpoint = await exporting()
    endpoint.answers = [status] * 10
    await asker.complete()
    await clock.advance(60)
    assert endpoint.times == [0, 1, 2, 3]
    assert asker.exported() == {f"refused_{status}": 3}


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 413, 415, 500])
async def test_what_will_not_pass_is_dropped_at_once(exporting: Exporting, clock: FakeClock, status: int) -> None:
    """Once, silently; redirects are not followed."""
    asker, endpoint = await exporting()
    endpoint.answers = [status]
    await asker.complete()
    await clock.advance(60)
    assert len(endpoint.posts) == 1
    assert asker.exported() == {f"refused_{status}": 3}


async def test_a_retry_may_succeed(exporting: Exporting, clock: FakeClock) -> None:
    """Connection loss is retried like 503."""
    asker, endpoint = await exporting()
    endpoint.answers = [Unreachable("refused", kind="connect"), 503, 200]
    await asker.complete()
    await clock.advance(10)
    assert len(endpoint.posts) == 3
    assert asker.exported() == {"exported": 3}


async def test_what_cannot_be_sent_is_dropped(exporting: Exporting, clock: FakeClock) -> None:
    """An endpoint that is no address."""
    asker, endpoint = await exporting()
    endpoint.answers = [Unreachable("no address", kind="protocol")]
    await asker.complete()
    await clock.advance(10)
    assert len(endpoint.posts) == 1
    assert asker.exported() == {"undeliverable": 3}


async def test_a_peer_that_speaks_no_http_is_tried_again(exporting: Exporting, clock: FakeClock) -> None:
    """A port that belongs to something else now may belong to the endpoint again a second later."""
    asker, endpoint = await exporting()
    asked = Phases(connect=0.01, processing=0.01)
    endpoint.answers = [Unreachable("what it sent is not HTTP", kind="protocol", phases=asked), 200]
    await asker.complete()
    await clock.advance(10)
    assert len(endpoint.posts) == 2
    assert asker.exported() == {"exported": 3}


async def test_a_slow_endpoint_is_given_a_minute_a_try(exporting: Exporting, clock: FakeClock) -> None:
    """Four tries, three pauses: gone after 243 seconds; other batches go on meanwhile."""
    asker, endpoint = await exporting()
    endpoint.takes = 3600
    await asker.complete()
    await clock.advance(30)
    await asker.complete()
    await clock.advance(400)
    assert endpoint.times == [0, 30, 61, 91, 122, 152, 183, 213]
    assert asker.exported() == {"no_answer": 6}


async def test_four_workers_and_no_more(exporting: Exporting, clock: FakeClock) -> None:
    """With all of them hanging the queue fills; when they give up it drains."""
    asker, endpoint = await exporting()
    endpoint.takes = 3600
    for _ in range(6):
        await asker.complete()
        await clock.advance(3)
    assert len(endpoint.posts) == 4
    endpoint.takes = 0
    await clock.advance(300)
    assert asker.exported()["exported"] >= 6


async def test_a_change_takes_effect_when_the_cache_expires(exporting: Exporting, clock: FakeClock) -> None:
    """The exporter reads its configuration every five minutes, and not sooner."""
    asker, endpoint = await exporting()
    await asker.complete()
    await clock.advance(3)
    await asker.sandbox.break_("exporter_disabled")
    await clock.advance(290)
    await asker.complete()
    await clock.advance(3)
    assert len(endpoint.posts) == 2
    await clock.advance(10)
    await asker.complete()
    await clock.advance(3)
    assert len(endpoint.posts) == 2
    assert asker.exported() == {"exported": 6, "switched_off": 3}
    await asker.sandbox.fix()
    await asker.complete()
    await clock.advance(3)
    assert asker.exported()["switched_off"] == 6, "fixed, and the cache still says off"
    await clock.advance(300)
    await asker.complete()
    await clock.advance(3)
    assert len(endpoint.posts) == 3


async def test_json_is_sent_where_json_is_set(exporting: Exporting, clock: FakeClock) -> None:
    """Ids in hexadecimal, kinds as numbers, as OTLP's JSON demands."""
    asker, endpoint = await exporting()
    await asker.sandbox.break_("config_drift_encoding")
    await asker.complete()
    await clock.advance(3)
    [(_, _, headers, body)] = endpoint.posts
    kept = asker.sandbox.world.own_spans[0].span
    assert headers["content-type"] == "application/json"
    assert f'"traceId": "{kept.trace_id}"'.encode() in body
    assert b'"kind": 3' in body


async def test_no_configuration_at_all_exports_nothing(exporting: Exporting, clock: FakeClock) -> None:
    """Deleted is off; gRPC cannot be delivered."""
    asker, endpoint = await exporting()
    asker.sandbox.world.configurations.delete("gateway-otel-config")
    await asker.complete()
    await clock.advance(3)
    asker.sandbox.exporter.forget_configuration()
    asker.sandbox.world.configure(asker.sandbox.traceloop_url)
    await asker.sandbox.break_("config_drift_protocol")
    await asker.complete()
    await clock.advance(3)
    assert not endpoint.posts
    assert asker.exported() == {"switched_off": 3, "undeliverable": 3}


async def test_stopping_ends_what_hangs(exporting: Exporting, clock: FakeClock) -> None:
    """Nothing is left running."""
    asker, endpoint = await exporting()
    endpoint.takes = 3600
    await asker.complete()
    await clock.advance(3)
    before = len(asyncio.all_tasks())
    await asker.sandbox.stop()
    assert len(asyncio.all_tasks()) == before - 2


# --- what leaves, as Traceloop shows it


async def exported(asker: Asker, *faults: str, wait: float = 10) -> list[dict[str, Any]]:
    """The rows of one completion under these faults, in the warehouse's shape."""
    for name in faults:
        await asker.sandbox.break_(name)
    await asker.complete(headers=TAGGED)
    await asker.clock.advance(wait)
    return [row.of_list() for row in asker.rows()]


def content(rows: list[dict[str, Any]]) -> set[str]:
    """The names of everything that holds content."""
    found = {key for row in rows for key in [*row["span_attributes"], *row["prompts"], *row["completions"]]}
    return {key for key in found if key.startswith(CONTENT)}


async def test_a_healthy_export_is_complete_and_without_content(asker: Asker) -> None:
    """All three spans, with the model's attributes and none of the prompt."""
    rows = await exported(asker)
    assert len(rows) == 3
    assert not content(rows)
    assert "7f3a" not in str(
        [row | {"span_attributes": {**row["span_attributes"], "tfy.request.metadata": ""}} for row in rows]
    )
    assert {row["service_name"] for row in rows} == {"tfy-llm-gateway"}


async def test_content_is_exported_where_it_is_not_excluded(clock: FakeClock) -> None:
    """Under all its names; prompts and completions stand apart from the attributes."""
    sandbox = Sandbox(clock=clock, content=True)
    await sandbox.start()
    rows = await exported(Asker(sandbox, clock))
    assert {"tfy.input", "tfy.output", "tfy.resolved_input", "tfy.input_short_hand"} <= content(rows)
    assert rows[0]["prompts"]["llm.prompts.0.content"] == "say pong 7f3a"
    assert rows[0]["completions"]["llm.completions.0.content"] == "pong"
    await sandbox.break_("content_missing")
    sandbox.world.forget()
    assert not content(await exported(Asker(sandbox, clock)))
    await sandbox.stop()


async def test_leaked_content_hides_behind_other_names(asker: Asker) -> None:
    """What the setting promises to drop is dropped; the rendered prompt and gen_ai.* are not."""
    found = content(await exported(asker, "content_leaked"))
    assert "tfy.input" not in found
    assert {"tfy.resolved_input", "llm.prompts.0.content", "llm.completions.0.content"} <= found


async def test_a_leaked_credential_is_a_resource_attribute(asker: Asker) -> None:
    """As the collector would forward it."""
    rows = await exported(asker, "content_leaked_credential")
    assert rows[0]["resource_attributes"]["Authorization"] == f"Bearer {asker.credentials.token}"


@pytest.mark.parametrize(
    ("name", "spans"),
    [
        ("trace_incomplete", ["Model:", "POST"]),
        ("trace_incomplete_child", ["ChatCompletion:", "POST"]),
        ("config_drift_filter", []),
        ("config_drift_filter_splits", ["Model:"]),
        ("trace_duplicated", ["ChatCompletion:", "ChatCompletion:", "Model:", "Model:", "POST", "POST"]),
        ("export_failing", []),
        ("trace_missing", []),
        ("config_drift", []),
        ("config_drift_blank", []),
        ("config_drift_encoding", []),
        ("config_drift_key", []),
        ("config_drift_bearer", []),
        ("config_drift_quotes", []),
        ("config_drift_placeholder", []),
        ("config_drift_no_authorization", []),
        ("config_drift_header", ["ChatCompletion:", "Model:", "POST"]),
        ("config_drift_metrics", ["ChatCompletion:", "Model:", "POST"]),
        ("config_drift_rotation", ["ChatCompletion:", "Model:", "POST"]),
        ("ingest_failing_swallows", []),
        ("ingest_failing_rejects", []),
        ("key_rejected", []),
    ],
)
async def test_faults_of_the_export_show_in_the_spans_that_arrive(asker: Asker, name: str, spans: list[str]) -> None:
    """And the own store has the whole trace in each of them."""
    rows = await exported(asker, name)
    assert sorted(row["span_name"].partition(" ")[0] for row in rows) == spans
    assert len(asker.sandbox.world.own_spans) == 3


async def test_the_key_decides_where_a_trace_goes(asker: Asker) -> None:
    """With staging's key it is in staging, and only there."""
    rows = await exported(asker, "wrong_environment")
    assert {row["environment"] for row in rows} == {"stg"}
    assert (await asker.warehouse(environment="prd"))["data"] == []
    assert len((await asker.warehouse(environment="stg"))["data"]) == 3


async def test_labels_can_be_wrong(asker: Asker) -> None:
    """The service's name; the resource attributes, dropped by the exporter or by its configuration."""
    renamed = await exported(asker, "trace_mislabelled")
    await asker.sandbox.fix()
    asker.sandbox.world.forget()
    dropped = await exported(asker, "trace_mislabelled_attributes")
    assert {row["service_name"] for row in renamed} == {"unknown_service"}
    assert dropped[0]["resource_attributes"] == {"service.name": "tfy-llm-gateway"}


async def test_one_trace_of_four_is_lost(asker: Asker) -> None:
    """The fourth of every four."""
    await asker.sandbox.break_("trace_missing_some")
    for _ in range(8):
        await asker.complete()
    await asker.clock.advance(10)
    assert len(asker.sandbox.world.traces()) == 6


async def test_a_late_trace_is_as_late_as_it_is_set(asker: Asker) -> None:
    """Four minutes, or whatever is asked for."""
    assert await exported(asker, "trace_late", wait=241) == []
    await asker.clock.advance(2)
    assert len(asker.rows()) == 3
    await asker.sandbox.break_("trace_late", seconds=30)
    await asker.complete()
    await asker.clock.advance(33)
    assert len(asker.rows()) == 6


async def test_metadata_is_a_text_a_map_or_an_attribute_for_each_key_by_variant(asker: Asker, sandbox: Sandbox) -> None:
    """As Traceloop shows it either is a text that holds the tag, the one as it was sent, the other made anew."""
    before = await exported(asker)
    sandbox.world.forget()
    sandbox.world.vary(metadata="map")
    after = await exported(asker)
    shown = [row[0]["span_attributes"]["tfy.request.metadata"] for row in (before, after)]
    assert shown == [
        '{"probe": "7f3a", "tfy_gateway_region": "sandbox-1"}',
        '{"probe":"7f3a","tfy_gateway_region":"sandbox-1"}',
    ]
    sandbox.world.forget()
    sandbox.world.vary(metadata="flat")
    flat = (await exported(asker))[0]["span_attributes"]
    assert {key: value for key, value in flat.items() if key.startswith("tfy.request.metadata")} == {
        "tfy.request.metadata.probe": "7f3a",
        "tfy.request.metadata.tfy_gateway_region": "sandbox-1",
    }
