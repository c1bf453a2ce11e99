"""Keep secrets, and people, out of everything that is shown.

Three things are taken out of a text: the secret values that we know (in every form a library or a server might echo them),
what looks like a credential, and, in foreign error texts, who was asking: TrueFoundry's gateway names the caller and its
provider's internals there (https://github.com/truefoundry/models/pull/949).
"""

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

MASK = "••••"
"""What stands for something taken out. No secret can hold it: secrets are visible ASCII."""

LONGEST_FIELD = 2000
"""So much of a field is compared with what is expected of it; both sides are clamped to it."""

_SHORTEST_SECRET = 6  # a shorter one would take ordinary words out of every message
_SHORTEST_SECRET_PATH = 16  # of a URL that is a secret: below it, its path is an ordinary word
_BASE64_GROUP = 3  # so many bytes become four characters, so a secret inside a text can be encoded in three ways
_LONGEST_FOREIGN_TEXT = 20_000  # more of an answer is never looked at to make a message of it
_LONGEST_GRAPHEME = 16  # code points; a longer pile of accents is cut through


def _either_case(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# Each with what remains in its place. Every pattern is linear: it begins where no other beginning is near.
_CREDENTIALS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![A-Za-z0-9])xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]+"), MASK),  # Slack
    (re.compile(r"(?<![A-Za-z0-9])xapp-[A-Za-z0-9-]+"), MASK),
    (_either_case(r"(hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/)[^\s\"'<>]+"), rf"\1{MASK}"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), MASK),  # JSON web tokens
    (re.compile(r"(?<![A-Za-z0-9])sk-[\w-]{6,}"), MASK),  # OpenAI and its kin
    (re.compile(r"(?<![A-Za-z0-9])tl_[0-9A-Za-z]{6,}"), MASK),  # Traceloop
    (
        re.compile(r"(?<![A-Za-z0-9])tfy_(?=[a-z_-]{0,100}[0-9A-Z])[\w-]{8,}"),
        MASK,
    ),  # TrueFoundry; not its metadata keys
    (re.compile(r"(?<![A-Za-z0-9])(?:AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|gh[pousr]_[0-9A-Za-z]{20,})"), MASK),
    (_either_case(r"(?<![a-z0-9])(bearer(?:\s|%20|\+)+)[\w.~+/=-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"(?<![A-Za-z0-9])(Basic\s+)(?=[a-z+/]*[0-9A-Z=])[A-Za-z0-9+/]{8,}={0,2}"), rf"\1{MASK}"),
    (_either_case(r"((?:authorization|api[_-]?key)\\?[\"']\s*[:=]\s*\\?[\"'])(?!bearer\s)[^\"'\\]{6,}"), rf"\1{MASK}"),
    (re.compile(r"(?<=://)[^/\s?#]+(?=@)"), MASK),  # user and password in a URL, which may hold another @
    (_either_case(r"([?&;][\w.-]*(?:token|key|secret|signature|password)=)[^&\s#\"'<>;]+"), rf"\1{MASK}"),
)

_IDENTITIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), MASK),  # e-mail addresses
    (
        _either_case(
            r"\b((?:user|virtual ?account|service ?account|subject) )\S+(?= (?:is not|is un|does not|has no))"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(projects/)[\w.:-]+"), rf"\1{MASK}"),  # a provider's project
    (re.compile(r"\barn:[\w-]+:\S+"), MASK),
    (re.compile(r"\b(?:org|proj)[-_][A-Za-z0-9]{8,}"), MASK),
    (re.compile(r"(\| metadata: )\{.*", re.DOTALL), rf"\1{MASK}"),  # the provider's raw answer
)

# What cannot be seen, looks like an ordinary blank, or turns the text around it: control characters, format characters, blanks of
# other kinds, letters that are blank, lone surrogates, joiners and variation selectors where they change nothing.
_EMOJI = "\u2100-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200b\u200e\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
    f"|(?<![\ufe0f\u0590-\u109f{_EMOJI}])[\u200c\u200d]|(?<![{_EMOJI}])[\ufe00-\ufe0f](?!\u20e3)"
)
_BLANK = re.compile(r"\s")

# Letters of other scripts that look like Latin ones; in one word with ASCII letters they are a disguise.
_LOOKALIKE = re.compile(
    "[\u0250-\u02af\u0370-\u058f\u13a0-\u13ff\u1d00-\u1dbf\u2160-\u217f\ua4d0-\ua4ff\uff10-\uff5a\U0001d400-\U0001d7ff]"
)
_WORD = re.compile(r"\b(?=\w*[A-Za-z])\w+")


