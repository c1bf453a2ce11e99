"""What would be notified: inputs through `core.engine`, what is due by `core.notify`, shown as Slack shows it.

`simulate` simulates a timeline, `replay` what was recorded. How long a notifier that does not answer is left alone is what
`core.delivery` says, as for the daemon; Slack itself is a list of messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from monitor.core.delivery import LOOK_ANYWAY, Retries, becomes_due, everything_due, has_mentioned, skipped
from monitor.core.engine import apply
from monitor.core.events import IncidentChanged, changes
from monitor.core.incident import NEVER, Incident, Notice, Notified, Reason
from monitor.core.inputs import Acknowledged, Input, NoticeDelivered
from monitor.core.model import Fault, Instant, Severity, TargetName
from monitor.core.notify import MENTION_AT_MOST_EVERY, attempted, compose, record, refused, trusted
from monitor.core.silence import Silence, silenced_until
from monitor.core.state import Policy, TargetState
from monitor.notifiers.wording import is_a_moment, utc
from monitor.simulate.slack import Shown, ShownIn, Slack, Trouble

SLACK = "slack"


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
        return any(each.place is not ShownIn.EDIT for each in self.shown)

    @property
    def called(self) -> bool:
        """Whether somebody was called."""
        return self.mention and self.posted


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
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
    """What is judged and notified by. `channel` None: by a webhook; `mention` empty: nobody is called."""

    policy: Policy
    channel: str | None
    mention: str
    labels: Mapping[str, str]


class Simulation:
    """Targets, their states, and every notice of them."""

    def __init__(self, targets: Mapping[TargetName, Target], slack: Slack, silences: tuple[Silence, ...]) -> None:
        self.targets = dict(targets)
        self.states = {name: TargetState(target=name) for name in targets}
        self.slack = slack
        self.silences = silences
        self.entries: list[LogEntry | Attempt] = []
        self.incidents = self.reopened = 0
        self.dies_after_sending = self.died = False
        self._mentioned: dict[tuple[str | None, str], Instant] = {}
        self._retries = Retries()

    def note(self, at: Instant, words: str) -> None:
        """Something happened."""
        self.entries.append(LogEntry(at=at, words=words))

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
        self._retries = Retries(left_alone_until=now)
        self._mentioned.clear()
        for name, state in self.states.items():
            key = (self.targets[name].channel, self.targets[name].mention)
            for incident in state.incidents:
                notified = incident.notified.get(SLACK)
                if notified is not None and notified.mentioned_at is not None:
                    self._mentioned[key] = max(notified.mentioned_at, self._mentioned.get(key, NEVER))

    def next_delivery(self, now: Instant) -> Instant:
        """When Slack is to be notified next, as far as that is known now."""
        moments = [self._retries.left_alone_until, *(each.retry_at for each in self._retries.failures.values())]
        moments += [each.ends_at for each in self.silences if each.ends_at is not None]
        moments += [at for _, at in becomes_due(self._judged(), SLACK, self.silences, now)]
        return min((at for at in moments if at > now), default=now + LOOK_ANYWAY)

    def deliver(self, now: Instant) -> None:
        """Deliver everything that is due."""
        for past in [*skipped(self._judged(), SLACK, self.silences, since=NEVER, now=now)]:
            self._remember(past.incident, past.notified, now)
        while now >= self._retries.left_alone_until:
            waiting = everything_due(self._judged(), SLACK, self.silences, now)
            self._retries = self._retries.of({one.incident.id for one in waiting})
            one = self._retries.next(waiting, now)
            if one is None or not self._notify(one, now):
                return

    def _judged(self) -> list[tuple[TargetState, Policy]]:
        return [(state, self.targets[name].policy) for name, state in self.states.items()]

    def _mention_key(self, name: TargetName) -> str:
        """What shares it mentions the same people in the same channel."""
        return str((self.targets[name].channel, self.targets[name].mention))

    def _remember(self, incident: Incident, notified: Notified, now: Instant) -> None:
        delivered = NoticeDelivered(at=now, incident_id=incident.id, notifier=SLACK, notified=notified)
        self.apply(incident.target, delivered, now)

    def _notify(self, one: Notice, now: Instant) -> bool:
        """One attempt; whether others may follow at once."""
        incident, target = one.incident, self.targets[one.incident.target]
        key = (target.channel, target.mention)
        recently = now - self._mentioned.get(key, NEVER) < MENTION_AT_MOST_EVERY
        already = has_mentioned(incident, one.together, self._judged(), SLACK, self._mention_key, now)
        notice = compose(
            one,
            may_mention=not (recently or already) and trusted(self.states[incident.target], target.policy),
            labels=target.labels,
            now=now,
        )
        asked = attempted(notice)
        if asked is not None:
            self._remember(incident, asked, now)
        trouble = self.slack.trouble()
        if trouble is not None:
            return self._failed(notice, *trouble, now)
        shown, receipt = self.slack.deliver(notice, target.channel, target.mention, now)
        self._append(notice, now, Outcome.SENT, shown=shown)
        if self.dies_after_sending:
            self.dies_after_sending, self.died = False, True
            return False
        if notice.mention:
            self._mentioned[key] = now
        self._remember(incident, record(notice, dict(receipt)), now)
        self._retries = self._retries.delivered(incident.id)
        return True

    def _failed(self, notice: Notice, trouble: Trouble, why: str, now: Instant) -> bool:
        incident, target = notice.incident, self.targets[notice.incident.target]
        shown = self.slack.deliver(notice, target.channel, target.mention, now)[0] if trouble.posted else ()
        self._append(notice, now, Outcome.UNKNOWN if trouble.unknown else Outcome.FAILED, why, shown)
        self._retries = self._retries.failed(
            incident.id, why, permanent=trouble.permanent, retry_after=trouble.retry_after, now=now
        )
        if notice.notified is not None and not trouble.unknown:
            self._remember(incident, refused(notice.notified), now)
        return trouble.permanent

    def _append(
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
        """What was delivered, or tried to be."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a timeline, or of what was recorded: then it has an end, and beside it stands what was notified at the time."""

    start: Instant
    simulation: Simulation
    until: Instant | None = None
    notified: Summary = field(default_factory=Summary)


def matching(names: Sequence[TargetName], pattern: str) -> list[TargetName]:
    """The targets that a pattern means."""
    return [name for name in names if fnmatchcase(name, pattern)]
