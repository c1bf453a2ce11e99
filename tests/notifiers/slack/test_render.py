"""Messages for Slack: what they say, in every kind; and that they fit, whatever they are made of."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.faults import FAULTS
from monitor.core.incident import (
    NO_LONGER_MONITORED,
    Diagnosis,
    Incident,
    Losses,
    Notice,
    Notified,
    Reason,
    TimelineEntry,
)
from monitor.core.model import Component, Fault, Severity, TargetName
from monitor.notifiers.slack.render import Frame, Message, note, post, reply, root
from monitor.notifiers.wording import SEVERITY_SIGNS
from monitor.redaction import Redactor
from tests.fakes.block_kit import validate_message
from tests.fakes.clock import START
from tests.notifiers import notices
from tests.notifiers.notices import KINDS, MENTION, a_diagnosis, a_notice, an_incident, notified_of
from tests.notifiers.slack.limits import problems, texts
from tests.sampling import sample

FRAME = Frame(redact=Redactor().redact, external_url="https://monitor.acme.dev", mention=MENTION, commands=True)
WRITERS = (root, post, reply)


def payload(message: Message) -> dict[str, Any]:
    """As it is posted."""
    return {"text": message.text, "blocks": message.blocks}


SIGNS = (*SEVERITY_SIGNS.values(), "🛠️", "⏰")


def shown(message: Message) -> str:
    """Everything that the blocks say."""
    return "\n".join(texts(payload(message)))


def first_line(message: Message) -> str:
    """What is read first."""
    return shown(message).partition("\n")[0]


# --- what is said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", WRITERS)
def test_the_first_line_holds_target_slug_and_severity_in_word_and_sign(kind: str, write: Any) -> None:
    """Of the blocks and of the text that notifications show."""
    notice = KINDS[kind]()
    message = write(notice, FRAME)
    for line in (first_line(message), message.text.partition("\n")[0], message.short.partition("\n")[0]):
        assert "prod" in line
        assert notice.incident.diagnosis.fault in line
        word = notice.incident.diagnosis.severity.word if notice.incident.open else "resolved"
        assert word in line
        assert any(sign in line for sign in ("🚨", "⚠️", "✅", "⏰", "🛠️"))


def test_an_opening_answers_every_question() -> None:
    """What broke, where, since when, why, what to do, which traces, what else, and what to type."""
    said = shown(post(notices.drift(), FRAME))
    lines = said.splitlines()
    assert lines[0] == "🚨 *critical* · *prod* · *The export configuration is not as expected* (`config_drift`)"
    assert lines[1].startswith("2 fields differ. Traces are still exported and requests are not affected; ")
    assert "the difference has existed since <!date^1799999940^" in lines[1]
    assert lines[2] == "gateway ✅ → TrueFoundry ❔ → export ❌ → Traceloop ✅"
    assert "• Endpoint is `https://api.traceloop.com`, should be `https://api.traceloop.com/v1/traces`" in said
    assert "• Headers → Authorization is a value with fingerprint a1f3c2d4 ('Bearer ' is missing)" in said
    assert "*Next step*\nSet the fields that differ back" in said
    assert f"Traces: `{notices.TRACE}`" in said
    assert "Also wrong: `provider_failing`" in said
    assert "Consequences: `trace_missing`" in said
    assert "```\ntrace-monitor ack prod-20270115-080000 --url https://monitor.acme.dev\n" in said
    assert (
        "\ntrace-monitor silence add --target prod --fault config_drift --for 2h --url https://monitor.acme.dev\n```"
        in said
    )
    assert "<https://monitor.acme.dev/runbooks/config_drift|Runbook>" in said
    assert "<https://monitor.acme.dev/|Status page>" in said
    assert "team: ml-platform" in said


def test_other_faults_stand_below_the_first_line_only() -> None:
    """Who looks for a slug finds the incident that is called by it."""
    line = first_line(post(notices.drift(), FRAME))
    assert "trace_missing" not in line
    assert "provider_failing" not in line


def test_the_text_alone_says_it_all() -> None:
    """A screen reader reads nothing else, so it has no markup, and moments in UTC."""
    text = post(notices.drift(), FRAME).text
    for words in ("2 fields differ", "since 2027-01-15 07:59 UTC", "• Endpoint is", "Next step", "trace-monitor ack"):
        assert words in text
    assert "`" not in text
    assert "*" not in text
    assert "<!date" not in text


def test_what_the_sentence_says_is_not_said_again() -> None:
    """The first reason is part of the sentence already."""
    assert shown(post(notices.opened(), FRAME)).count("the manifest is null") == 1


def test_advice_comes_before_the_evidence_that_it_speaks_of() -> None:
    """What to do is read first at three in the morning."""
    said = shown(root(notices.drift(), FRAME))
    assert said.index("*Next step*") < said.index("*Why*")


def test_without_an_external_url_there_are_no_links() -> None:
    """The advice stands in the message."""
    said = shown(post(notices.opened(), replace(FRAME, external_url=None)))
    assert "Runbook" not in said
    assert "Switch on the traces exporter" in said


def test_a_moment_is_shown_in_the_readers_own_time() -> None:
    """With UTC for clients that cannot."""
    assert "<!date^1799999940^{date_short_pretty} {time}|2027-01-15 07:59 UTC>" in shown(root(notices.opened(), FRAME))


# --- who is called


@pytest.mark.parametrize("write", [post, reply])
def test_the_mention_goes_out_as_it_is_only_when_asked_for(write: Any) -> None:
    """In the blocks, where it calls, and in the text; at the end, so that a notification begins with what broke."""
    calling = write(notices.escalated(), FRAME)
    assert MENTION in shown(calling)
    assert calling.text.endswith(MENTION)
    assert calling.short.endswith(MENTION)
    quiet = write(replace(notices.escalated(), mention=False), FRAME)
    assert MENTION not in shown(quiet) + quiet.text + quiet.short


def test_an_edited_root_mentions_nobody() -> None:
    """An edit calls nobody, so a mention in it would only look like a call."""
    message = root(notices.escalated(), FRAME)
    assert MENTION not in shown(message) + message.text


def test_without_a_configured_mention_nobody_is_called() -> None:
    """Not even by an empty line."""
    message = post(notices.opened(), replace(FRAME, mention=None))
    assert not message.text.endswith("\n")


def test_a_mention_that_cannot_fit_is_refused_at_once() -> None:
    """It is never cut, so it must not be absurd."""
    with pytest.raises(ValueError, match="mention"):
        Frame(redact=str, mention="<!subteam^S0123>" * 20)


# --- the life of an incident


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("opened", "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
        (
            "again",
            "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · again, third time in 20 min",
        ),
        (
            "changed",
            (
                "⚠️ *warning* · *prod* · `exporter_disabled` fixed after 12 min; still: "
                "*The model provider is failing* (`provider_failing`)"
            ),
        ),
        (
            "turned_critical",
            "🚨 *critical* · *prod* · *The export configuration is not as expected* (`config_drift`) turned critical",
        ),
        (
            "reminder",
            "⏰ reminder: still *critical* after 4 h 1 min · *prod* · *Trace export is switched off* (`exporter_disabled`)",
        ),
        (
            "escalated",
            (
                "🚨 escalated: *critical* for 30 min, nobody has acknowledged · *prod* · "
                "*Trace export is switched off* (`exporter_disabled`)"
            ),
        ),
        ("resolved", "✅ *resolved* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
        ("missed", "✅ *resolved* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
    ],
)
def test_the_thread_says_what_has_happened(kind: str, line: str) -> None:
    """In its first line."""
    assert first_line(reply(KINDS[kind](), FRAME)) == line


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (
            "again",
            "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · again, third time in 20 min",
        ),
        ("changed", "⚠️ *warning* · *prod* · *The model provider is failing* (`provider_failing`)"),
        ("reminder", "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
        (
            "acknowledged",
            "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · acknowledged by ana",
        ),
        ("silenced", "🚨 *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · silenced"),
        (
            "waiting",
            "🛠️ *critical* · *prod* · *Trace export is switched off* (`exporter_disabled`) · fixed, waiting for traces",
        ),
        ("resolved", "✅ *resolved* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"),
    ],
)
def test_the_root_shows_the_present_state(kind: str, line: str) -> None:
    """In its first line, so that the channel shows it without opening the thread."""
    assert first_line(root(KINDS[kind](), FRAME)) == line


def test_acknowledged_says_who_and_when_and_offers_no_ack() -> None:
    """What has been done need not be done again."""
    said = shown(root(notices.acknowledged(), FRAME))
    assert "Acknowledged by ana, <!date^1800000120^" in said
    assert "trace-monitor ack" not in said
    assert "trace-monitor silence" in said


def test_an_acknowledgement_ends_when_it_gets_worse() -> None:
    """Then nobody has it as it is now."""
    notice = notices.acknowledged()
    worse = replace(notice, incident=replace(notice.incident, acked_as=(Fault.CONFIG_DRIFT, Severity.WARNING)))
    assert "cknowledged" not in shown(root(worse, FRAME))


def test_silenced_says_until_when_and_offers_no_silence() -> None:
    """An endless silence has no date."""
    said = shown(root(notices.silenced(), FRAME))
    assert "🔕 Silenced until <!date^1800007200^" in said
    assert "silence add" not in said
    assert "🔕 Silenced.\n" in shown(root(replace(notices.silenced(), silenced_until=float("inf")), FRAME)) + "\n"


def test_a_reminder_of_what_waits_does_not_call_it_broken() -> None:
    """It is fixed, and not proven."""
    waits = replace(notices.reminder(), incident=notices.waiting().incident)
    assert "reminder: *critical*, fixed, still waiting for traces after 4 h" in shown(reply(waits, FRAME))


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


def test_fixed_and_waiting_says_by_whom_and_that_nothing_is_left_to_do() -> None:
    """The usual advice would send somebody to fix what is fixed."""
    said = shown(root(notices.waiting(), FRAME))
    assert "🛠️ `exporter_disabled` fixed 08:12 UTC by ana, waiting for traces." in said
    assert "Nothing to do: the incident resolves by itself when traces arrive again." in said
    assert "Switch on" not in said
    assert "```" not in said


def test_resolved_says_how_long_why_and_what_was_lost() -> None:
    """In the root and in the thread; the evidence stays in the root."""
    for message in (root(notices.resolved(), FRAME), reply(notices.resolved(), FRAME)):
        said = shown(message)
        assert "resolved" in said
        assert "after 16 min" in said
        assert "From <!date^1799999940^" in said
        assert "to <!date^1800000900^" in said
        assert "Resolved: `exporter_disabled` fixed 08:12 UTC by ana." in said
        assert "9 canaries: 4 arrived in time, 3 arrived late (after up to 6 min 52 s), 2 lost." in said
        assert "Next step" not in said
        assert "```" not in said
    assert "*What was seen*" in shown(root(notices.resolved(), FRAME))
    assert "*What was seen*" not in shown(reply(notices.resolved(), FRAME))


def test_of_a_removed_target_nobody_says_that_it_is_healthy() -> None:
    """Nobody looks any more; the word `resolved` stands in what is left of the message, too, for whoever filters by it."""
    resolved = notices.resolved()
    removed = replace(resolved, incident=replace(resolved.incident, closed_because=NO_LONGER_MONITORED))
    for message in (root(removed, FRAME), reply(removed, FRAME), post(removed, FRAME)):
        first = shown(message).partition("\n")[0]
        assert (
            first
            == "⏹️ *no longer monitored* after 16 min · *prod* · *Trace export is switched off* (`exporter_disabled`)"
        )
        assert "✅" not in shown(message)
        assert "Resolved:" not in shown(message)
        assert "It counts as resolved: the target is not checked any more." in shown(message)
        assert "resolved" in message.text
        assert "resolved" in message.short


def test_who_missed_it_all_is_shown_how_it_went() -> None:
    """An incident that opened and closed meanwhile is one message that says both."""
    said = shown(post(notices.missed(), FRAME))
    assert "2027-01-15 08:00 UTC>: `trace_late` (warning) opened" in said
    assert "2027-01-15 08:15 UTC>: `exporter_disabled` (critical) resolved" in said


def test_who_was_notified_is_not_shown_how_it_went() -> None:
    """The thread has it."""
    missed = notices.missed()
    assert "trace_late" not in shown(root(replace(missed, notified=notified_of(missed.incident)), FRAME))


@pytest.mark.parametrize(
    ("also", "explained", "words"),
    [
        (
            (Fault.EXPORTER_DISABLED,),
            (),
            "*The model provider is failing* (`provider_failing`); `exporter_disabled` is still wrong too",
        ),
        ((), (Fault.EXPORTER_DISABLED,), "*The model provider is failing* (`provider_failing`): more is known"),
        ((), (), "`exporter_disabled` fixed after 12 min; still: *The model provider is failing* (`provider_failing`)"),
    ],
)
def test_fixed_is_only_what_is_gone(also: tuple[Fault, ...], explained: tuple[Fault, ...], words: str) -> None:
    """A name that was outranked or explained is no good news."""
    notice = notices.changed()
    diagnosis = replace(notice.incident.diagnosis, also=also, explained=explained)
    said = reply(replace(notice, incident=replace(notice.incident, diagnosis=diagnosis)), FRAME)
    assert first_line(said).endswith(words)


def test_a_fresh_post_in_the_middle_says_the_news_and_everything_else() -> None:
    """It takes over from a root that is gone, or stands alone where nothing can be edited."""
    said = shown(post(notices.reminder(), FRAME))
    assert said.startswith("⏰ reminder")
    assert "Next step" in said


def test_every_fault_has_its_advice_with_code_as_code() -> None:
    """Backticks of our own sentences are kept, those of others are not."""
    for fault, entry in FAULTS.items():
        message = post(a_notice(incident=an_incident(a_diagnosis(fault))), FRAME)
        assert entry.advice.replace("&", "&amp;") in shown(message)
        assert "`" not in message.text


# --- whatever it is made of


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


def test_notified_of_is_what_the_notices_are_made_with() -> None:
    """A guard for the fixtures: the notices of a known incident carry what was reported."""
    assert notices.reminder().notified == notified_of(notices.reminder().incident)
