"""The table of the diagnosis: one rule per fault says when it is said, why, what it explains, what to do next.

Each rule stands in the module of whose fault it is, beside the judgements on its evidence; `docs/diagnosis.md` is written from this
table. The order is that of the contract, the most upstream first, and decides ties.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.core.faults import configuration, contents, gateway, losses, monitor, traceloop
from monitor.core.faults.rule import Case, Rule, Sign, Weight
from monitor.core.model import Fault

__all__ = ["CAUSES", "CONFIGURED", "FAULTS", "ORDER", "SIGNS", "Case", "Rule", "Sign", "Weight", "rule_of"]

FAULTS: Mapping[Fault, Rule] = MappingProxyType(
    {
        rule.fault: rule
        for rule in (
            gateway.GATEWAY_UNREACHABLE,
            gateway.GATEWAY_REFUSED,
            gateway.RATE_LIMITED,
            gateway.CANARY_REJECTED,
            gateway.PROVIDER_FAILING,
            configuration.EXPORTER_DISABLED,
            configuration.CONFIG_DRIFT,
            contents.WRONG_ENVIRONMENT,
            contents.CONTENT_LEAKED,
            contents.CONTENT_MISSING,
            losses.TRACE_NOT_CREATED,
            traceloop.KEY_REJECTED,
            traceloop.INGEST_FAILING,
            losses.EXPORT_FAILING,
            losses.TRACE_MISSING,
            losses.TRACE_INCOMPLETE,
            losses.TRACE_LATE,
            contents.TRACE_MISLABELLED,
            monitor.CHECK_FAILED,
            monitor.BLIND,
        )
    }
)

ORDER: Mapping[Fault, int] = MappingProxyType({fault: place for place, fault in enumerate(Fault)})
"""The place of a fault in the table: the most upstream first."""

SIGNS: Mapping[Fault, Sign] = MappingProxyType({fault: rule.sign for fault, rule in FAULTS.items() if rule.sign})
"""The faults that show in the series of canaries."""

CONFIGURED = frozenset({Fault.EXPORTER_DISABLED, Fault.CONFIG_DRIFT})
"""What the configuration says by itself."""

CAUSES = frozenset(fault for fault, rule in FAULTS.items() if Fault.TRACE_MISSING in rule.explains)
"""What explains that no trace arrives. When one is mended, its incident waits for traces before it resolves."""


def rule_of(case: Case) -> Rule:
    """The rule that a confirmed charge falls under: exactly one holds."""
    return next(rule for rule in FAULTS.values() if rule.charge is case.charge.fault and rule.holds(case))
