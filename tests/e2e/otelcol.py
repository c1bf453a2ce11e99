"""A real OpenTelemetry Collector: built once (`collector/build.sh`), run with the configuration of a test."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.harness import ROOT
from tools.processes import Program, is_well, running, wait_until

_NO_GO = 3


def otelcol() -> str | None:
    """The path of the program; None where there is no Go to build it with."""
    ended = subprocess.run(
        [str(ROOT / "tests" / "e2e" / "collector" / "build.sh")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=1800,
        check=False,
    )
    if ended.returncode == _NO_GO:
        return None
    assert ended.returncode == 0
    return ended.stdout.strip()


def exporter(endpoint: str, *, key: str | None = None, compression: str = "gzip") -> dict[str, Any]:
    """One destination. It retries quickly, because a test does not wait for minutes."""
    return {
        "traces_endpoint": endpoint,
        "headers": {"Authorization": f"Bearer {key}"} if key is not None else {},
        "compression": compression,
        "retry_on_failure": {"initial_interval": "500ms", "max_interval": "1s", "max_elapsed_time": "2m"},
    }


def configuration(
    exporters: Mapping[str, Mapping[str, Any]],
    *,
    port: int,
    metrics_port: int,
    processors: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """OTLP in, through the processors in order, out to every exporter; its own metrics on a port of their own."""
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics_port}}}}
    pipeline = {"receivers": ["otlp"], "processors": [*processors], "exporters": [*exporters, "debug"]}
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": {name: dict(each) for name, each in processors.items()},
        "exporters": {**{name: dict(each) for name, each in exporters.items()}, "debug": {}},
        "service": {
            "telemetry": {"metrics": {"level": "normal", "readers": [reader]}},
            "pipelines": {"traces": pipeline},
        },
    }


@contextmanager
def collector_running(
    program: str, directory: Path, given: Mapping[str, Any], *, metrics_url: str
) -> Iterator[Program]:
    """Run it until the block ends."""
    path = directory / "otelcol.yaml"
    path.write_text(yaml.safe_dump(given))
    with running([program, "--config", str(path)], log=directory / "otelcol.log", grace=5) as process:
        wait_until(lambda: is_well(metrics_url), within=30, what="the Collector", program=process)
        yield process
