"""What follows from what: the faults that are mere consequences of another."""

from monitor.core.model import Fault

LATE = frozenset({Fault.TRACE_INCOMPLETE, Fault.TRACE_LATE})
"""What traces that get lost look like before they are given up."""

NOT_EXPORTED = frozenset({Fault.EXPORT_FAILING, Fault.TRACE_MISSING}) | LATE
"""What becomes of traces that the exporter does not send, or Traceloop does not take."""
