"""Log lines: one handler for everything, text for people or JSON for machines, and no secret in either.

Redaction works on the finished line, traceback included, so whatever a library logs goes through it too.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, TextIO

from monitor.redaction import visible

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
    """`2027-01-15T08:00:00.000Z INFO monitor.telemetry.events message key=value`; tracebacks on lines of their own."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the lines of a traceback."""
        message = _one_line(record.getMessage())
        fields = "".join(f" {key}={_quoted(value)}" for key, value in _fields(record).items())
        line = f"{_moment(record)} {record.levelname} {record.name} {message}{fields}"
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
            "ts": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": self._clean(record.getMessage()),
        }
        line |= {key: self._clean(value) for key, value in _fields(record).items() if key not in line}
        if trace := _traceback(self, record):
            line["exc"] = self._clean(trace)
        encoded = json.dumps(line, default=str)
        redacted = self._redact(encoded)
        return redacted if redacted == encoded or _is_json(redacted) else json.dumps(_bare(line))

    def _clean(self, value: object) -> object:
        """Redact before encoding too: escaping could tear a secret's pattern apart, or redaction tear the JSON."""
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {str(key): self._clean(inner) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(inner) for inner in value]
            case _:
                return self._redact(str(value))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What came as `extra`; a mapping called `fields` stands for its own entries."""
    given = getattr(record, "fields", None)
    fields: dict[str, object] = dict(given) if isinstance(given, Mapping) else {}
    fields |= {key: value for key, value in vars(record).items() if key not in _OWN}
    return {key: _dated(key, value) for key, value in fields.items()}


def _dated(key: str, value: object) -> object:
    """A moment as RFC 3339: nobody reads Unix seconds."""
    if not key.endswith("_at") or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return _rfc3339(value) if 0 <= value < _YEAR_10000 else value


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts: list[str] = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _moment(record: logging.LogRecord) -> str:
    return _rfc3339(record.created)


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    """A line end, or a terminal's escape sequence, in a message must not look like a line of ours."""
    return visible(text)


def _quoted(value: object) -> str:
    match value:
        case bool() | None:
            return str(value).lower() if value is not None else "null"
        case float():
            return f"{value:.6g}" if abs(value) < _SIX_DIGITS else repr(value)
        case _:
            text = _one_line(str(value))
            return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _bare(line: dict[str, object]) -> dict[str, object]:
    """What is left of a line that redaction tore apart."""
    return {key: line[key] for key in ("ts", "level", "logger")} | {"msg": "redacted"}


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
