"""The whole path with parts that nobody here wrote: LiteLLM → an OpenTelemetry Collector, which fans out → two trace backends.

What is broken is broken in the Collector or behind it. Each is named right, or it is said that it cannot be told; and the Collector's
own metrics say what became of the spans. The test span goes the same way as the traces: `expected.endpoint` is the Collector.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import SandboxProcess, check, litellm_running, sandbox_running, write_configuration
from tests.e2e.otelcol import collector_running, configuration, exporter, otelcol
from tools.processes import free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MASTER_KEY = f"sk-{secrets.token_hex(24)}"
PATIENT = {"look_closer_after": "5s", "late_after": "20s", "missing_after": "30s", "settle": "1s"}
HASTY = {"look_closer_after": "2s", "late_after": "4s", "missing_after": "5s", "settle": "1s"}
BATCH: Mapping[str, Any] = {"batch": {"timeout": "200ms"}}
LOST = {"ingest_failing", "trace_missing", "export_failing"}
"""The names of a loss behind the gateway: that the test span is not shown either, or that it cannot be told where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Everything between LiteLLM and the backends."""

    program: str
    gateway_url: str
    port: int
    metrics_port: int
    directory: Path
    first: SandboxProcess
    second: SandboxProcess

    @property
    def metrics_url(self) -> str:
        """Where the Collector shows its own metrics."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def exporters(self, **changes: Any) -> dict[str, dict[str, Any]]:
        """To the first backend compressed, to the second plain; `changes` are those of the first."""
        one, other = (_traceloop(each) for each in (self.first, self.second))
        return {
            "otlphttp/first": {**exporter(f"{one['url']}/v1/traces", one["api_key"]), **changes},
            "otlphttp/second": exporter(f"{other['url']}/v1/traces", other["api_key"], compression="none"),
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
        first: Mapping[str, str],
        second: Mapping[str, str] = PATIENT,
        *,
        expected: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `trace-monitor check` says of both legs, each with its own patience."""
        targets = {
            name: {
                "gateway": {
                    "url": self.gateway_url,
                    "token": MASTER_KEY,
                    "model": "mock-gpt",
                    "trace_id": "traceparent",
                },
                "path": "collector",
                "collector": {"metrics_url": self.metrics_url},
                "traceloop": _traceloop(backend),
                "expected": {"endpoint": f"http://127.0.0.1:{self.port}/v1/traces", **(expected or {})},
                "checks": {"gateway": {"path": "/health/liveliness"}, "arrival": dict(patience)},
            }
            for name, backend, patience in (("first", self.first, first), ("second", self.second, second))
        }
        code, report = check(write_configuration(self.directory, {"targets": targets}))
        assert (code == 0) == all(each["verdict"] == "pass" for each in report["targets"].values()), report
        found: dict[str, Any] = report["targets"]
        return found


def _traceloop(sandbox: SandboxProcess) -> dict[str, Any]:
    traceloop = sandbox.configuration()["targets"]["demo"]["traceloop"]
    return {name: traceloop[name] for name in ("url", "api_key", "environment")}


@pytest.fixture(scope="module")
def path(directory: Path, sandbox: SandboxProcess) -> Iterator[Pipeline]:
    """LiteLLM, which exports to where each test runs its Collector, and two backends."""
    program = otelcol()
    if program is None:
        pytest.skip("no Go here to build the OpenTelemetry Collector with")
    port = free_ports(2)
    second = directory / "second"
    second.mkdir()
    with (
        sandbox_running(second) as other,
        litellm_running(
            directory, otlp_url=f"http://127.0.0.1:{port}", key="a-key-of-the-collector", master_key=MASTER_KEY
        ) as gateway_url,
    ):
        yield Pipeline(
            program=program,
            gateway_url=gateway_url,
            port=port,
            metrics_port=port + 1,
            directory=directory,
            first=sandbox,
            second=other,
        )


def _is_well(target: Mapping[str, Any]) -> bool:
    return target["verdict"] == "pass" and {each["verdict"] for each in target["checks"].values()} == {"pass"}


def test_the_canary_is_followed_into_each_backend(path: Pipeline) -> None:
    """One export, fanned out, compressed and plain: each canary's trace and each test span arrive in both."""
    with path.collector():
        found = path.check(PATIENT)
    assert _is_well(found["first"]), found
    assert _is_well(found["second"]), found
    names = {row["span_name"] for row in path.first.get("/traces")[found["second"]["trace_id"]]}
    assert "Received Proxy Server Request" in names


def test_a_collector_that_is_down_is_no_fault_of_the_gateway(path: Pipeline) -> None:
    """LiteLLM notifies no caller; the test span is not taken either, and the Collector shows no metrics."""
    found = path.check(HASTY, HASTY)
    for target in found.values():
        assert target["checks"]["canary"]["verdict"] == "pass"
        assert target["fault"] in LOST, target
        assert "the Collector's own metrics could not be read" in _because(target)


def _because(target: Mapping[str, Any]) -> str:
    """Everything that is said for it, with small letters at the beginning."""
    return " ".join(sentence[0].lower() + sentence[1:] for sentence in target["because"]).replace(
        "the collector's", "the Collector's"
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"headers": {"Authorization": "Bearer tl_revoked"}}, id="401"),
        pytest.param({"traces_endpoint": "/v1/nothing"}, id="404"),
    ],
)
def test_an_exporter_that_is_refused_loses_one_leg(path: Pipeline, changes: dict[str, Any]) -> None:
    """A wrong key, a wrong path: the Collector drops at once what it has accepted. The other leg is healthy."""
    if "traces_endpoint" in changes:
        changes = {"traces_endpoint": f"{_traceloop(path.first)['url']}{changes['traces_endpoint']}"}
    with path.collector(path.exporters(**changes)):
        found = path.check(HASTY)
    assert found["first"]["fault"] in LOST, found["first"]
    assert "were not delivered by its exporters" in _because(found["first"])
    assert "(otlphttp/first " in _because(found["first"])
    assert _is_well(found["second"]), found["second"]


