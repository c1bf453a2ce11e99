"""How differences, rules and values read: nothing looks alike that differs, and no secret is shown."""

import re
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
    Difference,
    Equals,
    Filter,
    OneOf,
    SameSecret,
    SameUrl,
    show,
)
from tests.core.build import THEIRS, secret
from tests.core.differing import CANARY_ONLY, ODD, only


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "absent"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("text", "text"),
        (" text", "' text'"),
        ("", "''"),
        (secret("****"), "masked"),
        (Equals("http"), "http"),
        (OneOf((False, None)), "false or absent"),
        (Absent(), "absent"),
        (SameSecret("0a1b2c3d"), "fingerprint 0a1b2c3d"),
        (SameUrl("https://a.example/v1"), "https://a.example/v1"),
        (CANARY_ONLY, "tfy.span_type IN [ChatCompletion]"),
        (ODD, "duration (not understood)"),
    ],
)
def test_values_and_rules_are_printed_for_people(value: Any, words: str) -> None:
    """Blanks become visible, secrets do not."""
    printed = str(value) if isinstance(value, Filter | Equals | OneOf | Absent | SameSecret | SameUrl) else show(value)
    assert printed == words


def test_a_difference_reads_as_a_sentence() -> None:
    """The field as the form names it, found, expected, and a hint if that is not plain; a secret as its fingerprint."""
    assert re.fullmatch(
        r"Headers → Authorization is a value with fingerprint \w{8}, should be a value with fingerprint \w{8} "
        r"\(another key than the monitor's\)",
        str(only(key=THEIRS)),
    )
    assert str(only({TYPE: "grpc"})) == "Protocol is `grpc`, should be `http`"


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        ("https://tracеloop", "https://traceloop", "`https://traceloop`, should be `https://trac\\u0435loop`"),  # noqa: RUF001
        ("Köln", "Ko\u0308ln", "`Ko\\u0308ln`, should be `K\\u00f6ln`"),
        ("cop", "сор", "`\\u0441\\u043e\\u0440`, should be `cop`"),  # noqa: RUF001
        ("a b", "a  b", "`a \\u0020b`, should be `a b`"),
        ("Köln", "Köln-2", "`Köln-2`, should be `Köln`"),
        ("prod", "Москва", "`Москва`, should be `prod`"),
    ],
)
def test_expected_and_found_never_look_alike(expected: str, found: str, said: str) -> None:
    """Letters of another alphabet, accents in two ways of writing, a blank more: the eye sees the difference."""
    difference = Difference(path="p", expected=expected, actual=found)
    assert str(difference) == f"p is {said}"
    assert difference.wanted == said.partition(", should be ")[2]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (TYPE, "Protocol"),
        (ENDPOINT, "Endpoint"),
        (ENCODING, "Encoding"),
        (EXCLUDE, "Exclude request data"),
        (FILTERS, "Filter"),
        (METRICS, "Metrics exporter"),
        (AUTHORIZATION, "Headers → Authorization"),
        (f"{HEADERS}.x-team", "Headers → X-Team"),
        (f"{ATTRIBUTES}.deployment.environment", "Additional resource attributes → deployment.environment"),
        ("otel_traces_exporter_config.new", "otel_traces_exporter_config.new"),
    ],
)
def test_a_field_is_named_as_in_the_form_that_people_click(path: str, label: str) -> None:
    """One that the form does not name keeps its path in the manifest."""
    assert Difference(path=path, expected="a", actual="b").label == label


@pytest.mark.parametrize(
    ("expected", "actual", "said"),
    [
        ("absent", "grpc", "Encoding is `grpc`, and should not be set"),
        ("proto", "absent", "Encoding is not set, should be `proto`"),
        ("absent", "masked", "Encoding is masked, and should not be set"),
        (
            "absent",
            "a tfy-secret:// reference",
            "Encoding is a tfy-secret:// reference, and should not be set",
        ),
        ("a", "b`c", "Encoding is `b'c`, should be `a`"),
    ],
)
def test_what_is_missing_or_not_expected_reads_as_such(expected: str, actual: str, said: str) -> None:
    """Values are in code marks, which no value can end; a secret that is not shown is described in words."""
    assert str(Difference(path=ENCODING, expected=expected, actual=actual)) == said
