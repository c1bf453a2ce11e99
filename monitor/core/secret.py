"""What is known of a secret value without holding it.

Whether the control plane returns header values literally, masked or as a reference is not documented, so each of the
three is recognised, and none of them is ever kept: only the kind, the oddities that a person could fix, a fingerprint, and
whether it equals the value we expect.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from monitor.core.text import code

Scalar = str | int | float | bool | None


class SecretKind(StrEnum):
    """In which form a secret value was shown to us."""

    LITERAL = "literal"
    MASKED = "masked"
    REFERENCE = "reference"  # tfy-secret://tenant:group:key
    HIDDEN = "hidden"  # the answer shows no headers at all: whether there are any is not known
    ABSENT = "absent"


class Oddity(StrEnum):
    """What is wrong with the form of a literal value, whatever it is."""

    NO_BEARER = "`Bearer ` is missing"
    OTHER_SCHEME = "its scheme is not written `Bearer `"
    QUOTED = "it is wrapped in quotes"
    PLACEHOLDER = "it holds an unexpanded placeholder"
    BLANKS = "it has leading or trailing blanks"
    EMPTY = "it is empty"
    PERCENT_ENCODED = "it is percent-encoded"
    OTHER_FORM = "otherwise it is the same key"


_REFERENCE = re.compile(r"tfy-secret://", re.IGNORECASE)
# No token of the scheme Bearer may hold these: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_MASK = re.compile(r"[*•●█…]|\.{3}|#{4}")
_MASK_OF_X = re.compile(r"x{4,}", re.IGNORECASE)
# Control planes mask by a word, a call or something in brackets; `${…}`, `{{…}}` and `<your key>` are placeholders.
_MASK_WORDS = re.compile(
    r"(?:(?:[^\w$%]|_)*(?:redacted|masked|hidden|sensitive|secret|encrypted|protected|confidential|private|omitted|removed"
    r"|filtered|scrubbed|obfuscated|withheld|undefined|unavailable|unknown|null|none|nil|not|n/a|set|shown|value|password))+"
    r"(?:[^\w$%]|_)*",
    re.IGNORECASE,
)
_MASK_CALL = re.compile(r"\(.*\)|\[.*\]|<.*>|[A-Za-z]\w*[({\[].*[)}\]]", re.DOTALL)
_NO_TOKEN = re.compile(r"[\s!\"#$&'()*,:;<>?@\[\\\]^`{|}]")
_OTHER_SCHEME = re.compile(r"(basic|bearer|digest|token|key|api-?key)\s+\S+", re.IGNORECASE)
# Each begins where no other beginning lies within: a value of many thousand braces takes no longer than any other.
_PLACEHOLDER = re.compile(
    r"\$\{(?:[^}$]|\$(?!\{))*\}|\{\{(?:[^{}]|\{(?!\{))*\}\}|<[a-z][a-z _-]*>|\$[A-Z_]{3,}|YOUR[_-]|%\([a-z]",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"bearer(\s+|$)", re.IGNORECASE)
_PERCENT_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret value as far as it may be known. `equal` is None where it cannot be compared."""

    kind: SecretKind
    oddities: tuple[Oddity, ...] = ()
    fingerprint: str | None = None
    equal: bool | None = None

    @property
    def another_key(self) -> bool:
        """Whether it is a well-formed value that holds another key than ours; HTTP trims the blanks around it."""
        return self.kind is SecretKind.LITERAL and self.equal is False and not set(self.oddities) - {Oddity.BLANKS}

    def __str__(self) -> str:
        """For people: never the value."""
        match self.kind:
            case SecretKind.ABSENT:
                return "absent"
            case SecretKind.MASKED:
                return "masked"
            case SecretKind.HIDDEN:
                return "not shown"
            case SecretKind.REFERENCE:
                return "a tfy-secret:// reference"
            case SecretKind.LITERAL:
                odd = f" ({'; '.join(self.oddities)})" if self.oddities else ""
                return f"fingerprint {self.fingerprint}{odd}"
        assert_never(self.kind)


ABSENT = Secret(kind=SecretKind.ABSENT)
HIDDEN = Secret(kind=SecretKind.HIDDEN)
_IN_WORDS = frozenset(str(Secret(kind=kind)) for kind in SecretKind if kind is not SecretKind.LITERAL)


