"""A healthy sandbox is healthy in every dialect, and every switch shows somewhere."""

import re
from typing import Any

import pytest

from monitor.sandbox import SWITCHES, Host, Sandbox, Variant
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, read
from tests.sandbox.test_ingest import PROTOBUF, TRACE_ID, as_json, post, request

_IDS = re.compile(r"[0-9a-f]{15,}|\d{9,}|[\w+/]{60,}=*|[\d-]+T[\d:.]+Z")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
VALUES = [
    (name, str(value)) for name, switch in SWITCHES.items() for value in switch.values if str(value) != switch.default
]
MIXTURES = [
    {
        name: str(list(switch.values)[(turn + place) % len(switch.values)])
        for place, (name, switch) in enumerate(SWITCHES.items())
    }
    for turn in range(12)
]


async def speaking(clock: FakeClock, **switches: str) -> Asker:
    """A started sandbox in a dialect."""
    sandbox = Sandbox(clock=clock, variant=Variant().vary(switches), latency=0.4)
    await sandbox.start()
    return Asker(sandbox, clock)


@pytest.mark.parametrize("switches", [dict([value]) for value in VALUES] + MIXTURES)
async def test_healthy_is_healthy_in_every_dialect(clock: FakeClock, switches: dict[str, str]) -> None:
    """Within three minutes of its answer the trace stands in the warehouse, whole, in the right environment."""
    asker = await speaking(clock, **switches)
    assert (await asker.complete()).status == 200
    await clock.advance(179)
    rows = (await asker.warehouse())["data"]
    assert [row["span_name"].partition(":")[0] for row in rows[:2]] == ["ChatCompletion", "Model"]
    assert {(row["environment"], row["service_name"]) for row in rows} == {("prd", "tfy-llm-gateway")}
    assert len(rows) == 3
    await asker.sandbox.stop()


async def shown(asker: Asker) -> list[Any]:
    """Everything in which dialects may differ, without ids and times."""
    answers = [
        await asker.complete(headers={"traceparent": PARENT, "x-tfy-metadata": '{"probe": "7f3a"}'}),
        await asker.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-otel-config"),
        await asker.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-logging-config"),
        await asker.ask(Host.GATEWAY, "GET", "/metrics"),
        await post(asker, request().SerializeToString(), PROTOBUF),
        await post(asker, str(as_json()).replace("'", '"').encode(), "application/json"),
    ]
    await asker.sandbox.break_("rate_limited")
    answers.append(await asker.complete())
    found: list[Any] = [(each.status, each.headers.get("content-type"), each.body) for each in answers]
    feedback = answers[0].headers.get("x-tfy-feedback-target-id", "")
    found.append((len(feedback), "=" in feedback, "-" in feedback, "_" in feedback))
    found.append("x-tfy-feedback-target-id" in answers[6].headers)
    seconds = asker.clock.now()
    for moment in (0.5, 3, 6, 17, 40, 66, 167):
        await asker.clock.advance(seconds + moment - asker.clock.now())
        found.append((moment, len((await asker.own_spans()).body), len((await asker.warehouse())["data"])))
        found.append((await asker.traceloop(f"/v2/projects/default/traces/{TRACE_ID}/spans", environment="dev")).body)
    rows = (await asker.warehouse())["data"]
    found.append([(sorted(row["span_attributes"].items()), row["parent_span_id"] in PARENT) for row in rows])
    found.append([(await asker.traceloop(f"/v2/projects/default/traces/{TRACE_ID}/spans")).status])
    for query in ({"trace_id": rows[0]["trace_id"]}, {"tfy.span_type": "Model"}, {"span_name": "nobody's"}):
        narrowed = await asker.traceloop("/v2/warehouse/spans", **query)
        found.append((narrowed.status, narrowed.body.count(b"span_id")))
    await asker.sandbox.mend()
    await asker.sandbox.break_("content_missing_logging_off")
    found.append((await asker.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-logging-config")).body)
    known = len(asker.sandbox.world.own_spans)
    await asker.complete()
    found.append(len(asker.sandbox.world.own_spans) - known)
    await asker.sandbox.break_("exporter_disabled")
    found.append((await asker.plane("GET", "/api/svc/v1/llm-gateway/config/gateway-otel-config")).body)
    await asker.sandbox.stop()
    return [_IDS.sub("#", str(each)) for each in found]


@pytest.fixture(scope="module")
def usual() -> list[Any]:
    """What the default dialect shows: filled at the first look."""
    return []


async def test_the_default_dialect_shows_the_same_twice() -> None:
    """So that a difference below means something."""
    assert await shown(await speaking(FakeClock(seed=1))) == await shown(await speaking(FakeClock(seed=2)))


@pytest.mark.parametrize(("name", "value"), VALUES)
async def test_every_switch_shows(clock: FakeClock, usual: list[Any], name: str, value: str) -> None:
    """Something on the wire is otherwise than in the default dialect."""
    if not usual:
        usual.extend(await shown(await speaking(FakeClock())))
    assert await shown(await speaking(clock, **{name: value})) != usual


async def test_the_own_store_is_asked_in_every_dialect(clock: FakeClock) -> None:
    """Forbidden is a status, hidden is an empty list."""
    for value, status, spans in (("forbidden", 403, None), ("hidden", 200, 0), ("prompt", 200, 3)):
        asker = await speaking(clock, own_store=value)
        await asker.complete()
        answer = await asker.own_spans()
        assert answer.status == status
        assert spans is None or len(read(answer)["data"]) == spans
        await asker.sandbox.stop()
