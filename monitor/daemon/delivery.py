"""One notifier: what is due to it, in which order, how long to leave it alone, and how it does."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import NEVER, Incident, Notice, Notified, Reason
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.notify import (
    MENTION_AT_MOST_EVERY,
    attempted,
    compose,
    due,
    knows_of,
    muted_until,
    record,
    refused,
    trusted,
    wakes_at,
)
from monitor.core.silence import Silence
from monitor.ports import Clock, Notifier, Undeliverable
from monitor.runner import LiveTargetStore

_log = logging.getLogger(__name__)

LIMIT: Seconds = 60.0
"""How long a notifier may take for one notice."""

LONGEST_WAIT: Seconds = 15.0
_FIRST_WAIT: Seconds = 1.0
_AFTER_PERMANENT: Seconds = 300.0
_LOOK_ANYWAY: Seconds = 60.0
_AT_LEAST: Seconds = 0.05
_HISTORY_AFTER: Seconds = 4 * 3600.0  # a notifier that is new is not notified of what was long over when it began


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A notifier; `mention_key` names channel and mention of a target: what shares a key shares the limit of one a minute."""

    notifier: Notifier
    mention_key: Callable[[TargetName], str] = str


@dataclass(slots=True)
class NotifierHealth:
    """What is known of one notifier, for the page and the metrics. `permanent`: only a person can fix what it suffers from."""

    pending: int = 0
    failing_since: Instant | None = None
    last_error: str = ""
    permanent: bool = False
    refused: tuple[str, ...] = ()  # the places that refuse what they are sent, where there are several
    unrefreshed: str = ""  # who could not be sent again what they forget
    unrefreshed_since: Seconds | None = None  # since when nobody could, by the monotonic clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all workers share, in monotonic seconds.

    `mentioned` says when somebody was mentioned last, by notifier and channel; `backoff_until`, until when a notifier asked to
    be left alone.
    """

    clock: Clock
    publish: Callable[[Event], None]
    target_stores: Callable[[], Iterable[LiveTargetStore]]
    silences: Callable[[], tuple[Silence, ...]]
    labels: Callable[[TargetName], Mapping[str, str]]
    mentioned: dict[str, Seconds] = field(default_factory=dict)
    backoff_until: dict[str, Seconds] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Due:
    target_store: LiveTargetStore
    incident: Incident
    notified: Notified | None
    reason: Reason
    silenced_until: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why a notice of an incident was not delivered: how often in a row, and when (monotonic) to try again at the earliest."""

    error: str
    count: int
    permanent: bool
    place: str
    retry_at: Seconds


