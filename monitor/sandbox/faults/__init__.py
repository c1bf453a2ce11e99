"""Every way to break the sandbox, by name: one entry each.

A name begins with the fault that a monitor should report, where there is one; `named` says so precisely. Faults can be
combined; each is set and cleared on its own.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitor.sandbox.faults import control_plane, export, gateway, slack, switches, traceloop
from monitor.sandbox.faults.kinds import SandboxFault

FAULTS: Mapping[str, SandboxFault] = MappingProxyType(
    {
        **gateway.FAULTS,
        **export.FAULTS,
        **switches.FAULTS,
        **traceloop.FAULTS,
        **control_plane.FAULTS,
        **slack.FAULTS,
    }
)
"""The registry."""
