"""Whether a value holds what a canary asked, what it was answered, what was planted in it, or anything at all.

A name alone proves nothing: a store derives, masks and empties values. The canary's nonce, prompt and decoy are our own, its answer
is known while the process lives. Each is looked for in whole and in parts, as it stands, inside JSON, percent-encoded, in
hexadecimal and in base64.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum, auto
from urllib.parse import quote, quote_plus

from monitor.redaction import base64_of

_PART = 16  # any 31 characters in a row hold one such part, cut at every sixteenth
_MOST_PARTS = 16  # from the beginning of a text, and as many from its end
_LONGEST_VALUE = 100_000  # characters of a value, at either end
_DEEPEST = 8  # objects in objects
_ONE_WORD = re.compile(r"[!-~]+")  # such as a model's name: it may stand anywhere
_BLANKS = re.compile(r"\s+")
_DESCRIBES = re.compile(
    "role|(finish|stop)_reason|model|type|object|id|index|name|created|status|usage|refusal|annotations"
)
_ROLES = re.compile("system|developer|user|assistant|tool|function|model|ai|human", re.IGNORECASE)
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ -](?=\d)")
_SHORTEST_PART = 20  # of a token: its header is like that of others
_REDACTED = re.compile(
    r"\W*|x{3,}|[\W_]*(none|null|hidden|sensitive|secret|omitted|excluded|n/a)( value| content| data)?[\W_]*"
    r"|.{0,40}(redact|mask|filter|scrub|remov|obfuscat|suppress|withheld).{0,40}",
    re.IGNORECASE,
)


class Proof:
    """What proves that a value holds the content of one canary. `mine` is how its metadata, which carry the nonce, name it."""

    def __init__(self, nonce: str | None, texts: Sequence[str] = (), *, mine: str) -> None:
        parts = [part for text in texts for part in _parts(text)]
        if nonce:
            parts += {nonce, nonce[:_PART]}  # also cut off; its end alone is a number like others
        self._folded = frozenset(form.lower() for part in parts for form in _readable(part))
        self._encoded = frozenset(form for part in parts for form in base64_of(part) if len(form) >= _PART // 2)
        between = r"(?:[\W_]|%[0-9a-f]{2}|\\u[0-9a-f]{4}){1,16}"
        self._mine = re.compile(f"{mine}{between}{re.escape(nonce[:_PART])}[0-9a-f]*", re.IGNORECASE) if nonce else None

    def is_in(self, name: str, value: str) -> bool:
        """Whether a value holds it, besides the entry of the metadata that the nonce stands in by design."""
        text = f"{name}={_ends(value)}"
        if self._mine is not None:
            text = self._mine.sub("", text)
        folded = _BLANKS.sub(" ", text.lower())
        return any(form in folded for form in self._folded) or any(form in text for form in self._encoded)


def _parts(text: str) -> Iterator[str]:
    """The parts of a text that stand for it. None of a text as short as "pong"."""
    plain = _BLANKS.sub(" ", text.encode(errors="ignore").decode()).strip()
    if len(plain) < _PART:
        return
    starts = [*range(0, len(plain) - _PART + 1, _PART), len(plain) - _PART]
    if len(starts) > 2 * _MOST_PARTS:
        starts = starts[:_MOST_PARTS] + starts[-_MOST_PARTS:]
    for start in starts:
        part = plain[start : start + _PART]
        if not _ONE_WORD.fullmatch(part) and len({letter for letter in part if letter.isalnum()}) >= _PART // 3:
            yield part


def _readable(part: str) -> Iterator[str]:
    """What is the same in capitals and small letters."""
    once = json.dumps(part)[1:-1]
    yield from (part, once, json.dumps(once)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
    yield from (quote(part), quote(part, safe=""), quote_plus(part), part.encode().hex())


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
        value = _ends(value)
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


def _ends(value: str) -> str:
    """A value as far as it is looked through: both ends of one that is too long."""
    if len(value) <= 2 * _LONGEST_VALUE:
        return value
    return f"{value[:_LONGEST_VALUE]} {value[-_LONGEST_VALUE:]}"


class Held(Enum):
    """What the value of an attribute that is named like content holds."""

    NOTHING = auto()  # empty, or only what describes content: a role, a model, why it ended
    REDACTED = auto()  # a mark that stands for content
    SOMETHING = auto()  # what it is, is not known


def held_in(value: object, models: Collection[str]) -> Held:
    """Judge a value; `models` are the names by which the trace's model goes."""
    texts = [text for text in _texts(value, 0) if not _ROLES.fullmatch(text) and text not in models]
    if not texts:
        return Held.NOTHING
    return Held.REDACTED if all(map(_REDACTED.fullmatch, texts)) else Held.SOMETHING


def _texts(value: object, depth: int) -> Iterator[str]:
    """The texts inside a value, also inside of JSON that stands in a text, those apart that only describe others."""
    if isinstance(value, str):
        inner = _json_in(value) if depth < _DEEPEST else value
        if not isinstance(inner, str):
            yield from _texts(inner, depth + 1)
        elif (text := inner.strip()) not in ("", "null"):
            yield text
    elif depth >= _DEEPEST:
        yield "what is nested deeper is not read"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not _DESCRIBES.fullmatch(str(name).rpartition(".")[2]):
                yield from _texts(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _json_in(text: str) -> object:
    """What a text of JSON says; any other text as it is."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
