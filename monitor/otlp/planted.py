"""Recognise what was planted in a canary: as it stands, with separators, percent-encoded, in hexadecimal and in base64."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from monitor.redaction import base64_of

_LONGEST_VALUE = 100_000  # characters of a value, at either end
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ -](?=\d)")
_SHORTEST_PART = 20  # of a token: its header is like that of others


class Planted:
    """One decoy (`monitor.core.canary`); none where the text is empty."""

    def __init__(self, decoy: str) -> None:
        self._decoy = decoy
        # Of a token whatever may be left when another part was cut off: its claims, its signature.
        marks = [part for part in decoy.split(".")[1:] if len(part) >= _SHORTEST_PART] if decoy.count(".") == 2 else []  # noqa: PLR2004
        marks = marks or [decoy] if decoy else []
        self._readable = frozenset(form.lower() for mark in marks for form in _forms(mark))
        self._encoded = frozenset(form for mark in marks for form in base64_of(mark))

    def is_in(self, value: str) -> bool:
        """Whether a value holds it."""
        if not self._decoy:
            return False
        if len(value) > 2 * _LONGEST_VALUE:
            value = f"{value[:_LONGEST_VALUE]} {value[-_LONGEST_VALUE:]}"
        folded = value.lower()
        together = _BETWEEN_DIGITS.sub("", folded)  # a card's number is written in groups
        return any(form in folded or form in together for form in self._readable) or any(
            form in value for form in self._encoded
        )

    def without(self, value: str) -> str:
        """The value without it: a token that was planted is nobody's credential."""
        return value.replace(self._decoy, "") if self._decoy else value


def _forms(mark: str) -> Iterator[str]:
    yield from (mark, quote(mark, safe=""), mark.encode().hex())
    yield "".join(f"%{byte:02x}" for byte in mark.encode())
    yield mark.replace("@", "%40").replace(".", "%2e")