class Redactor:
    """Knows every secret value that this process was given, old ones included."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Learn more secret values; what was learnt is never forgotten, so a rotated key stays secret."""
        forms = {form for secret in secrets for form in _forms_of(secret)}
        if not forms <= set(self._forms):
            self._forms = tuple(sorted(forms.union(self._forms), key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Take credentials out, the known ones and what looks like one, also where invisible characters tear them apart."""
        whole = _UNSEEN.sub(lambda found: found.group() if _BLANK.match(found.group()) else "", text)
        if whole != text and (redacted := self._redact(whole)) != whole:
            return redacted
        return self._redact(text)

    def _redact(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return _replace(_CREDENTIALS, text)

    def show(self, foreign: str, limit: int = 300) -> str:
        """Make one line of a foreign text that is fit to be shown: without credentials and people, and visible."""
        line = " ".join(foreign[:_LONGEST_FOREIGN_TEXT].split())
        return clamp(_replace(_IDENTITIES, self.redact(line)), limit)

    def finds_credential(self, text: str) -> bool:
        """Whether a text holds a known secret value, or something that looks like a credential."""
        return self.redact(text) != text


def visible(text: str, *, keep: str = "") -> str:
    r"""Show what cannot be seen as JSON would escape it (`\u200b`), and letters that pose as others: fit for every sink.

    Two texts that differ never look alike for it, nothing in it has power over a terminal, and UTF-8 can hold it.
    """
    shown = _UNSEEN.sub(lambda found: found.group() if found.group() in keep else _escaped(found), text)
    return shown if shown.isascii() else _WORD.sub(lambda word: _LOOKALIKE.sub(_escaped, word.group()), shown)


def all_visible(value: object) -> Any:  # noqa: ANN401 - as it was given
    """The same structure with every text in it made visible; line ends stay."""
    match value:
        case str():
            return visible(value, keep="\n")
        case Mapping():
            return {all_visible(name): all_visible(each) for name, each in value.items()}
        case list() | tuple():
            return [all_visible(each) for each in value]
        case _:
            return value


def _escaped(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def clamp(text: str, limit: int) -> str:
    """At most `limit` visible characters, with an ellipsis where something was cut, and no accent torn from its letter."""
    tidied = visible(text[: limit + 1])
    if len(tidied) <= limit:
        return tidied
    if limit <= 0:
        return ""
    end = limit - 1
    for back in range(min(_LONGEST_GRAPHEME, end)):
        if not _sticks(tidied, end - back):
            return tidied[: end - back].rstrip() + "…"
    return tidied[:end] + "…"


def _replace(rules: tuple[tuple[re.Pattern[str], str], ...], text: str) -> str:
    for pattern, remains in rules:
        text = pattern.sub(remains, text)
    return text


def _sticks(text: str, index: int) -> bool:
    """Whether the character at `index` belongs to the one before it (accents, joined and coloured emoji, flags)."""
    here, before = text[index], text[index - 1]
    return (
        unicodedata.category(here) in {"Mn", "Me", "Mc"}
        or "\u200d" in {here, before}
        or "\U0001f3fb" <= here <= "\U0001f3ff"
        or all("\U0001f1e6" <= character <= "\U0001f1ff" for character in (here, before))
    )


def _forms_of(secret: str) -> Iterator[str]:
    """Every text that shows a secret: itself, without its scheme, escaped, percent-encoded, in base64."""
    stripped = secret.strip()
    bare = re.sub(r"^(?:bearer|basic)\s+", "", stripped, flags=re.IGNORECASE)
    for value in {stripped, bare, *_path_of(stripped)}:
        if len(value) < _SHORTEST_SECRET:
            continue
        yield value
        yield json.dumps(value)[1:-1]
        yield repr(value)[1:-1]
        yield quote(value, safe="")
        yield quote(value)
        yield quote_plus(value)
        yield from base64_of(value)


def _path_of(secret: str) -> tuple[str, ...]:
    """Of a URL that is a secret (a webhook's), the part that errors tend to quote alone."""
    try:
        url = urlsplit(secret)
    except ValueError:
        return ()
    path = url.path.strip("/") if url.netloc else ""
    return (path,) if len(path) >= _SHORTEST_SECRET_PATH and re.search(r"\d", path) else ()


def base64_of(value: str) -> Iterator[str]:
    """The characters that base64 gives a value wherever it stands in what is encoded, in both alphabets."""
    data = value.encode()
    for lead in range(_BASE64_GROUP):
        encoded = base64.b64encode(b"\0" * lead + data).decode()
        whole = (lead + len(data)) * 8 // 6  # the character after it also holds bits of what follows
        inner = encoded[-(-lead * 8 // 6) : whole]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
