import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from monitor.core.model import (
    CheckName,
    CheckResult,
    Fault,
    Scalar,
    Service,
    Severity,
    Suspicion,
    TargetName,
    UnknownReason,
    Verdict,
)
from monitor.redaction import MASK, Redactor
from monitor.telemetry.logging import EventLog, JsonFormatter, TextFormatter, configure

SECRET = "tl_0123456789abcdef"
REDACT = Redactor([SECRET, 'quo"ted\\secret']).redact


@pytest.fixture(autouse=True)
def _put_logging_back() -> Iterator[None]:
    """Logging is the process's; each test leaves it as it was. A web server of an earlier test has set a level of its own."""
    root, server = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, levels = root.handlers[:], (root.level, server.level)
    server.setLevel(logging.NOTSET)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    server.setLevel(levels[1])
    logging.captureWarnings(capture=False)


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def a_record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    """As a logger would make it, at a known moment."""
    record = logging.LogRecord("monitor.x", logging.INFO, __file__, 1, message, arguments, None)
    record.created = 1_800_000_000.25
    vars(record).update(extra)
    return record


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    """The line, decoded."""
    line: dict[str, Any] = json.loads(JsonFormatter(REDACT).format(record))
    return line


def a_failure() -> logging.LogRecord:
    """A record with the traceback of an error that quotes a secret."""
    record = a_record("it broke")
    error = RuntimeError(f"401 for Bearer {SECRET}")
    try:
        raise error
    except RuntimeError:
        record.exc_info = sys.exc_info()
    return record


def test_a_line_for_people() -> None:
    """Moment, level, who, what, and the fields as key=value."""
    record = a_record("it took %d s", 3, fields={"target": "prod", "took": 0.25, "summary": "one field differs"})
    line = TextFormatter(REDACT).format(record)
    assert (
        line == '2027-01-15T08:00:00.250Z INFO monitor.x it took 3 s target=prod took=0.25 summary="one field differs"'
    )


@pytest.mark.parametrize(
    ("key", "value", "text", "json_value"),
    [
        ("changed_at", 1_795_170_000.5, "2026-11-20T10:20:00.500Z", "2026-11-20T10:20:00.500Z"),
        ("changed_at", 1_795_170_000, "2026-11-20T10:20:00.000Z", "2026-11-20T10:20:00.000Z"),
        ("changed_at", None, "null", None),
        ("looked_at", True, "true", True),
        ("changed_at", 1e300, "1e+300", 1e300),
        ("took", 1_795_170_000.5, "1795170000.5", 1_795_170_000.5),
        ("took", 0.1234567, "0.123457", 0.1234567),
    ],
)
def test_a_moment_is_written_as_one_and_no_number_loses_its_digits(
    key: str, value: object, text: str, json_value: object
) -> None:
    """1.79517e+09 is half a day wide."""
    assert TextFormatter(REDACT).format(a_record("x", fields={key: value})).endswith(f" {key}={text}")
    assert as_json(a_record("x", fields={key: value}))[key] == json_value


def test_a_line_for_machines() -> None:
    """One object with the fields beside the message; a field cannot take the place of what every line has."""
    assert as_json(
        a_record("it took %d s", 3, fields={"target": "prod", "took": 0.25, "level": "forged"}, event="e")
    ) == {
        "ts": "2027-01-15T08:00:00.250Z",
        "level": "info",
        "logger": "monitor.x",
        "msg": "it took 3 s",
        "target": "prod",
        "took": 0.25,
        "event": "e",
    }


@pytest.mark.parametrize("formatter", [TextFormatter(REDACT), JsonFormatter(REDACT)], ids=["text", "json"])
def test_no_secret_in_message_arguments_fields_or_traceback(formatter: logging.Formatter) -> None:
    """Wherever a library puts it, what is written has the mask instead."""
    record = a_failure()
    record.msg, record.args = "posting %s", (SECRET,)
    vars(record)["fields"] = {"header": f"Bearer {SECRET}", "nested": {"deep": [SECRET]}}
    vars(record)["url"] = f"https://user:{SECRET}@example.com"
    line = formatter.format(record)
    assert SECRET not in line
    assert "RuntimeError" in line
    assert MASK in line or json.dumps(MASK)[1:-1] in line


@pytest.mark.parametrize("formatter", [TextFormatter(REDACT), JsonFormatter(REDACT)], ids=["text", "json"])
@pytest.mark.parametrize(
    ("said", "secret"), [('got quo"ted\\secret', "ted"), ("Bearer\nnobody-knows-this-one", "nobody-knows")]
)
def test_a_secret_is_redacted_before_it_is_escaped(formatter: logging.Formatter, said: str, secret: str) -> None:
    """Escaping changes a secret's looks, or tears apart what it is known by, and it must not hide behind that."""
    assert secret not in formatter.format(a_record(said))
    assert secret not in formatter.format(a_record("x", fields={"value": said}))


@given(text=st.text(), key=st.text(), value=st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text()))
def test_every_line_is_one_line_of_json(text: str, key: str, value: object) -> None:
    """Whatever is logged, a log collector can read it."""
    line = JsonFormatter(REDACT).format(a_record("%s", text, fields={key: value}))
    assert "\n" not in line
    assert isinstance(json.loads(line), dict)


