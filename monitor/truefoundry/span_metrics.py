"""A self-hosted gateway's own metrics of its spans, in Prometheus' text format, read line by line; everything else is passed over.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format. Names: `ai_gateway_*` since version 0.136,
`llm_gateway_*` before (https://github.com/truefoundry/infra-charts, `charts/tfy-grafana/dashboards/llm-gateway-metrics.json`).
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from monitor.core.model import Seconds, Service
from monitor.core.pipeline_counters import SpanCounters
from monitor.http import Http
from monitor.ports import Clock, Garbled, Gone, Refused, Unreachable
from monitor.redaction import Redactor, clamp

_OK, _NOT_FOUND, _SERVER_ERROR = 200, 404, 500
_REFUSALS = frozenset({401, 403, 429})
_USUAL_PATH = "/metrics"
_PREFIXES = ("ai_gateway_", "llm_gateway_")  # of a page that shows both, the newer names count
_ACCEPTED, _EXPORTED, _DROPPED = "spans_accepted_total", "spans_exported_total", "span_drops_total"
_STARTED = "process_start_time_seconds"
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?[ \t]+(\S+)")
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*\"((?:[^\"\\]|\\.)*)\"")
_MOST_REASONS = 20
_MOST_SPANS = 10**15

_Sample = tuple[str, Mapping[str, str], float]


class GatewaySpanMetrics:
    """Implements `monitor.ports.SpanMetrics`; a `url` without a path means the usual one. No token is sent."""

    def __init__(self, http: Http, url: str, *, redactor: Redactor, clock: Clock) -> None:
        self._http = http
        self._url = url if urlsplit(url).path not in ("", "/") else f"{url.rstrip('/')}{_USUAL_PATH}"
        self._redactor = redactor
        self._clock = clock

    async def read(self, *, timeout: Seconds) -> SpanCounters:
        """Read the counters. Raises any PortError; Garbled also for a page that does not show them."""
        answer = await self._http.request(Service.GATEWAY, "GET", self._url, timeout=timeout)
        if answer.status != _OK:
            what = f"the gateway's metrics answer HTTP {answer.status}"
            if answer.status == _NOT_FOUND:
                raise Gone(what)
            if answer.status >= _SERVER_ERROR:
                raise Unreachable(what, kind="status", status=answer.status)
            if answer.blocked or answer.status in _REFUSALS:
                raise Refused(what, status=answer.status, blocked=answer.blocked)
            raise Garbled(what, status=answer.status)
        if answer.flaw is not None:
            raise Garbled(f"the gateway's metrics are {answer.flaw}")
        return self._count(list(_samples(answer.body.decode("utf-8", "replace"))))

    def _count(self, samples: list[_Sample]) -> SpanCounters:
        prefix = next((known for known in _PREFIXES if any(name.startswith(known) for name, _, _ in samples)), None)
        if prefix is None:
            raise Garbled("the gateway's metrics page does not count spans")
        exported, failed, dropped = 0, Counter[str](), Counter[str]()
        for name, labels, value in samples:
            counted = name.removeprefix(prefix)
            if counted == _DROPPED:
                dropped[self._reason(labels)] += _whole(value)
            elif counted == _EXPORTED and labels.get("outcome") == "success":
                exported += _whole(value)
            elif counted == _EXPORTED:
                failed[self._reason(labels)] += _whole(value)
        started = next((value for name, _, value in samples if name == _STARTED), None)
        return SpanCounters(
            at=self._clock.now(),
            started_at=started if started is not None and 0 < started < _MOST_SPANS else None,
            exported=exported,
            failed=_fewer(failed),
            dropped=_fewer(dropped),
        )

    def _reason(self, labels: Mapping[str, str]) -> str:
        return clamp(self._redactor.redact(labels.get("reason") or "unknown"), 40)


def _samples(text: str) -> Iterator[_Sample]:
    """The samples of interest; a line of any other form is none."""
    for line in text.splitlines():
        if not line.startswith((*_PREFIXES, _STARTED)):
            continue
        found = _SAMPLE.match(line)
        if found is None or not _is_wanted(found[1]):
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        yield found[1], dict(_LABEL.findall(found[2] or "")), value


def _is_wanted(name: str) -> bool:
    return name == _STARTED or any(name == f"{prefix}{each}" for prefix in _PREFIXES for each in _COUNTED)


_COUNTED = (_ACCEPTED, _EXPORTED, _DROPPED)


def _whole(value: float) -> int:
    if not math.isfinite(value) or not 0 <= value <= _MOST_SPANS:
        raise Garbled("the gateway's metrics count spans in no sensible number")
    return int(value)


def _fewer(counts: Counter[str]) -> dict[str, int]:
    """The most frequent reasons; zeros are left out."""
    return {reason: count for reason, count in counts.most_common(_MOST_REASONS) if count}
