"""The attributes by which our own spans are asked for, where a window holds more spans than can be read.

The warehouse takes an unknown query parameter as a filter on an attribute:
https://www.traceloop.com/docs/api-reference/warehouse/get_spans.
"""

from monitor.core.canary import NONCE_ENTRY

MARKER = "gateway_trace_monitor.control"
"""Of a control span: its value is the span's own trace id."""

CANARY_METADATA = "tfy.request.metadata"
"""Of a canary: the metadata of its request, as one text (https://www.truefoundry.com/docs/ai-gateway/request-headers)."""

CANARY_NONCE = f"{CANARY_METADATA}.{NONCE_ENTRY}"
"""Of a canary, where metadata come as one attribute for each entry: the entry that holds its nonce alone."""
