"""The table of faults: who has to act, how bad it is, what it explains, what to do next.

`explains` lists the faults that are a mere consequence: while the cause is confirmed they are told below it, never beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitor.core.model import Component, Fault, Severity

F = Fault
_LATE = frozenset({F.TRACE_INCOMPLETE, F.TRACE_LATE})
_NOT_EXPORTED = frozenset({F.EXPORT_FAILING, F.TRACE_MISSING}) | _LATE
_NOTHING: frozenset[Fault] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEntry:
    """What is fixed about a fault. `explains` of `config_drift` holds only while the drift stops the export."""

    component: Component
    severity: Severity
    meaning: str
    advice: str
    explains: frozenset[Fault] = _NOTHING


def _entry(
    component: Component, severity: Severity, meaning: str, advice: str, explains: frozenset[Fault] = _NOTHING
) -> FaultEntry:
    return FaultEntry(component=component, severity=severity, meaning=meaning, advice=advice, explains=explains)


FAULTS: Mapping[Fault, FaultEntry] = MappingProxyType(
    {
        F.GATEWAY_UNREACHABLE: _entry(
            Component.GATEWAY,
            Severity.CRITICAL,
            "The gateway does not answer",
            "Open the gateway's URL from another network; look at its pods, its ingress and its certificate.",
            frozenset({F.CANARY_REJECTED, F.PROVIDER_FAILING}),
        ),
        F.GATEWAY_REFUSED: _entry(
            Component.GATEWAY,
            Severity.WARNING,
            "The gateway refuses the canary's token",
            "Give the monitor a valid gateway token (TrueFoundry, Access, Virtual Accounts), then run `trace-monitor check`.",
        ),
        F.RATE_LIMITED: _entry(
            Component.GATEWAY,
            Severity.WARNING,
            "The gateway answers the canary with 429: a rate limit or a budget",
            "Raise the limit or the budget of the canary's account, or give it a virtual account of its own.",
        ),
        F.CANARY_REJECTED: _entry(
            Component.GATEWAY,
            Severity.WARNING,
            "The gateway is well and will not serve the canary",
            "Look at the refusal below: grant the model to the canary's account, or change `gateway.model` or `checks.canary`.",
        ),
        F.PROVIDER_FAILING: _entry(
            Component.PROVIDER,
            Severity.WARNING,
            "The gateway is well, the model provider behind it is not",
            "Look at the provider's status page, or point `gateway.model` at another provider.",
        ),
        F.EXPORTER_DISABLED: _entry(
            Component.CONFIG,
            Severity.CRITICAL,
            "The gateway's traces exporter is off",
            "Switch it on: AI Gateway, Controls, Settings, OTEL Config; `trace-monitor expected` prints every field.",
            _NOT_EXPORTED,
        ),
        F.CONFIG_DRIFT: _entry(
            Component.CONFIG,
            Severity.WARNING,
            "The gateway's export configuration is not as expected",
            "Set the fields below back: AI Gateway, Controls, Settings, OTEL Config; `trace-monitor expected` prints every field.",
            _NOT_EXPORTED,
        ),
        F.WRONG_ENVIRONMENT: _entry(
            Component.CONFIG,
            Severity.CRITICAL,
            "The traces arrive in another Traceloop environment",
            "Put the key of the right environment into the exporter's Authorization header.",
            _NOT_EXPORTED,
        ),
        F.CONTENT_LEAKED: _entry(
            Component.CONFIG,
            Severity.CRITICAL,
            "The exported traces carry content or a credential that they must not",
            "Set `exclude_request_data: true` on the traces exporter and delete the traces that hold content in Traceloop.",
        ),
        F.CONTENT_MISSING: _entry(
            Component.CONFIG,
            Severity.WARNING,
            "The exported traces lack the request and response content that is expected",
            "Set `exclude_request_data: false` on the traces exporter, and look at the gateway's logging configuration.",
        ),
        F.TRACE_NOT_CREATED: _entry(
            Component.GATEWAY,
            Severity.CRITICAL,
            "The gateway answers, but makes no trace",
            "Look at the gateway's logging configuration and at the hop from the gateway to TrueFoundry's collector.",
            _LATE,
        ),
        F.KEY_REJECTED: _entry(
            Component.TRACELOOP,
            Severity.CRITICAL,
            "Traceloop refuses the exporter's key",
            "Generate a new key in Traceloop (Settings, API keys) and put it into the gateway and into the monitor.",
            _NOT_EXPORTED | {F.INGEST_FAILING},
        ),
        F.INGEST_FAILING: _entry(
            Component.TRACELOOP,
            Severity.CRITICAL,
            "Traceloop does not take in traces",
            "Look at https://status.traceloop.com and write to Traceloop with the evidence below; the gateway is not at fault.",
            _NOT_EXPORTED,
        ),
        F.EXPORT_FAILING: _entry(
            Component.EXPORT,
            Severity.CRITICAL,
            "TrueFoundry has the traces and Traceloop is well, but they do not get from one to the other",
            "Write to TrueFoundry's support with the trace ids below; look at the egress of a self-hosted collector.",
            _LATE,
        ),
        F.TRACE_MISSING: _entry(
            Component.EXPORT,
            Severity.CRITICAL,
            "Traces do not arrive in Traceloop",
            "Look the trace ids below up in TrueFoundry: if they are there the export is broken, if not the gateway made none.",
            _LATE,
        ),
        F.TRACE_INCOMPLETE: _entry(
            Component.EXPORT,
            Severity.WARNING,
            "Traces arrive in part",
            "Look for a `when` filter on the exporter, and for dropped spans in the collector's log.",
        ),
        F.TRACE_LATE: _entry(
            Component.EXPORT,
            Severity.WARNING,
            "Traces arrive late",
            "Look at the exporter's queue and at Traceloop's status; raise `checks.arrival.late_after` if this is normal for you.",
        ),
        F.TRACE_MISLABELLED: _entry(
            Component.EXPORT,
            Severity.WARNING,
            "Traces arrive under another service name or without a required resource attribute",
            "Compare `expected.service_name` and `additional_resource_attributes` of the exporter with the fields below.",
        ),
        F.CHECK_FAILED: _entry(
            Component.MONITOR,
            Severity.WARNING,
            "A check of the monitor itself crashed or did not end",
            "Look at the monitor's log and report the traceback.",
        ),
        F.BLIND: _entry(
            Component.MONITOR,
            Severity.WARNING,
            "The monitor has been unable to look for too long",
            "Look at the reason below: it is about the monitor's own access, not about the gateway.",
        ),
    }
)

ORDER: Mapping[Fault, int] = MappingProxyType({fault: place for place, fault in enumerate(Fault)})
"""The place of a fault in the table: the most upstream first."""
