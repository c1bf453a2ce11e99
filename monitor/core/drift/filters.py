"""What a `when` filter that nobody expects means for our canary: only spans that match all of them are exported."""

from collections.abc import Mapping

from monitor.core.drift.difference import Difference
from monitor.core.drift.manifest import FILTERS, ExportConfig, Filter
from monitor.core.drift.rules import ExpectedConfig


def filter_differences(expected: ExpectedConfig, actual: ExportConfig) -> list[Difference]:
    """Expected filters that are gone, and others that are there."""
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
