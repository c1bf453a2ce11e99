"""Judge whether a canary's trace arrived: whole, in time, and by which evidence.

Deadlines count from the gateway's answer. A trace is `late` or `missing` only by a look that succeeded at or after the
deadline; absence counts only through a route that has shown us a span of our own within a day, with the same credential.
"""

from collections.abc import Mapping
from dataclasses import replace

from monitor.core.canary import Canary, ControlSpan, IdSource, Outcome
from monitor.core.gateway_policies import DEFAULT_DESTINATION
from monitor.core.model import Instant, Seconds
from monitor.core.state import ArrivalPolicy, Policy, TraceIdMode
from monitor.core.trace import (
    BY_NONCE,
    Narrowing,
    Route,
    TraceSeen,
    compare_with_answer,
    judge_completeness,
    judge_labels,
)

PROOF_LASTS: Seconds = 24 * 3600.0
"""How long a route that has shown us a span is trusted to show the next (Traceloop's free plan keeps spans for a day)."""

GIVE_UP_AFTER: Seconds = 3600.0
"""How long after `missing_after` a trace is still looked for when no look succeeds."""

RECOVERABLE_FOR: Seconds = 20 * 3600.0
REMEMBERED = 200
"""The newest canaries remembered; older than `RECOVERABLE_FOR` none is asked for again."""

_LEARNT_FROM = 5
_LEARNT_AFTER = 3
_SOONER = 0.8  # so much sooner than usual the first look is: else a trace that has become faster would never be noticed
_MARGIN: Seconds = 0.5

_SETTLING: Seconds = 2.0
_CAP_AT_FIRST: Seconds = 5.0  # most traces come within seconds, and how long they take is measured by these looks
_CAP: Seconds = 15.0
_CAP_AFTER_DEADLINE: Seconds = 60.0
_SOON: Seconds = 90.0  # longer than any wait between two looks that succeed


def usual_arrival(canaries: tuple[Canary, ...]) -> Seconds | None:
    """How long the newest traces took at most, by the looks for them; None while there are too few to learn from."""
    took = [canary.arrival_seconds for canary in canaries if canary.outcome is Outcome.ARRIVED][-_LEARNT_FROM:]
    known = [seconds for seconds in took if seconds is not None]
    return max(known) if len(known) >= _LEARNT_AFTER else None


def next_look(
    canary: Canary, policy: ArrivalPolicy, last_try: Instant | None, tries: int, usual: Seconds | None = None
) -> Instant:
    """When to look for a trace again: backing off, but exactly at each of the three moments that something depends on.

    Where it is known how long a trace usually takes, nobody asks much sooner: traces that took 40 s are asked for after 32 s,
    then after 40 s, and only then every few seconds.
    """
    answered = canary.waited_since
    if last_try is None:
        first = 1.0 if usual is None else max(1.0, _SOONER * usual)
        return answered + min(first, policy.look_closer_after)
    overdue = last_try >= answered + policy.missing_after
    closer = last_try < answered + policy.look_closer_after
    wait = _CAP_AFTER_DEADLINE if overdue else backoff(tries, _CAP_AT_FIRST if closer else _CAP)
    if tries == 1 and usual is not None:
        wait = max(1.0, answered + usual + _MARGIN - last_try)
    if canary.whole_at is not None:
        wait = min(wait, _SETTLING)
    due = last_try + wait
    moments = (answered + after for after in (policy.look_closer_after, policy.late_after, policy.missing_after))
    return min([due, *(moment for moment in moments if moment > last_try)])


def backoff(tries: int, cap: Seconds) -> Seconds:
    """1, 2, 4 s … capped."""
    return min(2.0 ** min(tries, 16), cap)


def proof_key(route: Route, credential: str) -> str:
    """Under which name a route's proof is remembered."""
    return f"{route}:{credential}"


def narrowing_key(narrowing: Narrowing, credential: str) -> str:
    """Under which name it is remembered that a documented read, narrowed down so, has shown a span of ours."""
    return f"narrowed by {narrowing}:{credential}"