def test_a_backend_that_throttles_is_retried_and_the_queue_is_shown(path: Pipeline) -> None:
    """429 with Retry-After: nothing fails, nothing arrives; when it takes spans again, they come."""
    path.first.break_("ingest_throttled")
    try:
        with path.collector():
            found = path.check(HASTY)
            path.first.fix()
    finally:
        path.first.fix()
    assert found["first"]["fault"] in {*LOST, "trace_late"}, found["first"]
    assert "wait in the queue of otlphttp/first" in _because(found["first"])
    assert _is_well(found["second"]), found["second"]


@pytest.mark.parametrize(
    ("processors", "says"),
    [
        pytest.param(
            {"memory_limiter": {"check_interval": "100ms", "limit_mib": 1, "spike_limit_mib": 0}, **BATCH},
            "refused",
            id="memory_limiter",
        ),
        pytest.param(
            {"filter__all": {"error_mode": "ignore", "traces": {"span": ['IsMatch(name, ".*")']}}, **BATCH},
            "dropped by its processors",
            id="filter",
        ),
        pytest.param(
            {"probabilistic_sampler": {"sampling_percentage": 0}, **BATCH},
            "dropped by its processors",
            id="probabilistic_sampler",
        ),
    ],
)
def test_a_processor_that_drops_loses_both_legs(path: Pipeline, processors: dict[str, Any], says: str) -> None:
    """The memory limiter refuses, a filter and a sampler drop what was accepted: its metrics say which of them."""
    with path.collector(**processors):
        found = path.check(HASTY, HASTY)
    for target in found.values():
        assert target["fault"] in LOST, target
        assert says in _because(target), target["because"]
    if says != "refused":
        assert next(iter(processors)).replace("__", "/") in _because(found["first"])


def test_a_filter_that_drops_some_spans_makes_traces_incomplete(path: Pipeline) -> None:
    """The root among them."""
    dropped = {"error_mode": "ignore", "traces": {"span": ['name == "Received Proxy Server Request"']}}
    with path.collector(filter__root=dropped, **BATCH):
        found = path.check(HASTY, HASTY)
    for target in found.values():
        assert target["fault"] == "trace_incomplete", target
        assert "dropped by its processors" in _because(target)
        assert "filter/root" in _because(target)


def test_a_batch_that_waits_makes_traces_late(path: Pipeline) -> None:
    """And no loss: they come before they count as one."""
    with path.collector(batch={"timeout": "4s"}):
        hurried = {**PATIENT, "look_closer_after": "1s", "late_after": "2s"}
        found = path.check(hurried, hurried)
    for target in found.values():
        assert target["fault"] == "trace_late", target
        assert target["arrival_seconds"] > 2


CONTENT = r"^(gen_ai\.(input|output|prompt|completion).*|llm\.(prompts|completions).*|.*messages.*|input\.value|output\.value)$"


@pytest.mark.parametrize(
    ("processors", "fault"),
    [
        pytest.param(
            {"attributes__redact": {"actions": [{"pattern": CONTENT, "action": "delete"}]}, **BATCH}, None, id="removed"
        ),
        pytest.param(
            {"attributes__other": {"actions": [{"key": "unrelated", "action": "delete"}]}, **BATCH},
            "content_leaked",
            id="kept",
        ),
    ],
)
def test_content_that_the_collector_is_to_remove_is_looked_for_behind_it(
    path: Pipeline, processors: dict[str, Any], fault: str | None
) -> None:
    """By the canary's own nonce: prompt and answer must be in no attribute."""
    with path.collector(**processors):
        found = path.check(PATIENT, expected={"exclude_request_data": True})
    for target in found.values():
        assert target["fault"] == fault, target
