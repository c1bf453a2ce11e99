"""Write `docs/metrics.md`: every metric, from the table that the program registers them by. `make docs`."""

from collections.abc import Iterator

from monitor.telemetry.metrics import METRICS, PREFIX, Row

_PREFACE = f"""\
# Metrics reference

Written by `make docs` from `monitor/telemetry/metrics.py`: change it there.

`GET /metrics` answers in the Prometheus text format, or in OpenMetrics if the scraper asks for it: then `trace_arrival_seconds`
carries the trace id as an exemplar. All names begin with `{PREFIX}`. With `server.read_token` set, the scraper sends it as a
bearer token. A scrape configuration, alerting rules and routes for Alertmanager are in
[deploy/prometheus](../deploy/prometheus/README.md).

- Label values are configured names or come from closed lists, so the number of series is known from the configuration.
- Every series of an enabled check exists from the start. The series of a removed target disappear.
- A disabled check has no series, and `check_verdict{{verdict="unknown"}}` shows a check that gets no usable answer.

The three to begin with:

- `{PREFIX}incident_open` and `{PREFIX}target_severity`: is something wrong, and how bad.
- `{PREFIX}check_last_run_timestamp_seconds`: does the monitor still check.
- `{PREFIX}trace_arrival_seconds`: how long traces take to arrive.

| metric | type | labels | meaning |
|---|---|---|---|"""

_LABELS = """\
## Values of labels

| label | values |
|---|---|"""

_PROCESS = """\
Besides these there are `process_…` and `python_…` of the Prometheus client library."""


def write() -> str:
    """The whole document."""
    rows = (_row(name, row) for name, row in METRICS.items())
    return "\n\n".join(("\n".join((_PREFACE, *rows)), _PROCESS, "\n".join((_LABELS, *_values())))) + "\n"


def _row(name: str, row: Row) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels)
    buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in row.buckets)}." if row.buckets else ""
    return f"| `{PREFIX}{name}` | {row.kind} | {labels} | {row.help}{buckets} |"


def _values() -> Iterator[str]:
    """Each label once, with its closed list of each metric that has it, or what decides its values."""
    configured = {
        "target": "the names in `targets`",
        "check": "the enabled checks: `config`, `gateway`, `canary`, `arrival`, `control`, and `volume` if enabled",
        "notifier": "the configured notifiers",
        "place": "the configured Slack channels",
        "endpoint": "the services of the target whose certificate was seen",
        "credential": "the tokens of the target that show their expiry",
        "service": "the services that the enabled checks ask",
        "version": "the version of this program",
        "python": "the version of Python",
        "url": "`server.external_url`",
    }
    for label in dict.fromkeys(label for row in METRICS.values() for label in row.labels):
        if label in configured:
            yield f"| `{label}` | {configured[label]} |"
            continue
        for name, row in METRICS.items():
            if label in row.labels:
                yield f"| `{label}` of `{name}` | {', '.join(f'`{value}`' for value in row.labels[label])} |"
