"""The trace id that the gateway names in `x-tfy-feedback-target-id`.

Base64 of a JSON object by its documentation (https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces), but called
opaque: so either alphabet, with or without padding, and nested under `target` or not.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from monitor.core.model import TraceId
from monitor.redaction import clamp

HEADER = "x-tfy-feedback-target-id"
_LONGEST = 4096
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackTarget:
    """What the header names: the trace, and where TrueFoundry's own store keeps it."""

    trace_id: TraceId
    destination: str | None = None


def decode_feedback_target(header: str | None) -> FeedbackTarget | None:
    """Decode the header; None if it is absent or not understood."""
    if not header or len(header) > _LONGEST:
        return None
    content = _decode(header.strip())
    if isinstance(content, Mapping) and isinstance(content.get("target"), Mapping):
        content = content["target"]
    if not isinstance(content, Mapping):
        return None
    trace_id = str(content.get("traceId") or content.get("trace_id") or "").replace("-", "").lower()
    if not _TRACE_ID.fullmatch(trace_id) or not trace_id.strip("0"):
        return None
    destination = content.get("dataRoutingDestination")
    return FeedbackTarget(
        trace_id=TraceId(trace_id),
        destination=clamp(destination, 100) if isinstance(destination, str) and destination else None,
    )


def describe_feedback_target(header: str | None) -> str:
    """In which form the header comes: absent, unreadable, or base64, base64url, without padding, nested."""
    if not header:
        return "absent"
    if decode_feedback_target(header) is None:
        return "unreadable"
    text = unquote(header.strip())
    content = _decode(text)
    nested = isinstance(content, Mapping) and isinstance(content.get("target"), Mapping)
    alphabet = "base64url" if {"-", "_"} & set(text) else "base64"
    unpadded = len(text) % 4 != 0
    return f"{alphabet}{', without padding' if unpadded else ''}{', nested under target' if nested else ''}"


def _decode(text: str) -> object:
    standard = unquote(text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        raw = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        return json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return None
