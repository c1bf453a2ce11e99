"""Two configurations compared field by field: all the ways to differ, and what each means for the export."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from monitor.core.drift import (
    ATTRIBUTES,
    AUTHORIZATION,
    ENCODING,
    ENDPOINT,
    EXCLUDE,
    FILTERS,
    HEADERS,
    METRICS,
    TYPE,
    Absent,
    Comparison,
    Equals,
    ExpectedConfig,
    ExportConfig,
    Filter,
    Match,
    NotAt,
    OneOf,
    Rule,
    SameSecret,
    SameUrl,
    Value,
    admits,
    compare,
)
from monitor.core.secret import ABSENT, describe_secret
from tests.core.build import KEY, OURS, THEIRS, expectation, manifest, secret
from tests.core.differing import AGENTS_ONLY, CANARY_ONLY, ODD, TEAM, differences, only


def test_the_guides_table_is_equal_field_by_field() -> None:
    """A configuration as it should be has no differences, and says what was compared."""
    assert compare(expectation(), manifest()) == Comparison(
        equal=(TYPE, ENDPOINT, ENCODING, AUTHORIZATION, METRICS, EXCLUDE)
    )


def test_the_order_of_the_keys_says_nothing() -> None:
    """A manifest is a mapping."""
    turned = ExportConfig(fields=dict(reversed(list(manifest().fields.items()))))
    assert compare(expectation(), turned) == compare(expectation(), manifest())


def test_extra_fields_are_tolerated() -> None:
    """A newer TrueFoundry may know more fields than we do."""
    assert not differences({"otel_traces_exporter_config.something_new": 7})


@pytest.mark.parametrize(
    "changes",
    [
        {TYPE: "grpc"},
        {TYPE: None},
        {TYPE: "HTTP"},
        {ENDPOINT: "https://api.traceloop.dev/v1/traces"},
        {ENDPOINT: None},
        {ENDPOINT: ""},
        {ENCODING: "json"},
        {ENCODING: None},
        {AUTHORIZATION: None},
        {AUTHORIZATION: ABSENT},
        {AUTHORIZATION: "a plain text where a secret belongs"},
    ],
    ids=str,
)
def test_type_endpoint_encoding_and_a_missing_authorization_stop_the_export(changes: Mapping[str, Any]) -> None:
    """Traces cannot arrive, so it is critical."""
    difference = only(changes)
    assert difference.stops_export
    assert compare(expectation(), manifest(changes)).critical


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("https://api.traceloop.com", "the gateway appends no path"),
        ("https://api.traceloop.com/", "the gateway appends no path"),
        ("https://api.traceloop.com/v1/traces ", "leading or trailing blanks"),
        ("\thttps://api.traceloop.com/v1/traces", "leading or trailing blanks"),
        ("https://api.traceloop.com/v1/traces/", "one trailing slash too many"),
        ("https://elsewhere.example/v1/traces", None),
        (None, None),
        (4318, None),
    ],
)
def test_a_wrong_endpoint_says_what_is_wrong_with_it(value: Value, hint: str | None) -> None:
    """The usual slips are named, so that nobody compares two URLs letter by letter."""
    assert only({ENDPOINT: value}).hint == hint


def test_a_slash_that_is_expected_and_missing_is_no_missing_path() -> None:
    """The hint is about what is different."""
    rules: dict[str, Rule] = {ENDPOINT: SameUrl("https://collector.example/otel/")}
    (one,) = compare(
        ExpectedConfig(rules=rules), ExportConfig(fields={ENDPOINT: "https://collector.example/otel"})
    ).differences
    assert one.hint == "the trailing slash is missing"


def test_an_endpoint_that_may_be_one_of_several_has_no_hint() -> None:
    """There is no single text to compare with."""
    rules: dict[str, Rule] = {ENDPOINT: OneOf(("https://a.example/v1/traces", "https://b.example/v1/traces"))}
    (one,) = compare(ExpectedConfig(rules=rules), ExportConfig(fields={ENDPOINT: "https://a.example"})).differences
    assert (one.hint, one.expected) == (None, "https://a.example/v1/traces or https://b.example/v1/traces")


@pytest.mark.parametrize(
    "value",
    ["tl_ours", "bearer tl_ours", '"Bearer tl_ours"', "Bearer ${KEY}", "Bearer", "Bearer%20tl_ours", THEIRS],
)
def test_an_authorization_that_traceloop_will_refuse_stops_the_export(value: str) -> None:
    """`Bearer ` missing, an unexpanded placeholder, quotes, or another key than ours."""
    assert only(key=value).stops_export


def test_a_missing_authorization_says_what_follows() -> None:
    """The exporter drops every trace without a word to anybody."""
    difference = only({AUTHORIZATION: None})
    assert difference.hint == "Traceloop answers 401 and the exporter drops every trace"
    assert re.fullmatch(
        r"Headers → Authorization is not set, should be a value with fingerprint \w{8} "
        r"\(Traceloop answers 401 and the exporter drops every trace\)",
        str(difference),
    )


@pytest.mark.parametrize("value", [" Bearer tl_ours", "Bearer tl_ours \n", "Bearer  tl_ours"])
def test_blanks_around_our_key_do_not_stop_the_export(value: str) -> None:
    """HTTP trims them; the difference is shown, as a warning."""
    found = compare(expectation(), manifest(key=value))
    assert [difference.path for difference in found.differences] == [AUTHORIZATION]
    assert not found.stops_export
    assert not found.critical
    assert not found.other_key


@pytest.mark.parametrize(
    "value", ["****", "Bearer ****", "tfy-secret://a:b:c", "Bearer tfy-secret://a:b:c", "Bearer tl_…z"]
)
def test_a_masked_key_and_a_reference_are_not_comparable(value: str) -> None:
    """What cannot be compared does not differ: it is listed, and nothing is held against anybody."""
    found = compare(expectation(), manifest(key=value))
    assert found.differences == ()
    assert found.not_comparable == (AUTHORIZATION,)


def test_a_value_without_an_expectation_of_ours_cannot_be_compared() -> None:
    """A secret that was made without knowing ours says nothing of equality."""
    unknown = describe_secret("Bearer tl_ours", expected=None, key=KEY)
    assert SameSecret("0").accepts(unknown) is Match.NOT_COMPARABLE


def test_another_key_is_the_mark_of_a_rotation() -> None:
    """Well-formed, and nothing else keeps traces from arriving."""
    assert compare(expectation(), manifest(key=THEIRS)).other_key
    assert compare(expectation(), manifest(key=f" {THEIRS} ")).other_key
    assert not compare(expectation(), manifest(key="tl_theirs")).other_key
    assert not compare(expectation(), manifest({ENDPOINT: "https://x.example"}, key=THEIRS)).other_key
    assert not compare(expectation(), manifest({ENDPOINT: "https://x.example"})).other_key
    assert compare(expectation(), manifest({EXCLUDE: False}, key=THEIRS)).other_key
    assert not compare(expectation(), manifest()).other_key


@pytest.mark.parametrize("value", [False, None, "true"])
def test_a_broken_promise_to_exclude_content_is_critical(value: Value) -> None:
    """Traces still arrive, but they carry what must not leave."""
    difference = only({EXCLUDE: value})
    assert difference.critical
    assert not difference.stops_export
    found = compare(expectation(), manifest({EXCLUDE: value}))
    assert found.critical
    assert found.leaks


@pytest.mark.parametrize(("value", "match"), [(False, Match.EQUAL), (None, Match.EQUAL), (True, Match.DIFFERS)])
def test_content_that_should_be_there_and_is_excluded_is_a_warning(value: Value, match: Match) -> None:
    """Absent and null mean that nothing is excluded."""
    rules: dict[str, Rule] = {EXCLUDE: OneOf((False, None))}
    found = compare(ExpectedConfig(rules=rules), manifest({EXCLUDE: value}, key=None))
    assert (EXCLUDE in found.equal) == (match is Match.EQUAL)
    assert not found.critical


def test_what_is_not_expected_of_content_is_not_checked() -> None:
    """`exclude_request_data: null` in the expectation."""
    rules = {path: rule for path, rule in expectation().rules.items() if path != EXCLUDE}
    for value in (True, False, None):
        assert not compare(ExpectedConfig(rules=rules), manifest({EXCLUDE: value})).differences


def test_resource_attributes_must_be_contained() -> None:
    """Each expected one; others may be there too."""
    rules: dict[str, Rule] = {f"{ATTRIBUTES}.environment": Equals("production")}
    expected = ExpectedConfig(rules=rules)
    assert not compare(expected, ExportConfig(fields={f"{ATTRIBUTES}.environment": "production"})).differences
    for fields in ({f"{ATTRIBUTES}.environment": "staging"}, {f"{ATTRIBUTES}.other": "production"}):
        (one,) = compare(expected, ExportConfig(fields=fields)).differences
        assert not one.stops_export
    more = {f"{ATTRIBUTES}.environment": "production", f"{ATTRIBUTES}.team": "ml"}
    assert not compare(expected, ExportConfig(fields=more)).differences


@pytest.mark.parametrize(("value", "differs"), [(None, False), ("", False), ("http", True), ("{…}", True), (0, True)])
def test_a_metrics_exporter_should_be_disabled(value: Value, differs: bool) -> None:
    """Absent, null and empty are the same; anything else is a warning."""
    found = differences({METRICS: value})
    assert bool(found) == differs
    assert not any(one.stops_export or one.critical for one in found)


@pytest.mark.parametrize(
    ("value", "differs"),
    [
        (None, False),
        ("http https://metrics.acme.example/v1/metrics", False),
        ("http https://api.traceloop.com.acme.example", False),
        ("grpc metrics.acme.example:4317", False),
        ("http", False),
        ("http https://[", False),
        ("http https://api.traceloop.com/v1/metrics", True),
        ("http HTTPS://API.Traceloop.com.:443", True),
        ("grpc api.traceloop.com:4317", True),
    ],
)
def test_a_metrics_exporter_is_wrong_only_where_the_traces_go(value: Value, *, differs: bool) -> None:
    """Traceloop accepts traces only; what a tenant sends elsewhere is nobody's business."""
    expected = ExpectedConfig(rules={METRICS: NotAt(frozenset({"api.traceloop.com"}))})
    found = compare(expected, ExportConfig(fields={METRICS: value})).differences
    assert [(one.expected, one.stops_export, one.hint) for one in found] == (
        [("absent", False, "Traceloop accepts no metrics")] if differs else []
    )


