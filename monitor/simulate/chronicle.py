"""What a simulation has seen, in order: what was told, and what happened besides; and the sum of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from monitor.core.incident import Reason
from monitor.core.model import Instant
from monitor.simulate.reader import Outcome, Telling

_IN_VAIN = frozenset({Outcome.FAILED, Outcome.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """Something that happened, in words."""

    at: Instant
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The sum. `messages` are new texts in Slack, `mentions` those that called somebody; `open` what was not over at the end."""

    incidents: int = 0
    reopened: int = 0
    messages: int = 0
    mentions: int = 0
    by_reason: Mapping[Reason, int] = field(default_factory=dict)
    open: tuple[str, ...] = ()


@dataclass(slots=True)
class Chronicle:
    """Filled while a simulation runs."""

    entries: list[Cue | Telling] = field(default_factory=list)
    incidents: int = 0
    reopened: int = 0

    @property
    def tellings(self) -> list[Telling]:
        """What was told, or tried to be."""
        return [entry for entry in self.entries if isinstance(entry, Telling)]

    def note(self, at: Instant, words: str) -> None:
        """Something happened."""
        self.entries.append(Cue(at=at, words=words))

    def hear(self, telling: Telling) -> None:
        """Something was told, or tried to be."""
        place = self._same_failure(telling)
        if place is None:
            self.entries.append(telling)
            return
        before = self.entries[place]
        if isinstance(before, Telling):
            self.entries[place] = replace(before, until=telling.until, attempts=before.attempts + 1)

    def _same_failure(self, telling: Telling) -> int | None:
        """Where the last attempt stands, if it went wrong in the same way and showed nothing."""
        if telling.outcome not in _IN_VAIN or telling.shown:
            return None
        for place in range(len(self.entries) - 1, -1, -1):
            before = self.entries[place]
            if isinstance(before, Telling):
                return place if _alike(before, telling) else None
        return None

    def summarize(self, still_open: tuple[str, ...]) -> Summary:
        """The sum of it."""
        posted = [telling for telling in self.tellings if telling.posted]
        reasons = [telling.reason for telling in posted]
        return Summary(
            incidents=self.incidents,
            reopened=self.reopened,
            messages=len(posted),
            mentions=sum(telling.called for telling in posted),
            by_reason={reason: reasons.count(reason) for reason in Reason if reason in reasons},
            open=still_open,
        )


def _alike(one: Telling, other: Telling) -> bool:
    def key(telling: Telling) -> tuple[object, ...]:
        return (
            telling.notifier,
            telling.incident,
            telling.reason,
            telling.outcome,
            telling.detail,
            telling.mention,
            bool(telling.shown),
        )

    return key(one) == key(other)
