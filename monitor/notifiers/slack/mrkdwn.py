"""Slack's markup: what must be escaped, how a moment is shown in the reader's own time, and how much room there is. Pure.

https://docs.slack.dev/messaging/formatting-message-text: only `&`, `<` and `>` have a meaning that cannot be had otherwise;
mentions and links are written with the last two. In a text object `verbatim` keeps Slack from finding links and names in plain
text (https://docs.slack.dev/reference/block-kit/composition-objects/text-object); the `text` of a message has no such switch.
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import quote

from monitor.core.model import Instant
from monitor.notifiers.wording import Style, is_a_moment, utc
from monitor.redaction import clamp

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"}  # a backtick would begin or end code
_CODE = re.compile(r"(?<![\w`])`(?! )[\w./:=@*,…{}\[\] -]{1,120}(?<! )`(?![\w`])", re.ASCII)
_CALLS = re.compile(r"@(?=(?:here|channel|everyone|group)\b)", re.IGNORECASE)
_SCHEME = re.compile(r"(?<=[A-Za-z0-9]):(?=//|[^\s:/]+@)")
_WORD_JOINER = "\u2060"  # takes no room; a call or a link that holds one is plain text
_BEYOND_BMP = 0xFFFF
_LONGEST_URL = 500


def width(text: str) -> int:
    """How long a text is for Slack. It does not say how it counts, so an emoji counts as two, as in JavaScript."""
    return len(text) + sum(ord(character) > _BEYOND_BMP for character in text)


def escape(text: str, limit: int, *, unlink: bool = False, code: str | None = None) -> str:
    """One line of foreign text without any power over the message, at most `limit` wide when escaped.

    `unlink` also breaks what Slack would make a link of in plain text. `code` is what becomes of the backticks around a few plain
    characters, as this program writes them and can do no harm; any others would begin or end code where they like.
    """
    line = clamp(" ".join(text.split()), limit)
    if code == "":  # first: without them, what they stood between may be a call
        line = _CODE.sub(lambda found: found.group()[1:-1], line)
    line = _CALLS.sub(f"@{_WORD_JOINER}", line)
    if unlink:
        line = _SCHEME.sub(f":{_WORD_JOINER}", line)
    pieces = [_ESCAPES.get(character, character) for character in line]
    if code:
        for found in _CODE.finditer(line):
            pieces[found.start()] = pieces[found.end() - 1] = code
    if sum(map(width, pieces)) <= limit:
        return "".join(pieces)
    kept, room = [], limit - 1
    for piece in pieces:
        room -= width(piece)
        if room < 0:
            break
        kept.append(piece)
    if code and kept.count(code) % 2:
        kept[len(kept) - 1 - kept[::-1].index(code)] = _ESCAPES[code]
    return "".join(kept).rstrip() + "…"


def local_time(instant: Instant) -> str:
    """A moment in the reader's own time zone, with UTC for clients that cannot.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    if not is_a_moment(instant):
        return utc(instant)
    return f"<!date^{int(instant)}^{{date_short_pretty}} {{time}}|{utc(instant)}>"


def link(url: str, label: str) -> str | None:
    """A link of our own making; None where the URL is none, or would not fit."""
    if not url.startswith(("https://", "http://")):
        return None
    safe = quote(url, safe=":/?#[]@!$'()*+,;=%~-._").replace("&", "&amp;")
    return f"<{safe}|{label}>" if width(safe) <= _LONGEST_URL else None


def fit(lines: Iterable[str], limit: int) -> str:
    """As many whole lines as there is room for, and how many are left out; a line is never cut, so no markup is."""
    wanted = [line for line in lines if line]
    for kept in range(len(wanted), 0, -1):
        left_out = len(wanted) - kept
        shown = [*wanted[:kept], f"… and {left_out} more"] if left_out else wanted
        text = "\n".join(shown)
        if width(text) <= limit:
            return text
    return ""


def markup(redact: Callable[[str], str]) -> Style:
    """For text objects that are `verbatim`."""
    return Style(
        foreign=lambda text, limit: escape(redact(text), limit),
        mixed=lambda text, limit: escape(redact(text), limit, code="`"),
        when=local_time,
        code=lambda text: f"`{text}`",
        bold=lambda text: f"*{text}*",
    )


def plain(redact: Callable[[str], str]) -> Style:
    """For the `text` of a message, which notifications show and screen readers read: no markup, and no link that is not ours."""
    return Style(
        foreign=lambda text, limit: escape(redact(text), limit, unlink=True),
        mixed=lambda text, limit: escape(redact(text), limit, unlink=True, code=""),
        when=utc,
        code=str,
        bold=str,
    )
