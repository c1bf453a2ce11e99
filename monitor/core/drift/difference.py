"""One field that is not as it should be."""

import re
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not as it should be. `critical` also where nothing stops but content leaks."""

    path: str
    expected: str
    actual: str
    stops_export: bool = False
    critical: bool = False
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        expected, actual = told_apart(self.expected, self.actual)
        return f"{self.path}: expected {expected}, found {actual}{hint}"


def told_apart(one: str, other: str) -> tuple[str, str]:
    """Two texts so that eyes can see their difference: what may look alike is escaped where only one of them has it.

    That is an accent in two ways of writing it, a letter of another alphabet, two blanks for one.
    """
    skeletons = [len(unicodedata.normalize("NFKC", text)) for text in (one, other)]
    if skeletons[0] != skeletons[1]:
        return _double_blanks(one), _double_blanks(other)
    return _escape(one, other), _escape(other, one)


def _escape(text: str, other: str) -> str:
    return _double_blanks("".join(each if each.isascii() or each in other else f"\\u{ord(each):04x}" for each in text))


def _double_blanks(text: str) -> str:
    return re.sub("(?<= ) ", r"\\u0020", text)
