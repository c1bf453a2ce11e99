"""The sandbox's own API, and what it says of itself."""

import asyncio
import json
from typing import Any

import pytest

from monitor.sandbox import FAULTS, SWITCHES, Host, Sandbox, Traffic
from monitor.sandbox.credentials import CHANNEL
from tests.fakes.clock import FakeClock
from tests.sandbox.common import Asker, call, read


async def test_faults_are_listed_set_and_cleared(asker: Asker) -> None:
    """Each with what it does and what a monitor should call it."""
    listed = read(await asker.control("GET", "/faults"))
    assert set(listed) == set(FAULTS)
    assert listed["trace_late"] == {"about": FAULTS["trace_late"].about, "named": ["trace_late"], "set": False}
    assert read(await asker.control("POST", "/faults/trace_late", {"seconds": 5}))["faults"] == ["trace_late"]
    assert read(await asker.control("GET", "/faults"))["trace_late"]["set"]
    assert read(await asker.control("PUT", "/faults/canary_rejected"))["faults"] == ["trace_late", "canary_rejected"]
    assert (await asker.complete()).status == 403
    assert read(await asker.control("DELETE", "/faults/canary_rejected"))["faults"] == ["trace_late"]
    assert read(await asker.control("DELETE", "/faults"))["faults"] == []
    assert (await asker.complete()).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults/gateway_on_fire", None, 404),
        ("DELETE", "/faults/gateway_on_fire", None, 404),
        ("POST", "/faults/trace_late", {"seconds": "5"}, 400),
        ("POST", "/faults/trace_late", {"seconds": True}, 400),
        ("POST", "/faults/trace_late", {"seconds": -1}, 400),
        ("POST", "/dialect", {"off": "purple"}, 400),
        ("POST", "/dialect", {"mood": "good"}, 400),
        ("POST", "/traffic", None, 400),
        ("POST", "/traffic", {"traffic": "a lot"}, 400),
        ("POST", "/traffic", {"traffic": "20", "spans": 3}, 400),
        ("POST", "/traffic", {"requests": 20}, 400),
        ("POST", "/traffic", {"requests_per_second": "20"}, 400),
        ("POST", "/traffic", {"spans": 0}, 400),
        ("GET", "/requests?since=yesterday", None, 400),
    ],
)
async def test_what_cannot_be_done_is_refused(asker: Asker, method: str, path: str, body: Any, status: int) -> None:
    """With an error that says why, and nothing changed."""
    before = asker.sandbox.world.variant
    answer = await asker.control(method, path, body)
    assert answer.status == status
    assert read(answer)["error"]
    assert asker.sandbox.world.faults.names == ()
    assert asker.sandbox.world.variant == before
    assert asker.sandbox.world.traffic == Traffic()


async def test_the_variant_is_shown_and_changed(asker: Asker) -> None:
    """Every switch with what it could be."""
    shown = read(await asker.control("GET", "/dialect"))
    assert set(shown) == set(SWITCHES)
    assert shown["off"]["values"] == ["absent", "null", "404", "200-null"]
    changed = read(await asker.control("POST", "/dialect", {"off": "404", "index_lag": "60s"}))
    assert (changed["off"]["value"], changed["index_lag"]["value"]) == ("404", "60s")
    assert asker.sandbox.world.variant.words()["off"] == "404"


async def test_traffic_is_shown_and_changed(asker: Asker) -> None:
    """By a word, or by numbers, of which those that are not named stay; a reset takes it back."""
    born = {"requests_per_second": 0.0, "spans": 3, "span_bytes": 8000}
    assert read(await asker.control("GET", "/traffic")) == born
    assert read(await asker.control("POST", "/traffic", {"traffic": "20x2x3000"})) == {
        "requests_per_second": 20.0,
        "spans": 2,
        "span_bytes": 3000,
    }
    await asker.control("POST", "/traffic", {"requests_per_second": 5})
    assert asker.sandbox.world.traffic == Traffic(5, 2, 3000)
    assert read(await asker.control("GET", "/state"))["traffic"]["requests_per_second"] == 5
    assert (await asker.warehouse())["total_results"] == 3600 * 5 * 2 + 1
    assert read(await asker.control("POST", "/reset"))["traffic"] == born
    assert (await asker.warehouse())["total_results"] == 0


async def test_a_reset_takes_traffic_back_to_what_the_sandbox_began_with(clock: FakeClock) -> None:
    """Not to none."""
    sandbox = Sandbox(clock=clock, traffic=Traffic(7))
    await sandbox.start()
    sandbox.world.traffic = Traffic(9)
    await sandbox.reset()
    assert sandbox.world.traffic == Traffic(7)
    await sandbox.stop()


async def test_messages_traces_and_requests_are_shown(asker: Asker) -> None:
    """Requests without their headers, for those hold credentials."""
    await asker.slack("chat.postMessage", channel=CHANNEL, text="hello")
    await asker.complete()
    await asker.clock.advance(5)
    [message] = read(await asker.control("GET", "/messages"))
    [(trace_id, spans)] = read(await asker.control("GET", "/traces")).items()
    requests = await asker.control("GET", "/requests")
    assert (message["text"], message["channel"]) == ("hello", CHANNEL)
    assert (len(spans), {span["trace_id"] for span in spans}) == (3, {trace_id})
    assert {"host": "gateway", "method": "POST", "path": "/chat/completions"}.items() <= read(requests)[1].items()
    assert asker.credentials.token.encode() not in requests.body


