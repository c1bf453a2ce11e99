"""Every answer that the monitor reads, and what it may conclude from one: the table that the fuzz judges by.

The readers here are on purpose not the program's own: each says from the bytes alone which faults somebody could be notified of.
Nothing else may be: what cannot be read is no evidence, and at worst the monitor is `blind`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from monitor.core.model import Fault
from monitor.sandbox import Host
from monitor.sandbox.credentials import EXPORTED_ATTRIBUTE
from tests.fuzz.answers import Received

Faults = frozenset[Fault]
Reader = Callable[[Received], Faults]
F = Fault
NOBODY: Faults = frozenset()
EXPORTER = "otel_traces_exporter_config"
KIND = "gateway-otel-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One kind of answer: whose it is, and what it may accuse somebody of, with the reason.

    `asked` is False where a well world gives no cause to ask, else it is asked every `every` minutes.
    `matters_where_it_is_broken`: a read that a verdict hangs on.
    """

    host: Host
    method: str
    path: str
    reason: str
    may_say: Reader = lambda _: NOBODY
    asked: bool = True
    every: int = 5
    matters_where_it_is_broken: bool = False

    def may_say_where_broken(self, received: Received) -> Faults:
        """Where traces do not come, that TrueFoundry has none says that none was made."""
        return self.may_say(received) | (
            _own_store(received) if self.method == "POST" and "spans" in self.path else NOBODY
        )

    def concerns(self, method: str, path: str) -> bool:
        """Whether a request is for this."""
        return method == self.method and re.fullmatch(self.path, path) is not None


def _configuration(received: Received) -> Faults:
    """404, null and empty count as off; a manifest of the right kind that says something else is drift, or off."""
    if received.status == 404:
        return frozenset({F.EXPORTER_DISABLED})
    if received.status not in (200, 204):
        return NOBODY
    if not received.body.strip():
        return frozenset({F.EXPORTER_DISABLED})
    try:
        said = received.json()
    except ValueError:
        return NOBODY
    if said in (None, {}, []):
        return frozenset({F.EXPORTER_DISABLED})
    if not isinstance(said, dict):
        return NOBODY
    manifest = said.get("manifest", "missing")
    if manifest in (None, {}):
        return frozenset({F.EXPORTER_DISABLED})
    if not isinstance(manifest, dict) or (said.get("type") or manifest.get("type")) != KIND:
        return NOBODY
    exporter = manifest.get(EXPORTER)
    if exporter is None:
        return frozenset({F.EXPORTER_DISABLED})
    return frozenset({F.CONFIG_DRIFT}) if _is_exporter(exporter) else NOBODY


def _is_exporter(exporter: Any) -> bool:
    """Every documented field is of its type: https://github.com/truefoundry/truefoundry-python-sdk, types/otel_*."""
    return (
        isinstance(exporter, dict)
        and all(isinstance(exporter.get(name, ""), str | None) for name in ("type", "endpoint", "encoding"))
        and isinstance(exporter.get("exclude_request_data"), bool | None)
        and all(_is_words(exporter.get(name)) for name in ("headers", "additional_resource_attributes"))
        and isinstance(exporter.get("when"), list | None)
    )


def _is_words(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(each, str | None) for each in value.values()))


def _own_store(received: Received) -> Faults:
    try:
        said = received.json() if received.status == 200 else None
    except ValueError:
        return NOBODY
    return frozenset({F.TRACE_NOT_CREATED}) if isinstance(said, dict) and said.get("data") == [] else NOBODY


def _health(received: Received) -> Faults:
    """Reachable is any answer but a redirect or a 5xx."""
    away = 300 <= received.status < 400 or received.status >= 500
    return frozenset({F.GATEWAY_UNREACHABLE}) if away else NOBODY


def _completion(received: Received) -> Faults:
    """By its status; a success that is no completion, or comes from a cache, is a canary rejected. Export is not its subject."""
    if received.status == 401:
        return frozenset({F.GATEWAY_REFUSED, F.PROVIDER_FAILING})
    if received.status == 429:
        return frozenset({F.RATE_LIMITED})
    if 520 <= received.status <= 530:  # Cloudflare's own, where it is no envelope
        return frozenset({F.PROVIDER_FAILING, F.GATEWAY_UNREACHABLE})
    if received.status == 408 or received.status >= 500:
        return frozenset({F.PROVIDER_FAILING})
    if not 200 <= received.status < 300 or _is_cached(received):
        return frozenset({F.CANARY_REJECTED})
    try:
        choices = received.json()["choices"]
        served = isinstance(choices[0]["message"], dict)
    except (ValueError, LookupError, TypeError):
        served = False
    return NOBODY if served else frozenset({F.CANARY_REJECTED})


def _is_cached(received: Received) -> bool:
    return received.headers.get("x-tfy-cache-status", "").strip().lower() == "hit"


