"""The four remote services on loopback, as strict as the public record of the real ones.

TrueFoundry's control plane, its AI gateway with the asynchronous exporter, Traceloop's ingest and read API, and Slack: for
demonstrations, for the test-suite, and for trying the program out without credentials. `serve` runs them on sockets;
`Sandbox` runs them in-process on any clock. `FAULTS` breaks them by name; a `Dialect` says what nobody knows for sure; `Traffic` is
how busy others are beside us.
"""

from monitor.sandbox.credentials import Credentials
from monitor.sandbox.dialect import SWITCHES, Dialect, parse_dialect
from monitor.sandbox.faults import FAULTS
from monitor.sandbox.faults.kinds import Host, SandboxFault
from monitor.sandbox.in_process import InProcess
from monitor.sandbox.sandbox import Sandbox, serve
from monitor.sandbox.slack.block_kit import validate_message
from monitor.sandbox.sockets import Sockets
from monitor.sandbox.traffic import Traffic, parse_traffic
from monitor.sandbox.world import World

__all__ = [
    "FAULTS",
    "SWITCHES",
    "Credentials",
    "Dialect",
    "Host",
    "InProcess",
    "Sandbox",
    "SandboxFault",
    "Sockets",
    "Traffic",
    "World",
    "parse_dialect",
    "parse_traffic",
    "serve",
    "validate_message",
]
