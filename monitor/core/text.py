"""How moments, lengths of time, values and sentences are written in everything that people read."""

import re
import unicodedata
from datetime import UTC, datetime

from monitor.core.model import Instant, Seconds

_MINUTE = 60
_ENDS = (".", "!", "?", "…")


def moment_text(moment: Instant) -> str:
    """Day, hours and minutes, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def rfc3339(moment: Instant) -> str:
    """As scripts and browsers read it, UTC: https://www.rfc-editor.org/rfc/rfc3339."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def changed_text(at: Instant | None, by: str | None) -> str | None:
    """Who changed something, and when, as far as either is known."""
    who = f" by {by}" if by else ""
    when = f" at {moment_text(at)}" if at is not None else ""
    return f"changed{who}{when}" if who or when else None


def length_text(seconds: Seconds) -> str:
    """A deadline as people configure it: `3 min`, `90 s`."""
    return f"{seconds / _MINUTE:g} min" if seconds >= _MINUTE and not seconds % _MINUTE else f"{seconds:g} s"


def count_text(count: int, noun: str, plural: str = "") -> str:
    """`1 span`, `3 spans`."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def code(value: str) -> str:
    """A value in code marks; what would end them inside becomes an apostrophe."""
    return f"`{value.replace('`', chr(39))}`"


def capitalised(text: str) -> str:
    """With a capital at its beginning, unless it begins with a name in code marks."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    return capitalised(text) if not text or text.endswith(_ENDS) else f"{capitalised(text)}."


def distinguish(one: str, other: str) -> tuple[str, str]:
    """Two texts so that eyes can see their difference: what may look alike is escaped where only one of them has it.

    That is an accent in two ways of writing it, a letter of another alphabet, two blanks for one.
    """
    if len(unicodedata.normalize("NFKC", one)) != len(unicodedata.normalize("NFKC", other)):
        return _double_blanks(one), _double_blanks(other)
    return _escape(one, other), _escape(other, one)


def _escape(text: str, other: str) -> str:
    return _double_blanks("".join(each if each.isascii() or each in other else f"\\u{ord(each):04x}" for each in text))


def _double_blanks(text: str) -> str:
    return re.sub("(?<= ) ", r"\\u0020", text)
