"""Compare the gateway's export configuration with what it should be, field by field.

The shape is that of TrueFoundry's `gateway-otel-config` manifest
(https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_otel_config.py`). A configuration is a mapping from
dotted path to scalar or `Secret`; an expectation is a rule per path. What a difference means for the export is decided here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from monitor.core.address import normal_url
from monitor.core.model import Scalar
from monitor.core.secret import ABSENT, Oddity, Secret, SecretKind, quoted
from monitor.core.text import distinguish

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

# --- what the gateway is set to --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One `when` filter: only spans whose string attribute `key` is one of `values` are exported.

    `understood` is False where the manifest holds another field or operator than the documented ones.
    """

    key: str
    values: tuple[str, ...]
    understood: bool = True

    @property
    def meaning(self) -> tuple[str, frozenset[str], bool]:
        """What makes two filters the same: the order of the values says nothing."""
        return self.key, frozenset(self.values), self.understood

    def __str__(self) -> str:
        return f"{self.key} IN [{', '.join(self.values)}]" if self.understood else f"{self.key} (not understood)"


def admits(rule: Filter, attributes: Mapping[str, str]) -> bool | None:
    """Whether a filter lets a root span with these attributes through; None where that is not known.

    One without values lets nothing through.
    """
    if not rule.understood:
        return None
    if rule.key not in attributes:
        return None if rule.values else False
    return attributes[rule.key] in rule.values


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What the gateway is set to export: `fields` by dotted path, and the filters. `off` when there is no traces exporter."""

    off: bool = False
    fields: Mapping[str, Value] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()

    def secrets(self) -> Mapping[str, Secret]:
        """The header values, by path."""
        return {path: value for path, value in self.fields.items() if isinstance(value, Secret)}


# --- what is expected: rules that judge a value and print themselves -------------------------------------------------


class Match(Enum):
    """What a rule says of a value."""

    EQUAL = auto()
    DIFFERS = auto()
    NOT_COMPARABLE = auto()


_MATCH = {True: Match.EQUAL, False: Match.DIFFERS}
_HOST = re.compile(r"(?:[A-Za-z][\w+.-]*://)?(?:[^/?#]*@)?\[?([^\]/?#]*?)\]?(?::\d*)?(?:[/?#]|$)")


@dataclass(frozen=True, slots=True)
class Equals:
    """Exactly this value."""

    value: Scalar

    def accepts(self, value: Value) -> Match:
        """Equal in type too; a blank more is a difference, because the exporter uses the text as it is."""
        return _MATCH[value == self.value and isinstance(value, bool) == isinstance(self.value, bool)]

    def __str__(self) -> str:
        return show(self.value)


@dataclass(frozen=True, slots=True)
class SameUrl:
    """This URL, or this gRPC address, in whatever spelling."""

    url: str

    def accepts(self, value: Value) -> Match:
        """Equal once both are brought into one spelling."""
        return _MATCH[isinstance(value, str) and normal_url(value) == normal_url(self.url)]

    def __str__(self) -> str:
        return show(self.url)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these values; None among them means that the field may be absent."""

    values: tuple[Scalar, ...]

    def accepts(self, value: Value) -> Match:
        """Equal to one of them."""
        return _MATCH[any(Equals(known).accepts(value) is Match.EQUAL for known in self.values)]

    def __str__(self) -> str:
        return " or ".join(show(value) for value in self.values)


@dataclass(frozen=True, slots=True)
class Absent:
    """Not set at all."""

    def accepts(self, value: Value) -> Match:
        """Absent, null and an empty text are the same."""
        return _MATCH[value in (None, "")]

    def __str__(self) -> str:
        return "absent"


@dataclass(frozen=True, slots=True)
class NotAt:
    """Wherever it exports to, not to one of these hosts."""

    hosts: frozenset[str]

    def accepts(self, value: Value) -> Match:
        """The endpoint is the last word of the value; one that is none points nowhere."""
        host = _HOST.match(value.rpartition(" ")[2] if isinstance(value, str) else "")
        return _MATCH[host is None or host[1].lower().rstrip(".") not in self.hosts]

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
        return _MATCH[value.equal]

    def __str__(self) -> str:
        return f"fingerprint {self.fingerprint}"