class Worker:
    """Delivers to one notifier what is due, the oldest incident first.

    A notifier that does not answer is left alone for a while. What it refuses permanently (a channel that is gone) holds back
    nothing else, and is tried again slowly; what failed last is tried after what did not.
    """

    def __init__(self, route: Route, shared: Shared) -> None:
        self.notifier = route.notifier
        self.name = route.notifier.name
        self.health = NotifierHealth()
        self.delivering = asyncio.Lock()
        self._mention_key = route.mention_key
        self._shared = shared
        self._clock = shared.clock
        self._since = shared.clock.now()
        self._wake = asyncio.Event()
        self._wait = _FIRST_WAIT
        self._failures: dict[str, _Failure] = {}  # by incident

    def wake(self) -> None:
        """Something changed: look whether anything is due."""
        self._wake.set()

    def retry(self) -> None:
        """Somebody may have fixed what was refused permanently: try it now."""
        now = self._clock.monotonic()
        self._failures = {incident: replace(failure, retry_at=now) for incident, failure in self._failures.items()}
        self.wake()

    def restore_mentions(self) -> None:
        """Whom an earlier process mentioned within the last minute is not mentioned again by this one."""
        now, mentioned = self._clock.now(), self._shared.mentioned
        for _, incident in self._incidents():
            notified = incident.notified.get(self.name)
            if notified is not None and notified.mentioned_at is not None and notified.mentioned_at <= now:
                key, at = self._key(incident), self._clock.monotonic() - (now - notified.mentioned_at)
                mentioned[key] = max(at, mentioned.get(key, at))

    async def work(self) -> None:
        """Deliver what is due, for ever."""
        while True:
            self._wake.clear()
            backoff = await self.deliver_due()
            if backoff is not None:
                await self._clock.sleep(backoff)
                continue
            try:
                async with self._clock.timeout(self._until_next()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def deliver_due(self) -> Seconds | None:
        """Deliver what is due. None when nothing is left to be tried, else how long to leave the notifier alone."""
        await self._skip_what_needs_no_notice()
        while True:
            waiting = self._due()
            self._forget_failures({one.incident.id for one in waiting})
            self.health.pending = len(waiting)
            backoff = self._shared.backoff_until.get(self.name, 0.0) - self._clock.monotonic()
            if backoff > 0:
                return backoff
            one = self._next(waiting)
            if one is None:
                return None
            try:
                async with self.delivering:
                    await self._deliver(one)
            except Undeliverable as error:
                self._note_failure(one, error)
                if one.notified is not None and not error.unknown:
                    await self._remember(one.target_store, one.incident, refused(one.notified), self._clock.now())
                if not error.permanent:
                    return self._back_off(error)

    # --- what is due

    def _incidents(self) -> list[tuple[LiveTargetStore, Incident]]:
        return [
            (target_store, incident)
            for target_store in self._shared.target_stores()
            for incident in target_store.state.incidents
        ]

    async def _skip_what_needs_no_notice(self) -> None:
        """Mark what is never delivered: what one silence covered from opening to resolve, and what is mere history."""
        incidents = self._incidents()
        is_new = not any(self.name in incident.notified for _, incident in incidents)
        for target_store, incident in incidents:
            before = incident.notified.get(self.name)
            if incident.closed_at is None or knows_of(incident, before):
                continue
            now = self._clock.now()
            silenced = muted_until(incident, before, self._shared.silences(), now) is not None
            if not silenced and not (is_new and self._since - incident.closed_at > _HISTORY_AFTER):
                continue
            at = before.at if before is not None else NEVER
            notice = Notice(reason=Reason.RESOLVED, incident=incident, at=at, notified=before)
            notified = record(notice, dict(before.receipt) if before is not None else {})
            await self._remember(target_store, incident, notified, now)
            if silenced:
                self._report(incident, Reason.RESOLVED, "suppressed")

    def _due(self) -> list[_Due]:
        found: list[_Due] = []
        now, silences = self._clock.now(), self._shared.silences()
        for target_store, incident in self._incidents():
            notified = incident.notified.get(self.name)
            muted = muted_until(incident, notified, silences, now)
            reason = due(incident, notified, silenced_until=muted, policy=target_store.policy, now=now)
            if reason is not None:
                found.append(_Due(target_store, incident, notified, reason, muted))
        return found

    def _next(self, waiting: list[_Due]) -> _Due | None:
        def order(one: _Due) -> tuple[int, Instant]:
            failure = self._failures.get(one.incident.id)
            return (failure.count if failure is not None else 0, one.incident.opened_at)

        now = self._clock.monotonic()
        postponed = {incident for incident, failure in self._failures.items() if now < failure.retry_at}
        return min((one for one in waiting if one.incident.id not in postponed), key=order, default=None)

    def _until_next(self) -> Seconds:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        waits = [
            moment - now
            for target_store, incident in self._incidents()
            if (notified := incident.notified.get(self.name)) is not None
            and (moment := wakes_at(incident, notified, target_store.policy)) is not None
            and incident.id not in self._failures
        ]
        retries = [failure.retry_at - monotonic for failure in self._failures.values()]
        return max(_AT_LEAST, min([_LOOK_ANYWAY, *waits, *retries]))

    # --- one delivery

    async def _deliver(self, one: _Due) -> None:
        """Commit, send, remember the receipt. Raises Undeliverable."""
        target_store, incident, key = one.target_store, one.incident, self._key(one.incident)
        mentioned = self._shared.mentioned.get(key)
        recently = mentioned is not None and self._clock.monotonic() - mentioned < MENTION_AT_MOST_EVERY
        notice = compose(
            incident,
            one.notified,
            one.reason,
            silenced_until=one.silenced_until,
            may_mention=not recently and trusted(target_store.state, target_store.policy),
            labels=dict(self._shared.labels(incident.target)),
            now=self._clock.now(),
        )
        asked = attempted(notice)
        if asked is None:
            await target_store.commit()
        else:
            await self._remember(target_store, incident, asked, notice.at)
        receipt = await self._send(notice)
        now = self._clock.now()
        if notice.mention:
            self._shared.mentioned[key] = self._clock.monotonic()
        await self._remember(target_store, incident, record(notice, receipt), now)
        self._wait = _FIRST_WAIT
        self._forget_failures(self._failures.keys() - {incident.id})
        self._report(incident, one.reason, "sent", mention=notice.mention)

    async def _send(self, notice: Notice) -> dict[str, str]:
        try:
            async with self._clock.timeout(LIMIT):
                return dict(await self.notifier.deliver(notice))
        except TimeoutError:
            raise Undeliverable(f"{self.name} did not answer within {LIMIT:.0f} s", unknown=True) from None
        except Undeliverable:
            raise
        except Exception as error:  # a bug in one notifier must not silence it for ever
            if notice.incident.id not in self._failures:
                _log.exception("notifier %s crashed", self.name)
            raise Undeliverable(f"{self.name} crashed: {type(error).__name__}", unknown=True) from error

    async def _remember(
        self, target_store: LiveTargetStore, incident: Incident, notified: Notified, now: Instant
    ) -> None:
        await target_store.apply(
            NoticeDelivered(at=now, incident_id=incident.id, notifier=self.name, notified=notified), durable=True
        )

    def _key(self, incident: Incident) -> str:
        return f"{self.name}:{self._mention_key(incident.target)}"

    # --- what goes wrong

    def _note_failure(self, one: _Due, error: Undeliverable) -> None:
        before = self._failures.pop(one.incident.id, None)
        if before is None or before.error != str(error):
            _log.warning("a notification to %s was not delivered: %s", self.name, error)
        now = self._clock.monotonic()
        self._failures[one.incident.id] = _Failure(
            error=str(error),
            count=before.count + 1 if before is not None else 1,
            permanent=error.permanent,
            place=error.place,
            retry_at=now + _AFTER_PERMANENT if error.permanent else now,
        )
        self._judge_health()
        self._report(one.incident, one.reason, "unknown" if error.unknown else "failed", str(error))

    def _back_off(self, error: Undeliverable) -> Seconds:
        """At most fifteen seconds, unless the notifier asked for more: then neither a reload nor the end hurries it."""
        wait = max(self._wait, error.retry_after or 0.0)
        if error.retry_after is not None:
            self._shared.backoff_until[self.name] = self._clock.monotonic() + wait
        self._wait = min(LONGEST_WAIT, self._wait * 2)
        return wait

    def _forget_failures(self, but: Collection[str]) -> None:
        self._failures = {incident: failure for incident, failure in self._failures.items() if incident in but}
        self._judge_health()

    def _judge_health(self) -> None:
        health, failures = self.health, tuple(self._failures.values())
        if not failures:
            health.failing_since, health.last_error, health.permanent, health.refused = None, "", False, ()
            return
        health.failing_since = self._clock.now() if health.failing_since is None else health.failing_since
        refused_by = {failure.place: failure.error for failure in failures if failure.permanent and failure.place}
        health.last_error = "; ".join(dict.fromkeys((failures[-1].error, *refused_by.values())))
        health.permanent = any(failure.permanent for failure in failures)
        health.refused = tuple(sorted(refused_by))

    def _report(
        self, incident: Incident, reason: Reason, outcome: str, detail: str = "", *, mention: bool | None = None
    ) -> None:
        self._shared.publish(
            NoticeHandled(
                notifier=self.name,
                target=incident.target,
                at=self._clock.now(),
                reason=reason,
                outcome=outcome,
                detail=detail,
                mention=mention,
            )
        )