def test_a_header_nobody_expects_is_a_warning() -> None:
    """It may carry a credential to a foreign host; its value is a secret whatever its name."""
    difference = only({f"{HEADERS}.x-team": describe_secret("ml-platform", expected=None, key=KEY)})
    assert (difference.path, difference.expected, difference.stops_export) == (f"{HEADERS}.x-team", "absent", False)
    assert "ml-platform" not in str(difference)
    assert not differences({f"{HEADERS}.x-team": ABSENT})


@pytest.mark.parametrize("value", ["********", "tfy-secret://acme:keys:team"])
def test_a_header_nobody_expects_is_shown_whatever_form_its_value_is_shown_in(value: str) -> None:
    """What cannot be compared is there all the same."""
    difference = only({f"{HEADERS}.x-team": describe_secret(value, expected=None, key=KEY)})
    assert (difference.path, difference.expected, difference.stops_export) == (f"{HEADERS}.x-team", "absent", False)


def test_an_expected_header_is_compared_by_its_full_value() -> None:
    """Missing or different is a warning, because Traceloop does not need it."""
    path = f"{HEADERS}.x-team"
    expected = ExpectedConfig(rules={path: SameSecret("00000000")})
    for value in ("ml", "other", None):
        described = describe_secret(value, expected="ml", key=KEY)
        found = compare(expected, ExportConfig(fields={path: described}))
        assert bool(found.differences) == (value != "ml")
        assert not found.critical


