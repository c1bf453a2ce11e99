"""The switches, how they are read, and what they change: healthy is healthy in every variant, and every switch shows somewhere."""

import re
from typing import Any

import pytest

from monitor.sandbox import SWITCHES, Host, Sandbox, Variant, parse_variant
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker
from tests.sandbox.test_ingest import PROTOBUF, TRACE_ID, as_json, post, request

_IDS = re.compile(r"[0-9a-f]{15,}|\d{9,}|[\w+/]{60,}=*|[\d-]+T[\d:.]+Z")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
VALUES = [(name, value) for name, switch in SWITCHES.items() for value in switch.values if value != switch.default]
MIXTURES = [
    {name: switch.values[(turn + place) % len(switch.values)] for place, (name, switch) in enumerate(SWITCHES.items())}
    for turn in range(12)
]


def test_the_default_is_what_the_record_makes_most_likely() -> None:
    """Literal header values, an absent exporter, an open route, a present header, an ignored traceparent, strings."""
    assert parse_variant("") == Variant()
    assert Variant().words() == {
        "header_values": "literal",
        "off": "absent",
        "trace_route": "open",
        "trace_scope": "environment",
        "feedback": "base64",
        "traceparent": "ignored",
        "metadata": "string",
        "own_store": "prompt",
        "ingest_answer": "empty",
        "json_ingest": "refused",
        "index_lag": "2s",
        "warehouse": "together",
        "filters": "attributes",
        "naming": "llm",
        "error_bodies": "envelope",
        "refusals": "traced",
        "logging_off": "bodies",
        "other_settings": "envelope",
        "span_metrics": "ai_gateway",
    }


def test_switches_are_read_from_words() -> None:
    """Blanks and hyphens do no harm."""
    variant = parse_variant(" header-values = masked, off=404 ,index_lag=60s,")
    assert variant == Variant(header_values="masked", off="404", index_lag="60s")
    assert variant.index_seconds == 60.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("masked", "'masked' is not of the form switch=value"),
        ("header_value=masked", "no switch 'header_value' (did you mean 'header_values'?)"),
        ("feedback=base46", "feedback cannot be 'base46' (did you mean 'base64'?); it is one of base64,"),
        ("off=purple", "off cannot be 'purple'; it is one of absent, null, 404, 200-null"),
    ],
)
def test_what_cannot_be_read_is_explained(text: str, problem: str) -> None:
    """With what is allowed, and what was probably meant."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        parse_variant(text)
    assert str(caught.value).startswith(problem)


def test_every_switch_can_take_every_value() -> None:
    """And each is explained."""
    for name, switch in SWITCHES.items():
        assert [Variant().vary({name: value}).words()[name] for value in switch.values] == list(switch.values)
        assert switch.about


# --- on the wire


async def in_variant(clock: FakeClock, **switches: str) -> Asker:
    """A started sandbox in a variant."""
    sandbox = Sandbox(clock=clock, variant=Variant().vary(switches), latency=0.4)
    await sandbox.start()
    return Asker(sandbox, clock)


@pytest.mark.parametrize(
    "switches", [*MIXTURES, *(pytest.param(dict([value]), marks=pytest.mark.thorough) for value in VALUES)]
)
async def test_healthy_is_healthy_in_every_variant(clock: FakeClock, switches: dict[str, str]) -> None:
    """Within three minutes of its answer the trace stands in the warehouse, whole, in the right environment."""
    asker = await in_variant(clock, **switches)
    assert (await asker.complete()).status == 200
    await clock.advance(179)
    rows = (await asker.warehouse())["data"]
    assert [row["span_name"].partition(":")[0] for row in rows[:2]] == ["ChatCompletion", "Model"]
    assert {(row["environment"], row["service_name"]) for row in rows} == {("prd", "tfy-llm-gateway")}
    assert len(rows) == 3
    await asker.sandbox.stop()


async def shown(asker: Asker) -> list[Any]:
    """Everything in which variants may differ, without ids and times."""
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
    await asker.sandbox.fix()
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
    """What the default variant shows: filled at the first look."""
    return []


async def test_the_default_variant_shows_the_same_twice() -> None:
    """So that a difference below means something."""
    assert await shown(await in_variant(FakeClock(seed=1))) == await shown(await in_variant(FakeClock(seed=2)))


@pytest.mark.parametrize(("name", "value"), VALUES)
async def test_every_switch_shows(clock: FakeClock, usual: list[Any], name: str, value: str) -> None:
    """Something on the wire is otherwise than in the default variant."""
    if not usual:
        usual.extend(await shown(await in_variant(FakeClock())))
    assert await shown(await in_variant(clock, **{name: value})) != usual
