"""What one notifier is owed, what goes first, and when to try again what it did not take; and which incidents are one event.

Pure: the daemon's workers and the simulation deliver by it, each with its own clock.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from monitor.core.address import normal_url
from monitor.core.incident import NEVER, Corroboration, Incident, Notice, Notified, Reason, may_be_the_backend
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.notify import due, knows_of, muted_until, record, wakes_at
from monitor.core.silence import Silence
from monitor.core.state import Policy, TargetState

Targets = Collection[tuple[TargetState, Policy]]

FIRST_WAIT: Seconds = 1.0
LONGEST_WAIT: Seconds = 15.0
AFTER_PERMANENT: Seconds = 300.0
LOOK_ANYWAY: Seconds = 60.0
_HISTORY_AFTER: Seconds = 4 * 3600.0  # a notifier that is new is not notified of what was long over when it began

WAVE: Seconds = 900.0
"""So long after a mention the others of its wave add none. At the default settings every target has noticed a loss by then."""


def everything_due(targets: Targets, notifier: str, silences: tuple[Silence, ...], now: Instant) -> list[Notice]:
    """What a notifier must be notified of now; whom that calls is for `notify.compose` to say."""
    found: list[Notice] = []
    affected = corroborations(targets)
    for state, policy in targets:
        for incident in state.incidents:
            notified = incident.notified.get(notifier)
            muted, together = muted_until(incident, notified, silences, now), affected.get(incident.id)
            reason = due(incident, notified, silenced_until=muted, policy=policy, now=now, together=together)
            if reason is not None:
                found.append(
                    Notice(
                        reason=reason,
                        incident=incident,
                        at=now,
                        notified=notified,
                        silenced_until=muted,
                        together=together,
                    )
                )
    return found


@dataclass(frozen=True, slots=True)
class Skipped:
    """What is never delivered, and what is remembered of it instead. `silenced`: one silence covered all of it."""

    incident: Incident
    notified: Notified
    silenced: bool


def skipped(
    targets: Targets, notifier: str, silences: tuple[Silence, ...], *, since: Instant, now: Instant
) -> Iterator[Skipped]:
    """What one silence covered from opening to resolve, and what is mere history to a notifier that is new (`since`)."""
    incidents = [incident for state, _ in targets for incident in state.incidents]
    is_new = not any(notifier in incident.notified for incident in incidents)
    for incident in incidents:
        before = incident.notified.get(notifier)
        if incident.closed_at is None or knows_of(incident, before):
            continue
        silenced = muted_until(incident, before, silences, now) is not None
        if silenced or (is_new and since - incident.closed_at > _HISTORY_AFTER):
            at, receipt = (before.at, dict(before.receipt)) if before is not None else (NEVER, {})
            notice = Notice(reason=Reason.RESOLVED, incident=incident, at=at, notified=before)
            yield Skipped(incident, record(notice, receipt), silenced)


def becomes_due(
    targets: Targets, notifier: str, silences: tuple[Silence, ...], now: Instant
) -> Iterator[tuple[Incident, Instant]]:
    """What becomes due by the mere passing of time, and when: under a silence nothing before its end."""
    for state, policy in targets:
        for incident in state.incidents:
            notified = incident.notified.get(notifier)
            at = wakes_at(incident, notified, policy) if notified is not None else None
            if at is not None:
                muted = muted_until(incident, notified, silences, now)
                yield incident, at if muted is None else max(at, muted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a notice of an incident was not delivered: how often in a row, and when to try again at the earliest."""

    error: str
    count: int
    permanent: bool
    place: str
    retry_at: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """What a notifier did not take, by incident, the last failure last; and until when it is left alone.

    A notifier that does not answer is left alone for a while. What it refuses permanently (a channel that is gone) holds back
    nothing else, and is tried again slowly; what failed last is tried after what did not.
    """

    failures: Mapping[str, Failure] = field(default_factory=lambda: MappingProxyType({}))
    wait: Seconds = FIRST_WAIT
    left_alone_until: Seconds = NEVER

    def next(self, waiting: Iterable[Notice], now: Seconds) -> Notice | None:
        """What is to be tried now: what failed least often, of that news before edits, of those the oldest."""

        def order(one: Notice) -> tuple[int, bool, Instant]:
            failure = self.failures.get(one.incident.id)
            return (failure.count if failure is not None else 0, one.reason is Reason.EDITED, one.incident.opened_at)

        postponed = {incident for incident, failure in self.failures.items() if now < failure.retry_at}
        return min((one for one in waiting if one.incident.id not in postponed), key=order, default=None)

    def failed(
        self,
        incident: str,
        error: str,
        *,
        permanent: bool = False,
        place: str = "",
        retry_after: Seconds | None = None,
        now: Seconds,
    ) -> "Retries":
        """After an attempt that failed: each wait is twice the last one, at most fifteen seconds unless more is asked for."""
        before = self.failures.get(incident)
        failure = Failure(
            error=error,
            count=before.count + 1 if before is not None else 1,
            permanent=permanent,
            place=place,
            retry_at=now + AFTER_PERMANENT if permanent else now,
        )
        others = {known: each for known, each in self.failures.items() if known != incident}
        after = replace(self, failures={**others, incident: failure})
        if permanent:
            return after
        alone_until = now + max(self.wait, retry_after or 0.0)
        return replace(after, left_alone_until=alone_until, wait=min(LONGEST_WAIT, self.wait * 2))

    def delivered(self, incident: str) -> "Retries":
        """After an attempt that did not fail."""
        return replace(self.of(self.failures.keys() - {incident}), wait=FIRST_WAIT)

    def of(self, incidents: Collection[str]) -> "Retries":
        """Without the incidents of which nothing is due any more."""
        return replace(self, failures={known: each for known, each in self.failures.items() if known in incidents})

    def at_once(self, now: Seconds) -> "Retries":
        """Somebody may have fixed what was refused permanently: it may be tried now."""
        return replace(self, failures={known: replace(each, retry_at=now) for known, each in self.failures.items()})