def is_narrowing_proven(
    proofs: Mapping[str, Instant], narrowing: Narrowing, credential: str, now: Instant, within: Seconds = PROOF_LASTS
) -> bool:
    """Whether it has shown us a span of our own recently, with the same credential."""
    return _has_shown(proofs, narrowing_key(narrowing, credential), now, within)


def store_credential(account: str, destination: str) -> str:
    """As whom, and where, TrueFoundry's own store is asked: each account sees its own traces, in one destination at a time.

    https://www.truefoundry.com/docs/ai-gateway/data-access: an empty answer may mean that we are not allowed.
    """
    return account if destination == DEFAULT_DESTINATION else f"{account}@{destination}"


def is_proven(proofs: Mapping[str, Instant], route: Route, credential: str, now: Instant) -> bool:
    """Whether a route has shown us a span of our own within a day, with the same credential."""
    return _has_shown(proofs, proof_key(route, credential), now, PROOF_LASTS)


def _has_shown(proofs: Mapping[str, Instant], key: str, now: Instant, within: Seconds) -> bool:
    shown = proofs.get(key)
    return shown is not None and now - shown <= within


def store_is_proven(canary: Canary, proofs: Mapping[str, Instant], now: Instant) -> bool:
    """Whether TrueFoundry's own store has shown a trace within a day, wherever it was asked for this one and to whom it was."""
    return all(is_proven(proofs, Route.OWN_STORE, asked, now) for asked in canary.origin_asked)


def absence_counts(
    canary: Canary,
    seen: TraceSeen,
    *,
    policy: Policy,
    proofs: Mapping[str, Instant],
    honours_traceparent: bool | None,
    now: Instant,
) -> bool:
    """Whether not seeing this trace by this route means that it is not there.

    A trace id of our own making counts only if the operator says so or this gateway has honoured one before. Without an
    id, only a filter for the nonce counts that has shown the trace of another canary: a search of everything may miss it. Not
    to find its root by name says only that the root is not there.
    """
    if seen.narrowing in BY_NONCE:
        return is_narrowing_proven(proofs, seen.narrowing, policy.credential, now)
    if seen.route is Route.NONCE or canary.trace_id is None or seen.narrowing is Narrowing.SPAN_NAME:
        return False
    own_id = canary.id_source is IdSource.TRACEPARENT
    if own_id and policy.trace_id is not TraceIdMode.TRACEPARENT and not honours_traceparent:
        return False
    if seen.narrowing not in (None, Narrowing.WINDOW):
        return is_narrowing_proven(proofs, seen.narrowing, policy.credential, now)
    return is_proven(proofs, seen.route, policy.credential, now)


def look_at(canary: Canary, seen: TraceSeen, *, policy: Policy, counts: bool) -> Canary:
    """Apply one successful look to a canary; `counts` says whether absence by this route counts (`absence_counts`)."""
    if canary.outcome is None:
        counted = _count_spans(canary, seen, policy.arrival)
        return _judge_labels(_judge(counted, seen.at, policy.arrival, counts=counts), seen, policy)
    looked = replace(canary, last_look_at=seen.at)
    if canary.outcome is not Outcome.MISSING:
        return _judge_labels(looked, seen, policy)
    if seen.spans and canary.recovered_at is None:
        return replace(looked, recovered_at=seen.at)
    return replace(looked, asked_again=canary.asked_again + 1)


def give_up(canary: Canary, policy: ArrivalPolicy, now: Instant) -> Canary:
    """A look failed: long after the deadline the canary's fate stays unknown."""
    if canary.outcome is None and now - canary.waited_since >= policy.missing_after + GIVE_UP_AFTER:
        return replace(canary, outcome=Outcome.UNKNOWN, judged_at=now)
    return canary


def wants_labels(canary: Canary, policy: ArrivalPolicy, now: Instant) -> bool:
    """Whether the documented read has still to judge an arrived trace."""
    return (
        canary.outcome in (Outcome.ARRIVED, Outcome.LATE)
        and canary.labels is None
        and not canary.not_judged
        and now <= canary.waited_since + policy.missing_after
    )


