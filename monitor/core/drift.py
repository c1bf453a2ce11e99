"""Compare the gateway's export configuration with what it should be, field by field, and remember when it changed.

The shape is that of TrueFoundry's `gateway-otel-config` manifest
(https://github.com/truefoundry/truefoundry-python-sdk, `types/gateway_otel_config.py`). A configuration is a mapping from
dotted path to scalar or `Secret`; an expectation is a rule per path. What a difference means for the export is decided here.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from monitor.core.address import normal_url
from monitor.core.model import ForeignInstant, Instant, Scalar, Seconds
from monitor.core.secret import ABSENT, HIDDEN, Oddity, Secret, SecretKind

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
        """Equal in type too; a blank more is a difference, because the exporter takes the text as it stands."""
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
    """What the configuration should be: a rule per path, the filters, and the string attributes of our own canary's root span."""

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
        case str() if value != value.strip() or not value:
            return f"'{value}'"
        case _:
            return str(value)


# --- the comparison --------------------------------------------------------------------------------------------------


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
    def other_key(self) -> bool:
        """Whether the gateway carries a well-formed key that is not ours, and nothing else stops the export.

        That is how a rotation looks: if our own key is refused, ours is the outdated one.
        """
        stopping = {(one.path, one.hint) for one in self.differences if one.stops_export}
        return stopping == {(AUTHORIZATION, _ANOTHER_KEY)}


_ANOTHER_KEY = "another key than the monitor's"
_STOPPING = frozenset({TYPE, ENDPOINT, ENCODING})

# HTTP trims the blanks around a field value: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
_HARMLESS = frozenset({Oddity.BLANKS, Oddity.OTHER_FORM})

_FILTER_HINTS: Mapping[bool | None, str | None] = {
    True: None,
    False: "it excludes our canary",
    None: "it cannot be evaluated for our canary",
}


def compare(expected: ExpectedConfig, actual: ExportConfig) -> Comparison:
    """Judge every expected path, every header nobody expects, and the filters. An exporter that is off is compared by nobody."""
    matches = {path: rule.accepts(actual.fields.get(path)) for path, rule in expected.rules.items()}
    differences = [
        _difference(path, rule, actual.fields.get(path))
        for path, rule in expected.rules.items()
        if matches[path] is Match.DIFFERS
    ]
    # A header that nobody expects may carry a credential to a foreign host.
    differences += [
        Difference(path=path, expected="absent", actual=show(secret), hint="a header nobody expects")
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


def _difference(path: str, rule: Rule, value: Value) -> Difference:
    stops, hint = path in _STOPPING, None
    if path == AUTHORIZATION:
        stops, hint = _judge_authorization(value)
    elif path == ENDPOINT:
        hint = _endpoint_hint(rule, value)
    elif isinstance(rule, NotAt):
        hint = "the traces' backend takes in no metrics"
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
    if secret.another_key:
        return True, _ANOTHER_KEY
    return not _HARMLESS.issuperset(secret.oddities), None  # the value prints its own oddities


def _endpoint_hint(rule: Rule, value: Value) -> str | None:
    if not isinstance(value, str) or not isinstance(rule, SameUrl):
        return None
    if value != value.strip():
        return "leading or trailing blanks"
    found, wanted = normal_url(value), normal_url(rule.url)
    if found.rstrip("/") == wanted.rstrip("/"):
        return "a trailing slash more" if found.endswith("/") else "a trailing slash less"
    if wanted.removesuffix("/v1/traces") == found.rstrip("/"):
        return "the path /v1/traces is missing: this gateway appends nothing"
    return None


def _filter_differences(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    """Expected filters that are gone, and others that are there: only spans that match all of them are exported."""
    wanted = {rule.meaning for rule in expected.filters}
    found = {rule.meaning for rule in actual.filters}
    differences = [
        Difference(path=FILTERS, expected=str(rule), actual="absent", hint="an expected filter is gone")
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


def told_apart(one: str, other: str) -> tuple[str, str]:
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


# --- what is remembered ----------------------------------------------------------------------------------------------

_SKEW: Seconds = 300.0  # between our clock and the control plane's


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSeen:
    """One look at the configuration, and who changed it last as far as the control plane tells."""

    config: ExportConfig
    updated_at: ForeignInstant | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMemory:
    """What is remembered of the configuration between looks, and over restarts.

    `changed_at` dates the present configuration: the later of `updated_at` and the first look that showed it; of the
    very first look `updated_at` alone (None if the control plane does not tell). `credential` is the fingerprint of the key
    that the present look was compared with, `read_at` when that look began.
    """

    seen: ConfigSeen
    changed_at: Instant | None = None
    credential: str = ""
    read_at: Instant | None = None


def unmask_removal(before: ConfigMemory | None, seen: ConfigSeen) -> ConfigSeen:
    """Tell headers that were removed from headers that this control plane never shows.

    Whether it leaves out `headers` when it will not show them, or only when there are none, is not documented. A header that
    has been shown once, in whatever form, and is not shown any more, is gone.
    """
    known = before.seen.config.fields if before is not None else {}
    gone = {
        path: ABSENT
        for path, value in seen.config.fields.items()
        if value == HIDDEN and known.get(path, HIDDEN) != HIDDEN
    }
    return replace(seen, config=replace(seen.config, fields={**seen.config.fields, **gone})) if gone else seen


def remember(before: ConfigMemory | None, seen: ConfigSeen, now: Instant) -> ConfigMemory:
    """Remember a look: a change is a difference between two looks."""
    dated = seen.updated_at
    if dated is not None and dated > now + _SKEW:  # what is dated years ahead would be settling until then
        dated = now
    if before is None:
        return ConfigMemory(seen=seen, changed_at=dated)
    if _meaning(before.seen.config) == _meaning(seen.config):
        return ConfigMemory(seen=seen, changed_at=before.changed_at)
    return ConfigMemory(seen=seen, changed_at=max(now, dated or now))


def _meaning(config: ExportConfig) -> tuple[object, ...]:
    """What the gateway is set to, whatever we expect: when our own key changes, the gateway's configuration has not."""
    fields = {
        path: replace(value, equal=None) if isinstance(value, Secret) else value
        for path, value in config.fields.items()
    }
    if isinstance(endpoint := fields.get(ENDPOINT), str):
        fields[ENDPOINT] = normal_url(endpoint)
    return config.off, fields, {rule.meaning for rule in config.filters}
