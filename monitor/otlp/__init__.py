"""What every trace backend has in common: how spans are sent to it (OTLP over HTTP), and what a span's row says.

The attributes of a row are OpenTelemetry's and the gateway's own, whoever keeps them: what counts as content, as a credential, as
the canary's nonce is decided here, once.
"""

from monitor.otlp.ingest import OtlpIngest, count_rejected, describe_acceptance
from monitor.otlp.rows import (
    CANARY_METADATA,
    CANARY_NONCE,
    LOOK_BYTES,
    MARKER,
    ROOT_TYPES,
    SPAN_TYPE,
    Progress,
    ReadShape,
    SpanReader,
    distinct,
    identify,
    mentions,
    names_nonce,
    read_row,
    shape_of,
)

__all__ = [
    "CANARY_METADATA",
    "CANARY_NONCE",
    "LOOK_BYTES",
    "MARKER",
    "ROOT_TYPES",
    "SPAN_TYPE",
    "OtlpIngest",
    "Progress",
    "ReadShape",
    "SpanReader",
    "count_rejected",
    "describe_acceptance",
    "distinct",
    "identify",
    "mentions",
    "names_nonce",
    "read_row",
    "shape_of",
]
