"""Sentences of the diagnosis, fit for a page."""

from monitor.web.html import Html, join, tag

_LONGEST = 600


def prose(text: object) -> Html:
    """A sentence: what stands between backticks is code; all of it is escaped."""
    parts = clamped(str(text)).split("`")
    if len(parts) % 2 == 0:
        return join("`".join(parts))
    return join(*(tag("code", part) if place % 2 else part for place, part in enumerate(parts)))


def clamped(text: str) -> str:
    """Not longer than anybody reads."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