def _count_spans(canary: Canary, seen: TraceSeen, policy: ArrivalPolicy) -> Canary:
    count = len(seen.span_ids)
    # A request that was refused leaves fewer spans than one that was served.
    wanted = policy.complete_spans if canary.accepted else None
    shape = judge_completeness(seen, own_parent=canary.span_id, wanted=wanted)
    # A count is stable over two looks by the same route, or where the documented one shows as many: it may only lag behind.
    same_way = canary.route is seen.route or seen.route is Route.WAREHOUSE
    stable = canary.whole_at is not None and same_way and canary.spans == count
    before = canary.last_look_at if canary.last_look_at is not None else canary.waited_since
    return replace(
        canary,
        last_look_at=seen.at,
        route=seen.route,
        spans=count,
        seen_at=canary.seen_at if canary.seen_at is not None or not count else seen.at,
        whole_at=(canary.whole_at if stable else seen.at) if shape.complete else None,
        seen_in_time=canary.seen_in_time if stable else seen.at - before <= _SOON,
        arrived_at=canary.whole_at if shape.complete and stable else None,
        late=canary.late or (shape.complete and canary.whole_at is None and _was_overdue(canary, policy)),
        incomplete=shape.why if count else "",
    )


def _was_overdue(canary: Canary, policy: ArrivalPolicy) -> bool:
    """Whether a look has succeeded in vain since the trace was due. Where none has, it may have been there all the time."""
    return canary.last_look_at is not None and canary.last_look_at - canary.waited_since >= policy.late_after


def _judge(canary: Canary, now: Instant, policy: ArrivalPolicy, *, counts: bool) -> Canary:
    age = now - canary.waited_since
    if canary.arrived_at is not None:
        outcome = Outcome.LATE if canary.late else Outcome.ARRIVED
        return replace(canary, outcome=outcome, judged_at=now, incomplete="")
    absence_known = counts or canary.spans > 0
    late = canary.late or (canary.accepted and absence_known and age >= policy.late_after and canary.whole_at is None)
    waiting = replace(canary, late=late)
    if age < policy.missing_after:
        return waiting
    if canary.whole_at is not None:  # whole, but seen for the first time at the deadline: one look more decides
        return waiting
    if not canary.accepted:  # an error answer: arrival proves export, absence proves nothing, not even that of a part
        return replace(waiting, outcome=Outcome.UNKNOWN, judged_at=now)
    if canary.spans:
        return replace(waiting, outcome=Outcome.INCOMPLETE, judged_at=now)
    return replace(waiting, outcome=Outcome.MISSING if counts else Outcome.UNKNOWN, judged_at=now)


def _judge_labels(canary: Canary, seen: TraceSeen, policy: Policy) -> Canary:
    if seen.route not in (Route.WAREHOUSE, Route.NONCE) or not seen.spans or canary.labels is not None:
        return canary
    if len(seen.span_ids) < canary.spans or canary.arrived_at is None:
        return canary
    judged = judge_labels(seen, policy.labels, environment=policy.environment)
    evidence = compare_with_answer(judged.evidence, model=canary.model, usage=canary.usage)
    if policy.backend.cannot_tell:
        evidence = {**evidence, "not_shown": ", ".join(policy.backend.cannot_tell)}
    labels = replace(judged, evidence=evidence)
    # Whoever was refused has no response to show.
    return replace(canary, labels=labels if canary.accepted else replace(labels, content_missing=False))


def judge_control(
    control: ControlSpan, *, shown: bool, route: Route, at: Instant, missing_after: Seconds
) -> ControlSpan:
    """Apply one successful documented or quick read to a control span.

    Not shown is a judgement only by the documented read, and only at or after `missing_after`.
    """
    if shown:
        return replace(control, shown_at=at, route=str(route), judged=True)
    return replace(control, judged=route is Route.WAREHOUSE and at - control.sent_at >= missing_after)