@given(text=st.text(), value=st.text())
def test_foreign_text_cannot_forge_a_line(text: str, value: str) -> None:
    """Line ends and terminal escapes in what a remote service said are shown, not obeyed."""
    line = TextFormatter(REDACT).format(a_record("%s", text, fields={"said": value}))
    assert all(character.isprintable() or ord(character) > 0x9F for character in line)
    assert len(line.splitlines()) == 1


def test_a_traceback_is_shown_in_both_forms() -> None:
    """Of an unexpected error one wants to see where it was."""
    assert "Traceback (most recent call last)" in TextFormatter(REDACT).format(a_failure())
    assert "RuntimeError: 401 for Bearer" in as_json(a_failure())["exc"]


def test_redaction_that_tears_the_json_apart_leaves_a_readable_line() -> None:
    """A pattern that eats a quotation mark costs the message, not the collector."""
    formatter = JsonFormatter(lambda text: text.replace('"msg"', ""))
    assert json.loads(formatter.format(a_record("secret")))["msg"] == "redacted"


@pytest.mark.parametrize(
    ("style", "stream", "is_text"),
    [
        ("auto", Terminal(), True),
        ("auto", io.StringIO(), False),
        ("text", io.StringIO(), True),
        ("json", Terminal(), False),
    ],
    ids=["a terminal", "a pipe", "text wanted", "json wanted"],
)
def test_the_form_follows_the_stream_unless_it_is_chosen(style: Any, stream: io.StringIO, *, is_text: bool) -> None:
    """Text on a terminal, JSON otherwise."""
    configure(level="info", style=style, redact=REDACT, stream=stream)
    logging.getLogger("monitor.x").info("hello")
    assert stream.getvalue().startswith("{") is not is_text


def test_configuring_again_replaces_what_was_before() -> None:
    """After a reload each line is still written once, at the new level."""
    first, second = io.StringIO(), io.StringIO()
    configure(level="debug", style="json", redact=REDACT, stream=first)
    configure(level="error", style="json", redact=REDACT, stream=second)
    logging.getLogger("monitor.x").warning("not at this level")
    logging.getLogger("monitor.x").error("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    "name", ["apscheduler.scheduler", "httpx", "httpcore.http11", "slack_sdk.web", "uvicorn.error"]
)
def test_libraries_are_quiet_below_warning(name: str) -> None:
    """They log every request with its URL, and a webhook's URL is a secret."""
    stream = io.StringIO()
    configure(level="debug", style="json", redact=REDACT, stream=stream)
    logging.getLogger(name).info("GET https://hooks.slack.com/services/T/B/x")
    assert stream.getvalue() == ""
    logging.getLogger(name).warning("heed this")
    assert "heed this" in stream.getvalue()


