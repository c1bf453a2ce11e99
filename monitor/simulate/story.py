"""What would be told: inputs through `core.engine`, what is due by `core.notify`, shown as Slack shows it.

`play` tells a timeline, `replay` what was recorded. How long a notifier that does not answer is left alone is what the daemon's
own delivery says; Slack itself is a list of messages.
"""

import html
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
from monitor.notifiers.slack import render
from monitor.notifiers.wording import is_a_moment, utc
from monitor.sandbox import FAULTS

SLACK = "slack"
_FIRST_WAIT: Seconds = 1.0
_LONGEST_WAIT: Seconds = 15.0
_AFTER_PERMANENT: Seconds = 300.0
_WORD_JOINER = "\u2060"


class Place(StrEnum):
    """Where a text stands."""

    ROOT = "root"  # a message of its own
    THREAD = "thread"  # an answer to one
    EDIT = "edit"  # what an earlier message says now


class Outcome(StrEnum):
    """What became of an attempt; the `outcome` label of `notices_total`."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text as Slack's reader reads it. `thread`: the message that it answers; `before`: what it said until it was edited."""

    place: Place
    channel: str
    ts: str
    text: str
    thread: str | None = None
    broadcast: bool = False
    before: str = ""


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
    """What is judged and told by. `channel` is None where a webhook posts, which can neither edit nor answer in a thread."""

    policy: Policy
    channel: str | None
    mention: str | None
    labels: Mapping[str, str]


class Slack:
    """The messages of a workspace, and what is wrong with it."""

    def __init__(self, external_url: str | None) -> None:
        self.troubles: list[str] = []
        self._external_url = external_url
        self._texts: dict[str, str] = {}

    def refuses(self) -> tuple[Outcome, str, bool, Seconds | None, bool] | None:
        """What becomes of an attempt now: outcome, why, whether only a human can mend it, how long to wait, whether it is posted."""
        for trouble in self.troubles:
            why = FAULTS[f"slack_{trouble}"].about
            match trouble:
                case "unreachable":
                    return Outcome.FAILED, why, False, None, False
                case "throttled":
                    return Outcome.FAILED, why, False, 30.0, False
                case "invalid_auth" | "channel_not_found":
                    return Outcome.FAILED, why, True, None, False
                case "silent" | "reset" | "failing" | "page":
                    return Outcome.UNKNOWN, why, False, None, False
                case "answer_lost" | "slow":
                    return Outcome.UNKNOWN, why, False, None, True
        return None

    def deliver(self, notice: Notice, target: Target, now: Instant) -> tuple[tuple[Shown, ...], Mapping[str, str]]:
        """Bring the channel up to date as `notifiers.slack` does; what is new there, and the receipt."""
        frame = render.Frame(redact=str, external_url=self._external_url, mention=target.mention)
        channel = target.channel or ""
        if target.channel is None:
            edited = notice.reason is Reason.EDITED
            return (() if edited else (self._post(render.post(notice, frame), channel, now),)), {}
        receipt = notice.told.receipt if notice.told is not None else {}
        if not receipt or {"edit_closed", "forgets"} & set(self.troubles):
            if notice.reason is Reason.EDITED and (notice.silenced_until is not None or not notice.incident.open):
                return (), receipt
            root = self._post(render.post(notice, frame), channel, now)
            return (root,), {"channel": channel, "ts": root.ts}
        shown = [self._edit(receipt["ts"], render.root(notice, frame), channel)]
        if notice.reason is not Reason.EDITED:
            answer = self._post(render.reply(notice, frame), channel, now, receipt["ts"], broadcast=notice.broadcast)
            end = {} if notice.incident.open else {"end": answer.ts}
            return (*shown, answer), {"channel": channel, "ts": receipt["ts"], **end}
        if "end" in receipt and not notice.incident.open:
            shown.append(self._edit(receipt["end"], render.reply(notice, frame), channel))
        return tuple(shown), receipt

    def _post(
        self, message: render.Message, channel: str, now: Instant, thread: str | None = None, *, broadcast: bool = False
    ) -> Shown:
        ts = f"{now:.0f}.{len(self._texts):06d}"
        text = self._texts[ts] = _as_read(message.text)
        place = Place.ROOT if thread is None else Place.THREAD
        return Shown(place=place, channel=channel, ts=ts, text=text, thread=thread, broadcast=broadcast)

    def _edit(self, ts: str, message: render.Message, channel: str) -> Shown:
        before, text = self._texts.get(ts, ""), _as_read(message.text)
        self._texts[ts] = text
        return Shown(place=Place.EDIT, channel=channel, ts=ts, text=text, before=before)