Rule = Equals | SameUrl | OneOf | Absent | NotAt | SameSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedConfig:
    """What the configuration should be: a rule per path, the filters, and the string attributes of the canary's root span.

    `routing`: further paths that decide where traces go. `key_is_place`: so does the key, so that another one stops the export.
    `backend`: the name of whom they go to.
    """

    rules: Mapping[str, Rule]
    routing: frozenset[str] = frozenset()
    key_is_place: bool = True
    backend: str = "Traceloop"
    filters: tuple[Filter, ...] = ()
    canary_attributes: Mapping[str, str] = field(default_factory=dict)


def show(value: Value) -> str:
    """A value for people; absent and null read the same."""
    match value:
        case None:
            return "absent"
        case bool():
            return "true" if value else "false"
        case str() if value != value.strip() or not value:
            return f"'{value}'"
        case _:
            return str(value)


# --- the comparison --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that is not as it should be. `critical` also where only content leaks; `reroutes`: traces go elsewhere."""

    path: str
    expected: str
    actual: str
    stops_export: bool = False
    critical: bool = False
    reroutes: bool = False
    hint: str | None = None

    @property
    def label(self) -> str:
        """The field as TrueFoundry's form names it: https://www.truefoundry.com/docs/ai-gateway/export-opentelemetry-data."""
        if self.path.startswith(f"{HEADERS}."):
            return f"Headers → {self.path.removeprefix(f'{HEADERS}.').title()}"
        if self.path.startswith(f"{ATTRIBUTES}."):
            return f"Additional resource attributes → {self.path.removeprefix(f'{ATTRIBUTES}.')}"
        return _LABELS.get(self.path, self.path)

    @property
    def wanted(self) -> str:
        """The value that it should have."""
        return quoted(distinguish(self.expected, self.actual)[0])

    def __str__(self) -> str:
        """Example: Endpoint is `https://api.traceloop.com`, should be `https://api.traceloop.com/v1/traces`."""
        expected, actual = distinguish(self.expected, self.actual)
        if self.path == FILTERS and self.actual == "absent":
            said = f"{self.label} {quoted(expected)} is missing"
        elif self.expected == "absent":
            said = f"{self.label} is {quoted(actual)}, and should not be set"
        elif self.actual == "absent":
            said = f"{self.label} is not set, should be {quoted(expected)}"
        else:
            said = f"{self.label} is {quoted(actual)}, should be {quoted(expected)}"
        return f"{said} ({self.hint})" if self.hint else said


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
    def leaks(self) -> bool:
        """Whether any difference lets out what must not leave."""
        return any(difference.critical for difference in self.differences)

    @property
    def critical(self) -> bool:
        """Whether any difference is worth waking somebody."""
        return self.stops_export or self.leaks

    @property
    def rerouted(self) -> bool:
        """Whether traces only go to another place of the backend, and nothing else stops them."""
        return self.stops_export and all(one.reroutes for one in self.differences if one.stops_export)

    @property
    def other_key(self) -> bool:
        """Whether the gateway carries a well-formed key that is not the monitor's, and nothing else stops the export.

        That is how a rotation looks: if the monitor's key is refused, the monitor's is the outdated one. Whether another key stops
        the export is the backend's matter (`ExpectedConfig.key_is_place`).
        """
        keys = [one for one in self.differences if (one.path, one.hint) == (AUTHORIZATION, ANOTHER_KEY)]
        return bool(keys) and not any(one.stops_export for one in self.differences if one not in keys)


ANOTHER_KEY = "another key than the monitor's"
_LABELS: Mapping[str, str] = {
    TYPE: "Protocol",
    ENDPOINT: "Endpoint",
    ENCODING: "Encoding",
    EXCLUDE: "Exclude request data",
    FILTERS: "Filter",
    METRICS: "Metrics exporter",
}
_STOPPING = frozenset({TYPE, ENDPOINT, ENCODING})

