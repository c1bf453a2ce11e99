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
    SpanReader,
    describe_metadata,
    distinct,
    identify,
    mentions,
    names_nonce,
    read_row,
)
from monitor.otlp.shapes import PREFIXES, ReadShape

__all__ = [
    "CANARY_METADATA",
    "CANARY_NONCE",
    "LOOK_BYTES",
    "MARKER",
    "PREFIXES",
    "ROOT_TYPES",
    "SPAN_TYPE",
    "OtlpIngest",
    "Progress",
    "ReadShape",
    "SpanReader",
    "count_rejected",
    "describe_acceptance",
    "describe_metadata",
    "distinct",
    "identify",
    "mentions",
    "names_nonce",
    "read_row",
]