@pytest.mark.parametrize(
    ("rule", "stops", "hint"),
    [
        (CANARY_ONLY, False, None),
        (AGENTS_ONLY, True, "it excludes the canary"),
        (TEAM, True, "whether it excludes the canary is not known"),
        (ODD, True, "whether it excludes the canary is not known"),
    ],
    ids=str,
)
def test_a_filter_nobody_expects_is_evaluated_for_our_canary(rule: Filter, stops: bool, hint: str | None) -> None:
    """One that we cannot evaluate counts as excluding."""
    difference = only(filters=(rule,))
    assert (difference.path, difference.expected, difference.actual) == (FILTERS, "absent", str(rule))
    assert (difference.stops_export, difference.hint) == (stops, hint)


def test_expected_filters_are_compared_by_what_they_mean() -> None:
    """Neither the order of the filters nor that of their values says anything."""
    turned = Filter(key="tfy.span_type", values=("MCP", "AgentResponse"))
    found = compare(expectation(filters=(AGENTS_ONLY, CANARY_ONLY)), manifest(filters=(CANARY_ONLY, turned)))
    assert not found.differences
    assert FILTERS in found.equal


def test_a_filter_with_other_values_is_another_filter() -> None:
    """A comma inside a value is no separator."""
    one, two = Filter(key="k", values=("a, b",)), Filter(key="k", values=("a", "b"))
    assert len(compare(expectation(filters=(one,)), manifest(filters=(two,))).differences) == 2


