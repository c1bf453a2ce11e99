"""How a gateway request gets its trace: the ids, whether there is one, and the header that names it."""

import base64
import json
import re
from dataclasses import dataclass

from monitor.sandbox.dialect import Feedback, LoggingOff, Traceparent
from monitor.sandbox.faults.kinds import Twist
from monitor.sandbox.world import World

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""https://www.w3.org/TR/trace-context/#traceparent-header; anything else must be ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """The ids of a request's root span, and whether it is recorded at all."""

    trace_id: str
    span_id: str
    parent_id: str
    recorded: bool


def begin_trace(world: World, traceparent: str, *, logged: bool) -> TraceContext:
    """A trace of its own (a UUIDv7 without dashes), or the caller's where the dialect honours `traceparent`.

    Whether a request that is not `logged` has a trace without content, or none, is a matter of the dialect.
    """
    strict = world.dialect.logging_off is LoggingOff.TRACES or world.broken.does(Twist.TRACE_WHAT_IS_LOGGED)
    recorded = not world.broken.does(Twist.MAKE_NO_TRACE) and (logged or not strict)
    given = _TRACEPARENT.fullmatch(traceparent.strip())
    honoured = world.dialect.traceparent is Traceparent.HONOURED and given is not None
    if honoured and given is not None and int(given[1], 16) and int(given[2], 16):
        return TraceContext(
            trace_id=given[1],
            span_id=world.clock.draw_hex(16),
            parent_id=given[2],
            recorded=recorded and bool(int(given[3], 16) & 1),  # flag 01: sampled
        )
    return TraceContext(trace_id=uuid7(world), span_id=world.clock.draw_hex(16), parent_id="", recorded=recorded)


def uuid7(world: World) -> str:
    """A UUID of version 7 without dashes: it begins with the time in milliseconds (RFC 9562, section 5.7)."""
    milliseconds = int(world.now() * 1000)
    variant = 8 + int(world.clock.draw_hex(2), 16) % 4
    return f"{milliseconds:012x}7{world.clock.draw_hex(3)}{variant:x}{world.clock.draw_hex(15)}"


def feedback_header(context: TraceContext, destination: str, how: Feedback) -> dict[str, str]:
    """`x-tfy-feedback-target-id`: https://www.truefoundry.com/docs/ai-gateway/feedback-for-traces."""
    if how is Feedback.ABSENT:
        return {}
    target: dict[str, object] = {
        "spanId": context.span_id,
        "traceId": context.trace_id,
        "dataRoutingDestination": destination,
    }
    url_safe = how in {Feedback.BASE64URL, Feedback.BASE64URL_UNPADDED}
    if url_safe:
        target["region"] = "???>>>"  # nothing else in it would show which alphabet it is
    text = json.dumps({"target": target} if how is Feedback.NESTED else target, separators=(",", ":")).encode()
    encoded = (base64.urlsafe_b64encode(text) if url_safe else base64.b64encode(text)).decode()
    unpadded = how in {Feedback.BASE64_UNPADDED, Feedback.BASE64URL_UNPADDED}
    return {"x-tfy-feedback-target-id": encoded.rstrip("=") if unpadded else encoded}
