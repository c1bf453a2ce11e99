"""A gateway that nobody here wrote: LiteLLM's proxy exports its traces over the wire, and the monitor follows its own canary."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import SandboxProcess, check, litellm_running, write_configuration

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MASTER_KEY = f"sk-{secrets.token_hex(24)}"  # LiteLLM refuses a guessable one


def _configuration(sandbox: SandboxProcess, gateway_url: str) -> dict[str, Any]:
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    return {
        "targets": {
            "litellm": {
                "gateway": {"url": gateway_url, "token": MASTER_KEY, "model": "mock-gpt", "trace_id": "traceparent"},
                "traceloop": {name: traceloop[name] for name in ("url", "api_key", "environment")},
                "checks": {
                    "gateway": {"path": "/health/liveliness"},
                    "arrival": {"look_closer_after": "5s", "late_after": "10s", "missing_after": "15s"},
                },
            }
        }
    }


def test_a_trace_that_litellm_exports_is_reported_as_arrived(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Without a control plane, by our own traceparent: the canary goes through LiteLLM and its trace arrives, exit code 0."""
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    with litellm_running(tmp_path, otlp_url=traceloop["url"], key=traceloop["api_key"], master_key=MASTER_KEY) as url:
        code, report = check(write_configuration(tmp_path, _configuration(sandbox, url)))
    target = report["targets"]["litellm"]
    assert (code, target["verdict"]) == (0, "pass"), report
    assert target["checks"]["arrival"]["verdict"] == "pass"
    assert target["arrival_seconds"] < 10
    names = {row["span_name"] for row in sandbox.get("/traces")[target["trace_id"]]}
    assert "Received Proxy Server Request" in names


def test_a_wrong_key_at_litellm_is_reported_as_a_loss_that_is_not_traceloops(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """Its exporter is refused and notifies no caller; the monitor reports the loss, and that Traceloop is healthy: exit code 1."""
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    with litellm_running(tmp_path, otlp_url=traceloop["url"], key="tl_revoked", master_key=MASTER_KEY) as url:
        code, report = check(write_configuration(tmp_path, _configuration(sandbox, url)))
    target = report["targets"]["litellm"]
    assert (code, target["verdict"]) == (1, "fail"), report
    assert target["fault"] in {"trace_missing", "export_failing"}
    assert target["checks"]["canary"]["verdict"] == "pass"
    assert target["checks"]["control"]["verdict"] == "pass"
    assert any(
        sentence.startswith("Traceloop is healthy: it accepted and shows a test span") for sentence in target["because"]
    ), target["because"]
