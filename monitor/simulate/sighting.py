"""A canary that was judged, taken back to when it was sent; and what a look for its trace would have shown at any moment. Pure."""

from collections.abc import Callable
from dataclasses import replace

from monitor.core.arrival import destination_of
from monitor.core.canary import Canary, Outcome
from monitor.core.gateway_policies import DEFAULT_DESTINATION
from monitor.core.inputs import ElsewhereLooked, OriginLooked, TraceLooked
from monitor.core.model import Instant, Seconds
from monitor.core.state import ArrivalPolicy
from monitor.core.trace import LabelJudgement, Route, SpanFact, TraceSeen

_SETTLED_AFTER: Seconds = 2.0

Look = TraceLooked | OriginLooked | ElsewhereLooked


def sent(canary: Canary, account: str) -> Canary:
    """As it was before it was sent; whoever sent it then is whoever does now."""
    return Canary(
        id=canary.id,
        sent_at=canary.sent_at,
        sent_id=canary.sent_id,
        span_id=canary.span_id,
        nonce=canary.nonce,
        account=account,
    )


def answered(canary: Canary, account: str, labels: LabelJudgement) -> Canary:
    """As it was when it was answered, but for its labels: what they say counts only once the trace has arrived.

    What could not be seen at the time cannot be seen now either: then its absence proves nothing.
    """
    return replace(
        sent(canary, account),
        answered_at=canary.answered_at,
        accepted=canary.accepted and canary.outcome is not Outcome.UNKNOWN,
        trace_id=canary.trace_id,
        id_source=canary.id_source,
        destination=canary.destination,
        model=canary.model,
        usage=canary.usage,
        labels=labels,
        evidence=canary.evidence,
    )


def looks_for(canary: Canary, policy: ArrivalPolicy, could_see: Callable[[Instant], bool]) -> list[Look]:
    """What the looks show that something depends on: at each deadline that is tried, and when the trace was there.

    Nothing is missed at a moment at which nothing could be seen.
    """
    since = canary.waited_since
    there_at = canary.arrived_at if canary.arrived_at is not None else canary.recovered_at
    deadlines = [since + after for after in (policy.look_closer_after, policy.late_after, policy.missing_after)]
    missed = [at for at in deadlines if (there_at is None or at < there_at) and could_see(at)]
    looks: list[Look] = [_look(canary, at) for at in missed]
    if there_at is not None:
        looks += [_look(canary, there_at), _look(canary, there_at + _SETTLED_AFTER)]
    closer = deadlines[0] + 1.0
    if canary.origin is not None:
        asked = tuple(map(destination_of, canary.origin_asked)) or (DEFAULT_DESTINATION,)
        looks.append(OriginLooked(at=closer, canary_id=canary.id, found=canary.origin, destinations=asked))
    if canary.elsewhere is not None:
        looks.append(ElsewhereLooked(at=closer, canary_id=canary.id, environment=canary.elsewhere))
    return looks


def _look(canary: Canary, at: Instant) -> TraceLooked:
    route = canary.route or Route.TRACE
    seen = TraceSeen(route=route, at=at, spans=_spans(canary, at))
    return TraceLooked(at=at, took=0.0, canary_id=canary.id, seen=seen)


def _spans(canary: Canary, at: Instant) -> tuple[SpanFact, ...]:
    """The spans that were there: a whole tree, or some that miss their parent."""
    there_at = canary.arrived_at if canary.arrived_at is not None else canary.recovered_at
    whole = there_at is not None and at >= there_at
    if not whole and (canary.seen_at is None or at < canary.seen_at):
        return ()
    count = max(1, canary.spans)
    trace_id = canary.trace_id or canary.sent_id
    parents = ["" if whole else "missing", *("0" for _ in range(count - 1))]
    return tuple(
        SpanFact(trace_id=trace_id, span_id=str(number), parent_id=parent) for number, parent in enumerate(parents)
    )