# HTTP trims the blanks around a field value: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
_HARMLESS = frozenset({Oddity.BLANKS, Oddity.OTHER_FORM})

_FILTER_HINTS: Mapping[bool | None, str | None] = {
    True: None,
    False: "it excludes the canary",
    None: "whether it excludes the canary is not known",
}


def compare(expected: ExpectedConfig, actual: ExportConfig) -> Comparison:
    """Judge every expected path, every header nobody expects, and the filters. An exporter that is off is compared by nobody."""
    matches = {path: rule.accepts(actual.fields.get(path)) for path, rule in expected.rules.items()}
    differences = [
        _difference(path, rule, actual.fields.get(path), expected)
        for path, rule in expected.rules.items()
        if matches[path] is Match.DIFFERS
    ]
    # A header that nobody expects may carry a credential to a foreign host.
    differences += [
        Difference(path=path, expected="absent", actual=show(secret), hint=None)
        for path, secret in actual.secrets().items()
        if path not in expected.rules and secret.kind not in (SecretKind.ABSENT, SecretKind.HIDDEN)
    ]
    filters = _filter_differences(expected, actual)
    equal = [path for path, match in matches.items() if match is Match.EQUAL]
    return Comparison(
        equal=(*equal, FILTERS) if actual.filters and not filters else tuple(equal),
        differences=(*differences, *filters),
        not_comparable=tuple(path for path, match in matches.items() if match is Match.NOT_COMPARABLE),
    )


def _difference(path: str, rule: Rule, value: Value, expected: ExpectedConfig) -> Difference:
    stops, hint = path in _STOPPING | expected.routing, None
    if path == AUTHORIZATION:
        stops, hint = _judge_authorization(value, expected)
    elif path == ENDPOINT:
        hint = _endpoint_hint(rule, value)
    elif isinstance(rule, NotAt):
        hint = f"{expected.backend} accepts no metrics"
    return Difference(
        path=path,
        expected=str(rule),
        actual=show(value),
        stops_export=stops,
        reroutes=path in expected.routing,
        critical=path == EXCLUDE and rule.accepts(True) is Match.EQUAL,  # noqa: FBT003 - the value under test
        hint=hint,
    )


def _judge_authorization(value: Value, expected: ExpectedConfig) -> tuple[bool, str | None]:
    """Whether this Authorization stops the export, and in what way it is wrong.

    Where a key is no place, another one may be as good as ours: whether the backend takes it, the traces will show.
    """
    secret = value if isinstance(value, Secret) else ABSENT
    if secret.kind is SecretKind.ABSENT:
        return True, f"{expected.backend} answers 401 and the exporter drops every trace"
    if secret.another_key:
        return expected.key_is_place, ANOTHER_KEY
    return not _HARMLESS.issuperset(secret.oddities), None  # the value prints its own oddities


def _endpoint_hint(rule: Rule, value: Value) -> str | None:
    if not isinstance(value, str) or not isinstance(rule, SameUrl):
        return None
    if value != value.strip():
        return "leading or trailing blanks"
    found, wanted = normal_url(value), normal_url(rule.url)
    if found.rstrip("/") == wanted.rstrip("/"):
        return "one trailing slash too many" if found.endswith("/") else "the trailing slash is missing"
    if wanted.removesuffix("/v1/traces") == found.rstrip("/"):
        return "the gateway appends no path"
    return None


def _filter_differences(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    """Expected filters that are gone, and others that are there: only spans that match all of them are exported."""
    wanted = {rule.meaning for rule in expected.filters}
    found = {rule.meaning for rule in actual.filters}
    differences = [
        Difference(path=FILTERS, expected=str(rule), actual="absent")
        for rule in expected.filters
        if rule.meaning not in found
    ]
    for rule in actual.filters:
        if rule.meaning not in wanted:
            passes = admits(rule, expected.canary_attributes)
            stops, hint = passes is not True, _FILTER_HINTS[passes]
            differences.append(
                Difference(path=FILTERS, expected="absent", actual=str(rule), stops_export=stops, hint=hint)
            )
    return differences
