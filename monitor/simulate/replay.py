"""What was recorded, applied and reported once more by the present thresholds; and what was notified at the time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from monitor.core.incident import Reason
from monitor.core.inputs import (
    CanaryAnswered,
    Input,
    LookFailed,
    MemoryLost,
    NoticeDelivered,
    Observation,
    Removed,
    Ticked,
    TraceLooked,
)
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.state import ArrivalPolicy, CheckState, Policy, TargetState
from monitor.daemon.compose import silences_of
from monitor.settings import Loaded
from monitor.simulate.simulate import TICK, targets_of
from monitor.simulate.simulated_target import FINGERPRINT_KEY
from monitor.simulate.simulation import Report, Simulation, Summary
from monitor.simulate.slack import Slack
from monitor.store import Recorded
from monitor.store.snapshot import Snapshot

_AFTERWARDS: Seconds = 60.0
_NOBODY_LOOKED: Seconds = 300.0
"""After so long without a single input there was no daemon, and nobody was reminded of anything."""


def replay(loaded: Loaded, snapshot: Snapshot, names: Sequence[TargetName], since: Instant) -> Report | None:
    """Apply and report what was recorded since then; None if nothing was."""
    history = [entry for entry in snapshot.history if entry.target in names]
    if not history:
        return None
    settings = loaded.settings
    begin = max(since, min(entry.at for entry in history))
    targets = targets_of(settings, snapshot.fingerprint_key or FINGERPRINT_KEY)
    silences = (*silences_of(settings), *snapshot.state.silences)
    simulation = Simulation({name: targets[name] for name in names}, Slack(settings.server.external_url), silences)
    moments: list[tuple[Instant, TargetName, Input]] = []
    for name in names:
        mine = [entry for entry in history if entry.target == name]
        simulation.states[name] = _before(
            snapshot.state.targets.get(name, TargetState(target=name)), mine, targets[name].policy
        )
        moments += [(at, name, given) for at, given in _moments(mine, targets[name].policy) if at >= begin]
    now = begin
    for at, name, given in sorted(moments, key=lambda moment: moment[0]):
        now = _pass_time(simulation, now, at)
        simulation.apply(name, given, now)
        simulation.deliver(now)
    until = _pass_time(simulation, now, now + _AFTERWARDS)
    return Report(start=begin, until=until, simulation=simulation, notified=_notified_then(snapshot, history, begin))


def _pass_time(simulation: Simulation, now: Instant, until: Instant) -> Instant:
    """Time passes as it does in a daemon; where there was none, it passes unnoticed."""
    if until - now >= _NOBODY_LOOKED:
        return until
    while now < until:
        now = min(until, now + TICK, simulation.next_delivery(now))
        for name in simulation.states if now < until else ():
            simulation.apply(name, Ticked(at=now), now)
        simulation.deliver(now)
    return until


def _before(state: TargetState, history: Sequence[Recorded], policy: Policy) -> TargetState:
    """What was known when it begins: that each check has passed, and that what is proven now was proven then."""
    last = max((entry.until for entry in history), default=0.0)
    configs = any(isinstance(entry.given, Observation) and entry.given.config is not None for entry in history)
    return TargetState(
        target=state.target,
        check_states={check: CheckState(ever_passed=True) for check in policy.cadences},
        config=None if configs else state.config,
        proofs=dict.fromkeys(state.proofs, last),
        honours_traceparent=state.honours_traceparent,
        caller=state.caller,
    )


def _moments(history: Sequence[Recorded], policy: Policy) -> Iterator[tuple[Instant, Input]]:
    """The inputs that the entries stand for. When those between the first and the last of one were is estimated from their number.

    Looks for a trace that showed the same are repeated only where something depends on it: at the deadlines that are tried. A
    trace that was not there when it was looked for last is not there later either.
    """
    answered: dict[str, Instant] = {}
    last: dict[str, Recorded] = {}
    for entry in history:
        match entry.given:
            case NoticeDelivered() | Removed() | MemoryLost():  # what became of the past itself
                continue
            case CanaryAnswered(canary=canary):
                answered[canary.id] = canary.waited_since
            case TraceLooked(canary_id=canary_id) | LookFailed(canary_id=str(canary_id)):
                last[canary_id] = entry
        if isinstance(entry.given, Observation):
            yield from _observations(entry, entry.given, policy)
            continue
        deadlines = _deadlines(answered, entry.given, policy.arrival)
        for at in sorted({entry.at, entry.until, *(each for each in deadlines if entry.at < each < entry.until)}):
            yield at, _as_of(entry.given, at)
    for entry in last.values():
        if isinstance(entry.given, TraceLooked) and not entry.given.seen.spans:
            deadlines = _deadlines(answered, entry.given, policy.arrival)
            yield from ((at, _as_of(entry.given, at)) for at in deadlines if at > entry.until)


def _deadlines(answered: Mapping[str, Instant], given: Input, policy: ArrivalPolicy) -> list[Instant]:
    """The moments at which a look for this trace decides something."""
    since = answered.get(given.canary_id) if isinstance(given, TraceLooked) else None
    afters = (policy.look_closer_after, policy.late_after, policy.missing_after)
    return [] if since is None else [since + after for after in afters]


def _as_of(given: Input, at: Instant) -> Input:
    """The same look at another moment; nothing else is ever repeated."""
    match given:
        case TraceLooked():
            return replace(given, at=at, seen=replace(given.seen, at=at))
        case LookFailed():
            return replace(given, at=at)
        case _:
            return given


def _observations(entry: Recorded, given: Observation, policy: Policy) -> Iterator[tuple[Instant, Input]]:
    cadence = policy.cadences.get(given.check)
    if cadence is None:
        return
    for number, at in enumerate(_spread(entry, cadence.every, cadence.every_while_failing)):
        yield at, replace(given, at=given.at + at - entry.at, config=given.config if number == 0 else None)


def _spread(entry: Recorded, regular: Seconds, hurried: Seconds) -> list[Instant]:
    """When merged looks took place: hurried ones first, as many of them as the entry's length shows, the rest evenly."""
    gaps, length = entry.times - 1, entry.until - entry.at
    if gaps <= 0:
        return [entry.at]
    many = round((gaps * regular - length) / (regular - hurried)) if regular > hurried else 0
    quick = min(max(many, 0), gaps)
    planned = quick * hurried + (gaps - quick) * regular
    moments = [entry.at]
    for number in range(gaps):
        moments.append(moments[-1] + length * (hurried if number < quick else regular) / planned)
    return moments


def _notified_then(snapshot: Snapshot, history: Sequence[Recorded], since: Instant) -> Summary:
    """What was notified at the time: by Slack, else by whichever delivered most. An incident counts each time it opened."""
    # What an attempt, an edit or a silence writes down keeps the date of what was notified before.
    notified = {
        (each.notifier, each.incident_id, each.notified.at): each.notified
        for entry in reversed(history)
        if isinstance(each := entry.given, NoticeDelivered) and each.notified.at >= since
    }
    names = [notifier for notifier, _, _ in notified]
    name = "slack" if "slack" in names else max(sorted(set(names)), key=names.count, default="")
    mine = [each for (notifier, _, _), each in notified.items() if notifier == name]
    reasons = [each.reason for each in mine]
    targets = {entry.target for entry in history}
    openings = {
        (incident.id, at)
        for target, state in snapshot.state.targets.items()
        for incident in state.incidents
        for at in (incident.opened_at, *incident.reopened)
        if target in targets and at >= since
    }
    return Summary(
        incidents=len(openings),
        messages=len(mine),
        mentions=sum(each.mentioned_at == each.at for each in mine),
        by_reason={reason: reasons.count(reason) for reason in Reason if reason in reasons},
    )