def test_an_expected_filter_that_is_gone_is_a_warning() -> None:
    """More is exported than should be."""
    (one,) = compare(expectation(filters=(CANARY_ONLY,)), manifest()).differences
    assert (one.expected, one.actual, one.stops_export) == (str(CANARY_ONLY), "absent", False)
    assert str(one) == "Filter `tfy.span_type IN [ChatCompletion]` is missing"


@pytest.mark.parametrize(
    ("rule", "lets_through"), [(CANARY_ONLY, True), (AGENTS_ONLY, False), (TEAM, None), (ODD, None)]
)
def test_what_a_filter_does_to_a_span(rule: Filter, lets_through: bool | None) -> None:
    """None where that cannot be told."""
    assert admits(rule, {"tfy.span_type": "ChatCompletion", "duration": "7"}) is lets_through


@pytest.mark.parametrize(
    ("rule", "value", "match"),
    [
        (Equals("a"), "a", Match.EQUAL),
        (Equals("a"), "a ", Match.DIFFERS),
        (Equals("a"), "A", Match.DIFFERS),
        (Equals(value=True), True, Match.EQUAL),
        (Equals(value=True), 1, Match.DIFFERS),
        (Equals(1), True, Match.DIFFERS),
        (Equals(1), 1.0, Match.EQUAL),
        (Equals("true"), True, Match.DIFFERS),
        (Equals(None), None, Match.EQUAL),
        (Equals(None), "", Match.DIFFERS),
        (Equals(None), secret(OURS), Match.DIFFERS),
        (OneOf((False, None)), None, Match.EQUAL),
        (OneOf((False, None)), False, Match.EQUAL),
        (OneOf((False, None)), 0, Match.DIFFERS),
        (Absent(), None, Match.EQUAL),
        (Absent(), "", Match.EQUAL),
        (Absent(), False, Match.DIFFERS),
        (SameSecret("x"), None, Match.DIFFERS),
        (SameSecret("x"), "text", Match.DIFFERS),
        (SameSecret("x"), ABSENT, Match.DIFFERS),
        (SameSecret("x"), secret(OURS), Match.EQUAL),
        (SameSecret("x"), secret(THEIRS), Match.DIFFERS),
        (SameSecret("x"), secret("****"), Match.NOT_COMPARABLE),
    ],
    ids=str,
)
def test_rules_judge_values(rule: Rule, value: Value, match: Match) -> None:
    """By type and value, as they stand."""
    assert rule.accepts(value) is match
