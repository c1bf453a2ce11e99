"""What a `when` filter that nobody expects means for our canary: only spans that match all of them are exported."""

from collections.abc import Mapping

from monitor.core.drift.difference import Difference
from monitor.core.drift.manifest import FILTERS, ExportConfig, Filter
from monitor.core.drift.rules import ExpectedConfig

_HINTS: Mapping[bool | None, str | None] = {
    True: None,
    False: "it excludes our canary",
    None: "it cannot be evaluated for our canary",
}


def filter_differences(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    """Expected filters that are gone, and others that are there."""
    wanted = {rule.meaning for rule in expected.filters}
    found = {rule.meaning for rule in actual.filters}
    gone = [
        Difference(path=FILTERS, expected=str(rule), actual="absent", hint="an expected filter is gone")
        for rule in expected.filters
        if rule.meaning not in found
    ]
    return gone + [_uninvited(rule, expected) for rule in actual.filters if rule.meaning not in wanted]


def _uninvited(rule: Filter, expected: ExpectedConfig) -> Difference:
    passes = admits(rule, expected.canary_attributes)
    return Difference(
        path=FILTERS, expected="absent", actual=str(rule), stops_export=passes is not True, hint=_HINTS[passes]
    )


def admits(rule: Filter, attributes: Mapping[str, str]) -> bool | None:
    """Whether a filter lets a root span with these attributes through; None where that cannot be told.

    One without values lets nothing through.
    """
    if not rule.understood:
        return None
    if rule.key not in attributes:
        return None if rule.values else False
    return attributes[rule.key] in rule.values
