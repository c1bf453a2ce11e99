"""The counters of spans that a gateway shows on its own metrics page: Prometheus' text format, read for these and nothing else."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from monitor.core.model import Seconds, Service
from monitor.core.pipeline_counters import SpanCounters
from monitor.http import Http
from monitor.ports import Clock, Garbled
from monitor.redaction import Redactor, clamp

_OK = 200
_USUAL_PATH = "/metrics"
_PREFIXES = ("ai_gateway_", "llm_gateway_")  # of a page that shows both, the newer names count
_ACCEPTED, _EXPORTED, _DROPPED = "spans_accepted_total", "spans_exported_total", "span_drops_total"
_STARTED = "process_start_time_seconds"
_WANTED = (_STARTED, *(f"{prefix}{name}" for prefix in _PREFIXES for name in (_ACCEPTED, _EXPORTED, _DROPPED)))
# Not prometheus_client's parser: one odd line ends its reading, and a long row of backslashes takes it quadratic time.
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?[ \t]+(\S+)")
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*\"((?:[^\"\\]|\\.)*)\"")
_MOST_REASONS = 20
_MOST_SPANS = 10**15


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SpanMetricsPage:
    """Implements `monitor.ports.SpanMetrics` for a self-hosted gateway; a `url` without a path means `/metrics`. No token is sent.

    Prometheus' text format, of which all else is passed over. Names: `ai_gateway_*` since version 0.136, `llm_gateway_*` before
    (https://github.com/truefoundry/infra-charts, `charts/tfy-grafana/dashboards/llm-gateway-metrics.json`).
    """

    http: Http
    url: str
    _: KW_ONLY
    redactor: Redactor
    clock: Clock

    async def read(self, *, timeout: Seconds) -> SpanCounters:
        """Read the counters. Raises any PortError; Garbled also for a page that does not show them."""
        url = self.url if urlsplit(self.url).path not in ("", "/") else f"{self.url.rstrip('/')}{_USUAL_PATH}"
        answer = await self.http.request(Service.GATEWAY, "GET", url, timeout=timeout)
        if answer.status != _OK:
            raise answer.as_error("the gateway's metrics answer", None, self.clock.now())
        if answer.flaw is not None:
            raise Garbled(f"the gateway's metrics are {answer.flaw}")
        samples = list(_samples(answer.body.decode("utf-8", "replace")))
        prefix = next((known for known in _PREFIXES if any(each.name.startswith(known) for each in samples)), None)
        if prefix is None:
            raise Garbled("the gateway's metrics page does not count spans")
        exported, failed, dropped = 0, Counter[str](), Counter[str]()
        for sample in samples:
            counted = sample.name.removeprefix(prefix)
            if counted == _EXPORTED and sample.labels.get("outcome") == "success":
                exported += _whole(sample.value)
            elif counted in (_EXPORTED, _DROPPED):
                reason = clamp(self.redactor.redact(sample.labels.get("reason") or "unknown"), 40)
                (dropped if counted == _DROPPED else failed)[reason] += _whole(sample.value)
        started = next((each.value for each in samples if each.name == _STARTED), None)
        return SpanCounters(
            at=self.clock.now(),
            started_at=started if started is not None and 0 < started < _MOST_SPANS else None,
            exported=exported,
            failed=_most_frequent(failed),
            dropped=_most_frequent(dropped),
        )


class _Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


def _samples(text: str) -> Iterator[_Sample]:
    """The samples of interest (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format), line by line."""
    for line in text.splitlines():
        found = _SAMPLE.match(line) if line.startswith(_WANTED) else None
        if found is None or found[1] not in _WANTED:
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        yield _Sample(found[1], dict(_LABEL.findall(found[2] or "")), value)


def _whole(value: float) -> int:
    if not math.isfinite(value) or not 0 <= value <= _MOST_SPANS:
        raise Garbled("the gateway's metrics count spans in no sensible number")
    return int(value)


def _most_frequent(counts: Counter[str]) -> dict[str, int]:
    """Zeros are left out."""
    return {reason: count for reason, count in counts.most_common(_MOST_REASONS) if count}
