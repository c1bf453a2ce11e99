"""What looks into TrueFoundry's own store show, one after the other: when the first span was there, and when all were. Pure."""

from dataclasses import replace

from monitor.core.canary import Canary
from monitor.core.model import Instant
from monitor.core.trace import Route, SpanFact, TraceSeen, judge_completeness
from monitor.doctor.seen import Answered, Reply, StoreWatch

_FIRST = StoreWatch()


def look_on(before: StoreWatch | None, reply: Reply[tuple[SpanFact, ...]], canary: Canary, now: Instant) -> StoreWatch:
    """Fold one look in. A trace is whole when its count is stable over two looks: the root may come before the rest."""
    known = before or _FIRST
    if not isinstance(reply, Answered):
        return replace(known, error=reply)
    seen = TraceSeen(route=Route.OWN_STORE, at=now, spans=reply.value)
    age, count = max(0.0, now - canary.waited_since), len(seen.span_ids)
    complete = judge_completeness(seen, own_parent=canary.span_id, wanted=None).complete
    return replace(
        known,
        spans=count,
        first_after=age if known.first_after is None and count else known.first_after,
        whole_after=age if complete and count == known.spans else None,
        looked_for=age,
    )
