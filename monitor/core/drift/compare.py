"""Judge a configuration by an expectation: what is equal, what differs and how bad that is, what cannot be compared."""

from dataclasses import dataclass

from monitor.core.drift.difference import Difference
from monitor.core.drift.filters import filter_differences
from monitor.core.drift.manifest import AUTHORIZATION, ENCODING, ENDPOINT, EXCLUDE, FILTERS, TYPE, ExportConfig, Value
from monitor.core.drift.rules import ExpectedConfig, Match, NotAt, Rule, SameUrl, show
from monitor.core.drift.url import normal_url
from monitor.core.secret import ABSENT, Oddity, Secret, SecretKind


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
        stopping = [difference for difference in self.differences if difference.stops_export]
        return bool(stopping) and all(
            difference.path == AUTHORIZATION and difference.hint == ANOTHER_KEY for difference in stopping
        )


ANOTHER_KEY = "another key than the monitor's"
_STOPPING = frozenset({TYPE, ENDPOINT, ENCODING})

# HTTP trims the blanks around a field value: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
_HARMLESS = frozenset({Oddity.BLANKS, Oddity.OTHER_FORM})


def compare(expected: ExpectedConfig, actual: ExportConfig) -> Comparison:
    """Judge every expected path, every header nobody expects, and the filters. An exporter that is off is compared by nobody."""
    equal: list[str] = []
    blind: list[str] = []
    differences: list[Difference] = []
    for path, rule in expected.rules.items():
        value = actual.fields.get(path)
        matches = rule.accepts(value)
        if matches is Match.EQUAL:
            equal.append(path)
        elif matches is Match.NOT_COMPARABLE:
            blind.append(path)
        else:
            differences.append(_difference(path, rule, value))
    differences.extend(_uninvited(expected, actual))
    differences.extend(filter_differences(expected, actual))
    if actual.filters and not any(difference.path == FILTERS for difference in differences):
        equal.append(FILTERS)
    return Comparison(equal=tuple(equal), differences=tuple(differences), not_comparable=tuple(blind))


def _difference(path: str, rule: Rule, value: Value) -> Difference:
    stops = path in _STOPPING
    hint = _endpoint_hint(rule, value) if path == ENDPOINT else None
    if isinstance(rule, NotAt):
        hint = "the traces' backend takes in no metrics"
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
    if secret.another_key:
        return True, ANOTHER_KEY
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


def _uninvited(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    """Headers nobody expects: they may carry a credential to a foreign host, so they are told."""
    return [
        Difference(path=path, expected="absent", actual=show(secret), hint="a header nobody expects")
        for path, secret in actual.secrets().items()
        if path not in expected.rules and secret.kind not in (SecretKind.ABSENT, SecretKind.HIDDEN)
    ]
