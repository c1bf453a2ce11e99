"""The canaries of the last 24 hours, per target: what the strips and the sparklines of the page are drawn from.

The state remembers the newest 200 canaries, and the history holds inputs, whose outcomes only a replay would show. So the page keeps
the outcomes as the state has had them: each canary is noted while the state remembers it, and kept for a day. After a restart the
day begins with what the state remembers, which is more than 16 hours at the default cadence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from monitor.core.canary import Canary, Outcome
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.outcomes import misrouted_to
from monitor.core.state import DAY, TargetState

_IN_FLIGHT: Seconds = 180.0
"""A canary without an answer is not counted as unanswered before that."""


class Kind(StrEnum):
    """What became of a canary, as it is drawn; from good to bad but for the last two."""

    ARRIVED = "arrived"
    LATE = "late"
    INCOMPLETE = "incomplete"
    MISSING = "missing"
    UNKNOWN = "unknown"
    AWAITED = "awaited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One canary. `note` is for people, where the kind does not say it all. `unanswered`: the gateway has said nothing so far."""

    id: str
    sent_at: Instant
    kind: Kind
    trace_id: str | None
    seconds: Seconds | None
    note: str = ""
    unanswered: bool = False


def dot_of(canary: Canary) -> Dot:
    """What is drawn of a canary."""
    kind, note = _kind_of(canary)
    return Dot(
        id=canary.id,
        sent_at=canary.sent_at,
        kind=kind,
        trace_id=canary.trace_id,
        seconds=canary.arrival_seconds,
        note=note,
        unanswered=_is_unanswered(canary),
    )


def _kind_of(canary: Canary) -> tuple[Kind, str]:
    other = misrouted_to(canary)
    if other is not None and canary.recovered_at is None:
        return Kind.MISSING, f"it is in the environment {other}"
    if canary.recovered_at is not None:
        return Kind.LATE, "found after it was counted as missing"
    match canary.outcome:
        case Outcome.ARRIVED:
            return Kind.ARRIVED, ""
        case Outcome.LATE | Outcome.RECOVERED:
            return Kind.LATE, ""
        case Outcome.INCOMPLETE:
            return Kind.INCOMPLETE, canary.incomplete
        case Outcome.MISSING:
            return Kind.MISSING, ""
        case Outcome.UNKNOWN:
            return Kind.UNKNOWN, "" if canary.accepted else "the gateway did not serve it"
        case None if canary.answered_at is None:
            return Kind.UNKNOWN, "the gateway did not answer" if _is_unanswered(
                canary
            ) else "the gateway did not serve it"
        case None:
            return (Kind.AWAITED, "overdue") if canary.late else (Kind.AWAITED, "")


def _is_unanswered(canary: Canary) -> bool:
    """A refusal is an answer too, of which there is only the status: no trace was made that could be awaited."""
    return canary.outcome is None and canary.answered_at is None and "status" not in canary.evidence


class Day:
    """Notes the canaries of every target as they are judged. Cheap where nothing has changed since it was asked last."""

    def __init__(self) -> None:
        self._dots: dict[TargetName, dict[str, Dot]] = {}
        self._noted: dict[TargetName, tuple[Canary, ...]] = {}

    def note(self, states: Mapping[TargetName, TargetState], now: Instant) -> None:
        """Remember what the states say of their canaries; forget what is older than a day, and targets that are gone."""
        for gone in self._dots.keys() - states.keys():
            del self._dots[gone]
            self._noted.pop(gone, None)
        for name, state in states.items():
            dots = self._dots.setdefault(name, {})
            if self._noted.get(name) is not state.canaries:
                before = {canary.id: canary for canary in self._noted.get(name, ())}
                changed = [one for one in state.canaries if before.get(one.id) is not one]
                dots.update((canary.id, dot_of(canary)) for canary in changed)
                self._noted[name] = state.canaries
            for old in [one.id for one in dots.values() if not now - DAY <= one.sent_at <= now + 1]:
                del dots[old]

    def of(self, target: TargetName, now: Instant) -> tuple[Dot, ...]:
        """The canaries of a target in the order in which they were sent; without those whose answer may still be under way."""
        dots = self._dots.get(target, {}).values()
        shown = (one for one in dots if not (one.unanswered and now - one.sent_at < _IN_FLIGHT))
        return tuple(sorted(shown, key=lambda one: one.sent_at))


def percentile(values: Iterable[Seconds], share: float) -> Seconds | None:
    """The smallest value that at least this share of them does not exceed; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)
    return ordered[min(place, len(ordered) - 1)]
