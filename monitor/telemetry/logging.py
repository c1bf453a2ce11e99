"""Log lines: one handler for everything, text for people or JSON for machines, and no secret in either; one line per event.

Redaction works on the finished line, traceback included, so whatever a library logs goes through it too.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal, TextIO

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
from monitor.core.text import rfc3339
from monitor.redaction import visible

_log = logging.getLogger(__name__)

Redact = Callable[[str], str]
Format = Literal["auto", "text", "json"]

QUIET = ("apscheduler", "httpcore", "httpx", "slack_sdk", "uvicorn")
"""Libraries that log every request, with its URL (and a webhook's URL is a secret), or every run of a job."""

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "fields"}
_YEAR_10000 = 253_402_300_800
_SIX_DIGITS = 1e6  # from there on they would be written with an exponent
_PLAIN = re.compile(r"[^\s\"'=\\]+")


def configure(*, level: str, style: Format, redact: Redact, stream: TextIO | None = None) -> logging.Handler:
    """Send everything that this process logs to one stream (standard error): configuring again replaces what was before.

    `style` auto: text on a terminal, JSON otherwise. Warnings of Python's own come along as log lines.
    """
    stream = stream if stream is not None else sys.stderr
    text = stream.isatty() if style == "auto" else style == "text"
    handler = _Handler(stream)
    handler.setFormatter(TextFormatter(redact) if text else JsonFormatter(redact))
    root = logging.getLogger()
    for before in root.handlers[:]:
        if isinstance(before, _Handler):
            root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return handler


class _Handler(logging.StreamHandler[TextIO]):
    """Says that a line was lost without quoting it: logging's own complaint would print the message, unredacted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        kind = sys.exc_info()[0]
        with suppress(OSError, ValueError):
            sys.stderr.write(f"a log line of {record.name} was lost: {kind.__name__ if kind else 'unknown'}\n")


class TextFormatter(logging.Formatter):
    """`2027-01-15T08:00:00.000Z INFO monitor.telemetry.logging message key=value`; tracebacks on lines of their own."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the lines of a traceback."""
        # A line end, or a terminal's escape sequence, in a message must not look like a line of ours.
        message = visible(self._redact(record.getMessage()))
        fields = "".join(f" {key}={_quoted(_redacted(value, self._redact))}" for key, value in _fields(record).items())
        line = f"{rfc3339(record.created, 'milliseconds')} {record.levelname} {record.name} {message}{fields}"
        trace = _traceback(self, record)
        return self._redact(f"{line}\n{trace}" if trace else line)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ts, level, logger, msg, the fields of the event, and exc with a traceback."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "ts": rfc3339(record.created, "milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": self._redact(record.getMessage()),
        }
        line |= {key: _redacted(value, self._redact) for key, value in _fields(record).items() if key not in line}
        if trace := _traceback(self, record):
            line["exc"] = self._redact(trace)
        encoded = json.dumps(line, default=str)
        redacted = self._redact(encoded)
        if redacted != encoded:
            try:
                json.loads(redacted)
            except ValueError:  # redaction has torn the line apart
                return json.dumps({**{key: line[key] for key in ("ts", "level", "logger")}, "msg": "redacted"})
        return redacted


