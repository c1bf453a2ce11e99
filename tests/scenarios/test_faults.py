"""One story for each fault of the table: its name, how bad, whose, who is called, what the channel shows, and how it ends."""

from dataclasses import dataclass, field

import pytest

from monitor.core.incident import Reason
from monitor.core.model import Component, Fault, Severity
from monitor.sandbox import FAULTS, Variant
from tests.scenarios.house import DEMO, MENTION, MINUTE, OPERATED, house

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the sandbox does, what it must be called, and within how many seconds it is reported and, once fixed, resolved."""

    breaks: str
    fault: Fault
    severity: Severity
    component: Component
    notified: float
    resolved: float
    words: dict[str, str] = field(default_factory=dict)
    content: bool = False
    says: str = ""
    also: tuple[Fault, ...] = ()


MASKED = {"header_values": "masked"}
TABLE = (
    Row(
        breaks="gateway_unreachable",
        fault=Fault.GATEWAY_UNREACHABLE,
        severity=CRITICAL,
        component=Component.GATEWAY,
        notified=25,
        resolved=25,
        says="its own network works",
    ),
    Row(
        breaks="gateway_refused",
        fault=Fault.GATEWAY_REFUSED,
        severity=WARNING,
        component=Component.GATEWAY,
        notified=365,
        resolved=125,
        says="401",
    ),
    Row(
        breaks="rate_limited_retry_after",
        fault=Fault.RATE_LIMITED,
        severity=WARNING,
        component=Component.GATEWAY,
        notified=605,
        resolved=605,
        says="429",
    ),
    Row(
        breaks="canary_rejected",
        fault=Fault.CANARY_REJECTED,
        severity=WARNING,
        component=Component.GATEWAY,
        notified=365,
        resolved=125,
        says="403",
    ),
    Row(
        breaks="provider_failing",
        fault=Fault.PROVIDER_FAILING,
        severity=WARNING,
        component=Component.PROVIDER,
        notified=365,
        resolved=125,
        says="502",
    ),
    Row(
        breaks="exporter_disabled",
        fault=Fault.EXPORTER_DISABLED,
        severity=CRITICAL,
        component=Component.CONFIG,
        notified=75,
        resolved=8 * MINUTE,
        says="sam@example.com",
    ),
    Row(
        breaks="config_drift",
        fault=Fault.CONFIG_DRIFT,
        severity=CRITICAL,
        component=Component.CONFIG,
        notified=75,
        resolved=8 * MINUTE,
        says="Endpoint is ",
    ),
    Row(
        breaks="config_drift_header",
        fault=Fault.CONFIG_DRIFT,
        severity=WARNING,
        component=Component.CONFIG,
        notified=75,
        resolved=75,
        says="Headers → X-Api-Key is a value with fingerprint ",
    ),
    Row(
        breaks="wrong_environment",
        words=MASKED,
        fault=Fault.WRONG_ENVIRONMENT,
        severity=CRITICAL,
        component=Component.CONFIG,
        notified=12 * MINUTE,
        resolved=8 * MINUTE,
        says="stg",
    ),
    Row(
        breaks="content_leaked",
        fault=Fault.CONTENT_LEAKED,
        severity=CRITICAL,
        component=Component.CONFIG,
        notified=6 * MINUTE,
        resolved=3 * MINUTE,
        says="Found in ",
    ),
    Row(
        breaks="content_missing",
        content=True,
        fault=Fault.CONTENT_MISSING,
        severity=WARNING,
        component=Component.CONFIG,
        notified=11 * MINUTE,
        resolved=11 * MINUTE,
        says="No span of the last 2 traces carries content",
    ),
    Row(
        breaks="trace_not_created",
        fault=Fault.TRACE_NOT_CREATED,
        severity=CRITICAL,
        component=Component.GATEWAY,
        notified=11 * MINUTE,
        resolved=3 * MINUTE,
        says="TrueFoundry's own store does not have the trace either",
    ),
    Row(
        breaks="key_rejected",
        fault=Fault.KEY_REJECTED,
        severity=CRITICAL,
        component=Component.TRACELOOP,
        notified=9 * MINUTE,
        resolved=8 * MINUTE,
        says="The exporter carries the same key",
    ),
    Row(
        breaks="ingest_failing",
        fault=Fault.INGEST_FAILING,
        severity=CRITICAL,
        component=Component.TRACELOOP,
        notified=9 * MINUTE,
        resolved=8 * MINUTE,
        says="503",
    ),
    Row(
        breaks="export_failing",
        fault=Fault.EXPORT_FAILING,
        severity=CRITICAL,
        component=Component.EXPORT,
        notified=11 * MINUTE,
        resolved=3 * MINUTE,
        says="Traceloop is healthy: it accepted and shows a test span that was sent later",
    ),
    Row(
        breaks="trace_missing",
        fault=Fault.TRACE_MISSING,
        severity=CRITICAL,
        component=Component.EXPORT,
        notified=11 * MINUTE,
        resolved=3 * MINUTE,
        says="could not be asked",
    ),
    Row(
        breaks="trace_incomplete",
        fault=Fault.TRACE_INCOMPLETE,
        severity=WARNING,
        component=Component.EXPORT,
        notified=11 * MINUTE,
        resolved=3 * MINUTE,
        says="root",
        also=(Fault.TRACE_LATE,),  # a part is not the trace, and three minutes have passed
    ),
    Row(
        breaks="trace_late",
        fault=Fault.TRACE_LATE,
        severity=WARNING,
        component=Component.EXPORT,
        notified=9 * MINUTE,
        resolved=8 * MINUTE,
        says="have not arrived within 3 min",
    ),
    Row(
        breaks="trace_mislabelled",
        fault=Fault.TRACE_MISLABELLED,
        severity=WARNING,
        component=Component.EXPORT,
        notified=11 * MINUTE,
        resolved=11 * MINUTE,
        says="unknown_service",
    ),
    Row(
        breaks="control_plane_forbidden",
        fault=Fault.BLIND,
        severity=WARNING,
        component=Component.MONITOR,
        notified=12 * MINUTE,
        resolved=75,
        says="You do not have permission",
    ),
)


@pytest.mark.parametrize("row", TABLE, ids=[row.breaks for row in TABLE])
async def test_a_fault_is_named_reported_and_resolved(row: Row) -> None:
    """Reported once, in one message that is edited to its end; critical calls somebody once, a warning and a resolve nobody."""
    assert row.fault in FAULTS[row.breaks].named
    async with house(Variant().vary(row.words), content=row.content, **OPERATED) as home:
        await home.settle_in()
        await home.break_(row.breaks)
        await home.until(lambda: home.incident is not None and home.incident.diagnosis.fault is row.fault, row.notified)
        await home.advance(0)

        assert home.incident is not None
        diagnosis = home.incident.diagnosis
        assert (diagnosis.severity, diagnosis.component) == (row.severity, row.component)
        assert diagnosis.also == row.also
        assert row.says in " ".join((diagnosis.summary, *diagnosis.because))
        assert len(home.calls) == (row.severity is CRITICAL)
        (root,) = home.roots
        first = root.text.partition("\n")[0]
        assert all(part in first for part in (DEMO, str(row.fault), row.severity.word))
        assert row.says in root.text
        assert f"trace-monitor ack {home.incident.id}" in root.text

        await home.fix()
        await home.until_resolved(row.resolved)
        await home.advance(0)
        assert home.roots == [root]
        assert "resolved" in root.text.partition("\n")[0]
        assert "resolved" in home.thread(root)[-1]
        assert len(home.calls) == (row.severity is CRITICAL)
        assert MENTION not in root.text
        assert home.incidents[-1].reason is Reason.RESOLVED
        assert home.incidents[-1].fault in FAULTS[row.breaks].named


def test_every_fault_has_its_story() -> None:
    """The table above leaves out only what breaks in the monitor itself, and what `test_volume` is about."""
    assert {row.fault for row in TABLE} == set(Fault) - {Fault.CHECK_FAILED, Fault.VOLUME_LOSS}
