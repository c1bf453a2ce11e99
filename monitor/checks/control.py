"""Does the trace backend itself accept a span? A test span, sent past the gateway to the expected endpoint, then read back."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.checks.config import Reread
from monitor.checks.verdicts import judge_unreachable, step_for_status
from monitor.connectivity import Certificates, ConnectivityProbe
from monitor.core.backend import BACKEND
from monitor.core.canary import ControlSpan
from monitor.core.inputs import ControlSent
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Seconds,
    Service,
    Suspicion,
    TraceId,
    UnknownReason,
    failing,
    unknown,
)
from monitor.ports import Clock, ControlRequest, Ingest, IngestAnswer, TargetStore, Unreachable

SERVICE_NAME = "gateway-trace-monitor"
_DEADLINE: Seconds = 20.0
_OK, _REDIRECT = 200, 300
_UNAUTHORIZED, _TOO_MANY = 401, 429


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ControlCheck:
    """Sends a control span; the read-back is part of the watch over all awaited traces.

    `reread` checks again what the gateway carries, once the monitor's key has been refused.
    """

    name = CheckName.CONTROL

    ingest: Ingest
    connectivity: ConnectivityProbe
    clock: Clock
    attributes: Mapping[str, str]
    certificates: Certificates
    reread: Reread | None = None

    async def look(self, target_store: TargetStore) -> None:
        """Send one control span and report whether it was accepted."""
        began, started = self.clock.now(), self.clock.monotonic()
        request = ControlRequest(
            trace_id=TraceId(self.clock.draw_hex(32)),
            span_id=self.clock.draw_hex(16),
            at=began,
            service_name=SERVICE_NAME,
            attributes=self.attributes,
        )
        refused_at, accepted = None, None
        try:
            answer = await self.ingest.send(request, timeout=_DEADLINE)
        except Unreachable as error:
            suspicion = Suspicion(fault=Fault.INGEST_FAILING, summary=str(error), stops_export=True)
            evidence = {"kind": error.kind}
            result: CheckResult | None = await judge_unreachable(
                error, suspicion, evidence, service=Service.OTLP, called=BACKEND, connectivity=self.connectivity
            )
        else:
            if answer.status == _UNAUTHORIZED and not answer.blocked:
                refused_at = self.clock.now()
                if self.reread is not None:
                    await self.reread(target_store, refused_at)
            result = judge_ingest(answer)
            accepted = result is None
        control = ControlSpan(trace_id=request.trace_id, sent_at=began, accepted=accepted, judged=result is not None)
        await target_store.apply(
            ControlSent(
                at=began,
                took=self.clock.monotonic() - started,
                control=control,
                result=result,
                key_refused=refused_at is not None,
                refused_at=refused_at,
                certificate=self.certificates.of(Service.OTLP, target_store.policy.backend.slug),
            ),
            durable=True,
        )


def judge_ingest(answer: IngestAnswer) -> CheckResult | None:
    """What the endpoint's answer means; None: accepted, and the verdict waits for the read.

    A 401 is judged where the gateway's own key is known; here it only says that the monitor's key is refused.
    """
    said = f": {answer.message}" if answer.message else ""
    evidence = {"status": answer.status, **answer.evidence}
    if answer.blocked:
        summary = f"something in front of {BACKEND} rejects the monitor (HTTP {answer.status})"
        return unknown(summary, UnknownReason.BLOCKED, evidence)
    if answer.status == _TOO_MANY:
        step = step_for_status(answer.status, BACKEND)
        return unknown(f"{BACKEND} answers HTTP 429 to a test span{said}", UnknownReason.REFUSED, evidence, step=step)
    if answer.status == _UNAUTHORIZED:
        return unknown(f"{BACKEND} rejects the monitor's key (HTTP 401)", UnknownReason.REFUSED, evidence)
    if _OK <= answer.status < _REDIRECT and not answer.rejected:
        return None
    summary = f"{BACKEND} answers HTTP {answer.status} to a test span{said}"
    if answer.rejected:
        summary = f"{BACKEND} rejects a test span (partial success){said}"
    return failing(Suspicion(fault=Fault.INGEST_FAILING, summary=summary, stops_export=True), evidence=evidence)