def _redacted(value: object, redact: Redact) -> object:
    """Redact before escaping too: escaping could tear a secret's pattern apart, or redaction tear the JSON."""
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): _redacted(inner, redact) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(inner, redact) for inner in value]
        case _:
            return redact(str(value))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What came as `extra`; a mapping called `fields` stands for its own entries."""
    given = getattr(record, "fields", None)
    fields: dict[str, object] = dict(given) if isinstance(given, Mapping) else {}
    fields |= {key: value for key, value in vars(record).items() if key not in _OWN}
    for key, value in fields.items():
        if key.endswith("_at") and isinstance(value, int | float) and not isinstance(value, bool):
            # Nobody reads Unix seconds.
            fields[key] = rfc3339(value, "milliseconds") if 0 <= value < _YEAR_10000 else value
    return fields


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts: list[str] = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _quoted(value: object) -> str:
    match value:
        case bool() | None:
            return str(value).lower() if value is not None else "null"
        case float():
            return f"{value:.6g}" if abs(value) < _SIX_DIGITS else repr(value)
        case _:
            text = visible(str(value))
            return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


# --- one line per event ----------------------------------------------------------------------------------------------

Fields = dict[str, object]


class EventLog:
    """Writes one line per event. What goes on is said once when it breaks and once when it is back; each look at debug."""

    def __init__(self) -> None:
        self._verdicts: dict[tuple[TargetName, CheckName], Verdict] = {}
        self._failures: dict[tuple[str, TargetName], str] = {}  # what each notifier failed with last, by target

    def listen(self, event: Event) -> None:
        """Write the line of one event."""
        name, level, message, fields = self._line(event)
        target: Fields = {} if isinstance(event, RunSkipped | Reloaded) else {"target": event.target}
        _log.log(level, "%s", message, extra={"fields": {"event": name, **target, **fields}})

    def _line(self, event: Event) -> tuple[str, int, str, Fields]:  # noqa: C901, PLR0912 - one line per kind of event
        """Its name, its level, its message and its fields."""
        match event:
            case Checked():
                return self._checked(event)
            case CanaryReturned():
                tokens = {"input_tokens": event.input_tokens, "output_tokens": event.output_tokens}
                fields: Fields = {"took": event.took, **tokens, **event.phases}
                return "canary_returned", logging.DEBUG, "the gateway answered a canary", fields
            case TraceJudged():
                fields = {"trace_id": event.trace_id, "outcome": event.outcome.value}
                if event.arrival_seconds is not None:
                    fields["arrival_seconds"] = event.arrival_seconds
                level = logging.DEBUG if event.outcome in {Outcome.ARRIVED, Outcome.RECOVERED} else logging.INFO
                return "trace_judged", level, f"a canary's trace: {event.outcome.value}", fields
            case FaultChanged():
                fields = {"fault": event.fault.value}
                if event.confirmed:
                    return "fault_confirmed", logging.WARNING, event.summary, fields
                return "fault_cleared", logging.INFO, f"cleared: {event.summary}", fields
            case IncidentChanged():
                fields = {"incident": event.id, "reason": event.reason.value, "fault": event.fault.value}
                fields["severity"] = event.severity.word
                if event.reason is not Reason.RESOLVED:
                    return "incident_changed", logging.WARNING, event.summary, fields
                because = f" ({event.because})" if event.because else ""
                return "incident_changed", logging.INFO, f"resolved{because}: {event.summary}", fields
            case IncidentAcknowledged():
                fields = {"incident": event.id, "by": event.by}
                return "incident_acknowledged", logging.INFO, "an incident was acknowledged", fields
            case KeyJudged():
                level, said = (logging.WARNING, "rejects") if event.refused else (logging.INFO, "accepts")
                return "key_judged", level, f"{event.backend} {said} the monitor's key", {"refused": event.refused}
            case NoticeHandled():
                return self._notice_handled(event)
            case RemoteAnswered():
                fields = {"service": event.service.value, "outcome": event.outcome}
                return "remote_answered", logging.DEBUG, "a request ended", fields
            case RunSkipped():
                fields = {"job": event.name, "reason": event.reason}
                return "run_skipped", logging.WARNING, "a scheduled run was skipped", fields
            case Reloaded():
                level, said = (logging.INFO, "loaded") if event.successful else (logging.ERROR, "rejected")
                fields = {"successful": event.successful, "detail": event.detail}
                return "reloaded", level, f"a configuration was {said}", fields

    def _checked(self, event: Checked) -> tuple[str, int, str, Fields]:
        key, result = (event.target, event.check), event.result
        changed = self._verdicts.get(key) is not result.verdict
        self._verdicts[key] = result.verdict
        fields: Fields = {"check": event.check.value, "verdict": result.verdict.value, "took": event.took}
        if result.fault is not None:
            fields["fault"] = result.fault.value
        if result.unknown_reason is not None:
            fields["reason"] = result.unknown_reason.value
        return "checked", logging.INFO if changed else logging.DEBUG, result.summary, {**fields, **result.evidence}

    def _notice_handled(self, event: NoticeHandled) -> tuple[str, int, str, Fields]:
        fields: Fields = {"notifier": event.notifier, "reason": event.reason.value, "outcome": event.outcome}
        if event.detail:
            fields["detail"] = event.detail
        whom = (event.notifier, event.target)
        if event.outcome == "sent":
            self._failures.pop(whom, None)
            return "notice_handled", logging.INFO, "a notification was delivered", fields
        if event.outcome == "suppressed":
            return "notice_handled", logging.INFO, "a notification was suppressed by a silence", fields
        level = logging.DEBUG if self._failures.get(whom) == event.detail else logging.WARNING
        self._failures[whom] = event.detail
        return "notice_handled", level, "a notification was not delivered and is retried", fields