async def test_the_state_sums_up(asker: Asker) -> None:
    """What is broken, where everything is, what became of the spans."""
    await asker.complete()
    await asker.clock.advance(5)
    state = read(await asker.control("GET", "/state"))
    assert state["faults"] == []
    assert state["urls"]["gateway"] == "https://gateway"
    assert (state["exported"], state["traces"], state["own_store_spans"]) == ({"exported": 3}, 1, 3)
    assert "GET /state" in read(await asker.control("GET", "/"))


async def test_a_reset_begins_anew(asker: Asker, sandbox: Sandbox) -> None:
    """Faults, variant, configuration and memories; the exporter reads its configuration again."""
    await asker.control("POST", "/dialect", {"off": "404"})
    await asker.control("POST", "/faults/config_drift_key")
    sandbox.world.configurations.apply({"type": "gateway-otel-config"})
    await asker.complete()
    await asker.clock.advance(5)
    await asker.control("POST", "/reset")
    assert sandbox.world.faults.names == ()
    assert sandbox.world.variant.words()["off"] == "absent"
    assert not sandbox.world.own_spans
    shown = (await asker.ask(Host.GATEWAY, "GET", "/metrics")).body.decode()
    counts = [line.rpartition(" ")[2] for line in shown.splitlines() if "_total{" in line]
    assert counts == ["0", "0"]
    await asker.complete()
    await asker.clock.advance(5)
    assert len(asker.rows()) == 3


async def test_the_configuration_is_that_of_the_contract(asker: Asker, sandbox: Sandbox) -> None:
    """One target `demo`, every URL and every secret, and no content expected."""
    config = sandbox.configuration()
    assert read(await asker.control("GET", "/configuration")) == json.loads(json.dumps(config))
    assert config == {
        "targets": {
            "demo": {
                "control_plane": {"url": "https://control-plane", "token": asker.credentials.token},
                "gateway": {
                    "url": "https://gateway",
                    "token": asker.credentials.token,
                    "model": "openai-main/gpt-4o-mini",
                    "metrics_url": "https://gateway/metrics",
                },
                "traceloop": {
                    "url": "https://traceloop",
                    "api_key": asker.credentials.keys["prd"],
                    "environment": "prd",
                    "other_environments": {
                        "dev": {"api_key": asker.credentials.keys["dev"]},
                        "stg": {"api_key": asker.credentials.keys["stg"]},
                    },
                },
                "expected": {
                    "exclude_request_data": True,
                    "resource_attributes": {"deployment.environment": "sandbox"},
                },
            }
        },
        "alerting": {
            "slack": {
                "bot_token": asker.credentials.bot_token,
                "channel": CHANNEL,
                "api_url": "https://slack/api/",
            }
        },
    }
    assert sandbox.slack_webhook_url.startswith("https://slack/services/")


async def test_requests_are_remembered_with_their_headers(asker: Asker, sandbox: Sandbox) -> None:
    """For tests to look at; credentials do not show when one is printed."""
    await asker.complete(headers={"x-tfy-metadata": "{}"})
    seen = sandbox.world.requests[-1]
    assert (seen.host, seen.method, seen.path) == (Host.GATEWAY, "POST", "/chat/completions")
    assert seen.headers["x-tfy-metadata"] == "{}"
    assert asker.credentials.token not in repr(seen)


async def test_requests_say_how_much_was_answered(asker: Asker, sandbox: Sandbox) -> None:
    """In bytes, whole or cut; what was asked for is shown without credentials."""
    page = await asker.traceloop("/v2/warehouse/spans", limit=5, api_key="x", note=f"of {asker.credentials.key}")
    await asker.ask(Host.GATEWAY, "GET", "/health")
    await sandbox.break_("read_api_truncated")
    assert await asker.fails(Host.TRACELOOP, "GET", "/v2/warehouse/spans", token=asker.credentials.key) == "reset"
    shown = read(await asker.control("GET", "/requests"))
    assert shown[0] == {
        "at": asker.clock.now(),
        "host": "traceloop",
        "method": "GET",
        "path": "/v2/warehouse/spans",
        "query": "limit=5&api_key=***&note=***",
        "bytes": len(page.body),
    }
    assert [each["bytes"] > 0 for each in shown] == [True, True, True]
    assert shown[2]["bytes"] == sandbox.world.requests[-1].answered == len(page.body) // 2


async def test_an_answer_counts_when_it_is_complete(asker: Asker, sandbox: Sandbox) -> None:
    """Until then it is nothing; what is never answered stays so."""
    await sandbox.break_("read_api_slow")
    named = {"authorization": f"Bearer {asker.credentials.key}"}
    asking = call(sandbox.apps[Host.TRACELOOP], "GET", "https://traceloop/v2/warehouse/spans", headers=named)
    asked = asyncio.ensure_future(asking)
    await asker.clock.advance(1)
    assert sandbox.world.requests[-1].answered == 0
    await asker.clock.run_until(asked.done)
    assert sandbox.world.requests[-1].answered == len((await asked).body) > 0


async def test_requests_of_a_while_are_shown_all(asker: Asker) -> None:
    """Two hundred, or since a moment all that are remembered."""
    for _ in range(150):
        await asker.ask(Host.GATEWAY, "GET", "/health")
    await asker.clock.advance(10)
    since = asker.clock.now()
    for _ in range(250):
        await asker.ask(Host.GATEWAY, "GET", "/health")
    assert len(read(await asker.control("GET", "/requests"))) == 200
    assert len(read(await asker.control("GET", f"/requests?since={since}"))) == 250
    assert len(read(await asker.control("GET", "/requests?since=0"))) == 400
