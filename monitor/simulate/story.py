"""What would be told: inputs through `core.engine`, what is due by `core.notify`, shown as Slack shows it.

`play` tells a timeline, `replay` what was recorded. How long a notifier that does not answer is left alone is what the daemon's
own delivery says; Slack itself is a list of messages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from monitor.core.engine import apply
from monitor.core.events import IncidentChanged, changes
from monitor.core.incident import NEVER, Incident, Notice, Reason, Told
from monitor.core.inputs import Acknowledged, Input, NoticeTold
from monitor.core.model import Fault, Instant, Seconds, Severity, TargetName
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
from monitor.core.silence import Silence, silenced_until
from monitor.core.state import Policy, TargetState
from monitor.notifiers.wording import is_a_moment, utc
from monitor.simulate.slack import Place, Shown, Slack, Trouble

SLACK = "slack"
_FIRST_WAIT: Seconds = 1.0
_LONGEST_WAIT: Seconds = 15.0
_AFTER_PERMANENT: Seconds = 300.0


class Outcome(StrEnum):
    """What became of an attempt; the `outcome` label of `notices_total`."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to notify; those that went wrong in the same way are one, `attempts` of them, the last one at `until`."""

    at: Instant
    until: Instant
    target: TargetName
    incident: str
    reason: Reason
    fault: Fault
    severity: Severity
    mention: bool
    outcome: Outcome
    detail: str = ""
    attempts: int = 1
    shown: tuple[Shown, ...] = ()

    @property
    def posted(self) -> bool:
        """Whether a new text stands in Slack."""
        return any(each.place is not Place.EDIT for each in self.shown)

    @property
    def called(self) -> bool:
        """Whether somebody was called."""
        return self.mention and self.posted


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is judged and told by. `channel` None: by a webhook; `mention` empty: nobody is called."""

    policy: Policy
    channel: str | None
    mention: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Untold:
    """What could not be told: how often in a row, and until when it is no use to try again."""

    failures: int = 0
    barred_until: Instant = 0.0


class Story:
    """Targets, their states, and everything that is told of them."""

    def __init__(self, targets: Mapping[TargetName, Target], slack: Slack, silences: tuple[Silence, ...]) -> None:
        self.targets = dict(targets)
        self.states = {name: TargetState(target=name) for name in targets}
        self.slack = slack
        self.silences = silences
        self.entries: list[Happened | Attempt] = []
        self.incidents = self.reopened = 0
        self.dies_after_sending: Callable[[], None] | None = None
        self._mentioned: dict[tuple[str | None, str], Instant] = {}
        self._untold: dict[str, _Untold] = {}
        self._wait, self._left_alone_until = _FIRST_WAIT, 0.0

    def note(self, at: Instant, words: str) -> None:
        """Something happened."""
        self.entries.append(Happened(at=at, words=words))

    def apply(self, name: TargetName, given: Input, now: Instant) -> None:
        """One input; whoever took another incident takes the open one."""
        before, policy = self.states[name], self.targets[name].policy
        if isinstance(given, Acknowledged) and before.incident is not None:
            given = replace(given, incident_id=before.incident.id)
        after = self.states[name] = apply(before, given, policy, now)
        for event in changes(before, after, given, policy, now):
            if isinstance(event, IncidentChanged):
                self._count(event, after)

    def _count(self, event: IncidentChanged, state: TargetState) -> None:
        if event.reason is Reason.OPENED:
            again = any(one.id == event.id and one.reopened for one in state.incidents)
            self.reopened += again
            self.incidents += not again
        until = silenced_until(self.silences, event.target, event.fault, event.at)
        if until is not None:
            how_long = f" until {utc(until)}" if is_a_moment(until) else ""
            self.note(event.at, f"{event.target}: {event.fault} {event.reason}, silenced{how_long}")

    # --- what is due

    def restarted(self, now: Instant) -> None:
        """A new process: whom the one before called within a minute, as far as it wrote that down, is not called again."""
        self._untold.clear()
        self._wait, self._left_alone_until = _FIRST_WAIT, now
        self._mentioned.clear()
        for name, state in self.states.items():
            key = (self.targets[name].channel, self.targets[name].mention)
            for incident in state.incidents:
                told = incident.told.get(SLACK)
                if told is not None and told.mentioned_at is not None:
                    self._mentioned[key] = max(told.mentioned_at, self._mentioned.get(key, NEVER))

    def next_delivery(self, now: Instant) -> Instant:
        """When Slack is to be notified next, as far as that is known now."""
        moments = [self._left_alone_until] if self._left_alone_until > now else []
        moments += [each.barred_until for each in self._untold.values() if each.barred_until > now]
        moments += [end for each in self.silences if (end := each.ends_at) is not None and end > now]
        for name, state in self.states.items():
            for incident in state.incidents:
                told = incident.told.get(SLACK)
                at = wakes_at(incident, told, self.targets[name].policy) if told is not None else None
                moments += [at] if at is not None and at > now else []
        return min(moments, default=now + 60.0)

    def deliver(self, now: Instant) -> None:
        """Tell everything that is due, the oldest incident first, what failed last after what did not."""
        self._pass_over(now)
        while now >= self._left_alone_until:
            waiting = self._due(now)
            ids = {incident.id for _, incident, _ in waiting}
            self._untold = {known: untold for known, untold in self._untold.items() if known in ids}
            ready = [each for each in waiting if now >= self._failed(each[1]).barred_until]
            if not ready:
                return
            name, incident, reason = min(ready, key=lambda each: (self._failed(each[1]).failures, each[1].opened_at))
            if not self._notify(name, incident, reason, now):
                return

    def _failed(self, incident: Incident) -> _Untold:
        return self._untold.get(incident.id, _Untold())

    def _due(self, now: Instant) -> list[tuple[TargetName, Incident, Reason]]:
        found: list[tuple[TargetName, Incident, Reason]] = []
        for name, state in self.states.items():
            for incident in state.incidents:
                told = incident.told.get(SLACK)
                muted = muted_until(incident, told, self.silences, now)
                reason = due(incident, told, silenced_until=muted, policy=self.targets[name].policy, now=now)
                if reason is not None:
                    found.append((name, incident, reason))
        return found

    def _pass_over(self, now: Instant) -> None:
        """What one silence covered from opening to resolve is never told."""
        for name, state in self.states.items():
            for incident in state.incidents:
                told = incident.told.get(SLACK)
                if incident.open or knows_of(incident, told):
                    continue
                if muted_until(incident, told, self.silences, now) is not None:
                    at, receipt = (told.at, dict(told.receipt)) if told is not None else (NEVER, {})
                    passed = Notice(reason=Reason.RESOLVED, incident=incident, at=at, told=told)
                    self._remember(name, incident, record(passed, receipt), now)

    def _remember(self, name: TargetName, incident: Incident, told: Told, now: Instant) -> None:
        self.apply(name, NoticeTold(at=now, incident_id=incident.id, notifier=SLACK, told=told), now)

    def _notify(self, name: TargetName, incident: Incident, reason: Reason, now: Instant) -> bool:
        """One attempt; whether others may follow at once."""
        target, told = self.targets[name], incident.told.get(SLACK)
        key = (target.channel, target.mention)
        recently = now - self._mentioned.get(key, NEVER) < MENTION_AT_MOST_EVERY
        notice = compose(
            incident,
            told,
            reason,
            silenced_until=muted_until(incident, told, self.silences, now),
            may_mention=not recently and trusted(self.states[name], target.policy),
            labels=dict(target.labels),
            now=now,
        )
        asked = attempted(notice)
        if asked is not None:
            self._remember(name, incident, asked, now)
        trouble = self.slack.trouble()
        if trouble is not None:
            return self._suffer(name, notice, *trouble, now)
        shown, receipt = self.slack.deliver(notice, target.channel, target.mention, now)
        self._enter(notice, now, Outcome.SENT, shown=shown)
        if self.dies_after_sending is not None:
            self.dies_after_sending()
            return False
        if notice.mention:
            self._mentioned[key] = now
        self._remember(name, incident, record(notice, dict(receipt)), now)
        self._wait = _FIRST_WAIT
        return True

    def _suffer(self, name: TargetName, notice: Notice, trouble: Trouble, why: str, now: Instant) -> bool:
        incident, target = notice.incident, self.targets[name]
        shown = self.slack.deliver(notice, target.channel, target.mention, now)[0] if trouble.posted else ()
        self._enter(notice, now, Outcome.UNKNOWN if trouble.unknown else Outcome.FAILED, why, shown)
        barred = now + _AFTER_PERMANENT if trouble.permanent else now
        self._untold[incident.id] = _Untold(self._failed(incident).failures + 1, barred)
        if notice.told is not None and not trouble.unknown:
            self._remember(name, incident, refused(notice.told), now)
        if trouble.permanent:
            return True
        self._left_alone_until = now + max(self._wait, trouble.retry_after or 0.0)
        self._wait = min(_LONGEST_WAIT, 2 * self._wait)
        return False

    def _enter(
        self, notice: Notice, now: Instant, outcome: Outcome, detail: str = "", shown: tuple[Shown, ...] = ()
    ) -> None:
        """Write an attempt down; one that failed as the last one did makes that one longer."""
        incident = notice.incident
        attempt = Attempt(
            at=now,
            until=now,
            target=incident.target,
            incident=incident.id,
            reason=notice.reason,
            fault=incident.diagnosis.fault,
            severity=incident.diagnosis.severity,
            mention=notice.mention,
            outcome=outcome,
            detail=detail,
            shown=shown,
        )
        last = next((each for each in reversed(self.entries) if isinstance(each, Attempt)), None)
        if last is not None and outcome is not Outcome.SENT and replace(last, at=now, until=now, attempts=1) == attempt:
            again = replace(last, until=now, attempts=last.attempts + 1)
            self.entries = [again if each is last else each for each in self.entries]
        else:
            self.entries.append(attempt)

    # --- the sum

    @property
    def attempts(self) -> list[Attempt]:
        """What was told, or tried to be."""
        return [entry for entry in self.entries if isinstance(entry, Attempt)]

    def summary(self) -> Summary:
        """The sum of it."""
        posted = [attempt for attempt in self.attempts if attempt.posted]
        reasons = [attempt.reason for attempt in posted]
        still = [state.incident for state in self.states.values() if state.incident is not None]
        return Summary(
            incidents=self.incidents,
            reopened=self.reopened,
            messages=len(posted),
            mentions=sum(attempt.called for attempt in posted),
            by_reason={reason: reasons.count(reason) for reason in Reason if reason in reasons},
            open=tuple(f"{incident.target} {incident.diagnosis.fault}" for incident in still),
        )


def matching(names: Sequence[TargetName], pattern: str) -> list[TargetName]:
    """The targets that a pattern means."""
    return [name for name in names if fnmatchcase(name, pattern)]
