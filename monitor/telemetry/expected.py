"""Which series exist: decided by the configuration alone, so that none is missing and none is left behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from monitor.core.model import CheckName, Service, TargetName

PREFIX = "trace_monitor_"

PHASES = ("resolve", "connect", "tls", "processing", "transfer")
SKIPS = ("overlap",)
NOTICE_OUTCOMES = ("sent", "failed", "unknown", "suppressed")

SERVICES: Mapping[CheckName, tuple[Service, ...]] = MappingProxyType(
    {
        CheckName.CONFIG: (Service.CONTROL_PLANE,),
        CheckName.GATEWAY: (Service.GATEWAY,),
        CheckName.CANARY: (Service.GATEWAY,),
        CheckName.ARRIVAL: (Service.TRACELOOP,),
        CheckName.CONTROL: (Service.OTLP, Service.TRACELOOP),
    }
)
"""Whom each check asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """One configured target: its enabled checks and its labels."""

    checks: frozenset[CheckName]
    labels: Mapping[str, str] = field(default_factory=dict)

    def services(self) -> frozenset[Service]:
        """Whom its checks ask."""
        return frozenset(service for check in self.checks for service in SERVICES[check])


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Everything that is configured, as far as series are concerned."""

    targets: Mapping[TargetName, Monitored] = field(default_factory=dict)
    notifiers: tuple[str, ...] = ()
