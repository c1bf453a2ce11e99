"""The four remote services on loopback, as strict as the public record of the real ones.

TrueFoundry's control plane, its AI gateway with the asynchronous exporter, Traceloop's or Phoenix's ingest and read API, and Slack:
for demonstrations, for the test-suite, and for trying the program out without credentials. `serve` runs them on sockets;
`Sandbox` runs them in-process on any clock. `FAULTS` breaks them by name; a `Variant` says what nobody knows for sure; `Traffic` is
how busy others are beside us.
"""

from monitor.sandbox.credentials import BackendKind, Credentials
from monitor.sandbox.fault_table import FAULTS
from monitor.sandbox.faults import Edit, Host, SandboxFault
from monitor.sandbox.ports import LOOPBACK, Ports
from monitor.sandbox.sandbox import Sandbox, serve
from monitor.sandbox.traffic import NOT_IN_PHOENIX, Traffic, parse_traffic
from monitor.sandbox.variants import SWITCHES, Variant, parse_variant
from monitor.sandbox.world import World

__all__ = [
    "FAULTS",
    "LOOPBACK",
    "NOT_IN_PHOENIX",
    "SWITCHES",
    "BackendKind",
    "Credentials",
    "Edit",
    "Host",
    "Ports",
    "Sandbox",
    "SandboxFault",
    "Traffic",
    "Variant",
    "World",
    "parse_traffic",
    "parse_variant",
    "serve",
]
