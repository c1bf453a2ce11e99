"""Compare the gateway's export configuration with what it should be, field by field.

The shape is that of TrueFoundry's `gateway-otel-config` manifest
(https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_otel_config.py`). A configuration is a mapping from
dotted path to scalar or `Secret`; an expectation is a rule per path. What a difference means for the export is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from monitor.core.model import Instant, Scalar
from monitor.core.secret import ABSENT, Oddity, Secret, SecretKind

TRACES = "otel_traces_exporter_config"
METRICS = "otel_metrics_exporter_config"
TYPE = f"{TRACES}.type"
ENDPOINT = f"{TRACES}.endpoint"
ENCODING = f"{TRACES}.encoding"
HEADERS = f"{TRACES}.headers"
AUTHORIZATION = f"{HEADERS}.authorization"
EXCLUDE = f"{TRACES}.exclude_request_data"
ATTRIBUTES = f"{TRACES}.additional_resource_attributes"
FILTERS = f"{TRACES}.when"

Value = Scalar | Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One `when` filter: only spans whose string attribute `key` is one of `values` are exported.

    `understood` is False where the manifest holds another field or operator than the documented ones.
    """

    key: str
    values: tuple[str, ...]
    understood: bool = True

    def __str__(self) -> str:
        return f"{self.key} IN [{', '.join(self.values)}]" if self.understood else f"{self.key} (not understood)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What the gateway is set to export: `fields` by dotted path, and the filters. `off` when there is no traces exporter."""

    off: bool = False
    fields: Mapping[str, Value] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()

    def secrets(self) -> Mapping[str, Secret]:
        """The header values, by path."""
        return {path: value for path, value in self.fields.items() if isinstance(value, Secret)}


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
        return f"{self.path}: expected {self.expected}, found {self.actual}{hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome, field by field: what is equal, what differs, what cannot be compared."""

    equal: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    not_comparable: tuple[str, ...] = ()

    @property
    def stops_export(self) -> bool:
        """Whether any difference keeps traces from arriving."""
        return any(difference.stops_export for difference in self.differences)

    @property
    def critical(self) -> bool:
        """Whether any difference is worth waking somebody."""
        return any(difference.stops_export or difference.critical for difference in self.differences)

    @property
    def other_key(self) -> bool:
        """Whether the gateway carries a well-formed key that is not ours, and nothing else stops the export.

        That is how a rotation looks: if our own key is refused, ours is the outdated one.
        """
        stopping = [difference for difference in self.differences if difference.stops_export]
        return bool(stopping) and all(
            difference.path == AUTHORIZATION and difference.hint == ANOTHER_KEY for difference in stopping
        )


ANOTHER_KEY = "another key than the monitor's"
_STOPPING = frozenset({TYPE, ENDPOINT, ENCODING})


def compare(expected: ExpectedConfig, actual: ExportConfig) -> Comparison:
    """Judge every expected path, every header nobody expects, and the filters. An exporter that is off is compared by nobody."""
    equal: list[str] = []
    blind: list[str] = []
    differences: list[Difference] = []
    for path, rule in expected.rules.items():
        value = actual.fields.get(path)
        match rule.accepts(value):
            case Match.EQUAL:
                equal.append(path)
            case Match.NOT_COMPARABLE:
                blind.append(path)
            case Match.DIFFERS:
                differences.append(_difference(path, rule, value))
    differences.extend(_uninvited(expected, actual))
    differences.extend(_filter_differences(expected, actual))
    if actual.filters and not any(difference.path == FILTERS for difference in differences):
        equal.append(FILTERS)
    return Comparison(equal=tuple(equal), differences=tuple(differences), not_comparable=tuple(blind))


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
            return f"{value!r}"
        case _:
            return str(value)


def _difference(path: str, rule: Rule, value: Value) -> Difference:
    stops = path in _STOPPING
    hint = _endpoint_hint(rule, value) if path == ENDPOINT else None
    if path == AUTHORIZATION:
        stops, hint = _judge_authorization(value)
    return Difference(
        path=path,
        expected=str(rule),
        actual=show(value),
        stops_export=stops,
        critical=path == EXCLUDE and rule.accepts(True) is Match.EQUAL,  # noqa: FBT003 - the value under test
        hint=hint,
    )


def _judge_authorization(value: Value) -> tuple[bool, str | None]:
    """Whether this Authorization stops the export, and in what way it is wrong."""
    secret = value if isinstance(value, Secret) else ABSENT
    if secret.kind is SecretKind.ABSENT:
        return True, "no Authorization header: Traceloop answers 401 and the exporter drops every trace"
    if secret.oddities == (Oddity.BLANKS,):
        return (
            False,
            None,
        )  # HTTP trims the blanks around a field value: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
    if secret.oddities:
        return True, "; ".join(secret.oddities)
    return True, ANOTHER_KEY


def _endpoint_hint(rule: Rule, value: Value) -> str | None:
    if not isinstance(value, str) or not isinstance(rule, Equals) or not isinstance(rule.value, str):
        return None
    if value != value.strip():
        return "leading or trailing blanks"
    if rule.value.removesuffix("/v1/traces") == value.rstrip("/"):
        return "the path /v1/traces is missing: this gateway appends nothing"
    if value.rstrip("/") == rule.value:
        return "a trailing slash"
    return None


def _uninvited(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    """Headers nobody expects: they may carry a credential to a foreign host, so they are told."""
    return [
        Difference(path=path, expected="absent", actual=show(secret), hint="a header nobody expects")
        for path, secret in actual.secrets().items()
        if path not in expected.rules and secret.kind is not SecretKind.ABSENT
    ]


def _filter_differences(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    wanted = set(map(str, expected.filters))
    found = set(map(str, actual.filters))
    differences = [
        Difference(path=FILTERS, expected=text, actual="absent", hint="an expected filter is gone")
        for text in sorted(wanted - found)
    ]
    for extra in actual.filters:
        if str(extra) in wanted:
            continue
        passes = admits(extra, expected.canary_attributes)
        differences.append(
            Difference(
                path=FILTERS,
                expected="absent",
                actual=str(extra),
                stops_export=passes is not True,
                hint={True: None, False: "it excludes our canary", None: "it cannot be evaluated for our canary"}[
                    passes
                ],
            )
        )
    return differences


def admits(rule: Filter, attributes: Mapping[str, str]) -> bool | None:
    """Whether a filter lets a root span with these attributes through; None where that cannot be told."""
    if not rule.understood or rule.key not in attributes:
        return None
    return attributes[rule.key] in rule.values


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSeen:
    """One look at the configuration, as it is remembered: to tell a change from a first sight, and who made it."""

    config: ExportConfig
    updated_at: Instant | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMemory:
    """What is remembered of the configuration between looks, and over restarts.

    `changed_at` dates the present configuration: the later of `updated_at` and the first look that showed it; of the
    very first look `updated_at` alone (None if the control plane does not tell).
    """

    seen: ConfigSeen
    changed_at: Instant | None = None


def remember(before: ConfigMemory | None, seen: ConfigSeen, now: Instant) -> ConfigMemory:
    """Fold a look into the memory: a change is a difference between two looks."""
    if before is None:
        return ConfigMemory(seen=seen, changed_at=seen.updated_at)
    if _same(before.seen.config, seen.config):
        return ConfigMemory(seen=seen, changed_at=before.changed_at)
    return ConfigMemory(seen=seen, changed_at=max(now, seen.updated_at or now))


def _same(one: ExportConfig, other: ExportConfig) -> bool:
    return one.off == other.off and dict(one.fields) == dict(other.fields) and one.filters == other.filters
