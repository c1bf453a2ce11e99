"""What is expected at each path of the manifest: rules that judge a value and print themselves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from monitor.core.drift.manifest import Filter, Value
from monitor.core.drift.url import normal_url
from monitor.core.model import Scalar
from monitor.core.secret import Secret, SecretKind

_HOST = re.compile(r"(?:[A-Za-z][\w+.-]*://)?(?:[^/?#]*@)?\[?([^\]/?#]*?)\]?(?::\d*)?(?:[/?#]|$)")


class Match(Enum):
    """What a rule says of a value."""

    EQUAL = auto()
    DIFFERS = auto()
    NOT_COMPARABLE = auto()


class Rule(Protocol):
    """What is expected at one path: judges a value and prints itself."""

    def accepts(self, value: Value) -> Match:
        """Compare."""
        ...


@dataclass(frozen=True, slots=True)
class Equals:
    """Exactly this value."""

    value: Scalar

    def accepts(self, value: Value) -> Match:
        """Equal in type and value; a blank more is a difference, because the exporter takes the text as it stands."""
        same = value == self.value and isinstance(value, bool) == isinstance(self.value, bool)
        return Match.EQUAL if same else Match.DIFFERS

    def __str__(self) -> str:
        return show(self.value)


@dataclass(frozen=True, slots=True)
class SameUrl:
    """This URL, or this gRPC address, in whatever spelling."""

    url: str

    def accepts(self, value: Value) -> Match:
        """Equal once both are brought into one spelling."""
        same = isinstance(value, str) and normal_url(value) == normal_url(self.url)
        return Match.EQUAL if same else Match.DIFFERS

    def __str__(self) -> str:
        return show(self.url)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these values; None among them means that the field may be absent."""

    values: tuple[Scalar, ...]

    def accepts(self, value: Value) -> Match:
        """Compare with each."""
        return (
            Match.EQUAL if any(Equals(known).accepts(value) is Match.EQUAL for known in self.values) else Match.DIFFERS
        )

    def __str__(self) -> str:
        return " or ".join(show(value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Absent:
    """Not set at all."""

    def accepts(self, value: Value) -> Match:
        """Absent, null and an empty text are the same."""
        return Match.EQUAL if value in (None, "") else Match.DIFFERS

    def __str__(self) -> str:
        return "absent"


@dataclass(frozen=True, slots=True)
class NotAt:
    """Wherever it exports to, not to one of these hosts."""

    hosts: frozenset[str]

    def accepts(self, value: Value) -> Match:
        """The endpoint is the last word of the value; one that is none points nowhere."""
        endpoint = value.rpartition(" ")[2] if isinstance(value, str) else ""
        host = _HOST.match(endpoint)
        return Match.DIFFERS if host is not None and host[1].lower().rstrip(".") in self.hosts else Match.EQUAL

    def __str__(self) -> str:
        return "absent"


@dataclass(frozen=True, slots=True)
class SameSecret:
    """The secret value that we hold; it prints as a fingerprint."""

    fingerprint: str

    def accepts(self, value: Value) -> Match:
        """A masked value or a reference cannot be compared."""
        if not isinstance(value, Secret) or value.kind is SecretKind.ABSENT:
            return Match.DIFFERS
        if value.kind is not SecretKind.LITERAL or value.equal is None:
            return Match.NOT_COMPARABLE
        return Match.EQUAL if value.equal else Match.DIFFERS

    def __str__(self) -> str:
        return f"fingerprint {self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedConfig:
    """What the configuration should be: a rule per path, the filters, and what is known of our own canary's root span.

    `expects_content` is False when `exclude_request_data` must be true. `canary_attributes` are the string attributes a
    filter is evaluated against.
    """

    rules: Mapping[str, Rule]
    filters: tuple[Filter, ...] = ()
    canary_attributes: Mapping[str, str] = field(default_factory=dict)


def show(value: Value) -> str:
    """A value for people; absent and null read the same."""
    match value:
        case None:
            return "absent"
        case bool():
            return "true" if value else "false"
        case Secret():
            return str(value)
        case str() if value != value.strip() or not value:
            return f"'{value}'"
        case _:
            return str(value)
