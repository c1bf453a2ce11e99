"""Messages for Slack fit and keep their markup, whatever text they are made of."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.backend import TRACELOOP
from monitor.core.faults import FAULTS
from monitor.core.incident import (
    Diagnosis,
    Incident,
    Losses,
    Notice,
    Notified,
    Reason,
    TimelineEntry,
)
from monitor.core.model import Component, Fault, Severity, TargetName
from monitor.notifiers.slack.render import note, post, root
from monitor.notifiers.wording import SEVERITY_SIGNS
from tests.fakes.block_kit import validate_message
from tests.fakes.clock import START
from tests.notifiers import notices
from tests.notifiers.notices import a_diagnosis, a_notice, an_incident
from tests.notifiers.slack.limits import problems
from tests.notifiers.slack.rendered import FRAME, WRITERS, payload, shown
from tests.sampling import sample

SIGNS = (*SEVERITY_SIGNS.values(), "🛠️", "⏰")


@pytest.mark.parametrize(
    "foreign", ["openai-main/x", "a`b", "`", "x` y", "@here <!channel> & co", "@`here` `http`://x"]
)
def test_what_this_program_marks_as_code_stays_code_beside_foreign_text(foreign: str) -> None:
    """And a foreign backtick begins none."""
    advice = f"Grant the model {foreign} to the canary, or change `gateway.model` or `checks.canary`."
    diagnosis = notices.a_diagnosis(advice=advice, because=(f"{foreign}: `exclude_request_data: true` is not kept",))
    message = root(notices.a_notice(incident=notices.an_incident(diagnosis)), FRAME)
    said = shown(message)
    for code in ("`gateway.model`", "`checks.canary`", "`exclude_request_data: true`"):
        assert code in said
    assert all(line.count("`") % 2 == 0 for line in said.replace("```", "").splitlines())
    assert "`" not in message.text
    assert not problems(payload(message))


def test_code_that_is_cut_is_closed() -> None:
    """A sentence that is too long ends inside of it: then it is none."""
    diagnosis = notices.a_diagnosis(advice="&" * 75 + " `checks.canary` and so on" + "x" * 20)
    said = shown(root(notices.a_notice(incident=notices.an_incident(diagnosis)), FRAME))
    line = next(line for line in said.splitlines() if "&amp;&amp;" in line)
    assert line.count("`") % 2 == 0


def test_every_fault_has_its_advice_with_code_as_code() -> None:
    """Backticks of our own sentences are kept, those of others are not."""
    for fault, entry in FAULTS.items():
        message = post(a_notice(incident=an_incident(a_diagnosis(fault))), FRAME)
        assert TRACELOOP.name_in(entry.advice).replace("&", "&amp;") in shown(message)
        assert "`" not in message.text


@pytest.mark.parametrize(
    ("evil", "harmless"),
    [
        ("<!here>", "&lt;!here&gt;"),
        ("<@U123>", "&lt;@U123&gt;"),
        ("<https://evil.example|log in>", "&lt;https://evil.example|log in&gt;"),
        ("a & b", "a &amp; b"),
        ("```rm -rf```", "'''rm -rf'''"),
        ("@channel", "@\u2060channel"),
        ("one\ntwo\r\n*three*", "one two *three*"),
        ("abc\u202edcba", "abc\\u202edcba"),
    ],
)
def test_foreign_text_has_no_power(evil: str, harmless: str) -> None:
    """No call, no link, no markup that swallows ours, no line of its own."""
    message = post(a_notice(incident=an_incident(a_diagnosis(because=("first", evil)))), FRAME)
    assert f"• {harmless}\n" in shown(message) + "\n"
    assert not problems(payload(message))


def test_a_foreign_url_is_no_link_in_the_text() -> None:
    """There Slack would find it; in the blocks `verbatim` keeps it from looking, so there it can be copied."""
    message = post(a_notice(incident=an_incident(a_diagnosis(because=("x", "https://evil.example")))), FRAME)
    assert "https://evil.example" in shown(message)
    assert "https://evil.example" not in message.text


def test_names_that_mean_something_in_a_shell_are_not_offered_for_copying() -> None:
    """Somebody pastes it at three in the morning."""
    incident = an_incident(id="x; rm -rf /", target=TargetName("$(reboot)"))
    assert "trace-monitor ack" not in shown(post(a_notice(incident=incident), FRAME))
    assert "--target" not in shown(post(a_notice(incident=incident), FRAME))


def test_a_strange_external_url_breaks_nothing() -> None:
    """A link of ours is one link, whatever stands in it."""
    said = shown(post(notices.opened(), replace(FRAME, external_url="https://m.dev/a b|c>d<e&f/é")))
    assert "<https://m.dev/a%20b%7Cc%3Ed%3Ce%26f/%C3%A9/runbooks/exporter_disabled|Runbook>" in said


@pytest.mark.parametrize("url", ["ftp://m.dev", "javascript:alert(1)", "https://m.dev/" + "x" * 600])
def test_what_is_no_link_is_left_out(url: str) -> None:
    """The advice stands in the message."""
    said = shown(post(notices.opened(), replace(FRAME, external_url=url)))
    assert "Runbook" not in said


@pytest.mark.parametrize("filler", sample(["🚨", "x", "&", "<"], every=2))
def test_the_fullest_message_fits(filler: str) -> None:
    """However Slack counts: an emoji as one or as two, an escape as one or as five."""
    much = filler * 500
    diagnosis = a_diagnosis(because=(much, *(f"{number}{much}" for number in range(30))), summary=much, advice=much)
    diagnosis = replace(diagnosis, waiting=much, trace_ids=(much,) * 9, also=tuple(Fault), explained=tuple(Fault))
    incident = an_incident(diagnosis, acked_by=much, acked_as=(diagnosis.fault, diagnosis.severity), acked_at=START)
    full = a_notice(incident=incident, mention=True, silenced_until=START, labels={str(n): much for n in range(30)})
    closed = replace(full, incident=replace(incident, closed_at=START, closed_because=much))
    for notice in (full, closed):
        for write in WRITERS:
            assert not problems(payload(write(notice, FRAME)))
            assert not validate_message(payload(write(notice, FRAME)))


def test_what_does_not_fit_is_counted() -> None:
    """No line is cut in the middle of its markup, and nobody thinks that he has read it all."""
    because = tuple(f"field {number}: {'<' * 200}" for number in range(40))
    message = post(a_notice(incident=an_incident(a_diagnosis(because=because))), FRAME)
    assert "… and 3" in shown(message)
    assert not problems(payload(message))


def test_a_test_message_is_shown_as_it_is() -> None:
    """It belongs to no incident and calls nobody."""
    message = note("This is a test <!here>", FRAME)
    assert shown(message) == "This is a test &lt;!here&gt;"
    assert not validate_message(payload(message))


_ANY_TEXT = st.text(max_size=700) | st.sampled_from(["<!channel>", "`" * 500, "&" * 500, "🚨" * 500, "@here " * 90, ""])
_ANY_TIME = st.floats(allow_nan=True, allow_infinity=True) | st.floats(START - 1e6, START + 1e6)
_SOME_FAULTS = st.lists(st.sampled_from(Fault), max_size=20).map(tuple)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def any_diagnosis(draw: st.DrawFn) -> Diagnosis:
    """Of whatever a bug or an enemy could make one."""
    return Diagnosis(
        fault=draw(st.sampled_from(Fault)),
        severity=draw(st.sampled_from(Severity)),
        component=draw(st.sampled_from(Component)),
        summary=draw(_ANY_TEXT),
        because=tuple(draw(st.lists(_ANY_TEXT, max_size=30))),
        explained=draw(_SOME_FAULTS),
        also=draw(_SOME_FAULTS),
        advice=draw(_ANY_TEXT),
        since=draw(_ANY_TIME),
        trace_ids=tuple(draw(st.lists(_ANY_TEXT, max_size=10))),
        waiting=draw(_maybe(_ANY_TEXT)),
    )


@st.composite
def any_notice(draw: st.DrawFn) -> Notice:
    """With every field filled by chance."""
    diagnosis = draw(any_diagnosis())
    timeline_entry = st.builds(
        TimelineEntry,
        at=_ANY_TIME,
        fault=st.sampled_from(Fault),
        severity=st.sampled_from(Severity),
        text=_ANY_TEXT,
    )
    incident = Incident(
        id=draw(_ANY_TEXT),
        target=TargetName(draw(_ANY_TEXT)),
        opened_at=draw(_ANY_TIME),
        diagnosis=diagnosis,
        closed_at=draw(_maybe(_ANY_TIME)),
        closed_because=draw(_ANY_TEXT),
        critical_since=draw(_maybe(_ANY_TIME)),
        reopened=tuple(draw(st.lists(_ANY_TIME, max_size=12))),
        timeline=tuple(draw(st.lists(timeline_entry, max_size=40))),
        losses=draw(_maybe(st.builds(Losses, sent=st.integers(), late=st.integers(), lost=st.integers()))),
        acked_by=draw(_maybe(_ANY_TEXT)),
        acked_at=draw(_maybe(_ANY_TIME)),
        acked_as=draw(st.sampled_from([None, (diagnosis.fault, diagnosis.severity)])),
    )
    notified = Notified(reason=Reason.OPENED, fault=draw(st.sampled_from(Fault)), severity=Severity.WARNING, at=START)
    return Notice(
        reason=draw(st.sampled_from(Reason)),
        incident=incident,
        at=draw(_ANY_TIME),
        notified=draw(st.sampled_from([None, notified])),
        mention=draw(st.booleans()),
        silenced_until=draw(_maybe(_ANY_TIME)),
        labels=draw(st.dictionaries(_ANY_TEXT, _ANY_TEXT, max_size=15)),
    )


@settings(deadline=None)  # the machine may be busy
@given(any_notice(), _maybe(st.sampled_from(["https://monitor.acme.dev", "https://x/" + "é<>|" * 200, "not a url"])))
def test_every_message_fits_and_is_well_formed(notice: Notice, external_url: str | None) -> None:
    """Whatever goes in, Slack takes what comes out, and only our own markup is in it."""
    frame = replace(FRAME, external_url=external_url)
    for write in WRITERS:
        message = write(notice, frame)
        for each in (payload(message), {"text": message.short, "blocks": []}):
            assert not validate_message(each)
            assert not problems(each)
        for first in (
            message.text.partition("\n")[0],
            message.short.partition("\n")[0],
            shown(message).partition("\n")[0],
        ):
            assert notice.incident.diagnosis.fault in first
            assert said_by_sign_and_word(notice, first)


def said_by_sign_and_word(notice: Notice, line: str) -> bool:
    """Whether a first line says how bad it is, or that it is over, to who sees no colour and to who hears it read."""
    if not notice.incident.open:
        return "✅" in line and "resolved" in line
    if notice.reason is Reason.TEST:
        return True
    return notice.incident.diagnosis.severity.word in line and any(sign in line for sign in SIGNS)
