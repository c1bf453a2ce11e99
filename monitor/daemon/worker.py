"""One notifier: what it is due to hear, in which order, how long to leave it alone, and how it does."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from monitor.core.events import NoticeHandled
from monitor.core.incident import NEVER, Incident, Notice, Reason, Told
from monitor.core.inputs import NoticeTold
from monitor.core.model import Instant, Seconds
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
from monitor.daemon.desk import Desk, NotifierHealth, Route
from monitor.ports import Undeliverable
from monitor.runner import TargetJournal

_log = logging.getLogger(__name__)

LIMIT: Seconds = 60.0
"""How long a notifier may take for one notice."""

LONGEST_WAIT: Seconds = 15.0
_FIRST_WAIT: Seconds = 1.0
_AFTER_PERMANENT: Seconds = 300.0
_LOOK_ANYWAY: Seconds = 60.0
_AT_LEAST: Seconds = 0.05
_HISTORY_AFTER: Seconds = 4 * 3600.0  # a notifier that is new is not told of what was long over when it began


@dataclass(frozen=True, slots=True)
class _Due:
    journal: TargetJournal
    incident: Incident
    told: Told | None
    reason: Reason
    silenced_until: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """Why an incident could not be told: how often in a row, and until when (monotonic) it is no use to try again."""

    error: str
    failures: int
    permanent: bool
    place: str
    barred_until: Seconds


class Worker:
    """Tells one notifier what it is due to hear, the oldest incident first.

    A notifier that does not answer is left alone for a while. What it refuses for good (a channel that is gone) holds back
    nothing else, and is tried again slowly; what failed last is tried after what did not.
    """

    def __init__(self, route: Route, desk: Desk) -> None:
        self.notifier = route.notifier
        self.name = route.notifier.name
        self.health = NotifierHealth()
        self.speaking = asyncio.Lock()
        self._mention_key = route.mention_key
        self._desk = desk
        self._clock = desk.clock
        self._since = desk.clock.now()
        self._wake = asyncio.Event()
        self._wait = _FIRST_WAIT
        self._troubles: dict[str, _Trouble] = {}

    def wake(self) -> None:
        """Something changed: look whether anything is due."""
        self._wake.set()

    def retry(self) -> None:
        """Somebody may have mended what was refused for good: try it now."""
        now = self._clock.monotonic()
        self._troubles = {known: replace(trouble, barred_until=now) for known, trouble in self._troubles.items()}
        self.wake()

    def recall(self) -> None:
        """Whom an earlier process called within the last minute is not called again by this one."""
        now = self._clock.now()
        for journal in self._desk.journals():
            for incident in journal.state.incidents:
                told = incident.told.get(self.name)
                if told is not None and told.mentioned_at is not None and told.mentioned_at <= now:
                    key, at = self._called(incident), self._clock.monotonic() - (now - told.mentioned_at)
                    self._desk.mentioned[key] = max(at, self._desk.mentioned.get(key, at))

    async def work(self) -> None:
        """Tell what is due, for ever."""
        while True:
            self._wake.clear()
            left_alone_for = await self.tell_all()
            if left_alone_for is not None:
                await self._clock.sleep(left_alone_for)
                continue
            try:
                async with self._clock.timeout(self._until_next()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def tell_all(self) -> Seconds | None:
        """Tell what is due. None when nothing is left to be tried, else how long to leave the notifier alone."""
        await self._pass_over()
        while True:
            waiting = self._due()
            self._forget_troubles({one.incident.id for one in waiting})
            self.health.pending = len(waiting)
            held = self._desk.held.get(self.name, 0.0) - self._clock.monotonic()
            if held > 0:
                return held
            one = self._choose(waiting)
            if one is None:
                return None
            try:
                async with self.speaking:
                    await self._tell(one)
            except Undeliverable as error:
                self._suffer(one, error)
                if one.told is not None and not error.unknown:
                    await self._absorb(one.journal, one.incident, refused(one.told), self._clock.now())
                if not error.permanent:
                    return self._back_off(error)

    # --- what is due

    async def _pass_over(self) -> None:
        """Mark what is never to be told: what one silence covered from opening to resolve, and what is mere history."""
        journals = tuple(self._desk.journals())
        never_heard = not any(self.name in each.told for journal in journals for each in journal.state.incidents)
        for journal in journals:
            for incident in journal.state.incidents:
                before = incident.told.get(self.name)
                if incident.closed_at is None or knows_of(incident, before):
                    continue
                covered = self._silenced_until(incident) is not None
                history = never_heard and self._since - incident.closed_at > _HISTORY_AFTER
                if not covered and not history:
                    continue
                now = self._clock.now()
                at = before.at if before is not None else NEVER
                passed = Notice(reason=Reason.RESOLVED, incident=incident, at=at, told=before)
                told = record(passed, dict(before.receipt) if before is not None else {})
                await self._absorb(journal, incident, told, now)
                if covered:
                    self._report(incident, Reason.RESOLVED, "suppressed")

    def _due(self) -> list[_Due]:
        found: list[_Due] = []
        now = self._clock.now()
        for journal in self._desk.journals():
            for incident in journal.state.incidents:
                told = incident.told.get(self.name)
                muted = self._silenced_until(incident)
                reason = due(incident, told, silenced_until=muted, policy=journal.policy, now=now)
                if reason is not None:
                    found.append(_Due(journal, incident, told, reason, muted))
        return found

    def _silenced_until(self, incident: Incident) -> Instant | None:
        return muted_until(incident, incident.told.get(self.name), self._desk.silences(), self._clock.now())

    def _choose(self, waiting: list[_Due]) -> _Due | None:
        now = self._clock.monotonic()

        def place(one: _Due) -> tuple[int, Instant]:
            trouble = self._troubles.get(one.incident.id)
            return (trouble.failures if trouble is not None else 0, one.incident.opened_at)

        tried = [one for one in waiting if not self._is_barred(one.incident, now)]
        return min(tried, key=place, default=None)

    def _is_barred(self, incident: Incident, now: Seconds) -> bool:
        trouble = self._troubles.get(incident.id)
        return trouble is not None and now < trouble.barred_until

    def _until_next(self) -> Seconds:
        now = self._clock.now()
        waits = [
            moment - now
            for journal in self._desk.journals()
            for incident in journal.state.incidents
            if (told := incident.told.get(self.name)) is not None
            and (moment := wakes_at(incident, told, journal.policy)) is not None
            and incident.id not in self._troubles
        ]
        barred = [trouble.barred_until - self._clock.monotonic() for trouble in self._troubles.values()]
        return max(_AT_LEAST, min([_LOOK_ANYWAY, *waits, *barred]))

    # --- telling

    async def _tell(self, one: _Due) -> None:
        notice = self._compose(one)
        asked = attempted(notice)
        if asked is None:
            await one.journal.commit()
        else:
            await self._absorb(one.journal, one.incident, asked, notice.at)
        receipt = await self._deliver(notice)
        now = self._clock.now()
        if notice.mention:
            self._desk.mentioned[self._called(one.incident)] = self._clock.monotonic()
        await self._absorb(one.journal, one.incident, record(notice, receipt), now)
        self._wait = _FIRST_WAIT
        self._forget_troubles(self._troubles.keys() - {one.incident.id})
        self.health.last_success_at = now
        self._report(one.incident, one.reason, "sent", mention=notice.mention)

    async def _absorb(self, journal: TargetJournal, incident: Incident, told: Told, now: Instant) -> None:
        await journal.absorb(NoticeTold(at=now, incident_id=incident.id, notifier=self.name, told=told), durable=True)

    async def _deliver(self, notice: Notice) -> dict[str, str]:
        try:
            async with self._clock.timeout(LIMIT):
                return dict(await self.notifier.tell(notice))
        except TimeoutError:
            raise Undeliverable(f"{self.name} did not answer within {LIMIT:.0f} s", unknown=True) from None
        except Undeliverable:
            raise
        except Exception as error:  # a bug in one notifier must not silence it for ever
            if notice.incident.id not in self._troubles:
                _log.exception("notifier %s crashed", self.name)
            raise Undeliverable(f"{self.name} crashed: {type(error).__name__}", unknown=True) from error

    def _called(self, incident: Incident) -> str:
        return f"{self.name}:{self._mention_key(incident.target)}"

    def _compose(self, one: _Due) -> Notice:
        mentioned = self._desk.mentioned.get(self._called(one.incident))
        recently = mentioned is not None and self._clock.monotonic() - mentioned < MENTION_AT_MOST_EVERY
        return compose(
            one.incident,
            one.told,
            one.reason,
            silenced_until=one.silenced_until,
            may_mention=not recently and trusted(one.journal.state, one.journal.policy),
            labels=dict(self._desk.labels(one.incident.target)),
            now=self._clock.now(),
        )

    # --- what goes wrong

    def _suffer(self, one: _Due, error: Undeliverable) -> None:
        before = self._troubles.pop(one.incident.id, None)
        if before is None or before.error != str(error):
            _log.warning("%s could not be told: %s", self.name, error)
        now = self._clock.monotonic()
        self._troubles[one.incident.id] = _Trouble(
            error=str(error),
            failures=before.failures + 1 if before is not None else 1,
            permanent=error.permanent,
            place=error.place,
            barred_until=now + _AFTER_PERMANENT if error.permanent else now,
        )
        self._judge_health()
        self._report(one.incident, one.reason, "unknown" if error.unknown else "failed", str(error))

    def _back_off(self, error: Undeliverable) -> Seconds:
        """At most fifteen seconds, unless the notifier asked for more: then neither a reload nor the end hurries it."""
        wait = max(self._wait, error.retry_after or 0.0)
        if error.retry_after is not None:
            self._desk.held[self.name] = self._clock.monotonic() + wait
        self._wait = min(LONGEST_WAIT, self._wait * 2)
        return wait

    def _forget_troubles(self, but: Iterable[str]) -> None:
        kept = set(but)
        self._troubles = {known: trouble for known, trouble in self._troubles.items() if known in kept}
        self._judge_health()

    def _judge_health(self) -> None:
        health, troubles = self.health, tuple(self._troubles.values())
        if not troubles:
            health.failing_since, health.last_error, health.permanent, health.refused = None, "", False, ()
            return
        health.failing_since = self._clock.now() if health.failing_since is None else health.failing_since
        refused = {trouble.place: trouble.error for trouble in troubles if trouble.permanent and trouble.place}
        health.last_error = "; ".join(dict.fromkeys((troubles[-1].error, *refused.values())))
        health.permanent = any(trouble.permanent for trouble in troubles)
        health.refused = tuple(sorted(refused))

    def _report(
        self, incident: Incident, reason: Reason, outcome: str, detail: str = "", *, mention: bool | None = None
    ) -> None:
        self._desk.publish(
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
