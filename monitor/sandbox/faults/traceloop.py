"""Faults of Traceloop: its ingest and its read API."""

from collections.abc import Mapping

from monitor.core.model import Fault
from monitor.sandbox.faults.kinds import (
    HTML,
    JSON,
    Act,
    Disturbance,
    Host,
    How,
    Reply,
    SandboxFault,
    Twist,
    fault,
)

_INGEST = ("/v1/",)
_READ = ("/v2/",)
_FAILING = Fault.INGEST_FAILING


def _error(status: int, message: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=f'{{"error":"{message}"}}', content_type=JSON, headers=named)


_DOWN = Reply(status=503)
_PAGE = Reply(status=200, body="<!doctype html><title>Traceloop</title><p>We will be back soon.", content_type=HTML)


def _ingest(about: str, how: How, reply: Reply = _DOWN, *, named: Fault | tuple[Fault, ...] = _FAILING) -> SandboxFault:
    return fault(about, Disturbance(host=Host.TRACELOOP, how=how, paths=_INGEST, reply=reply), named=named)


def _read(about: str, how: How, reply: Reply = _DOWN) -> SandboxFault:
    return fault(about, Disturbance(host=Host.TRACELOOP, how=how, paths=_READ, reply=reply), named=Fault.BLIND)


FAULTS: Mapping[str, SandboxFault] = {
    "key_rejected": fault(
        "the key is revoked: 401 for exporter and reader", Act(twist=Twist.REVOKE_KEY), named=Fault.KEY_REJECTED
    ),
    "ingest_failing": _ingest("the ingest answers 503", How.REPLY, _error(503, "service unavailable")),
    "ingest_failing_500": _ingest("the ingest answers 500", How.REPLY, _error(500, "internal error")),
    "ingest_failing_refused": fault(
        "nobody listens where Traceloop should be",
        Disturbance(host=Host.TRACELOOP, how=How.REFUSE),
        named=(_FAILING, Fault.BLIND),
    ),
    "ingest_failing_reset": _ingest("the ingest resets every connection", How.RESET),
    "ingest_failing_silent": _ingest("the ingest never answers", How.SILENCE),
    "ingest_failing_page": _ingest("the ingest redirects to another host", How.REPLY, Reply(status=308)),
    "ingest_failing_swallows": fault(
        "the ingest accepts everything and shows nothing", Act(twist=Twist.SWALLOW_SPANS), named=_FAILING
    ),
    "ingest_failing_rejects": fault(
        "the ingest answers 200 and rejects every span in a partial success",
        Act(twist=Twist.REJECT_SPANS),
        named=_FAILING,
    ),
    "ingest_throttled": _ingest(
        "the ingest answers 429",
        How.REPLY,
        _error(429, "too many requests", retry_after="60"),
        named=(Fault.TRACE_MISSING, Fault.EXPORT_FAILING, Fault.BLIND),
    ),
    "read_api_failing": _read("the read API answers 500", How.REPLY, _error(500, "internal error")),
    "read_api_forbidden": _read("the read API answers 403", How.REPLY, _error(403, "Forbidden")),
    "read_api_gone": _read("the read API is gone: 404", How.REPLY, Reply(status=404, body="404 page not found")),
    "read_api_throttled": _read("the read API answers 429", How.REPLY, _error(429, "slow down", retry_after="30")),
    "read_api_reset": _read("the read API resets every connection", How.RESET),
    "read_api_silent": _read("the read API never answers", How.SILENCE),
    "read_api_slow": _read("the read API needs half a minute", How.SLOW),
    "read_api_drips": _read("the read API sends a byte a second", How.DRIP),
    "read_api_truncated": _read("the read API closes the connection in mid-answer", How.TRUNCATE),
    "read_api_garbled": _read("the read API sends JSON that breaks off", How.GARBLE),
    "read_api_reshaped": _read("the read API answers in another shape", How.RESHAPE),
    "read_api_page": _read("the read API answers 200 with a web page", How.REPLY, _PAGE),
    "read_api_endless": _read("the read API's answer does not end", How.ENDLESS),
    "read_api_bomb": _read("the read API's answer grows a thousandfold when unpacked", How.BOMB),
    "read_api_pages": fault(
        "the read API repeats its first page for ever", Act(twist=Twist.IGNORE_CURSOR), named=Fault.BLIND
    ),
}
