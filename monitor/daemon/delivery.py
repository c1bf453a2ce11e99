"""One notifier: what is due to it, in which order, how long to leave it alone, and how it does."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from monitor.core.delivery import LOOK_ANYWAY, Retries, becomes_due, everything_due, has_mentioned, skipped
from monitor.core.events import Event, NoticeHandled
from monitor.core.incident import Incident, Notice, Notified, Reason
from monitor.core.inputs import NoticeDelivered
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.notify import MENTION_AT_MOST_EVERY, attempted, compose, record, refused, trusted
from monitor.core.silence import Silence
from monitor.core.state import Policy, TargetState
from monitor.ports import Clock, Mentioning, Notifier, Undeliverable
from monitor.runner import LiveTargetStore

_log = logging.getLogger(__name__)

LIMIT: Seconds = 60.0
"""How long a notifier may take for one notice."""

_AT_LEAST: Seconds = 0.05


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


class Worker:
    """Delivers to one notifier what is due, in the order and with the waits of `core.delivery`."""

    def __init__(self, notifier: Notifier, shared: Shared) -> None:
        self.notifier = notifier
        self.name = notifier.name
        self.health = NotifierHealth()
        self.delivering = asyncio.Lock()
        self._mention_key = notifier.mention_key if isinstance(notifier, Mentioning) else str
        self._shared = shared
        self._clock = shared.clock
        self._since = shared.clock.now()
        self._wake = asyncio.Event()
        self._retries = Retries()  # in monotonic seconds

    def wake(self) -> None:
        """Something changed: look whether anything is due."""
        self._wake.set()

    def retry(self) -> None:
        """Somebody may have fixed what was refused permanently: try it now."""
        self._retries = self._retries.at_once(self._clock.monotonic())
        self.wake()

    def restore_mentions(self) -> None:
        """Whom an earlier process mentioned within the last minute is not mentioned again by this one."""
        now, mentioned = self._clock.now(), self._shared.mentioned
        for incident in (one for store in self._shared.target_stores() for one in store.state.incidents):
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
            waiting = everything_due(self._targets(), self.name, self._shared.silences(), self._clock.now())
            self._try_by(self._retries.of({one.incident.id for one in waiting}))
            self.health.pending = len(waiting)
            now = self._clock.monotonic()
            backoff = self._shared.backoff_until.get(self.name, 0.0) - now
            if backoff > 0:
                return backoff
            one = self._retries.next(waiting, now)
            if one is None:
                return None
            target_store = self._target_stores()[one.incident.target]
            try:
                async with self.delivering:
                    await self._deliver(one, target_store)
            except Undeliverable as error:
                self._note_failure(one, error)
                if one.notified is not None and not error.unknown:
                    await self._remember(target_store, one.incident, refused(one.notified), self._clock.now())
                if not error.permanent:
                    return self._back_off(error)

    # --- what is due

    def _target_stores(self) -> dict[TargetName, LiveTargetStore]:
        return {one.state.target: one for one in self._shared.target_stores()}

    def _targets(self) -> list[tuple[TargetState, Policy]]:
        return [(one.state, one.policy) for one in self._shared.target_stores()]

    async def _skip_what_needs_no_notice(self) -> None:
        """Mark what is never delivered."""
        now, target_stores = self._clock.now(), self._target_stores()
        for one in [*skipped(self._targets(), self.name, self._shared.silences(), since=self._since, now=now)]:
            await self._remember(target_stores[one.incident.target], one.incident, one.notified, now)
            if one.silenced:
                self._report(one.incident, Reason.RESOLVED, "suppressed")

    def _until_next(self) -> Seconds:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        failures = self._retries.failures
        by_time = becomes_due(self._targets(), self.name, self._shared.silences(), now)
        waits = [at - now for incident, at in by_time if incident.id not in failures]
        retries = [failure.retry_at - monotonic for failure in failures.values()]
        return max(_AT_LEAST, min([LOOK_ANYWAY, *waits, *retries]))

    # --- one delivery

    async def _deliver(self, one: Notice, target_store: LiveTargetStore) -> None:
        """Commit, send, remember the receipt. Raises Undeliverable."""
        incident, key = one.incident, self._key(one.incident)
        mentioned = self._shared.mentioned.get(key)
        recently = mentioned is not None and self._clock.monotonic() - mentioned < MENTION_AT_MOST_EVERY
        already = has_mentioned(
            incident, one.together, self._targets(), self.name, self._mention_key, self._clock.now()
        )
        notice = compose(
            one,
            may_mention=not (recently or already) and trusted(target_store.state, target_store.policy),
            labels=self._shared.labels(incident.target),
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
        self._try_by(self._retries.delivered(incident.id))
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
            if notice.incident.id not in self._retries.failures:
                _log.exception("notifier %s crashed", self.name)
            raise Undeliverable(f"{self.name} crashed: {type(error).__name__}", unknown=True) from error

    async def _remember(
        self, target_store: LiveTargetStore, incident: Incident, notified: Notified, now: Instant
    ) -> None:
        delivered = NoticeDelivered(at=now, incident_id=incident.id, notifier=self.name, notified=notified)
        await target_store.apply(delivered, durable=True)

    def _key(self, incident: Incident) -> str:
        return f"{self.name}:{self._mention_key(incident.target)}"

    # --- what goes wrong

    def _note_failure(self, one: Notice, error: Undeliverable) -> None:
        before = self._retries.failures.get(one.incident.id)
        if before is None or before.error != str(error):
            _log.warning("a notification to %s was not delivered: %s", self.name, error)
        self._try_by(
            self._retries.failed(
                one.incident.id,
                str(error),
                permanent=error.permanent,
                place=error.place,
                retry_after=error.retry_after,
                now=self._clock.monotonic(),
            )
        )
        self._report(one.incident, one.reason, "unknown" if error.unknown else "failed", str(error))

    def _back_off(self, error: Undeliverable) -> Seconds:
        """How long to leave it alone. If the notifier asked for it, then neither a reload nor the end hurries it."""
        until = self._retries.left_alone_until
        if error.retry_after is not None:
            self._shared.backoff_until[self.name] = until
        return until - self._clock.monotonic()

    def _try_by(self, retries: Retries) -> None:
        self._retries = retries
        self._judge_health()

    def _judge_health(self) -> None:
        health, failures = self.health, tuple(self._retries.failures.values())
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
