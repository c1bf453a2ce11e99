"""Must a notifier be notified of an incident now, how, and what does it know afterwards?

What is due is the difference between what is true and what it knows. There is no queue: what a notifier missed while it was down is
delivered when it answers again, as it is then.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from monitor.core.faults import LOSSES
from monitor.core.incident import Corroboration, Diagnosis, Incident, Notice, Notified, PossiblyDelivered, Reason
from monitor.core.model import CheckName, Instant, Seconds, Severity
from monitor.core.silence import Silence, silenced_throughout, silenced_until
from monitor.core.state import Policy, TargetState

_UNKNOWN = "?"  # what a message shows after an attempt to edit it
_TOGETHER = "|together:"  # of what a message shows, the last part
_STILL_GROWING: Seconds = 60.0
"""So long after the newest target joined, the number of those that are affected is no reason to edit a message: it grows on."""

MENTION_AT_MOST_EVERY: Seconds = 60.0
"""Per channel and mention; within it a message is posted at once without."""


def due(
    incident: Incident,
    notified: Notified | None,
    *,
    silenced_until: Instant | None,
    policy: Policy,
    now: Instant,
    together: Corroboration | None = None,
) -> Reason | None:
    """Why this notifier must be notified of this incident now; None if it knows everything."""
    if not incident.open:
        return _due_closed(incident, notified, silenced=silenced_until is not None)
    if silenced_until is not None:
        if notified is None or notified.closed:  # one that comes back under a silence is not news either
            return None
        return Reason.EDITED if _shows_otherwise(notified, incident, silenced_until, together, now) else None
    # Also when a silence is over, or the name is no longer silenced, or it may have been notified that all is over.
    if (
        notified is None
        or notified.closed
        or notified.silenced
        or (notified.possibly is not None and notified.possibly.closed)
    ):
        return Reason.OPENED
    if _has_changed(incident.diagnosis, notified):
        return Reason.CHANGED
    timed = next((reason for reason, at in _timed(incident, notified, policy).items() if now >= at), None)
    if timed is not None:
        return timed
    return Reason.EDITED if _shows_otherwise(notified, incident, None, together, now) else None


def _shows_otherwise(
    notified: Notified,
    incident: Incident,
    silenced_until: Instant | None,
    together: Corroboration | None,
    now: Instant,
) -> bool:
    """Whether an edited message would show something else; how many are affected alone counts once no more of them join."""
    if together is not None and now - together.since < _STILL_GROWING:
        return notified.shown.partition(_TOGETHER)[0] != shown(incident, silenced_until)
    return notified.shown != shown(incident, silenced_until, together)


def _due_closed(incident: Incident, notified: Notified | None, *, silenced: bool) -> Reason | None:
    if not knows_of(incident, notified):
        return None if silenced else Reason.RESOLVED  # opened and closed meanwhile: one notice says both
    if notified is None or not notified.closed:
        return Reason.RESOLVED
    # What is over is no news; but a message that can be edited shall not go on calling lost what has come since.
    return Reason.EDITED if incident.recounted and not silenced and notified.shown != shown(incident, None) else None


def knows_of(incident: Incident, notified: Notified | None) -> bool:
    """Whether a notifier was notified that an incident was opened, the last time if it came back."""
    return notified is not None and not (notified.closed and notified.reopened < len(incident.reopened))


def muted_until(
    incident: Incident, notified: Notified | None, silences: tuple[Silence, ...], now: Instant
) -> Instant | None:
    """Until when a notifier is not to be notified of an incident; None if it may be.

    What is open is muted by what is silenced now; what is over only if one silence lasted for all of what was not notified.
    """
    if incident.closed_at is None:
        return silenced_until(silences, incident.target, incident.diagnosis.fault, now)
    # Since the first opening that was not notified; since the last one if all were.
    openings = (incident.opened_at, *incident.reopened)
    known = notified.reopened + 1 if notified is not None else 0
    since = openings[min(known, len(openings) - 1)]
    return silenced_throughout(silences, incident.target, incident.names, since=since, until=incident.closed_at)


def owes(state: TargetState, notifiers: Collection[str]) -> bool:
    """Whether one of these notifiers was notified of an incident and not of its end yet."""
    return any(
        not notified.closed
        for incident in state.incidents
        for name, notified in incident.notified.items()
        if name in notifiers
    )


def _has_changed(diagnosis: Diagnosis, notified: Notified) -> bool:
    if diagnosis.fault is not notified.fault or diagnosis.severity > notified.severity:
        return True
    possibly = notified.possibly
    return possibly is not None and (possibly.fault, possibly.severity) != (diagnosis.fault, diagnosis.severity)


def acknowledged(incident: Incident) -> bool:
    """Whether somebody has it, as it is now: an acknowledgement ends when name or severity get worse.

    A loss whose hop is found out is the same loss.
    """
    if incident.acked_as is None:
        return False
    fault, severity = incident.acked_as
    same = incident.diagnosis.fault is fault or {incident.diagnosis.fault, fault} <= LOSSES
    return same and incident.diagnosis.severity <= severity


def wakes_at(incident: Incident, notified: Notified, policy: Policy) -> Instant | None:
    """When something becomes due by the mere passing of time."""
    return min(_timed(incident, notified, policy).values(), default=None) if incident.open else None


def _timed(incident: Incident, notified: Notified, policy: Policy) -> dict[Reason, Instant]:
    """What becomes due by time alone, and when. Nobody is reminded of a warning, or of what somebody has or cannot hurry."""
    diagnosis = incident.diagnosis
    if diagnosis.severity is not Severity.CRITICAL or diagnosis.permanent or acknowledged(incident):
        return {}
    due_at: dict[Reason, Instant] = {}
    # Once, and never for a fixed cause that only waits for its proof.
    if not notified.escalated and diagnosis.waiting is None:
        # Counted from turning critical; for whoever was notified only after that, from then: else two mentions follow at once.
        turned = incident.critical_since if incident.critical_since is not None else incident.opened_at
        called = notified.called_at if notified.called_at is not None else turned
        counted_from = turned if called < turned + policy.alerting.escalate_after else called
        due_at[Reason.ESCALATED] = counted_from + policy.alerting.escalate_after
    if policy.alerting.remind_every:
        due_at[Reason.REMINDER] = (
            notified.at + policy.alerting.remind_every[min(notified.reminders, len(policy.alerting.remind_every) - 1)]
        )
    return due_at


def shown(incident: Incident, silenced_until: Instant | None, together: Corroboration | None = None) -> str:
    """The state of an incident that an edited message shows: when this changes, the message must."""
    diagnosis = incident.diagnosis
    if incident.recounted:
        return f"resolved|{diagnosis.fault}|{incident.losses}"
    parts = (
        "open" if incident.open else "resolved",
        f"again:{len(incident.reopened)}" if incident.reopened else "",
        diagnosis.fault,
        diagnosis.severity.word,
        ",".join(diagnosis.also),
        diagnosis.waiting or "",
        "".join(hop.state[0] for hop in diagnosis.hops),
        "" if diagnosis.missing_since is None else f"missing since {diagnosis.missing_since:.0f}",
        f"acked:{incident.acked_by}" if acknowledged(incident) else "",
        f"silenced:{silenced_until:.0f}" if silenced_until is not None and silenced_until != float("inf") else "",
        "silenced" if silenced_until is not None else "",
    )
    state = "|".join(parts)
    return state if together is None else f"{state}{_TOGETHER}{','.join(together.targets)}/{together.of}"


def trusted(state: TargetState, policy: Policy) -> bool:
    """Whether a mention may be made: each enabled check has passed once, or could never look; at least one has passed."""
    enabled = [check for check in CheckName if policy.enabled(check)]
    return any(state.check_state(check).ever_passed for check in enabled) and not never_passed(state, policy)


def never_passed(state: TargetState, policy: Policy) -> tuple[CheckName, ...]:
    """The enabled checks that have not passed once though they could look: until they do, nobody is mentioned."""
    known = {check: state.check_state(check) for check in CheckName if policy.enabled(check)}
    return tuple(
        check for check, one in known.items() if not one.ever_passed and (one.last is None or one.seen_at is not None)
    )


def compose(due_now: Notice, *, may_mention: bool, labels: Mapping[str, str], now: Instant) -> Notice:
    """A notice that is due as it is sent: whether it calls somebody, and whether a reply is shown in the channel too."""
    incident, notified, reason = due_now.incident, due_now.notified, due_now.reason
    critical = incident.diagnosis.severity is Severity.CRITICAL
    turning = reason is Reason.CHANGED and critical and notified is not None and notified.severity < Severity.CRITICAL
    calls = incident.open and ((reason is Reason.OPENED and critical) or turning or reason is Reason.ESCALATED)
    was_critical = notified is not None and incident.worst is Severity.CRITICAL
    reopened = reason is Reason.OPENED and notified is not None and critical
    return replace(
        due_now,
        at=now,
        mention=calls and may_mention,
        broadcast=turning
        or reopened
        or reason in (Reason.REMINDER, Reason.ESCALATED)
        or (reason is Reason.RESOLVED and was_critical),
        labels=labels,
    )


def attempted(notice: Notice) -> Notified | None:
    """What a notifier may know after an attempt, to be remembered before it is made; None if it knows nothing yet.

    What then becomes true again may differ from what was possibly delivered, although it is what was delivered last.
    """
    before, diagnosis = notice.notified, notice.incident.diagnosis
    if before is None:
        return None
    said = PossiblyDelivered(fault=diagnosis.fault, severity=diagnosis.severity, closed=not notice.incident.open)
    known = PossiblyDelivered(fault=before.fault, severity=before.severity, closed=before.closed)
    no_news = said == known or notice.silenced_until is not None
    return replace(before, shown=_UNKNOWN, possibly=before.possibly if no_news else said)


def refused(notified: Notified) -> Notified:
    """What a notifier knows after an attempt that was clearly in vain; a message may have been edited before it failed."""
    return replace(notified, shown=_UNKNOWN)


def record(notice: Notice, receipt: dict[str, str]) -> Notified:
    """What the notifier knows after a notice was delivered."""
    incident, before = notice.incident, notice.notified
    present = shown(incident, notice.silenced_until, notice.together)
    if notice.reason is Reason.EDITED and before is not None:
        return _after_edit(notice, before, receipt, present)
    critical = incident.diagnosis.severity is Severity.CRITICAL
    fresh = before is None or notice.reason is Reason.OPENED or (critical and before.severity < Severity.CRITICAL)
    known = None if fresh else before
    return Notified(
        reason=notice.reason,
        fault=incident.diagnosis.fault,
        severity=incident.diagnosis.severity,
        at=notice.at,
        receipt=receipt,
        closed=not incident.open,
        reminders=known.reminders + (notice.reason is Reason.REMINDER) if known is not None else 0,
        escalated=notice.reason is Reason.ESCALATED or (known is not None and known.escalated),
        called_at=known.called_at if known is not None else notice.at if critical else None,
        mentioned_at=notice.at if notice.mention else before.mentioned_at if before is not None else None,
        reopened=len(incident.reopened),
        shown=present,
    )


def _after_edit(notice: Notice, before: Notified, receipt: dict[str, str], present: str) -> Notified:
    """An edit is no news: what was notified, and when, stays; under a silence the name that was notified stays too."""
    if notice.silenced_until is not None:
        return replace(before, receipt=receipt, shown=present, silenced=True)
    diagnosis = notice.incident.diagnosis
    return replace(
        before, receipt=receipt, shown=present, fault=diagnosis.fault, severity=diagnosis.severity, possibly=None
    )
