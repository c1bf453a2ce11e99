"""What is known of a secret value without holding it.

Whether the control plane returns header values literally, masked or as a reference is not documented, so each of the
three is recognised, and none of them is ever kept: only the kind, the oddities a human could mend, a fingerprint, and
whether it equals the value we expect.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Scalar = str | int | float | bool | None


class SecretKind(StrEnum):
    """In which form a secret value was shown to us."""

    LITERAL = "literal"
    MASKED = "masked"
    REFERENCE = "reference"  # tfy-secret://tenant:group:key
    ABSENT = "absent"


class Oddity(StrEnum):
    """What is wrong with the form of a literal value, whatever it is."""

    NO_BEARER = "`Bearer ` is missing"
    QUOTED = "it is wrapped in quotes"
    PLACEHOLDER = "it holds an unexpanded placeholder"
    BLANKS = "it has leading or trailing blanks"
    EMPTY = "it is empty"
    PERCENT_ENCODED = "it is percent-encoded"


_REFERENCE = re.compile(r"tfy-secret://", re.IGNORECASE)
_MASK = re.compile(r"[*•x]{4,}|\.{3}|…|<?(redacted|masked|hidden)>?", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\{\{[^}]*\}\}|<[a-z][a-z _-]*>|\$[A-Z_]{3,}|YOUR[_-]|%\([a-z]", re.IGNORECASE)
_BEARER = re.compile(r"bearer ", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret value as far as it may be known. `equal` is None where it cannot be compared."""

    kind: SecretKind
    oddities: tuple[Oddity, ...] = ()
    fingerprint: str | None = None
    equal: bool | None = None

    def __str__(self) -> str:
        """For people: never the value."""
        match self.kind:
            case SecretKind.ABSENT:
                return "absent"
            case SecretKind.MASKED:
                return "masked"
            case SecretKind.REFERENCE:
                return "a tfy-secret:// reference"
            case SecretKind.LITERAL:
                odd = f" ({'; '.join(self.oddities)})" if self.oddities else ""
                return f"fingerprint {self.fingerprint}{odd}"


ABSENT = Secret(kind=SecretKind.ABSENT)


def fingerprint(value: str, key: bytes) -> str:
    """Eight hexadecimal digits that stand for a value: enough to see that two differ, nothing to guess it from."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:8]


def describe_secret(value: str | None, *, expected: str | None, key: bytes, bearer: bool = False) -> Secret:
    """Make the `Secret` of a header value; `bearer` says that the scheme `Bearer ` is demanded.

    The comparison is by full value; a difference in nothing but the form (quotes, blanks, a missing scheme) is named by
    its oddity, and its fingerprint is still that of the value as it stands.
    """
    if value is None:
        return ABSENT
    bare = _BEARER.sub("", value.strip(), count=1) if _BEARER.match(value.strip()) else value.strip()
    if _REFERENCE.search(bare):
        return Secret(kind=SecretKind.REFERENCE)
    if _is_masked(bare):
        return Secret(kind=SecretKind.MASKED)
    equal = None if expected is None else hmac.compare_digest(value.encode(), expected.encode())
    return Secret(
        kind=SecretKind.LITERAL,
        oddities=() if equal else _oddities(value, bearer=bearer),
        fingerprint=fingerprint(bare.strip("\"' "), key),
        equal=equal,
    )


def same_key_inside(value: str, expected: str) -> bool:
    """Whether a value differs from the expected one in its form alone (scheme, quotes, blanks)."""
    return _bare(value) == _bare(expected)


def _bare(value: str) -> str:
    unquoted = value.strip().strip("\"'").strip()
    return _BEARER.sub("", unquoted, count=1).strip().strip("\"'") if _BEARER.match(unquoted) else unquoted


def _is_masked(bare: str) -> bool:
    # A key may contain a run of x by chance, so a mask of letters must be most of the value.
    found = _MASK.search(bare)
    return (found is not None and len(found.group()) * 2 >= len(bare.strip("\"'"))) or bare.count("*") >= 3  # noqa: PLR2004


def _oddities(value: str, *, bearer: bool) -> tuple[Oddity, ...]:
    stripped = value.strip()
    found: list[Oddity] = []
    if not stripped:
        return (Oddity.EMPTY,)
    if value != stripped:
        found.append(Oddity.BLANKS)
    unquoted = stripped.strip("\"'")
    if unquoted != stripped:
        found.append(Oddity.QUOTED)
    if _PLACEHOLDER.search(stripped):
        found.append(Oddity.PLACEHOLDER)
    if re.search(r"%[0-9A-Fa-f]{2}", stripped):
        found.append(Oddity.PERCENT_ENCODED)
    if bearer and not _BEARER.match(unquoted):
        found.append(Oddity.NO_BEARER)
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
