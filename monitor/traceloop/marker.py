"""The attribute by which a control span is asked for, where a window holds more spans than can be read."""

MARKER = "gateway_trace_monitor.control"
"""Its value is the span's own trace id. The warehouse takes an unknown query parameter as a filter on an attribute:
https://www.traceloop.com/docs/api-reference/warehouse/get_spans.
"""