# --- several targets behind one trace backend that are affected together ----------------------------------------------


def corroborations(targets: Targets) -> Mapping[str, Corroboration]:
    """What is said of each open incident that others share, by its id; nothing of one that is alone.

    Each target has an incident of its own, also then: it names its own hop, and it resolves by itself. But one backend that fails is
    one event to the people who are on call. So every message says how many of the targets behind that backend are affected, the
    first one mentions, and the others of the same wave do not.

    Example: four targets share https://api.traceloop.com, and it refuses spans from 10:00 on. `prod` opens at 10:06 and mentions;
    `eu` opens at 10:07 and `us` at 10:09 without a mention: "3 of 4 targets behind this Traceloop are affected: prod, eu, us".
    """
    if sum(state.incident is not None and _is_affected(state.incident) for state, _ in targets) <= 1:
        return {}  # nearly always, and asked whenever anything changes
    behind: dict[tuple[str, str], list[TargetState]] = {}
    for state, policy in targets:
        if policy.backend_url and state.removed_at is None:
            behind.setdefault((policy.backend.name, normal_url(policy.backend_url)), []).append(state)
    found: dict[str, Corroboration] = {}
    for (name, _), sharing in behind.items():
        open_ones = [state.incident for state in sharing if state.incident is not None]
        affected = sorted(filter(_is_affected, open_ones), key=lambda one: (one.opened_at, one.target))
        if len(affected) > 1:
            together = Corroboration(
                backend=name,
                targets=tuple(one.target for one in affected),
                of=len(sharing),
                since=affected[-1].opened_at,
            )
            found.update((one.id, together) for one in affected)
    return found


def _is_affected(incident: Incident) -> bool:
    """Whether it may be the backend now; a cause that is fixed, and waits for traces, is over."""
    return incident.diagnosis.waiting is None and may_be_the_backend(incident.diagnosis)


def has_mentioned(
    incident: Incident,
    together: Corroboration | None,
    targets: Targets,
    notifier: str,
    key: Callable[[TargetName], str],
    now: Instant,
) -> bool:
    """Whether the same people were mentioned a short while ago for another incident of the same wave.

    What shares a `key` mentions the same people in the same channel.
    """
    if together is None:
        return False
    affected = frozenset(together.targets)
    others = (state.incident for state, _ in targets if state.target in affected)
    notified = (
        one.notified.get(notifier)
        for one in others
        if one is not None and one.id != incident.id and key(one.target) == key(incident.target)
    )
    mentions = (one.mentioned_at for one in notified if one is not None and one.mentioned_at is not None)
    return any(now - at < WAVE for at in mentions)
