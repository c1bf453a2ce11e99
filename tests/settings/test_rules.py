"""From settings to what the core compares and judges with."""

import pytest

from monitor.core.drift import Absent, Equals, Filter, NotAt, OneOf, SameSecret, SameUrl, Value, compare
from monitor.core.drift import ExportConfig as Export
from monitor.core.secret import describe_headers
from monitor.settings import expected_config, expected_headers, labels
from tests.settings.samples import MINIMAL, prod, with_target

KEY = b"k" * 32
TRACES = "otel_traces_exporter_config"


def test_the_guides_table_becomes_rules() -> None:
    """Type, endpoint, encoding, Authorization, and no metrics to where the traces go."""
    rules = expected_config(prod(), KEY).rules
    assert {path: rule for path, rule in rules.items() if not path.endswith("authorization")} == {
        f"{TRACES}.type": Equals("http"),
        f"{TRACES}.endpoint": SameUrl("https://api.traceloop.com/v1/traces"),
        f"{TRACES}.encoding": Equals("proto"),
        "otel_metrics_exporter_config": NotAt(frozenset({"api.traceloop.com"})),
    }
    assert isinstance(rules[f"{TRACES}.headers.authorization"], SameSecret)


def test_a_gateway_set_as_expected_has_no_differences() -> None:
    """With the headers as the adapter describes them, names in any case; the key itself is in no rule."""
    target = prod(with_target("expected: {headers: {X-Scope: Basic abc}, exclude_request_data: true}"))
    expected = expected_config(target, KEY)
    sent = {"AUTHORIZATION": "Bearer tl_Secret_2", "x-scope": "Basic abc"}
    headers = describe_headers(sent, expected_headers(target), key=KEY)
    fields: dict[str, Value] = {
        f"{TRACES}.type": "http",
        f"{TRACES}.endpoint": "https://api.traceloop.com/v1/traces",
        f"{TRACES}.encoding": "proto",
        f"{TRACES}.exclude_request_data": True,
        **{f"{TRACES}.headers.{name}": secret for name, secret in headers.items()},
    }
    assert compare(expected, Export(fields=fields)).differences == ()
    assert "tl_Secret_2" not in repr(expected)


def test_expected_fingerprints_are_those_of_the_values_found() -> None:
    """Equal values show equal fingerprints, whatever the scheme."""
    target = prod(with_target("expected: {headers: {X-A: Bearer zzz, X-B: 'a****b'}}"))
    rules = expected_config(target, KEY).rules
    found = describe_headers(expected_headers(target), expected_headers(target), key=KEY)
    for name in ("authorization", "x-a"):
        rule = rules[f"{TRACES}.headers.{name}"]
        assert isinstance(rule, SameSecret)
        assert rule.fingerprint == found[name].fingerprint
    assert isinstance(rules[f"{TRACES}.headers.x-b"], SameSecret)


def test_an_authorization_of_ones_own_takes_the_place_of_the_made_one() -> None:
    """A collector in between may want another credential."""
    target = prod(with_target("expected: {headers: {authorization: Basic abc}}"))
    assert expected_headers(target) == {"authorization": "Basic abc"}


def test_headers_follow_a_rotated_key() -> None:
    """They are made of the present value."""
    assert expected_headers(prod()) == {"Authorization": "Bearer tl_Secret_2"}


def test_request_data_is_compared_only_if_something_is_expected() -> None:
    """False may also be absent, null is not checked."""

    def rule(value: str) -> object:
        target = prod(with_target(f"expected: {{exclude_request_data: {value}}}"))
        return expected_config(target, KEY).rules.get(f"{TRACES}.exclude_request_data")

    assert rule("null") is None
    assert rule("true") == Equals(True)  # noqa: FBT003 - the value under test
    assert rule("false") == OneOf((False, None))


def test_further_expectations_become_rules() -> None:
    """Resource attributes with their dots, filters, and metrics not checked."""
    text = with_target(
        "expected: {resource_attributes: {deployment.environment: prod}, metrics_exporter: null, "
        "filters: [{key: tfy.span_type, value: [ChatCompletion, Model]}]}"
    )
    expected = expected_config(prod(text), KEY)
    assert expected.rules[f"{TRACES}.additional_resource_attributes.deployment.environment"] == Equals("prod")
    assert "otel_metrics_exporter_config" not in expected.rules
    assert expected.filters == (Filter(key="tfy.span_type", values=("ChatCompletion", "Model")),)


@pytest.mark.parametrize("word", ["any", "null"])
def test_the_metrics_exporter_may_be_nobodys_business(word: str) -> None:
    """Wherever it points."""
    rules = expected_config(prod(with_target(f"expected: {{metrics_exporter: {word}}}")), KEY).rules
    assert "otel_metrics_exporter_config" not in rules


def test_grpc_has_no_encoding() -> None:
    """The manifest has no such field then."""
    target = prod(with_target("expected: {protocol: grpc, endpoint: 'otlp.example.com:443'}"))
    rules = expected_config(target, KEY).rules
    assert rules[f"{TRACES}.type"] == Equals("grpc")
    assert rules[f"{TRACES}.endpoint"] == SameUrl("otlp.example.com:443")
    assert rules[f"{TRACES}.encoding"] == Absent()


def test_the_canarys_sure_attributes() -> None:
    """A filter is evaluated against them."""
    attributes = expected_config(prod(), KEY).canary_attributes
    assert attributes == {"tfy.span_type": "ChatCompletion", "tfy.request.model_name": "openai-main/gpt-4o-mini"}
    without = MINIMAL.replace("{model: openai-main/gpt-4o-mini}", "{}") + "    checks: {canary: {enabled: false}}\n"
    assert expected_config(prod(without), KEY).canary_attributes == {"tfy.span_type": "ChatCompletion"}


def test_what_a_trace_must_say_of_itself() -> None:
    """Content is the opposite of its exclusion; null is not checked."""
    made = {
        value: labels(prod(with_target(f"expected: {{exclude_request_data: {value}, resource_attributes: {{a: b}}}}")))
        for value in ("true", "false", "null")
    }
    assert {value: label.content for value, label in made.items()} == {"true": False, "false": True, "null": None}
    assert made["null"].service_name == "tfy-llm-gateway"
    assert made["null"].resource_attributes == {"a": "b"}