def _rows(received: Received) -> Iterator[Mapping[str, Any]]:
    """The rows of a well-formed page of the warehouse."""
    if received.status != 200:
        return
    try:
        rows = received.json()["spans"]["data"]
    except (ValueError, LookupError, TypeError):
        return
    yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _warehouse(received: Received) -> Faults:
    """A row that calls itself otherwise is mislabelled; one that holds content, or a credential, leaks it."""
    found: set[Fault] = set()
    name, value = EXPORTED_ATTRIBUTE
    for row in _rows(received):
        resource = row.get("resource_attributes")
        if isinstance(resource, dict) and (resource.get(name) != value or "service.name" not in resource):
            found.add(F.TRACE_MISLABELLED)
        labels = [row.get("service_name"), resource.get("service.name") if isinstance(resource, dict) else None]
        if any(isinstance(label, str) and label != "tfy-llm-gateway" for label in labels):
            found.add(F.TRACE_MISLABELLED)
        if any(_holds_text(row.get(field)) for field in ("input", "output", "prompts", "completions")):
            found.add(F.CONTENT_LEAKED)
        attributes = row.get("span_attributes")
        everything = [*_items(attributes), *_items(resource)]
        if any(_holds_text(each) and _is_revealing(key, each) for key, each in everything):
            found.add(F.CONTENT_LEAKED)
    return frozenset(found)


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _holds_text(value: Any) -> bool:
    """Whether there is any text in a value at all; numbers, nulls and empty objects are no content."""
    if isinstance(value, dict):
        return any(_holds_text(each) for each in value.values())
    if isinstance(value, list):
        return any(map(_holds_text, value))
    return isinstance(value, str) and value.strip() not in ("", "null", "{}", "[]", '""')


def _is_revealing(key: str, value: Any) -> bool:
    """Whether an attribute by its name holds content, or by its value a credential, or the canary's own nonce."""
    named = re.search(r"input|output|prompt|completion|authorization|key|secret|token|password", key, re.IGNORECASE)
    return (
        named is not None
        or re.search(r"bearer|tl_|tfy_|xox|gtm-|://[^/]*@|basic", str(value), re.IGNORECASE) is not None
    )


def _ingest(received: Received) -> Faults:
    """401 is the key; other refusals, and spans rejected in a success, are Traceloop's; 429 is patience."""
    if 200 <= received.status < 300:
        return frozenset({F.INGEST_FAILING}) if _rejected(received) > 0 else NOBODY
    if received.status == 401:
        return frozenset({F.KEY_REJECTED})
    return NOBODY if received.status == 429 else frozenset({F.INGEST_FAILING})


def _rejected(received: Received) -> int:
    """How many spans a partial success says were rejected: 64-bit numbers, in JSON as a text or not."""
    try:
        if received.content_type == "application/x-protobuf":
            return int(ExportTraceServiceResponse.FromString(received.unpacked()).partial_success.rejected_spans)
        said = received.json()["partialSuccess"]["rejectedSpans"] if received.content_type == "application/json" else 0
    except (DecodeError, ValueError, LookupError, TypeError):
        return 0
    number = (
        said if isinstance(said, str) else str(said) if isinstance(said, int) and not isinstance(said, bool) else ""
    )
    return int(number) if re.fullmatch(r"[0-9]{1,19}", number) else 0


ROUTES: Mapping[str, Route] = {
    "session": Route(
        host=Host.CONTROL_PLANE,
        method="GET",
        path=r"/api/svc/v1/session",
        reason="it only lends weight to an absent configuration, and is asked for nothing else",
        asked=False,
    ),
    "config": Route(
        host=Host.CONTROL_PLANE,
        method="GET",
        path=rf"/api/svc/v1/llm-gateway/config/{KIND}",
        reason="a manifest that says something else is drift, no manifest is an exporter that is off",
        may_say=_configuration,
        matters_where_it_is_broken=True,
    ),
    "other_config": Route(
        host=Host.CONTROL_PLANE,
        method="GET",
        path=rf"/api/svc/v1/llm-gateway/config/(?!{KIND}$)[a-z-]+",
        reason="the other switches are evidence and never a fault",
        asked=False,
    ),
    "own_store": Route(
        host=Host.CONTROL_PLANE,
        method="POST",
        path=r"/api/svc/v1/spans/query",
        reason="where a trace has arrived, nothing depends on TrueFoundry's own store",
        matters_where_it_is_broken=True,
        every=60,
    ),
    "health": Route(
        host=Host.GATEWAY,
        method="GET",
        path=r"/health",
        reason="a gateway that redirects or answers 5xx to its health path is not reachable",
        may_say=_health,
    ),
    "completion": Route(
        host=Host.GATEWAY,
        method="POST",
        path=r"/chat/completions",
        reason="the status says whose fault it is that the canary was not served; never that the export is broken",
        may_say=_completion,
    ),
    "quick": Route(
        host=Host.TRACELOOP,
        method="GET",
        path=r"/v2/projects/default/traces/[0-9a-f]+/spans",
        reason="undocumented: it may say that a trace is there, nobody is accused by it alone",
        matters_where_it_is_broken=True,
    ),
    "warehouse": Route(
        host=Host.TRACELOOP,
        method="GET",
        path=r"/v2/warehouse/spans",
        reason="documented: a row that carries another label, or content, says so",
        may_say=_warehouse,
        matters_where_it_is_broken=True,
    ),
    "ingest": Route(
        host=Host.TRACELOOP,
        method="POST",
        path=r"/v1/traces",
        reason="an endpoint that refuses our span refuses the exporter's",
        may_say=_ingest,
        every=30,
    ),
    "slack": Route(
        host=Host.SLACK,
        method="POST",
        path=r"/api/chat\.(postMessage|update)",
        reason="who is notified has no part in what is found",
        asked=False,
    ),
}