def quoted(shown: str) -> str:
    """A value in code marks; what stands for a secret in words."""
    if shown in _IN_WORDS:
        return shown
    return f"a value with {shown}" if shown.startswith("fingerprint ") else code(shown)


def fingerprint(value: str, key: bytes) -> str:
    """Eight hexadecimal digits that stand for a value: enough to see that two differ, nothing to guess it from."""
    return hmac.new(key, _bytes_of(value), hashlib.sha256).hexdigest()[:8]


def _bytes_of(value: str) -> bytes:
    """Any text that JSON can hold, half of a surrogate pair included: https://www.rfc-editor.org/rfc/rfc8259#section-8.2."""
    return value.encode(errors="surrogatepass")


def describe_secret(value: str | None, *, expected: str | None, key: bytes, bearer: bool = False) -> Secret:
    """Make the `Secret` of a header value; `bearer` says that the scheme `Bearer ` is demanded.

    The comparison is by full value; the fingerprint is that of the key inside, so that a difference in nothing but the form
    (quotes, blanks, a missing scheme) shows two equal fingerprints and the oddity that makes them differ.
    """
    if value is None:
        return ABSENT
    equal = None if expected is None else hmac.compare_digest(_bytes_of(value), _bytes_of(expected))
    inside = _key_inside(value)
    if not equal and _REFERENCE.search(inside):
        return Secret(kind=SecretKind.REFERENCE)
    wanted = _key_inside(expected) if expected is not None else ""
    is_ours = equal or bool(wanted and wanted in value)
    if not is_ours and (_is_masked(inside) or not value.strip() or (bearer and _cannot_be_a_key(inside))):
        return Secret(kind=SecretKind.MASKED)
    oddities = _oddities(value, bearer=bearer)
    if equal is False and inside == wanted:
        oddities = (*oddities, Oddity.OTHER_FORM)
    return Secret(kind=SecretKind.LITERAL, oddities=oddities, fingerprint=fingerprint(inside, key), equal=equal)


def _key_inside(value: str) -> str:
    unquoted = value.strip().strip("\"'").strip()
    return _SCHEME.sub("", unquoted, count=1).strip().strip("\"'") if _SCHEME.match(unquoted) else unquoted


def _is_masked(inside: str) -> bool:
    # A key may contain a run of x by chance, so a mask of letters must be most of the value.
    run = _MASK_OF_X.search(inside)
    mostly = run is not None and len(run.group()) * 2 >= len(inside)
    if mostly or _MASK.search(inside) is not None or _MASK_WORDS.fullmatch(inside) is not None:
        return True
    return _PLACEHOLDER.search(inside) is None and _MASK_CALL.fullmatch(inside) is not None


def _cannot_be_a_key(inside: str) -> bool:
    """Whether it is neither a token nor a mistake that people make with one: https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""
    mistaken = _PLACEHOLDER.search(inside) or _PERCENT_ENCODED.search(inside) or _OTHER_SCHEME.fullmatch(inside)
    return mistaken is None and _NO_TOKEN.search(inside) is not None


def _oddities(value: str, *, bearer: bool) -> tuple[Oddity, ...]:
    stripped = value.strip()
    unquoted = stripped.strip("\"'")
    if not _key_inside(value):
        return (Oddity.EMPTY,)
    found: list[Oddity] = []
    if value != stripped:
        found.append(Oddity.BLANKS)
    if unquoted != stripped:
        found.append(Oddity.QUOTED)
    if _PLACEHOLDER.search(stripped):
        found.append(Oddity.PLACEHOLDER)
    if _PERCENT_ENCODED.search(stripped):
        found.append(Oddity.PERCENT_ENCODED)
    if bearer and not unquoted.startswith("Bearer "):
        found.append(Oddity.OTHER_SCHEME if _SCHEME.match(unquoted) else Oddity.NO_BEARER)
    return tuple(found)


def describe_headers(headers: Mapping[str, str], expected: Mapping[str, str], *, key: bytes) -> dict[str, Secret]:
    """Every header as a `Secret`, by lower-case name: a header value is a secret whatever its name."""
    wanted = {name.lower(): value for name, value in expected.items()}
    return {
        name.lower(): describe_secret(
            value, expected=wanted.get(name.lower()), key=key, bearer=name.lower() == "authorization"
        )
        for name, value in headers.items()
    }
