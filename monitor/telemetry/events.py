"""One canonical line per event. What goes on is said once when it breaks and once when it is back; each look at debug."""

import logging
from collections.abc import Mapping

from monitor.core.canary import Outcome
from monitor.core.events import (
    CanaryReturned,
    Checked,
    Event,
    FaultChanged,
    IncidentAcknowledged,
    IncidentChanged,
    KeyJudged,
    NoticeHandled,
    Reloaded,
    RemoteAnswered,
    RunSkipped,
    TraceJudged,
)
from monitor.core.incident import Reason
from monitor.core.model import CheckName, TargetName, Verdict

_log = logging.getLogger(__name__)

Fields = dict[str, object]

_EXPECTED = frozenset({Outcome.ARRIVED, Outcome.RECOVERED})


class EventLog:
    """Listens to events and writes lines. Remembers what was said last, to say it once."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[TargetName, CheckName], Verdict] = {}
        self._failures: dict[tuple[str, TargetName], str] = {}  # what each notifier failed with last, by target

    def listen(self, event: Event) -> None:  # noqa: C901 - one line per kind of event
        """Write the line of one event."""
        match event:
            case Checked():
                self._checked(event)
            case CanaryReturned():
                fields: Fields = {"took": event.took, "input_tokens": event.input_tokens}
                fields |= {"output_tokens": event.output_tokens, **event.phases}
                _write(logging.DEBUG, "canary_returned", "the gateway answered a canary", event.target, fields)
            case TraceJudged():
                _trace_judged(event)
            case FaultChanged():
                level = logging.WARNING if event.confirmed else logging.INFO
                what = "confirmed" if event.confirmed else "cleared"
                said = event.summary if event.confirmed else f"cleared: {event.summary}"
                _write(level, f"fault_{what}", said, event.target, {"fault": event.fault.value})
            case IncidentChanged():
                _incident_changed(event)
            case IncidentAcknowledged():
                fields = {"incident": event.id, "by": event.by}
                _write(logging.INFO, "incident_acknowledged", "somebody took an incident", event.target, fields)
            case KeyJudged():
                level = logging.WARNING if event.refused else logging.INFO
                said = "refuses" if event.refused else "accepts"
                message = f"Traceloop {said} the monitor's key"
                _write(level, "key_judged", message, event.target, {"refused": event.refused})
            case NoticeHandled():
                self._notice_handled(event)
            case RemoteAnswered():
                fields = {"service": event.service.value, "outcome": event.outcome}
                _write(logging.DEBUG, "remote_answered", "a request ended", event.target, fields)
            case RunSkipped():
                fields = {"job": event.name, "reason": event.reason}
                _write(logging.WARNING, "run_skipped", "a scheduled run did not take place", None, fields)
            case Reloaded():
                level = logging.INFO if event.successful else logging.ERROR
                message = "a configuration was loaded" if event.successful else "a configuration was refused"
                _write(level, "reloaded", message, None, {"successful": event.successful, "detail": event.detail})

    def _checked(self, event: Checked) -> None:
        key = (event.target, event.check)
        changed = self._verdicts.get(key) is not event.verdict
        self._verdicts[key] = event.verdict
        fields: Fields = {"check": event.check.value, "verdict": event.verdict.value, "took": event.took}
        if event.fault is not None:
            fields["fault"] = event.fault.value
        if event.blindness is not None:
            fields["reason"] = event.blindness.value
        fields |= event.evidence
        _write(logging.INFO if changed else logging.DEBUG, "checked", event.summary, event.target, fields)

    def _notice_handled(self, event: NoticeHandled) -> None:
        fields: Fields = {"notifier": event.notifier, "reason": event.reason.value, "outcome": event.outcome}
        if event.detail:
            fields["detail"] = event.detail
        whom = (event.notifier, event.target)
        if event.outcome == "sent":
            self._failures.pop(whom, None)
            _write(logging.INFO, "notice_handled", "people were told", event.target, fields)
        elif event.outcome == "suppressed":
            _write(logging.INFO, "notice_handled", "a notice was suppressed by a silence", event.target, fields)
        else:
            again = self._failures.get(whom) == event.detail
            self._failures[whom] = event.detail
            level = logging.DEBUG if again else logging.WARNING
            _write(level, "notice_handled", "people could not be told, it is tried again", event.target, fields)


def _trace_judged(event: TraceJudged) -> None:
    fields: Fields = {"trace_id": event.trace_id, "outcome": event.outcome.value}
    if event.arrival_seconds is not None:
        fields["arrival_seconds"] = event.arrival_seconds
    level = logging.DEBUG if event.outcome in _EXPECTED else logging.INFO
    _write(level, "trace_judged", f"a canary's trace: {event.outcome.value}", event.target, fields)


def _incident_changed(event: IncidentChanged) -> None:
    fields: Fields = {"incident": event.id, "reason": event.reason.value, "fault": event.fault.value}
    fields["severity"] = event.severity.word
    if event.reason is not Reason.RESOLVED:
        _write(logging.WARNING, "incident_changed", event.summary, event.target, fields)
        return
    because = f" ({event.because})" if event.because else ""
    _write(logging.INFO, "incident_changed", f"resolved{because}; it was: {event.summary}", event.target, fields)


def _write(level: int, name: str, message: str, target: TargetName | None, fields: Mapping[str, object]) -> None:
    whom: Fields = {} if target is None else {"target": target}
    _log.log(level, "%s", message, extra={"fields": {"event": name, **whom, **fields}})