def _as_read(text: str) -> str:
    return html.unescape(text).replace(_WORD_JOINER, "")


@dataclass(slots=True)
class _Trouble:
    """Why an incident could not be told: how often in a row, and until when it is no use to try again."""

    failures: int
    barred_until: Instant


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
        self._mentioned: dict[tuple[str | None, str | None], Instant] = {}
        self._troubles: dict[str, _Trouble] = {}
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
        self._troubles.clear()
        self._wait, self._left_alone_until = _FIRST_WAIT, now
        self._mentioned = {
            (self.targets[name].channel, self.targets[name].mention): told.mentioned_at
            for name, state in self.states.items()
            for incident in state.incidents
            if (told := incident.told.get(SLACK)) is not None and told.mentioned_at is not None
        }

    def next_delivery(self, now: Instant) -> Instant:
        """When Slack is to be notified next, as far as that is known now."""
        moments = [self._left_alone_until] if self._left_alone_until > now else []
        moments += [trouble.barred_until for trouble in self._troubles.values() if trouble.barred_until > now]
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
            self._troubles = {known: trouble for known, trouble in self._troubles.items() if known in ids}
            ready = [each for each in waiting if now >= self._trouble(each[1]).barred_until]
            if not ready:
                return
            name, incident, reason = min(ready, key=lambda each: (self._trouble(each[1]).failures, each[1].opened_at))
            if not self._notify(name, incident, reason, now):
                return

    def _trouble(self, incident: Incident) -> _Trouble:
        return self._troubles.get(incident.id, _Trouble(failures=0, barred_until=0.0))

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
        trouble = self.slack.refuses()
        if trouble is not None:
            return self._suffer(name, notice, trouble, now)
        shown, receipt = self.slack.deliver(notice, target, now)
        self._enter(notice, now, Outcome.SENT, shown=shown)
        if self.dies_after_sending is not None:
            self.dies_after_sending()
            return False
        if notice.mention:
            self._mentioned[key] = now
        self._remember(name, incident, record(notice, dict(receipt)), now)
        self._wait = _FIRST_WAIT
        return True

    def _suffer(
        self,
        name: TargetName,
        notice: Notice,
        trouble: tuple[Outcome, str, bool, Seconds | None, bool],
        now: Instant,
    ) -> bool:
        outcome, why, permanent, retry_after, posted = trouble
        shown = self.slack.deliver(notice, self.targets[name], now)[0] if posted else ()
        self._enter(notice, now, outcome, why, shown)
        incident = notice.incident
        barred = now + _AFTER_PERMANENT if permanent else now
        self._troubles[incident.id] = _Trouble(failures=self._trouble(incident).failures + 1, barred_until=barred)
        if notice.told is not None and outcome is Outcome.FAILED:
            self._remember(name, incident, refused(notice.told), now)
        if permanent:
            return True
        self._left_alone_until = now + max(self._wait, retry_after or 0.0)
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
        last = next((place for place, each in reversed([*enumerate(self.entries)]) if isinstance(each, Attempt)), None)
        before = self.entries[last] if last is not None else None
        if last is None or not isinstance(before, Attempt) or outcome is Outcome.SENT or shown or before.shown:
            self.entries.append(attempt)
        elif replace(before, at=now, until=now, attempts=1) == attempt:
            self.entries[last] = replace(before, until=now, attempts=before.attempts + 1)
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
