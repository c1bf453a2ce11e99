"""How moments, lengths of time, values and sentences are written in everything that people read."""

import re
import unicodedata
from datetime import UTC, datetime

from monitor.core.model import Instant, Seconds

_UNITS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_TEN_MINUTES = 600
_ENDLESS = 1000 * 365 * 86_400
_ENDS = (".", "!", "?", "…")


def moment_text(moment: Instant) -> str:
    """Day, hours and minutes, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def rfc3339(moment: Instant, timespec: str = "seconds") -> str:
    """As scripts and browsers read it, UTC: https://www.rfc-editor.org/rfc/rfc3339."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def changed_text(at: Instant | None, by: str | None) -> str | None:
    """Who changed something, and when, as far as either is known."""
    who = f" by {by}" if by else ""
    when = f" at {moment_text(at)}" if at is not None else ""
    return f"changed{who}{when}" if who or when else None


def length_text(seconds: Seconds) -> str:
    """`0.5 s`, `40 s`, `3 min 5 s`, `12 min`, `1 h 5 min`, `2 d 3 h`: two units at most, and seconds below ten minutes."""
    if not seconds < _ENDLESS:  # nor a number at all
        return "an unknown time"
    whole = round(max(0.0, seconds))
    for size, unit, smaller, name in _UNITS:
        if whole >= size:
            rest = whole % size // smaller if smaller > 1 or whole < _TEN_MINUTES else 0
            return f"{whole // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{round(max(0.0, seconds), 1 if seconds < 10 else 0):g} s"  # noqa: PLR2004


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
