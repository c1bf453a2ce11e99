"""Whom Slack calls."""

import pytest

from monitor.notifiers.slack import render
from monitor.settings.values import LONGEST_MENTION, called
from tests.settings.samples import MINIMAL, complaints, prod, with_target

SLACK = "alerting: {slack: {bot_token: xoxb-1, channel: C1, mention: %s}}\n"


@pytest.mark.parametrize(
    ("given", "mention", "whom"),
    [
        ("<!subteam^S0123>", "<!subteam^S0123>", "the user group S0123"),
        ("<@U0123>", "<@U0123>", "the user U0123"),
        ("<@W0123>", "<@W0123>", "the user W0123"),
        ("<!here>", "<!here>", "everybody who is active in the channel"),
        ("<!channel>", "<!channel>", "everybody in the channel"),
        (" <@U1>,<@U2> ", "<@U1> <@U2>", "the user U1 and the user U2"),
        ("<!subteam^S0123|@oncall>", "<!subteam^S0123>", "the user group S0123"),
        ("", "", "nobody"),
    ],
)
def test_slacks_forms_call_somebody(given: str, mention: str, whom: str) -> None:
    """One or several; an empty text calls nobody."""
    assert prod(MINIMAL + SLACK % f"'{given}'").alerting.mention == mention
    assert prod(with_target(f"alerting: {{mention: '{given}'}}")).alerting.mention == mention
    assert called(mention) == whom
    assert called(None) == "nobody"


@pytest.mark.parametrize(
    "given",
    [
        "@oncall",
        "oncall",
        "S0123",
        "U0123",
        "#ops",
        "@here",
        "<here>",
        "<@oncall>",
        "<@S0123>",
        "<!subteam^oncall>",
        "<!everyone>",
        "<@u0123>",
        "&lt;!here&gt;",
        "<!here> please look",
        "<https://example.com>",
    ],
)
def test_a_mention_that_calls_nobody_is_refused(given: str) -> None:
    """Slack posts it as a text, and nobody wakes."""
    for text, path in (
        (MINIMAL + SLACK % f"'{given}'", "alerting.slack.mention"),
        (with_target(f"alerting: {{mention: '{given}'}}"), "targets.prod.alerting.mention"),
    ):
        assert any(
            f"{path}: is not a form that Slack calls anybody by; allowed: <!subteam^S0123>" in line
            for line in complaints(text)
        )


def test_a_mention_is_as_long_as_a_message_has_room_for() -> None:
    """The settings and the messages keep the same limit, so nothing that is valid fails later."""
    assert render.LONGEST_MENTION == LONGEST_MENTION
    fits = " ".join(["<@U123456>"] * 18)
    assert prod(with_target(f"alerting: {{mention: '{fits}'}}")).alerting.mention == fits
    (line,) = complaints(with_target(f"alerting: {{mention: '{fits} <@U1>'}}"))
    assert "targets.prod.alerting.mention: is longer than the 200 characters that fit a message" in line
