"""Clients that nobody here wrote find the sandbox as they expect the real services to be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.sandbox import Credentials
from tests.e2e.harness import SandboxProcess, ask_client, check, write_configuration

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def report(sandbox: SandboxProcess, directory: Path) -> dict[str, Any]:
    """What `trace-monitor check` says about the sandbox: it also made a canary whose trace others can look for."""
    code, report = check(write_configuration(directory, sandbox.configuration()))
    assert (code, report["verdict"]) == (0, "pass"), report
    target: dict[str, Any] = report["targets"]["demo"]
    return target


def test_truefoundrys_sdk_reads_the_configuration_and_the_canarys_spans(
    sandbox: SandboxProcess, report: dict[str, Any]
) -> None:
    """truefoundry-sdk parses the gateway's configuration and pages through the canary's trace in TrueFoundry's own store."""
    target = sandbox.configuration()["targets"]["demo"]
    plane = target["control_plane"]
    since = (datetime.now(UTC) - timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
    seen = ask_client("truefoundry", url=plane["url"], token=plane["token"], trace_id=report["trace_id"], since=since)
    assert seen["type"] == "gateway-otel-config"
    assert seen["exporter"]["endpoint"] == f"{target['traceloop']['url']}/v1/traces"
    assert seen["exporter"]["encoding"] == "proto"
    assert seen["changed_by"]
    assert len(seen["spans"]) > 1
    assert {span["trace_id"] for span in seen["spans"]} == {report["trace_id"]}


def test_traceloops_own_client_finds_the_canarys_trace(sandbox: SandboxProcess, report: dict[str, Any]) -> None:
    """opentelemetry-mcp's Traceloop backend finds it by id, and nothing under another id."""
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    seen = ask_client("traceloop_mcp", url=traceloop["url"], key=traceloop["api_key"], trace_id=report["trace_id"])
    assert seen["trace_id"] == report["trace_id"]
    assert len(seen["names"]) > 1
    assert "not found" in seen["absent"]


def test_slacks_sdk_posts_replies_and_edits(sandbox: SandboxProcess) -> None:
    """slack-sdk's messages, thread, edit and webhook arrive as sent; a wrong token is refused in Slack's words."""
    urls = sandbox.get("/state")["urls"]
    slack = sandbox.configuration()["alerting"]["slack"]
    seen = ask_client(
        "slack",
        api_url=slack["api_url"],
        token=slack["bot_token"],
        channel=slack["channel"],
        webhook_url=urls["slack"] + Credentials().webhook_path,
    )
    assert seen == {
        "root": True,
        "reply": True,
        "edited": "resolved",
        "refused": "invalid_auth",
        "webhook": [200, "ok"],
    }
    messages = {message["text"]: message for message in sandbox.get("/messages")}
    assert messages["resolved"]["versions"] == ["the exporter is off"]
    assert messages["still off"]["thread_ts"] == messages["resolved"]["ts"]
    assert messages["still off"]["broadcast"]
    assert messages["by webhook"]["webhook"]


def test_opentelemetrys_exporter_delivers(sandbox: SandboxProcess) -> None:
    """The SDK's OTLP exporter delivers plain and compressed, and Traceloop's client finds both; a wrong key is a failure."""
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    sent = ask_client("otlp", endpoint=f"{traceloop['url']}/v1/traces", key=traceloop["api_key"])
    assert sent["wrong_key"]["results"] == ["FAILURE"]
    for way in ("plain", "gzip"):
        assert sent[way]["results"] == ["SUCCESS"]
        seen = ask_client(
            "traceloop_mcp", url=traceloop["url"], key=traceloop["api_key"], trace_id=sent[way]["trace_id"]
        )
        assert seen["names"] == ["one span"]
