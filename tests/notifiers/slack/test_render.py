"""Messages for Slack: what the first message of an incident says, and whom it calls."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.notifiers.slack.render import Frame, post, reply, root
from tests.notifiers import notices
from tests.notifiers.notices import KINDS, MENTION
from tests.notifiers.slack.rendered import FRAME, WRITERS, first_line, shown

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