def test_pythons_warnings_are_log_lines() -> None:
    """Not text in the middle of JSON."""
    stream = io.StringIO()
    configure(level="info", style="json", redact=REDACT, stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert "old ways" in json.loads(stream.getvalue())["msg"]


def test_a_line_that_cannot_be_written_is_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """Logging's own complaint would print message and arguments as they are."""
    handler = configure(level="info", style="json", redact=REDACT, stream=io.StringIO())
    handler.handle(a_record("%d", SECRET))
    complaint = capsys.readouterr().err
    assert complaint == "a log line of monitor.x was lost: TypeError\n"


# --- one line per event

PROD = TargetName("prod")


def a_look(
    verdict: Verdict, *, check: CheckName = CheckName.CONFIG, evidence: Mapping[str, Scalar] | None = None
) -> Checked:
    """One look."""
    return Checked(
        target=PROD,
        check=check,
        at=1.0,
        took=0.5,
        result=CheckResult(verdict=verdict, summary=f"it says {verdict}", evidence=evidence or {}),
    )


def a_notice(outcome: str, detail: str = "") -> NoticeHandled:
    """One attempt to notify Slack."""
    return NoticeHandled(notifier="slack", target=PROD, at=1.0, reason=Reason.OPENED, outcome=outcome, detail=detail)


OPENED = IncidentChanged(
    target=PROD, at=1.0, id="i", reason=Reason.OPENED, fault=Fault.BLIND, severity=Severity.WARNING, summary="it is off"
)
ARRIVED = TraceJudged(target=PROD, at=1.0, trace_id="ab", outcome=Outcome.ARRIVED, arrival_seconds=8.0)
CONFIRMED = FaultChanged(target=PROD, at=1.0, fault=Fault.BLIND, confirmed=True, summary="it is off")
EVENTS: list[tuple[Event, str, str]] = [
    (a_look(Verdict.FAIL), "INFO", "checked"),
    (CanaryReturned(target=PROD, at=1.0, took=0.5, phases={"tls": 0.1}, input_tokens=3), "DEBUG", "canary_returned"),
    (ARRIVED, "DEBUG", "trace_judged"),
    (replace(ARRIVED, outcome=Outcome.RECOVERED), "DEBUG", "trace_judged"),
    (replace(ARRIVED, outcome=Outcome.MISSING, arrival_seconds=None), "INFO", "trace_judged"),
    (CONFIRMED, "WARNING", "fault_confirmed"),
    (replace(CONFIRMED, confirmed=False), "INFO", "fault_cleared"),
    (OPENED, "WARNING", "incident_changed"),
    (replace(OPENED, reason=Reason.RESOLVED), "INFO", "incident_changed"),
    (IncidentAcknowledged(target=PROD, at=1.0, id="i", by="ada"), "INFO", "incident_acknowledged"),
    (KeyJudged(target=PROD, at=1.0, refused=True, backend="Traceloop"), "WARNING", "key_judged"),
    (KeyJudged(target=PROD, at=1.0, refused=False, backend="Traceloop"), "INFO", "key_judged"),
    (a_notice("sent"), "INFO", "notice_handled"),
    (a_notice("suppressed"), "INFO", "notice_handled"),
    (a_notice("failed", "channel_not_found"), "WARNING", "notice_handled"),
    (RemoteAnswered(target=PROD, service=Service.GATEWAY, outcome="2xx"), "DEBUG", "remote_answered"),
    (RunSkipped(name="config:prod", reason="overlap"), "WARNING", "run_skipped"),
    (Reloaded(at=1.0, successful=True), "INFO", "reloaded"),
    (Reloaded(at=1.0, successful=False, detail="line 3"), "ERROR", "reloaded"),
]


def received(caplog: pytest.LogCaptureFixture, *events: Event) -> list[tuple[str, Mapping[str, object]]]:
    """The level and the fields of every line."""
    log = EventLog()
    with caplog.at_level(logging.DEBUG):
        for event in events:
            log.listen(event)
    return [(record.levelname, vars(record)["fields"]) for record in caplog.records]


@pytest.mark.parametrize(("event", "level", "name"), EVENTS, ids=[f"{level}-{name}" for _, level, name in EVENTS])
def test_each_event_is_one_line(caplog: pytest.LogCaptureFixture, event: Event, level: str, name: str) -> None:
    """With a constant name to filter by, at the level at which somebody wants to read it."""
    ((said, fields),) = received(caplog, event)
    assert (said, fields["event"]) == (level, name)


def test_what_is_over_is_not_said_as_if_it_were_so(caplog: pytest.LogCaptureFixture) -> None:
    """A resolve and a fault that is cleared do not say the fault's own sentence as news; a resolve says why it is one."""
    over, cleared = replace(OPENED, reason=Reason.RESOLVED), replace(CONFIRMED, confirmed=False)
    received(caplog, over, replace(over, because="fixed 08:00 UTC by ana"), cleared)
    assert [record.getMessage() for record in caplog.records] == [
        "resolved: it is off",
        "resolved (fixed 08:00 UTC by ana): it is off",
        "cleared: it is off",
    ]


def test_every_kind_of_event_is_in_the_table() -> None:
    """A new event gets a line and a test."""
    assert {type(event) for event, _, _ in EVENTS} == set(Event.__args__)


def test_a_look_says_everything_that_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """One canonical line: whom, which check, what, how long, and the evidence."""
    looked = a_look(Verdict.UNKNOWN, evidence={"status": 403})
    suspicion = Suspicion(fault=Fault.BLIND, summary="403")
    result = replace(looked.result, summary="403", suspicions=(suspicion,), unknown_reason=UnknownReason.REFUSED)
    ((_, fields),) = received(caplog, replace(looked, result=result))
    assert fields == {
        "event": "checked",
        "target": "prod",
        "check": "config",
        "verdict": "unknown",
        "took": 0.5,
        "fault": "blind",
        "reason": "refused",
        "status": 403,
    }
    assert caplog.messages == ["403"]


def test_a_check_is_reported_once_when_it_breaks_and_once_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """Every other look is for those who debug; two checks do not hide each other."""
    looks = [a_look(verdict) for verdict in (Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.FAIL, Verdict.PASS)]
    lines = received(caplog, *looks, a_look(Verdict.PASS, check=CheckName.CONTROL))
    assert [level for level, _ in lines] == ["INFO", "DEBUG", "INFO", "DEBUG", "INFO", "INFO"]


def test_a_notifier_that_keeps_failing_is_reported_once_until_it_fails_differently(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Slack that is down for an hour is one warning, another reason is another, and so is the next outage."""
    down, refused = a_notice("failed", "no route"), a_notice("failed", "invalid_auth")
    lines = received(caplog, down, down, refused, refused, a_notice("sent"), refused)
    assert [level for level, _ in lines] == ["WARNING", "DEBUG", "WARNING", "DEBUG", "INFO", "WARNING"]


def test_targets_with_channels_of_their_own_are_not_reported_in_turn(caplog: pytest.LogCaptureFixture) -> None:
    """Each is reported once, although the other fails differently in between."""
    mine = a_notice("failed", "channel_not_found of C0A")
    other = replace(mine, target=TargetName("other"), detail="is_archived of C0B")
    assert [level for level, _ in received(caplog, mine, other, mine, other)] == [
        "WARNING",
        "WARNING",
        "DEBUG",
        "DEBUG",
    ]
