"""The counters of spans that a gateway, or an OpenTelemetry Collector, shows on its own metrics page.

Prometheus' text format, of which all else is passed over. Names of a gateway: `ai_gateway_*` since version 0.136, `llm_gateway_*`
before (https://github.com/truefoundry/infra-charts, `charts/tfy-grafana/dashboards/llm-gateway-metrics.json`). Names of a Collector:
https://opentelemetry.io/docs/collector/internal-telemetry/, with `_total` where its Prometheus reader adds that.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from monitor.core.model import Seconds, Service
from monitor.core.pipeline_counters import CountedBy, SpanCounters
from monitor.http import Http
from monitor.ports import Clock, Garbled
from monitor.redaction import Redactor, clamp

_OK = 200
_USUAL_PATH = "/metrics"
_PREFIXES = ("ai_gateway_", "llm_gateway_")  # of a page that shows both, the newer names count
_ACCEPTED, _EXPORTED, _DROPPED = "spans_accepted_total", "spans_exported_total", "span_drops_total"
_OF_SPANS, _REQUESTS = (_ACCEPTED, _EXPORTED, _DROPPED), "requests_total"
_STARTED = "process_start_time_seconds"
_OTELCOL = "otelcol_"
_UPTIME = ("process_uptime", "process_uptime_seconds")
_TAKEN, _REFUSED = "receiver_accepted_spans", "receiver_refused_spans"
_INCOMING, _OUTGOING, _LOST = "processor_incoming_items", "processor_outgoing_items", "processor_dropped_spans"
_SENT, _FAILED, _NOT_QUEUED = "exporter_sent_spans", "exporter_send_failed_spans", "exporter_enqueue_failed_spans"
_QUEUE, _ROOM = "exporter_queue_size", "exporter_queue_capacity"
_OF_A_COLLECTOR = (*_UPTIME, _TAKEN, _REFUSED, _INCOMING, _OUTGOING, _LOST, _SENT, _FAILED, _NOT_QUEUED, _QUEUE, _ROOM)
_NO_DESTINATIONS = ("debug", "logging", "nop")  # exporters that bring spans nowhere
_WANTED = (
    _STARTED,
    *(f"{prefix}{name}" for prefix in _PREFIXES for name in (*_OF_SPANS, _REQUESTS)),
    *(f"{_OTELCOL}{name}{suffix}" for name in _OF_A_COLLECTOR for suffix in ("", "_total")),
)
# Not prometheus_client's parser: one odd line ends its reading, and a long row of backslashes takes it quadratic time.
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?[ \t]+(\S+)")
_LABEL = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*\"((?:[^\"\\]|\\.)*)\"")
_MOST_REASONS = 20
_MOST_SPANS = 10**15


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SpanMetricsPage:
    """Implements `monitor.ports.SpanMetrics`; a `url` without a path means `/metrics`. No token is sent.

    `of` is whose page it is said to be; what it counts is recognised by the names, those of a gateway first.
    """

    http: Http
    url: str
    _: KW_ONLY
    redactor: Redactor
    clock: Clock
    of: CountedBy = CountedBy.GATEWAY

    async def read(self, *, timeout: Seconds) -> SpanCounters:
        """Read the counters. Raises any PortError; Garbled also for a page that does not show them."""
        url = self.url if urlsplit(self.url).path not in ("", "/") else f"{self.url.rstrip('/')}{_USUAL_PATH}"
        whose = "the gateway's" if self.of is CountedBy.GATEWAY else "the Collector's"
        answer = await self.http.request(Service(self.of), "GET", url, timeout=timeout)
        if answer.status != _OK:
            raise answer.as_error(f"{whose} metrics answer", None, self.clock.now())
        if answer.flaw is not None:
            raise Garbled(f"{whose} metrics are {answer.flaw}")
        samples = list(_samples(answer.body.decode("utf-8", "replace")))
        shown = {each.name for each in samples}
        prefix = next((known for known in _PREFIXES if shown & {f"{known}{name}" for name in _OF_SPANS}), None)
        if prefix is not None:
            return self._of_a_gateway(samples, prefix)
        if any(name.startswith(_OTELCOL) for name in shown):
            return self._of_a_collector(samples)
        raise Garbled(f"{whose} metrics page does not count spans")

    def _of_a_gateway(self, samples: "list[_Sample]", prefix: str) -> SpanCounters:
        exported, requests, failed, dropped = 0, None, Counter[str](), Counter[str]()
        for sample in samples:
            counted = sample.name.removeprefix(prefix)
            if counted == _REQUESTS:
                requests = (requests or 0) + _whole(sample.value)
            elif counted == _EXPORTED and sample.labels.get("outcome") == "success":
                exported += _whole(sample.value)
            elif counted in (_EXPORTED, _DROPPED):
                reason = clamp(self.redactor.redact(sample.labels.get("reason") or "unknown"), 40)
                (dropped if counted == _DROPPED else failed)[reason] += _whole(sample.value)
        started = next((each.value for each in samples if each.name == _STARTED), None)
        return SpanCounters(
            at=self.clock.now(),
            started_at=started if started is not None and 0 < started < _MOST_SPANS else None,
            requests=requests,
            exported=exported,
            failed=_most_frequent(failed),
            dropped=_most_frequent(dropped),
        )

    def _of_a_collector(self, samples: "list[_Sample]") -> SpanCounters:
        now, uptime = self.clock.now(), None
        counts: dict[str, Counter[str]] = {name: Counter() for name in _OF_A_COLLECTOR}
        for sample in samples:
            name = sample.name.removeprefix(_OTELCOL).removesuffix("_total")
            if name in _UPTIME:
                uptime = sample.value
            elif sample.labels.get("otel_signal", "traces") == sample.labels.get("data_type", "traces") == "traces":
                component = next((sample.labels[kind] for kind in _KINDS if kind in sample.labels), "unknown")
                if name.startswith("exporter_") and component.partition("/")[0] in _NO_DESTINATIONS:
                    continue
                counts[name][clamp(self.redactor.redact(component), 60)] += _whole(sample.value)
        # A processor of before 0.100 counts what it drops itself; since then that is the difference of what comes and what goes.
        lost = counts[_INCOMING] - counts[_OUTGOING] | counts[_LOST]
        return SpanCounters(
            at=now,
            started_at=now - uptime if uptime is not None and 0 < uptime < now else None,
            by=CountedBy.COLLECTOR,
            accepted=_most_frequent(counts[_TAKEN]),
            refused=_most_frequent(counts[_REFUSED]),
            dropped=_most_frequent(lost),
            sent=_most_frequent(counts[_SENT]),
            failed=_most_frequent(counts[_FAILED] + counts[_NOT_QUEUED]),
            queued={name: (size, counts[_ROOM][name]) for name, size in _most_frequent(counts[_QUEUE]).items()},
        )


_KINDS = ("receiver", "processor", "exporter")


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
        raise Garbled("the metrics page counts spans in no sensible number")
    return int(value)


def _most_frequent(counts: Counter[str]) -> dict[str, int]:
    """Zeros are left out."""
    return {reason: count for reason, count in counts.most_common(_MOST_REASONS) if count}
