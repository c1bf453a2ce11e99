"""The whole path with parts that nobody here wrote: LiteLLM → an OpenTelemetry Collector, which fans out → Traceloop and Phoenix.

LiteLLM, the Collector and Phoenix are real, Traceloop is the sandbox's. What is broken is broken in the Collector or behind it. Each
is named right, or it is said that it cannot be told; and the Collector's own metrics say what became of the spans. The test span goes
the same way as the traces: `expected.endpoint` is the Collector.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import (
    PhoenixProcess,
    SandboxProcess,
    check,
    litellm_running,
    write_configuration,
)
from tests.e2e.otelcol import collector_running, configuration, exporter, otelcol
from tools.processes import free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MASTER_KEY = f"sk-{secrets.token_hex(24)}"
PATIENT = {"look_closer_after": "5s", "late_after": "20s", "missing_after": "30s", "settle": "1s"}
HASTY = {"look_closer_after": "2s", "late_after": "4s", "missing_after": "5s", "settle": "1s"}
BATCH: Mapping[str, Any] = {"batch": {"timeout": "200ms"}}
LOST = {"ingest_failing", "trace_missing", "export_failing"}
"""The names of a loss behind the gateway: that the test span is not shown either, or that it cannot be told where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Everything around the Collector: what exports to it, and what it exports to."""

    program: str
    gateway_url: str
    port: int
    metrics_port: int
    directory: Path
    sandbox: SandboxProcess
    traceloop: Mapping[str, Any]
    phoenix_url: str

    @property
    def metrics_url(self) -> str:
        """Where the Collector shows its own metrics."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def exporters(self, **changes: Any) -> dict[str, dict[str, Any]]:
        """To Traceloop compressed, to Phoenix plain; `changes` are those of the first."""
        return {
            "otlphttp/traceloop": {
                **exporter(f"{self.traceloop['url']}/v1/traces", key=self.traceloop["api_key"]),
                **changes,
            },
            "otlphttp/phoenix": exporter(f"{self.phoenix_url}/v1/traces", compression="none"),
        }

    @contextmanager
    def collector(self, exporters: Mapping[str, Any] | None = None, **processors: Any) -> Iterator[None]:
        """Run a Collector with these processors, by their names with `__` for a slash, or with `batch` alone."""
        given = configuration(
            self.exporters() if exporters is None else exporters,
            port=self.port,
            metrics_port=self.metrics_port,
            processors={name.replace("__", "/"): each for name, each in (processors or BATCH).items()},
        )
        with collector_running(self.program, self.directory, given, metrics_url=self.metrics_url):
            yield

    def check(
        self,
        traceloop: Mapping[str, str],
        phoenix: Mapping[str, str] = PATIENT,
        *,
        expected: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `trace-monitor check` says of both legs, each with its own patience.

        The one is given the Collector's metrics as `collector.metrics_url`, the other as `gateway.metrics_url`.
        """
        gateway = {"url": self.gateway_url, "token": MASTER_KEY, "model": "mock-gpt", "trace_id": "traceparent"}
        common: dict[str, Any] = {
            "path": "collector",
            "expected": {"endpoint": f"http://127.0.0.1:{self.port}/v1/traces", **(expected or {})},
        }
        answers = {"path": "/health/liveliness"}
        targets = {
            "traceloop": {
                **common,
                "gateway": gateway,
                "collector": {"metrics_url": self.metrics_url},
                "traceloop": dict(self.traceloop),
                "checks": {"gateway": answers, "arrival": dict(traceloop)},
            },
            "phoenix": {
                **common,
                "gateway": {**gateway, "metrics_url": self.metrics_url},
                "phoenix": {"url": self.phoenix_url},
                "checks": {"gateway": answers, "arrival": dict(phoenix)},
            },
        }
        code, report = check(write_configuration(self.directory, {"targets": targets}))
        assert (code == 0) == all(each["verdict"] == "pass" for each in report["targets"].values()), report
        found: dict[str, Any] = report["targets"]
        return found


@pytest.fixture(scope="module")
def pipeline(directory: Path, sandbox: SandboxProcess, open_phoenix: PhoenixProcess) -> Iterator[Pipeline]:
    """LiteLLM, which exports to where each test runs its Collector, and two backends."""
    program = otelcol()
    if program is None:
        pytest.skip("no Go here to build the OpenTelemetry Collector with")
    port = free_ports(2)
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    otlp_url = f"http://127.0.0.1:{port}"
    with litellm_running(directory, otlp_url=otlp_url, key="the-collectors", master_key=MASTER_KEY) as gateway_url:
        yield Pipeline(
            program=program,
            gateway_url=gateway_url,
            port=port,
            metrics_port=port + 1,
            directory=directory,
            sandbox=sandbox,
            traceloop={name: traceloop[name] for name in ("url", "api_key", "environment")},
            phoenix_url=open_phoenix.url,
        )


def is_well(target: Mapping[str, Any]) -> bool:
    """Whether every check of a target has passed."""
    return target["verdict"] == "pass" and {each["verdict"] for each in target["checks"].values()} == {"pass"}


def hints(target: Mapping[str, Any]) -> str:
    """What the Collector's own metrics say, where something is wrong."""
    return "; ".join(said for said in target["because"] if said.startswith("The Collector's own metrics"))


def is_a_loss(target: Mapping[str, Any]) -> bool:
    """Whether it is said that traces are lost behind the gateway, which serves the canary; no backend is accused for sure."""
    accused = [
        f"{name} {verb}" for name in ("Traceloop", "Phoenix") for verb in ("does not accept", "accepts", "answers")
    ]
    assert not target["summary"].startswith(tuple(accused)), target["summary"]
    return target["fault"] in LOST and target["checks"]["canary"]["verdict"] == "pass"


def test_the_canary_is_followed_into_each_backend(pipeline: Pipeline) -> None:
    """One export, fanned out, compressed and plain: each canary's trace and each test span arrive in both."""
    with pipeline.collector():
        found = pipeline.check(PATIENT)
    assert is_well(found["traceloop"]), found
    assert is_well(found["phoenix"]), found
    names = {row["span_name"] for row in pipeline.sandbox.get("/traces")[found["phoenix"]["trace_id"]]}
    assert "Received Proxy Server Request" in names


def test_a_collector_that_is_down_is_no_fault_of_the_gateway(pipeline: Pipeline) -> None:
    """LiteLLM notifies no caller; the test span is not taken either, and the Collector shows no metrics."""
    found = pipeline.check(HASTY, HASTY)
    assert is_a_loss(found["traceloop"]), found["traceloop"]
    assert is_a_loss(found["phoenix"]), found["phoenix"]
    assert "could not be read" in hints(found["traceloop"])


@pytest.mark.parametrize("status", [401, 404])
def test_an_exporter_that_is_refused_loses_one_leg(pipeline: Pipeline, status: int) -> None:
    """A wrong key, a wrong path: the Collector drops at once what it has accepted. The other leg is healthy."""
    changes: dict[int, dict[str, Any]] = {
        401: {"headers": {"Authorization": "Bearer tl_revoked"}},
        404: {"traces_endpoint": f"{pipeline.traceloop['url']}/v1/nothing"},
    }
    with pipeline.collector(pipeline.exporters(**changes[status])):
        found = pipeline.check(HASTY)
    assert is_a_loss(found["traceloop"]), found["traceloop"]
    assert "were not delivered by its exporters" in hints(found["traceloop"])
    assert "(otlphttp/traceloop " in hints(found["traceloop"])
    assert is_well(found["phoenix"]), found["phoenix"]


def test_a_backend_that_throttles_is_retried_and_the_queue_is_shown(pipeline: Pipeline) -> None:
    """429 with Retry-After: nothing is given up, and nothing arrives."""
    pipeline.sandbox.break_("ingest_throttled")
    try:
        with pipeline.collector():
            found = pipeline.check(HASTY)
    finally:
        pipeline.sandbox.fix()
    assert found["traceloop"]["fault"] in {*LOST, "trace_late"}, found["traceloop"]
    assert "wait in the queue of otlphttp/traceloop" in hints(found["traceloop"])
    assert is_well(found["phoenix"]), found["phoenix"]


@pytest.mark.parametrize(
    ("processors", "said"),
    [
        pytest.param(
            {"memory_limiter": {"check_interval": "100ms", "limit_mib": 1, "spike_limit_mib": 0}, **BATCH},
            "refused",
            id="memory_limiter",
        ),
        pytest.param(
            {"filter__all": {"error_mode": "ignore", "traces": {"span": ['IsMatch(name, ".*")']}}, **BATCH},
            "(filter/all ",
            id="filter",
        ),
        pytest.param(
            {"probabilistic_sampler": {"sampling_percentage": 0}, **BATCH},
            "(probabilistic_sampler ",
            id="probabilistic_sampler",
        ),
    ],
)
def test_a_processor_that_drops_loses_both_legs(pipeline: Pipeline, processors: dict[str, Any], said: str) -> None:
    """The memory limiter refuses, a filter and a sampler drop what was accepted: its metrics say which of them."""
    with pipeline.collector(**processors):
        found = pipeline.check(HASTY, HASTY)
    for target in found.values():
        assert is_a_loss(target), target
        assert said in hints(target), target["because"]


def test_a_sampler_that_keeps_half_is_judged_by_what_it_kept(pipeline: Pipeline) -> None:
    """A canary that it kept has arrived; one that it dropped is lost, and its metrics say by whom."""
    with pipeline.collector(probabilistic_sampler={"sampling_percentage": 50}, **BATCH):
        found = pipeline.check(HASTY, HASTY)
    target, kept = found["traceloop"], pipeline.sandbox.get("/traces")
    assert (target["checks"]["arrival"]["verdict"] == "pass") is (target["trace_id"] in kept), target
    for each in found.values():
        assert each["verdict"] == "pass" or (is_a_loss(each) and "(probabilistic_sampler " in hints(each)), each


def test_a_filter_that_drops_some_spans_makes_traces_incomplete(pipeline: Pipeline) -> None:
    """The root among them."""
    dropped = {"error_mode": "ignore", "traces": {"span": ['name == "Received Proxy Server Request"']}}
    with pipeline.collector(filter__root=dropped, **BATCH):
        found = pipeline.check(HASTY, HASTY)
    for target in found.values():
        assert target["fault"] == "trace_incomplete", target
        assert "(filter/root " in hints(target)


def test_a_batch_that_waits_makes_traces_late(pipeline: Pipeline) -> None:
    """And no loss: they come before they count as one."""
    hurried = {**PATIENT, "look_closer_after": "1s", "late_after": "2s"}
    # With `metadata_keys` the first span begins the wait; without, the timer runs from the Collector's start, whatever arrives. The
    # gateway may send spans of an earlier test again, so that a canary comes shortly before the end: the next one does not.
    with pipeline.collector(batch={"timeout": "20s", "metadata_keys": ["x-tenant"]}):
        found = pipeline.check(hurried, hurried)
        for _ in range(2):
            if any(target["verdict"] == "pass" for target in found.values()):
                found = pipeline.check(hurried, hurried)
    for target in found.values():
        assert target["fault"] == "trace_late", target
        assert target["arrival_seconds"] > 2


CONTENT = (
    r"^(gen_ai\.(input|output|prompt|completion).*|llm\.(prompts|completions).*|.*messages.*|(input|output)\.value)$"
)


@pytest.mark.parametrize(
    ("actions", "fault"),
    [
        pytest.param({"pattern": CONTENT, "action": "delete"}, None, id="removed"),
        pytest.param({"key": "unrelated", "action": "delete"}, "content_leaked", id="kept"),
    ],
)
def test_content_that_the_collector_is_to_remove_is_looked_for_behind_it(
    pipeline: Pipeline, actions: dict[str, str], fault: str | None
) -> None:
    """By the canary's own nonce: prompt and answer must be in no attribute."""
    with pipeline.collector(attributes={"actions": [actions]}, **BATCH):
        found = pipeline.check(PATIENT, expected={"exclude_request_data": True})
    for target in found.values():
        assert target["fault"] == fault, target
