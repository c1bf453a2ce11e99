"""Whom Slack calls: only these forms call somebody, everything else is a text that nobody is called by.

https://docs.slack.dev/messaging/formatting-message-text/#mentioning-users, with the labels that Slack itself once added left off.
"""

import re

from monitor.settings.fields import problem

LONGEST_MENTION = 200
"""Characters; a mention is never cut, so that much room is kept in every message."""

_FORM = re.compile(
    r"<(?:!subteam\^(?P<group>S[A-Z0-9]+)|@(?P<user>[UW][A-Z0-9]+)|!(?P<all>here|channel))(?:\|[^<>|]*)?>"
)
_ALL = {"here": "everybody who is active in the channel", "channel": "everybody in the channel"}
_ALLOWED = "<!subteam^S0123>, <@U0123>, <@W0123>, <!here>, <!channel>, or several of them"


def parse_mention(given: str) -> str:
    """One or more of Slack's forms, without labels; an empty text calls nobody. Raises PydanticCustomError."""
    text = given.strip()
    if _FORM.sub("", text).strip(" ,"):
        raise problem("mention", f"is not a form that Slack calls anybody by; allowed: {_ALLOWED}")
    mention = " ".join(re.sub(r"\|[^>]*", "", found[0]) for found in _FORM.finditer(text))
    if len(mention) > LONGEST_MENTION:
        raise problem(
            "mention", f"is longer than the {LONGEST_MENTION} characters that fit a message; name a user group"
        )
    return mention


def called(mention: str | None) -> str:
    """Whom a mention calls, in words."""
    names = [
        _ALL.get(found["all"] or "")
        or (f"the user group {found['group']}" if found["group"] else f"the user {found['user']}")
        for found in _FORM.finditer(mention or "")
    ]
    return " and ".join(names) or "nobody"
