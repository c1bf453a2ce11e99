"""The gateway's own metrics of its spans, as a self-hosted gateway shows them at /metrics.

Names and labels are those of the dashboard in https://github.com/truefoundry/infra-charts,
`charts/tfy-grafana/dashboards/llm-gateway-metrics.json`. They tell of the hop to TrueFoundry's collector, of nothing behind it.
"""

from collections import Counter
from collections.abc import Iterator

from monitor.core.model import Instant
from monitor.sandbox.credentials import TENANT

_TENANT = f'tenant_name="{TENANT}"'


class SpanMetrics:
    """Counts spans by what became of them."""

    def __init__(self, born_at: Instant) -> None:
        self._born_at = born_at
        self._accepted = 0
        self._exported: Counter[tuple[str, str]] = Counter()
        self._drops: Counter[str] = Counter()

    def export(self, spans: int) -> None:
        """Spans that the collector took."""
        self._accepted += spans
        self._exported["success", ""] += spans

    def lose(self, spans: int, reason: str) -> None:
        """Spans that the collector did not take."""
        self._accepted += spans
        self._exported["failed", reason] += spans

    def drop(self, reason: str) -> None:
        """A span that was never handed to the exporter."""
        self._drops[reason] += 1

    def page(self, prefix: str, *, with_start: bool) -> str:
        """The exposition; `with_start`: with the moment at which the process began, as most have it."""
        return "".join(f"{line}\n" for line in self._lines(prefix, with_start=with_start))

    def _lines(self, prefix: str, *, with_start: bool) -> Iterator[str]:
        if with_start:
            yield "# TYPE process_start_time_seconds gauge"
            yield f"process_start_time_seconds {self._born_at:.3f}"
        yield f"# HELP {prefix}_spans_accepted_total Spans handed to the exporter."
        yield f"# TYPE {prefix}_spans_accepted_total counter"
        yield f"{prefix}_spans_accepted_total{{{_TENANT}}} {self._accepted}"
        yield f"# TYPE {prefix}_spans_exported_total counter"
        for (outcome, reason), spans in sorted(self._exported.items()):
            labels = f'{_TENANT},outcome="{outcome}"' + (f',reason="{reason}"' if reason else "")
            yield f"{prefix}_spans_exported_total{{{labels}}} {spans}"
        yield f"# TYPE {prefix}_span_drops_total counter"
        for reason, spans in sorted(self._drops.items()):
            yield f'{prefix}_span_drops_total{{{_TENANT},reason="{reason}"}} {spans}'
